"""Backpack's words: what it sends, read into typed values, and what it is sent.

Numbers with a meaning become ``Decimal`` (money) or stay text (book levels, which are applied by number later); times
become seconds here and nowhere else. Whatever cannot be read raises ``WireFormatError`` naming the field; a value that
only describes (why an order expired) may be unknown, a value that decides (an order's status) may not.

Sources: api-doc/openapi.yaml for REST, api-doc/asyncapi.yaml for the websocket, api-doc/NOTES.md for the rest.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, NewType, TypeVar

from .errors import WireFormatError

Symbol = NewType("Symbol", str)  # "SOL_USDC", Backpack
TradingPair = NewType("TradingPair", str)  # "SOL-USDC", Hummingbot
Level = tuple[str, str]  # price, size: absolute, size zero deletes
Json = Mapping[str, Any]

MAX_CLIENT_ID = 2**32 - 1


class Side(StrEnum):
    BID = "Bid"
    ASK = "Ask"


class OrderType(StrEnum):
    LIMIT = "Limit"
    MARKET = "Market"


class OrderStatus(StrEnum):
    NEW = "New"
    PARTIALLY_FILLED = "PartiallyFilled"
    FILLED = "Filled"
    CANCELLED = "Cancelled"
    EXPIRED = "Expired"
    TRIGGER_PENDING = "TriggerPending"
    TRIGGER_FAILED = "TriggerFailed"


class OrderEventType(StrEnum):
    ACCEPTED = "orderAccepted"
    CANCELLED = "orderCancelled"
    EXPIRED = "orderExpired"
    FILL = "orderFill"
    MODIFIED = "orderModified"
    TRIGGER_PLACED = "triggerPlaced"
    TRIGGER_FAILED = "triggerFailed"


class BookState(StrEnum):
    OPEN = "Open"
    CLOSED = "Closed"
    CANCEL_ONLY = "CancelOnly"
    LIMIT_ONLY = "LimitOnly"
    POST_ONLY = "PostOnly"

    @classmethod
    def of(cls, text: str) -> "BookState":
        """A state this version does not know is treated as closed: no order is sent into it."""
        try:
            return cls(text)
        except ValueError:
            return cls.CLOSED


class MarketType(StrEnum):
    SPOT = "SPOT"
    PERP = "PERP"
    OTHER = "OTHER"

    @classmethod
    def of(cls, text: str) -> "MarketType":
        try:
            return cls(text)
        except ValueError:
            return cls.OTHER


# -- messages ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Market:
    symbol: Symbol
    base: str
    quote: str
    market_type: MarketType
    state: BookState
    visible: bool
    tick_size: Decimal
    min_price: Decimal
    max_price: Decimal | None
    step_size: Decimal
    min_quantity: Decimal
    max_quantity: Decimal | None


@dataclass(frozen=True, slots=True)
class DepthSnapshot:
    last_id: int
    bids: list[Level]
    asks: list[Level]
    time_s: float


@dataclass(frozen=True, slots=True)
class DepthUpdate:
    symbol: Symbol
    first_id: int
    last_id: int
    bids: list[Level]
    asks: list[Level]
    time_s: float


@dataclass(frozen=True, slots=True)
class PublicTrade:
    symbol: Symbol
    trade_id: int
    price: str
    quantity: str
    buyer_is_maker: bool
    time_s: float


@dataclass(frozen=True, slots=True)
class Ticker:
    symbol: Symbol
    last_price: Decimal


@dataclass(frozen=True, slots=True)
class Order:
    """An order as REST tells it: the answer to placing or cancelling it, an open order, or a row of the history."""

    order_id: str
    client_id: int | None
    symbol: Symbol
    side: Side
    status: OrderStatus
    quantity: Decimal | None
    executed_quantity: Decimal
    price: Decimal | None
    created_s: float
    expiry_reason: str | None


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade of one order. ``fee`` is negative for a rebate.

    ``trade_id`` is None on a fill that the venue's own system made (a conversion, a liquidation).
    """

    trade_id: int | None
    order_id: str
    client_id: int | None
    symbol: Symbol
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool
    time_s: float


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One frame of ``account.orderUpdate``. ``executed_quantity`` counts every fill so far, this one included."""

    event: OrderEventType
    order_id: str
    client_id: int | None
    symbol: Symbol
    side: Side
    status: OrderStatus
    quantity: Decimal
    executed_quantity: Decimal
    price: Decimal | None
    time_s: float
    expiry_reason: str | None
    fill: Fill | None


@dataclass(frozen=True, slots=True)
class Balance:
    asset: str
    available: Decimal
    locked: Decimal
    staked: Decimal


@dataclass(frozen=True, slots=True)
class AccountFees:
    """Fractions of the traded amount: 0.0008 is 8 basis points; negative is a rebate."""

    spot_maker: Decimal
    spot_taker: Decimal


@dataclass(frozen=True, slots=True)
class StreamRefusal:
    """The error frame that answers a request on the websocket; it does not say which request."""

    code: int
    message: str


# -- names and units --------------------------------------------------------------------------------------------------


def symbol_of(trading_pair: str) -> Symbol:
    return Symbol(trading_pair.replace("-", "_"))


def trading_pair_of(base: str, quote: str) -> TradingPair:
    return TradingPair(f"{base}-{quote}")


def seconds(engine_time_us: int) -> float:
    return engine_time_us / 1_000_000


def decimal_text(value: Decimal) -> str:
    """As the venue wants numbers: plain digits, never an exponent."""
    return f"{value:f}"


# -- reading REST -----------------------------------------------------------------------------------------------------

T = TypeVar("T")


def decode(text: str | bytes, what: str) -> Any:
    """JSON, or ``WireFormatError``; nesting too deep to be honest counts as unreadable."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WireFormatError(f"{what}: not JSON ({type(error).__name__}, {len(text)} characters)") from None


def parse_rows(rows: Any, parse: Callable[[Any], T], what: str) -> list[T]:
    """Read a JSON array, every row of it, or fail: for answers where a missing row would be taken for an absence."""
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise WireFormatError(f"{what}: expected a list, was {type(rows).__name__}")
    return [parse(row) for row in rows]


def parse_readable(rows: Any, parse: Callable[[Any], T], what: str) -> tuple[list[T], list[WireFormatError]]:
    """Read what can be read of a JSON array: one row the venue tells in a new way must not hide the others."""
    read: list[T] = []
    unreadable: list[WireFormatError] = []
    for row in parse_rows(rows, lambda row: row, what):
        try:
            read.append(parse(row))
        except WireFormatError as error:
            unreadable.append(error)
    return read, unreadable


def parse_market(raw: Any) -> Market:
    """One row of ``GET /api/v1/markets``."""
    row = _object(raw, "market")
    filters = _object(_field(row, "filters", "market"), "market filters")
    price = _object(_field(filters, "price", "market"), "market price filter")
    quantity = _object(_field(filters, "quantity", "market"), "market quantity filter")
    return Market(
        symbol=Symbol(_text(row, "symbol", "market")),
        base=_text(row, "baseSymbol", "market"),
        quote=_text(row, "quoteSymbol", "market"),
        market_type=MarketType.of(_text(row, "marketType", "market")),
        state=BookState.of(_text(row, "orderBookState", "market")),
        visible=row.get("visible") is not False,
        tick_size=_positive(price, "tickSize", "market"),
        min_price=_optional_decimal(price, "minPrice", "market") or Decimal(0),
        max_price=_optional_decimal(price, "maxPrice", "market"),
        step_size=_positive(quantity, "stepSize", "market"),
        min_quantity=_decimal(quantity, "minQuantity", "market"),
        max_quantity=_optional_decimal(quantity, "maxQuantity", "market"),
    )


def parse_depth_snapshot(raw: Any) -> DepthSnapshot:
    """``GET /api/v1/depth``: both sides ascend by price; ``lastUpdateId`` is text here."""
    row = _object(raw, "depth snapshot")
    return DepthSnapshot(
        last_id=_int(row, "lastUpdateId", "depth snapshot"),
        bids=_levels(row, "bids", "depth snapshot"),
        asks=_levels(row, "asks", "depth snapshot"),
        time_s=seconds(_int(row, "timestamp", "depth snapshot")),
    )


def parse_ticker(raw: Any) -> Ticker:
    """A row of ``GET /api/v1/tickers``."""
    row = _object(raw, "ticker")
    return Ticker(symbol=Symbol(_text(row, "symbol", "ticker")), last_price=_decimal(row, "lastPrice", "ticker"))


def parse_order(raw: Any) -> Order:
    """An order object of ``/api/v1/order(s)`` or a row of ``/wapi/v1/history/orders``.

    ``createdAt`` is milliseconds in the first and ISO text, UTC without a zone, in the second.
    """
    row = _object(raw, "order")
    created = _field(row, "createdAt", "order")
    return Order(
        order_id=_id(row, "id", "order"),
        client_id=_optional_int(row, "clientId", "order"),
        symbol=Symbol(_text(row, "symbol", "order")),
        side=_enum(Side, row, "side", "order"),
        status=_enum(OrderStatus, row, "status", "order"),
        quantity=_optional_decimal(row, "quantity", "order"),
        executed_quantity=_optional_decimal(row, "executedQuantity", "order") or Decimal(0),
        price=_optional_decimal(row, "price", "order"),
        created_s=_iso_seconds(created, "order") if isinstance(created, str) else _milliseconds(created, "order"),
        expiry_reason=_optional_text(row, "expiryReason"),
    )


def parse_fill(raw: Any) -> Fill:
    """A row of ``/wapi/v1/history/fills``; ``clientId`` is text here and a number everywhere else."""
    row = _object(raw, "fill")
    return Fill(
        trade_id=_optional_int(row, "tradeId", "fill"),
        order_id=_id(row, "orderId", "fill"),
        client_id=_optional_int(row, "clientId", "fill"),
        symbol=Symbol(_text(row, "symbol", "fill")),
        side=_enum(Side, row, "side", "fill"),
        price=_decimal(row, "price", "fill"),
        quantity=_decimal(row, "quantity", "fill"),
        fee=_decimal(row, "fee", "fill"),
        fee_asset=_text(row, "feeSymbol", "fill"),
        is_maker=_bool(row, "isMaker", "fill"),
        time_s=_iso_seconds(_field(row, "timestamp", "fill"), "fill"),
    )


def parse_balances(raw: Any) -> list[Balance]:
    """``GET /api/v1/capital``: what is lent out is not in it (see ``parse_lent``)."""
    balances = []
    for asset, amounts in _object(raw, "capital").items():
        row = _object(amounts, f"capital of {asset}")
        balances.append(
            Balance(
                asset=asset,
                available=_decimal(row, "available", "capital"),
                locked=_decimal(row, "locked", "capital"),
                staked=_optional_decimal(row, "staked", "capital") or Decimal(0),
            )
        )
    return balances


def parse_lent(raw: Any) -> dict[str, Decimal]:
    """``GET /api/v1/borrowLend/positions``: quantity lent, by asset; borrowed assets (negative) are left out."""
    lent = {}
    for position in parse_rows(raw, lambda row: _object(row, "lend position"), "lend positions"):
        quantity = _decimal(position, "netQuantity", "lend position")
        if quantity > 0:
            lent[_text(position, "symbol", "lend position")] = quantity
    return lent


def parse_account_fees(raw: Any) -> AccountFees:
    """``GET /api/v1/account``: the venue tells basis points."""
    row = _object(raw, "account")
    bps = Decimal(10_000)
    return AccountFees(
        spot_maker=_decimal(row, "spotMakerFee", "account") / bps,
        spot_taker=_decimal(row, "spotTakerFee", "account") / bps,
    )


# -- reading the websocket --------------------------------------------------------------------------------------------


def parse_frame(frame: Any) -> tuple[str, Json] | StreamRefusal:
    """The envelope: ``(stream name, data)``, or the venue's refusal of something that was sent."""
    row = _object(frame, "frame")
    if row.get("error") is not None:
        error = _object(row["error"], "error frame")
        return StreamRefusal(code=_int(error, "code", "error frame"), message=str(error.get("message", "")))
    return _text(row, "stream", "frame"), _object(_field(row, "data", "frame"), "frame data")


def parse_depth(data: Json) -> DepthUpdate:
    """``depth.<symbol>``: ids are numbers here, sizes are padded with zeros, an empty side is an empty list."""
    return DepthUpdate(
        symbol=Symbol(_text(data, "s", "depth")),
        first_id=_int(data, "U", "depth"),
        last_id=_int(data, "u", "depth"),
        bids=_levels(data, "b", "depth"),
        asks=_levels(data, "a", "depth"),
        time_s=seconds(_int(data, "T", "depth")),
    )


def parse_public_trade(data: Json) -> PublicTrade:
    """``trade.<symbol>``: ``m`` true means that the buyer rested, so a seller was the aggressor."""
    return PublicTrade(
        symbol=Symbol(_text(data, "s", "trade")),
        trade_id=_int(data, "t", "trade"),
        price=_text(data, "p", "trade"),
        quantity=_text(data, "q", "trade"),
        buyer_is_maker=_bool(data, "m", "trade"),
        time_s=seconds(_int(data, "T", "trade")),
    )


def parse_order_event(data: Json) -> OrderEvent:
    """``account.orderUpdate``."""
    event = _enum(OrderEventType, data, "e", "order event")
    order_id = _id(data, "i", "order event")
    client_id = _optional_int(data, "c", "order event")
    symbol = Symbol(_text(data, "s", "order event"))
    side = _enum(Side, data, "S", "order event")
    time_s = seconds(_int(data, "T", "order event"))
    fill = None
    if event is OrderEventType.FILL:
        fill = Fill(
            trade_id=_optional_int(data, "t", "order fill"),
            order_id=order_id,
            client_id=client_id,
            symbol=symbol,
            side=side,
            price=_decimal(data, "L", "order fill"),
            quantity=_decimal(data, "l", "order fill"),
            fee=_decimal(data, "n", "order fill"),
            fee_asset=_text(data, "N", "order fill"),
            is_maker=_bool(data, "m", "order fill"),
            time_s=time_s,
        )
    return OrderEvent(
        event=event,
        order_id=order_id,
        client_id=client_id,
        symbol=symbol,
        side=side,
        status=_enum(OrderStatus, data, "X", "order event"),
        quantity=_decimal(data, "q", "order event"),
        executed_quantity=_decimal(data, "z", "order event"),
        price=_optional_decimal(data, "p", "order event"),
        time_s=time_s,
        expiry_reason=_optional_text(data, "R"),
        fill=fill,
    )


def parse_balance_event(data: Json) -> Balance:
    """``account.balanceUpdate``: absolute amounts of one asset."""
    return Balance(
        asset=_text(data, "a", "balance event"),
        available=_decimal(data, "A", "balance event"),
        locked=_decimal(data, "L", "balance event"),
        staked=_optional_decimal(data, "S", "balance event") or Decimal(0),
    )


# -- building ---------------------------------------------------------------------------------------------------------


def new_order(
    *,
    symbol: Symbol,
    side: Side,
    order_type: OrderType,
    quantity: Decimal,
    price: Decimal | None,
    client_id: int,
    post_only: bool,
    redeem_lent: bool,
) -> dict[str, Any]:
    """The body of ``POST /api/v1/order``. ``price`` and ``post_only`` count for limit orders only."""
    body: dict[str, Any] = {
        "symbol": symbol,
        "side": side.value,
        "orderType": order_type.value,
        "quantity": decimal_text(quantity),
        "clientId": client_id,
    }
    if order_type is OrderType.LIMIT:
        if price is None:
            raise ValueError(f"{symbol}: a limit order needs a price")
        body |= {"price": decimal_text(price), "timeInForce": "GTC", "postOnly": post_only}
    if redeem_lent:
        body["autoLendRedeem"] = True
    return body


def cancel_order(symbol: Symbol, *, order_id: str | None, client_id: int) -> dict[str, Any]:
    """The body of ``DELETE /api/v1/order``: by the venue's id where known; both at once would be refused."""
    return {"symbol": symbol, "orderId": order_id} if order_id else {"symbol": symbol, "clientId": client_id}


def subscribe(streams: Sequence[str]) -> dict[str, Any]:
    return {"method": "SUBSCRIBE", "params": list(streams)}


def unsubscribe(streams: Sequence[str]) -> dict[str, Any]:
    return {"method": "UNSUBSCRIBE", "params": list(streams)}


def depth_stream(symbol: Symbol) -> str:
    return f"depth.{symbol}"


def trade_stream(symbol: Symbol) -> str:
    return f"trade.{symbol}"


# -- fields -----------------------------------------------------------------------------------------------------------

E = TypeVar("E", bound=StrEnum)
_INFINITY = float("inf")
# Numbers beyond these are not the venue's, and calculating with them would overflow.
_WHOLE_NUMBERS = range(-(2**63), 2**63)
_MAGNITUDES = range(-40, 41)  # powers of ten


def _object(value: Any, what: str) -> Json:
    if not isinstance(value, Mapping):
        raise WireFormatError(f"{what}: expected an object, was {type(value).__name__}")
    return value


def _field(row: Json, name: str, what: str) -> Any:
    try:
        return row[name]
    except KeyError:
        raise WireFormatError(f"{what}: field {name!r} is missing") from None


def _text(row: Json, name: str, what: str) -> str:
    value = _field(row, name, what)
    if not isinstance(value, str):
        raise WireFormatError(f"{what}: field {name!r} should be text, was {type(value).__name__}")
    return value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _bool(row: Json, name: str, what: str) -> bool:
    value = _field(row, name, what)
    if not isinstance(value, bool):
        raise WireFormatError(f"{what}: field {name!r} should be true or false, was {_shown(value)}")
    return value


def _optional_text(row: Json, name: str) -> str | None:
    value = row.get(name)
    return None if value is None else str(value)


def _id(row: Json, name: str, what: str) -> str:
    value = _field(row, name, what)
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        raise WireFormatError(f"{what}: field {name!r} should be an id, was {_shown(value)}")
    return str(value)


def _int(row: Json, name: str, what: str) -> int:
    value = _field(row, name, what)
    try:
        if isinstance(value, (bool, float)) or (number := int(value)) not in _WHOLE_NUMBERS:
            raise ValueError
        return number
    except (TypeError, ValueError):
        raise WireFormatError(f"{what}: field {name!r} should be a whole number, was {_shown(value)}") from None


def _optional_int(row: Json, name: str, what: str) -> int | None:
    return None if row.get(name) is None else _int(row, name, what)


def _decimal(row: Json, name: str, what: str) -> Decimal:
    value = _field(row, name, what)
    try:
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise InvalidOperation
        number = Decimal(value)
        if not number.is_finite() or number.adjusted() not in _MAGNITUDES:
            raise InvalidOperation
        return number
    except InvalidOperation:
        raise WireFormatError(f"{what}: field {name!r} should be a decimal number, was {_shown(value)}") from None


def _positive(row: Json, name: str, what: str) -> Decimal:
    value = _decimal(row, name, what)
    if value <= 0:
        raise WireFormatError(f"{what}: field {name!r} should be above zero, was {value}")
    return value


def _optional_decimal(row: Json, name: str, what: str) -> Decimal | None:
    return None if row.get(name) is None else _decimal(row, name, what)


def _enum(kind: type[E], row: Json, name: str, what: str) -> E:
    value = _text(row, name, what)
    try:
        return kind(value)
    except ValueError:
        raise WireFormatError(f"{what}: field {name!r} has the unknown value {_shown(value)}") from None


def _levels(row: Json, name: str, what: str) -> list[Level]:
    levels = _field(row, name, what)
    if not isinstance(levels, list):
        raise WireFormatError(f"{what}: field {name!r} should be a list of levels, was {type(levels).__name__}")
    try:
        for price, size in levels:
            if not (0 < float(price) < _INFINITY and 0 <= float(size) < _INFINITY):
                raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise WireFormatError(f"{what}: field {name!r} has a level that is not a price and a size") from None
    return levels


def _iso_seconds(value: Any, what: str) -> float:
    try:
        return datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp()
    except (TypeError, ValueError):
        raise WireFormatError(f"{what}: expected an ISO time, was {_shown(value)}") from None


def _milliseconds(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int) or value not in _WHOLE_NUMBERS:
        raise WireFormatError(f"{what}: expected a time in milliseconds, was {_shown(value)}")
    return value / 1000
