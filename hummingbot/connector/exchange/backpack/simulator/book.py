"""One market's order book: price levels, and within a level the order of arrival."""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator
from decimal import Decimal

from .model import ZERO, Level, Order, Side


class PriceLevel:
    """The resting orders of one price, first come first; ``quantity`` is what remains of all of them."""

    __slots__ = ("orders", "price", "quantity")

    def __init__(self, price: Decimal) -> None:
        self.price = price
        self.quantity = ZERO
        # An OrderedDict gives both the first order and any order by id in constant time; a plain
        # dict would walk over the gaps that removed orders leave at its front.
        self.orders: OrderedDict[int, Order] = OrderedDict()

    @property
    def first(self) -> Order:
        return next(iter(self.orders.values()))


class BookSide:
    """All bids or all asks. Prices are kept in an ascending list beside the levels."""

    __slots__ = ("_prices", "levels", "side")

    def __init__(self, side: Side) -> None:
        self.side = side
        self.levels: dict[Decimal, PriceLevel] = {}
        self._prices: list[Decimal] = []

    @property
    def best(self) -> PriceLevel | None:
        if not self._prices:
            return None
        return self.levels[self._prices[-1 if self.side is Side.BID else 0]]

    def reaches(self, limit: Decimal | None) -> bool:
        """Would an incoming order with this limit (None: any price) meet the best level?"""
        best = self.best
        return best is not None and self.accepts(best.price, limit)

    def accepts(self, price: Decimal, limit: Decimal | None) -> bool:
        """Is a resting price good enough for an incoming limit?"""
        return limit is None or (price >= limit if self.side is Side.BID else price <= limit)

    def from_best(self) -> Iterator[PriceLevel]:
        """Levels from the touch outwards; the book must not change meanwhile."""
        for price in reversed(self._prices) if self.side is Side.BID else self._prices:
            yield self.levels[price]

    def add(self, order: Order, price: Decimal) -> None:
        level = self.levels.get(price)
        if level is None:
            level = self.levels[price] = PriceLevel(price)
            insort(self._prices, price)
        level.orders[order.id] = order
        level.quantity += order.remaining

    def take(self, order: Order, price: Decimal, quantity: Decimal) -> None:
        """Remove a quantity of an order from its level; an order with nothing left on the book leaves it."""
        level = self.levels[price]
        level.quantity -= quantity
        if not order.remaining:
            self._leave(level, order)

    def remove(self, order: Order, price: Decimal) -> None:
        level = self.levels[price]
        level.quantity -= order.remaining
        self._leave(level, order)

    def to_the_back(self, order: Order, price: Decimal) -> None:
        self.levels[price].orders.move_to_end(order.id)

    def quantity_at(self, price: Decimal) -> Decimal:
        level = self.levels.get(price)
        return ZERO if level is None else level.quantity

    def ascending(self, limit: int | None = None) -> tuple[Level, ...]:
        """Price and quantity of each level, or of the ``limit`` levels nearest the touch, by ascending price."""
        prices = self._prices
        if limit is not None and limit < len(prices):
            prices = prices[-limit:] if self.side is Side.BID else prices[:limit]
        return tuple((price, self.levels[price].quantity) for price in prices)

    def _leave(self, level: PriceLevel, order: Order) -> None:
        del level.orders[order.id]
        if not level.orders:
            del self.levels[level.price]
            del self._prices[bisect_left(self._prices, level.price)]


class Book:
    """Both sides of one market."""

    __slots__ = ("asks", "bids")

    def __init__(self) -> None:
        self.bids = BookSide(Side.BID)
        self.asks = BookSide(Side.ASK)

    def side(self, side: Side) -> BookSide:
        return self.bids if side is Side.BID else self.asks

    @property
    def mid_price(self) -> Decimal | None:
        bid, ask = self.bids.best, self.asks.best
        return (bid.price + ask.price) / 2 if bid and ask else None
