"""Faults of order in time between the two interfaces: what is late, ahead or behind."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar

from .. import rest_bodies as bodies
from ..answers import Answer, json_answer
from ..model import DepthSnapshot, Event, Fill, Order, OrderEvent
from .hooks import Call, Fault, Frame, Handler, Socket, Venue
from .values import check_seconds

READ_S = 0.05
"""What goes second waits this long, so that the client has read what went first; they come over two connections."""

DEPTH = "/api/v1/depth"
HISTORY = "/wapi/v1/history/"


@dataclass
class LateAnswer(Fault):
    """Requests are carried out, and answered only after a frame with this event has left (or after ``at_most_s``)."""

    name: ClassVar[str] = "late_answer"
    event: str = "orderFill"
    at_most_s: float = 10.0
    _waiting: set[asyncio.Event] = field(default_factory=set, init=False, repr=False)

    def __post_init__(self) -> None:
        check_seconds(self.name, "at_most_s", self.at_most_s)

    def cleared(self) -> None:
        for seen in self._waiting:
            seen.set()

    async def request(self, call: Call, handle: Handler) -> Answer:
        seen = asyncio.Event()
        self._waiting.add(seen)
        try:
            answer = await handle()
            with suppress(TimeoutError):
                await asyncio.wait_for(seen.wait(), self.at_most_s)
            await asyncio.sleep(READ_S)
        finally:
            self._waiting.discard(seen)
        return answer

    def written(self, frame: Frame) -> None:
        if _is_event(frame, self.event):
            for seen in self._waiting:
                seen.set()


@dataclass
class LateFrame(Fault):
    """Frames with this event leave only after a call has been answered (or after ``at_most_s``, or when cleared)."""

    name: ClassVar[str] = "late_frame"
    event: str = "orderFill"
    until_method: str = "DELETE"
    until_path: str = "/api/v1/order"
    at_most_s: float = 10.0
    _held: list[tuple[Socket, Frame]] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        check_seconds(self.name, "at_most_s", self.at_most_s)

    def touches_frame(self, socket: Socket, frame: Frame) -> bool:
        return _is_event(frame, self.event)

    def cleared(self) -> None:
        self._release(list(self._held))

    def frame(self, socket: Socket, frame: Frame) -> Iterable[Frame]:
        self._held.append((socket, frame))
        asyncio.get_running_loop().call_later(self.at_most_s, self._release, [(socket, frame)])
        return ()

    def answered(self, call: Call) -> None:
        if (call.method, call.path) == (self.until_method, self.until_path):
            asyncio.get_running_loop().call_later(READ_S, self._release, list(self._held))

    def _release(self, frames: list[tuple[Socket, Frame]]) -> None:
        for held in frames:
            if held in self._held:
                self._held.remove(held)
                socket, frame = held
                socket.put(frame)


@dataclass
class StaleSnapshot(Fault):
    """``GET /depth`` answers the books as they were when the fault was armed."""

    name: ClassVar[str] = "stale_snapshot"

    def armed(self, venue: Venue) -> None:
        super().armed(venue)
        self._taken: dict[str, DepthSnapshot] = {
            symbol: venue.exchange.depth(symbol) for symbol in venue.exchange.markets
        }

    def touches_call(self, call: Call) -> bool:
        return call.path == DEPTH and call.symbol in self.venue.exchange.markets

    async def request(self, call: Call, handle: Handler) -> Answer:
        assert call.symbol is not None, "asked for by touches_call"
        return json_answer(bodies.depth(self._taken[call.symbol], self.venue.clock.now_us()))


@dataclass
class FutureSnapshot(Fault):
    """The first ``GET /depth`` of each market is ahead of the stream: depth frames are held from arming on and follow
    the snapshot (or leave when the fault is cleared)."""

    name: ClassVar[str] = "future_snapshot"
    _held: list[tuple[Socket, Frame]] = field(default_factory=list, init=False, repr=False)
    _answered: set[str | None] = field(default_factory=set, init=False, repr=False)

    def touches_call(self, call: Call) -> bool:
        return call.path == DEPTH and call.symbol not in self._answered

    def touches_frame(self, socket: Socket, frame: Frame) -> bool:
        return frame.stream is not None and frame.stream.startswith("depth.") and frame.symbol not in self._answered

    def cleared(self) -> None:
        for symbol in {frame.symbol for _, frame in self._held}:
            self._release(symbol)

    async def request(self, call: Call, handle: Handler) -> Answer:
        answer = await handle()
        asyncio.get_running_loop().call_later(READ_S, self._release, call.symbol)
        return answer

    def owed(self, socket: Socket, frame: Frame) -> Iterable[Frame]:
        self._held.append((socket, frame))
        return ()

    def _release(self, symbol: str | None) -> None:
        self._answered.add(symbol)
        for socket, frame in self._held:
            if frame.symbol == symbol:
                socket.put(frame)
        self._held = [(socket, frame) for socket, frame in self._held if frame.symbol != symbol]


@dataclass
class HistoryLag(Fault):
    """Orders and fills appear in ``/wapi/v1/history/`` only this long after their last change."""

    name: ClassVar[str] = "history_lag"
    seconds: float
    _changed_us: dict[int, int] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        check_seconds(self.name, "seconds", self.seconds)

    def armed(self, venue: Venue) -> None:
        super().armed(venue)
        venue.exchange.listeners.append(self._note)

    def cleared(self) -> None:
        self.venue.exchange.listeners.remove(self._note)

    def touches_call(self, call: Call) -> bool:
        return call.path.startswith(HISTORY)

    async def request(self, call: Call, handle: Handler) -> Answer:
        self.venue.rest.history_filters.append(self._shows)
        try:
            return await handle()
        finally:
            self.venue.rest.history_filters.remove(self._shows)

    def _shows(self, row: Order | Fill) -> bool:
        changed_us = row.time_us if isinstance(row, Fill) else self._changed_us.get(row.id, row.created_us)
        return changed_us <= self._horizon_us()

    def _horizon_us(self) -> int:
        return self.venue.clock.now_us() - round(self.seconds * 1_000_000)

    def _note(self, events: Sequence[Event]) -> None:
        """Remember when an order changed, for as long as that matters; the oldest change is always in front."""
        for event in events:
            if isinstance(event, OrderEvent):
                self._changed_us.pop(event.order.id, None)
                self._changed_us[event.order.id] = event.time_us
        horizon_us = self._horizon_us()
        while self._changed_us:
            oldest = next(iter(self._changed_us))
            if self._changed_us[oldest] > horizon_us:
                break
            del self._changed_us[oldest]


def _is_event(frame: Frame, event: str) -> bool:
    return frame.stream is not None and f'"e":"{event}"' in frame.text
