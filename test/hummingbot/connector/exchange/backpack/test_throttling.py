"""Who may call, and who first. ``Played`` stands for the callers: it asks, waits, and takes each step when due."""

import itertools
import math
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack import throttling
from hummingbot.connector.exchange.backpack.throttling import Pause, Rule, Throttle

CANCEL, ORDER, QUERY, CANDLES, OTHER = "cancel", "order", "query", "candles", "other"
# The venue's limits on a scale of one to two hundred.
POOLS = {"all": 10, "all but cancels": 9, "queries": 6, "orders": 8}
RULES = [
    *(Rule(pool, limit, 60.0) for pool, limit in POOLS.items()),
    Rule(CANCEL, 10, 60.0, linked={"all": 1}, rank=0),
    Rule(ORDER, 8, 60.0, linked={"orders": 1, "all but cancels": 1, "all": 1}, rank=1),
    Rule(QUERY, 6, 60.0, linked={"queries": 1, "all but cancels": 1, "all": 1}, rank=2),
    Rule("another query", 6, 60.0, linked={"queries": 1, "all but cancels": 1, "all": 1}, rank=2),
    Rule("heavy", 6, 60.0, 3, linked={"queries": 3, "all but cancels": 3, "all": 3}, rank=2),
    Rule(CANDLES, 2, 60.0, rank=3),
    Rule(OTHER, 5, 60.0, linked={"all": 1}, rank=3),
]


class Played:
    def __init__(self, rules: Sequence[Rule] = RULES):
        self.throttle: Throttle[int] = Throttle("all", "all but cancels")
        self.throttle.define(rules)
        self.now_s = 0.0
        self.gone: list[tuple[float, str, int]] = []  # when, what, as which arrival
        self.waiting: dict[int, str] = {}
        self.steps = 0
        self._arrivals = itertools.count()
        self._next_s = math.inf

    def define(self, rules: Sequence[Rule]) -> None:
        self.throttle.define(rules)
        self._step()

    def ask(self, name: str, times: int = 1) -> None:
        for _ in range(times):
            arrival = next(self._arrivals)
            if self.throttle.admit(name, self.now_s):
                self.gone.append((self.now_s, name, arrival))
                continue
            self.throttle.wait(name, arrival)
            self.waiting[arrival] = name
            self._step()

    def give_up(self, arrival: int) -> None:
        self.throttle.withdraw(self.waiting.pop(arrival), arrival)
        self._step()

    def until(self, now_s: float) -> None:
        while self._next_s <= now_s:
            self.now_s = self._next_s
            self._step()
        self.now_s = now_s

    def refused(self) -> None:
        self.throttle.refused(self.now_s)
        self._step()

    def drain(self) -> None:
        while self.waiting:
            assert self._next_s < math.inf, "somebody waits for ever"
            self.until(self._next_s)

    def _step(self) -> None:
        self.steps += 1
        step = self.throttle.step(self.now_s)
        assert step.next_s > self.now_s, "it would be called again and again"
        self._next_s = step.next_s
        self.gone += [(self.now_s, self.waiting.pop(arrival), arrival) for arrival in step.go]

    def went(self, since_s: float = 0.0) -> list[str]:
        return [name for at_s, name, _ in self.gone if at_s >= since_s]


# -- how many ---------------------------------------------------------------------------------------------------------


# fmt: off
@pytest.mark.parametrize("asked, gone", [
    pytest.param([(QUERY, 20)],                {QUERY: 6},             id="queries alone"),
    pytest.param([(ORDER, 20)],                {ORDER: 8},             id="orders alone"),
    pytest.param([(CANCEL, 20)],               {CANCEL: 10},           id="cancels alone"),
    pytest.param([(QUERY, 20), (ORDER, 20)],   {QUERY: 6, ORDER: 3},   id="queries leave room for orders"),
    pytest.param([(ORDER, 20), (QUERY, 20)],   {ORDER: 8, QUERY: 1},   id="orders leave room for queries"),
    pytest.param([(QUERY, 20), (ORDER, 20), (CANCEL, 20)], {QUERY: 6, ORDER: 3, CANCEL: 1}, id="a cancel finds room"),
    pytest.param([(CANDLES, 5), (QUERY, 1)],   {CANDLES: 2, QUERY: 1}, id="candles have a budget of their own"),
    pytest.param([("heavy", 5)],               {"heavy": 2},           id="weights count"),
    pytest.param([("unheard of", 50)],         {"unheard of": 50},     id="what has no rule is not limited"),
    pytest.param([("all", 4), (CANCEL, 20)],   {"all": 4, CANCEL: 6},  id="a pool is a name, too"),
])
# fmt: on
def test_so_many_go_at_once(asked, gone):
    played = Played()
    for name, times in asked:
        played.ask(name, times)
    assert Counter(played.went()) == gone


def test_a_call_that_is_heavier_than_its_limit_goes_alone():
    played = Played([Rule("all", 10, 60.0), Rule("huge", 4, 60.0, weight=9)])
    played.ask("huge", 2)
    assert len(played.gone) == 1
    played.drain()
    assert [at_s for at_s, _, _ in played.gone] == [0.0, 60.0]


def test_what_was_let_through_is_remembered_under_new_rules():
    played = Played()
    played.ask(CANDLES, 2)
    played.define([*RULES, Rule("new", 1, 60.0)])
    played.ask(CANDLES)
    played.ask("new", 2)
    assert Counter(played.went()) == {CANDLES: 2, "new": 1}


def test_who_waits_under_a_name_that_is_no_more_goes():
    played = Played()
    played.ask(CANDLES, 3)
    played.define([rule for rule in RULES if rule.name != CANDLES])
    assert not played.throttle.waiting
    assert len(played.went()) == 3


# -- when, and who first ----------------------------------------------------------------------------------------------


def test_room_comes_when_the_oldest_call_is_a_window_old():
    played = Played()
    for at_s in (0.0, 10.0):
        played.until(at_s)
        played.ask(CANDLES)
    played.until(20.0)
    played.ask(CANDLES, 3)
    played.drain()
    assert [at_s for at_s, _, _ in played.gone] == [0.0, 10.0, 60.0, 70.0, 120.0]
    assert played.steps == 3 + 3, "one for each that came, one for each that went"


def test_cancels_before_orders_before_queries_before_the_rest():
    played = Played()
    played.ask("all", 10)
    for name in (OTHER, QUERY, ORDER, CANCEL, OTHER, QUERY, ORDER, CANCEL):
        played.ask(name)
    played.until(60.0)
    assert played.went(since_s=60.0) == [CANCEL, CANCEL, ORDER, ORDER, QUERY, QUERY, OTHER, OTHER]


def test_first_come_first_served_within_a_class():
    played = Played()
    played.ask("all", 10)
    for name in (QUERY, "another query", QUERY, QUERY, "another query"):
        played.ask(name)
    played.drain()
    assert [arrival for at_s, _, arrival in played.gone if at_s] == [10, 11, 12, 13, 14]


def test_a_heavy_call_is_not_overtaken_for_ever():
    """It needs three; the ones that would fit now, but came later, let it go first."""
    played = Played()
    for at_s in range(5):
        played.until(float(at_s))
        played.ask(QUERY)
    played.ask("heavy")
    played.ask(QUERY, 2)
    assert played.went() == [QUERY] * 5
    played.until(61.0)  # three are free
    assert played.went() == [QUERY] * 5 + ["heavy"]


def test_who_is_held_up_by_his_own_limit_is_in_nobodys_way():
    played = Played()
    played.ask(CANDLES, 4)
    played.ask(QUERY, 8)
    played.ask(ORDER)
    played.ask(OTHER)
    played.ask(CANCEL)
    assert Counter(played.went()) == {CANDLES: 2, QUERY: 6, ORDER: 1, OTHER: 1, CANCEL: 1}


def test_a_cancel_that_waits_goes_before_an_order_that_comes_later_and_before():
    played = Played()
    played.ask("all", 10)
    played.ask(ORDER)
    played.until(30.0)
    played.ask(CANCEL)
    played.until(60.0)
    assert played.went(since_s=60.0) == [CANCEL, ORDER]


def test_who_gives_up_leaves_no_trace():
    played = Played()
    played.ask(CANDLES, 4)
    first, second = played.waiting
    played.give_up(first)
    played.until(60.0)
    assert [arrival for _, _, arrival in played.gone] == [0, 1, second]
    played.throttle.give_back(CANDLES, 60.0)
    played.ask(CANDLES, 2)
    assert len(played.went(since_s=60.0)) == 3, "two of them count"


def test_a_heavy_call_goes_as_soon_as_it_can():
    played = Played()
    played.ask("heavy")
    played.until(10.0)
    played.ask("heavy")
    played.until(20.0)
    played.ask("heavy")
    played.drain()
    assert [at_s for at_s, _, _ in played.gone] == [0.0, 10.0, 60.0]


def test_giving_up_lets_those_behind_go():
    played = Played()
    for at_s in range(5):
        played.until(float(at_s))
        played.ask(QUERY)
    played.ask("heavy")
    played.ask(QUERY)
    [heavy, _] = played.waiting
    played.give_up(heavy)
    assert played.went() == [QUERY] * 6 and not played.waiting


# -- whatever happens -------------------------------------------------------------------------------------------------

NAMES = [CANCEL, ORDER, QUERY, "another query", "heavy", CANDLES, OTHER]
EVENTS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.0, 0.5, 7.0, 31.0, 60.0]), st.sampled_from(NAMES), st.integers(1, 12)),
    max_size=30,
)
# By name: what a call takes, from which window.
WEIGHTS = {rule.name: {rule.name: rule.weight, **(rule.linked or {})} for rule in RULES}


@given(EVENTS, st.lists(st.integers(0, 100), max_size=5))
def test_no_window_is_ever_over_its_limit_and_all_are_served_in_turn(events, give_ups):
    played = Played()
    for after_s, name, times in events:
        played.until(played.now_s + after_s)
        played.ask(name, times)
        if give_ups and played.waiting:
            played.give_up(sorted(played.waiting)[give_ups.pop() % len(played.waiting)])
    played.drain()
    for rule in RULES:
        taken = [at_s for at_s, name, _ in played.gone for _ in range(WEIGHTS[name].get(rule.name, 0))]
        for first_s, one_too_many_s in zip(taken, taken[rule.limit :], strict=False):
            assert one_too_many_s - first_s >= rule.window_s, rule.name
    for names in ([CANCEL], [ORDER], [QUERY, "another query", "heavy"], [CANDLES], [OTHER]):
        arrivals = [arrival for _, name, arrival in played.gone if name in names]
        assert arrivals == sorted(arrivals), f"{names} did not go in the order in which they came"


@given(st.lists(st.sampled_from([0.0, 0.5, 7.0, 31.0]), max_size=40), st.integers(1, 5))
def test_nobody_waits_longer_than_he_has_to(gaps_s, limit):
    """In one window: until the ``limit``-th before him is a window old."""
    played = Played([Rule("all", limit, 60.0)])
    arrived_s = list(itertools.accumulate(gaps_s))
    for at_s in arrived_s:
        played.until(at_s)
        played.ask("all")
    played.drain()
    expected: list[float] = []
    for number, at_s in enumerate(arrived_s):
        expected.append(at_s if number < limit else max(at_s, expected[number - limit] + 60.0))
    assert [at_s for at_s, _, _ in played.gone] == expected


# -- what it costs ----------------------------------------------------------------------------------------------------


def lines_run(function: Callable[..., object], *args: Any) -> int:
    """Lines of ``throttling`` that this call executes."""
    lines = 0

    def trace(frame: Any, event: str, _: object) -> Any:
        nonlocal lines
        if frame.f_code.co_filename != throttling.__file__:
            return None
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function(*args)
    finally:
        sys.settrace(before)
    return lines


def test_a_call_costs_the_same_whatever_is_in_the_window():
    costs = []
    for fill in (0, 1000, 1900):
        played = Played([Rule("all", 2000, 60.0), Rule(QUERY, 2000, 60.0, linked={"all": 1})])
        played.ask(QUERY, fill)
        costs.append(lines_run(played.throttle.admit, QUERY, 1.0))
    assert costs[0] == costs[1] == costs[2] < 30


def test_a_caller_who_has_to_wait_costs_the_same_however_many_wait():
    costs = []
    for waiting in (1, 100, 500):
        played = Played()
        played.ask(CANDLES, 2 + waiting)
        costs.append(lines_run(played.ask, CANDLES))
    assert costs[0] == costs[1] == costs[2] < 60


# -- the share of the account's limit ---------------------------------------------------------------------------------


SCALED = [  # the real limits
    Rule("all", 2000, 60.0),
    Rule("all but cancels", 1800, 60.0),
    Rule("queries", 1300, 60.0),
    Rule(CANCEL, 2000, 60.0, linked={"all": 1}, rank=0),
    Rule(ORDER, 1700, 60.0, linked={"all but cancels": 1, "all": 1}, rank=1),
    Rule(QUERY, 1300, 60.0, linked={"queries": 1, "all but cancels": 1, "all": 1}, rank=2),
    Rule(CANDLES, 30, 60.0, rank=3),
]


# fmt: off
@pytest.mark.parametrize("used, then, minutes, later", [
    pytest.param(1000, 810, 1,  990,  id="what we had, less a tenth; a tenth of the limit more after a quiet minute"),
    pytest.param(1000, 810, 5,  1710, id="and one more for each"),
    pytest.param(1000, 810, 6,  1800, id="until it is whole"),
    pytest.param(1000, 810, 99, 1800, id="and no more"),
    pytest.param(3,    90,  0,  90,   id="not less than a twentieth"),
    pytest.param(3,    90,  10, 1800, id="from the least to the whole"),
])
# fmt: on
def test_a_429_tells_how_much_is_ours(used, then, minutes, later):
    played = Played(SCALED)
    played.ask(ORDER, used // 2)
    played.ask(CANCEL, used - used // 2)
    played.refused()
    assert played.throttle.allowance == then
    assert not played.throttle.is_whole
    played.until(61.0 * minutes)
    assert abs(played.throttle.allowance - later) <= 1
    if minutes:
        played.ask(QUERY, 1300)
        assert abs(played.went().count(QUERY) - int(1300 * later / 1800)) <= 1
    played.ask(CANDLES, 40)
    assert played.went().count(CANDLES) == 30, "another budget"


def test_cancels_are_not_held_back_by_what_is_only_guessed():
    played = Played(SCALED)
    played.ask(QUERY, 10)
    played.refused()
    played.ask(CANCEL, 2000)
    assert played.went().count(CANCEL) == 1990


def test_many_429s_at_once_count_as_one():
    played = Played(SCALED)
    played.ask(ORDER, 1000)
    for _ in range(50):
        played.refused()
    assert played.throttle.allowance == 810


def test_a_429_never_raises_what_is_ours():
    """Nor does it after a call that was heavier than the limit."""
    played = Played([Rule("all", 4, 60.0), Rule("all but cancels", 4, 60.0, weight=9, linked={"all": 9})])
    played.ask("all but cancels")
    played.refused()
    assert played.throttle.allowance == 4


def test_a_429_in_between_starts_the_quiet_minute_anew():
    played = Played(SCALED)
    played.ask(ORDER, 1000)
    played.refused()
    played.until(59.0)
    played.refused()
    played.until(118.0)
    assert played.throttle.allowance == 810
    played.until(119.5)
    assert abs(played.throttle.allowance - 990) <= 1


def test_who_waits_goes_when_the_share_grows():
    played = Played([Rule("all", 100, 1000.0), Rule("all but cancels", 100, 1000.0, linked={"all": 1})])
    played.ask("all but cancels", 50)
    played.refused()  # 45 from now on, 50 are taken
    played.ask("all but cancels", 10)
    played.until(59.0)
    assert len(played.gone) == 50
    played.until(61.0)
    assert len(played.gone) == 55


# -- a class keeps still ----------------------------------------------------------------------------------------------


def test_pauses_grow_until_a_call_gets_through():
    now_s = 1000.0
    pause = Pause(lambda: 0.5)
    lengths_s = []
    for _ in range(4):
        pause.extend(now_s)
        pause.extend(now_s)  # another call that was under way together with the first
        lengths_s.append(pause.seconds_left(now_s))
        now_s += pause.seconds_left(now_s)
    assert lengths_s == [1.0, 2.0, 4.0, 8.0]
    pause.end()
    pause.extend(now_s)
    assert pause.seconds_left(now_s) == 1.0


def test_a_pause_is_not_cut_short_by_a_call_that_was_under_way():
    pause = Pause(lambda: 0.5)
    pause.extend(0.0)
    pause.end()
    assert pause.seconds_left(0.25) == 0.75
