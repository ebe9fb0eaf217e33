"""Market data: subscribes, hands depth updates to the sequencers and does what they and the supervisor say.

It keeps the books itself. A frame is decoded, put in sequence and applied in one go, with no queue between socket and
book: what a book shows is never behind what has been read, and no task switch is paid for an update.
"""

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack.backpack_order_book import Tally
from hummingbot.connector.exchange.backpack.backpack_stream import BackpackStream, Refused, Subscribed
from hummingbot.connector.exchange.backpack.backpack_web_utils import BackpackAPIFactory
from hummingbot.connector.exchange.backpack.backpack_websocket import BackpackWebSocket
from hummingbot.connector.exchange.backpack.errors import BackpackError, StreamLost
from hummingbot.connector.exchange.backpack.sequencer import Do, Sequencer
from hummingbot.connector.exchange.backpack.supervision import FIRST_DELAY_S, SilenceWatch, backoff
from hummingbot.connector.exchange.backpack.wire import (
    DepthSnapshot,
    DepthUpdate,
    PublicTrade,
    Symbol,
    TradingPair,
    depth_stream,
    read_depth_snapshot,
    read_market_frame,
    trade_stream,
)
from hummingbot.core.data_type.common import TradeType
from hummingbot.core.data_type.order_book import OrderBook
from hummingbot.core.data_type.order_book_tracker_data_source import OrderBookTrackerDataSource
from hummingbot.core.event.events import OrderBookTradeEvent

if TYPE_CHECKING:
    from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange

# A snapshot that the stream has not caught up with, or that has not caught up with the stream, is asked for again soon.
FIRST_RESYNC_DELAY_S = 0.2
# REST may run a little ahead of the stream: a book that "moved" gets this long to show it on the stream as well.
CATCH_UP_S = 2.0
# So many silent markets are asked about in one period of patience: of 50 quiet pairs all at once would be 25 requests a
# minute, for markets in which nothing happens.
SILENCE_QUESTIONS = 15


@dataclass
class _Feed:
    """One market's stream: its sequencer, how long it has been silent, and whether the book can be vouched for."""

    symbol: Symbol
    trading_pair: TradingPair
    book: OrderBook
    silence: SilenceWatch
    diffs: Tally = field(default_factory=Tally)
    snapshots: Tally = field(default_factory=Tally)
    trades: Tally = field(default_factory=Tally)
    sequencer: Sequencer = field(default_factory=Sequencer)
    live: asyncio.Event = field(default_factory=asyncio.Event)
    resync: asyncio.Task[None] | None = None
    emptying: asyncio.TimerHandle | None = None  # runs while the shown book cannot be vouched for
    refusals: Iterator[float] | None = None  # the delays of an episode of the venue refusing this pair's streams

    @property
    def streams(self) -> list[str]:
        return [depth_stream(self.symbol), trade_stream(self.symbol)]


class BackpackAPIOrderBookDataSource(OrderBookTrackerDataSource):
    def __init__(
        self,
        trading_pairs: list[str],
        connector: "BackpackExchange",
        api_factory: BackpackAPIFactory,
        domain: str = CONSTANTS.DEFAULT_DOMAIN,
    ):
        super().__init__(trading_pairs)
        self._connector = connector
        self._api_factory = api_factory
        self._domain = domain
        self._stream: BackpackStream[DepthUpdate | PublicTrade] = BackpackStream(
            f"{domain} market", api_factory, self.logger(), read_market_frame
        )
        self._feeds: dict[Symbol, _Feed] = {}
        self._books: dict[str, OrderBook] = {}
        self._websocket: BackpackWebSocket | None = None
        self._connection: asyncio.TaskGroup | None = None

    # -- what the connector asks --------------------------------------------------------------------------------------

    def is_live(self, trading_pair: str) -> bool:
        """Whether every change the venue has told of this book is in it, and none is missing."""
        return any(feed.live.is_set() for feed in self._feeds.values() if feed.trading_pair == trading_pair)

    def book_of(self, trading_pair: str) -> OrderBook:
        """The pair's one book, empty until it is live."""
        if trading_pair not in self._books:
            self._books[trading_pair] = self.order_book_create_function()
        return self._books[trading_pair]

    def applied_id(self, trading_pair: str) -> int:
        """The venue's update id at which the book stands, -1 before its first snapshot."""
        feed = next((feed for feed in self._feeds.values() if feed.trading_pair == trading_pair), None)
        return -1 if feed is None else feed.sequencer.released_id

    def tallies(self) -> Iterator[tuple[TradingPair, dict[str, Tally]]]:
        """What was applied to each pair's book since it was subscribed to, by Hummingbot's words for it."""
        for feed in self._feeds.values():
            yield feed.trading_pair, {"diff": feed.diffs, "snapshot": feed.snapshots, "trade": feed.trades}

    async def wait_until_live(self, trading_pair: str) -> None:
        """Raises KeyError if the venue has no such market."""
        while not await self._connector.trading_pair_symbol_map():
            await self._sleep(FIRST_DELAY_S)
        await (await self._feed_of(trading_pair)).live.wait()

    async def get_last_traded_prices(self, trading_pairs: list[str], domain: str | None = None) -> dict[str, float]:
        return await self._connector.get_last_traded_prices(trading_pairs=trading_pairs)

    async def get_new_order_book(self, trading_pair: str) -> OrderBook:
        await self.wait_until_live(trading_pair)
        return self.book_of(trading_pair)

    async def subscribe_to_trading_pair(self, trading_pair: str) -> bool:
        """Add a pair on the open connection. True once its book is live; other pairs are not disturbed.

        Should the connection break meanwhile, the next one subscribes to the pair as well.
        """
        if self._websocket is None:
            self.logger().warning("%s was not added: the market stream is not connected, try again", trading_pair)
            return False
        try:
            feed = await self._feed_of(trading_pair)
        except KeyError:
            self.logger().warning("%s was not added: Backpack has no such market", trading_pair)
            return False
        try:
            async with asyncio.timeout(CONSTANTS.SUBSCRIBE_TIMEOUT_S):
                if not feed.live.is_set():
                    with suppress(ConnectionError):
                        await self._stream.subscribe(self._websocket, feed.symbol, feed.streams)
                await feed.live.wait()
        except TimeoutError:
            self.logger().warning(
                "%s was not added: its book did not come within %.0f s", trading_pair, CONSTANTS.SUBSCRIBE_TIMEOUT_S
            )
            await self.unsubscribe_from_trading_pair(trading_pair)
            return False
        self.add_trading_pair(trading_pair)
        return True

    async def unsubscribe_from_trading_pair(self, trading_pair: str) -> bool:
        feed = next((feed for feed in self._feeds.values() if feed.trading_pair == trading_pair), None)
        if feed is None:
            return False
        del self._feeds[feed.symbol]
        del self._books[trading_pair]
        feed.live.clear()
        if feed.emptying is not None:
            feed.emptying.cancel()
        if feed.resync is not None:
            feed.resync.cancel()
        self.remove_trading_pair(trading_pair)
        if self._websocket is not None:
            with suppress(ConnectionError):
                await self._stream.unsubscribe(self._websocket, feed.streams)
        return True

    # -- the connection (called in turn by listen_for_subscriptions) ---------------------------------------------------

    async def _connected_websocket_assistant(self) -> BackpackWebSocket:
        return await self._stream.connect()

    async def _subscribe_channels(self, ws: BackpackWebSocket) -> None:
        """Each pair by itself, so that a refusal can be told to be of one of them and leaves the others alone."""
        if not await self._connector.trading_pair_symbol_map():
            raise StreamLost("the venue's list of markets cannot be had")
        for trading_pair in self._trading_pairs:
            try:
                await self._feed_of(trading_pair)
            except KeyError:
                self.logger().error("%s: Backpack has no such market. Check the configuration.", trading_pair)
        for feed in list(self._feeds.values()):
            feed.silence.heard(time.perf_counter())
            await self._stream.subscribe(ws, feed.symbol, feed.streams)
        self._websocket = ws

    async def _process_websocket_messages(self, websocket_assistant: BackpackWebSocket) -> None:
        """Read until the connection is lost; everything this connection started ends with it."""
        try:
            async with asyncio.TaskGroup() as self._connection:
                self._connection.create_task(self._watch_for_silence())
                async for answer in self._stream.answers(websocket_assistant, self._on_message):
                    match answer:
                        case Subscribed(name=name):
                            self._on_subscribed(name)
                        case Refused(name=name):
                            self._on_refused(name, answer)
        except BaseExceptionGroup as group:
            raise self._stream.lost(group.exceptions[0]) from None

    async def _on_order_stream_interruption(self, websocket_assistant: BackpackWebSocket | None = None) -> None:
        for feed in self._feeds.values():
            self._distrust(feed)
            feed.sequencer.reset()
            feed.resync = feed.refusals = None
        self._websocket = None
        self._stream.end()
        await super()._on_order_stream_interruption(websocket_assistant)

    def _on_subscribed(self, name: str) -> None:
        if not self._stream.is_live:
            self._stream.live()
        feed = self._feeds.get(Symbol(name))
        if feed is not None:
            feed.refusals = None
            if not feed.sequencer.is_live:
                self._resync(feed)

    def _on_refused(self, name: str, refused: Refused) -> None:
        feed = self._feeds.get(Symbol(name))
        if feed is None or self._connection is None:
            return
        if feed.refusals is None:
            self.logger().error("The venue refused %s: %s. Trying again.", " and ".join(feed.streams), refused)
            feed.refusals = backoff(random.random)
        self._connection.create_task(self._subscribe_again(feed, next(feed.refusals)))

    async def _subscribe_again(self, feed: _Feed, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        if self._websocket is not None and self._feeds.get(feed.symbol) is feed:
            await self._stream.subscribe(self._websocket, feed.symbol, feed.streams)

    # -- the books -----------------------------------------------------------------------------------------------------

    def _on_message(self, message: DepthUpdate | PublicTrade) -> None:
        feed = self._feeds.get(message.symbol)
        if feed is None:
            return  # a pair that was removed
        if isinstance(message, PublicTrade):
            self._on_trade(feed, message)
            return
        now_s = time.perf_counter()
        do = feed.sequencer.on_update(message)
        if do is Do.APPLY:
            _apply(feed.book, message)
            feed.diffs.count(now_s)
        elif do is Do.RESYNC:
            self.logger().info("%s: a depth update is missing; asking for a snapshot", feed.symbol)
            self._resync(feed)

    def _on_trade(self, feed: _Feed, trade: PublicTrade) -> None:
        now_s = time.perf_counter()
        feed.book.apply_trade(
            OrderBookTradeEvent(
                trading_pair=feed.trading_pair,
                timestamp=trade.time_s,
                type=TradeType.SELL if trade.buyer_is_maker else TradeType.BUY,
                price=trade.price,
                amount=trade.quantity,
                trade_id=trade.trade_id,
            )
        )
        feed.trades.count(now_s)

    def _start_over(self, feed: _Feed, snapshot: DepthSnapshot, updates: list[DepthUpdate]) -> None:
        now_s = time.perf_counter()
        _replace(feed.book, snapshot)
        feed.snapshots.count(now_s)
        for update in updates:
            _apply(feed.book, update)
        feed.live.set()
        if feed.emptying is not None:
            feed.emptying.cancel()

    def _distrust(self, feed: _Feed) -> None:
        """From now on the shown book may be behind. If that lasts, it is emptied.

        Hummingbot's strategies ask whether the connector is ready when they start, and never again: they would go on
        quoting, fill after fill, at prices from before the loss. On an empty book every price is NaN, with which none
        of them can place an order; they go on as soon as the book is back.
        """
        if feed.live.is_set():
            feed.live.clear()
            loop = asyncio.get_running_loop()
            feed.emptying = loop.call_later(CONSTANTS.EMPTY_BOOK_AFTER_S, self._show_nothing, feed)

    def _show_nothing(self, feed: _Feed) -> None:
        self.logger().warning(
            "%s: its book cannot be vouched for since %.0f s and is shown as empty until it can",
            feed.symbol,
            CONSTANTS.EMPTY_BOOK_AFTER_S,
        )
        feed.book.apply_snapshot([], [], feed.sequencer.released_id)

    def _resync(self, feed: _Feed) -> None:
        self._distrust(feed)
        if self._connection is not None and (feed.resync is None or feed.resync.done()):
            feed.resync = self._connection.create_task(self._fetch_snapshots_until_live(feed))

    async def _fetch_snapshots_until_live(self, feed: _Feed) -> None:
        told = False
        for delay_s in backoff(random.random, FIRST_RESYNC_DELAY_S):
            try:
                snapshot = await self._snapshot(feed.symbol)
                step = feed.sequencer.on_snapshot(snapshot)
                if step.snapshot is not None:
                    self._start_over(feed, step.snapshot, step.updates)
                if not step.resync:
                    return
            except BackpackError as error:
                if not told:
                    self.logger().warning("%s: no snapshot of its book, trying again (%s)", feed.symbol, error)
                told = True
            await asyncio.sleep(delay_s)

    async def _snapshot(self, symbol: Symbol, limit: str | None = None) -> DepthSnapshot:
        """Without ``limit`` the venue sends the whole book, which is what its updates speak of."""
        params = {"symbol": symbol} if limit is None else {"symbol": symbol, "limit": limit}
        return await self._api_factory.request(CONSTANTS.DEPTH, params=params, read=read_depth_snapshot)

    async def _watch_for_silence(self) -> None:
        """A quiet market is told from a dead feed by asking REST whether the book has moved."""
        while True:
            now_s = time.perf_counter()
            live = [feed for feed in self._feeds.values() if feed.live.is_set()]
            for feed in live:
                feed.silence.heard(feed.diffs.last_s)
            due = [feed for feed in live if feed.silence.seconds_left(now_s) <= 0]
            if due:
                feed = min(due, key=lambda feed: feed.silence.turn)
                await self._ensure_nothing_was_missed(feed)
                feed.silence.asked(now_s)
                await asyncio.sleep(feed.silence.limit_s / SILENCE_QUESTIONS)
            else:
                nearest_s = min((feed.silence.seconds_left(now_s) for feed in live), default=1.0)
                await asyncio.sleep(min(max(nearest_s, 0.05), 1.0))

    async def _ensure_nothing_was_missed(self, feed: _Feed) -> None:
        silence = f"{feed.symbol}: no depth update for {feed.silence.limit_s:.0f} s"
        try:
            seen_id = (await self._snapshot(feed.symbol, limit="5")).last_id
        except BackpackError as error:
            raise StreamLost(f"{silence}, and whether its book moved cannot be asked ({error})") from None
        if seen_id > feed.sequencer.released_id:
            await asyncio.sleep(CATCH_UP_S)
        if seen_id > feed.sequencer.released_id and feed.live.is_set():
            raise StreamLost(f"{silence} although its book moved")

    async def _feed_of(self, trading_pair: str) -> _Feed:
        symbol = Symbol(await self._connector.exchange_symbol_associated_to_pair(trading_pair=trading_pair))
        if symbol not in self._feeds:
            self._feeds[symbol] = _Feed(
                symbol,
                TradingPair(trading_pair),
                self.book_of(trading_pair),
                SilenceWatch(CONSTANTS.STALE_AFTER_S, time.perf_counter()),
            )
        return self._feeds[symbol]


# By its rows' ``update_id`` Hummingbot's book decides which side of an overlap is the newer one.


def _apply(book: OrderBook, update: DepthUpdate) -> None:
    last_id = update.last_id
    for level in update.bids:
        level.update_id = last_id
    for level in update.asks:
        level.update_id = last_id
    book.apply_diffs(update.bids, update.asks, last_id)


def _replace(book: OrderBook, snapshot: DepthSnapshot) -> None:
    for level in snapshot.bids + snapshot.asks:
        level.update_id = snapshot.last_id
    book.apply_snapshot(snapshot.bids, snapshot.asks, snapshot.last_id)
