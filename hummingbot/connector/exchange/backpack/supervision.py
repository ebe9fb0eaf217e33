"""When to connect again, and when to distrust a connection that seems alive. Time and chance come in as arguments."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 60.0
# A stream that lived this long is not the cause of the next failure: its delays start again from the first.
HEALTHY_AFTER_S = 60.0


def backoff(chance: Callable[[], float], first_s: float = FIRST_DELAY_S) -> Iterator[float]:
    """Delays of 1, 2, 4 ... 60 s, each varied by +-20 % so that many bots do not come back in step.

    ``chance`` returns a number in [0, 1).
    """
    delay_s = first_s
    while True:
        yield delay_s * (0.8 + 0.4 * chance())
        delay_s = min(delay_s * 2, LONGEST_DELAY_S)


class StreamState(Enum):
    CONNECTING = auto()
    LIVE = auto()
    WAITING = auto()


@dataclass(frozen=True, slots=True)
class Lost:
    uptime_s: float
    retry_in_s: float


@dataclass(frozen=True, slots=True)
class Live:
    attempts: int
    down_s: float


class StreamSupervisor:
    """CONNECTING -> LIVE -> (lost) -> WAITING(delay) -> CONNECTING; a connect that fails goes straight to WAITING.

    All times are seconds of one monotonic clock.
    """

    def __init__(self, chance: Callable[[], float], now_s: float) -> None:
        self._chance = chance
        self._delays = backoff(chance)
        self._state = StreamState.WAITING
        self._state_since_s = now_s
        self._down_since_s = now_s
        self._retry_at_s = now_s
        self._attempts = 0

    @property
    def state(self) -> StreamState:
        return self._state

    def seconds_until_retry(self, now_s: float) -> float:
        return max(0.0, self._retry_at_s - now_s)

    def on_connecting(self, now_s: float) -> None:
        self._enter(StreamState.CONNECTING, now_s)
        self._attempts += 1

    def on_live(self, now_s: float) -> Live:
        """The subscription stands. Tells how long it took, for the operator's log."""
        told = Live(attempts=self._attempts, down_s=now_s - self._down_since_s)
        self._enter(StreamState.LIVE, now_s)
        self._attempts = 0
        return told

    def on_lost(self, now_s: float) -> Lost:
        """The connection is gone, or was never made: when to try again."""
        was_live = self._state is StreamState.LIVE
        uptime_s = now_s - self._state_since_s if was_live else 0.0
        if was_live:
            self._down_since_s = now_s
        if uptime_s >= HEALTHY_AFTER_S:
            self._delays = backoff(self._chance)
        retry_in_s = next(self._delays)
        self._retry_at_s = now_s + retry_in_s
        self._enter(StreamState.WAITING, now_s)
        return Lost(uptime_s=uptime_s, retry_in_s=retry_in_s)

    def _enter(self, state: StreamState, now_s: float) -> None:
        self._state = state
        self._state_since_s = now_s


class SilenceWatch:
    """Says when a feed has been silent for too long; each question starts a new period of patience."""

    def __init__(self, limit_s: float, now_s: float) -> None:
        self.limit_s = limit_s
        self._last_s = now_s
        self._asked = 0  # in this silence

    def heard(self, at_s: float) -> None:
        """What was heard before the last question is old news."""
        if at_s > self._last_s:
            self._last_s = at_s
            self._asked = 0

    def asked(self, now_s: float) -> None:
        self._last_s = now_s
        self._asked += 1

    def seconds_left(self, now_s: float) -> float:
        return self._last_s + self.limit_s - now_s

    @property
    def turn(self) -> tuple[int, float]:
        """Of several that are due the least goes first: a new silence says more than one that was found harmless."""
        return self._asked, self._last_s
