"""The tracker shows the data source's books, is ready when all of them are live, and keeps Hummingbot's counts."""

import asyncio
from collections.abc import Iterator

import pytest

from hummingbot.connector.exchange.backpack import backpack_order_book as module
from hummingbot.connector.exchange.backpack.backpack_order_book import BackpackOrderBookTracker, Tally
from hummingbot.connector.exchange.backpack.errors import OutcomeUnknown
from hummingbot.core.data_type.order_book import OrderBook
from test.hummingbot.connector.exchange.backpack.support import eventually

SOL, BTC = "SOL-USDC", "BTC-USDC"


class Source:
    """Stands in for the data source: each pair is live when told to be."""

    def __init__(self, *pairs: str):
        self.live = {pair: asyncio.Event() for pair in pairs}
        self.books = {pair: OrderBook() for pair in pairs}
        self.prices: dict[str, float] | Exception = {}
        self.asked: list[list[str]] = []
        self.counts = {pair: {"diff": Tally(), "snapshot": Tally(), "trade": Tally()} for pair in pairs}

    def tallies(self) -> Iterator[tuple[str, dict[str, Tally]]]:
        yield from self.counts.items()

    def book_of(self, trading_pair: str) -> OrderBook:
        return self.books[trading_pair]

    async def wait_until_live(self, trading_pair: str) -> None:
        await self.live[trading_pair].wait()

    async def listen_for_subscriptions(self) -> None:
        await asyncio.Event().wait()

    async def get_last_traded_prices(self, trading_pairs: list[str]) -> dict[str, float]:
        self.asked.append(trading_pairs)
        if isinstance(self.prices, Exception):
            raise self.prices
        return self.prices


@pytest.fixture
async def tracker():
    tracker = BackpackOrderBookTracker(data_source=Source(SOL, BTC), trading_pairs=[SOL, BTC])
    tracker.start()
    yield tracker
    tracker.stop()


def all_live(tracker: BackpackOrderBookTracker) -> None:
    for live in tracker.data_source.live.values():
        live.set()


async def test_all_books_are_there_at_once_and_ready_when_all_are_live(tracker):
    await eventually(lambda: tracker.order_books == tracker.data_source.books)
    tracker.data_source.live[BTC].set()
    await asyncio.sleep(0)
    assert not tracker.ready
    tracker.data_source.live[SOL].set()
    await eventually(lambda: tracker.ready)


async def test_pairs_without_trades_get_their_last_price_in_one_request(tracker):
    tracker.data_source.prices = {SOL: 150.0, BTC: 80_000.0, "GONE-USDC": 1.0}
    all_live(tracker)
    await eventually(lambda: tracker.order_books[BTC].last_trade_price == 80_000.0)
    assert tracker.data_source.asked == [[SOL, BTC]]
    assert tracker.order_books[SOL].last_trade_price == 150.0


async def test_prices_that_cannot_be_had_are_asked_for_again(tracker, monkeypatch):
    monkeypatch.setattr(module, "LAST_PRICES_INTERVAL_S", 0.01)
    tracker.data_source.prices = OutcomeUnknown("no answer")
    all_live(tracker)
    await eventually(lambda: tracker.data_source.asked)
    tracker.data_source.prices = {SOL: 151.0}
    await eventually(lambda: tracker.order_books[SOL].last_trade_price == 151.0)


async def test_hummingbots_metrics_in_all_and_for_the_pair(tracker):
    for _ in range(11):
        tracker.data_source.counts[SOL]["diff"].count(began_s=1.0)
    assert tracker.metrics.total_diffs_processed == 11
    tracker.data_source.counts[SOL]["diff"].count(began_s=1.5)
    tracker.data_source.counts[BTC]["diff"].count(began_s=2.0)
    tracker.data_source.counts[BTC]["trade"].count(began_s=3.0)
    metrics = tracker.metrics
    of_sol, of_btc = metrics.per_pair_metrics[SOL], metrics.per_pair_metrics[BTC]
    assert (metrics.total_diffs_processed, metrics.total_trades_processed) == (13, 1)
    assert (of_sol.diffs_processed, of_sol.last_diff_timestamp) == (12, 1.5)
    assert (of_btc.diffs_processed, of_btc.trades_processed, of_btc.last_trade_timestamp) == (1, 1, 3.0)
    assert (of_sol.diff_processing_latency.count, metrics.diff_processing_latency.count) == (2, 3), "one in ten"
    assert of_sol.diff_processing_latency.avg_ms >= of_sol.diff_processing_latency.min_ms > 0


def test_times_that_nobody_looks_at_do_not_pile_up():
    tally = Tally()
    for _ in range(5_000):
        tally.count(began_s=1.0)
    assert (tally.number, len(tally.timed_ms)) == (5_000, module.MOST_TIMED)
