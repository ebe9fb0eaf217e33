"""A market that follows another venue's public streams: Backpack's own, or another local exchange's.

This file keeps the connection; what the streams mean for our books and for users is in ``mirrored_market.py``.
The source is asked for its markets before the exchange is made, since tick, step and minima are its::

    mirror = Mirror(*addresses_of("https://api.backpack.exchange"), ["SOL_USDC"])
    async with SimulatedBackpack(market=mirror, markets=await mirror.prepare()) as sim: ...

Trades, tickers and candles begin when the mirror does; the past is not fetched.

When the connection is lost, an update is missing, or the source falls silent while its book moves on, trading halts in
the markets concerned until they are known again (one log line then, one when all are back). A market that is silent for
``silence_s`` is asked about over REST: a quiet market has the same book there, a dead stream has not. So no book is
older than ``silence_s``, give or take a quarter, and the answer to that question. A mirror that is paused for as long
halts, too. Connections are tried again after 1, 2, 4 ... 60 s, give or take a fifth; one that was good for a minute
starts over at 1 s.
"""

import asyncio
import contextlib
import itertools
import logging
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from .market import MarketSource, Participant
from .matching import Exchange
from .mirrored_market import Hole, MirroredMarket
from .model import Market, OrderBookState
from .source_words import DepthChange, Snapshot, SourceError, frame_of, markets_of, snapshot_of

BACKPACK = "https://api.backpack.exchange"
BACKPACK_STREAMS = "wss://ws.backpack.exchange"

FIRST_DELAY_S, LONGEST_DELAY_S = 1.0, 60.0
HEALTHY_AFTER_S = 60.0
ANSWER_WITHIN_S = 10.0
PING_EVERY_S = 20.0
STATES_EVERY_S = 60.0
SNAPSHOT_DELAYS_S = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
# The stream may be a little behind REST even when all is well (measured: an update or so).
CATCH_UP_S = 1.0
CLOSE_WITHIN_S = 2.0
MAX_FRAME_BYTES = 16_000_000

EXPECTED = (SourceError, aiohttp.ClientError, TimeoutError, OSError)

logger = logging.getLogger(__name__)


def addresses_of(source: str) -> tuple[str, str]:
    """REST and websocket addresses of a venue, from its REST address. Raises ValueError for what is none."""
    source = source.rstrip("/")
    parts = urlsplit(source)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"expected the address of a Backpack as http(s)://HOST, was {source!r}")
    if source == BACKPACK:
        return BACKPACK, BACKPACK_STREAMS
    return source, f"{'wss' if parts.scheme == 'https' else 'ws'}{source.removeprefix(parts.scheme)}/ws"


def delays(rng: random.Random) -> Iterator[float]:
    """How long to wait before each further try, in seconds."""
    for doublings in itertools.count():
        yield min(FIRST_DELAY_S * 2.0 ** min(doublings, 10), LONGEST_DELAY_S) * rng.uniform(0.8, 1.2)


class MirrorState(StrEnum):
    CONNECTING = "connecting"
    LIVE = "live"
    HALTED = "halted"


class Mirror(MarketSource):
    """Follows some markets of a venue. ``prepare`` first, then it is a market source like any other."""

    def __init__(
        self, rest_url: str, ws_url: str, symbols: Sequence[str], *, silence_s: float = 5.0, seed: int | None = None
    ) -> None:
        """``seed`` fixes the jitter of the delays."""
        if not symbols:
            raise ValueError("expected at least one market to follow")
        self._rest_url = rest_url.rstrip("/")
        self._ws_url = ws_url
        self._symbols = tuple(dict.fromkeys(symbols))
        self._silence_s = silence_s
        self._rng = random.Random(seed)
        self._markets: dict[str, MirroredMarket] = {}
        self._task: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._fetching: set[str] = set()
        self._state = MirrorState.CONNECTING
        self._since_s = time.monotonic()  # of the state
        self._reason: str | None = None
        self._heard_s: float | None = None
        self._stepped_s = self._since_s
        self._connections = 0
        self._tries = 0

    # Life

    async def prepare(self) -> list[Market]:
        """The followed markets as the source lists them; tries until it answers.

        Raises SourceError for a market that it does not list.
        """
        for tries, delay_s in enumerate(delays(self._rng), 1):
            try:
                async with _http() as http:
                    listed = await self._listed_markets(http)
                break
            except EXPECTED as error:
                logger.log(
                    logging.WARNING if tries == 1 else logging.DEBUG,
                    "mirror of %s: no markets (%s); it is asked until it answers", self._rest_url, _why(error),
                )  # fmt: skip
                await asyncio.sleep(delay_s)
        unknown = [symbol for symbol in self._symbols if symbol not in listed]
        if unknown:
            raise SourceError(f"{self._rest_url} does not list {', '.join(unknown)} as spot")
        return [replace(listed[symbol], order_book_state=OrderBookState.CANCEL_ONLY) for symbol in self._symbols]

    def open(self, exchange: Exchange) -> None:
        """Begin to follow, in the running event loop; the markets are ``CancelOnly`` until their books are there."""
        makers, takers = Participant(exchange, "makers"), Participant(exchange, "takers")
        self._markets = {symbol: MirroredMarket(exchange, symbol, makers, takers) for symbol in self._symbols}
        self._task = asyncio.create_task(self._follow())

    def step(self) -> None:
        self._stepped_s = time.monotonic()
        try:
            for market in self._markets.values():
                market.step(time.monotonic())
        except Exception:
            self._halt("unexpected error")
            raise
        self._note_if_live()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def status(self) -> Mapping[str, Any]:
        return {
            "connections": self._connections,
            "markets": {
                market.symbol: {"live": market.live, "sourceUpdateId": market.update_id}
                for market in self._markets.values()
            },
            "reason": self._reason,
            "secondsInState": round(self._seconds_in_state(), 1),
            "secondsSinceMessage": None if self._heard_s is None else round(time.monotonic() - self._heard_s, 1),
            "state": self._state,
            "url": self._rest_url,
        }

    # The connection

    async def _follow(self) -> None:
        waits = delays(self._rng)
        while True:
            began_s = time.monotonic()
            self._tries += 1
            try:
                await self._connect()
            except ExceptionGroup as group:
                reason = self._reason_of(group.exceptions[0])
            except Exception as error:
                reason = self._reason_of(error)
            if time.monotonic() - began_s > HEALTHY_AFTER_S:
                waits = delays(self._rng)
            delay_s = next(waits)
            self._halt(reason, delay_s)
            await asyncio.sleep(delay_s)

    async def _connect(self) -> None:
        """One connection from its handshake to its end, which is always an exception."""
        async with (
            _http() as http,
            http.ws_connect(
                self._ws_url,
                heartbeat=PING_EVERY_S,
                max_msg_size=MAX_FRAME_BYTES,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_WITHIN_S),
            ) as socket,
        ):
            self._connections += 1
            self._fetching.clear()
            streams = [f"{kind}.{symbol}" for symbol in self._symbols for kind in ("depth", "trade")]
            await socket.send_json({"method": "SUBSCRIBE", "params": streams})
            try:
                async with asyncio.TaskGroup() as self._group:
                    self._group.create_task(self._watch_states(http))
                    self._group.create_task(self._watch_silence(http))
                    await self._read(socket, http)
            finally:
                self._halt_markets()  # now, not after the good-byes

    async def _read(self, socket: aiohttp.ClientWebSocketResponse, http: aiohttp.ClientSession) -> None:
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise SourceError(f"expected text, was a frame of type {message.type.name}")
            self._heard_s = time.monotonic()
            said = frame_of(message.data)
            if said is None or said.symbol not in self._markets:
                continue
            market = self._markets[said.symbol]
            try:
                if isinstance(said, DepthChange):
                    market.on_depth(said, self._heard_s)
                else:
                    market.on_trade(said, self._heard_s)
            except Hole as hole:
                self._note_halt(str(hole), "asking for a snapshot")
                self._want_book(http, market)
        raise SourceError(f"the source closed the connection, code {socket.close_code}")

    def _want_book(self, http: aiohttp.ClientSession, market: MirroredMarket) -> None:
        """Ask for a snapshot, unless the book is known, asked for already, or not shown by the source."""
        needed = market.known_id is None and not market.closed
        if self._group is not None and needed and market.symbol not in self._fetching:
            self._fetching.add(market.symbol)
            self._group.create_task(self._fetch_book(http, market))

    async def _fetch_book(self, http: aiohttp.ClientSession, market: MirroredMarket) -> None:
        """Ask until a snapshot fits to the updates that are waiting."""
        for delay_s in SNAPSHOT_DELAYS_S:
            await asyncio.sleep(delay_s)
            snapshot = await self._snapshot(http, market.symbol)
            if market.on_snapshot(snapshot, time.monotonic()):
                self._fetching.discard(market.symbol)
                return
        raise SourceError(f"{market.symbol}: every snapshot was older than the stream")

    async def _watch_states(self, http: aiohttp.ClientSession) -> None:
        """What the source allows its traders; markets that it shows get their books."""
        while True:
            listed = await self._listed_markets(http)
            for market in self._markets.values():
                known = listed.get(market.symbol)
                market.set_source_state(OrderBookState.CLOSED if known is None else known.order_book_state)
                self._want_book(http, market)
            await asyncio.sleep(STATES_EVERY_S)

    async def _watch_silence(self, http: aiohttp.ClientSession) -> None:
        while True:
            await asyncio.sleep(self._silence_s / 4)
            silent_since_s = time.monotonic() - self._silence_s
            if self._stepped_s < silent_since_s:
                if self._state is MirrorState.LIVE:
                    self._halt_markets()
                    self._note_halt("it is paused", "waiting to be resumed")
                continue
            for market in self._markets.values():
                self._want_book(http, market)
            silent = [market for market in self._markets.values() if market.live and market.heard_s <= silent_since_s]
            await asyncio.gather(*(self._ask_after(http, market) for market in silent))

    async def _ask_after(self, http: aiohttp.ClientSession, market: MirroredMarket) -> None:
        """Is a silent market quiet, or is its stream dead?"""
        there = (await self._snapshot(http, market.symbol, limit=5)).last_id
        asked_s = time.monotonic()
        while market.known_id is not None and market.known_id < there:
            if time.monotonic() - asked_s > CATCH_UP_S:
                raise SourceError(f"{market.symbol}: no updates for {self._silence_s:g} s while its book moves on")
            await asyncio.sleep(CATCH_UP_S / 10)
        self._heard_s = market.heard_s = time.monotonic()

    async def _listed_markets(self, http: aiohttp.ClientSession) -> dict[str, Market]:
        return markets_of(await self._get(http, "markets"))

    async def _snapshot(self, http: aiohttp.ClientSession, symbol: str, limit: int | None = None) -> Snapshot:
        query = {"symbol": symbol} if limit is None else {"symbol": symbol, "limit": str(limit)}
        return snapshot_of(await self._get(http, "depth", query))

    async def _get(self, http: aiohttp.ClientSession, path: str, query: Mapping[str, str] | None = None) -> Any:
        async with http.get(f"{self._rest_url}/api/v1/{path}", params=query) as response:
            text = await response.text(errors="replace")
            if response.status != 200:
                raise SourceError(f"GET {path} was answered {response.status} {text[:80]!r}")
            try:
                return await response.json(content_type=None)
            except ValueError:
                raise SourceError(f"GET {path} was answered with {text[:80]!r}, which is not JSON") from None

    # What the operator sees

    def _halt(self, reason: str, delay_s: float | None = None) -> None:
        self._halt_markets()
        self._note_halt(reason, "the mirror stops" if delay_s is None else f"retry in {delay_s:.1f} s")

    def _halt_markets(self) -> None:
        for market in self._markets.values():
            market.halt()

    def _note_halt(self, reason: str, next_step: str) -> None:
        """One line when trading halts or cannot begin; what else fails until it goes on is for the status only."""
        self._reason = reason
        match self._state:
            case MirrorState.LIVE:
                logger.warning(
                    "mirror of %s lost after %.1f s (%s); trading halts until its books are back; %s",
                    self._rest_url, self._seconds_in_state(), reason, next_step,
                )  # fmt: skip
                self._enter(MirrorState.HALTED)
            case MirrorState.CONNECTING:
                logger.warning(
                    "mirror of %s: no books yet (%s); trading begins when they are there; %s",
                    self._rest_url, reason, next_step,
                )  # fmt: skip
                self._enter(MirrorState.HALTED)
            case MirrorState.HALTED:
                logger.debug("mirror of %s: %s; %s", self._rest_url, reason, next_step)

    def _note_if_live(self) -> None:
        if self._state is MirrorState.LIVE:
            return
        if all(market.live or market.closed for market in self._markets.values()):
            logger.info(
                "mirror of %s live after %.1f s, connection attempts: %d; markets: %s",
                self._rest_url, self._seconds_in_state(), self._tries, ", ".join(self._markets),
            )  # fmt: skip
            self._tries = 0
            self._reason = None
            self._enter(MirrorState.LIVE)

    def _seconds_in_state(self) -> float:
        return time.monotonic() - self._since_s

    def _enter(self, state: MirrorState) -> None:
        self._state = state
        self._since_s = time.monotonic()

    def _reason_of(self, error: BaseException) -> str:
        if not isinstance(error, EXPECTED):
            logger.error("mirror of %s: unexpected error", self._rest_url, exc_info=error)
        return _why(error)


def _why(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _http() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN_S))
