"""Who may call the venue now, and who goes first when more want to than may. The time comes in as an argument.

A call draws on one or more windows: its own, its class's, the account's. A window lets through so much in any stretch
of its length, and each step looks at its two ends alone, however full it is.

Who has to wait goes by class, then by arrival. Whoever is first in line and lacks room in a window holds that window:
nobody behind takes from it. Windows that have room are not held, so a call that waits for a limit of its own is in
nobody's way.
"""

import heapq
import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Generic, TypeVar

from .supervision import backoff

# The account's limit is shared with other bots, and a 429 says that they use more of it than we knew. From then on we
# count on what we really had in the minute before it, less some, and win back a part of the limit with each quiet
# minute: from the least to the whole in ten. Cancels are spared: what is only guessed must not keep a risk open.
KEPT_WHEN_REFUSED = 0.9
LEAST_SHARE = 0.05
REGAINED_PER_QUIET_MINUTE = 0.1
QUIET_S = 60.0

Ticket = TypeVar("Ticket")


@dataclass(frozen=True, slots=True)
class Rule:
    """One named limit: ``limit`` in any ``window_s`` seconds, of which a call of this name takes ``weight``. It takes
    from other limits as well, by name in ``linked``. ``rank``: the lowest goes first."""

    name: str
    limit: int
    window_s: float
    weight: int = 1
    linked: Mapping[str, int] | None = None
    rank: int = 0


class Window:
    """What was let through in the last ``length_s`` seconds."""

    __slots__ = ("_entries", "_used", "length_s", "limit")

    def __init__(self, limit: int, length_s: float) -> None:
        self.limit = limit
        self.length_s = length_s
        self._used = 0
        self._entries: deque[tuple[float, int]] = deque()  # when, how much; oldest first

    def used_at(self, now_s: float) -> int:
        entries = self._entries
        while entries and entries[0][0] + self.length_s <= now_s:
            self._used -= entries.popleft()[1]
        return self._used

    def has_room(self, weight: int, now_s: float) -> bool:
        """What is more than the limit at a stroke goes alone; it would wait for ever otherwise."""
        return self.used_at(now_s) + weight <= self.limit or not self._entries

    def take(self, weight: int, now_s: float) -> None:
        self._entries.append((now_s, weight))
        self._used += weight

    def give_back(self, weight: int, taken_s: float) -> None:
        if (taken_s, weight) in self._entries:
            self._entries.remove((taken_s, weight))
            self._used -= weight

    def room_at_s(self, weight: int) -> float:
        """When there will be room if nothing more is taken; in the past if there is."""
        excess = self._used + weight - self.limit
        at_s = -math.inf
        for taken_s, taken in self._entries:
            if excess <= 0:
                break
            at_s = taken_s + self.length_s
            excess -= taken
        return at_s


@dataclass(frozen=True, slots=True)
class _Call:
    rank: int
    draws: tuple[tuple[Window, int], ...]

    def take(self, now_s: float) -> None:
        for window, weight in self.draws:
            window.take(weight, now_s)


@dataclass(frozen=True, slots=True)
class Step(Generic[Ticket]):
    """``go``: may call now, in this order, and are counted. ``next_s``: when to take the next step."""

    go: Sequence[Ticket]
    next_s: float


class Share:
    """The part of the account's limit that is taken for ours: all of it, until the venue says otherwise."""

    def __init__(self) -> None:
        self.part = 1.0
        self.grows_at_s = math.inf

    def shrink(self, part_used: float, now_s: float) -> None:
        self.part = min(self.part, max(LEAST_SHARE, part_used * KEPT_WHEN_REFUSED))
        self.grows_at_s = now_s + QUIET_S

    def grow(self, now_s: float) -> bool:
        """Whether it has grown."""
        before = self.part
        while now_s >= self.grows_at_s:
            self.part = min(1.0, self.part + REGAINED_PER_QUIET_MINUTE)
            self.grows_at_s = math.inf if self.part == 1.0 else self.grows_at_s + QUIET_S
        return self.part > before


class Throttle(Generic[Ticket]):
    """``admit`` if it can go at once; else ``wait`` under a ticket and ``step`` until the ticket is among those that
    go. A name without a rule is not limited."""

    def __init__(self, total: str, curbed: str) -> None:
        """``total``: the rule that every call on the account's budget draws on. ``curbed``: the rule of those among
        them that a 429 holds back, with all that is theirs alone."""
        self._total = total
        self._curbed = curbed
        self._rules: dict[str, Rule] = {}
        self._windows: dict[str, Window] = {}
        self._calls: dict[str, _Call] = {}
        self._lines: dict[str, OrderedDict[Ticket, int]] = {}  # by name: who waits, and as which arrival
        self._arrivals = count()
        self._share = Share()

    @property
    def waiting(self) -> int:
        return sum(map(len, self._lines.values()))

    @property
    def allowance(self) -> int:
        """How much the curbed ones may take."""
        return self._windows[self._curbed].limit

    @property
    def is_whole(self) -> bool:
        return self._share.part == 1.0

    def define(self, rules: Iterable[Rule]) -> None:
        """These rules from now on. What was let through under a name that stays is remembered."""
        self._rules = {rule.name: rule for rule in rules}
        known = self._windows
        self._windows = {name: known.get(name) or Window(0, 0.0) for name in self._rules}
        for name, rule in self._rules.items():
            self._windows[name].length_s = rule.window_s
        self._calls = {name: self._call(rule) for name, rule in self._rules.items()}
        self._set_limits()

    def _call(self, rule: Rule) -> _Call:
        weights = {rule.name: rule.weight}
        for name, weight in (rule.linked or {}).items():
            weights[name] = weights.get(name, 0) + weight
        return _Call(rule.rank, tuple((self._windows[name], w) for name, w in weights.items() if name in self._rules))

    def _set_limits(self) -> None:
        """What is curbed in proportion to our share, anything else as its rule says."""
        curb = self._windows.get(self._curbed)
        calls = [[window for window, _ in call.draws] for call in self._calls.values()]
        curbed = {window for windows in calls if curb in windows for window in windows}
        for name, rule in self._rules.items():
            window = self._windows[name]
            is_curbed = window in curbed and name != self._total
            window.limit = max(1, int(rule.limit * self._share.part)) if is_curbed else rule.limit

    def admit(self, name: str, now_s: float) -> bool:
        """Count one call if it may go at once. Never while somebody waits: a step says who is first."""
        call = self._calls.get(name)
        if call is None:
            return True
        if self._lines:
            return False
        for window, weight in call.draws:
            if not window.has_room(weight, now_s):
                return False
        call.take(now_s)
        return True

    def wait(self, name: str, ticket: Ticket) -> None:
        self._lines.setdefault(name, OrderedDict())[ticket] = next(self._arrivals)

    def withdraw(self, name: str, ticket: Ticket) -> None:
        """Somebody who waits gives up."""
        line = self._lines.get(name)
        if line is not None and line.pop(ticket, None) is not None and not line:
            del self._lines[name]

    def give_back(self, name: str, taken_s: float) -> None:
        """Who was let go at that time gives up after all."""
        if call := self._calls.get(name):
            for window, weight in call.draws:
                window.give_back(weight, taken_s)

    def step(self, now_s: float) -> Step[Ticket]:
        if self._share.grow(now_s):
            self._set_limits()
        go: list[Ticket] = []
        held: set[Window] = set()
        next_s = self._share.grows_at_s
        heads = [self._head(name) for name in self._lines]
        heapq.heapify(heads)
        while heads:
            _, _, name = heapq.heappop(heads)
            line, call = self._lines[name], self._calls.get(name, _Call(0, ()))
            lacking = [window for window, weight in call.draws if not window.has_room(weight, now_s)]
            is_behind = any(window in held for window, _ in call.draws)
            held.update(lacking)
            if is_behind:
                continue  # whoever holds that window goes first, and no earlier step can help
            if lacking:
                next_s = min(next_s, max(window.room_at_s(weight) for window, weight in call.draws))
                continue
            call.take(now_s)
            go.append(line.popitem(last=False)[0])
            if line:
                heapq.heappush(heads, self._head(name))
            else:
                del self._lines[name]
        return Step(go, next_s)

    def _head(self, name: str) -> tuple[int, int, str]:
        call = self._calls.get(name)
        return (call.rank if call else 0, next(iter(self._lines[name].values())), name)

    def refused(self, now_s: float) -> None:
        """The venue has answered 429."""
        if rule := self._rules.get(self._total):
            self._share.shrink(self._windows[self._total].used_at(now_s) / rule.limit, now_s)
            self._set_limits()


class Pause:
    """How long one class of calls keeps still after a 429; longer each time until a call gets through."""

    def __init__(self, chance: Callable[[], float]) -> None:
        """``chance`` returns a number in [0, 1)."""
        self._chance = chance
        self._delays: Iterator[float] | None = None
        self._until_s = -math.inf

    def extend(self, now_s: float) -> None:
        """Calls that were under way together are one offence."""
        if self.seconds_left(now_s):
            return
        self._delays = self._delays or backoff(self._chance)
        self._until_s = now_s + next(self._delays)

    def end(self) -> None:
        """A call got through. What is left of the pause is kept, its length starts anew with the next."""
        self._delays = None

    def seconds_left(self, now_s: float) -> float:
        return max(0.0, self._until_s - now_s)
