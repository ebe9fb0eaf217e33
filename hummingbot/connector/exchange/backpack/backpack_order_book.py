"""The book and its tracker, for data that comes in order and without holes (see ``sequencer``)."""

import asyncio
from contextlib import suppress

from hummingbot.core.data_type.order_book import OrderBook
from hummingbot.core.data_type.order_book_message import OrderBookMessage
from hummingbot.core.data_type.order_book_row import OrderBookRow
from hummingbot.core.data_type.order_book_tracker import OrderBookTracker
from hummingbot.core.utils.async_utils import safe_ensure_future


class BackpackOrderBook(OrderBook):
    """Applies what it is handed, in that order. ``applied_id`` is the venue's update id it stands at, -1 if empty."""

    def __init__(self) -> None:
        super().__init__()
        self.applied_id = -1

    @property
    def snapshot_uid(self) -> int:
        """Hummingbot's router drops messages older than this; here the sequencer has decided already."""
        return -1

    def apply_diffs(self, bids: list[OrderBookRow], asks: list[OrderBookRow], update_id: int) -> None:
        super().apply_diffs(bids, asks, update_id)
        self.applied_id = update_id

    def restore_from_snapshot_and_diffs(self, snapshot: OrderBookMessage, diffs: list[OrderBookMessage]) -> None:
        """Start over from ``snapshot``. ``diffs``, the tracker's memory of what it applied, are all older: replaying
        them, as the base class does, would bring removed levels back."""
        self.apply_snapshot(snapshot.bids, snapshot.asks, snapshot.update_id)
        self.applied_id = snapshot.update_id


class BackpackOrderBookTracker(OrderBookTracker):
    """Starts all books at once; each is empty until its first snapshot comes through the queue, before its updates."""

    async def _init_order_books(self) -> None:
        for trading_pair in self._trading_pairs:
            self._order_books[trading_pair] = self._data_source.order_book_create_function()
            self._tracking_message_queues[trading_pair] = asyncio.Queue()
            self._tracking_tasks[trading_pair] = safe_ensure_future(self._track_single_book(trading_pair))
        for trading_pair in self._trading_pairs:
            with suppress(KeyError):  # no such market: the data source says so, the other pairs go on
                await self._data_source.wait_until_live(trading_pair)
        self._order_books_initialized.set()
