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
MOST_TIMED = 100  # as many as Hummingbot's own statistic remembers


class Tally:
    """How many messages of one kind a book has taken, when work on the last of them began (perf_counter), and how long
    one in ten took."""

    def __init__(self) -> None:
        self.number = 0
        self.last_s = 0.0
        self.timed_ms: list[float] = []  # since somebody looked

    def count(self, began_s: float) -> None:
        self.number += 1
        self.last_s = began_s
        if self.number % TIMED_ONE_IN == 1 and len(self.timed_ms) < MOST_TIMED:
            self.timed_ms.append((time.perf_counter() - began_s) * 1e3)


class BackpackOrderBookTracker(OrderBookTracker):
    """Has none of the inherited queues and routers: an update is applied where it is received, or it is in none.

    ``order_books`` are the data source's; the tracker is ready once all of them are live.
    """

    @property
    def metrics(self) -> Any:
        """Hummingbot's counts (it has them since 2026), brought up to date by whoever looks. Not available before."""
        for trading_pair, tallies in self._data_source.tallies():
            of_pair = self._metrics.get_or_create_pair_metrics(trading_pair)
            for kind, tally in tallies.items():
                counted = f"{kind}s_processed"
                news = tally.number - getattr(of_pair, counted)
                setattr(of_pair, counted, tally.number)
                setattr(self._metrics, f"total_{counted}", getattr(self._metrics, f"total_{counted}") + news)
                setattr(of_pair, f"last_{kind}_timestamp", tally.last_s)
                for latency in (getattr(one, f"{kind}_processing_latency") for one in (of_pair, self._metrics)):
                    latency.SAMPLE_RATE = 1  # Hummingbot would keep one in ten of those that it is given
                    for took_ms in tally.timed_ms:
                        latency.record(took_ms)
                tally.timed_ms.clear()
        return self._metrics

    def start(self) -> None:
        self.stop()
        if hasattr(self, "_metrics"):
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
