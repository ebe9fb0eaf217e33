"""Who owns what: accounts, balances, locks and fees."""

from decimal import Decimal

from .model import Balance, LedgerSnapshot

HOUSE = "house"
"""The exchange's own account: receives fees, pays rebates, is the counterparty of system fills."""


class Ledger:
    def balance(self, account: str, asset: str) -> Balance: ...
    def balances(self, account: str) -> dict[str, Balance]: ...
    def snapshot(self) -> LedgerSnapshot: ...
    def minted(self, asset: str) -> Decimal:
        """Deposits less withdrawals; equals the sum over all accounts at any moment."""
