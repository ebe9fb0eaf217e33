"""Figures that were promised, measured at the connector's own pace; and what a strategy does on a lost market."""

import logging
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack.supervision import StreamSupervisor
from hummingbot.strategy.market_trading_pair_tuple import MarketTradingPairTuple
from hummingbot.strategy.pure_market_making import PureMarketMakingStrategy
from test.hummingbot.connector.exchange.backpack.reliability.rig import PAIR, SYMBOL, Rig, faults
from test.hummingbot.connector.exchange.backpack.support import eventually

ROUND_TRIP_S = 0.2  # what the local exchange is made to take for a snapshot


async def test_a_gap_is_mended_within_a_second_and_a_round_trip():
    async with Rig() as rig:
        rig.sim.faults.arm(faults.Latency(ROUND_TRIP_S), path=CONSTANTS.DEPTH.path)
        for _ in range(3):
            rig.sim.faults.arm(faults.DropUpdate(), stream="depth.", count=1)
            rig.move(2)
            seconds = await rig.until(lambda: not rig.wrong_books(), 1.0 + ROUND_TRIP_S, "the right book")
            logging.info("gap mended after %.2f s", seconds)


async def test_what_happened_without_the_private_stream_is_known_two_seconds_after_its_return():
    """Polls are 5 s and more apart at this pace: it is the return that sets things right."""
    async with Rig() as rig:
        filled, cancelled = await rig.resting(price="149.5"), await rig.resting()
        rig.sim.faults.arm(faults.ResetConnection(), stream="account.", count=1)
        rig.street_takes(filled)
        order = rig.venue_order(cancelled)
        rig.sim.exchange.cancel(rig.account.name, SYMBOL, order_id=order.id)
        rig.sim.exchange.deposit(rig.account.name, "SOL", Decimal(5))
        await eventually(lambda: not any("account.orderUpdate" in one.streams for one in rig.sim.sessions))
        await eventually(lambda: any("account.orderUpdate" in one.streams for one in rig.sim.sessions))
        seconds = await rig.settled(2.0)
        logging.info("right %.2f s after the private stream's return", seconds)


@pytest.mark.parametrize("dice", [0.0, 0.5, 0.999], ids=["short delays", "average delays", "long delays"])
@pytest.mark.parametrize("uptime_s", [0.0, 5.0], ids=["closed at once", "closed after 5 s"])
def test_who_is_always_thrown_out_tries_at_most_ten_times_in_the_first_minute(dice, uptime_s):
    now_s, attempts = 0.0, 0
    supervisor = StreamSupervisor(lambda: dice, now_s)
    while True:
        now_s += supervisor.seconds_until_retry(now_s)
        if now_s >= 60:
            break
        supervisor.on_connecting(now_s)
        attempts += 1
        supervisor.on_live(now_s)
        now_s += uptime_s
        supervisor.on_lost(now_s)
    assert attempts <= 10


async def test_a_strategy_places_no_order_on_a_market_that_is_lost(monkeypatch):
    """Pure market making never asks whether the connector is ready again; it is the empty book that keeps it still."""
    monkeypatch.setattr(CONSTANTS, "EMPTY_BOOK_AFTER_S", 1.0)
    async with Rig() as rig:
        strategy = PureMarketMakingStrategy()
        strategy.init_params(
            market_info=MarketTradingPairTuple(rig.connector, PAIR, "SOL", "USDC"),
            bid_spread=Decimal("0.02"),
            ask_spread=Decimal("0.02"),
            order_amount=Decimal(1),
            order_refresh_time=1.0,
        )
        rig._clock.add_iterator(strategy)
        await rig.until(lambda: len(rig.venue_orders()) == 2, 10, "the strategy quotes")
        lost = rig.sim.faults.arm(faults.RefuseConnection(rest=False))
        rig.sim.faults.arm(faults.ResetConnection(), stream="depth.", count=1)
        await rig.until(lambda: rig.connector.get_price(PAIR, True).is_nan(), 5, "the book is shown as empty")
        await rig.pass_time(1.0)  # what was under way
        rig.reprice("140")
        placed = len(rig.placed)
        await rig.pass_time(3.0)
        assert len(rig.placed) == placed, "an order was placed at a price from before the loss"
        rig.sim.faults.clear(lost)
        await rig.until(lambda: len(rig.placed) > placed, 20, "the strategy quotes again")
