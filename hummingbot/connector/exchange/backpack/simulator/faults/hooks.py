"""Where misbehaviour can take hold, what it may touch there, and who decides whether it strikes.

A fault is armed for what it should hit (``Match``: path, method, account, symbol, stream), for how many events, and
with what probability; it can be cleared while it acts. Armed faults act in the order of arming.

The moments at which a fault can act; each strike takes one from its count:

=============  ========================================================================================
``request``    around one REST call: before it is handled, instead of it, after it and before the answer
``handshake``  when a websocket asks to open, before it is answered
``standing``   once for each websocket that is open when the fault is armed
``connect``    when a websocket has opened, before its first frame is read
``subscribe``  when a SUBSCRIBE frame has been read and found good
``frame``      for each frame on its way out
``resting``    once for each open order: those there when the fault is armed, and those that come to rest later
=============  ========================================================================================

``armed`` and ``cleared`` are for faults that change the exchange itself; ``answering``, ``answered`` and ``written``
are told of everything that leaves, struck or not. A fault ends a connection by raising ``Disconnect`` at any moment
that belongs to one.
"""

import asyncio
import dataclasses
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from ..answers import Answer
from ..model import Event, Order, OrderAccepted
from ..time_control import ControllableClock

if TYPE_CHECKING:
    from ..matching import Exchange
    from ..rest import Rest


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
    raw_body: bytes = b""


class Socket(Protocol):
    """A websocket client that an event belongs to; ``accounts`` signed in on it."""

    @property
    def number(self) -> int: ...

    @property
    def accounts(self) -> frozenset[str]: ...

    @property
    def streams(self) -> Iterable[str]: ...

    def put(self, frame: Frame) -> None:
        """Send a frame past all faults."""

    def freeze(self) -> None:
        """From now on neither read nor write, and keep the TCP connection."""

    def disconnect(self, how: Disconnect) -> None: ...


class Venue(Protocol):
    """What a fault may touch beyond the event it is acting on."""

    @property
    def clock(self) -> ControllableClock: ...

    @property
    def exchange(self) -> "Exchange": ...

    @property
    def rest(self) -> "Rest": ...

    @property
    def sessions(self) -> Sequence[Socket]: ...


Handler = Callable[[], Awaitable[Answer]]


class Fault:
    """A misbehaviour; this one does nothing. Subclasses are dataclasses whose fields are what can be configured."""

    name: ClassVar[str]

    def armed(self, venue: Venue) -> None:
        """It begins."""
        self.venue = venue

    def cleared(self) -> None:
        """It ends; put back what was changed, let go of what was held."""

    def touches_call(self, call: Call) -> bool:
        """Whether this call is of a kind that the fault acts on; others do not use up its count."""
        return True

    def touches_handshake(self) -> bool:
        """Likewise for the opening of a websocket."""
        return True

    def touches_frame(self, socket: Socket, frame: Frame) -> bool:
        """Likewise for a frame; heartbeats and error frames are usually left alone."""
        return frame.stream is not None

    async def request(self, call: Call, handle: Handler) -> Answer:
        """Stand in for one call; ``handle`` carries it out (and lets the faults armed later act on it)."""
        return await handle()

    async def handshake(self) -> None:
        """A websocket asks to open; may raise Disconnect, or Refused with an HTTP answer."""

    def standing(self, socket: Socket) -> None:
        """A websocket is open at the moment of arming."""

    async def connect(self, socket: Socket) -> None:
        """A websocket has opened."""

    def subscribe(self, socket: Socket, stream: str) -> None:
        """A client asks for a stream; may raise RefuseSubscription."""

    def frame(self, socket: Socket, frame: Frame) -> Iterable[Frame]:
        """What leaves instead of this frame: nothing, it, another, several."""
        return (frame,)

    def owed(self, socket: Socket, frame: Frame) -> Iterable[Frame]:
        """What leaves instead of a frame that the fault touches and did not strike: it, with what was held back."""
        return (frame,)

    def resting(self, order: Order) -> None:
        """An order rests in the book."""

    def written(self, frame: Frame) -> None:
        """A frame has been written to its socket."""

    def answering(self) -> None:
        """A call has been carried out and is about to be answered; may raise Disconnect."""

    def answered(self, call: Call) -> None:
        """The answer to a call has been written."""


@dataclass(frozen=True, slots=True)
class Match:
    """Which events a fault acts on; what is not given matches everything.

    ``path`` and ``stream`` match from the left (``/wapi/``, ``depth.``, ``account.``), the others exactly. A fault that
    names a method or path leaves the streams alone, one that names a stream leaves REST alone. A socket has the streams
    and symbols that it has subscribed to, so one that has just connected has none.
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

    def handshake(self) -> bool:
        return self == Match()

    def socket(self, socket: Socket) -> bool:
        symbol, stream = self.symbol, self.stream
        return (
            self.method is None
            and self.path is None
            and (self.account is None or self.account in socket.accounts)
            and (stream is None or any(name.startswith(stream) for name in socket.streams))
            and (symbol is None or any(name.endswith(f".{symbol}") for name in socket.streams))
        )

    def on_stream(self, socket: Socket, stream: str | None, symbol: str | None) -> bool:
        return (
            self.method is None
            and self.path is None
            and (self.stream is None or (stream is not None and stream.startswith(self.stream)))
            and (self.account is None or self.account in socket.accounts)
            and self.symbol in (None, symbol)
        )

    def order(self, order: Order) -> bool:
        return (
            self.method is None
            and self.path is None
            and self.stream is None
            and self.account in (None, order.account)
            and self.symbol in (None, order.symbol)
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
            "parameters": parameters_of(self.fault),
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
        check_arming(count, probability)
        match = Match(method, path, account, symbol, stream)
        armed = ArmedFault(self._next_number, fault, match, count, probability, seed)
        self._next_number += 1
        self._armed[armed.number] = armed
        fault.armed(self._venue)
        self._strike_standing(armed)
        if armed.acts_on("resting"):
            if self._on_events not in self._venue.exchange.listeners:
                self._venue.exchange.listeners.append(self._on_events)
            for account_ in self._venue.exchange.accounts:
                for order in self._venue.exchange.open_orders(account_.name):
                    self._strike_resting(armed, order)
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
            if armed.acts_on("request") and armed.match.call(call) and armed.fault.touches_call(call):
                handle = _wrapped(armed, call, handle)
        return await handle()

    async def handshake(self) -> None:
        for armed in self:
            touches = armed.acts_on("handshake") and armed.match.handshake() and armed.fault.touches_handshake()
            if touches and armed.strikes():
                await armed.fault.handshake()

    async def connect(self, socket: Socket) -> None:
        for armed in self:
            if armed.acts_on("connect") and armed.match.socket(socket) and armed.strikes():
                await armed.fault.connect(socket)

    def subscribe(self, socket: Socket, stream: str, symbol: str | None) -> None:
        for armed in self._armed.values():
            if armed.acts_on("subscribe") and armed.match.on_stream(socket, stream, symbol) and armed.strikes():
                armed.fault.subscribe(socket, stream)

    def frame(self, socket: Socket, frame: Frame) -> list[Frame]:
        """What leaves instead of a frame."""
        frames = [frame]
        for armed in self._armed.values():
            frames = [out for one in frames for out in self._struck(armed, socket, one)]
        return frames

    def _struck(self, armed: ArmedFault, socket: Socket, frame: Frame) -> Iterable[Frame]:
        matches = armed.match.on_stream(socket, frame.stream, frame.symbol)
        if not matches or not armed.fault.touches_frame(socket, frame):
            return (frame,)
        if armed.acts_on("frame") and armed.strikes():
            return armed.fault.frame(socket, frame)
        return armed.fault.owed(socket, frame)

    def written(self, frame: Frame) -> None:
        for armed in self:
            armed.fault.written(frame)

    def answering(self) -> None:
        for armed in self:
            armed.fault.answering()

    def answered(self, call: Call) -> None:
        for armed in self:
            armed.fault.answered(call)

    def _strike_standing(self, armed: ArmedFault) -> None:
        if not armed.acts_on("standing"):
            return
        for socket in self._venue.sessions:
            if armed.match.socket(socket) and armed.strikes():
                try:
                    armed.fault.standing(socket)
                except Disconnect as disconnect:
                    socket.disconnect(disconnect)

    def _on_events(self, events: Sequence[Event]) -> None:
        """Orders that have come to rest; acted on later, since a listener of the engine issues no commands."""
        if any(armed.acts_on("resting") for armed in self._armed.values()):
            for event in events:
                if isinstance(event, OrderAccepted) and event.order.status.is_open:
                    asyncio.get_running_loop().call_soon(self._rested, event.order)

    def _rested(self, order: Order) -> None:
        for armed in self:
            if armed.acts_on("resting"):
                self._strike_resting(armed, order)

    def _strike_resting(self, armed: ArmedFault, order: Order) -> None:
        if order.status.is_open and armed.match.order(order) and armed.strikes():
            armed.fault.resting(order)


def check_arming(count: int | None, probability: float) -> None:
    if count is not None and count < 1:
        raise BadFault(f"expected a count of at least 1, was {count}")
    if not 0.0 < probability <= 1.0:
        raise BadFault(f"expected a probability above 0 and up to 1, was {probability}")


def parameters_of(fault: Fault) -> dict[str, Any]:
    if not dataclasses.is_dataclass(fault):
        return {}
    return {one.name: getattr(fault, one.name) for one in dataclasses.fields(fault) if one.init}


def _wrapped(armed: ArmedFault, call: Call, handle: Handler) -> Handler:
    async def faulty() -> Answer:
        return await (armed.fault.request(call, handle) if armed.strikes() else handle())

    return faulty
