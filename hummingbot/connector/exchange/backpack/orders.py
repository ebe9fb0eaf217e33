"""Backpack's orders and fills, told in Hummingbot's terms. One constructor for each, whatever the source.

The rules that keep the books straight live here, as functions of their arguments:

* a trade has one id, from the stream and from REST alike, so that it is counted once;
* an order's state never moves backwards, whatever the order in which news arrives;
* an order is closed only when every fill that the venue counts for it is known.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState, OrderUpdate, TradeUpdate
from hummingbot.core.data_type.trade_fee import DeductedFromReturnsTradeFee, TokenAmount

from .errors import BackpackError, OutcomeUnknown
from .wire import MAX_CLIENT_ID, BookState, Fill, Market, Order, OrderEvent, OrderStatus, OrderType, symbol_of

ORDER_STATES = {
    OrderStatus.NEW: OrderState.OPEN,
    OrderStatus.PARTIALLY_FILLED: OrderState.PARTIALLY_FILLED,
    OrderStatus.FILLED: OrderState.FILLED,
    OrderStatus.CANCELLED: OrderState.CANCELED,
    OrderStatus.EXPIRED: OrderState.CANCELED,  # Hummingbot knows no other end without a fault
    OrderStatus.TRIGGER_PENDING: OrderState.OPEN,
    OrderStatus.TRIGGER_FAILED: OrderState.FAILED,
}

FINAL_STATES = frozenset({OrderState.FILLED, OrderState.CANCELED, OrderState.FAILED})

# How far along an open order is; news of an earlier stage is old news.
_STAGES = {
    OrderState.PENDING_CREATE: 0,
    OrderState.OPEN: 1,
    OrderState.PARTIALLY_FILLED: 2,
    OrderState.PENDING_CANCEL: 3,
}

# A client id found on something older than its order belongs to an earlier order. A day: the machine's clock may be set
# to another time zone, and a number that is drawn from 2**32 does not come back within one.
CLIENT_ID_REUSE_MARGIN_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the venue's answers say of one order.

    ``found`` is False only if none of them knows it. ``complete`` is False while the venue counts more fills than it
    has listed: look again. ``order_update`` is None where there is nothing new, or it may not be said yet.
    """

    trade_updates: list[TradeUpdate]
    order_update: OrderUpdate | None
    found: bool
    complete: bool


def client_id_of(order: InFlightOrder) -> int | None:
    """The number the venue knows the order by, None for an id that this connector cannot have given."""
    text = order.client_order_id
    return int(text) if text.isdecimal() and int(text) <= MAX_CLIENT_ID else None


def is_same_order(order: InFlightOrder, seen: Order | OrderEvent | Fill) -> bool:
    """Whether what the venue shows is this order: by the venue's id where known, else by client id.

    A client id alone is not enough: other bots on the account draw from the same numbers, so the symbol must agree,
    and the side, and it must not be older than the order.
    """
    if order.exchange_order_id is not None:
        return bool(seen.order_id == order.exchange_order_id)
    seen_s = seen.created_s if isinstance(seen, Order) else seen.time_s
    return bool(
        seen.client_id is not None
        and seen.client_id == client_id_of(order)
        and seen.symbol == symbol_of(order.trading_pair)
        and (seen.side == "Bid") == (order.trade_type.name == "BUY")
        and not seen_s < order.creation_timestamp - CLIENT_ID_REUSE_MARGIN_S  # a clock that is not set yet is NaN
    )


def trade_update(fill: Fill, order: InFlightOrder) -> TradeUpdate:
    """One trade of ``order``; the fee is the venue's own figure, in the asset it took it from.

    A fill that the venue's own system made has no trade id; what identifies it is then its order, time, price and size
    as the fill history tells them, which is why such fills are taken from the history only (api-doc/NOTES.md, "Fills
    without a trade id").
    """
    substitute = f"{fill.order_id}-{fill.time_s:.3f}-{fill.price.normalize():f}-{fill.quantity.normalize():f}"
    return TradeUpdate(
        trade_id=str(fill.trade_id) if fill.trade_id is not None else substitute,
        client_order_id=order.client_order_id,
        exchange_order_id=fill.order_id,
        trading_pair=order.trading_pair,
        fill_timestamp=fill.time_s,
        fill_price=fill.price,
        fill_base_amount=fill.quantity,
        fill_quote_amount=fill.price * fill.quantity,
        fee=DeductedFromReturnsTradeFee(flat_fees=[TokenAmount(token=fill.fee_asset, amount=fill.fee)]),
        is_taker=not fill.is_maker,
    )


def order_update(
    seen: Order | OrderEvent, order: InFlightOrder, executed: Decimal, time_s: float
) -> OrderUpdate | None:
    """The state that ``seen`` gives to ``order``, of which fills for ``executed`` (base) are known.

    None if that is nothing new, or if the order would be closed before all its fills are known.
    """
    state = ORDER_STATES[seen.status]
    if state in FINAL_STATES:
        # A failed order can still be among the lost ones, which only a final state of the venue's removes.
        if order.current_state in FINAL_STATES - {OrderState.FAILED} or executed < seen.executed_quantity:
            return None
    elif order.current_state in FINAL_STATES:
        return None
    elif _STAGES[state] <= _STAGES[order.current_state]:
        if order.exchange_order_id is not None:
            return None
        state = order.current_state  # nothing new but the venue's id
    return OrderUpdate(
        client_order_id=order.client_order_id,
        exchange_order_id=seen.order_id,
        trading_pair=order.trading_pair,
        update_timestamp=time_s,
        new_state=state,
    )


def is_behind(open_order: Order | None, history: Order | None) -> bool:
    """Whether the history shows an order as open that is not listed as open: it has ended, the history is late."""
    return open_order is None and history is not None and ORDER_STATES[history.status] not in FINAL_STATES


def _twins(fills: Iterable[Fill], order: InFlightOrder) -> Iterator[TradeUpdate]:
    """Rows without a trade id that repeat another: a further fill, or the same one on two pages of the history."""
    counts: Counter[str] = Counter()
    for fill in fills:
        if fill.trade_id is None:
            trade = trade_update(fill, order)
            counts[trade.trade_id] += 1
            if (count := counts[trade.trade_id]) > 1:
                yield trade._replace(trade_id=f"{trade.trade_id}-{count}")


def reconcile(
    order: InFlightOrder, open_order: Order | None, history: Order | None, fills: Iterable[Fill], now_s: float
) -> Verdict:
    """What REST says of ``order``: its fills first, then the open order, then its row in the history.

    ``fills`` may hold other orders' fills, and fills that are known already. Changes nothing.
    """
    shown = open_order or history
    venue_id = order.exchange_order_id if shown is None else shown.order_id
    ours = [fill for fill in fills if fill.order_id == venue_id or is_same_order(order, fill)]
    told = (trade_update(fill, order) for fill in ours)
    news = {trade.trade_id: trade for trade in told if trade.trade_id not in order.order_fills}
    executed = order.executed_amount_base + sum((trade.fill_base_amount for trade in news.values()), Decimal(0))
    for twin in _twins(ours, order):
        lacking = Decimal(0) if shown is None else shown.executed_quantity - executed
        if twin.trade_id not in order.order_fills and twin.fill_base_amount <= lacking:
            news[twin.trade_id] = twin
            executed += twin.fill_base_amount
    trades = sorted(news.values(), key=lambda trade: trade.fill_timestamp)
    behind = is_behind(open_order, history)
    if (shown is None or behind) and executed >= order.amount > 0 and order.current_state not in FINAL_STATES:
        # All of it was traded: that is the whole story, even where no list of orders shows it (yet).
        filled = OrderUpdate(
            client_order_id=order.client_order_id,
            exchange_order_id=trades[-1].exchange_order_id if trades else order.exchange_order_id,
            trading_pair=order.trading_pair,
            update_timestamp=now_s,
            new_state=OrderState.FILLED,
        )
        return Verdict(trades, filled, found=True, complete=True)
    if shown is None:
        return Verdict(trades, None, found=bool(ours), complete=True)
    state = order_update(shown, order, executed, now_s)
    return Verdict(trades, state, found=True, complete=executed >= shown.executed_quantity and not behind)


def each_placed(
    client_ids: Sequence[int], told: Sequence[Order | BackpackError]
) -> Sequence[Order | BackpackError]:
    """What became of each order of a batch, in the order of ``client_ids``.

    An order that was accepted says which it is, a refusal does not: those are in the order sent. Where their number
    does not fit, nothing is known of the orders that are left.
    """
    accepted = {row.client_id: row for row in told if isinstance(row, Order) and row.client_id is not None}
    unnamed = [row for row in told if not isinstance(row, Order) or row.client_id is None]
    left = [client_id for client_id in client_ids if client_id not in accepted]
    if len(left) != len(unnamed):
        doubt = OutcomeUnknown(f"{len(client_ids)} orders were sent, the answer does not tell of {len(left)} of them")
        unnamed = [doubt] * len(left)
    outcomes = accepted | dict(zip(left, unnamed, strict=True))
    return [outcomes[client_id] for client_id in client_ids]


def refusal(market: Market, order: Mapping[str, Any]) -> str | None:
    """Why ``market`` takes no such order (the body that would be sent), as far as the venue's list of markets tells."""
    is_limit = order["orderType"] == OrderType.LIMIT.value
    quantity = Decimal(order["quantity"])
    price = Decimal(order["price"]) if is_limit else None
    if market.state in (BookState.CLOSED, BookState.CANCEL_ONLY):
        return f"the market takes no orders, its state is {market.state.value}"
    if market.state is BookState.POST_ONLY and not order.get("postOnly"):
        return "the market takes only post-only orders (LIMIT_MAKER) at the moment"
    if market.state is BookState.LIMIT_ONLY and not is_limit:
        return "the market takes only limit orders at the moment"
    if market.max_quantity is not None and quantity > market.max_quantity:
        return f"the amount {quantity:f} is above the market's maximum {market.max_quantity:f}"
    if price is not None and price < market.min_price:
        return f"the price {price:f} is under the market's minimum {market.min_price:f}"
    if price is not None and market.max_price is not None and price > market.max_price:
        return f"the price {price:f} is above the market's maximum {market.max_price:f}"
    return None
