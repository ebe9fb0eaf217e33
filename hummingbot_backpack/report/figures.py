"""The conclusions of a session, computed: inventory, profit and loss, spread, order lives. Amounts are Decimal.

Profit is that of average cost: what is sold realises the difference to the average price at which it was bought (and
the other way round for a short). A fee taken in the base asset counts as that much sold at the fill's price, and as a
fee of that worth. So, at every moment and to the last digit, **realised + marked - fees = what the quote balance
changed by, plus what the base balance changed by at the price of the moment**.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import median

from hummingbot_backpack.reckoning import Fill
from hummingbot_backpack.report.records import MarketRecord, Mid, OrderLife

ZERO = Decimal(0)
BASIS_POINTS = Decimal(10_000)
# A fill is compared with the nearest mid price on record, unless that is further away than this.
NEAREST_MID_S = 10.0


class Position:
    """What is held beyond the opening balance, and what it cost on average."""

    def __init__(self) -> None:
        self.quantity = ZERO
        self.average_price = ZERO
        self.realised = ZERO

    def change(self, quantity: Decimal, price: Decimal) -> None:
        """Buy (above zero) or sell (below zero)."""
        held = self.quantity
        if held * quantity >= 0:
            self.quantity = held + quantity
            if self.quantity:
                self.average_price = (held * self.average_price + quantity * price) / self.quantity
            return
        closed = min(abs(held), abs(quantity))
        self.realised += closed * (price - self.average_price) * (1 if held > 0 else -1)
        self.quantity = held + quantity
        if held * self.quantity < 0:
            self.average_price = price  # what is left of the trade opened the other side

    def marked(self, price: Decimal) -> Decimal:
        """What closing it at ``price`` would realise."""
        return self.quantity * (price - self.average_price)


class Account:
    """A position with its fees."""

    def __init__(self) -> None:
        self.position = Position()
        self.fees = ZERO  # in the quote asset
        self.other_fees: dict[str, Decimal] = defaultdict(Decimal)  # in assets that the pair does not price

    def book(self, fill: Fill) -> None:
        self.position.change(fill.quantity if fill.side == "BUY" else -fill.quantity, fill.price)
        if fill.fee_asset == fill.base:
            self.position.change(-fill.fee, fill.price)
            self.fees += fill.fee * fill.price
        elif fill.fee_asset == fill.quote:
            self.fees += fill.fee
        elif fill.fee:
            self.other_fees[fill.fee_asset] += fill.fee

    def net(self, price: Decimal) -> Decimal:
        return self.position.realised + self.position.marked(price) - self.fees


@dataclass(frozen=True, slots=True)
class Moment:
    """The state after everything up to ``time_s``; money in the quote asset."""

    time_s: float
    price: Decimal
    inventory: Decimal
    realised: Decimal
    fees: Decimal
    net: Decimal


@dataclass(frozen=True)
class Side:
    fills: int
    quantity: Decimal
    worth: Decimal

    @property
    def average_price(self) -> Decimal | None:
        return self.worth / self.quantity if self.quantity else None


@dataclass(frozen=True)
class Spread:
    """Average sell price minus average buy price, over as much as was both bought and sold."""

    quantity: Decimal
    difference: Decimal
    basis_points: Decimal

    @property
    def earned(self) -> Decimal:
        return self.quantity * self.difference


@dataclass(frozen=True)
class Edge:
    """How much better than the mid price of their time fills were, weighted by quantity; below zero is worse."""

    basis_points: Decimal
    fills: int


@dataclass(frozen=True)
class Lives:
    """Order life times in seconds, of orders that are over."""

    seconds: list[float]
    filled: int
    cancelled: int
    failed: int
    still_open: int

    def quantile(self, part: float) -> float | None:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else None


@dataclass(frozen=True)
class Figures:
    record: MarketRecord
    moments: list[Moment]
    account: Account
    buys: Side
    sells: Side
    spread: Spread | None
    edge: Edge | None
    lives: Lives

    @property
    def has_mids(self) -> bool:
        return bool(self.record.mids)

    @property
    def price(self) -> Decimal | None:
        """The last one known: what is still held is marked with it."""
        return self.moments[-1].price if self.moments else None

    @property
    def net(self) -> Decimal:
        return self.moments[-1].net if self.moments else ZERO

    @property
    def volume(self) -> Decimal:
        return self.buys.worth + self.sells.worth

    @property
    def began_s(self) -> float:
        return min(self._times())

    @property
    def ended_s(self) -> float:
        return max(self._times())

    def _times(self) -> Iterator[float]:
        yield from (trade.time_s for trade in self.record.trades)
        yield from (mid.time_s for mid in self.record.mids)
        for order in self.record.orders:
            yield order.created_s
            if order.ended_s is not None:
                yield order.ended_s


def figures_of(record: MarketRecord) -> Figures:
    account = Account()
    buys, sells = _side(record, "BUY"), _side(record, "SELL")
    return Figures(
        record=record,
        moments=list(_moments(record, account)),
        account=account,
        buys=buys,
        sells=sells,
        spread=_spread(buys, sells),
        edge=_edge(record),
        lives=_lives(record.orders),
    )


def _moments(record: MarketRecord, account: Account) -> Iterator[Moment]:
    """One after each fill and at each recorded price. Without recorded prices the last fill's is the price."""
    events = sorted(
        [(trade.time_s, trade.fill) for trade in record.trades] + [(mid.time_s, mid) for mid in record.mids],
        key=lambda event: event[0],
    )
    price: Decimal | None = None
    for time_s, event in events:
        if isinstance(event, Mid):
            price = event.price
        else:
            account.book(event)
            if price is None or not record.mids:
                price = event.price
        position = account.position
        yield Moment(time_s, price, position.quantity, position.realised, account.fees, account.net(price))


def _side(record: MarketRecord, side: str) -> Side:
    fills = [trade.fill for trade in record.trades if trade.fill.side == side]
    return Side(
        fills=len(fills),
        quantity=sum((fill.quantity for fill in fills), ZERO),
        worth=sum((fill.quantity * fill.price for fill in fills), ZERO),
    )


def _spread(buys: Side, sells: Side) -> Spread | None:
    bought_at, sold_at = buys.average_price, sells.average_price
    if bought_at is None or sold_at is None:
        return None
    difference = sold_at - bought_at
    return Spread(
        quantity=min(buys.quantity, sells.quantity),
        difference=difference,
        basis_points=difference / ((sold_at + bought_at) / 2) * BASIS_POINTS,
    )


def _edge(record: MarketRecord) -> Edge | None:
    better, quantity, fills = ZERO, ZERO, 0
    for trade in record.trades:
        mid = nearest(record.mids, trade.time_s)
        if mid is not None:
            fill = trade.fill
            better += (mid - fill.price if fill.side == "BUY" else fill.price - mid) / mid * fill.quantity
            quantity += fill.quantity
            fills += 1
    return Edge(better / quantity * BASIS_POINTS, fills) if quantity else None


def nearest(mids: Sequence[Mid], time_s: float) -> Decimal | None:
    """The mid price on record nearest to ``time_s``, None if there is none within ``NEAREST_MID_S``."""
    after = bisect_left(mids, time_s, key=lambda mid: mid.time_s)
    near = [mid for mid in mids[max(0, after - 1) : after + 1] if abs(mid.time_s - time_s) <= NEAREST_MID_S]
    return min(near, key=lambda mid: abs(mid.time_s - time_s)).price if near else None


def _lives(orders: Sequence[OrderLife]) -> Lives:
    def ended(word: str) -> int:
        return sum(word in order.last_status for order in orders)

    return Lives(
        seconds=[max(0.0, order.ended_s - order.created_s) for order in orders if order.ended_s is not None],
        filled=ended("Completed"),
        cancelled=ended("Cancelled") + ended("Expired"),
        failed=ended("Failure"),
        still_open=sum(order.ended_s is None for order in orders),
    )


def typical_gap_s(mids: Sequence[Mid]) -> float | None:
    """How often the mid price was recorded."""
    gaps = [later.time_s - earlier.time_s for earlier, later in zip(mids, mids[1:], strict=False)]
    return median(gaps) if gaps else None
