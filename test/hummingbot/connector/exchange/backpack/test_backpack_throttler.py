"""The throttler as Hummingbot's users and the connector's calls know it, on the real clock and short windows."""

import asyncio
import logging
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack.backpack_throttler import BackpackThrottler
from hummingbot.connector.exchange.backpack.backpack_web_utils import create_throttler
from hummingbot.core.api_throttler.data_types import LinkedLimitWeightPair, RateLimit
from test.hummingbot.connector.exchange.backpack.support import eventually

PLACE, CANCEL, QUERY = (
    endpoint.limit_id for endpoint in (CONSTANTS.PLACE_ORDER, CONSTANTS.CANCEL_ORDER, CONSTANTS.OPEN_ORDERS)
)
SHORT_S = 0.2


def small(limit: int = 3, **others: int) -> BackpackThrottler:
    """``limit`` calls named "x" in 0.2 s (and the safety margin), and the same for others."""
    return BackpackThrottler([RateLimit(name, number, SHORT_S) for name, number in {"x": limit, **others}.items()])


def used_up(throttler: BackpackThrottler, limit_id: str) -> int:
    """How many went at once, all of which are now used."""
    number = 0
    while throttler.admit(limit_id):
        number += 1
    return number


async def turns(throttler: BackpackThrottler, limit_ids: Sequence[str]) -> list[int]:
    """Ask for all at once; the order in which they went."""
    went: list[int] = []

    async def one(number: int, limit_id: str) -> None:
        async with throttler.execute_task(limit_id):
            went.append(number)

    await asyncio.gather(*(one(number, limit_id) for number, limit_id in enumerate(limit_ids)))
    return went


# -- as Hummingbot's throttler ----------------------------------------------------------------------------------------


async def test_what_fits_goes_at_once_and_the_rest_in_turn_when_there_is_room():
    throttler = small()
    before_s = time.monotonic()
    assert await turns(throttler, ["x"] * 7) == list(range(7))
    assert time.monotonic() - before_s >= 2 * SHORT_S * 1.05


async def test_a_limit_that_is_not_known_is_none():
    throttler = small()
    async with asyncio.timeout(2):
        await turns(throttler, ["unheard of"] * 1000)


@pytest.mark.parametrize("pct, orders, cancels", [(100, 1700, 300), (50, 850, 150), (2, 34, 6), ("0.01", 1, 0)])
def test_a_share_of_the_limits(pct, orders, cancels):
    throttler = create_throttler(Decimal(pct))
    assert throttler.limits_pct == Decimal(pct) / 100
    assert (used_up(throttler, PLACE), used_up(throttler, CANCEL)) == (orders, cancels)


def test_limits_that_are_added():
    """What is there already stays as it is, as with Hummingbot's; what is new has its share, too."""
    throttler = create_throttler(Decimal(50))
    throttler.add_rate_limits([RateLimit(PLACE, 1, 60.0), RateLimit("new", 10, 60.0)])
    assert (used_up(throttler, "new"), used_up(throttler, PLACE)) == (5, 850)


def test_limits_that_are_set_anew_keep_count():
    throttler = small(limit=3)
    throttler.admit("x")
    throttler.set_rate_limits([RateLimit("x", 5, 60.0)])
    assert used_up(throttler, "x") == 4


async def test_who_waits_goes_when_the_limit_is_raised():
    throttler = BackpackThrottler([RateLimit("x", 1, 60.0)])
    throttler.admit("x")
    waiting = asyncio.create_task(throttler.acquire("x"))
    await eventually(lambda: throttler._throttle.waiting)
    throttler.set_rate_limits([RateLimit("x", 2, 60.0)])
    async with asyncio.timeout(2):
        await waiting


def test_a_candle_feed_is_held_to_the_venues_limit():
    """Hummingbot's feed brings limits of its own that are far above the venue's; ours are there already."""
    throttler = create_throttler()
    throttler.add_rate_limits([
        RateLimit("REQUEST_WEIGHT", 6000, 60.0),
        RateLimit("/api/v1/klines", 6000, 60.0, linked_limits=[LinkedLimitWeightPair("REQUEST_WEIGHT")]),
        RateLimit("/api/v1/status", 6000, 60.0, linked_limits=[LinkedLimitWeightPair("REQUEST_WEIGHT")]),
    ])  # fmt: skip
    assert used_up(throttler, "/api/v1/klines") == 30
    assert used_up(throttler, "/api/v1/trades/history") == 0, "one budget for both"
    assert used_up(throttler, "/api/v1/status") == 1300, "an ordinary query"


# -- classes ----------------------------------------------------------------------------------------------------------


async def test_cancels_go_before_orders_before_queries_before_the_rest():
    limits = [limit for limit in CONSTANTS.RATE_LIMITS if limit.limit_id != CONSTANTS.ALL]
    throttler = BackpackThrottler([
        *limits,
        RateLimit(CONSTANTS.ALL, 8, SHORT_S),
        RateLimit("rest", 100, 60.0, linked_limits=[LinkedLimitWeightPair(CONSTANTS.ALL)]),
    ])  # fmt: skip
    used_up(throttler, CONSTANTS.ALL)
    names = ["rest", QUERY, PLACE, CANCEL] * 2
    assert await turns(throttler, names) == [3, 7, 2, 6, 1, 5, 0, 4]


@pytest.mark.parametrize("flood, left", [
    pytest.param([QUERY], {PLACE: 500, CANCEL: 200}, id="queries"),
    pytest.param([PLACE], {QUERY: 100, CANCEL: 200}, id="orders"),
    pytest.param([QUERY, PLACE], {CANCEL: 200}, id="both"),
])  # fmt: skip
def test_whatever_others_do_so_much_is_left(flood, left):
    throttler = create_throttler()
    for limit_id in flood:
        used_up(throttler, limit_id)
    assert {limit_id: used_up(throttler, limit_id) for limit_id in left} == left


# -- waiting ----------------------------------------------------------------------------------------------------------


async def test_who_waits_does_not_poll():
    throttler = small(limit=1)
    steps = count_steps(throttler)
    throttler.admit("x")
    waiting = [asyncio.create_task(throttler.acquire("x")) for _ in range(300)]
    await eventually(lambda: throttler._throttle.waiting == 300)
    assert len(steps) == 300, "one for each that came"
    await eventually(lambda: throttler._throttle.waiting == 298)
    assert len(steps) == 302, "one for each that went"
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


def count_steps(throttler: BackpackThrottler) -> list[float]:
    steps: list[float] = []
    original = throttler._throttle.step

    def step(now_s: float) -> Any:
        steps.append(now_s)
        return original(now_s)

    throttler._throttle.step = step  # type: ignore[method-assign]
    return steps


async def test_who_gives_up_leaves_no_trace():
    throttler = small(limit=1)
    throttler.admit("x")
    given_up = [asyncio.create_task(throttler.acquire("x")) for _ in range(5)]
    await eventually(lambda: throttler._throttle.waiting == 5)
    last = asyncio.create_task(throttler.acquire("x"))
    await asyncio.sleep(0)
    for task in given_up:
        task.cancel()
    before_s = time.monotonic()
    await last
    assert time.monotonic() - before_s < 2 * SHORT_S, "as if the five had not been there"
    assert not throttler._throttle.waiting


async def test_giving_up_lets_those_behind_go():
    throttler = BackpackThrottler([
        RateLimit("pool", 3, 60.0),
        RateLimit("heavy", 3, 60.0, weight=3, linked_limits=[LinkedLimitWeightPair("pool", 3)]),
    ])  # fmt: skip
    throttler.admit("pool")
    heavy = asyncio.create_task(throttler.acquire("heavy"))
    light = asyncio.create_task(throttler.acquire("pool"))
    await eventually(lambda: throttler._throttle.waiting == 2)
    heavy.cancel()
    async with asyncio.timeout(2):
        await light


@pytest.mark.parametrize("cancelled_first", [False, True])
async def test_who_gives_up_in_the_moment_in_which_it_is_his_turn_does_not_count(cancelled_first):
    now_s = 0.0
    throttler = BackpackThrottler([RateLimit("x", 1, 60.0)], clock=lambda: now_s)
    throttler.admit("x")
    waiting = asyncio.create_task(throttler.acquire("x"))
    await eventually(lambda: throttler._throttle.waiting)
    now_s = 100.0
    if cancelled_first:
        waiting.cancel()
        throttler._step()
    else:
        throttler._step()
        waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert used_up(throttler, "x") == 1


async def test_that_calls_have_to_wait_is_told_once(caplog):
    caplog.set_level(logging.INFO)
    await turns(small(limit=2), ["x"] * 6)
    [line] = [record for record in caplog.records if record.name.endswith("backpack_throttler")]
    assert line.getMessage() == "rate budget used up: x waits, for 0.2 s at least"
    assert line.levelno == logging.INFO


# -- 429 --------------------------------------------------------------------------------------------------------------


async def test_a_429_is_learnt_from_and_told_once(caplog):
    caplog.set_level(logging.INFO)
    now_s = 0.0
    throttler = BackpackThrottler(CONSTANTS.RATE_LIMITS, clock=lambda: now_s, chance=lambda: 0.5)
    for _ in range(1000):
        throttler.admit(PLACE)
    throttler.refused(CONSTANTS.ORDERS)
    throttler.refused(CONSTANTS.ORDERS)
    assert (throttler.paused_s(CONSTANTS.ORDERS), throttler.paused_s(CONSTANTS.CANCELS)) == (1.0, 0.0)
    now_s = 0.5
    throttler.answered(CONSTANTS.ORDERS)
    assert throttler.paused_s(CONSTANTS.ORDERS) == 0.5, "the pause begun is kept"
    now_s = 599.0
    throttler._step()
    told = [record for record in caplog.records if record.name.endswith("backpack_throttler")]
    assert [record.levelno for record in told] == [logging.WARNING, logging.INFO]
    assert "going on with 810 a minute" in told[0].getMessage()
    assert told[1].getMessage() == "rate budget whole again: 1800 requests a minute beside cancels"
    assert used_up(throttler, PLACE) == 1700


async def test_the_budget_grows_back_by_itself(caplog, monkeypatch):
    monkeypatch.setattr("hummingbot.connector.exchange.backpack.throttling.QUIET_S", 0.05)
    caplog.set_level(logging.INFO)
    throttler = create_throttler()
    throttler.refused(CONSTANTS.QUERIES)
    assert throttler._throttle.allowance == 90
    await eventually(lambda: "whole again" in caplog.text)
    assert used_up(throttler, QUERY) == 1300
