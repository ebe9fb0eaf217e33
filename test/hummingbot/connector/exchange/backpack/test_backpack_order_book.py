"""The book takes what it is handed in that order; the tracker shows no book before its snapshot."""

import asyncio

import pytest

from hummingbot.connector.exchange.backpack.backpack_order_book import BackpackOrderBook, BackpackOrderBookTracker
from hummingbot.core.data_type.order_book_message import OrderBookMessage, OrderBookMessageType
from hummingbot.core.data_type.order_book_row import OrderBookRow
from test.hummingbot.connector.exchange.backpack.support import eventually, shown_book

PAIR = "SOL-USDC"


def message(kind: str, update_id: int, bids: list[list[str]], asks: list[list[str]] | None = None) -> OrderBookMessage:
    content = {"trading_pair": PAIR, "update_id": update_id, "bids": bids, "asks": asks or []}
    return OrderBookMessage(OrderBookMessageType[kind], content, timestamp=1.0)


def row(price: float, amount: float, update_id: int) -> OrderBookRow:
    return OrderBookRow(price, amount, update_id)


def test_an_empty_book_stands_nowhere():
    assert BackpackOrderBook().applied_id == -1


def test_diffs_move_the_book_on():
    book = BackpackOrderBook()
    book.apply_diffs([row(99, 1, 5)], [row(101, 2, 5)], 5)
    book.apply_diffs([row(99, 0, 6)], [], 6)
    assert shown_book(book) == ({}, {"101.0": 2.0})
    assert book.applied_id == 6


def test_a_snapshot_starts_over():
    book = BackpackOrderBook()
    book.apply_diffs([row(98, 1, 5)], [], 5)
    book.restore_from_snapshot_and_diffs(message("SNAPSHOT", 10, [["99", "3"]], [["101", "4"]]), [])
    assert shown_book(book) == ({"99.0": 3.0}, {"101.0": 4.0})
    assert book.applied_id == 10


def test_old_diffs_do_not_bring_removed_levels_back():
    """The tracker remembers its last 32 diffs and replays those over a snapshot, however old they are."""
    book = BackpackOrderBook()
    book.restore_from_snapshot_and_diffs(
        message("SNAPSHOT", 10, [["99", "3"]]), [message("DIFF", 8, [["98", "1"]]), message("DIFF", 9, [["97", "1"]])]
    )
    assert shown_book(book) == ({"99.0": 3.0}, {})


def test_text_with_and_without_padding_is_one_level():
    book = BackpackOrderBook()
    book.restore_from_snapshot_and_diffs(message("SNAPSHOT", 10, [["86786", "1"]]), [])
    later = message("DIFF", 11, [["86786.0", "0.00000"]])
    book.apply_diffs(later.bids, later.asks, 11)
    assert shown_book(book) == ({}, {})


def test_the_router_drops_nothing():
    """Hummingbot's router drops what it takes for old by the book's ``snapshot_uid``; the sequencer has decided."""
    book = BackpackOrderBook()
    book.restore_from_snapshot_and_diffs(message("SNAPSHOT", 10, []), [])
    assert book.snapshot_uid < 0


class Source:
    """Stands in for the data source: each pair is live when told to be."""

    def __init__(self, *pairs: str):
        self.live = {pair: asyncio.Event() for pair in pairs}

    def order_book_create_function(self) -> BackpackOrderBook:
        return BackpackOrderBook()

    async def wait_until_live(self, trading_pair: str) -> None:
        await self.live[trading_pair].wait()


@pytest.fixture
async def tracker():
    tracker = BackpackOrderBookTracker(data_source=Source(PAIR, "BTC-USDC"), trading_pairs=[PAIR, "BTC-USDC"])
    starting = asyncio.create_task(tracker._init_order_books())
    yield tracker
    starting.cancel()
    for task in tracker._tracking_tasks.values():
        task.cancel()


async def test_all_books_are_there_at_once_and_ready_when_all_are_live(tracker):
    await eventually(lambda: set(tracker.order_books) == {PAIR, "BTC-USDC"})
    tracker._data_source.live["BTC-USDC"].set()
    await asyncio.sleep(0)
    assert not tracker.ready
    tracker._data_source.live[PAIR].set()
    await eventually(lambda: tracker.ready)


async def test_the_tracker_applies_a_snapshot_and_its_updates_in_order(tracker):
    await eventually(lambda: PAIR in tracker.order_books)
    queue = tracker._tracking_message_queues[PAIR]
    for one in (
        message("SNAPSHOT", 10, [["99", "1"]]),
        message("DIFF", 11, [["98", "2"]]),
        message("SNAPSHOT", 20, [["95", "7"]]),
        message("DIFF", 21, [["94", "8"]]),
    ):
        queue.put_nowait(one)
    await eventually(lambda: tracker.order_books[PAIR].applied_id == 21)
    assert shown_book(tracker.order_books[PAIR]) == ({"95.0": 7.0, "94.0": 8.0}, {})
