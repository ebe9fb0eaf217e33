"""The live tests: never run by default, and none spends more than the owner says.

::

    BACKPACK_API_KEY=.. BACKPACK_API_SECRET=.. BACKPACK_LIVE_MAX_USDC=5 pytest -m live

``BACKPACK_LIVE_PAIR`` names another pair than SOL-USDC (quoted in USDC), ``BACKPACK_LIVE_URL`` another exchange: the
local one, to try the tests. Without keys only public data is looked at.
"""

from collections.abc import AsyncIterator
from decimal import Decimal, InvalidOperation

import pytest
import pytest_asyncio

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from test.hummingbot.connector.exchange.backpack.live.trader import LiveTrader, setting


def pytest_report_header() -> str | None:
    if not setting("API_KEY"):
        return None
    url = setting("LIVE_URL") or CONSTANTS.REST_URL
    return f"live tests (-m live): {pair()} at {url}, at most {setting('LIVE_MAX_USDC') or 'nothing'} USDC at stake"


def pair() -> str:
    return setting("LIVE_PAIR") or "SOL-USDC"


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> str:
    if not setting("LIVE_URL"):
        return CONSTANTS.DEFAULT_DOMAIN
    monkeypatch.setenv("BACKPACK_LOCAL_URL", setting("LIVE_URL"))
    return CONSTANTS.LOCAL_DOMAIN


@pytest.fixture
def keys() -> tuple[str, str]:
    if not setting("API_KEY") or not setting("API_SECRET"):
        pytest.skip("needs BACKPACK_API_KEY and BACKPACK_API_SECRET")
    return setting("API_KEY"), setting("API_SECRET")


@pytest.fixture
def most_usdc() -> Decimal:
    """What may be at stake at one time: the worth of all orders of the tests that are open together."""
    if not setting("LIVE_MAX_USDC"):
        pytest.skip("needs BACKPACK_LIVE_MAX_USDC, the most that may be at stake at one time, for instance 5")
    try:
        most = Decimal(setting("LIVE_MAX_USDC"))
    except InvalidOperation:
        most = Decimal("NaN")
    if not most > 0:
        pytest.fail(f"BACKPACK_LIVE_MAX_USDC should be a number above 0, was {setting('LIVE_MAX_USDC')!r}")
    assert pair().endswith("-USDC"), f"the limit is in USDC, so the pair should be quoted in it; was {pair()}"
    return most


@pytest_asyncio.fixture
async def onlooker(domain: str, fresh_connections: None) -> AsyncIterator[LiveTrader]:
    """Without keys."""
    async with LiveTrader(pair(), None, Decimal(0), domain) as trader:
        yield trader


@pytest_asyncio.fixture
async def trader(
    keys: tuple[str, str], most_usdc: Decimal, domain: str, fresh_connections: None
) -> AsyncIterator[LiveTrader]:
    async with LiveTrader(pair(), keys, most_usdc, domain) as trader:
        yield trader
