"""Faults of single websocket frames: lost, doubled, out of order, unreadable, in unknown words."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar

from ..answers import Answer, json_text
from .hooks import Call, Fault, Frame, Handler, Socket
from .values import check_range

ORDER_STREAM = "account.orderUpdate"
DEEPEST = 1_000_000
LARGEST_MB = 100


@dataclass
class DropUpdate(Fault):
    """Frames are lost."""

    name: ClassVar[str] = "drop_update"

    def frame(self, socket: Socket, frame: Frame) -> Iterable[Frame]:
        return ()


@dataclass
class Duplicate(Fault):
    """Frames come several times, one right after the other."""

    name: ClassVar[str] = "duplicate"
    times: int = 2

    def __post_init__(self) -> None:
        check_range(self.name, "times", self.times, 2, 1000)

    def frame(self, socket: Socket, frame: Frame) -> Iterable[Frame]:
        return (frame,) * self.times


@dataclass
class Reorder(Fault):
    """A frame leaves after the next one of its socket, or when the fault is cleared."""

    name: ClassVar[str] = "reorder"
    _held: dict[int, tuple[Socket, Frame]] = field(default_factory=dict, init=False, repr=False)

    def cleared(self) -> None:
        for socket, frame in self._held.values():
            socket.put(frame)
        self._held.clear()

    def frame(self, socket: Socket, frame: Frame) -> Iterable[Frame]:
        if socket.number in self._held:
            return self.owed(socket, frame)
        self._held[socket.number] = socket, frame
        return ()

    def owed(self, socket: Socket, frame: Frame) -> Iterable[Frame]:
        _, earlier = self._held.pop(socket.number, (socket, None))
        return (frame,) if earlier is None else (frame, earlier)


@dataclass
class GarbageFrame(Fault):
    """A frame is replaced by text that is not JSON."""

    name: ClassVar[str] = "garbage_frame"
    text: str = "upstream connect error {"

    def frame(self, socket: Socket, frame: Frame) -> Iterable[Frame]:
        return (replace(frame, text=self.text),)


@dataclass
class NotAnObject(Fault):
    """A frame is replaced by JSON that is no object; with ``inside`` only its ``data`` is."""

    name: ClassVar[str] = "not_an_object"
    inside: bool = False

    def frame(self, socket: Socket, frame: Frame) -> Iterable[Frame]:
        value = ["not", "an", "object"]
        content = {"data": value, "stream": frame.stream} if self.inside else value
        return (replace(frame, text=json_text(content)),)


@dataclass
class Truncated(Fault):
    """Frames and the bodies of answers break off in the middle; the requests are carried out."""

    name: ClassVar[str] = "truncated"

    async def request(self, call: Call, handle: Handler) -> Answer:
        answer = await handle()
        return replace(answer, body=answer.body[: len(answer.body) // 2])

    def frame(self, socket: Socket, frame: Frame) -> Iterable[Frame]:
        return (replace(frame, text=frame.text[: len(frame.text) // 2]),)


class _OrderFrameFault(Fault):
    """Rewrites one word of order frames; all other frames are left alone and not counted."""

    def touches_frame(self, socket: Socket, frame: Frame) -> bool:
        return frame.stream is not None and frame.stream.startswith(ORDER_STREAM)

    def _rewritten(self, frame: Frame, key: str, word: str) -> Iterable[Frame]:
        # On the text, since a fault armed earlier may have made it unreadable.
        text = re.sub(rf'"{key}":"[^"]*"', lambda _: f'"{key}":{json_text(word)}', frame.text, count=1)
        return (replace(frame, text=text),)


@dataclass
class UnknownEvent(_OrderFrameFault):
    """Order frames name an event (``e``) that nobody knows."""

    name: ClassVar[str] = "unknown_event"
    word: str = "orderTeleported"

    def frame(self, socket: Socket, frame: Frame) -> Iterable[Frame]:
        return self._rewritten(frame, "e", self.word)


@dataclass
class UnknownStatus(_OrderFrameFault):
    """Order frames name a status (``X``) that nobody knows."""

    name: ClassVar[str] = "unknown_status"
    word: str = "Pondering"

    def frame(self, socket: Socket, frame: Frame) -> Iterable[Frame]:
        return self._rewritten(frame, "X", self.word)


@dataclass
class Huge(Fault):
    """Frames and answers are JSON of absurd size; the requests are carried out.

    A frame above 8 MB is more than the exchange keeps for one socket: the socket is cut instead.
    """

    name: ClassVar[str] = "huge"
    megabytes: int = 6

    def __post_init__(self) -> None:
        check_range(self.name, "megabytes", self.megabytes, 1, LARGEST_MB)

    async def request(self, call: Call, handle: Handler) -> Answer:
        return replace(await handle(), status=200, body=self._text().encode())

    def frame(self, socket: Socket, frame: Frame) -> Iterable[Frame]:
        return (replace(frame, text=self._text()),)

    def _text(self) -> str:
        return '{"data":"' + "x" * (self.megabytes * 1_000_000) + '"}'


@dataclass
class Deep(Fault):
    """Frames and answers are JSON nested so deep that a recursive reader falls over; the requests are carried out."""

    name: ClassVar[str] = "deep"
    levels: int = 100_000

    def __post_init__(self) -> None:
        check_range(self.name, "levels", self.levels, 1, DEEPEST)

    async def request(self, call: Call, handle: Handler) -> Answer:
        return replace(await handle(), status=200, body=self._text().encode())

    def frame(self, socket: Socket, frame: Frame) -> Iterable[Frame]:
        return (replace(frame, text=self._text()),)

    def _text(self) -> str:
        return '{"data":' * self.levels + "0" + "}" * self.levels
