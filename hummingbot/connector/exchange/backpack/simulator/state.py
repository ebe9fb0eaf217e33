"""An account's state as text, to be kept between runs: balances, open orders, and what ended lately.

One JSON object; decimals are text, times microseconds::

    {"version": 1, "balances": {"USDC": "10000"}, "orders": [{"id": .., "side": "Bid", ..}], "fills": [{..}]}

``balances`` are totals without what is lent: the locks follow from the open orders.
"""

import dataclasses
import json
import os
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from .matching import Exchange
from .model import Fill, Order

VERSION = 1
# A client that was away looks up what happened to its orders; nobody asks for more.
REMEMBERED = 1_000

T = TypeVar("T", Order, Fill)


class BadState(ValueError):
    """A state file that cannot be read; says what is wrong with it."""


@dataclasses.dataclass(frozen=True)
class AccountState:
    balances: Mapping[str, Decimal]
    orders: list[Order]  # oldest first
    fills: list[Fill]  # oldest first


def state_of(exchange: Exchange, account: str) -> AccountState:
    """What ``account`` has now; its open orders all, of the rest the newest."""
    balances = {
        asset: balance.available + balance.locked
        for asset, balance in exchange.ledger.balances(account).items()
        if balance.available + balance.locked
    }
    orders = exchange.order_history(account)
    ended = [order for order in orders if not order.status.is_open][:REMEMBERED]
    kept = sorted(exchange.open_orders(account) + ended, key=lambda order: order.id)
    return AccountState(balances, kept, exchange.fills(account)[:REMEMBERED][::-1])


def save(state: AccountState, path: Path) -> None:
    """Write the file whole or not at all."""
    text = json.dumps(
        {
            "version": VERSION,
            "balances": {asset: f"{amount:f}" for asset, amount in state.balances.items()},
            "orders": [_as_json(order) for order in state.orders],
            "fills": [_as_json(fill) for fill in state.fills],
        },
        indent=1,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)


def load(path: Path) -> AccountState:
    """Read a file that ``save`` wrote. Raises BadState, or OSError if it cannot be opened."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["version"] != VERSION:
            raise BadState(f"{path}: expected version {VERSION}, was {raw['version']!r}")
        return AccountState(
            {str(asset): Decimal(amount) for asset, amount in raw["balances"].items()},
            [_from_json(Order, row) for row in raw["orders"]],
            [_from_json(Fill, row) for row in raw["fills"]],
        )
    except BadState:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise BadState(f"{path}: expected a saved account, found {type(error).__name__} in it") from None


def _as_json(row: Order | Fill) -> dict[str, Any]:
    return {
        field.name: f"{value:f}" if isinstance(value := getattr(row, field.name), Decimal) else value
        for field in dataclasses.fields(row)
    }


def _from_json(kind: type[T], row: Mapping[str, Any]) -> T:
    return kind(**{name: _typed(hint, row[name]) for name, hint in get_type_hints(kind).items()})


def _typed(hint: Any, value: Any) -> Any:
    """Give text the type back that its field is annotated with."""
    if value is None:
        return None
    kinds = get_args(hint) or (hint,)
    kind = next((kind for kind in kinds if kind is Decimal or issubclass(kind, StrEnum)), None)
    return value if kind is None else kind(value)
