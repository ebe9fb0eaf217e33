"""The reckoning at the end of a session: Hummingbot's own trade database against the exchange's ledger.

Fill by fill (matched by the exchange's trade id) and balance by balance (what the account started with plus what
Hummingbot's fills say, against what the ledger holds).
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

# Hummingbot's database keeps prices and amounts as whole millionths; fees are kept exactly, as text.
SCALE = Decimal(1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One fill of one of our orders, from either side. ``side`` is BUY or SELL; ``base`` and ``quote`` are assets."""

    trade_id: str
    side: str
    base: str
    quote: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str

    def changes(self) -> dict[str, Decimal]:
        """What it does to the balances."""
        sign = 1 if self.side == "BUY" else -1
        change: dict[str, Decimal] = defaultdict(Decimal)
        change[self.base] += sign * self.quantity
        change[self.quote] -= sign * self.quantity * self.price
        change[self.fee_asset] -= self.fee
        return dict(change)


class TradeDatabase:
    """Hummingbot's record of its fills on one connector; ``read()`` fetches what is new, so that it may be called every
    second."""

    def __init__(self, file: Path, connector: str) -> None:
        self.file = file
        self._connector = connector
        self.fills: list[Fill] = []
        self._last_row = 0

    def read(self) -> list[Fill]:
        """All fills so far, in the order of their recording; none while Hummingbot has not made its tables."""
        rows = self._select(
            "SELECT rowid, exchange_trade_id, trade_type, base_asset, quote_asset, price, amount, trade_fee"
            " FROM TradeFill WHERE market = :connector AND rowid > :last_row ORDER BY rowid",
            last_row=self._last_row,
        )
        for row, *columns in rows:
            self.fills.append(fill_of_database(*columns))
            self._last_row = row
        return self.fills

    def orders(self) -> int:
        """How many orders Hummingbot has placed, those that were refused not counted."""
        [(count,)] = self._select('SELECT count(*) FROM "Order" WHERE market = :connector') or [(0,)]
        return int(count)

    def _select(self, query: str, **values: int) -> list[Any]:
        """Nothing while Hummingbot has not made its tables."""
        if not self.file.exists():
            return []
        connection = sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=5)
        try:
            return connection.execute(query, {"connector": self._connector, **values}).fetchall()
        except sqlite3.OperationalError:
            return []
        finally:
            connection.close()


def fill_of_database(trade_id: str, side: str, base: str, quote: str, price: int, amount: int, trade_fee: str) -> Fill:
    """A row of ``TradeFill``. A connector without real fees (paper trade) states a percentage instead of an amount."""
    fee = json.loads(trade_fee)
    flat = fee["flat_fees"]
    worth = price / SCALE * amount / SCALE
    return Fill(
        trade_id=trade_id,
        side=side,
        base=base,
        quote=quote,
        price=price / SCALE,
        quantity=amount / SCALE,
        fee=sum((Decimal(part["amount"]) for part in flat), worth * Decimal(fee.get("percent", 0))),
        fee_asset=flat[0]["token"] if flat else quote,
    )


def differences(
    recorded: Iterable[Fill],
    ledger: Iterable[Fill],
    opening: Mapping[str, Decimal],
    closing: Mapping[str, Decimal],
    open_orders: int,
) -> list[str]:
    """One sentence per difference; none if Hummingbot and the exchange agree and no order is left."""
    recorded = list(recorded)
    found = fill_differences(recorded, ledger)
    expected = balances_after(opening, recorded)
    for asset in sorted(expected.keys() | closing.keys()):
        ours_now, theirs_now = expected.get(asset, Decimal(0)), closing.get(asset, Decimal(0))
        if ours_now != theirs_now:
            found.append(f"balance of {asset}: {ours_now:f} by Hummingbot's fills, {theirs_now:f} on the exchange")
    if open_orders:
        found.append(f"{open_orders} orders are still open on the exchange")
    return sorted(found)


def fill_differences(recorded: Iterable[Fill], ledger: Iterable[Fill]) -> list[str]:
    """One sentence for each fill that only one side has, or that both tell differently."""
    ours, theirs = _by_trade(recorded), _by_trade(ledger)
    found = [f"fill {trade_id}: on the exchange, unknown to Hummingbot" for trade_id, _ in theirs.keys() - ours.keys()]
    found += [f"fill {trade_id}: in Hummingbot, unknown to the exchange" for trade_id, _ in ours.keys() - theirs.keys()]
    for trade in ours.keys() & theirs.keys():
        found += _difference(ours[trade], theirs[trade])
    return sorted(found)


def balances_after(opening: Mapping[str, Decimal], fills: Iterable[Fill]) -> dict[str, Decimal]:
    balances = defaultdict(Decimal, opening)
    for fill in fills:
        for asset, change in fill.changes().items():
            balances[asset] += change
    return dict(balances)


def _by_trade(fills: Iterable[Fill]) -> dict[tuple[str, str], Fill]:
    """The side belongs to the key: one trade has two, and both may be ours."""
    return {(fill.trade_id, fill.side): fill for fill in fills}


def _difference(ours: Fill, theirs: Fill) -> list[str]:
    return [
        f"fill {ours.trade_id}: {field.name} is {getattr(ours, field.name)} in Hummingbot,"
        f" {getattr(theirs, field.name)} on the exchange"
        for field in fields(Fill)
        if getattr(ours, field.name) != getattr(theirs, field.name)
    ]
