"""Does Backpack's public interface answer, and do its streams hold? Checked with the connector's own modules.

Behind ``scripts/test_backpack_public_api.py``; the doctor shares the first steps.
"""

import argparse
import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import aiohttp
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack.backpack_auth import BackpackAuth
from hummingbot.connector.exchange.backpack.backpack_constants import Endpoint
from hummingbot.connector.exchange.backpack.backpack_stream import BackpackStream, Refused
from hummingbot.connector.exchange.backpack.backpack_web_utils import BackpackAPIFactory, Venue, create_throttler
from hummingbot.connector.exchange.backpack.backpack_websocket import BackpackWebSocket
from hummingbot.connector.exchange.backpack.errors import BackpackError
from hummingbot.connector.exchange.backpack.sequencer import Do, Sequencer, Step
from hummingbot.connector.exchange.backpack.wire import (
    BookState,
    DepthSnapshot,
    DepthUpdate,
    Market,
    MarketType,
    PublicTrade,
    Symbol,
    depth_stream,
    parse_market,
    parse_readable,
    parse_ticker,
    read_depth_snapshot,
    read_market_frame,
    symbol_of,
    trade_stream,
)
from hummingbot.connector.time_synchronizer import TimeSynchronizer
from hummingbot.core.api_throttler.data_types import RateLimit
from hummingbot.core.web_assistant.connections.data_types import RESTMethod

OK, NOTE, FAILED = "ok", "note", "FAILED"
COLOURS = {OK: "green", NOTE: "yellow", FAILED: "bold red"}

# Only this check asks for it: the venue's own word on whether it is open.
STATUS = Endpoint(RESTMethod.GET, "/api/v1/status")
TIME_SAMPLES = 5
CLOCK_TOLERATED_S = 1.0  # the connector corrects the clock by the venue's; logs and files keep this machine's


@dataclass(frozen=True, slots=True)
class Result:
    check: str
    verdict: str
    seen: str


@dataclass(frozen=True, slots=True)
class ClockSeen:
    """``ahead_s``: how far this machine's clock is ahead of the venue's, below zero if behind."""

    ahead_s: float
    answers_in_s: float

    @property
    def in_words(self) -> str:
        if abs(self.ahead_s) < 0.001:
            return "in step with this machine's"
        return f"{abs(self.ahead_s) * 1000:,.0f} ms {'behind' if self.ahead_s > 0 else 'ahead of'} this machine's"


@dataclass
class StreamSeen:
    """What came on one stream."""

    name: str
    frames: int = 0
    gaps: int = 0
    latencies_s: list[float] = field(default_factory=list)

    def heard(self, venue_time_s: float, ahead_s: float) -> None:
        self.frames += 1
        self.latencies_s.append(time.time() - ahead_s - venue_time_s)


class Book:
    """A book put together as the connector does it; levels by price."""

    def __init__(self) -> None:
        self._sides: tuple[dict[float, float], dict[float, float]] = ({}, {})

    def apply(self, step: Step) -> None:
        for depth in ([step.snapshot] if step.snapshot else []) + list(step.updates):
            if isinstance(depth, DepthSnapshot):
                self._sides = ({}, {})
            for side, levels in zip(self._sides, (depth.bids, depth.asks), strict=True):
                for level in levels:
                    side[level.price] = level.amount
                    if not level.amount:
                        del side[level.price]

    @property
    def best(self) -> tuple[float, float] | None:
        bids, asks = self._sides
        return (max(bids), min(asks)) if bids and asks else None


@asynccontextmanager
async def access(
    venue: Venue, synchronizer: TimeSynchronizer | None = None, auth: BackpackAuth | None = None
) -> AsyncIterator[BackpackAPIFactory]:
    """The connector's way to the venue; without ``auth`` for public calls only."""
    throttler = create_throttler()
    throttler.add_rate_limits([RateLimit(STATUS.limit_id, limit=60, time_interval=60.0)])
    async with BackpackAPIFactory(throttler, synchronizer or TimeSynchronizer(), venue, auth) as factory:
        yield factory


async def clock(factory: BackpackAPIFactory, samples: int = TIME_SAMPLES) -> ClockSeen:
    """Raises BackpackError if the venue does not answer."""
    seen = []
    for _ in range(samples):
        asked_s = time.time()
        venue_s = await factory.server_time_ms() / 1000
        answered_s = time.time()
        seen.append(ClockSeen((asked_s + answered_s) / 2 - venue_s, answered_s - asked_s))
    return min(seen, key=lambda sample: sample.answers_in_s)  # the quickest answer tells the time best


async def check(venue: Venue, trading_pairs: Sequence[str], seconds: float) -> tuple[list[Result], list[StreamSeen]]:
    """All checks, in order; those that need what an earlier one did not find are left out."""
    async with access(venue) as factory:
        try:
            clock_seen = await clock(factory)
        except BackpackError as error:
            return [Result("time", FAILED, str(error))], []
        verdict = NOTE if abs(clock_seen.ahead_s) > CLOCK_TOLERATED_S else OK
        told = f"the venue's clock is {clock_seen.in_words}; answers in {clock_seen.answers_in_s * 1000:.0f} ms"
        results = [Result("time", verdict, told), await _status(factory)]
        markets_result, markets = await _markets(factory, trading_pairs)
        results += [markets_result, await _tickers(factory)]
        for market in markets:
            results.append(await _depth(factory, market.symbol))
        streams: list[StreamSeen] = []
        if markets:
            symbols = [market.symbol for market in markets]
            streams = [StreamSeen(name(symbol)) for symbol in symbols for name in (depth_stream, trade_stream)]
            results.append(await _streams(factory, symbols, seconds, clock_seen.ahead_s, streams))
        return results, streams


async def _status(factory: BackpackAPIFactory) -> Result:
    try:
        answer = await factory.request(STATUS)
    except BackpackError as error:
        return Result("status", FAILED, str(error))
    word = answer.get("status") if isinstance(answer, dict) else None
    message = f": {answer['message']}" if word and answer.get("message") else ""
    return Result("status", OK if word == "Ok" else FAILED, f"the venue says {word!r}{message}")


async def _markets(factory: BackpackAPIFactory, trading_pairs: Sequence[str]) -> tuple[Result, list[Market]]:
    try:
        read, unreadable = parse_readable(await factory.request(CONSTANTS.MARKETS), parse_market, "markets")
    except BackpackError as error:
        return Result("markets", FAILED, str(error)), []
    spot = {market.symbol: market for market in read if market.market_type is MarketType.SPOT}
    wanted = [spot[symbol_of(pair)] for pair in trading_pairs if symbol_of(pair) in spot]
    missing = [pair for pair in trading_pairs if symbol_of(pair) not in spot]
    not_open = [market.symbol for market in wanted if market.state is not BookState.OPEN]
    told = f"{len(spot)} spot markets, {sum(market.state is BookState.OPEN for market in spot.values())} open"
    if unreadable:
        told += f"; {len(unreadable)} cannot be read: {unreadable[0]}"
    if not_open:
        told += f"; not open: {', '.join(not_open)}"
    if missing:
        told += f"; no market {', '.join(missing)}"
    return Result("markets", FAILED if missing or unreadable else NOTE if not_open else OK, told), wanted


async def _tickers(factory: BackpackAPIFactory) -> Result:
    try:
        read, unreadable = parse_readable(await factory.request(CONSTANTS.TICKERS), parse_ticker, "tickers")
    except BackpackError as error:
        return Result("tickers", FAILED, str(error))
    if unreadable:
        return Result("tickers", FAILED, f"{len(unreadable)} cannot be read: {unreadable[0]}")
    return Result("tickers", OK if read else FAILED, f"{len(read)} prices")


async def _depth(factory: BackpackAPIFactory, symbol: Symbol) -> Result:
    name = f"depth {symbol}"
    book = Book()
    try:
        snapshot = await _snapshot(factory, symbol)
    except BackpackError as error:
        return Result(name, FAILED, str(error))
    book.apply(Step(snapshot=snapshot))
    levels = f"{len(snapshot.bids)} bids, {len(snapshot.asks)} asks"
    if book.best is None:
        return Result(name, NOTE, f"{levels}: nobody quotes one side")
    return Result(name, *_top_of_book(book.best, levels))


def _top_of_book(best: tuple[float, float], what: str) -> tuple[str, str]:
    bid, ask = best
    if bid >= ask:
        return FAILED, f"{what}, and crossed: {bid:g} bid, {ask:g} asked"
    return OK, f"{what}; {bid:g} / {ask:g}, spread {(ask - bid) / bid * 10_000:.1f} bp"


async def _snapshot(factory: BackpackAPIFactory, symbol: Symbol) -> DepthSnapshot:
    snapshot: DepthSnapshot = await factory.request(
        CONSTANTS.DEPTH, params={"symbol": symbol}, read=read_depth_snapshot
    )
    return snapshot


class _Listener:
    """Keeps one book per market from the streams, as the connector does, and counts what it sees."""

    def __init__(
        self, factory: BackpackAPIFactory, symbols: Sequence[Symbol], ahead_s: float, streams: Sequence[StreamSeen]
    ) -> None:
        self._factory = factory
        self._ahead_s = ahead_s
        self._streams = {stream.name: stream for stream in streams}
        self._sequencers = {symbol: Sequencer() for symbol in symbols}
        self.books = {symbol: Book() for symbol in symbols}
        self.refusal = ""

    async def listen(self, websocket: BackpackWebSocket, stream: BackpackStream[DepthUpdate | PublicTrade]) -> None:
        """Until cancelled, refused, or the connection is lost (raises StreamLost or ConnectionError)."""
        await stream.subscribe(websocket, "check", list(self._streams))
        async with asyncio.TaskGroup() as tasks:

            def on_message(message: DepthUpdate | PublicTrade) -> None:
                if isinstance(message, DepthUpdate):
                    self._on_depth(message, tasks)
                else:
                    self._streams[trade_stream(message.symbol)].heard(message.time_s, self._ahead_s)

            async for answer in stream.answers(websocket, on_message):
                if isinstance(answer, Refused):
                    self.refusal = f"{answer.refusal.code} {answer.refusal.message}"
                    return
                for symbol in self._sequencers:  # read by the venue: from now on nothing is missing
                    tasks.create_task(self._resync(symbol))

    def live(self) -> bool:
        return all(sequencer.is_live for sequencer in self._sequencers.values())

    def _on_depth(self, update: DepthUpdate, tasks: asyncio.TaskGroup) -> None:
        seen = self._streams[depth_stream(update.symbol)]
        seen.heard(update.time_s, self._ahead_s)
        do = self._sequencers[update.symbol].on_update(update)
        if do is Do.APPLY:
            self.books[update.symbol].apply(Step(updates=[update]))
        elif do is Do.RESYNC:
            seen.gaps += 1
            tasks.create_task(self._resync(update.symbol))

    async def _resync(self, symbol: Symbol) -> None:
        sequencer = self._sequencers[symbol]
        while not sequencer.is_live:
            step = sequencer.on_snapshot(await _snapshot(self._factory, symbol))
            self.books[symbol].apply(step)
            if step.resync:  # it was older than the stream
                await asyncio.sleep(0.5)


async def _streams(
    factory: BackpackAPIFactory, symbols: Sequence[Symbol], seconds: float, ahead_s: float, streams: list[StreamSeen]
) -> Result:
    try:
        websocket = await BackpackWebSocket.connect(factory.venue.ws_url)
    except OSError as error:
        return Result("streams", FAILED, f"no connection to {factory.venue.ws_url}: {error or type(error).__name__}")
    listener = _Listener(factory, symbols, ahead_s, streams)
    try:
        async with asyncio.timeout(seconds):
            await listener.listen(websocket, BackpackStream("check", factory, _quiet_logger(), read_market_frame))
    except TimeoutError:
        pass  # as meant
    except ExceptionGroup as group:
        cause = group.exceptions[0]
        if not isinstance(cause, (OSError, aiohttp.ClientError)):  # BackpackError is an OSError
            raise
        return Result("streams", FAILED, f"broken off: {cause or type(cause).__name__}")
    finally:
        await websocket.disconnect()
    return _judged(listener, streams, seconds)


def _judged(listener: _Listener, streams: Sequence[StreamSeen], seconds: float) -> Result:
    if listener.refusal:
        return Result("streams", FAILED, f"the venue refused the subscription: {listener.refusal}")
    silent = [stream.name for stream in streams if not stream.frames]
    crossed = [symbol for symbol, book in listener.books.items() if book.best and book.best[0] >= book.best[1]]
    gaps = sum(stream.gaps for stream in streams)
    told = f"{sum(stream.frames for stream in streams)} frames in {seconds:g} s, {gaps} gaps"
    if not listener.live():
        return Result("streams", FAILED, f"{told}; a book did not come together")
    if crossed:
        return Result("streams", FAILED, f"{told}; crossed at the end: {', '.join(crossed)}")
    if any(name.startswith("depth.") for name in silent):
        return Result("streams", FAILED, f"{told}; nothing came on {', '.join(silent)}")
    if gaps or silent:
        return Result("streams", NOTE, told + (f"; nobody traded on {', '.join(silent)}" if silent else ", mended"))
    return Result("streams", OK, f"{told}; the books came together")


def _quiet_logger() -> Any:
    logger = logging.getLogger("hummingbot_backpack.public_api")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return logger


# -- the command ------------------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """0: all is well; 1: something failed; 2: it could not be asked so."""
    options = _parser().parse_args(argv)
    venue = Venue(options.url, options.ws_url or _ws_url_of(options.url))
    console = wide_console()
    console.print(f"Backpack's public interface at {venue.rest_url} and {venue.ws_url}, for {options.seconds:g} s")
    results, streams = asyncio.run(check(venue, options.pair or ["SOL-USDC"], options.seconds))
    console.print(results_table(results))
    if any(stream.frames for stream in streams):
        console.print(_streams_table(streams, options.seconds))
    failed = [result.check for result in results if result.verdict == FAILED]
    console.print(f"Failed: {', '.join(failed)}" if failed else "All is well.")
    return 1 if failed else 0


def wide_console() -> Console:
    """As wide as the terminal; in a file or pipe wide enough for the tables."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=140)


def results_table(results: Sequence[Result]) -> Table:
    table = Table("check", "result", Column("seen", overflow="fold"))
    for result in results:
        table.add_row(result.check, f"[{COLOURS[result.verdict]}]{result.verdict}[/]", escape(result.seen))
    return table


def _streams_table(streams: Sequence[StreamSeen], seconds: float) -> Table:
    table = Table("stream", "frames", "per second", "gaps", "median", "99 of 100", "longest", title="delay of frames")
    for stream in streams:
        late = sorted(stream.latencies_s)
        spread = (median(late), late[int(len(late) * 0.99)], late[-1]) if late else ()
        table.add_row(
            stream.name,
            str(stream.frames),
            f"{stream.frames / seconds:.1f}",
            str(stream.gaps) if stream.name.startswith("depth.") else "-",
            *(f"{latency_s * 1000:.0f} ms" for latency_s in spread),
        )
    return table


def _ws_url_of(rest_url: str) -> str:
    if rest_url == CONSTANTS.REST_URL:
        return CONSTANTS.WS_URL
    return f"ws{rest_url.removeprefix('http')}/ws"  # where the local exchange has it


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="test_backpack_public_api.py",
        description="Check that Backpack's public interface answers and its streams hold. No keys, no orders.",
        epilog="Exit code 0: all is well; 1: something failed; 2: it could not be asked so.",
    )
    parser.add_argument("--url", type=_url, default=CONSTANTS.REST_URL, help="the exchange (%(default)s)")
    parser.add_argument("--ws-url", metavar="URL", help="its websocket (default: the exchange's own, else URL/ws)")
    parser.add_argument("--pair", action="append", metavar="PAIR", help="like SOL-USDC, the default; can be repeated")
    parser.add_argument("--seconds", type=_seconds, default=10.0, metavar="N", help="of listening (%(default)g)")
    return parser


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"expected an address like {CONSTANTS.REST_URL}, was {text!r}")
    return text.rstrip("/")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"expected seconds above 0, was {text!r}")
    return seconds
