"""Demo mode: no key, prices of another exchange, the production path in between."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from hummingbot.client import settings
from hummingbot.connector.exchange.backpack import backpack_demo
from hummingbot.connector.exchange.backpack.backpack_auth import InvalidKeys
from hummingbot.connector.exchange.backpack.backpack_demo import (
    BadDemoSettings,
    DemoConfigMap,
    DemoExchange,
    DemoInUse,
    DemoSettings,
)
from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange
from hummingbot.connector.exchange.backpack.backpack_utils import BackpackConfigMap
from hummingbot.connector.exchange.backpack.simulator import SimulatedBackpack
from hummingbot.connector.exchange.backpack.simulator.market import Synthetic
from hummingbot.connector.exchange.backpack.wire import Balance
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.network_iterator import NetworkStatus
from hummingbot_backpack.instance import TEMPLATE
from test.hummingbot.connector.exchange.backpack.support import eventually, running


@pytest.fixture
async def venue(fresh_connections: None) -> AsyncIterator[SimulatedBackpack]:
    """The market that the demo follows."""
    async with SimulatedBackpack(seed=3, market=Synthetic(3)) as sim:
        yield sim


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(backpack_demo, "data_path", lambda: str(tmp_path))
    return tmp_path


def configuration(source: str, **demo: object) -> DemoConfigMap:
    return DemoConfigMap(source=source, **demo)


@asynccontextmanager
async def trading(config: DemoConfigMap, **saved: object) -> AsyncIterator[BackpackExchange]:
    connector = BackpackExchange(trading_pairs=["SOL-USDC"], demo_config=config)
    connector.restore_tracking_states(saved)
    async with running(connector):
        yield connector


async def test_a_market_order_fills_at_the_followed_market_and_pays_its_fee(venue: SimulatedBackpack):
    async with trading(configuration(venue.rest_url, taker_fee_bps="20")) as connector:
        best_ask = connector.get_price("SOL-USDC", True)
        connector.buy("SOL-USDC", Decimal("2"), OrderType.MARKET)
        await eventually(lambda: connector.get_balance("SOL") > 50)
        assert connector.get_balance("SOL") == Decimal("50") + Decimal("2") * Decimal("0.998")
        spent = Decimal(10_000) - connector.get_balance("USDC")
        assert abs(spent / 2 - best_ask) / best_ask < Decimal("0.01")


async def test_a_resting_order_fills_when_the_followed_market_trades_through_it(venue: SimulatedBackpack):
    async with trading(configuration(venue.rest_url)) as connector:
        mid = connector.get_mid_price("SOL-USDC")
        for tenths in range(1, 6):
            price = connector.quantize_order_price("SOL-USDC", mid * (1 + Decimal(tenths) / 10_000))
            connector.sell("SOL-USDC", Decimal("0.1"), OrderType.LIMIT, price)
        await eventually(lambda: connector.get_balance("SOL") < 50, timeout=60)


async def test_nothing_is_on_the_venue_it_follows(venue: SimulatedBackpack):
    async with trading(configuration(venue.rest_url)) as connector:
        connector.buy("SOL-USDC", Decimal("1"), OrderType.LIMIT_MAKER, Decimal("120"))
        await eventually(lambda: any(order.exchange_order_id for order in connector.in_flight_orders.values()))
        assert all(account.name in ("makers", "takers") for account in venue.exchange.accounts)


async def test_orders_and_balances_come_back_in_the_next_run(venue: SimulatedBackpack):
    config = configuration(venue.rest_url)
    async with trading(config) as connector:
        order_id = connector.buy("SOL-USDC", Decimal("1"), OrderType.LIMIT_MAKER, Decimal("120"))
        await eventually(lambda: order_id in connector.in_flight_orders)
        connector.buy("SOL-USDC", Decimal("2"), OrderType.MARKET)
        await eventually(lambda: connector.get_balance("SOL") > 50)
        saved, balances = connector.tracking_states, connector.get_all_balances()
    asked = BackpackExchange(trading_required=False, demo_config=config)  # as `balance` does
    await asked._update_balances()
    assert asked.get_all_balances() == balances
    assert asked.available_balances["USDC"] == balances["USDC"] - 120
    async with trading(config, **saved) as connector:
        assert connector.get_all_balances() == balances
        assert connector.in_flight_orders[order_id].is_open
        assert connector.available_balances["USDC"] == balances["USDC"] - 120


async def test_the_kept_account_is_one_demos_at_a_time_and_can_be_reset(venue: SimulatedBackpack):
    config = configuration(venue.rest_url)
    async with trading(config) as connector:
        connector.buy("SOL-USDC", Decimal("2"), OrderType.MARKET)
        await eventually(lambda: connector.get_balance("SOL") > 50)
        with pytest.raises(DemoInUse, match="stop it"):
            await DemoExchange(config, ["SOL-USDC"]).start()
        with pytest.raises(DemoInUse, match="stop it"):
            backpack_demo.reset()
    assert backpack_demo.reset()
    assert not backpack_demo.reset(), "there is nothing left"
    async with trading(config) as connector:
        assert connector.get_balance("SOL") == 50


async def test_a_demo_that_could_not_begin_leaves_nothing_behind(venue: SimulatedBackpack):
    demo = DemoExchange(DemoConfigMap(source=venue.rest_url), ["DOGE-USDC"])
    with pytest.raises(BadDemoSettings):
        await demo.start()
    assert not backpack_demo.reset()  # would be refused if the account were still claimed


async def test_without_keeping_each_run_begins_anew(venue: SimulatedBackpack, state_folder: Path):
    config = configuration(venue.rest_url, keep=False)
    async with trading(config) as connector:
        connector.buy("SOL-USDC", Decimal("2"), OrderType.MARKET)
        await eventually(lambda: connector.get_balance("SOL") > 50)
    assert not list(state_folder.iterdir())  # noqa: ASYNC240
    assert Balance("SOL", available=Decimal(50), locked=Decimal(0), staked=Decimal(0)) in (
        DemoExchange(config, []).balances()
    )


async def test_connect_shows_the_starting_balances_without_network():
    """As ``connect backpack`` does it, with both prompts left blank."""
    connector = BackpackExchange("", "", trading_required=False, demo_config=configuration("http://nowhere"))
    await connector._update_balances()
    assert connector.get_all_balances() == {
        "USDC": Decimal(10_000), "SOL": Decimal(50), "BTC": Decimal("0.1"), "ETH": Decimal(2),
    }  # fmt: skip
    assert not connector._demo.is_running


async def test_other_base_assets_begin_with_something(venue: SimulatedBackpack):
    async with trading(configuration(venue.rest_url, balances="USDC=500")) as connector:
        await eventually(lambda: connector.get_balance("SOL") > 0)
        worth = connector.get_balance("SOL") * connector.get_mid_price("SOL-USDC")
        assert Decimal(950) < worth <= Decimal(1010)
        assert connector.get_balance("USDC") == 500


async def test_the_demo_outlives_the_loss_of_its_source(venue: SimulatedBackpack):
    async with trading(configuration(venue.rest_url)) as connector:
        port = venue._port
        await venue.stop()
        order_id = connector.buy("SOL-USDC", Decimal("1"), OrderType.MARKET)
        await eventually(lambda: order_id not in connector.in_flight_orders)
        assert connector.get_balance("SOL") == 50, "nothing fills without prices"
        async with SimulatedBackpack(seed=4, market=Synthetic(4), port=port):
            await eventually(lambda: connector.ready and connector.get_price("SOL-USDC", True) > 0, timeout=30)

            def buys() -> bool:
                if not connector.in_flight_orders:
                    connector.buy("SOL-USDC", Decimal("1"), OrderType.MARKET)
                return connector.get_balance("SOL") > 50

            await eventually(buys, timeout=30)


@pytest.mark.parametrize("key, secret, told", [("abc", "", "without its secret"), ("", "abc", "without its key")])
def test_half_a_key_pair_is_no_demo(key: str, secret: str, told: str):
    with pytest.raises(InvalidKeys, match=told):
        BackpackExchange(key, secret)


@pytest.mark.parametrize(
    "settings, told",
    [
        pytest.param({"balances": "USDC 100"}, "entries like USDC=10000, found .USDC 100.", id="no equals sign"),
        pytest.param({"balances": "USDC=much"}, "expected a number, found 'much'", id="no number"),
        pytest.param({"balances": "USDC=-1"}, "expected USDC of 0 or more", id="negative"),
        pytest.param({"taker_fee_bps": "ten"}, "backpack_demo.yml: taker_fee_bps: expected a number", id="fee"),
    ],
)
def test_settings_that_make_no_sense_say_so(settings: dict[str, str], told: str):
    with pytest.raises(BadDemoSettings, match=told):
        DemoSettings.of(DemoConfigMap(**settings))


@pytest.mark.parametrize(
    "text, told",
    [
        pytest.param("taker_fee_bps: [1]", "taker_fee_bps: Input should be a valid string", id="kind"),
        pytest.param("keep: perhaps", "keep: Input should be a valid boolean", id="yes or no"),
        pytest.param("balance: USDC=1", "balance: Extra inputs are not permitted", id="unknown word"),
        pytest.param("- source", "the file: Input should be", id="a list"),
        pytest.param("source: [", "cannot be read", id="no YAML"),
    ],
)
def test_a_file_that_makes_no_sense_says_so(text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(settings, "CONF_DIR_PATH", tmp_path)
    (tmp_path / backpack_demo.CONFIG_FILE).write_text(text)
    with pytest.raises(BadDemoSettings, match=f"backpack_demo.yml.*{told}"):
        DemoExchange(None, []).balances()


def test_the_file_that_an_instance_folder_is_given_says_the_defaults(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(settings, "CONF_DIR_PATH", TEMPLATE / "conf")
    assert DemoConfigMap.read() == DemoConfigMap()
    assert (TEMPLATE / "conf" / backpack_demo.CONFIG_FILE).exists()


def test_the_saved_keys_have_the_fields_of_hummingbots_own_connector():
    """It refuses any other, and with it the login, once this connector is uninstalled."""
    assert set(BackpackConfigMap.model_fields) == {"connector", "backpack_api_key", "backpack_api_secret"}


@pytest.mark.parametrize("source", ["/no/such/recording.jsonl", "ftp://somewhere"])
async def test_a_source_that_is_none_says_so(source: str):
    with pytest.raises(BadDemoSettings, match="backpack_demo.yml: source"):
        await DemoExchange(DemoConfigMap(source=source, keep=False), ["SOL-USDC"]).start()


async def test_settings_that_make_no_sense_are_told_once_when_trading_starts(caplog: pytest.LogCaptureFixture):
    connector = BackpackExchange(trading_pairs=["SOL-USDC"], demo_config=configuration("ftp://somewhere"))
    for _ in range(3):
        assert await connector.check_network() == NetworkStatus.NOT_CONNECTED
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) == 1 and told[0].startswith(
        "DEMO: not started. backpack_demo.yml: source: expected an address or a recording"
    )


async def test_a_market_the_source_does_not_list_says_so(venue: SimulatedBackpack):
    demo = DemoExchange(DemoConfigMap(source=venue.rest_url, keep=False), ["DOGE-USDC"])
    with pytest.raises(BadDemoSettings, match="DOGE_USDC"):
        await demo.start()


async def test_a_spoilt_state_file_says_what_to_do(state_folder: Path):
    (state_folder / backpack_demo.STATE_FILE).write_text("{")
    with pytest.raises(BadDemoSettings, match="Remove the file"):
        DemoExchange(DemoConfigMap(), []).balances()
