"""The table of calls is total: whatever can be sent has a limit, and whatever is private an instruction."""

import asyncio
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack.backpack_constants import Endpoint
from hummingbot.core.api_throttler.async_throttler import AsyncThrottler

LIMITS = {limit.limit_id: limit for limit in CONSTANTS.RATE_LIMITS}
CALLS = pytest.mark.parametrize("endpoint", CONSTANTS.ENDPOINTS, ids=lambda endpoint: endpoint.limit_id)


def test_the_table_lists_every_endpoint():
    named = {value for value in vars(CONSTANTS).values() if isinstance(value, Endpoint)}
    assert named == set(CONSTANTS.ENDPOINTS)
    assert len({endpoint.limit_id for endpoint in CONSTANTS.ENDPOINTS}) == len(CONSTANTS.ENDPOINTS)


@CALLS
def test_every_call_draws_on_its_pool_and_on_the_whole(endpoint):
    assert {link.limit_id for link in LIMITS[endpoint.limit_id].linked_limits} == {endpoint.pool, CONSTANTS.ALL}
    assert LIMITS[endpoint.limit_id].limit == LIMITS[endpoint.pool].limit


@CALLS
def test_a_private_call_has_an_instruction(endpoint):
    public = {CONSTANTS.TIME, CONSTANTS.MARKETS, CONSTANTS.TICKERS, CONSTANTS.DEPTH}
    assert endpoint.is_private is (endpoint not in public)


def test_instructions_are_each_their_own():
    """One order and several have the same."""
    instructions = [
        endpoint.instruction
        for endpoint in CONSTANTS.ENDPOINTS
        if endpoint.is_private and endpoint is not CONSTANTS.PLACE_ORDERS
    ]
    assert CONSTANTS.PLACE_ORDERS.instruction == CONSTANTS.PLACE_ORDER.instruction
    assert len(set(instructions)) == len(instructions)


def test_no_limit_is_above_the_venues():
    for limit in CONSTANTS.RATE_LIMITS:
        assert limit.limit / limit.time_interval <= 2000 / 60


def test_queries_leave_room_for_orders_and_orders_for_cancels():
    whole, queries, orders, cancels = (
        LIMITS[pool].limit for pool in (CONSTANTS.ALL, CONSTANTS.QUERIES, CONSTANTS.ORDERS, CONSTANTS.CANCELS)
    )
    assert (whole - queries, whole - orders, cancels) == (500, 200, whole)


@pytest.mark.parametrize("endpoint, pool", [
    (CONSTANTS.PLACE_ORDER, CONSTANTS.ORDERS),
    (CONSTANTS.PLACE_ORDERS, CONSTANTS.ORDERS),
    (CONSTANTS.CANCEL_ORDER, CONSTANTS.CANCELS),
    (CONSTANTS.CANCEL_ORDERS, CONSTANTS.CANCELS),
    (CONSTANTS.OPEN_ORDERS, CONSTANTS.QUERIES),
])  # fmt: skip
def test_pools(endpoint, pool):
    assert endpoint.pool == pool


async def test_a_flood_of_queries_does_not_hold_up_a_cancel():
    """On 2 % of the account's budget, so that the flood is a small one."""
    throttler = AsyncThrottler(CONSTANTS.RATE_LIMITS, limits_share_percentage=Decimal(2))
    for _ in range(LIMITS[CONSTANTS.QUERIES].limit * 2 // 100):
        async with throttler.execute_task(CONSTANTS.OPEN_ORDERS.limit_id):
            pass
    async with asyncio.timeout(1):
        for endpoint in (CONSTANTS.PLACE_ORDER, CONSTANTS.CANCEL_ORDER):
            async with throttler.execute_task(endpoint.limit_id):
                pass
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2), throttler.execute_task(CONSTANTS.OPEN_ORDERS.limit_id):
            pass
