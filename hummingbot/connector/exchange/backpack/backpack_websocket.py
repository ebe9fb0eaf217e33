"""One websocket to the venue, on picows: whatever arrives is handed over in the call that reads it from the socket.

aiohttp's puts each message into a queue, from which a coroutine has to fetch it. That was a third of what a small depth
update cost (docs/performance.md).
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack.errors import StreamLost

_TEXT, _BINARY, _CONTINUATION = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION
_PONG, _CLOSE = WSMsgType.PONG, WSMsgType.CLOSE

# What picows has to say is said again by whoever the connection is for.
_silent = logging.getLogger(__name__)
_silent.setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a ping of ours with a payload."""

    payload: bytes


Arrival = bytes | Pong | ConnectionError  # a frame, an answered ping, the end


class BackpackWebSocket(WSListener):
    """``connect``, ``listen``, and send. Once it is over, a ConnectionError arrives that says why."""

    @classmethod
    async def connect(cls, url: str) -> "BackpackWebSocket":
        """Raises OSError (a TimeoutError too) if there is no connection.

        A redirect counts as a failure: what is signed goes to the venue and nowhere else.
        """
        websocket = cls()
        try:
            await ws_connect(
                lambda: websocket,
                url,
                logger_name=_silent,
                websocket_handshake_timeout=CONSTANTS.CONNECT_TIMEOUT_S,
                enable_auto_ping=True,
                auto_ping_idle_timeout=CONSTANTS.HEARTBEAT_S,
                auto_ping_reply_timeout=CONSTANTS.HEARTBEAT_S / 2,
                max_frame_size=CONSTANTS.MAX_FRAME_BYTES,
                max_redirects=0,
                use_aiofastnet=False,
            )
        except WSError as error:
            raise ConnectionError(f"no websocket: {error}") from None
        return websocket

    def __init__(self) -> None:
        self.last_recv_time = 0.0  # seconds since the epoch, as Hummingbot asks for it
        self._transport: WSTransport | None = None
        self._early: list[Arrival] = []  # came before anybody listened
        self._hand_over: Callable[[Arrival], None] = self._early.append
        self._parts: list[bytes] = []  # of a frame that comes in several

    def listen(self, hand_over: Callable[[Arrival], None]) -> None:
        """From now on ``hand_over``, which must not raise, gets what arrives; first of all what has come already."""
        for arrival in self._early:
            hand_over(arrival)
        self._early.clear()
        self._hand_over = hand_over

    def send(self, payload: Mapping[str, Any]) -> None:
        """Raises StreamLost if the connection is over."""
        self._open().send(_TEXT, json.dumps(payload).encode())

    async def ping(self, payload: bytes = b"") -> None:
        """Raises StreamLost if the connection is over."""
        self._open().send_ping(payload)

    async def disconnect(self) -> None:
        """Say good-bye, and do not wait for long for the other end to say so too: it may be dead. Nothing arrives any
        more but the end."""
        hand_over, self._hand_over = self._hand_over, _drop
        hand_over(ConnectionError("closed by this side"))
        transport = self._transport
        if transport is None or transport.is_disconnected:
            return
        transport.send_close()
        with suppress(Exception):  # why it was closed has been told
            async with asyncio.timeout(CONSTANTS.CLOSE_TIMEOUT_S):
                await transport.wait_disconnected()
        transport.disconnect(graceful=False)

    def _open(self) -> WSTransport:
        if self._transport is None or self._transport.is_disconnected or self._transport.is_close_frame_sent:
            raise StreamLost("the connection is closed")
        return self._transport

    # -- called by picows ---------------------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.last_recv_time = time.time()
        kind = frame.msg_type
        if kind == _TEXT and frame.fin:
            self._hand_over(frame.get_payload_as_bytes())
        elif kind in (_TEXT, _BINARY, _CONTINUATION):
            self._on_part(frame)
        elif kind == _PONG and frame.payload_size:
            self._hand_over(Pong(frame.get_payload_as_bytes()))
        elif kind == _CLOSE:
            transport.send_close()
            transport.disconnect()

    def _on_part(self, frame: WSFrame) -> None:
        self._parts.append(frame.get_payload_as_bytes())
        if sum(map(len, self._parts)) > CONSTANTS.MAX_FRAME_BYTES:
            raise ValueError("a frame in parts is too long")  # picows disconnects
        if frame.fin:
            whole = b"".join(self._parts)
            self._parts.clear()
            self._hand_over(whole)

    def is_user_specific_pong(self, frame: WSFrame) -> bool:
        """Asked of each frame while the answer to a heartbeat is awaited. Any frame shows that the other side lives,
        and the answers to our own pings are for whoever listens."""
        if frame.msg_type == _PONG and not frame.payload_size:
            return True
        if self._transport is not None:
            self._transport.notify_user_specific_pong_received()
        return False

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        told = transport.close_handshake
        if told is not None and told.recv is not None:
            why = f"closed by the other side ({told.recv.code:d} {told.recv.reason}".rstrip() + ")"
        elif told is not None and told.sent is not None and told.sent.reason:
            why = str(told.sent.reason)
        else:
            why = "the connection broke"
        self._hand_over(ConnectionError(why))


def _drop(arrival: Arrival) -> None:
    """Nobody listens any more."""
