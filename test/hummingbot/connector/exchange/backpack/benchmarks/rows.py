"""The table: which figure is shown how, and what it has to reach."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a target is held against. A time depends on the machine, so that it is told but fails nothing."""

    RATIO = "times less than A, or more"
    COUNT = "at most, whatever the machine"
    TIME = "at most, on a machine like the reference"


@dataclass(frozen=True)
class Target:
    kind: Kind
    value: float

    def is_met(self, a: float | None, b: float) -> bool | None:
        """None if there is nothing to compare with."""
        if self.kind is not Kind.RATIO:
            return b <= self.value
        return None if a is None else a >= b * self.value


@dataclass(frozen=True)
class Row:
    """``figure`` of ``play``. Less is better, unless ``more_is_better``; A's and B's have no ratio if not
    ``comparable``."""

    play: str
    figure: str
    what: str
    unit: str
    target: Target | None = None
    more_is_better: bool = False
    comparable: bool = True


def times(value: float) -> Target:
    return Target(Kind.RATIO, value)


def count(value: float) -> Target:
    return Target(Kind.COUNT, value)


def time(value: float) -> Target:
    return Target(Kind.TIME, value)


ROWS = (
    Row("signing", "sign_us", "sign one order's text", "µs", times(2.5)),
    Row("signing", "authenticate_us", "`rest_authenticate` of an order", "µs", times(4.5)),
    Row("order_cpu", "order_cpu_us", "one order until it is open, CPU", "µs"),
    Row("orders_instant", "orders_instant_ms", "100 orders at once until all are open, instant venue", "ms", times(10)),
    Row("orders_distant", "orders_distant_ms", "the same, the venue answers after 50 ms", "ms", times(3)),
    Row("orders_instant", "orders_requests", "requests for 100 orders at once", ""),
    Row("orders_instant", "orders_connections", "connections opened by 100 orders at once", ""),
    Row("order_after_quiet", "order_after_quiet_connections", "connections opened by an order after 20 quiet s", ""),
    Row("cancel_all", "cancel_all_ms", "`cancel_all` of 100 own orders", "ms", times(6)),
    Row("cancel_all", "cancel_all_requests", "requests for it", ""),
    Row("cancel_singly_instant", "cancel_singly_instant_ms", "100 orders one by one, instant venue", "ms"),
    Row("cancel_singly_distant", "cancel_singly_distant_ms", "the same, the venue answers after 50 ms", "ms"),
    Row("throttler", "acquire_0_us", "`acquire`, empty window", "µs"),
    Row("throttler", "acquire_1000_us", "`acquire`, 1000 requests in the window", "µs"),
    Row("throttler", "acquire_1900_us", "`acquire`, 1900 requests in the window", "µs"),
    Row("throttler", "acquire_flat", "the last against the empty window", "x", count(2)),
    Row("waiters", "waiters_stall_ms", "100 waiters on a full window: longest stall of the event loop", "ms", time(50)),
    Row("waiters", "waiters_before_cancels", "of them let through before the last of 5 later cancels", "", count(0)),
    Row("depth_small", "depth_small_us", "depth update of 1-5 levels, socket to book, CPU", "µs", times(5)),
    Row("depth_middle", "depth_middle_us", "of 20 levels", "µs", times(5)),
    Row("depth_large", "depth_large_us", "of 200 levels", "µs", times(5)),
    Row("latency", "latency_p50_ms", "10,000 updates/s over 50 pairs, to the book: median", "ms"),
    Row("latency", "latency_p99_ms", "p99", "ms", time(20)),
    Row("latency", "latency_backlog_ms", "left over when the sender stops", "ms", time(100)),
    Row("throughput", "throughput_per_s", "updates/s over 50 pairs without a backlog", "", more_is_better=True),
    Row("throughput", "throughput_in_time_per_s", "and with p99 up to 100 ms", "", more_is_better=True),
    Row("snapshot", "snapshot_1000_ms", "snapshot of 1000 levels a side, bytes to book, CPU", "ms", times(3)),
    Row("snapshot", "snapshot_5000_ms", "of 5000 levels a side", "ms", times(3)),
    Row("snapshot", "snapshot_request_ms", "of 1000 levels a side, its request included", "ms"),
    Row("start", "start_s", "start until ready, 50 pairs (short: 5)", "s", time(2)),
    Row("poll", "poll_1_requests", "requests of a poll, 1 open order", "", count(5)),
    Row("poll", "poll_1_history", "of them history", "", count(2)),
    Row("poll", "poll_100_requests", "100 open orders", "", count(5)),
    Row("poll", "poll_100_history", "of them history", "", count(2)),
    Row("poll", "poll_1000_requests", "1000 open orders", "", count(5)),
    Row("poll", "poll_1000_history", "of them history", "", count(2)),
    Row("quiet", "quiet_requests", "requests a minute, 50 quiet pairs", "", count(20)),
    Row("event_after_closed", "event_closed_us", "a fill where 1000 orders have just closed, CPU", "µs", time(60)),
    Row("event_among_open", "event_open_us", "a fill where 1000 orders are open, CPU", "µs", time(100)),
    Row("available_balance", "available_1_us", "`get_available_balance`, 1 open order", "µs"),
    Row("available_balance", "available_1000_us", "1000 open orders", "µs"),
    Row("available_balance", "available_flat", "the last against one order", "x", count(2)),
    Row("memory", "memory_pair_kb", "memory of one more pair", "kB", times(1)),
    Row("growth", "growth_mb", "memory kept of 10 million updates, after 3 (A: 1)", "MB", count(2), comparable=False),
)  # fmt: skip


@dataclass(frozen=True)
class Spread:
    """A figure over all rounds."""

    median: float
    least: float
    most: float
    rounds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values), len(values))

    def text(self, unit: str) -> str:
        own = f"{shown(self.median)} {unit}".rstrip()
        if self.rounds == 1 or shown(self.least) == shown(self.most):
            return own
        return f"{own} ({shown(self.least)}-{shown(self.most)})"


def ratio(a: float, b: float) -> float | None:
    """How many times less ``b`` is; None if it is nothing."""
    return a / b if b > 0 else None


def shown(value: float) -> str:
    """Three digits, or all of a whole number."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
