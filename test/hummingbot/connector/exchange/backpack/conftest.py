"""Keeps tests of the connector apart from each other and from the installed Hummingbot."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hummingbot.connector.exchange.backpack.backpack_connections import BackpackConnectionsFactory
from hummingbot.connector.exchange.backpack.simulator import SimulatedBackpack
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory
from hummingbot.logger import HummingbotLogger
from test.hummingbot.connector.exchange.backpack.simulator.trading_floor import place


@pytest.fixture(autouse=True)
def no_application(monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning for the user (``logger().network(.., app_warning_msg=..)``) makes Hummingbot build its whole
    application and write its configuration into site-packages, unless it finds itself under test. It looks for
    "pytest" in the command line for that, which is not there under every runner."""
    monkeypatch.setattr(HummingbotLogger, "is_testing_mode", staticmethod(lambda: True))


@pytest_asyncio.fixture
async def fresh_connections() -> AsyncIterator[None]:
    """Hummingbot shares one HTTP session among all its connectors, it belongs to the loop of the test that opened it;
    ours notices that itself, and is closed so that no connection of one test is left to the next."""
    factory = ConnectionsFactory()
    factory._shared_client = factory._ws_independent_session = None
    yield
    await factory.close()
    await BackpackConnectionsFactory().close()


@pytest_asyncio.fixture
async def venue(fresh_connections: None) -> AsyncIterator[SimulatedBackpack]:
    """A local exchange on which the street, an account with deep pockets, has put five levels on each side of SOL-USDC
    around 150. It and the crowd trade when a test lets them, nobody else does."""
    async with SimulatedBackpack(seed=7, taker_delay_s=0.01) as sim:
        sim.add_account({"USDC": "10000000", "SOL": "100000", "BTC": "1000"}, name="street")
        sim.add_account({"USDC": "10000000", "SOL": "100000", "BTC": "1000"}, name="crowd")
        for step in range(1, 6):
            place(sim.exchange, "street", "Bid", 10, 150 - step)
            place(sim.exchange, "street", "Ask", 10, 150 + step)
        yield sim
