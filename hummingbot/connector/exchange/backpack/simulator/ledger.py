"""Who owns what: balances, locks, lent funds and fees. Nothing appears or vanishes but by deposit and withdrawal.

Faithful: fees are taken from what is received; lent funds are apart from available ones and are used for
an order only when it asks to redeem them.
Simplified: a fee is rounded to 9 decimals (USDC balances with 9 decimals were recorded), in favour of the
exchange: a fee up, a rebate down. Lending pays no interest, staking does not exist.

All arithmetic is exact. Python's decimals keep 28 significant digits, so amounts are held to at most
``MAX_DECIMALS`` digits after the point and ``MAX_SUPPLY`` units of an asset in all accounts together.
"""

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal

from .model import ZERO, Balance, ErrorCode, LedgerSnapshot, Rejected

HOUSE = "house"
"""The exchange's own account: receives fees, pays rebates, takes the other side of system fills; it may owe."""

MAX_DECIMALS = 12
MAX_SUPPLY = Decimal(10) ** 15

_FEE_QUANTUM = Decimal("1e-9")
_BPS = Decimal("0.0001")
_SMALLEST = Decimal(1).scaleb(-MAX_DECIMALS)


def fee_on(received: Decimal, fee_bps: Decimal) -> Decimal:
    """The fee for receiving an amount, in the asset received; negative for a rebate."""
    return (received * fee_bps * _BPS).quantize(_FEE_QUANTUM, rounding=ROUND_CEILING)


class _Purse:
    """One account's money in one asset."""

    __slots__ = ("available", "lent", "locked")

    def __init__(self) -> None:
        self.available = ZERO
        self.locked = ZERO
        self.lent = ZERO


class Ledger:
    """Balances by account and asset."""

    def __init__(self) -> None:
        self._purses: dict[str, dict[str, _Purse]] = {HOUSE: {}}
        self._minted: dict[str, Decimal] = {}

    # What others may look at

    def balance(self, account: str, asset: str) -> Balance:
        purse = self._purses[account].get(asset)
        return Balance() if purse is None else Balance(purse.available, purse.locked, purse.lent)

    def balances(self, account: str) -> dict[str, Balance]:
        """Every asset that the account ever held, by name."""
        return {asset: self.balance(account, asset) for asset in sorted(self._purses[account])}

    def snapshot(self) -> LedgerSnapshot:
        """Everybody's balances, the house's included, to compare or to keep."""
        return {account: self.balances(account) for account in sorted(self._purses)}

    def minted(self, asset: str) -> Decimal:
        """Deposits less withdrawals; at any moment the sum of all accounts' totals."""
        return self._minted.get(asset, ZERO)

    # What the engine does

    def open_account(self, account: str) -> None:
        if account in self._purses:
            raise ValueError(f"expected a new account, {account!r} exists already")
        self._purses[account] = {}

    def deposit(self, account: str, asset: str, amount: Decimal) -> None:
        _check_amount(amount)
        supply = self.minted(asset) + amount
        if supply > MAX_SUPPLY:
            raise ValueError(f"expected at most {MAX_SUPPLY:f} {asset} in all accounts, would be {supply:f}")
        self._minted[asset] = supply
        self._purse(account, asset).available += amount

    def withdraw(self, account: str, asset: str, amount: Decimal) -> None:
        _check_amount(amount)
        self._take(account, asset, amount)
        self._minted[asset] -= amount

    def lend(self, account: str, asset: str, amount: Decimal) -> None:
        _check_amount(amount)
        self._take(account, asset, amount)
        self._purse(account, asset).lent += amount

    def redeem(self, account: str, asset: str, amount: Decimal) -> None:
        _check_amount(amount)
        purse = self._purse(account, asset)
        if purse.lent < amount:
            raise _insufficient_funds()
        purse.lent -= amount
        purse.available += amount

    def lock(self, account: str, asset: str, amount: Decimal, *, redeem_lent: bool) -> None:
        """Set funds aside for an order; with ``redeem_lent`` what is missing comes out of the lent funds."""
        purse = self._purse(account, asset)
        missing = amount - purse.available
        if missing > 0:
            if not redeem_lent or missing > purse.lent:
                raise _insufficient_funds()
            purse.lent -= missing
            purse.available += missing
        purse.available -= amount
        purse.locked += amount

    def unlock(self, account: str, asset: str, amount: Decimal) -> None:
        purse = self._purse(account, asset)
        purse.locked -= amount
        purse.available += amount

    def spend_locked(self, account: str, asset: str, *, locked: Decimal, spent: Decimal) -> None:
        """Pay ``spent`` out of ``locked``; the rest, a better price than the limit, becomes available."""
        purse = self._purse(account, asset)
        purse.locked -= locked
        purse.available += locked - spent

    def receive(self, account: str, asset: str, amount: Decimal) -> None:
        """Add the counterpart of what others spent; negative takes from the house, which may owe."""
        self._purse(account, asset).available += amount

    def _take(self, account: str, asset: str, amount: Decimal) -> None:
        purse = self._purse(account, asset)
        if purse.available < amount:
            raise _insufficient_funds()
        purse.available -= amount

    def _purse(self, account: str, asset: str) -> _Purse:
        purses = self._purses[account]
        purse = purses.get(asset)
        if purse is None:
            purse = purses[asset] = _Purse()
        return purse


def sums_by_asset(snapshot: LedgerSnapshot) -> Mapping[str, Decimal]:
    """What all accounts together hold of each asset."""
    sums: dict[str, Decimal] = {}
    for balances in snapshot.values():
        for asset, balance in balances.items():
            sums[asset] = sums.get(asset, ZERO) + balance.total
    return sums


def is_exact(amount: Decimal) -> bool:
    """Is it an amount that the ledger can carry without ever rounding?"""
    return amount.is_finite() and abs(amount) <= MAX_SUPPLY and amount == amount.quantize(_SMALLEST)


def _check_amount(amount: Decimal) -> None:
    if not is_exact(amount) or amount <= 0:
        raise ValueError(
            f"expected a positive amount up to {MAX_SUPPLY:f} with at most {MAX_DECIMALS} decimals, was {amount}"
        )


def _insufficient_funds() -> Rejected:
    return Rejected(ErrorCode.INSUFFICIENT_FUNDS, "Insufficient funds")
