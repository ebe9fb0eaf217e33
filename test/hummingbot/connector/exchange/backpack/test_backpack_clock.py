"""The clock tells what Hummingbot's would."""

import time

from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.backpack_clock import VenueClock
from hummingbot.connector.time_synchronizer import TimeSynchronizer


@given(st.lists(st.floats(-1e7, 1e7), min_size=1, max_size=12))
def test_the_offset_is_that_of_hummingbots_clock(samples_ms):
    ours, stock = VenueClock(), TimeSynchronizer()
    for sample_ms in samples_ms:
        ours.add_time_offset_ms_sample(sample_ms)
        stock.add_time_offset_ms_sample(sample_ms)
        assert ours.time_offset_ms == stock.time_offset_ms
    assert abs(ours.time() - stock.time()) < 1


def test_without_samples_it_tells_this_machines_time():
    clock = VenueClock()
    assert abs(clock.time() - time.time()) < 0.1
    clock.add_time_offset_ms_sample(1e9)
    assert abs(clock.time() - time.time()) > 1e5
    clock.clear_time_offset_ms_samples()
    assert abs(clock.time() - time.time()) < 0.1


def test_looking_at_it_works_nothing_out(monkeypatch):
    clock = VenueClock()
    clock.add_time_offset_ms_sample(5.0)
    monkeypatch.setattr("hummingbot.connector.time_synchronizer.numpy", None)
    first_s = clock.time()
    assert clock.time() >= first_s


async def test_samples_come_the_way_hummingbot_brings_them():
    async def venue_ms() -> float:
        return (time.time() + 3600) * 1e3

    clock = VenueClock()
    await clock.update_server_time_if_not_initialized(venue_ms())
    assert abs(clock.time() - time.time() - 3600) < 0.1
