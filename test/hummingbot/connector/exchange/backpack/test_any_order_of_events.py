"""Random orders, cancels, fills, faults, reconnects and restarts, in any order; when all is quiet, the two sides agree.

Hypothesis shrinks what fails to the shortest story and prints it as a plain test (and a blob to replay it); such a
story is kept below as one. What a fault does in time is chance, so a story may need several runs to fail again.
"""

import asyncio
import os
import random
from collections.abc import Coroutine
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from hummingbot.core.data_type.common import OrderType
from test.hummingbot.connector.exchange.backpack.reliability.chaos import TROUBLES, arm
from test.hummingbot.connector.exchange.backpack.reliability.rig import Pace, Rig, model

# Between the street's best levels (148.50 and 151.50): at the touch, so that the street can trade with them.
BIDS = ["149.40", "149.50", "149.60"]
ASKS = ["150.40", "150.50", "150.60"]
AMOUNTS = ["0.10", "0.50", "1.00"]
QUIET_WITHIN_S = 30.0


class TradingUnderFaults(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.rig: Rig = self.run(self._open())
        self.dice = random.Random(0)

    async def _open(self) -> Rig:
        return await Rig(pace=Pace()).__aenter__()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(coroutine)

    @initialize(seed=st.integers(0, 2**32 - 1))
    def throw_dice(self, seed: int) -> None:
        self.dice = random.Random(seed)

    @rule(price=st.sampled_from(BIDS), amount=st.sampled_from(AMOUNTS), maker=st.booleans())
    def buy(self, price: str, amount: str, maker: bool) -> None:
        self.run(self._place(self.rig.buy, amount, price, maker))

    @rule(price=st.sampled_from(ASKS), amount=st.sampled_from(AMOUNTS), maker=st.booleans())
    def sell(self, price: str, amount: str, maker: bool) -> None:
        self.run(self._place(self.rig.sell, amount, price, maker))

    @rule(amount=st.sampled_from(AMOUNTS), buy=st.booleans())
    def take(self, amount: str, buy: bool) -> None:
        self.run(self._place(self.rig.buy if buy else self.rig.sell, amount, "NaN", None))

    async def _place(self, place: Any, amount: str, price: str, maker: bool | None) -> None:
        if self.rig.connector.trading_rules:
            kind = {True: OrderType.LIMIT_MAKER, False: OrderType.LIMIT, None: OrderType.MARKET}[maker]
            place(amount, price, kind)
        await asyncio.sleep(0)

    @rule(which=st.integers(0, 5))
    def cancel(self, which: int) -> None:
        self.run(self._cancel(which))

    async def _cancel(self, which: int) -> None:
        orders = list(self.rig.connector.in_flight_orders.values())
        if orders:
            order = orders[which % len(orders)]
            self.rig.connector.cancel(order.trading_pair, order.client_order_id)
        await asyncio.sleep(0)

    @rule(which=st.integers(0, 5), amount=st.sampled_from(AMOUNTS))
    def street_trades_with_us(self, which: int, amount: str) -> None:
        """The street sweeps one of our prices, and whatever of ours is better on its way."""
        orders = self.rig.venue_orders()
        if orders:
            order = orders[which % len(orders)]
            self.rig.street_order(order.side.opposite, amount, order.price)
            self.street_leaves()

    def street_leaves(self) -> None:
        """What the street's sweep left resting would stand in the way of later orders."""
        exchange = self.rig.sim.exchange
        for order in exchange.open_orders(self.rig.street.name):
            if Decimal("149") < order.price < Decimal("151") and order.symbol == "SOL_USDC":
                exchange.cancel(self.rig.street.name, order.symbol, order_id=order.id)

    @rule(which=st.integers(0, 5))
    def exchange_cancels(self, which: int) -> None:
        orders = self.rig.venue_orders()
        if orders:
            order = orders[which % len(orders)]
            self.rig.sim.exchange.cancel(order.account, order.symbol, order_id=order.id)

    @rule(price=st.sampled_from(["140", "141", "160", "161"]), amount=st.sampled_from(["1", "2", "3"]))
    def book_moves(self, price: str, amount: str) -> None:
        side = model.Side.BID if Decimal(price) < 150 else model.Side.ASK
        self.rig.street_order(side, amount, price)

    @rule(trouble=st.sampled_from(TROUBLES))
    def trouble_begins(self, trouble: Any) -> None:
        note(trouble.name)
        arm(trouble, self.rig.sim, self.dice)

    @rule()
    def trouble_ends(self) -> None:
        for armed in list(self.rig.sim.faults):
            if armed.fault is not self.rig.requests:
                self.rig.sim.faults.clear(armed)

    @rule(seconds=st.sampled_from([0.02, 0.1, 0.5, 1.2]))
    def time_passes(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))

    @rule()
    def bot_is_killed_and_restarted(self) -> None:
        self.run(self._restart())

    async def _restart(self) -> None:
        saved = await self.rig.kill_connector()
        await self.rig.start_connector(saved, wait=False)

    def teardown(self) -> None:
        try:
            self.trouble_ends()
            self.run(self.rig.settled(QUIET_WITHIN_S))
        finally:
            self.run(self.rig.__aexit__(None, None, None))
            self.loop.close()


# New stories each time by hand, the same ones in CI: what fails there must be what the change broke.
_SETTINGS = {
    "derandomize": "CI" in os.environ,
    "deadline": None,
    "print_blob": True,
    "suppress_health_check": list(HealthCheck),
}


def test_a_few_stories() -> None:
    _play(max_examples=5, stateful_step_count=15)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_stories() -> None:
    _play(max_examples=60, stateful_step_count=40)


def _play(**limits: int) -> None:
    run_state_machine_as_test(TradingUnderFaults, settings=settings(**_SETTINGS, **limits))


# -- stories that failed once ------------------------------------------------------------------------------------------


async def test_a_market_order_without_a_book_fails_instead_of_staying_for_ever() -> None:
    async with Rig(pace=Pace()) as rig:
        for order in rig.sim.exchange.open_orders(rig.street.name):
            rig.sim.exchange.cancel(order.account, order.symbol, order_id=order.id)
        await rig.settled()
        order_id = rig.buy("1", "NaN", OrderType.MARKET)
        await rig.until(lambda: rig.told.of("OrderFailure", order_id), 5, "the order failed")
        await rig.settled()
