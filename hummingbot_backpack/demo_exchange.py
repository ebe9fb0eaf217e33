"""Demo mode as a practice session sees it: its exchange runs inside Hummingbot and saves its account in the folder."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from hummingbot_backpack.local_exchange import SIDES, Account, LocalExchange, Quote, Statement
from hummingbot_backpack.reckoning import Fill

CONNECTOR = "backpack"
ACCOUNT = Account("demo", api_key="", api_secret="")
OPEN = ("New", "PartiallyFilled")


class DemoExchange:
    """Answers from the account as it was saved last, at most two seconds ago; all of it once Hummingbot has stopped.

    It follows the prices of ``source``.
    """

    def __init__(self, folder: Path, source: LocalExchange) -> None:
        self._config = folder / "conf" / "backpack_demo.yml"
        self._saved = folder / "data" / "backpack_demo.json"
        self._saved.unlink(missing_ok=True)  # each session begins anew
        self._source = source

    def configure(self, opening: dict[str, Decimal]) -> None:
        """Set its source and opening balances."""
        balances = ", ".join(f"{asset}={amount:f}" for asset, amount in opening.items())
        self._config.write_text(f"source: {self._source.url}\nbalances: {balances}\n", encoding="utf-8")

    def mid_price(self, symbol: str) -> Decimal | None:
        return self._source.mid_price(symbol)

    def open_orders(self, account: Account) -> list[Quote]:
        return [
            Quote(
                side=SIDES[order["side"]],
                price=Decimal(order["price"]),
                quantity=Decimal(order["quantity"]) - Decimal(order["executed_quantity"]),
            )
            for order in self._state()["orders"]
            if order["status"] in OPEN
        ]

    def statement(self, account: Account) -> Statement:
        state = self._state()
        return Statement(
            balances={asset: Decimal(amount) for asset, amount in state["balances"].items()},
            fills=[_fill(row) for row in state["fills"]],
        )

    def _state(self) -> Any:
        if not self._saved.exists():
            return {"balances": {}, "orders": [], "fills": []}
        return json.loads(self._saved.read_text(encoding="utf-8"))


def _fill(row: dict[str, Any]) -> Fill:
    base, quote = row["symbol"].split("_")
    return Fill(
        trade_id=str(row["trade_id"]),
        side=SIDES[row["side"]],
        base=base,
        quote=quote,
        price=Decimal(row["price"]),
        quantity=Decimal(row["quantity"]),
        fee=Decimal(row["fee"]),
        fee_asset=row["fee_asset"],
    )
