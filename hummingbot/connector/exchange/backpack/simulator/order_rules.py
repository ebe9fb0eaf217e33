"""What can be refused about an order without looking at the book: combinations of fields, book states, filters.

Texts and codes are the venue's where they were seen; the rest is this exchange's own (api-doc/NOTES.md).
"""

from decimal import Decimal

from .ledger import MAX_SUPPLY, is_exact
from .model import ZERO, ErrorCode, Market, OrderBookState, OrderRequest, OrderType, Rejected, TimeInForce


def check_request(request: OrderRequest, market: Market) -> None:
    """Raise ``Rejected`` for the first thing that is wrong."""
    check_combination(request)
    check_state(request, market)
    if request.price is not None:
        check_price(request.price, market)
    if request.quantity is not None:
        check_quantity(request.quantity, market)
    if request.quote_quantity is not None and not (is_exact(request.quote_quantity) and request.quote_quantity > 0):
        raise Rejected(ErrorCode.INVALID_QUANTITY, "Quote quantity must be positive and not too long")


def check_combination(request: OrderRequest) -> None:
    """Which fields go together."""
    if request.order_type is OrderType.LIMIT:
        if request.price is None or request.quantity is None or request.quote_quantity is not None:
            raise Rejected(
                ErrorCode.INVALID_CLIENT_REQUEST,
                "Limit orders must specify a `price` and a `quantity` and no `quoteQuantity`",
            )
        if request.post_only and request.time_in_force is not TimeInForce.GTC:
            raise Rejected(ErrorCode.INVALID_ORDER, "Post only orders must be good till cancelled")
        return
    if request.price is not None or request.post_only:
        raise Rejected(ErrorCode.INVALID_CLIENT_REQUEST, "Market orders must not specify `price` or `postOnly`")
    if request.quantity is not None and request.quote_quantity is not None:
        raise Rejected(
            ErrorCode.INVALID_CLIENT_REQUEST, "Market orders must specify either `quantity` or `quoteQuantity`"
        )
    if request.quantity is None and request.quote_quantity is None:
        raise Rejected(ErrorCode.INVALID_CLIENT_REQUEST, "Market orders must specify a positive `quantity`")


def check_state(request: OrderRequest, market: Market) -> None:
    state = market.order_book_state
    if state in (OrderBookState.CLOSED, OrderBookState.CANCEL_ONLY):
        raise Rejected(ErrorCode.TRADING_PAUSED, "Trading is paused")
    if state is OrderBookState.POST_ONLY and not request.post_only:
        raise Rejected(ErrorCode.INVALID_ORDER, "Order book is in post only mode")
    if state is OrderBookState.LIMIT_ONLY and request.order_type is not OrderType.LIMIT:
        raise Rejected(ErrorCode.INVALID_ORDER, "Order book is in limit only mode")


def check_grid(price: Decimal | None, quantity: Decimal | None, market: Market) -> None:
    """The least that any limit order must fulfil, so that all amounts stay exact: positive, on tick and step."""
    if price is None or quantity is None or not ZERO < quantity <= MAX_SUPPLY:
        raise Rejected(ErrorCode.INVALID_QUANTITY, "Limit orders must specify a price and a positive quantity")
    check_tick(price, market)
    check_steps(quantity, market)


def check_price(price: Decimal, market: Market) -> None:
    check_tick(price, market)
    if price < market.min_price:
        raise Rejected(ErrorCode.INVALID_PRICE, "Price is below the minimum allowed value")
    if market.max_price is not None and price > market.max_price:
        raise Rejected(ErrorCode.INVALID_PRICE, "Price is above the maximum allowed value")


def check_quantity(quantity: Decimal, market: Market) -> None:
    if not quantity.is_finite() or quantity > (MAX_SUPPLY if market.max_quantity is None else market.max_quantity):
        raise Rejected(ErrorCode.INVALID_QUANTITY, "Quantity is above the maximum allowed value")
    if quantity <= 0 or quantity < market.min_quantity:
        raise Rejected(ErrorCode.INVALID_QUANTITY, "Quantity is below the minimum allowed value")
    check_steps(quantity, market)


def check_tick(price: Decimal, market: Market) -> None:
    if not price.is_finite() or not ZERO < price <= MAX_SUPPLY:
        raise Rejected(ErrorCode.INVALID_PRICE, "Price must be positive")
    if price % market.tick_size:
        raise Rejected(ErrorCode.INVALID_CLIENT_REQUEST, "Price decimal too long")


def check_steps(quantity: Decimal, market: Market) -> None:
    if quantity % market.step_size:
        raise Rejected(ErrorCode.INVALID_CLIENT_REQUEST, "Quantity decimal too long")
