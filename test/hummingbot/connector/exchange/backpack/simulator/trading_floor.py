"""Shorthand for engine tests: a quiet exchange with three funded traders, and orders in one line."""

from decimal import Decimal
from typing import Any

from hummingbot.connector.exchange.backpack.simulator.clock import ManualClock
from hummingbot.connector.exchange.backpack.simulator.ledger import sums_by_asset
from hummingbot.connector.exchange.backpack.simulator.matching import Exchange
from hummingbot.connector.exchange.backpack.simulator.model import (
    Event,
    Order,
    OrderFilled,
    OrderRequest,
    OrderType,
    Side,
)

TRADERS = ("alice", "bob", "carol")
START = {"USDC": Decimal(1_000_000), "SOL": Decimal(10_000), "ETH": Decimal(1_000)}


def quiet_exchange(traders: tuple[str, ...] = TRADERS, **exchange_arguments: Any) -> Exchange:
    exchange = Exchange(ManualClock(), **exchange_arguments)
    for name in traders:
        exchange.add_account(name, START)
    return exchange


def request(account: str, side: str, quantity: Any, price: Any, **changes: Any) -> OrderRequest:
    """A limit order on SOL_USDC, unless changed."""
    return _request(account, side, OrderType.LIMIT, {"quantity": _decimal(quantity), "price": _decimal(price)}, changes)


def market_order(account: str, side: str, quantity: Any = None, **changes: Any) -> OrderRequest:
    return _request(account, side, OrderType.MARKET, {"quantity": _decimal(quantity)}, changes)


def _request(account: str, side: str, kind: OrderType, sizes: dict[str, Any], changes: dict[str, Any]) -> OrderRequest:
    fields = {"account": account, "symbol": "SOL_USDC", "side": Side(side), "order_type": kind}
    return OrderRequest(**(fields | sizes | changes))


def _decimal(number: Any) -> Decimal | None:
    return None if number is None else Decimal(str(number))


def place(exchange: Exchange, *order: Any, **changes: Any) -> Order:
    """Submit a limit order and return it as it stands afterwards."""
    return order_of(exchange.submit(request(*order, **changes)))


def order_of(events: list[Event]) -> Order:
    """The order that a submit was about."""
    return events[0].order  # type: ignore[union-attr]


def fills_of(events: list[Event], account: str) -> list[str]:
    """Each fill of an account in order, as "quantity @ price"."""
    return [
        f"{_text(event.fill.quantity)} @ {_text(event.fill.price)}"
        for event in events
        if isinstance(event, OrderFilled) and event.order.account == account
    ]


def bids_and_asks(exchange: Exchange, symbol: str = "SOL_USDC") -> tuple[dict[str, str], dict[str, str]]:
    """The book as text, price to quantity."""
    depth = exchange.depth(symbol)
    bids, asks = ({_text(price): _text(quantity) for price, quantity in side} for side in (depth.bids, depth.asks))
    return bids, asks


def _text(number: Decimal) -> str:
    return f"{number.normalize():f}"


def assert_books_balance(exchange: Exchange) -> None:
    """Nothing was created or lost, and every lock belongs to an open order."""
    for asset, total in sums_by_asset(exchange.ledger.snapshot()).items():
        assert total == exchange.ledger.minted(asset), f"{asset}: accounts hold {total}"
    for account in exchange.accounts:
        locked: dict[str, Decimal] = {}
        for order in exchange.open_orders(account.name):
            market = exchange.market(order.symbol)
            assert order.price is not None
            asset, amount = (
                (market.base, order.remaining)
                if order.side is Side.ASK
                else (market.quote, order.remaining * order.price)
            )
            locked[asset] = locked.get(asset, Decimal(0)) + amount
        for asset, balance in exchange.ledger.balances(account.name).items():
            assert balance.locked == locked.get(asset, 0), f"{account.name} {asset}"
            assert min(balance.available, balance.lent) >= 0, f"{account.name} {asset}"
