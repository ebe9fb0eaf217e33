"""A connector at work on an exchange of its own in the venue's process: what every measurement begins with."""

import asyncio
import gc
import logging
import resource
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from decimal import Decimal
from typing import Any

import aiohttp

from hummingbot.core.clock import Clock, ClockMode
from hummingbot.core.event.event_forwarder import EventForwarder
from hummingbot.core.event.events import MarketEvent
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory
from hummingbot.logger import HummingbotLogger
from test.hummingbot.connector.exchange.backpack.benchmarks import connectors
from test.hummingbot.connector.exchange.backpack.benchmarks.connectors import Subject

PAIR, SYMBOL = "SOL-USDC", "SOL_USDC"
BOT, STREET = "bot", "street"
# What is sent begins so long after the command, when the command itself is forgotten.
AFTER_S = 0.05
READY_S = 30.0


class CheckFailed(AssertionError):
    """The work was not done, or not rightly; a figure for it would be worth nothing."""


class Stage:
    """``async with Stage(subject, office, markets=50) as stage``: the connector is ready, unless ``wait`` is false.

    Before it starts, ``arrange`` is called with the stage and ``prepare`` with the connector. The other options are
    those of ``venue.Bench``.
    """

    def __init__(
        self,
        subject: Subject,
        office: str,
        *,
        wait: bool = True,
        arrange: Callable[["Stage"], Awaitable[None]] | None = None,
        prepare: Callable[[Any], None] | None = None,
        **venue: Any,
    ) -> None:
        self.subject = subject
        self.connector: Any = None
        self.venue: dict[str, Any] = {}
        self._office = office
        self._wait = wait
        self._arrange = arrange
        self._prepare = prepare
        self._options = venue
        self._patches = ExitStack()
        self._clock_task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Stage":
        self._control = aiohttp.ClientSession()
        try:
            await self._begin()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _begin(self) -> None:
        self.venue = await self._post(f"{self._office}/open", self._options)
        self.symbols: list[str] = self.venue["symbols"]
        self.pairs = [symbol.replace("_", "-") for symbol in self.symbols]
        if self._arrange is not None:
            await self._arrange(self)
        self._patches.enter_context(self.subject.at(self.venue["restUrl"], self.venue["wsUrl"]))
        if self._wait:
            self._patches.enter_context(connectors.no_waiting_between_pairs())
        self.connector = self.subject.connector(self.venue["apiKey"], self.venue["apiSecret"], list(self.pairs))
        if self._prepare is not None:
            self._prepare(self.connector)
        self._start_clock()
        if self._wait:
            await self.until(lambda: self.connector.ready, READY_S, self.not_ready)

    async def __aexit__(self, *_: object) -> None:
        with suppress(Exception):
            await self.stop_clock()
            await self.connector.stop_network()
            await self.connector._user_stream_tracker.stop()
        self._patches.close()
        await ConnectionsFactory().close()
        if self.venue:
            with suppress(aiohttp.ClientError):  # where the venue's process is gone there is nothing to close
                await self._post(f"{self._office}/close", {"restUrl": self.venue["restUrl"]})
        await self._control.close()

    def not_ready(self) -> str:
        missing = [name for name, done in self.connector.status_dict.items() if not done]
        return f"the connector is ready (missing: {', '.join(missing)})"

    def _start_clock(self) -> None:
        clock = Clock(ClockMode.REALTIME, tick_size=1.0)
        clock.add_iterator(self.connector)
        clock.__enter__()  # to leave it would stop the connector's network
        self._clock_task = asyncio.ensure_future(clock.run())

    async def stop_clock(self) -> None:
        """No more ticks, so that nothing is polled; what runs by itself, like the streams, goes on."""
        if self._clock_task is not None:
            self._clock_task.cancel()
            with suppress(asyncio.CancelledError):
                await self._clock_task
            self._clock_task = None

    # -- the venue -----------------------------------------------------------------------------------------------------

    async def bench(self, command: str, **body: Any) -> Any:
        """A command of ``venue``'s; raises CheckFailed if it was refused."""
        return await self._post(f"{self.venue['restUrl']}/_bench/{command}", body)

    async def sim(self, path: str, **body: Any) -> Any:
        """The exchange's own control plane."""
        return await self._post(f"{self.venue['restUrl']}/_sim/{path}", body)

    async def read(self, path: str, **params: str) -> bytes:
        """The body of a GET that the connector knows nothing of."""
        async with self._control.get(f"{self.venue['restUrl']}{path}", params=params) as answer:
            return await answer.read()

    async def _post(self, url: str, body: dict[str, Any]) -> Any:
        async with self._control.post(url, json=body) as answer:
            if answer.status != 200:
                raise CheckFailed(f"the venue refused {url}: {answer.status} {(await answer.text())[:200]}")
            return await answer.json()

    async def check_books(self, pairs: list[str] | None = None) -> None:
        """Raises CheckFailed if a book differs from the sender's."""
        for pair in pairs or self.pairs:
            await self.check_book(pair, self.connector.order_books[pair])

    async def check_book(self, pair: str, book: Any) -> None:
        true = await self.bench("book", symbol=pair.replace("-", "_"))
        for side, shown in zip(("bids", "asks"), connectors.shown_levels(book), strict=True):
            sent = {Decimal(price): float(quantity) for price, quantity in true[side]}
            differing = sorted(price for price in sent.keys() | shown.keys() if sent.get(price) != shown.get(price))
            if differing:
                price = differing[0]
                raise CheckFailed(
                    f"{pair}: expected the sender's book, but {len(differing)} of its {len(sent)} {side} differ, first "
                    f"{price}: sent {sent.get(price)}, shown {shown.get(price)}"
                )

    async def open_on_venue(self, account: str = BOT) -> dict[str, dict[str, Any]]:
        """The account's open orders there, by the venue's id."""
        return {row["id"]: row for row in await self.bench("open_orders", account=account)}

    # -- waiting and listening -----------------------------------------------------------------------------------------

    async def until(
        self, condition: Callable[[], object], timeout_s: float, what: str | Callable[[], str], step_s: float = 0.005
    ) -> None:
        """Raises CheckFailed naming ``what`` if it does not come true in time."""
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline_s:
                raise CheckFailed(f"not within {timeout_s:.0f} s: {what if isinstance(what, str) else what()}")
            await asyncio.sleep(step_s)

    @contextmanager
    def hearing(self, kind: MarketEvent, hear: Callable[[Any], None]) -> Iterator[None]:
        """``hear`` is called with every event of that kind."""
        forwarder = EventForwarder(hear)  # the connector holds it weakly
        self.connector.add_listener(kind, forwarder)
        try:
            yield
        finally:
            self.connector.remove_listener(kind, forwarder)


def be_quiet() -> None:
    """Log at WARNING. A warning for the user would make Hummingbot build its whole application, unless under test."""
    logging.basicConfig(level=logging.WARNING)
    HummingbotLogger.is_testing_mode = staticmethod(lambda: True)


def cpu_s() -> float:
    return time.process_time()


def resident_mb() -> float:
    """Of this process, right after a collection."""
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6
