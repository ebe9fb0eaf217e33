"""Several traders and their exchange as processes of their own, as in a fleet; and what the processes tell at the end.

``LimitedExchange`` and ``Trader`` start the processes, ``exchange`` and ``trader`` run in them.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch
from urllib.request import urlopen

import aiohttp

from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange
from hummingbot.connector.exchange.backpack.simulator import SimulatedBackpack
from hummingbot.connector.exchange.backpack.simulator.answers import Answer
from hummingbot.connector.exchange.backpack.simulator.faults import Call, Fault, Handler, RequestBudget
from hummingbot.connector.exchange.backpack.simulator.market import Synthetic
from hummingbot.connector.exchange.backpack.simulator.model import Fill
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.event.event_forwarder import EventForwarder
from hummingbot.core.event.events import MarketEvent, OrderFilledEvent
from hummingbot.logger import HummingbotLogger
from test.hummingbot.connector.exchange.backpack.support import running

CHECKOUT = Path(__file__).parents[5]
RUN = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); import conftest; "
    "from test.hummingbot.connector.exchange.backpack import fleet; fleet.main()"
)
PAIR = "SOL-USDC"
FUNDS = {"USDC": "10000000", "SOL": "100000"}
MINUTE_S = 60.0
PLACERS = 4
PATIENCE_S = 30.0  # then a cancel that led to nothing is asked for again, as strategies do
SETTLED_WITHIN_S = 150.0  # a budget that was used up is whole again after a minute, a pause after a 429 may add another

TOLD_AS = {
    MarketEvent.BuyOrderCreated: "Created",
    MarketEvent.SellOrderCreated: "Created",
    MarketEvent.BuyOrderCompleted: "Filled",
    MarketEvent.SellOrderCompleted: "Filled",
    MarketEvent.OrderCancelled: "Cancelled",
    MarketEvent.OrderFailure: "Failed",
}


# -- what the processes tell -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FillSeen:
    client_id: str
    trade_id: str
    price: str
    quantity: str
    fee: str


@dataclass(frozen=True)
class AccountSeen:
    """One account by the exchange: when each request came, seconds, with its status; orders by client id; fills."""

    requests: list[tuple[float, int]]
    orders: dict[str, str]
    fills: list[FillSeen]

    @property
    def refused(self) -> int:
        return sum(status == 429 for _, status in self.requests)

    def most_in_a_minute(self) -> int:
        return most_in_a_minute(time_s for time_s, _ in self.requests)


@dataclass(frozen=True)
class TraderSeen:
    """When a trader has sent requests, those that need no key included, and what its connector told of each order."""

    sent_s: list[float]
    told: dict[str, list[str]]
    fills: list[FillSeen]
    left: list[str]


def most_in_a_minute(times_s: Iterable[float]) -> int:
    """The most in any window of a minute, wherever it begins."""
    times_s = sorted(times_s)
    most = first = 0
    for last, time_s in enumerate(times_s):
        while times_s[first] <= time_s - MINUTE_S:
            first += 1
        most = max(most, last - first + 1)
    return most


def differences(there: AccountSeen, traders: Iterable[TraderSeen]) -> list[str]:
    """A sentence for each order and fill that the exchange and the connectors on this account tell differently."""
    told: dict[str, list[str]] = defaultdict(list)
    found = []
    for number, trader in enumerate(traders, 1):
        found += [f"order {order}: trader {number} takes it for alive" for order in trader.left]
        for order, story in trader.told.items():
            told[order] += story
    for order, status in there.orders.items():
        if told[order] != ["Created", status]:
            found.append(f"order {order}: {status} on the exchange, told as {', '.join(told[order]) or 'nothing'}")
    for order in told.keys() - there.orders.keys():
        if told[order] != ["Failed"]:
            found.append(f"order {order}: the exchange never had it, told as {', '.join(told[order])}")
    ours = Counter(fill for trader in traders for fill in trader.fills)
    theirs = Counter(there.fills)
    found += [f"fill lost: {fill}" for fill in theirs - ours]
    return found + [f"fill invented or told twice: {fill}" for fill in ours - theirs]


# -- starting them -----------------------------------------------------------------------------------------------------


class _Process:
    """A program of this file. It writes what it has to tell to a file when it ends."""

    def __init__(self, report: Path, *arguments: str, **environment: str) -> None:
        self._report = report
        command = [sys.executable, "-c", RUN, str(CHECKOUT), *arguments, str(report)]
        self._log = report.with_suffix(".log").open("w")
        self._process = subprocess.Popen(
            command, env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT
        )

    def told(self, within_s: float) -> Any:
        """What it wrote, once it has ended by itself."""
        code = self._process.wait(within_s)
        log = Path(self._log.name).read_text()
        assert code == 0, log[-3000:]
        return json.loads(self._report.read_text())

    def end(self) -> None:
        """It settles what it has under way first."""
        self._process.terminate()

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._log.close()


class LimitedExchange(_Process):
    """A local exchange with a market of its own and Backpack's rate limit, or one of ``budget`` requests a minute."""

    def __init__(self, folder: Path, *accounts: str, budget: int = RequestBudget.requests) -> None:
        self._about = folder / "exchange.about.json"
        super().__init__(folder / "exchange.json", "exchange", ",".join(accounts), str(budget), str(self._about))
        until_s = time.monotonic() + 30
        while not self._about.exists():
            assert self._process.poll() is None and time.monotonic() < until_s, Path(self._log.name).read_text()
            time.sleep(0.05)
        about = json.loads(self._about.read_text())
        self.url: str = about["url"]
        self.keys: dict[str, list[str]] = about["keys"]

    def refused(self) -> int:
        """How many requests, of all accounts, were beyond the limit so far."""
        with urlopen(f"{self.url}/_sim/faults", timeout=10) as answer:
            armed = json.load(answer)["armed"]
        return sum(one["fired"] for one in armed if one["fault"] == RequestBudget.name)

    def accounts(self) -> dict[str, AccountSeen]:
        """Ends it, and says how it went."""
        self.end()
        return {
            name: AccountSeen(
                requests=[(time_s, status) for time_s, status in account["requests"]],
                orders=account["orders"],
                fills=[FillSeen(**fill) for fill in account["fills"]],
            )
            for name, account in self.told(within_s=20).items()
        }


class Trader(_Process):
    """One connector, driven as hard as it goes for ``seconds`` or until ``end``, with this share of the rate limits."""

    def __init__(self, folder: Path, exchange: LimitedExchange, account: str, name: str, share: int, seconds: float):
        key, secret = exchange.keys[account]
        values = ["trader", key, secret, str(share), str(seconds)]
        super().__init__(folder / f"{account}-{name}.json", *values, BACKPACK_LOCAL_URL=exchange.url)

    def seen(self, within_s: float) -> TraderSeen:
        told = self.told(within_s)
        return TraderSeen(told["sent_s"], told["told"], [FillSeen(**fill) for fill in told["fills"]], told["left"])


# -- the exchange's process --------------------------------------------------------------------------------------------


class Requests(Fault):
    """Not a fault: keeps count of who asked when, and how it was answered."""

    name: ClassVar[str] = "requests"

    def __init__(self) -> None:
        self.by_account: dict[str | None, list[tuple[float, int]]] = defaultdict(list)

    async def request(self, call: Call, handle: Handler) -> Answer:
        asked_s = time.monotonic()
        answer = await handle()
        self.by_account[call.account].append((asked_s, answer.status))
        return answer


async def exchange(accounts: str, budget: str, about: str, report: str) -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    requests = Requests()
    async with SimulatedBackpack(seed=3, market=Synthetic(3)) as sim:
        opened = [sim.add_account(FUNDS, name=name) for name in accounts.split(",")]
        sim.faults.arm(requests)
        sim.faults.arm(RequestBudget(int(budget)))
        keys = {account.name: [account.api_key, account.api_secret] for account in opened}
        _write(about, {"keys": keys, "url": sim.rest_url})
        await over.wait()
        told = {}
        for account in opened:
            told[account.name] = {
                "requests": requests.by_account[account.name],
                "orders": {str(row.client_id): row.status.value for row in sim.exchange.order_history(account.name)},
                "fills": [asdict(_fill_seen(fill)) for fill in sim.exchange.fills(account.name)],
            }
        _write(report, told)


def _fill_seen(fill: Fill) -> FillSeen:
    return FillSeen(str(fill.client_id), str(fill.trade_id), _text(fill.price), _text(fill.quantity), _text(fill.fee))


def _text(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _write(file: str, content: Any) -> None:
    """It is complete when it appears."""
    unfinished = Path(f"{file}.part")
    unfinished.write_text(json.dumps(content))
    unfinished.replace(file)


# -- a trader's process ------------------------------------------------------------------------------------------------


class Driver:
    """Places and cancels, takes from the market and asks for balances as fast as the connector allows."""

    def __init__(self, connector: BackpackExchange, seconds: float) -> None:
        self._connector = connector
        self._ends_s = time.monotonic() + seconds
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._end)
        self.told: dict[str, list[str]] = defaultdict(list)
        self.fills: list[FillSeen] = []
        self._listeners = [EventForwarder(self._hear_fill)]  # the connector holds them weakly
        connector.add_listener(MarketEvent.OrderFilled, self._listeners[0])
        for event, what in TOLD_AS.items():
            self._listeners.append(EventForwarder(partial(self._hear, what)))
            connector.add_listener(event, self._listeners[-1])

    def _hear(self, what: str, told: Any) -> None:
        self.told[told.order_id].append(what)

    def _hear_fill(self, told: OrderFilledEvent) -> None:
        [fee] = told.trade_fee.flat_fees
        values = (_text(number) for number in (told.price, told.amount, fee.amount))
        self.fills.append(FillSeen(told.order_id, told.exchange_trade_id, *values))

    async def run(self) -> None:
        await asyncio.gather(*(self._place_and_cancel() for _ in range(PLACERS)), self._take(), self._ask())

    def _end(self) -> None:
        self._ends_s = time.monotonic()

    @property
    def _goes_on(self) -> bool:
        return time.monotonic() < self._ends_s

    async def _place_and_cancel(self) -> None:
        while self._goes_on:
            price = self._near(Decimal("0.97"))
            order = self._connector.buy(PAIR, Decimal("0.1"), OrderType.LIMIT_MAKER, price)
            if not await self._is_created(order):
                continue
            asked_s = -PATIENCE_S
            while self._goes_on and len(self.told[order]) < 2:
                if time.monotonic() > asked_s + PATIENCE_S:
                    self._connector.cancel(PAIR, order)
                    asked_s = time.monotonic()
                await asyncio.sleep(0.01)

    async def _take(self) -> None:
        while self._goes_on:
            for trade, reach in ((self._connector.buy, "1.005"), (self._connector.sell, "0.995")):
                await self._is_created(trade(PAIR, Decimal("0.1"), OrderType.LIMIT, self._near(Decimal(reach))))
                await asyncio.sleep(0.5)

    async def _ask(self) -> None:
        while self._goes_on:
            with contextlib.suppress(Exception):
                await self._connector._update_balances()  # what the `balance` command does
            await asyncio.sleep(0.5)

    def _near(self, part: Decimal) -> Decimal:
        price: Decimal = self._connector.quantize_order_price(PAIR, self._connector.get_mid_price(PAIR) * part)
        return price

    async def _is_created(self, order: str) -> bool:
        """Wait until the connector has told what became of placing it."""
        while self._goes_on and not self.told[order]:  # noqa: ASYNC110  as in _until
            await asyncio.sleep(0.01)
        if self.told[order] == ["Failed"]:
            await asyncio.sleep(0.2)
        return self.told[order] == ["Created"]


class Sent:
    """Notes when this process asks anything over HTTP, whichever way the connector goes about it."""

    def __init__(self) -> None:
        self.times_s: list[float] = []
        inherited = aiohttp.ClientSession._request

        async def counted(session: Any, method: str, url: Any, **options: Any) -> Any:
            if not str(url).endswith("/ws"):
                self.times_s.append(time.monotonic())
            return await inherited(session, method, url, **options)

        self.patch = patch.object(aiohttp.ClientSession, "_request", counted)


async def trader(key: str, secret: str, share: str, seconds: str, report: str) -> None:
    connector = BackpackExchange(
        key, secret, trading_pairs=[PAIR], domain="backpack_local", rate_limits_share_pct=Decimal(share)
    )
    sent = Sent()
    no_application = patch.object(HummingbotLogger, "is_testing_mode", staticmethod(lambda: True))  # see conftest.py
    with sent.patch, no_application:
        async with running(connector, ready=False):
            await _until(lambda: connector.ready, 60)
            driver = Driver(connector, float(seconds))
            await driver.run()
            await connector.cancel_all(SETTLED_WITHIN_S)
            with contextlib.suppress(TimeoutError):
                await _until(lambda: not connector.in_flight_orders, SETTLED_WITHIN_S)
            await asyncio.sleep(2)  # in which nothing more may come
            told = {order: story for order, story in driver.told.items() if story}
            left = list(connector.in_flight_orders)
            fills = [asdict(fill) for fill in driver.fills]
            _write(report, {"sent_s": sent.times_s, "told": told, "fills": fills, "left": left})


async def _until(condition: Callable[[], object], within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110  the state is the connector's and has no event
            await asyncio.sleep(0.05)


def main() -> None:
    program, *arguments = sys.argv[1:]
    asyncio.run({"exchange": exchange, "trader": trader}[program](*arguments))
