"""Trouble at random: which faults, how long, from dice of a given seed. For the soak and the stateful test."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from test.hummingbot.connector.exchange.backpack.reliability.rig import faults

ORDER = "/api/v1/order"
PRIVATE = "account."
DEPTH = "depth."


@dataclass(frozen=True)
class Trouble:
    """One way to go wrong: the fault, what it strikes, and for how many events (None: until it is cleared)."""

    name: str
    make: Callable[[random.Random], Any]
    count: int | None = None
    match: tuple[tuple[str, str], ...] = ()


def _trouble(name: str, make: Callable[..., Any], count: int | None = None, **match: str) -> Trouble:
    return Trouble(name, lambda dice: make() if isinstance(make, type) else make(dice), count, tuple(match.items()))


TROUBLES = [
    _trouble("order accepted, answer lost", faults.AcceptThenDropResponse, 2, method="POST", path=ORDER),
    _trouble("order accepted, 503", faults.AcceptThen5xx, 2, method="POST", path=ORDER),
    _trouble("order not accepted, reset", faults.ResetConnection, 2, method="POST", path=ORDER),
    _trouble("cancel answered 202", faults.Cancel202, 4, method="DELETE"),
    _trouble("cancel carried out, answer lost", faults.AcceptThenDropResponse, 2, method="DELETE"),
    _trouble("500 on any call", faults.ServerError, 6),
    _trouble("502 page on any call", faults.HtmlError, 3),
    _trouble("429 on queries", faults.RateLimited, 3, method="GET"),
    _trouble("slow exchange", lambda dice: faults.Latency(dice.uniform(0.05, 2.0)), 20),
    _trouble("history lags", lambda dice: faults.HistoryLag(dice.uniform(1, 15))),
    _trouble("private frames lost", faults.DropUpdate, 5, stream=PRIVATE),
    _trouble("private frames doubled", faults.Duplicate, 10, stream=PRIVATE),
    _trouble("private frames out of order", faults.Reorder, 10, stream=PRIVATE),
    _trouble("private garbage", faults.GarbageFrame, 2, stream=PRIVATE),
    _trouble("private frames cut", faults.Truncated, 2, stream=PRIVATE),
    _trouble("unknown order status", faults.UnknownStatus, 2, stream=PRIVATE),
    _trouble("unknown order event", faults.UnknownEvent, 2, stream=PRIVATE),
    _trouble("depth frames lost", faults.DropUpdate, 3, stream=DEPTH),
    _trouble("depth frames out of order", faults.Reorder, 6, stream=DEPTH),
    _trouble("depth frames doubled", faults.Duplicate, 6, stream=DEPTH),
    _trouble("stale snapshots", faults.StaleSnapshot, 2),
    _trouble("sockets reset", faults.ResetConnection, 2, stream=""),
    _trouble("sockets closed", faults.CloseFrame, 2, stream=""),
    _trouble("half-open sockets", faults.HalfOpen),
    _trouble("silent sockets", faults.Silence),
    _trouble("connections refused", faults.RefuseConnection),
    _trouble("restart", lambda dice: faults.Restart(dice.uniform(0.5, 4.0)), 1),
    _trouble("clock off", lambda dice: faults.ClockSkew(dice.choice([-20.0, -3.0, 3.0, 20.0]))),
    _trouble("maintenance", faults.Maintenance),
]


def arm(trouble: Trouble, sim: Any, dice: random.Random) -> Any:
    """Begin it; returns what ``sim.faults.clear`` takes."""
    return sim.faults.arm(trouble.make(dice), count=trouble.count, **dict(trouble.match))
