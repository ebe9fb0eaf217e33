"""Sends the updates of all feeds to whoever listens: as fast as the sockets take them, or so many a second."""

import asyncio
import gc
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from test.hummingbot.connector.exchange.backpack.benchmarks.feed import Feed

# What a socket may have waiting in this process while it is flooded: enough that it never runs dry.
FULL_BYTES = 512_000
BATCH = 256
PACE_S = 0.002

Sockets = Callable[[str], list[asyncio.Transport]]
"""Those that have subscribed to a market's updates."""


class NobodyListens(Exception):
    """To a market that is to be sent; what would be sent proves nothing."""


@dataclass
class Sent:
    """For each market the first id, and (if paced) when each update left, by CLOCK_MONOTONIC in seconds."""

    first_ids: dict[str, int]
    left_s: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0
    latest_s: float = 0.0  # by how much the sender itself was behind its pace at most


class Sender:
    """One task at a time; the markets' updates take turns."""

    def __init__(self, feeds: dict[str, Feed], sockets: Sockets) -> None:
        self._feeds = feeds
        self._sockets = sockets
        self._task: asyncio.Task[Sent] | None = None
        self.loses_next = False  # for the benchmarks' own test

    def flood(self, messages: int, after_s: float) -> dict[str, int]:
        """Begin; the id that each market will have reached. Raises NobodyListens."""
        last_ids = self._last_ids(messages)
        self._task = asyncio.create_task(self._flooded(messages, after_s))
        return last_ids

    def pace(self, rate: float, seconds: float, after_s: float) -> dict[str, int]:
        """Likewise, with ``rate`` updates a second over all markets."""
        messages = round(rate * seconds)
        last_ids = self._last_ids(messages)
        self._task = asyncio.create_task(self._paced(messages, rate, after_s))
        return last_ids

    async def sent(self) -> Sent:
        """When it is over."""
        assert self._task is not None, "nothing was begun"
        return await self._task

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _last_ids(self, messages: int) -> dict[str, int]:
        deaf = [symbol for symbol in self._feeds if not self._sockets(symbol)]
        if deaf or not self._feeds:
            raise NobodyListens(f"expected somebody to listen to every market, nobody does to {deaf[:3] or 'any'}")
        each, more = divmod(messages, len(self._feeds))
        feeds = enumerate(self._feeds.items())
        return {symbol: feed.last_id + each + (number < more) for number, (symbol, feed) in feeds}

    def _first_ids(self) -> dict[str, int]:
        return {symbol: feed.last_id + 1 for symbol, feed in self._feeds.items()}

    async def _flooded(self, messages: int, after_s: float) -> Sent:
        await asyncio.sleep(after_s)
        sent, began_s = Sent(self._first_ids()), time.monotonic()
        for begin in range(0, messages, BATCH):
            transports = self._send(begin, min(BATCH, messages - begin))
            while any(transport.get_write_buffer_size() > FULL_BYTES for transport in transports):  # noqa: ASYNC110
                await asyncio.sleep(0.0005)
            await asyncio.sleep(0)
        sent.seconds = time.monotonic() - began_s
        return sent

    async def _paced(self, messages: int, rate: float, after_s: float) -> Sent:
        await asyncio.sleep(after_s)
        groups: list[tuple[int, float]] = []  # how many left together, and when
        gc.collect()
        gc.disable()  # a collection here would show as a delay there
        try:
            sent, number, began_s = Sent(self._first_ids()), 0, time.monotonic()
            while number < messages:
                now_s = time.monotonic()
                due = min(messages, int((now_s - began_s) * rate) + 1) - number
                sent.latest_s = max(sent.latest_s, due / rate - PACE_S)
                groups.append((due, now_s))
                self._send(number, due)
                number += due
                await asyncio.sleep(PACE_S)
            sent.seconds = time.monotonic() - began_s
        finally:
            gc.enable()
        times_s = [at_s for count, at_s in groups for _ in range(count)]
        symbols = list(self._feeds)
        sent.left_s = {symbol: times_s[place :: len(symbols)] for place, symbol in enumerate(symbols)}
        return sent

    def _send(self, begin: int, count: int) -> Collection[asyncio.Transport]:
        """Updates number ``begin`` and on; where they went."""
        feeds, now_us = list(self._feeds.values()), time.time_ns() // 1_000
        buffers: dict[asyncio.Transport, list[bytes]] = {}
        for number in range(begin, begin + count):
            feed = feeds[number % len(feeds)]
            frames = feed.next_frames(1, now_us)
            if self.loses_next:
                self.loses_next = False
                continue
            for transport in self._sockets(feed.symbol):
                buffers.setdefault(transport, []).extend(frames)
        for transport, frames in buffers.items():
            transport.write(b"".join(frames))
        return buffers
