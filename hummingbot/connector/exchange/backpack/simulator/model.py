"""The exchange's words: markets, orders, fills, events and refusals. Data only, no behaviour.

Names and enum values are Backpack's own. Money and prices are ``Decimal``; times are microseconds
(``*_us``). Events carry the state of their moment: an ``OrderFilled`` keeps its own cumulative
figures, while ``event.order`` is the live order, which moves on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

ZERO = Decimal(0)


class Side(StrEnum):
    BID = "Bid"
    ASK = "Ask"

    @property
    def opposite(self) -> "Side":
        return Side.ASK if self is Side.BID else Side.BID


class OrderType(StrEnum):
    LIMIT = "Limit"
    MARKET = "Market"


class TimeInForce(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class SelfTradePrevention(StrEnum):
    REJECT_TAKER = "RejectTaker"
    REJECT_MAKER = "RejectMaker"
    REJECT_BOTH = "RejectBoth"


class OrderStatus(StrEnum):
    NEW = "New"
    PARTIALLY_FILLED = "PartiallyFilled"
    FILLED = "Filled"
    CANCELLED = "Cancelled"
    EXPIRED = "Expired"

    @property
    def is_open(self) -> bool:
        return self in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


class ExpiryReason(StrEnum):
    """The reasons this exchange produces; the venue knows more."""

    IMMEDIATE_OR_CANCEL = "ImmediateOrCancel"
    INSUFFICIENT_LIQUIDITY = "InsufficientLiquidity"
    PRICE_IMPACT = "PriceImpact"
    SELF_TRADE_PREVENTION = "SelfTradePrevention"


class OrderBookState(StrEnum):
    OPEN = "Open"
    CLOSED = "Closed"
    CANCEL_ONLY = "CancelOnly"
    LIMIT_ONLY = "LimitOnly"
    POST_ONLY = "PostOnly"


class SystemOrderType(StrEnum):
    """Why the venue, not the user, made a fill."""

    COLLATERAL_CONVERSION = "CollateralConversion"
    ORDER_BOOK_CLOSED = "OrderBookClosed"


class ErrorCode(StrEnum):
    """The venue's codes that the engine itself can answer with; the server adds those of its own."""

    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    INVALID_CLIENT_REQUEST = "INVALID_CLIENT_REQUEST"
    INVALID_ORDER = "INVALID_ORDER"
    INVALID_PRICE = "INVALID_PRICE"
    INVALID_QUANTITY = "INVALID_QUANTITY"
    RESOURCE_NOT_FOUND = "RESOURCE_NOT_FOUND"
    TRADING_PAUSED = "TRADING_PAUSED"


class Rejected(Exception):
    """A command was refused and changed nothing; ``code`` and ``message`` are the venue's answer."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Market:
    """One listed spot market and its filters; ``None`` means the venue sets no such limit.

    ``min_multiplier``/``max_multiplier`` bound a limit price relative to the last active price;
    the impact multipliers bound how far a market order may walk from the best opposite price.
    """

    symbol: str
    base: str
    quote: str
    tick_size: Decimal
    step_size: Decimal
    min_price: Decimal
    min_quantity: Decimal
    max_price: Decimal | None = None
    max_quantity: Decimal | None = None
    min_multiplier: Decimal | None = None
    max_multiplier: Decimal | None = None
    min_impact_multiplier: Decimal | None = None
    max_impact_multiplier: Decimal | None = None
    mean_mark_price_band: tuple[Decimal, Decimal] | None = None
    fees_waived: bool = False
    order_book_state: OrderBookState = OrderBookState.OPEN
    visible: bool = True
    created_at: str = "2025-01-21T06:34:54.691858"

    @property
    def price_decimals(self) -> int:
        """Digits after the point to which the streams pad a price."""
        return decimals_of(self.tick_size)

    @property
    def quantity_decimals(self) -> int:
        """Digits after the point to which the streams pad a quantity."""
        return decimals_of(self.step_size)


def decimals_of(unit: Decimal) -> int:
    """Digits after the point of a tick or a step: 2 for 0.01, 0 for 1 and for 100."""
    exponent = unit.normalize().as_tuple().exponent
    assert isinstance(exponent, int), f"expected a finite unit, was {unit}"
    return max(0, -exponent)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """What a trader asks for. ``price`` for limit orders, ``quantity`` or ``quote_quantity`` for market orders."""

    account: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.REJECT_TAKER
    client_id: int | None = None
    auto_lend_redeem: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class Order:
    """An accepted order. Changed by the engine only; final once ``status.is_open`` is false.

    ``quote_quantity`` is set on market orders only: what was asked for, else the expected cost
    rounded up to a tick, fixed before matching as the venue does.
    """

    id: int
    account: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None
    quote_quantity: Decimal | None
    time_in_force: TimeInForce
    post_only: bool
    self_trade_prevention: SelfTradePrevention
    client_id: int | None
    created_us: int
    status: OrderStatus = OrderStatus.NEW
    executed_quantity: Decimal = ZERO
    executed_quote_quantity: Decimal = ZERO
    expiry_reason: ExpiryReason | None = None

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.executed_quantity


@dataclass(frozen=True, slots=True)
class Fill:
    """One side of a trade as its owner's history shows it. ``trade_id`` is None on system fills.

    ``fee`` is positive when paid, negative when a rebate was received, in ``fee_asset`` (what the side received).
    """

    time_us: int
    account: str
    symbol: str
    order_id: int
    client_id: int | None
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool
    trade_id: int | None
    system_order_type: SystemOrderType | None = None


@dataclass(frozen=True, slots=True)
class Trade:
    """A public trade; ``is_buyer_maker`` means that the seller was the aggressor."""

    time_us: int
    symbol: str
    id: int
    price: Decimal
    quantity: Decimal
    buyer_order_id: int
    seller_order_id: int
    is_buyer_maker: bool


Level = tuple[Decimal, Decimal]
"""Price and absolute quantity; quantity zero removes the level."""


@dataclass(frozen=True, slots=True)
class DepthSnapshot:
    """A book at one update id. Both sides ascend by price: the best bid is the last, the best ask the first."""

    symbol: str
    last_update_id: int
    time_us: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class BookTicker:
    """The best level of each side, None where a side is empty, at one update id."""

    symbol: str
    update_id: int
    time_us: int
    bid: Level | None
    ask: Level | None


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account has of one asset. Lent funds are apart: the venue does not show them in /capital."""

    available: Decimal = ZERO
    locked: Decimal = ZERO
    lent: Decimal = ZERO
    staked: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return self.available + self.locked + self.lent + self.staked


LedgerSnapshot = Mapping[str, Mapping[str, Balance]]
"""Account name -> asset -> balance."""


# Events, in the order in which the engine produced them -----------------------------------------


@dataclass(frozen=True, slots=True)
class OrderAccepted:
    """Also sent for orders that fill at once, before their fills; status New, nothing executed."""

    time_us: int
    order: Order


@dataclass(frozen=True, slots=True)
class OrderFilled:
    """One fill of one order, with the order's status and totals right after it."""

    time_us: int
    order: Order
    fill: Fill
    status: OrderStatus
    executed_quantity: Decimal
    executed_quote_quantity: Decimal


@dataclass(frozen=True, slots=True)
class OrderCancelled:
    time_us: int
    order: Order


@dataclass(frozen=True, slots=True)
class OrderExpired:
    """The order, or what was left of it, ended without its owner asking."""

    time_us: int
    order: Order
    reason: ExpiryReason


@dataclass(frozen=True, slots=True)
class OrderModified:
    """A resting order was made smaller by the venue and kept its place in the queue."""

    time_us: int
    order: Order
    quantity: Decimal
    status: OrderStatus
    executed_quantity: Decimal
    executed_quote_quantity: Decimal


@dataclass(frozen=True, slots=True)
class DepthUpdated:
    """One to three changed levels, absolute, under one update id (the stream's U and u alike)."""

    time_us: int
    symbol: str
    update_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class Traded:
    time_us: int
    trade: Trade


@dataclass(frozen=True, slots=True)
class BalanceChanged:
    """Absolute values of one asset after one settlement step; not coalesced within a command."""

    time_us: int
    account: str
    asset: str
    balance: Balance


OrderEvent = OrderAccepted | OrderFilled | OrderCancelled | OrderExpired | OrderModified
"""Private to ``event.order.account``."""

Event = OrderEvent | DepthUpdated | Traded | BalanceChanged
