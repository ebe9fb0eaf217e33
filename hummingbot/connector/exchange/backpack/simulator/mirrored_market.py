"""One market of a followed venue, put in order and repeated on our exchange. No sockets, no clock: times are arguments.

From the venue come depth updates, snapshots and trades; out of them our book is kept like the venue's, with users'
orders among it, by a ``Replica``. What that means for users:

* An order of theirs stands behind all that the venue shows at its price when it arrives, and what the venue adds later
  stands behind it. It moves forward by volume that trades at its price, and when so much of the level is cancelled that
  less is left than was ahead of it (of what is cancelled, the youngest goes first).
* It fills by what trades at its price once nothing is ahead, by what trades at worse prices, and by levels of the
  venue that reach into it; always at its own price, never for more than was traded or shown.
* Orders that take consume the levels that are shown. What they took is missing until the venue reports the level again.
* A trade is repeated before the depth that it caused, whichever of the two streams was faster: what came is held back
  for ``HOLD_S``. A trade that comes still later moves nobody forward and is left out.

While the book is not known for sure (no connection, a hole in the updates, silence), the market is ``CancelOnly``: the
last book stays visible, orders are refused, open ones can be cancelled and nothing is filled. A fresh snapshot ends
that; an order that the market has meanwhile moved through is then filled by the new book, at its own price. An order
that was kept from an earlier run stands behind everything in the first snapshot.
"""

import logging
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum

from .market import Participant
from .matching import Exchange
from .model import Level, Market, OrderBookState
from .replica import Replica
from .source_words import DepthChange, Snapshot, SourceError, SourceTrade

# One socket brings both streams, some of the venue's gateways apart.
HOLD_S = 0.05
MAX_WAITING = 20_000
"""Frames of one market that may wait, for a snapshot or to be repeated, before all of them are given up."""

logger = logging.getLogger(__name__)


class Hole(Exception):
    """An update is missing, so the book is not known any more until there is a snapshot."""


class DepthSequence:
    """Puts updates and snapshots together: 1. without a snapshot updates wait; 2. what it contains is dropped; 3. the
    first update after it begins at most one id later; 4. each further one begins where the last ended.
    """

    def __init__(self) -> None:
        self.last_id: int | None = None
        self._waiting: deque[DepthChange] = deque()

    def restart(self) -> None:
        self.last_id = None
        self._waiting.clear()

    def on_change(self, change: DepthChange) -> DepthChange | None:
        """The update if its turn has come. Raises Hole, and waits for a snapshot from this update on."""
        if self.last_id is None:
            if self._waiting and change.first_id > self._waiting[-1].last_id + 1:
                self._waiting.clear()  # rule 4: only a snapshot from behind the hole will do
            self._waiting.append(change)
            if len(self._waiting) > MAX_WAITING:
                raise SourceError(f"{change.symbol}: {MAX_WAITING} updates and no snapshot that fits")
            return None
        if change.last_id <= self.last_id:
            return None  # rule 2; on the stream, a repetition
        if change.first_id > self.last_id + 1:
            expected = self.last_id + 1
            self.restart()
            self._waiting.append(change)
            raise Hole(f"{change.symbol}: expected update {expected}, was {change.first_id}")
        self.last_id = change.last_id
        return change

    def on_snapshot(self, snapshot: Snapshot) -> list[DepthChange] | None:
        """The updates that follow the snapshot, None if it is too old for them."""
        while self._waiting and self._waiting[0].last_id <= snapshot.last_id:
            self._waiting.popleft()  # rule 2
        if self._waiting and self._waiting[0].first_id > snapshot.last_id + 1:
            return None  # rule 3
        following = list(self._waiting)
        self._waiting.clear()
        self.last_id = following[-1].last_id if following else snapshot.last_id
        return following


class _Turn(IntEnum):
    """Who comes first within a millisecond."""

    SNAPSHOT = 0
    TRADE = 1
    DEPTH = 2


@dataclass(frozen=True, slots=True)
class _Held:
    """Something from the source that waits to be repeated."""

    time_ms: int
    turn: _Turn
    arrived_s: float
    matter: Snapshot | SourceTrade | DepthChange


class MirroredMarket:
    """Repeats one market. ``live``: the book is the source's and users may trade."""

    def __init__(self, exchange: Exchange, symbol: str, makers: Participant, takers: Participant) -> None:
        self.symbol = symbol
        self.live = False
        self.update_id: int | None = None  # of the source; what our book shows
        self.heard_s = 0.0  # when the source last said how this book is
        self.source_state = exchange.market(symbol).order_book_state
        self._exchange = exchange
        self._market: Market = exchange.market(symbol)
        self._world = {makers.name, takers.name}
        self._replica = Replica(exchange, symbol, makers, takers)
        self._sequence = DepthSequence()
        self._held: list[_Held] = []
        self._first_snapshot = True
        self._depth_ms = 0  # of the latest depth in hand
        self._repeated_ms = 0  # of the latest depth repeated
        self.halt()

    @property
    def known_id(self) -> int | None:
        """The update id up to which the source's book is known, None while a snapshot is needed."""
        return self._sequence.last_id

    @property
    def closed(self) -> bool:
        """The source does not show this market, so there is nothing to wait for."""
        return self.source_state is OrderBookState.CLOSED

    def halt(self) -> None:
        """The book is not known any more: nobody trades until there is a fresh snapshot."""
        self.live = False
        self._sequence.restart()
        self._stop_trading()

    def set_source_state(self, state: OrderBookState) -> None:
        """Allow users what the source allows its own, as far as the book is known."""
        if state is not self.source_state:
            self.source_state = state
            if self.closed:
                self.halt()
            elif self.live:
                self._exchange.set_order_book_state(self.symbol, state)

    def on_depth(self, change: DepthChange, now_s: float) -> None:
        """Take an update in. Raises Hole and halts if one before it is missing."""
        self._check(change.bids, change.asks)
        self.heard_s = now_s
        try:
            ready = self._sequence.on_change(change)
        except Hole:
            self.live = False
            self._stop_trading()
            raise
        if ready is not None:
            self._hold_depth(ready, now_s)

    def on_snapshot(self, snapshot: Snapshot, now_s: float) -> bool:
        """Take a whole book in; False if it is too old for the updates that are there."""
        self._check(snapshot.bids, snapshot.asks)
        if self.known_id is not None:
            return True
        following = self._sequence.on_snapshot(snapshot)
        if following is None:
            return False
        self.heard_s = now_s
        self._depth_ms = snapshot.time_us // 1_000
        self._hold(_Held(self._depth_ms, _Turn.SNAPSHOT, now_s, snapshot))
        for change in following:
            self._hold_depth(change, now_s)
        return True

    def on_trade(self, trade: SourceTrade, now_s: float) -> None:
        """Take a trade in; while the book is not known, trades say nothing."""
        self._check(((trade.price, trade.quantity),), ())
        if self.known_id is not None:
            self._hold(_Held(trade.time_us // 1_000, _Turn.TRADE, now_s, trade))

    def step(self, now_s: float) -> None:
        """Repeat what has been held back long enough, in the order of the source's own times."""
        until_ms = max((held.time_ms for held in self._held if held.arrived_s <= now_s - HOLD_S), default=-1)
        due = [held for held in self._held if held.time_ms <= until_ms]
        if due:
            self._held = [held for held in self._held if held.time_ms > until_ms]
            for held in sorted(due, key=lambda held: (held.time_ms, held.turn)):
                self._repeat(held.time_ms, held.matter)

    def _repeat(self, time_ms: int, matter: Snapshot | SourceTrade | DepthChange) -> None:
        match matter:
            case SourceTrade(price=price, quantity=quantity, is_buyer_maker=is_buyer_maker):
                if self.live and time_ms > self._repeated_ms:
                    self._replica.trade(price, quantity, is_buyer_maker=is_buyer_maker)
            case DepthChange(last_id=last_id, bids=bids, asks=asks):
                self.update_id, self._repeated_ms = last_id, time_ms
                self._replica.update(bids, asks)
            case Snapshot(last_id=last_id, bids=bids, asks=asks):
                self.update_id, self._repeated_ms = last_id, time_ms
                self._resume(bids, asks)

    def _resume(self, bids: tuple[Level, ...], asks: tuple[Level, ...]) -> None:
        self.live = True
        self._replica.replace(bids, asks)
        if self._first_snapshot:
            self._first_snapshot = False
            for account in self._exchange.accounts:
                if account.name not in self._world:
                    for order in self._exchange.open_orders(account.name, self.symbol):
                        self._exchange.requeue(order.id)
        self._exchange.set_order_book_state(self.symbol, self.source_state)

    def _stop_trading(self) -> None:
        self._held.clear()
        state = OrderBookState.CLOSED if self.closed else OrderBookState.CANCEL_ONLY
        self._exchange.set_order_book_state(self.symbol, state)

    def _hold_depth(self, change: DepthChange, now_s: float) -> None:
        # Depth stays in the order of its ids whatever its times say.
        self._depth_ms = max(self._depth_ms, change.time_us // 1_000)
        self._hold(_Held(self._depth_ms, _Turn.DEPTH, now_s, change))

    def _hold(self, held: _Held) -> None:
        self._held.append(held)
        if len(self._held) > MAX_WAITING:  # nobody steps: the market is paused by hand
            self.halt()
            raise Hole(f"{self.symbol}: {MAX_WAITING} frames were not repeated in time")

    def _check(self, *sides: tuple[tuple[Decimal, Decimal], ...]) -> None:
        """Raises SourceError for what this market's tick and step do not allow; amounts would not be exact."""
        for side in sides:
            for price, quantity in side:
                if price % self._market.tick_size or quantity % self._market.step_size:
                    tick, step = self._market.tick_size, self._market.step_size
                    raise SourceError(
                        f"{self.symbol}: expected a price in ticks of {tick:f} and a quantity in steps of {step:f}, "
                        f"was {price:f} and {quantity:f}; its filters must have changed"
                    )
