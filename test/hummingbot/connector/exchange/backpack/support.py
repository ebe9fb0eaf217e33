"""What several tests of the connector need: recorded payloads, waiting for something to become true, and the connector
at work on a local exchange."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange
from hummingbot.connector.exchange.backpack.simulator import SimulatedBackpack
from hummingbot.connector.exchange.backpack.simulator.access import SimAccount
from hummingbot.core.clock import Clock, ClockMode
from hummingbot.core.data_type.order_book import OrderBook

FIXTURES = Path(__file__).parent / "fixtures"


def payload(name: str) -> Any:
    """What the venue sent. Beside it, the file says where and when it was seen, or that it is synthetic."""
    return json.loads((FIXTURES / f"{name}.json").read_text())["payload"]


def data(name: str) -> dict[str, Any]:
    """The inside of a recorded websocket frame."""
    inside: dict[str, Any] = payload(name)["data"]
    return inside


async def eventually(condition: Callable[[], object], timeout: float = 5.0) -> None:
    """Return as soon as ``condition()`` is true; fail if that takes longer than ``timeout`` seconds."""
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110  any condition at all, most have no event to wait for
            await asyncio.sleep(0.01)


# -- the connector on the local exchange ------------------------------------------------------------------------------


def connector(sim: SimulatedBackpack, account: SimAccount | None, *pairs: str, **options: Any) -> BackpackExchange:
    """Ours, pointed at ``sim``; without an account it has no keys and does not trade."""
    with patch.dict(os.environ, {"BACKPACK_LOCAL_URL": sim.rest_url}):
        return BackpackExchange(
            account.api_key if account else "",
            account.api_secret if account else "",
            trading_pairs=list(pairs),
            trading_required=account is not None,
            domain="backpack_local",
            **options,
        )


@asynccontextmanager
async def running(exchange: BackpackExchange, *, ready: bool = True) -> AsyncIterator[BackpackExchange]:
    """Driven by a clock as in Hummingbot, until the block ends; with ``ready``, entered once it is."""
    clock = Clock(ClockMode.REALTIME, tick_size=0.1)
    clock.add_iterator(exchange)

    async def tick() -> None:
        with clock:
            await clock.run()

    ticking = asyncio.create_task(tick())
    try:
        if ready:
            await eventually(lambda: exchange.ready, timeout=10)
        yield exchange
    finally:
        ticking.cancel()
        with suppress(asyncio.CancelledError):
            await ticking
        await exchange.stop_network()
        await exchange._user_stream_tracker.stop()


def shown_book(book: OrderBook) -> tuple[dict[str, float], dict[str, float]]:
    bids, asks = ({str(row.price): row.amount for row in rows} for rows in (book.bid_entries(), book.ask_entries()))
    return bids, asks


def venue_book(sim: SimulatedBackpack, symbol: str = "SOL_USDC") -> tuple[dict[str, float], dict[str, float]]:
    depth = sim.exchange.depth(symbol)
    bids, asks = ({str(float(price)): float(size) for price, size in side} for side in (depth.bids, depth.asks))
    return bids, asks
