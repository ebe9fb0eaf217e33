"""The table of calls is total: whatever can be sent has a limit, and whatever is private an instruction."""

import pytest

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack.backpack_constants import Endpoint

LIMITS = {limit.limit_id: limit for limit in CONSTANTS.RATE_LIMITS}
CALLS = pytest.mark.parametrize("endpoint", CONSTANTS.ENDPOINTS, ids=lambda endpoint: endpoint.limit_id)


def test_the_table_lists_every_endpoint():
    named = {value for value in vars(CONSTANTS).values() if isinstance(value, Endpoint)}
    assert named == set(CONSTANTS.ENDPOINTS)
    assert len({endpoint.limit_id for endpoint in CONSTANTS.ENDPOINTS}) == len(CONSTANTS.ENDPOINTS)


def is_cancel(endpoint: Endpoint) -> bool:
    return endpoint in (CONSTANTS.CANCEL_ORDER, CONSTANTS.CANCEL_ORDERS)


@CALLS
def test_every_call_draws_on_its_pool_and_on_the_whole(endpoint):
    pools = {endpoint.pool, CONSTANTS.ALL} | (set() if is_cancel(endpoint) else {CONSTANTS.ALL_BUT_CANCELS})
    assert {link.limit_id for link in LIMITS[endpoint.limit_id].linked_limits} == pools
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


def test_every_class_has_connections():
    assert set(CONSTANTS.CONNECTIONS) == {endpoint.pool for endpoint in CONSTANTS.ENDPOINTS}


def test_candles_and_trades_by_range_have_a_budget_of_their_own():
    for path in CONSTANTS.HISTORICAL_PATHS:
        assert [link.limit_id for link in LIMITS[path].linked_limits] == [CONSTANTS.HISTORICAL]
    assert LIMITS[CONSTANTS.HISTORICAL].limit == 30


@pytest.mark.parametrize("endpoint, pool", [
    (CONSTANTS.PLACE_ORDER, CONSTANTS.ORDERS),
    (CONSTANTS.PLACE_ORDERS, CONSTANTS.ORDERS),
    (CONSTANTS.CANCEL_ORDER, CONSTANTS.CANCELS),
    (CONSTANTS.CANCEL_ORDERS, CONSTANTS.CANCELS),
    (CONSTANTS.OPEN_ORDERS, CONSTANTS.QUERIES),
])  # fmt: skip
def test_pools(endpoint, pool):
    assert endpoint.pool == pool
