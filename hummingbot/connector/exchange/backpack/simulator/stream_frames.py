"""The engine's events as the payloads of websocket frames: padded decimals, microseconds, absent keys left out."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from .answers import padded, stripped
from .model import (
    BalanceChanged,
    BookTicker,
    Level,
    Market,
    OrderAccepted,
    OrderCancelled,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderModified,
    OrderStatus,
    OrderType,
    SystemOrderType,
    Trade,
)
from .statistics import Candle, Ticker

Payload = dict[str, Any]

EVENT_NAMES: dict[type[OrderEvent], str] = {
    OrderAccepted: "orderAccepted",
    OrderFilled: "orderFill",
    OrderCancelled: "orderCancelled",
    OrderExpired: "orderExpired",
    OrderModified: "orderModified",
}
ORIGINS = {
    None: "USER",
    SystemOrderType.COLLATERAL_CONVERSION: "COLLATERAL_CONVERSION",
    SystemOrderType.ORDER_BOOK_CLOSED: "SETTLEMENT_AUTOCLOSE",
}
CANDLE_DECIMALS = 9


def levels(levels: Sequence[Level], market: Market) -> list[list[str]]:
    return [
        [padded(price, market.price_decimals), padded(quantity, market.quantity_decimals)] for price, quantity in levels
    ]


def depth(
    market: Market, first_id: int, last_id: int, bids: Sequence[Level], asks: Sequence[Level], time_us: int, now_us: int
) -> Payload:
    return {
        "E": now_us,
        "T": time_us,
        "U": first_id,
        "a": levels(asks, market),
        "b": levels(bids, market),
        "e": "depth",
        "s": market.symbol,
        "u": last_id,
    }


def book_ticker(market: Market, ticker: BookTicker, now_us: int) -> Payload:
    payload: Payload = {
        "E": now_us,
        "T": ticker.time_us,
        "e": "bookTicker",
        "s": ticker.symbol,
        "u": ticker.update_id,
    }
    for price_key, quantity_key, level in (("a", "A", ticker.ask), ("b", "B", ticker.bid)):
        payload[price_key] = None if level is None else padded(level[0], market.price_decimals)
        payload[quantity_key] = None if level is None else padded(level[1], market.quantity_decimals)
    return payload


def trade(market: Market, trade: Trade, now_us: int) -> Payload:
    return {
        "E": now_us,
        "T": trade.time_us // 1_000 * 1_000,  # whole milliseconds, still counted in microseconds
        "a": str(trade.seller_order_id),
        "b": str(trade.buyer_order_id),
        "e": "trade",
        "m": trade.is_buyer_maker,
        "p": padded(trade.price, market.price_decimals),
        "q": padded(trade.quantity, market.quantity_decimals),
        "s": trade.symbol,
        "t": trade.id,
    }


def ticker(ticker: Ticker, now_us: int) -> Payload:
    return {
        "E": now_us,
        "V": stripped(ticker.quote_volume),
        "c": stripped(ticker.last_price),
        "e": "ticker",
        "h": stripped(ticker.high),
        "l": stripped(ticker.low),
        "n": ticker.trades,
        "o": stripped(ticker.first_price),
        "s": ticker.symbol,
        "v": stripped(ticker.volume),
    }


def kline(symbol: str, candle: Candle, closed: bool, now_us: int) -> Payload:
    def price(value: Decimal | None) -> str | None:
        return None if value is None else padded(value, CANDLE_DECIMALS)

    return {
        "E": now_us,
        "T": _time(candle.end_s),
        "X": closed,
        "c": price(candle.close),
        "e": "kline",
        "h": price(candle.high),
        "l": price(candle.low),
        "n": candle.trades,
        "o": price(candle.open),
        "s": symbol,
        "t": _time(candle.start_s),
        "v": padded(candle.volume, CANDLE_DECIMALS),
    }


def order(market: Market, event: OrderEvent, now_us: int) -> Payload:
    """One ``account.orderUpdate`` frame: the order's figures at the moment of the event."""
    order = event.order
    origin = None
    match event:
        case OrderAccepted():
            status, quantity, executed, executed_quote = OrderStatus.NEW, order.quantity, Decimal(0), Decimal(0)
        case OrderModified():
            status, quantity = event.status, event.quantity
            executed, executed_quote = event.executed_quantity, event.executed_quote_quantity
        case OrderFilled():
            status, quantity = event.status, order.quantity
            executed, executed_quote = event.executed_quantity, event.executed_quote_quantity
            origin = event.fill.system_order_type
        case OrderCancelled() | OrderExpired():
            status, quantity = order.status, order.quantity
            executed, executed_quote = order.executed_quantity, order.executed_quote_quantity
    quote_decimals = market.price_decimals + market.quantity_decimals
    payload: Payload = {
        "E": now_us,
        "O": ORIGINS[origin],
        "S": order.side.value,
        "T": event.time_us,
        "V": order.self_trade_prevention.value,
        "X": status.value,
        "Z": padded(executed_quote, quote_decimals) if executed_quote else "0",
        "e": EVENT_NAMES[type(event)],
        "f": order.time_in_force.value,
        "i": str(order.id),
        "o": order.order_type.value.upper(),
        "q": padded(quantity, market.quantity_decimals),
        "r": False,
        "s": order.symbol,
        "t": None,
        "z": padded(executed, market.quantity_decimals) if executed else "0",
    }
    if order.client_id is not None:
        payload["c"] = order.client_id
    if order.order_type is OrderType.LIMIT:
        assert order.price is not None, "limit orders have a price"
        payload["p"] = padded(order.price, market.price_decimals)
        payload["Q"] = padded(order.price * quantity, quote_decimals)
        if order.post_only:
            payload["y"] = True
    elif order.quote_quantity is not None:
        payload["Q"] = padded(order.quote_quantity, market.price_decimals)
    match event:
        case OrderFilled(fill=fill):
            payload["L"] = padded(fill.price, market.price_decimals)
            payload["N"] = fill.fee_asset
            payload["l"] = padded(fill.quantity, market.quantity_decimals)
            payload["m"] = fill.is_maker
            payload["n"] = stripped(fill.fee)
            payload["t"] = fill.trade_id
        case OrderExpired(reason=reason):
            payload["R"] = reason.value
    return payload


def balance(event: BalanceChanged, now_us: int) -> Payload:
    return {
        "A": stripped(event.balance.available),
        "E": now_us,
        "L": stripped(event.balance.locked),
        "S": stripped(event.balance.staked),
        "T": event.time_us,
        "a": event.asset,
        "e": "balanceUpdate",
    }


def _time(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")
