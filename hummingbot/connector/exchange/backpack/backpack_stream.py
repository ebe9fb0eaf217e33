"""A websocket kept alive: it connects with backoff, knows when its subscriptions stand and tells the operator once."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack.backpack_web_utils import BackpackAPIFactory
from hummingbot.connector.exchange.backpack.backpack_websocket import Arrival, BackpackWebSocket, Pong
from hummingbot.connector.exchange.backpack.errors import StreamLost, WireFormatError
from hummingbot.connector.exchange.backpack.supervision import StreamState, StreamSupervisor
from hummingbot.connector.exchange.backpack.wire import StreamRefusal, subscribe, unsubscribe
from hummingbot.core.web_assistant.connections.data_types import WSJSONRequest
from hummingbot.logger import HummingbotLogger


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The venue has read the subscription that was sent under this name."""

    name: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The venue has read the subscription that was sent under this name, and refused it; "" if it said so too late to
    tell which."""

    name: str
    refusal: StreamRefusal

    def __str__(self) -> str:
        return f"{self.refusal.code} {self.refusal.message}"


Message = TypeVar("Message")


class BackpackStream(Generic[Message]):
    """One connection at a time, for a data source: ``connect``, ``subscribe``, then read ``answers`` until StreamLost.

    The operator gets one line when the stream is lost (or cannot be had) and one when it is live again.
    """

    def __init__(
        self,
        name: str,
        api_factory: BackpackAPIFactory,
        logger: HummingbotLogger,
        read: Callable[[bytes], Message | StreamRefusal],
    ):
        """``read`` makes of a frame what it says; raises WireFormatError."""
        self._name = name
        self._read = read
        self._api_factory = api_factory
        self._logger = logger
        self._supervisor = StreamSupervisor(random.random, time.monotonic())
        self._loss_told = False
        self._unreadable_told: set[str] = set()
        self._pongs_to_come = 0

    @property
    def is_live(self) -> bool:
        return self._supervisor.state is StreamState.LIVE

    async def connect(self) -> BackpackWebSocket:
        """Wait as long as the backoff says, then connect; again until it works."""
        while True:
            await asyncio.sleep(self._supervisor.seconds_until_retry(time.monotonic()))
            self._supervisor.on_connecting(time.monotonic())
            try:
                async with asyncio.timeout(CONSTANTS.CONNECT_TIMEOUT_S):
                    websocket = await BackpackWebSocket.connect(self._api_factory.venue.ws_url)
                self._pongs_to_come = 0
                return websocket
            except OSError as error:
                (self._logger.debug if self._loss_told else self._logger.warning)(str(self.lost(error)))

    async def subscribe(
        self, websocket: BackpackWebSocket, name: str, streams: Sequence[str], *, signed: bool = False
    ) -> None:
        """Ask for ``streams``; ``Subscribed(name)`` or ``Refused(name, ..)`` follows among the answers."""
        request = WSJSONRequest(payload=subscribe(streams))
        if signed and self._api_factory.auth is not None:
            request = await self._api_factory.auth.ws_authenticate(request)
        websocket.send(request.payload)
        self._pongs_to_come += 1
        await websocket.ping(name.encode())

    async def unsubscribe(self, websocket: BackpackWebSocket, streams: Sequence[str]) -> None:
        websocket.send(unsubscribe(streams))

    def live(self) -> None:
        """What the data source needs is subscribed."""
        told = self._supervisor.on_live(time.monotonic())
        self._loss_told = False
        self._unreadable_told.clear()
        self._logger.info("%s stream live (attempt %d, %.1f s down)", self._name, told.attempts, told.down_s)

    def lost(self, reason: BaseException) -> StreamLost:
        """The connection is over. The exception to raise is the operator's line: Hummingbot's loop logs its text."""
        if not isinstance(reason, OSError):
            self._logger.error("%s stream: unexpected error", self._name, exc_info=reason)
        told = self._supervisor.on_lost(time.monotonic())
        self._loss_told = True
        words = str(reason) or type(reason).__name__
        return StreamLost(
            f"{self._name} stream lost after {told.uptime_s:.0f} s: {words}; next attempt in {told.retry_in_s:.1f} s"
        )

    def end(self) -> None:
        """The connection is over in whatever way, also while subscribing or because Hummingbot stops."""
        if self._supervisor.state is not StreamState.WAITING:
            self._supervisor.on_lost(time.monotonic())

    async def answers(
        self, websocket: BackpackWebSocket, on_message: Callable[[Message], None]
    ) -> AsyncIterator[Subscribed | Refused]:
        """What the venue answers to subscriptions. What it sends on the streams is handed to ``on_message`` as it
        comes, thousands of times a second. Ends with ConnectionError, or with what ``on_message`` raised.

        An unreadable frame is told once a connection and skipped: what it carried is found out by whoever keeps count
        (the sequencer, the reconciliation). A refusal does not say of what; but the venue answers in order, so it is of
        the subscription that the next pong belongs to.
        """
        answers: asyncio.Queue[Subscribed | Refused | Exception] = asyncio.Queue()
        refusal: StreamRefusal | None = None

        def on_arrival(arrival: Arrival) -> None:
            nonlocal refusal
            try:
                if isinstance(arrival, bytes):
                    message = self._read(arrival)
                    if not isinstance(message, StreamRefusal):
                        on_message(message)
                    elif self._pongs_to_come:
                        refusal = message
                    else:
                        answers.put_nowait(Refused("", message))
                elif isinstance(arrival, Pong):
                    name = arrival.payload.decode(errors="replace")
                    self._pongs_to_come -= 1
                    answers.put_nowait(Subscribed(name) if refusal is None else Refused(name, refusal))
                    refusal = None
                else:
                    answers.put_nowait(arrival)
            except WireFormatError as error:
                self._skip(error)
            except Exception as error:
                answers.put_nowait(error)

        websocket.listen(on_arrival)
        while True:
            answer = await answers.get()
            if isinstance(answer, Exception):
                raise answer
            yield answer

    def _skip(self, error: WireFormatError) -> None:
        if str(error) not in self._unreadable_told and len(self._unreadable_told) < 10:
            self._unreadable_told.add(str(error))
            self._logger.error("%s stream: a frame was skipped: %s", self._name, error)
