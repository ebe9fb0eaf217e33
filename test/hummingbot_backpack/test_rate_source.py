"""The rate oracle's prices: spot only, zero left out, an outage said once."""

import logging
from decimal import Decimal
from typing import Any

import pytest
from bidict import bidict

from hummingbot_backpack.backpack_rate_source import BackpackRateSource


class Venue:
    """The two calls of the connector that the source needs."""

    def __init__(self) -> None:
        self.away = False

    async def get_all_pairs_prices(self) -> list[dict[str, Any]]:
        if self.away:
            raise OSError("no route to host")
        return [
            {"symbol": "SOL_USDC", "lastPrice": "150.25"},
            {"symbol": "SOL_USDC_PERP", "lastPrice": "151"},
            {"symbol": "NEW_USDC", "lastPrice": "0"},
        ]

    async def trading_pair_symbol_map(self) -> bidict[str, str]:
        return bidict({"SOL_USDC": "SOL-USDC", "NEW_USDC": "NEW-USDC"})


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.fixture
def source(venue: Venue) -> BackpackRateSource:
    source = BackpackRateSource()
    source._exchange = venue  # type: ignore[assignment]
    return source


async def prices(source: BackpackRateSource) -> dict[str, Decimal]:
    BackpackRateSource.get_prices.cache_clear()
    return await source.get_prices(quote_token="USDT")


async def test_spot_prices_whatever_the_quote_token(source: BackpackRateSource):
    assert await prices(source) == {"SOL-USDC": Decimal("150.25")}


async def test_an_outage_is_said_once_and_so_is_its_end(
    source: BackpackRateSource, venue: Venue, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    venue.away = True
    assert await prices(source) == {}
    assert await prices(source) == {}
    venue.away = False
    assert await prices(source) != {}
    assert await prices(source) != {}
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


@pytest.mark.parametrize("domain", ["backpack", "backpack_local"])
async def test_the_domain_comes_from_the_environment(domain: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BACKPACK_RATE_DOMAIN", domain)
    assert BackpackRateSource()._connector().name == domain
