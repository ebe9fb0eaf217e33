"""The websocket side: who listens to what, and the frames they get.

Every payload is rendered once however many listen, and not at all if nobody does. A listener that does not read keeps
at most ``MAX_BACKLOG_BYTES`` in memory, then it is cut off.
"""

import asyncio
import contextlib
import heapq
import json
import logging
import re
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from . import stream_frames as frames
from .access import Credentials, Keyring
from .answers import Refused, json_text
from .faults import Disconnect, Faults, Frame, FrameKind, RefuseSubscription
from .matching import Exchange
from .model import BalanceChanged, DepthUpdated, Event, Level, Traded
from .statistics import Interval
from .time_control import ControllableClock

DEPTH_WINDOWS_S = {"200ms": 0.2, "600ms": 0.6, "1000ms": 1.0}
MAX_BACKLOG_BYTES = 8_000_000
MAX_COMMAND_BYTES = 1_000_000
MISSED_PONGS = 2
CLOSE_TIMEOUT_S = 2.0

PARSE_ERROR = (4002, "Parse error")
BAD_SIGNATURE = 4003
INVALID_STREAM = (4006, "Invalid stream")
INVALID_DEPTH_WINDOW = (4008, "Invalid depth window")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream by name. ``variant`` is the depth window or the kline interval."""

    name: str
    kind: str
    symbol: str | None = None
    variant: str | None = None

    @property
    def private(self) -> bool:
        return self.kind.startswith("account.")


class InvalidStream(Exception):
    """A name that no stream can have; carries the error frame's code and text."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def stream_of(name: str) -> Stream:
    """Read a stream name; whether its symbol exists is not asked. Raises InvalidStream."""
    head, _, rest = name.partition(".")
    if head == "account":
        kind, _, symbol = rest.partition(".")
        if kind in ("orderUpdate", "positionUpdate") or (kind == "balanceUpdate" and not symbol):
            return Stream(name, f"account.{kind}", symbol or None)
    elif head in ("trade", "bookTicker", "ticker") and rest:
        return Stream(name, head, rest)
    elif head == "depth" and rest:
        window, _, symbol = rest.partition(".")
        if window in DEPTH_WINDOWS_S and symbol:
            return Stream(name, head, symbol, window)
        if re.fullmatch(r"[0-9]+ms", window):
            raise InvalidStream(*INVALID_DEPTH_WINDOW)
        return Stream(name, head, rest)
    elif head == "kline":
        interval, _, symbol = rest.partition(".")
        if interval in [one.value for one in Interval] and symbol:
            return Stream(name, head, symbol, interval)
    raise InvalidStream(*INVALID_STREAM)


@dataclass(slots=True)
class _Aggregate:
    """What changed in one market since the last frame of a depth window."""

    first_id: int
    last_id: int = 0
    time_us: int = 0
    bids: dict[Decimal, Decimal] = field(default_factory=dict)
    asks: dict[Decimal, Decimal] = field(default_factory=dict)


class Session:
    """One client's socket: its subscriptions, and the frames that wait to be written. Without faults, an onlooker's."""

    def __init__(self, number: int, websocket: web.WebSocketResponse, transport: asyncio.Transport | None,
                 clock: ControllableClock, faults: Faults | None) -> None:  # fmt: skip
        self.number = number
        self.subscriptions: dict[str, tuple[str | None, Stream]] = {}
        self.awaited_pongs = 0
        self.farewell = Disconnect(WSCloseCode.OK)
        self.over = asyncio.Event()
        self._websocket = websocket
        self._transport = transport
        self._clock = clock
        self._faults = faults
        self._accounts: frozenset[str] = frozenset()
        self._backlog: list[tuple[int, int, Frame]] = []
        self.backlog_bytes = 0
        self._frames_queued = 0
        self._wake = asyncio.Event()
        self._frozen = False

    @property
    def faults(self) -> Faults | None:
        return self._faults

    @property
    def accounts(self) -> frozenset[str]:
        return self._accounts

    @property
    def streams(self) -> Iterable[str]:
        return self.subscriptions

    def sign_in(self, account: str) -> None:
        self._accounts |= {account}

    def send(self, frame: Frame) -> None:
        """Queue a frame, or what armed faults make of it."""
        if self.over.is_set():
            return
        try:
            for one in self._faults.frame(self, frame) if self._faults else (frame,):
                self.put(one)
        except Disconnect as disconnect:
            self.disconnect(disconnect)

    def send_error(self, code: int, message: str) -> None:
        self.send(Frame(json_text({"error": {"code": code, "message": message}, "id": None})))

    def put(self, frame: Frame) -> None:
        """Queue a frame as it is."""
        if self.over.is_set() or self._frozen:
            return
        due_us = self._clock.now_us() + round(frame.delay_s * 1_000_000) if frame.delay_s else 0
        self._frames_queued += 1
        heapq.heappush(self._backlog, (due_us, self._frames_queued, frame))
        self.backlog_bytes += len(frame.text)
        if self.backlog_bytes > MAX_BACKLOG_BYTES:
            logger.warning("socket %d does not read: %d frames waiting, cut off", self.number, len(self._backlog))
            self.disconnect(Disconnect())
        self._wake.set()

    async def write(self) -> None:
        """Write what is queued, in order, until the session is over."""
        while not self.over.is_set():
            if not self._backlog:
                self._wake.clear()
                await self._wake.wait()
                continue
            due_us, _, frame = self._backlog[0]
            if due_us and (left_us := due_us - self._clock.now_us()) > 0:
                await self._until_woken_or(left_us / 1_000_000)
                continue
            heapq.heappop(self._backlog)
            self.backlog_bytes -= len(frame.text)
            match frame.kind:
                case FrameKind.DATA:
                    await self._websocket.send_str(frame.text)
                case FrameKind.PING:
                    await self._websocket.ping(frame.text.encode())
                case FrameKind.PONG:
                    await self._websocket.pong(frame.text.encode())
            if self._faults:
                self._faults.written(frame)

    async def _until_woken_or(self, seconds: float) -> None:
        self._wake.clear()
        waits = [asyncio.ensure_future(self._wake.wait()), asyncio.ensure_future(self._clock.sleep(seconds))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def heartbeat(self, interval_s: float) -> None:
        """Ping in real time; whoever misses several pongs is gone."""
        while True:
            await asyncio.sleep(interval_s)
            if self._frozen:
                continue
            if self.awaited_pongs >= MISSED_PONGS:
                logger.info("socket %d missed %d pongs, cut off", self.number, self.awaited_pongs)
                self.disconnect(Disconnect())
                return
            self.awaited_pongs += 1
            self.send(Frame("", FrameKind.PING))

    def freeze(self) -> None:
        """Neither read nor write any more; the connection stays until ``disconnect``."""
        self._frozen = True
        self._backlog.clear()
        self.backlog_bytes = 0
        if self._transport is not None:
            self._transport.pause_reading()

    def disconnect(self, how: Disconnect) -> None:
        """End the session, politely with a close code or by a TCP reset."""
        if self.over.is_set():
            return
        self.over.set()
        self._backlog.clear()
        self.backlog_bytes = 0
        self._wake.set()
        if how.close_code is None:
            reset(self._transport)
        else:
            self.farewell = how


class StreamHub:
    """All sessions of one exchange."""

    def __init__(self, exchange: Exchange, clock: ControllableClock, keyring: Keyring, faults: Faults,
                 ping_interval_s: float) -> None:  # fmt: skip
        self._exchange = exchange
        self._clock = clock
        self._keyring = keyring
        self._faults = faults
        self._ping_interval_s = ping_interval_s
        self._sessions: dict[int, Session] = {}
        self._next_number = 1
        self._listeners: dict[tuple[str | None, str], dict[Session, Stream]] = {}
        self._touch: dict[str, tuple[Level | None, Level | None]] = {}
        self._aggregates: dict[tuple[str, str], _Aggregate] = {}
        self._candles_sent: dict[tuple[str, str], tuple[int, int]] = {}
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._exchange.listeners.append(self.on_events)
        self._loops = [
            asyncio.create_task(self._every(seconds, self._flush_window, window))
            for window, seconds in DEPTH_WINDOWS_S.items()
        ]
        self._loops.append(asyncio.create_task(self._every(1.0, self._send_statistics)))

    async def stop(self) -> None:
        self._exchange.listeners.remove(self.on_events)
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        for session in list(self._sessions.values()):
            session.disconnect(Disconnect(WSCloseCode.GOING_AWAY, "the exchange stops"))

    @property
    def sessions(self) -> list[Session]:
        """The clients, onlookers left out."""
        return [session for session in self._sessions.values() if session.faults is not None]

    # Sockets

    async def serve(self, request: web.Request, *, onlooker: bool = False) -> web.StreamResponse:
        """One client from its handshake to its end. An onlooker meets no faults and uses none up."""
        try:
            if not onlooker:
                await self._faults.handshake()
        except Disconnect:
            reset(request.transport)
            return web.Response()  # goes nowhere
        websocket = web.WebSocketResponse(
            autoping=False, compress=True, max_msg_size=MAX_COMMAND_BYTES, timeout=CLOSE_TIMEOUT_S
        )
        await websocket.prepare(request)
        faults = None if onlooker else self._faults
        session = Session(self._next_number, websocket, request.transport, self._clock, faults)
        self._next_number += 1
        self._sessions[session.number] = session
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._read(session, websocket)),
            asyncio.create_task(session.write()),
            asyncio.create_task(session.heartbeat(self._ping_interval_s)),
            asyncio.create_task(session.over.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            session.over.set()
            self._forget(session)
            for task in tasks:
                task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(result, Exception) and not isinstance(result, ConnectionError):
                    logger.error("socket %d: unexpected error", session.number, exc_info=result)
            with contextlib.suppress(ConnectionError):
                farewell = session.farewell
                await websocket.close(code=farewell.close_code or WSCloseCode.OK, message=farewell.reason.encode())
        return websocket

    async def _read(self, session: Session, websocket: web.WebSocketResponse) -> None:
        try:
            if session.faults is not None:
                await session.faults.connect(session)
            async for message in websocket:
                match message.type:
                    case WSMsgType.TEXT:
                        self._command(session, message.data)
                    case WSMsgType.PING:
                        session.send(Frame(bytes(message.data).decode(errors="replace"), FrameKind.PONG))
                    case WSMsgType.PONG:
                        session.awaited_pongs = 0
                    case WSMsgType.BINARY:
                        session.send_error(*PARSE_ERROR)
                    case _:
                        break
        except Disconnect as disconnect:
            session.disconnect(disconnect)

    def _forget(self, session: Session) -> None:
        self._sessions.pop(session.number, None)
        for account, stream in list(session.subscriptions.values()):
            self._unsubscribe(session, account, stream)

    # Commands

    def _command(self, session: Session, text: str) -> None:
        try:
            command = json.loads(text)
            method, names = command["method"], command["params"]
            if method not in ("SUBSCRIBE", "UNSUBSCRIBE") or not all(isinstance(name, str) for name in names):
                raise ValueError(method)
        except (ValueError, KeyError, TypeError, RecursionError):
            session.send_error(*PARSE_ERROR)
            return
        for name in names:
            try:
                stream = stream_of(name)
                if method == "UNSUBSCRIBE":
                    if name in session.subscriptions:
                        self._unsubscribe(session, *session.subscriptions[name])
                    continue
                account = self._signer(session, command) if stream.private else None
                if session.faults is not None:
                    session.faults.subscribe(session, name, stream.symbol)
                self._subscribe(session, account, stream)
            except (InvalidStream, RefuseSubscription) as refusal:
                session.send_error(refusal.code, refusal.message)
            except Refused as refused:
                session.send_error(BAD_SIGNATURE, json.loads(refused.answer.body)["message"])

    def _signer(self, session: Session, command: Mapping[str, Any]) -> str:
        """Who signed a SUBSCRIBE; raises Refused in the words of REST."""
        parts = command.get("signature")
        try:
            api_key, signature, timestamp_ms, window_ms = parts  # type: ignore[misc]
            credentials = Credentials(str(api_key), str(signature), int(timestamp_ms), int(window_ms))
        except (TypeError, ValueError):
            raise RefuseSubscription(BAD_SIGNATURE, "Invalid signature") from None
        account = self._keyring.verify(credentials, "instruction=subscribe", self._clock.judged_ms())
        session.sign_in(account.name)
        return account.name

    def _subscribe(self, session: Session, account: str | None, stream: Stream) -> None:
        if stream.symbol is not None and stream.symbol not in self._exchange.markets:
            return  # the venue is silent about unknown symbols
        if stream.name in session.subscriptions:
            self._unsubscribe(session, *session.subscriptions[stream.name])
        session.subscriptions[stream.name] = (account, stream)
        self._listeners.setdefault((account, stream.name), {})[session] = stream
        if stream.kind == "kline" and stream.symbol is not None and stream.variant is not None:
            candle = self._exchange.candle(stream.symbol, Interval(stream.variant))
            self._candles_sent.setdefault((stream.variant, stream.symbol), (candle.start_s, candle.trades))

    def _unsubscribe(self, session: Session, account: str | None, stream: Stream) -> None:
        session.subscriptions.pop(stream.name, None)
        listeners = self._listeners.get((account, stream.name), {})
        listeners.pop(session, None)
        if not listeners:
            self._listeners.pop((account, stream.name), None)
            if stream.symbol is not None:
                if stream.kind == "bookTicker":
                    self._touch.pop(stream.symbol, None)
                if stream.variant is not None:
                    self._aggregates.pop((stream.variant, stream.symbol), None)
                    self._candles_sent.pop((stream.variant, stream.symbol), None)

    # Frames

    def on_events(self, events: Sequence[Event]) -> None:
        """The engine has finished a command; tell everybody concerned."""
        changed_books: dict[str, None] = {}
        for event in events:
            match event:
                case DepthUpdated():
                    changed_books[event.symbol] = None
                    self._send_depth(event)
                case Traded(trade=trade):
                    market = self._exchange.market(trade.symbol)
                    self._publish(None, f"trade.{trade.symbol}", trade.symbol, frames.trade, market, trade)
                case BalanceChanged():
                    self._publish(event.account, "account.balanceUpdate", None, frames.balance, event)
                case _:
                    order = event.order
                    market = self._exchange.market(order.symbol)
                    for name in ("account.orderUpdate", f"account.orderUpdate.{order.symbol}"):
                        self._publish(order.account, name, order.symbol, frames.order, market, event)
        for symbol in changed_books:
            self._send_book_ticker(symbol)

    def _publish(
        self, account: str | None, name: str, symbol: str | None, render: Callable[..., frames.Payload], *matter: Any
    ) -> None:
        """Send ``render(*matter, now)`` to whoever listens; rendered only if somebody does."""
        listeners = self._listeners.get((account, name))
        if listeners:
            payload = json_text(render(*matter, self._clock.now_us()))
            frame = Frame(f'{{"data":{payload},"stream":"{name}"}}', stream=name, symbol=symbol)
            for session in list(listeners):
                session.send(frame)

    def _send_depth(self, event: DepthUpdated) -> None:
        market = self._exchange.market(event.symbol)
        self._publish(
            None, f"depth.{event.symbol}", event.symbol, frames.depth,
            market, event.update_id, event.update_id, event.bids, event.asks, event.time_us,
        )  # fmt: skip
        for window in DEPTH_WINDOWS_S:
            if (None, f"depth.{window}.{event.symbol}") in self._listeners:
                aggregate = self._aggregates.setdefault((window, event.symbol), _Aggregate(event.update_id))
                aggregate.last_id, aggregate.time_us = event.update_id, event.time_us
                aggregate.bids.update(event.bids)
                aggregate.asks.update(event.asks)

    def _flush_window(self, window: str) -> None:
        for symbol in [symbol for at, symbol in self._aggregates if at == window]:
            aggregate = self._aggregates.pop((window, symbol))
            market = self._exchange.market(symbol)
            bids, asks = sorted(aggregate.bids.items()), sorted(aggregate.asks.items())
            self._publish(
                None, f"depth.{window}.{symbol}", symbol, frames.depth,
                market, aggregate.first_id, aggregate.last_id, bids, asks, aggregate.time_us,
            )  # fmt: skip

    def _send_book_ticker(self, symbol: str) -> None:
        name = f"bookTicker.{symbol}"
        if (None, name) not in self._listeners:
            return
        ticker = self._exchange.book_ticker(symbol)
        if self._touch.get(symbol) != (ticker.bid, ticker.ask):
            self._touch[symbol] = (ticker.bid, ticker.ask)
            market = self._exchange.market(symbol)
            self._publish(None, name, symbol, frames.book_ticker, market, ticker)

    def _send_statistics(self) -> None:
        """Once a second: tickers, and candles that changed or closed."""
        for stream in list(self._listened_to("ticker", "kline")):
            assert stream.symbol is not None, "both kinds name a symbol"
            if stream.kind == "ticker":
                ticker = self._exchange.ticker(stream.symbol)
                if ticker is not None:
                    self._publish(None, stream.name, stream.symbol, frames.ticker, ticker)
            else:
                self._send_candle(stream, stream.symbol)

    def _send_candle(self, stream: Stream, symbol: str) -> None:
        assert stream.variant is not None, "a kline stream names its interval"
        interval, key = Interval(stream.variant), (stream.variant, symbol)
        running = self._exchange.candle(symbol, interval)
        sent = self._candles_sent.get(key)
        self._candles_sent[key] = (running.start_s, running.trades)
        if sent is not None and sent[0] != running.start_s:
            closed = self._exchange.candle(symbol, interval, sent[0])
            self._publish(None, stream.name, symbol, frames.kline, symbol, closed, True)
            sent = (running.start_s, 0)
        if running.trades and (running.start_s, running.trades) != sent:
            self._publish(None, stream.name, symbol, frames.kline, symbol, running, False)

    def _listened_to(self, *kinds: str) -> Iterator[Stream]:
        for listeners in self._listeners.values():
            stream = next(iter(listeners.values()))
            if stream.kind in kinds:
                yield stream

    async def _every(self, seconds: float, action: Callable[..., None], *arguments: str) -> None:
        while True:
            await self._clock.sleep(seconds)
            action(*arguments)


def reset(transport: asyncio.Transport | None) -> None:
    """End a connection the hard way: unsent data is lost and the client sees a TCP reset."""
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError):  # the client may have gone a moment ago
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
