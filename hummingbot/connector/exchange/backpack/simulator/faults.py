"""Misbehaviour on demand: what a fault may interfere with, and the faults themselves, one small class each.

A fault is armed for what it should hit (``Match``: path, method, account, symbol, stream), for how many events, and
with what probability; it can be cleared while it acts. Armed faults act in the order of arming.

Where they can act (the four methods of ``Fault``):

==============  =======================================================================================
``request``     around one REST call: before it is handled, instead of it, after it and before the answer
``connect``     when a websocket has opened, before its first frame is read
``subscribe``   when a SUBSCRIBE frame has been read and found good
``frame``       for each frame on its way out, heartbeats included
==============  =======================================================================================

``armed`` and ``cleared`` are for faults that change the exchange itself: its clock, its status, its listening socket.
A fault ends a connection by raising ``Disconnect`` from any of the four.
"""

import dataclasses
import math
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from .answers import Answer, error_answer
from .time_control import ControllableClock


class Venue(Protocol):
    """What a fault may touch beyond the event it is acting on."""

    @property
    def clock(self) -> ControllableClock: ...


class BadFault(ValueError):
    """A fault was asked for that does not exist, or with values that make no sense; says what was expected."""


class Disconnect(Exception):
    """End this connection: with a Close frame of this code, or without a word (TCP reset) when there is none."""

    def __init__(self, close_code: int | None = None, reason: str = "") -> None:
        super().__init__(f"disconnect, code {close_code}")
        self.close_code = close_code
        self.reason = reason


class RefuseSubscription(Exception):
    """Answer a SUBSCRIBE with an error frame instead of data."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class FrameKind(StrEnum):
    DATA = "data"
    PING = "ping"
    PONG = "pong"


@dataclass(frozen=True, slots=True)
class Frame:
    """One outgoing websocket frame; ``delay_s`` holds back this copy of it. Heartbeats and errors have no stream."""

    text: str
    kind: FrameKind = FrameKind.DATA
    stream: str | None = None
    symbol: str | None = None
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Call:
    """One REST call as faults see it. ``account`` is the claimed key's owner; nothing is verified yet."""

    method: str
    path: str
    account: str | None
    symbol: str | None


@dataclass(frozen=True, slots=True)
class Peer:
    """The websocket client that an event belongs to; ``accounts`` signed in on it."""

    number: int
    accounts: frozenset[str]


Handler = Callable[[], Awaitable[Answer]]


class Fault:
    """A misbehaviour; this one does nothing. Subclasses are dataclasses whose fields are what can be configured."""

    name: ClassVar[str]

    def armed(self, venue: Venue) -> None:
        """It begins."""
        self.venue = venue

    def cleared(self) -> None:
        """It ends; put back what ``armed`` changed."""

    async def request(self, call: Call, handle: Handler) -> Answer:
        """Stand in for one call; ``handle`` carries it out (and lets the faults armed later act on it)."""
        return await handle()

    async def connect(self, peer: Peer) -> None:
        """A websocket has opened."""

    def subscribe(self, peer: Peer, stream: str) -> None:
        """A client asks for a stream; may raise RefuseSubscription."""

    def frame(self, peer: Peer, frame: Frame) -> Iterable[Frame]:
        """What leaves instead of this frame: nothing, it, another, several."""
        return (frame,)


@dataclass(frozen=True, slots=True)
class Match:
    """Which events a fault acts on; what is not given matches everything.

    ``path`` and ``stream`` match from the left (``/wapi/``, ``depth.``, ``account.``), the others exactly. A fault that
    names a method or path leaves the streams alone, one that names a stream leaves REST alone.
    """

    method: str | None = None
    path: str | None = None
    account: str | None = None
    symbol: str | None = None
    stream: str | None = None

    def call(self, call: Call) -> bool:
        return (
            self.stream is None
            and self.method in (None, call.method)
            and (self.path is None or call.path.startswith(self.path))
            and self.account in (None, call.account)
            and self.symbol in (None, call.symbol)
        )

    def peer(self, peer: Peer) -> bool:
        return (
            self.method is None
            and self.path is None
            and self.stream is None
            and self.symbol is None
            and (self.account is None or self.account in peer.accounts)
        )

    def on_stream(self, peer: Peer, stream: str | None, symbol: str | None) -> bool:
        return (
            self.method is None
            and self.path is None
            and (self.stream is None or (stream is not None and stream.startswith(self.stream)))
            and (self.account is None or self.account in peer.accounts)
            and self.symbol in (None, symbol)
        )


@dataclass(eq=False)
class ArmedFault:
    """A fault at work: how often it may still act and how often it has."""

    number: int
    fault: Fault
    match: Match
    remaining: int | None
    probability: float
    seed: int
    fired: int = 0
    _dice: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)

    def acts_on(self, moment: str) -> bool:
        """Whether the fault does anything there, so that its count is not used up elsewhere."""
        return getattr(type(self.fault), moment) is not getattr(Fault, moment)

    def strikes(self) -> bool:
        """Whether it acts on the matching event at hand; takes one from the count if so."""
        if self.remaining == 0 or (self.probability < 1.0 and self._dice.random() >= self.probability):
            return False
        if self.remaining is not None:
            self.remaining -= 1
        self.fired += 1
        return True

    def as_json(self) -> dict[str, Any]:
        return {
            "count": self.remaining,
            "fault": self.fault.name,
            "fired": self.fired,
            "id": self.number,
            "match": {key: value for key, value in dataclasses.asdict(self.match).items() if value is not None},
            "parameters": _parameters(self.fault),
            "probability": self.probability,
            "seed": self.seed,
        }


class Faults:
    """The armed faults of one exchange. Used up ones stay listed, with their figures, until cleared."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._armed: dict[int, ArmedFault] = {}
        self._next_number = 1

    def arm(
        self,
        fault: Fault,
        *,
        count: int | None = None,
        probability: float = 1.0,
        seed: int = 0,
        method: str | None = None,
        path: str | None = None,
        account: str | None = None,
        symbol: str | None = None,
        stream: str | None = None,
    ) -> ArmedFault:
        """Begin to misbehave; ``count`` None means until cleared. Raises BadFault."""
        if count is not None and count < 1:
            raise BadFault(f"expected a count of at least 1, was {count}")
        if not 0.0 < probability <= 1.0:
            raise BadFault(f"expected a probability above 0 and up to 1, was {probability}")
        match = Match(method, path, account, symbol, stream)
        armed = ArmedFault(self._next_number, fault, match, count, probability, seed)
        self._next_number += 1
        self._armed[armed.number] = armed
        fault.armed(self._venue)
        return armed

    def clear(self, armed: ArmedFault | None = None) -> None:
        """End one fault, or all of them; ending one twice is no error."""
        for one in [armed] if armed is not None else list(self._armed.values()):
            if self._armed.pop(one.number, None) is not None:
                one.fault.cleared()

    def __iter__(self) -> Iterator[ArmedFault]:
        return iter(list(self._armed.values()))

    def get(self, number: int) -> ArmedFault | None:
        return self._armed.get(number)

    # Where the server asks

    def __bool__(self) -> bool:
        return bool(self._armed)

    async def request(self, call: Call, handle: Handler) -> Answer:
        """Carry out a call with the matching faults wrapped around it, the one armed first outermost."""
        for armed in reversed(self._armed.values()):
            if armed.acts_on("request") and armed.match.call(call):
                handle = _wrapped(armed, call, handle)
        return await handle()

    async def connect(self, peer: Peer) -> None:
        for armed in list(self._armed.values()):
            if armed.acts_on("connect") and armed.match.peer(peer) and armed.strikes():
                await armed.fault.connect(peer)

    def subscribe(self, peer: Peer, stream: str, symbol: str | None) -> None:
        for armed in self._armed.values():
            if armed.acts_on("subscribe") and armed.match.on_stream(peer, stream, symbol) and armed.strikes():
                armed.fault.subscribe(peer, stream)

    def frame(self, peer: Peer, frame: Frame) -> list[Frame]:
        """What leaves instead of a frame."""
        frames = [frame]
        for armed in self._armed.values():
            if armed.acts_on("frame"):
                frames = [out for one in frames for out in self._struck(armed, peer, one)]
        return frames

    def _struck(self, armed: ArmedFault, peer: Peer, frame: Frame) -> Iterable[Frame]:
        if armed.match.on_stream(peer, frame.stream, frame.symbol) and armed.strikes():
            return armed.fault.frame(peer, frame)
        return (frame,)


def _wrapped(armed: ArmedFault, call: Call, handle: Handler) -> Handler:
    async def faulty() -> Answer:
        return await (armed.fault.request(call, handle) if armed.strikes() else handle())

    return faulty


# The faults -------------------------------------------------------------------------------------


@dataclass
class Latency(Fault):
    """Requests reach the exchange late; frames leave it late and in order."""

    name: ClassVar[str] = "latency"
    seconds: float

    def __post_init__(self) -> None:
        if not 0 <= self.seconds < math.inf:
            raise BadFault(f"latency: expected seconds of 0 or more, was {self.seconds}")

    async def request(self, call: Call, handle: Handler) -> Answer:
        await self.venue.clock.sleep(self.seconds)
        return await handle()

    def frame(self, peer: Peer, frame: Frame) -> Iterable[Frame]:
        return (dataclasses.replace(frame, delay_s=frame.delay_s + self.seconds),)


@dataclass
class Reject(Fault):
    """Requests are refused with an error of choice and change nothing."""

    name: ClassVar[str] = "reject"
    code: str
    message: str = "Rejected by a fault"
    status: int = 400

    def __post_init__(self) -> None:
        if not 400 <= self.status <= 599:
            raise BadFault(f"reject: expected a status from 400 to 599, was {self.status}")

    async def request(self, call: Call, handle: Handler) -> Answer:
        return error_answer(self.status, self.code, self.message)


@dataclass
class ResetConnection(Fault):
    """The connection is cut without a word: before a request is read, on connecting, or instead of a frame."""

    name: ClassVar[str] = "reset_connection"

    async def request(self, call: Call, handle: Handler) -> Answer:
        raise Disconnect

    async def connect(self, peer: Peer) -> None:
        raise Disconnect

    def frame(self, peer: Peer, frame: Frame) -> Iterable[Frame]:
        raise Disconnect


@dataclass
class AcceptThenDropResponse(Fault):
    """A request is carried out, and the connection is cut before its answer."""

    name: ClassVar[str] = "accept_then_drop_response"

    async def request(self, call: Call, handle: Handler) -> Answer:
        await handle()
        raise Disconnect


@dataclass
class DropUpdate(Fault):
    """Frames with data are lost; heartbeats are not."""

    name: ClassVar[str] = "drop_update"

    def frame(self, peer: Peer, frame: Frame) -> Iterable[Frame]:
        return () if frame.kind is FrameKind.DATA else (frame,)


CATALOGUE: dict[str, type[Fault]] = {
    fault.name: fault for fault in (Latency, Reject, ResetConnection, AcceptThenDropResponse, DropUpdate)
}


def fault_of(name: str, parameters: Mapping[str, Any]) -> Fault:
    """A fault by its name and values, as the control plane and scenario files give them; raises BadFault."""
    kind = CATALOGUE.get(name)
    if kind is None:
        raise BadFault(f"expected one of the faults {', '.join(sorted(CATALOGUE))}, was {name!r}")
    fields = {one.name: one for one in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key, value in parameters.items():
        if key not in fields:
            raise BadFault(f"{name}: expected parameters among {', '.join(fields) or '(none)'}, was {key!r}")
        if not _fits(value, fields[key].type):
            raise BadFault(f"{name}: expected {key} to be of type {_type_name(fields[key].type)}, was {value!r}")
    for key, one in fields.items():
        if key not in parameters and one.default is dataclasses.MISSING:
            raise BadFault(f"{name}: expected a value for {key}, was none")
    return kind(**parameters)


def _parameters(fault: Fault) -> dict[str, Any]:
    return {one.name: getattr(fault, one.name) for one in dataclasses.fields(fault)}  # type: ignore[arg-type]


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _type_name(kind: Any) -> str:
    return getattr(kind, "__name__", str(kind))
