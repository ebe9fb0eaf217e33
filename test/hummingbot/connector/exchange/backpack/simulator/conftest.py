"""A quiet exchange with two funded traders, and a way to listen to its streams."""

from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest_asyncio

from hummingbot.connector.exchange.backpack.simulator import SimulatedBackpack
from test.hummingbot.connector.exchange.backpack.simulator.trader import Listener, Trader


@pytest_asyncio.fixture
async def sim() -> AsyncIterator[SimulatedBackpack]:
    async with SimulatedBackpack(seed=7, taker_delay_s=0.01) as sim:
        yield sim


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest_asyncio.fixture
async def alice(sim: SimulatedBackpack, session: aiohttp.ClientSession) -> Trader:
    return Trader(sim, session, sim.add_account({"USDC": "10000", "SOL": "100"}, name="alice"))


@pytest_asyncio.fixture
async def bob(sim: SimulatedBackpack, session: aiohttp.ClientSession) -> Trader:
    return Trader(sim, session, sim.add_account({"USDC": "10000", "SOL": "100"}, name="bob"))


@pytest_asyncio.fixture
async def listen(
    sim: SimulatedBackpack, session: aiohttp.ClientSession
) -> AsyncIterator[Callable[[], Awaitable[Listener]]]:
    """Opens sockets that are closed when the test ends."""
    listeners: list[Listener] = []

    async def open_one() -> Listener:
        listeners.append(Listener(sim, await session.ws_connect(sim.ws_url)))
        return listeners[-1]

    yield open_one
    for listener in listeners:
        await listener.close()
