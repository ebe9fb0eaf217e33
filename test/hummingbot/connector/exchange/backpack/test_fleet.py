"""Past one process: instances that share an account's rate limit, and bots that are commanded over an MQTT broker.

docs/performance.md tells how to do the same.
"""

import re
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hummingbot_backpack.local_exchange import Account, LocalExchange
from hummingbot_backpack.reckoning import TradeDatabase
from hummingbot_backpack.reckoning import differences as reckon
from test.hummingbot.connector.exchange.backpack.fleet import (
    AccountSeen,
    LimitedExchange,
    Trader,
    TraderSeen,
    differences,
    most_in_a_minute,
)
from test.hummingbot.connector.exchange.backpack.practice_runs import CHECKOUT, control, free_port
from test.hummingbot.connector.exchange.backpack.remote import Broker, Commander, Instance, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

PER_MINUTE = 2000
OPENING = {"SOL": Decimal(100), "USDC": Decimal(20_000)}
CONFIG = "conf_pmm_backpack_local.yml"

# Two traders on each account, and their shares of its limit.
SHARES = {"halves": (50, 50), "uneven": (60, 40), "greedy": (100, 100)}
# The limit is one of any minute: their first requests have left the window when they end, and they are at it again.
TRADING_S = 67.0
GREEDY_ON_S = 5.0  # so long they go on after the first refusal


@dataclass(frozen=True)
class Outcome:
    account: AccountSeen
    traders: list[TraderSeen]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """All traders on one exchange that has Backpack's rate limit for each account."""
    folder = tmp_path_factory.mktemp("fleet")
    with ExitStack() as stack:
        exchange = LimitedExchange(folder, *SHARES)
        stack.callback(exchange.close)

        def start(account: str) -> list[Trader]:
            pair = [
                Trader(folder, exchange, account, str(number), share, TRADING_S)
                for number, share in enumerate(SHARES[account], 1)
            ]
            for trader in pair:
                stack.callback(trader.close)
            return pair

        traders = {"greedy": start("greedy")}
        until(lambda: exchange.refused() > 0, TRADING_S, "without shares the limit is exceeded")
        time.sleep(GREEDY_ON_S)
        for trader in traders["greedy"]:
            trader.end()  # with the limit used up: what they have under way has to wait for the minute to pass
        traders |= {account: start(account) for account in ("halves", "uneven")}
        seen = {account: [trader.seen(within_s=300) for trader in pair] for account, pair in traders.items()}
        accounts = exchange.accounts()
    return {account: Outcome(accounts[account], seen[account]) for account in SHARES}


@pytest.mark.parametrize("account", ["halves", "uneven"])
def test_two_instances_stay_inside_the_limit_by_their_shares(session: dict[str, Outcome], account: str):
    outcome = session[account]
    assert outcome.account.refused == 0
    assert outcome.account.most_in_a_minute() <= PER_MINUTE
    for trader, share in zip(outcome.traders, SHARES[account], strict=True):
        most = most_in_a_minute(trader.sent_s)
        assert 0.75 * share <= most / PER_MINUTE * 100 <= share, "it is the share that limits it, and nothing else"
    assert differences(outcome.account, outcome.traders) == []


def test_without_shares_two_instances_exceed_the_limit_and_lose_nothing(session: dict[str, Outcome]):
    outcome = session["greedy"]
    assert outcome.account.refused > 0
    assert differences(outcome.account, outcome.traders) == []


@pytest.mark.parametrize("account", SHARES)
def test_the_traders_were_busy(session: dict[str, Outcome], account: str):
    outcome = session[account]
    assert len(outcome.account.orders) > 300
    assert all(len(trader.fills) > 5 for trader in outcome.traders)


# -- Hummingbots -------------------------------------------------------------------------------------------------------


@pytest.fixture
def local_exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalExchange]:
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))  # this checkout's, in a process of its own
    with LocalExchange(free_port(), tmp_path / "exchange.log", seed=1) as running:
        yield running


def port_of(exchange: LocalExchange) -> int:
    return int(exchange.url.rpartition(":")[2])


def limited(exchange: LocalExchange, account: Account, requests: int) -> int:
    """Give the account a rate limit; the number by which to ask how often it was exceeded."""
    budget = {"fault": "request_budget", "parameters": {"requests": requests}, "match": {"account": account.name}}
    return int(control(port_of(exchange), "faults", budget)["id"])


def refused(exchange: LocalExchange, limit: int) -> int:
    [fired] = [armed["fired"] for armed in control(port_of(exchange), "faults")["armed"] if armed["id"] == limit]
    return int(fired)


def test_the_share_in_an_instance_folder_is_its_bots(tmp_path: Path, local_exchange: LocalExchange):
    """Of two bots with the same strategy, the one with 2 % of the limit keeps to 40 requests a minute."""
    modest, other = (Instance(tmp_path / name, local_exchange.url) for name in ("modest", "other"))
    accounts = {bot.name: local_exchange.add_account(bot.name, OPENING) for bot in (modest, other)}
    limits = {name: limited(local_exchange, account, requests=40) for name, account in accounts.items()}
    try:
        modest.set(rate_limits_share_pct=2)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda bot: bot.connect(accounts[bot.name].keys_of("backpack_local")), (modest, other)))
        for bot in (modest, other):
            bot.start(CONFIG)
        until(lambda: refused(local_exchange, limits["other"]) > 0, 90, "the other bot needs more than 40 a minute")
        until(lambda: local_exchange.open_orders(accounts["modest"]), 30, "the modest bot quotes")
        time.sleep(10)  # for as many refreshes at least as took the other bot beyond
        assert refused(local_exchange, limits["modest"]) == 0
    finally:
        modest.kill()
        other.kill()


class Fleet:
    """Two bots that run the same strategy on the same account, each with half of its rate limit."""

    def __init__(self, folder: Path, exchange: LocalExchange, broker: Broker) -> None:
        self.exchange = exchange
        self.account = exchange.add_account("practice", OPENING)
        self.bots = [Instance(folder / name, exchange.url) for name in ("bot_one", "bot_two")]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda bot: self._prepare(bot, broker), self.bots))

    def _prepare(self, bot: Instance, broker: Broker) -> None:
        bot.set(
            instance_id=bot.name,
            rate_limits_share_pct=50,
            mqtt_bridge__mqtt_port=broker.port,
            mqtt_bridge__mqtt_autostart=True,
        )
        bot.connect(self.account.keys_of("backpack_local"))

    def kill(self) -> None:
        for bot in self.bots:
            bot.kill()

    def open_orders(self) -> set[str]:
        """By client id."""
        return {str(order["clientId"]) for order in control(port_of(self.exchange), "orders?account=practice")}

    def database(self, bot: Instance) -> Path:
        return bot.folder / "data" / "conf_pmm_backpack_local.sqlite"

    def recorded_trades(self, bot: Instance) -> set[str]:
        with closing(sqlite3.connect(self.database(bot))) as connection:
            return {trade for (trade,) in connection.execute("SELECT exchange_trade_id FROM TradeFill")}

    def differences(self) -> list[str]:
        recorded = [fill for bot in self.bots for fill in TradeDatabase(self.database(bot), "backpack_local").read()]
        statement = self.exchange.statement(self.account)
        return reckon(recorded, statement.fills, OPENING, statement.balances, len(self.open_orders()))


def orders_created(commander: Commander, bot: Instance) -> set[str]:
    """Client ids, from the log that the bot publishes."""
    lines = [line["msg"] for line in commander.heard(bot.name, "log")]
    return {found[1] for line in lines if (found := re.match(r"Created \w+ \w+ order (\d+) for", line))}


def trades_of(answer: dict[str, Any]) -> set[str]:
    assert answer["status"] == 200, answer
    return {trade["trade_id"] for trade in answer["trades"]}


def test_two_bots_are_commanded_over_a_broker(tmp_path: Path, local_exchange: LocalExchange):
    with Broker(tmp_path) as broker, Commander(broker.port) as commander, ExitStack() as stack:
        fleet = Fleet(tmp_path, local_exchange, broker)
        stack.callback(fleet.kill)
        limit = limited(local_exchange, fleet.account, PER_MINUTE)
        one, two = fleet.bots

        def alive(bot: Instance) -> set[str]:
            return orders_created(commander, bot) & fleet.open_orders()

        # They start with their process: the command `start` does not work in this Hummingbot (below).
        for bot in fleet.bots:
            bot.start(CONFIG)
        for bot in fleet.bots:
            until(lambda bot=bot: commander.heard(bot.name, "hb"), 60, f"{bot.name}'s heart beats")
            until(lambda bot=bot: len(alive(bot)) >= 3, 60, f"{bot.name} quotes")
            online = [told["msg"] for told in commander.heard(bot.name, "status_updates")]
            assert online == ["online"]

        # The broker may go: they trade on, and come back to it.
        broker.stop()
        beats = len(commander.heard(one.name, "hb"))
        broker.start()
        until(lambda: len(commander.heard(one.name, "hb")) > beats, 30, "the heart beats again")
        until(lambda: len(fleet.recorded_trades(one)) >= 2 and len(fleet.recorded_trades(two)) >= 2, 120, "fills")
        for bot in fleet.bots:
            told = trades_of(commander.ask(bot.name, "history"))
            assert told and told <= fleet.recorded_trades(bot)

        for command in ("start", "status", "import"):
            answer = commander.ask(one.name, command, strategy="conf_pmm_backpack_local")
            assert answer["status"] == 400, f"docs/performance.md says that {command} does not work: {answer}"

        # One stops and cancels its orders before it answers, the other quotes on.
        until(lambda: len(alive(one)) >= 3, 20, "the first bot has orders to cancel")
        assert commander.ask(one.name, "stop") == {"status": 200, "msg": ""}
        assert alive(one) == set()
        known = orders_created(commander, two)
        until(lambda: len(alive(two) - known) >= 3, 20, "the other bot quotes on")
        assert commander.ask(two.name, "stop")["status"] == 200
        assert fleet.open_orders() == set()

        # What has stopped is the strategy. The process waits, and cannot be told to trade again.
        beats = len(commander.heard(one.name, "hb"))
        until(lambda: len(commander.heard(one.name, "hb")) > beats, 30, "the stopped bot's heart beats")
        assert [bot.terminate() for bot in fleet.bots] == [0, 0]
        assert fleet.differences() == []
        assert refused(local_exchange, limit) == 0
