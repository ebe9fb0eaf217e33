"""When a stream connects again. Time and chance are arguments, so a minute takes no time."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.supervision import (
    HEALTHY_AFTER_S,
    SilenceWatch,
    StreamState,
    StreamSupervisor,
    backoff,
)


def middle() -> float:
    return 0.5


def test_delays_double_up_to_a_minute():
    assert list(itertools.islice(backoff(middle), 9)) == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_shorter_first_delay():
    assert list(itertools.islice(backoff(middle, first_s=0.25), 4)) == [0.25, 0.5, 1, 2]


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=9, max_size=9))
def test_jitter_stays_within_a_fifth(chances):
    dice = iter(chances)
    for plain_s, delay_s in zip([1, 2, 4, 8, 16, 32, 60, 60, 60], backoff(lambda: next(dice)), strict=False):
        assert plain_s * 0.8 <= delay_s <= plain_s * 1.2


def test_two_bots_do_not_come_back_in_step():
    assert next(backoff(lambda: 0.1)) != next(backoff(lambda: 0.9))


def test_the_first_attempt_is_at_once():
    assert StreamSupervisor(middle, now_s=100.0).seconds_until_retry(100.0) == 0


def test_a_life():
    stream = StreamSupervisor(middle, now_s=100.0)
    assert stream.state is StreamState.WAITING
    stream.on_connecting(100.0)
    assert stream.state is StreamState.CONNECTING
    told = stream.on_live(100.5)
    assert (stream.state, told.attempts, told.down_s) == (StreamState.LIVE, 1, 0.5)

    lost = stream.on_lost(110.5)
    assert (stream.state, lost.uptime_s, lost.retry_in_s) == (StreamState.WAITING, 10.0, 1.0)
    assert stream.seconds_until_retry(110.5) == 1.0
    assert stream.seconds_until_retry(111.25) == 0.25
    assert stream.seconds_until_retry(120.0) == 0

    stream.on_connecting(111.5)
    refused = stream.on_lost(112.0)
    assert (refused.uptime_s, refused.retry_in_s) == (0.0, 2.0), "never live: no uptime"
    stream.on_connecting(114.0)
    told = stream.on_live(115.5)
    assert (told.attempts, told.down_s) == (2, 5.0), "down since it was lost, not since the last attempt"


@pytest.mark.parametrize("uptime_s, next_delay_s", [
    pytest.param(0.0, 8.0, id="accepted and closed at once"),
    pytest.param(HEALTHY_AFTER_S - 0.1, 8.0, id="nearly healthy"),
    pytest.param(HEALTHY_AFTER_S, 1.0, id="a healthy stretch forgives"),
])  # fmt: skip
def test_only_a_healthy_stretch_starts_the_delays_anew(uptime_s, next_delay_s):
    stream = StreamSupervisor(middle, now_s=0.0)
    for _ in range(3):
        stream.on_connecting(0.0)
        stream.on_lost(0.0)
    stream.on_connecting(0.0)
    stream.on_live(0.0)
    assert stream.on_lost(uptime_s).retry_in_s == next_delay_s


@pytest.mark.parametrize("gets_live", [True, False], ids=["accepts and closes", "refuses"])
@given(st.randoms(use_true_random=False))
def test_at_most_ten_attempts_in_the_first_minute(gets_live, dice):
    now_s = attempts = 0.0
    stream = StreamSupervisor(dice.random, now_s)
    while now_s < 60.0:
        attempts += 1
        stream.on_connecting(now_s)
        if gets_live:
            stream.on_live(now_s)
        stream.on_lost(now_s)
        now_s += stream.seconds_until_retry(now_s)
    assert 5 <= attempts <= 10


def test_silence():
    watch = SilenceWatch(limit_s=120.0, now_s=1000.0)
    assert watch.seconds_left(1000.0) == 120.0
    watch.heard(1050.0)
    assert watch.seconds_left(1100.0) == 70.0
    assert watch.seconds_left(1170.0) == 0.0
    assert watch.seconds_left(1180.0) == -10.0


def test_of_several_silent_feeds_the_new_silence_is_asked_about_first():
    always_quiet, was_busy = (SilenceWatch(limit_s=120, now_s=0) for _ in range(2))
    always_quiet.asked(now_s=120)
    was_busy.heard(at_s=130)
    assert min(always_quiet, was_busy, key=lambda watch: watch.turn) is was_busy
    was_busy.asked(now_s=250)
    assert min(always_quiet, was_busy, key=lambda watch: watch.turn) is always_quiet, "the longest not asked about"
    always_quiet.heard(at_s=251)
    assert min(always_quiet, was_busy, key=lambda watch: watch.turn) is always_quiet
