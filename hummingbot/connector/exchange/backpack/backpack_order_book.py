"""The tracker of the books, for a data source that keeps them itself (see ``sequencer``): it shows them and counts."""

import asyncio
import time
from contextlib import suppress
from typing import Any

from hummingbot.connector.exchange.backpack.errors import BackpackError
from hummingbot.core.data_type.order_book_tracker import OrderBookTracker
from hummingbot.core.utils.async_utils import safe_ensure_future

# A pair without a trade for so long has its last price asked of REST, this often: all such pairs in one request.
NO_TRADES_S = 180.0
LAST_PRICES_INTERVAL_S = 15.0
TIMED_ONE_IN = 10


class Tally:
    """Counts one kind of message ("diff", "snapshot", "trade") of one pair in the tracker's metrics, which Hummingbot
    has had since 2026: in all, and for the pair. Of ten messages one is timed, as Hummingbot keeps one in ten."""

    def __init__(self, metrics: Any, trading_pair: str, kind: str):
        self._in_all = metrics
        self._of_pair = metrics.get_or_create_pair_metrics(trading_pair)
        self._name_in_all, self._name_of_pair = f"total_{kind}s_processed", f"{kind}s_processed"
        self._name_of_last = f"last_{kind}_timestamp"
        self._latencies = [getattr(one, f"{kind}_processing_latency") for one in (self._in_all, self._of_pair)]
        for latency in self._latencies:
            latency.SAMPLE_RATE = 1
        self._until_timed = 0

    def add(self, began_s: float) -> None:
        """One more, on which work began at ``began_s`` (perf_counter) and has just ended."""
        in_all, of_pair = self._in_all.__dict__, self._of_pair.__dict__
        in_all[self._name_in_all] += 1
        of_pair[self._name_of_pair] += 1
        of_pair[self._name_of_last] = began_s
        if not self._until_timed:
            took_ms = (time.perf_counter() - began_s) * 1e3
            for latency in self._latencies:
                latency.record(took_ms)
            self._until_timed = TIMED_ONE_IN
        self._until_timed -= 1


class BackpackOrderBookTracker(OrderBookTracker):
    """Has none of the inherited queues and routers: an update is applied where it is received, or it is in none.

    ``order_books`` are the data source's; the tracker is ready once all of them are live.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._data_source.metrics = getattr(self, "_metrics", None)

    def start(self) -> None:
        self.stop()
        if self._data_source.metrics is not None:
            self._metrics.tracker_start_time = time.perf_counter()
        self._init_order_books_task = safe_ensure_future(self._init_order_books())
        self._order_book_stream_listener_task = safe_ensure_future(self._data_source.listen_for_subscriptions())
        self._update_last_trade_prices_task = safe_ensure_future(self._update_last_trade_prices_loop())

    async def _init_order_books(self) -> None:
        for trading_pair in self._trading_pairs:
            self._order_books[trading_pair] = self._data_source.book_of(trading_pair)
        for trading_pair in self._trading_pairs:
            with suppress(KeyError):  # no such market: the data source says so, the other pairs go on
                await self._data_source.wait_until_live(trading_pair)
        self._order_books_initialized.set()

    async def _track_single_book(self, trading_pair: str) -> None:
        """Nothing to do for a pair that Hummingbot adds: its book is kept by the data source like all others."""

    async def _update_last_trade_prices_loop(self) -> None:
        """As inherited, but less often, and that the venue does not answer is no traceback."""
        await self._order_books_initialized.wait()
        while True:
            now_s = time.perf_counter()
            quiet = [pair for pair, book in self._order_books.items() if book.last_applied_trade < now_s - NO_TRADES_S]
            try:
                prices = await self._data_source.get_last_traded_prices(quiet) if quiet else {}
            except BackpackError as error:
                self.logger().debug("last prices not refreshed: %s", error)
                prices = {}
            for trading_pair, price in prices.items():
                if trading_pair in self._order_books:  # it may have been removed meanwhile
                    self._order_books[trading_pair].last_trade_price = price
            await asyncio.sleep(LAST_PRICES_INTERVAL_S)
