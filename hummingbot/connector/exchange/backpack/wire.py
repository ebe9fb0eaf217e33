"""Backpack's words: what it sends, read into typed values, and what it is sent.

Numbers become ``Decimal`` where they are money, ``float`` in market data (Hummingbot's book takes nothing else); times
become seconds here and nowhere else. Whatever cannot be read raises ``WireFormatError`` naming the field; a value that
only describes (why an order expired) may be unknown, a value that decides (an order's status) may not.

Market data, which comes by the thousand a second, is decoded straight into its types, checks included (msgspec); what
comes seldom goes through a dictionary, which Hummingbot's acceptance suite needs anyhow.

Sources: api-doc/openapi.yaml for REST, api-doc/asyncapi.yaml for the websocket, api-doc/NOTES.md for the rest.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Any, NewType, TypeVar

import msgspec

from .errors import BackpackError, WireFormatError, refusal_of

Symbol = NewType("Symbol", str)  # "SOL_USDC", Backpack
TradingPair = NewType("TradingPair", str)  # "SOL-USDC", Hummingbot
Json = Mapping[str, Any]

# Not the venue's beyond these: no infinity, and no id that Hummingbot's book (64 bits) cannot count.
Price = Annotated[float, msgspec.Meta(gt=0, lt=1e40)]
Size = Annotated[float, msgspec.Meta(ge=0, lt=1e40)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

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


class Market(msgspec.Struct, frozen=True):
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


class Level(msgspec.Struct, array_like=True, gc=False):
    """A price and how much stands there: absolute, zero deletes. On the wire a list of two texts.

    Hummingbot's book reads its rows by these names; ``update_id`` is not on the wire, whoever applies a row sets it.
    """

    price: Price
    amount: Size
    update_id: Any = 0


class DepthSnapshot(msgspec.Struct, gc=False, rename={"last_id": "lastUpdateId"}):
    """``GET /api/v1/depth``: both sides ascend by price; ``lastUpdateId`` is text here."""

    last_id: Count
    bids: list[Level]
    asks: list[Level]


class DepthUpdate(
    msgspec.Struct,
    gc=False,
    rename={"time_us": "T", "first_id": "U", "asks": "a", "bids": "b", "symbol": "s", "last_id": "u"},
):
    """``depth.<symbol>``: ids are numbers here, sizes are padded with zeros, an empty side is an empty list.

    The fields are in the order of the wire, in which they are found fastest.
    """

    time_us: Count
    first_id: Count
    asks: list[Level]
    bids: list[Level]
    symbol: Symbol
    last_id: Count

    @property
    def time_s(self) -> float:
        return seconds(self.time_us)


class PublicTrade(
    msgspec.Struct,
    gc=False,
    rename={"symbol": "s", "trade_id": "t", "price": "p", "quantity": "q", "buyer_is_maker": "m", "time_us": "T"},
):
    """``trade.<symbol>``: ``m`` true means that the buyer rested, so a seller was the aggressor."""

    symbol: Symbol
    trade_id: Count
    price: Price
    quantity: Size
    buyer_is_maker: bool
    time_us: Count

    @property
    def time_s(self) -> float:
        return seconds(self.time_us)


class Ticker(msgspec.Struct, frozen=True):
    symbol: Symbol
    last_price: Decimal


class Order(msgspec.Struct, frozen=True):
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


class Fill(msgspec.Struct, frozen=True):
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


class OrderEvent(msgspec.Struct, frozen=True):
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


class Balance(msgspec.Struct, frozen=True):
    asset: str
    available: Decimal
    locked: Decimal
    staked: Decimal


class AccountFees(msgspec.Struct, frozen=True):
    """Fractions of the traded amount: 0.0008 is 8 basis points; negative is a rebate."""

    spot_maker: Decimal
    spot_taker: Decimal


class StreamRefusal(msgspec.Struct, frozen=True):
    """The error frame that answers a request on the websocket; it does not say which request."""

    code: int
    message: str = ""


class Frame(msgspec.Struct, frozen=True):
    """One message of a stream, its inside not yet read."""

    stream: str
    data: Json


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
        return msgspec.json.decode(text)
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


_snapshots = msgspec.json.Decoder(DepthSnapshot, strict=False)  # not strict: numbers may come as text


def read_depth_snapshot(body: bytes, what: str) -> DepthSnapshot:
    try:
        return _snapshots.decode(body)
    except (ValueError, RecursionError) as error:
        raise _unreadable(what, error) from None


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


def parse_placed(raw: Any) -> list[Order | BackpackError]:
    """The answer to ``POST /api/v1/orders``: what became of each; a WireFormatError stands for what cannot be read."""
    return parse_rows(raw, _parse_placed, "placed orders")


def _parse_placed(raw: Any) -> Order | BackpackError:
    try:
        row = _object(raw, "placed order")
        match _text(row, "operation", "placed order"):
            case "Ok":
                return parse_order(row)
            case "Err":
                code, text = _text(row, "code", "placed order"), str(row.get("message") or "")
                return refusal_of(code, text, "one of several orders was answered")
            case word:
                raise WireFormatError(f"placed order: field 'operation' has the unknown value {_shown(word)}")
    except WireFormatError as error:
        return error


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


class _DepthFrame(msgspec.Struct, gc=False):
    data: DepthUpdate


class _OtherFrame(msgspec.Struct, gc=False):
    data: PublicTrade | None = None
    error: StreamRefusal | None = None


_depth_frames = msgspec.json.Decoder(_DepthFrame, strict=False)
_other_frames = msgspec.json.Decoder(_OtherFrame, strict=False)


def read_market_frame(text: bytes) -> DepthUpdate | PublicTrade | StreamRefusal:
    """The name of its stream tells what a frame is. It stands at the end, and to look for it there costs less than to
    have the decoder look twice."""
    try:
        if text.rfind(b"depth.") >= 0:
            return _depth_frames.decode(text).data
        other = _other_frames.decode(text)
    except (ValueError, RecursionError) as error:
        raise _unreadable("market frame", error) from None
    message = other.data or other.error
    if message is None:
        raise WireFormatError("market frame: neither 'data' nor 'error' in it")
    return message


def read_private_frame(text: bytes) -> Frame | StreamRefusal:
    return parse_frame(decode(text, "frame"))


def parse_frame(frame: Any) -> Frame | StreamRefusal:
    """The envelope of a private frame."""
    row = _object(frame, "frame")
    if row.get("error") is not None:
        error = _object(row["error"], "error frame")
        return StreamRefusal(code=_int(error, "code", "error frame"), message=str(error.get("message", "")))
    return Frame(_text(row, "stream", "frame"), _object(_field(row, "data", "frame"), "frame data"))


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
# Numbers beyond these are not the venue's, and calculating with them would overflow.
_LEAST_WHOLE, _GREATEST_WHOLE = -(2**63), 2**63 - 1
_MAGNITUDE = 40  # powers of ten


def _unreadable(what: str, error: Exception) -> WireFormatError:
    """``error`` is msgspec's, which names the place: ``Expected `int`, got `null` - at `$.data.U```."""
    return WireFormatError(f"{what}: {str(error)[:200]}")


def _object(value: Any, what: str) -> Json:
    if not isinstance(value, dict):
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
        if isinstance(value, (bool, float)) or not _LEAST_WHOLE <= (number := int(value)) <= _GREATEST_WHOLE:
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
        if not number.is_finite() or not -_MAGNITUDE <= number.adjusted() <= _MAGNITUDE:
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
    member = kind._value2member_map_.get(value)
    if not isinstance(member, kind):
        raise WireFormatError(f"{what}: field {name!r} has the unknown value {_shown(value)}")
    return member


def _iso_seconds(value: Any, what: str) -> float:
    try:
        return datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp()
    except (TypeError, ValueError):
        raise WireFormatError(f"{what}: expected an ISO time, was {_shown(value)}") from None


def _milliseconds(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int) or not _LEAST_WHOLE <= value <= _GREATEST_WHOLE:
        raise WireFormatError(f"{what}: expected a time in milliseconds, was {_shown(value)}")
    return value / 1000
