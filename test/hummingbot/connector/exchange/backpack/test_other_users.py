"""Hummingbot builds the connector for more than trading: without keys, without a clock, never started. Each of these
users gets what it wants, and no demo exchange is begun for it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import pytest
import pytest_asyncio

from hummingbot.client.settings import AllConnectorSettings
from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange
from hummingbot.connector.exchange.backpack.errors import BackpackError
from hummingbot.connector.exchange.backpack.simulator import SimulatedBackpack, faults
from hummingbot.connector.exchange.paper_trade import create_paper_trade_market
from hummingbot.connector.exchange.paper_trade.paper_trade_exchange import PaperTradeExchange
from hummingbot.core.clock import Clock, ClockMode
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.event.event_logger import EventLogger
from hummingbot.core.event.events import MarketEvent
from hummingbot.core.rate_oracle.sources.backpack_rate_source import BackpackRateSource
from hummingbot.core.utils.trading_pair_fetcher import TradingPairFetcher
from test.hummingbot.connector.exchange.backpack.simulator.trading_floor import place
from test.hummingbot.connector.exchange.backpack.support import eventually

SOL = "SOL-USDC"


@pytest.fixture(autouse=True)
def addresses(venue: SimulatedBackpack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKPACK_LOCAL_URL", venue.rest_url)
    monkeypatch.setenv("BACKPACK_RATE_DOMAIN", "backpack_local")


@pytest.fixture
def settings() -> Iterator[AllConnectorSettings]:
    yield AllConnectorSettings.create_connector_settings()
    AllConnectorSettings.all_connector_settings = {}


@pytest.mark.parametrize("domain", ["backpack", "backpack_local"])
@pytest.mark.parametrize("pairs", [None, [], [SOL]])
async def test_without_keys_it_can_be_built(venue, domain, pairs):
    exchange = BackpackExchange("", "", trading_pairs=pairs, trading_required=False, domain=domain)
    assert exchange.name == domain
    assert exchange.status_dict["user_stream_initialized"] and exchange.status_dict["account_balance"]
    assert not exchange.ready


@pytest.mark.parametrize("name", ["backpack", "backpack_local"])
async def test_from_hummingbots_settings(settings, name):
    setting = settings[name]
    exchange = setting.non_trading_connector_instance_with_default_configuration([SOL])
    assert isinstance(exchange, BackpackExchange)
    assert (exchange.domain, exchange.trading_pairs, exchange.is_trading_required) == (name, [SOL], False)
    assert setting.example_pair == SOL
    assert setting.trade_fee_schema.taker_percent_fee_decimal == Decimal("0.001")


async def test_rate_source(venue):
    """The rate oracle."""
    place(venue.exchange, "crowd", "Bid", 1, 151)
    assert await BackpackRateSource().get_prices() == {SOL: Decimal(151)}


async def test_pair_fetcher_and_autocomplete(settings):
    """``create`` and ``connect`` complete pairs with what this has fetched."""
    fetcher = TradingPairFetcher.__new__(TradingPairFetcher)
    fetcher.trading_pairs = {}
    fetcher._fetch_pairs_from_connector_setting(settings["backpack_local"])
    await eventually(lambda: fetcher.trading_pairs)
    assert set(fetcher.trading_pairs["backpack_local"]) == {SOL, "BTC-USDC", "ETH-USDC", "USDT-USDC"}


async def test_the_balance_check_of_connect(venue):
    """``connect`` takes the keys if this passes, and shows the error's text if it does not."""
    account = venue.add_account({"USDC": "12.5"}, name="bot")
    exchange = BackpackExchange(account.api_key, account.api_secret, trading_required=False, domain="backpack_local")
    await exchange._update_balances()
    assert exchange.available_balances == {"USDC": Decimal("12.5")}


async def test_the_balance_check_of_connect_with_keys_the_exchange_does_not_know(venue):
    stranger = SimulatedBackpack(seed=99).add_account(name="stranger")
    exchange = BackpackExchange(stranger.api_key, stranger.api_secret, trading_required=False, domain="backpack_local")
    with pytest.raises(BackpackError, match="The exchange does not accept this key: .*enter key and secret again"):
        await exchange._update_balances()


@pytest_asyncio.fixture
async def paper(settings: AllConnectorSettings) -> AsyncIterator[PaperTradeExchange]:
    """Paper trading runs the connector's order book tracker and nothing else of it."""
    market = create_paper_trade_market("backpack_local", [SOL])
    market.set_balance("USDC", 1000.0)
    market.set_balance("SOL", 0.0)
    clock = Clock(ClockMode.REALTIME, tick_size=0.1)
    clock.add_iterator(market)

    async def tick() -> None:
        with clock:
            await clock.run()

    ticking = asyncio.create_task(tick())
    await eventually(lambda: market.ready)
    yield market
    ticking.cancel()
    await market.stop_network()
    market.order_book_tracker.stop()


async def test_paper_trade(paper, venue):
    assert paper.get_price(SOL, True) == Decimal(151)
    filled = EventLogger()
    paper.add_listener(MarketEvent.OrderFilled, filled)
    paper.buy(SOL, Decimal(2), OrderType.MARKET)
    await eventually(lambda: filled.event_log, timeout=8)  # Hummingbot lets such an order wait for 5 s
    [event] = filled.event_log
    assert (event.price, event.amount) == (Decimal(151), Decimal(2))
    assert venue.exchange.trades("SOL_USDC") == [], "nothing reaches the exchange"


async def test_paper_trades_book_mends_itself(paper, venue):
    venue.faults.arm(faults.DropUpdate(), stream="depth.", count=1)
    place(venue.exchange, "street", "Ask", 1, 150.5)
    place(venue.exchange, "street", "Ask", 1, 150.25)
    await eventually(lambda: paper.get_price(SOL, True) == Decimal("150.25"))
    book = paper.order_books[SOL]
    assert [row.price for row in book.ask_entries()][:3] == [150.25, 150.5, 151.0]
