"""Faults of connections: slow, cut, refused, closed, dead without a sign."""

import asyncio
import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from ..answers import Answer
from .hooks import BadFault, Call, Disconnect, Fault, Frame, Handler, RefuseSubscription, Socket, Venue
from .values import check_range, check_seconds


@dataclass
class Latency(Fault):
    """Requests reach the exchange late; frames leave it late and in order, heartbeats included."""

    name: ClassVar[str] = "latency"
    seconds: float

    def __post_init__(self) -> None:
        check_seconds(self.name, "seconds", self.seconds)

    def touches_frame(self, socket: Socket, frame: Frame) -> bool:
        return True

    async def request(self, call: Call, handle: Handler) -> Answer:
        await self.venue.clock.sleep(self.seconds)
        return await handle()

    def frame(self, socket: Socket, frame: Frame) -> Iterable[Frame]:
        return (dataclasses.replace(frame, delay_s=frame.delay_s + self.seconds),)


@dataclass
class ResetConnection(Fault):
    """Connections are cut without a word: open sockets at once, later ones on opening or instead of a frame, and
    requests before they are read."""

    name: ClassVar[str] = "reset_connection"

    async def request(self, call: Call, handle: Handler) -> Answer:
        raise Disconnect

    def standing(self, socket: Socket) -> None:
        raise Disconnect

    async def connect(self, socket: Socket) -> None:
        raise Disconnect

    def frame(self, socket: Socket, frame: Frame) -> Iterable[Frame]:
        raise Disconnect


@dataclass
class CloseFrame(Fault):
    """Websockets are closed politely: open ones at once, later ones on opening or instead of a frame."""

    name: ClassVar[str] = "close_frame"
    code: int = 1001
    reason: str = ""

    def __post_init__(self) -> None:
        check_range(self.name, "code", self.code, 1000, 4999)
        if self.code in (1004, 1005, 1006, 1015):
            raise BadFault(f"{self.name}: expected a code that may be sent, {self.code} is reserved")
        if len(self.reason.encode()) > 123:
            raise BadFault(f"{self.name}: expected a reason of at most 123 bytes, was {len(self.reason.encode())}")

    def standing(self, socket: Socket) -> None:
        raise Disconnect(self.code, self.reason)

    async def connect(self, socket: Socket) -> None:
        raise Disconnect(self.code, self.reason)

    def frame(self, socket: Socket, frame: Frame) -> Iterable[Frame]:
        raise Disconnect(self.code, self.reason)


@dataclass
class RefuseConnection(Fault):
    """Nobody gets in: requests and websocket handshakes are cut before they are answered; open websockets live on."""

    name: ClassVar[str] = "refuse_connection"
    rest: bool = True
    websocket: bool = True

    def __post_init__(self) -> None:
        if not self.rest and not self.websocket:
            raise BadFault(f"{self.name}: expected rest, websocket or both to be true, was neither")

    def touches_call(self, call: Call) -> bool:
        return self.rest

    async def request(self, call: Call, handle: Handler) -> Answer:
        raise Disconnect

    def touches_handshake(self) -> bool:
        return self.websocket

    async def handshake(self) -> None:
        raise Disconnect


@dataclass
class HalfOpen(Fault):
    """The other end is gone and TCP has not noticed: no byte in either direction, pings unanswered, nothing closed.

    Open sockets fall silent at once, later handshakes and requests hang unread. When it is cleared, the dead
    connections are reset, as a network does that comes back.
    """

    name: ClassVar[str] = "half_open"
    _frozen: list[Socket] = field(default_factory=list, init=False, repr=False)

    def armed(self, venue: Venue) -> None:
        super().armed(venue)
        self._over = asyncio.Event()

    def cleared(self) -> None:
        self._over.set()
        for socket in self._frozen:
            socket.disconnect(Disconnect())
        self._frozen.clear()

    async def request(self, call: Call, handle: Handler) -> Answer:
        await self._over.wait()
        raise Disconnect

    async def handshake(self) -> None:
        await self._over.wait()
        raise Disconnect

    def standing(self, socket: Socket) -> None:
        self._frozen.append(socket)
        socket.freeze()


@dataclass
class Silence(Fault):
    """Data is withheld while pings and pongs go on; with ``reconnect_heals`` only on the sockets that are open now."""

    name: ClassVar[str] = "silence"
    reconnect_heals: bool = False

    def armed(self, venue: Venue) -> None:
        super().armed(venue)
        self._last_silent = max((socket.number for socket in venue.sessions), default=0)

    def touches_frame(self, socket: Socket, frame: Frame) -> bool:
        return frame.stream is not None and not (self.reconnect_heals and socket.number > self._last_silent)

    def frame(self, socket: Socket, frame: Frame) -> Iterable[Frame]:
        return ()


@dataclass
class SubscribeRefused(Fault):
    """A SUBSCRIBE is answered with an error frame; by default as for a stream that does not exist."""

    name: ClassVar[str] = "subscribe_refused"
    code: int = 4006
    message: str = "Invalid stream"

    def subscribe(self, socket: Socket, stream: str) -> None:
        raise RefuseSubscription(self.code, self.message)
