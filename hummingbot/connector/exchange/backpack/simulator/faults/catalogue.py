"""The faults by name, and the words in which the control plane and scenario files ask for them."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import budget, calls, connections, frames, timing, venue
from .hooks import ArmedFault, BadFault, Fault, Faults, Match, check_arming

CATALOGUE: dict[str, type[Fault]] = {
    kind.name: kind
    for kind in (
        calls.Reject, calls.UnknownErrorCode, calls.ServerError, calls.HtmlError, calls.RateLimited,
        calls.AcceptThenDropResponse, calls.AcceptThen5xx, calls.GzipGarbage, calls.EmptyTicker, calls.Cancel202,
        calls.DuplicateClientIds, calls.UnknownOrderNotFound,
        connections.Latency, connections.ResetConnection, connections.CloseFrame, connections.RefuseConnection,
        connections.HalfOpen, connections.Silence, connections.SubscribeRefused,
        frames.DropUpdate, frames.Duplicate, frames.Reorder, frames.GarbageFrame, frames.NotAnObject, frames.Truncated,
        frames.UnknownEvent, frames.UnknownStatus, frames.Huge, frames.Deep,
        timing.LateAnswer, timing.LateFrame, timing.StaleSnapshot, timing.FutureSnapshot, timing.HistoryLag,
        budget.RequestBudget,
        venue.ClockSkew, venue.ClockJump, venue.Maintenance, venue.Restart, venue.SystemFill,
    )
}  # fmt: skip

ORDER_KEYS = ("fault", "parameters", "count", "probability", "seed", "match")


def fault_of(name: str, parameters: Mapping[str, Any]) -> Fault:
    """A fault by its name and values; raises BadFault."""
    kind = CATALOGUE.get(name)
    if kind is None:
        raise BadFault(f"expected one of the faults {', '.join(sorted(CATALOGUE))}, was {name!r}")
    fields = {one.name: one for one in dataclasses.fields(kind) if one.init}  # type: ignore[arg-type]
    for key, value in parameters.items():
        if key not in fields:
            raise BadFault(f"{name}: expected parameters among {', '.join(fields) or '(none)'}, was {key!r}")
        if not _fits(value, fields[key].type):
            raise BadFault(f"{name}: expected {key} to be of type {_type_name(fields[key].type)}, was {value!r}")
    for key, one in fields.items():
        if key not in parameters and one.default is dataclasses.MISSING:
            raise BadFault(f"{name}: expected a value for {key}, was none")
    return kind(**parameters)


def described(kind: type[Fault]) -> dict[str, Any]:
    """A fault for people: what it does, and its parameters with their types and defaults (None: one must be given)."""
    fields = [one for one in dataclasses.fields(kind) if one.init]  # type: ignore[arg-type]
    return {
        "group": kind.__module__.rpartition(".")[2],
        "parameters": [
            {
                "default": None if one.default is dataclasses.MISSING else one.default,
                "name": one.name,
                "type": _type_name(one.type),
            }
            for one in fields
        ],
        "text": " ".join((kind.__doc__ or "").split()),
    }


@dataclass(frozen=True)
class FaultOrder:
    """What is to be armed, checked: ``{"fault", "parameters"?, "count"?, "probability"?, "seed"?, "match"?}``."""

    fault: str
    parameters: dict[str, Any] = field(default_factory=dict)
    count: int | None = None
    probability: float = 1.0
    seed: int = 0
    match: dict[str, str] = field(default_factory=dict)

    def arm(self, faults: Faults) -> ArmedFault:
        """Each call makes a fault of its own."""
        return faults.arm(
            fault_of(self.fault, self.parameters),
            count=self.count,
            probability=self.probability,
            seed=self.seed,
            **self.match,
        )


def fault_order_of(body: Mapping[str, Any]) -> FaultOrder:
    """Read an order for a fault; raises BadFault with one sentence."""
    if unknown := sorted(set(body) - set(ORDER_KEYS)):
        raise BadFault(f"expected keys among {', '.join(ORDER_KEYS)}, was {unknown[0]!r}")
    name, parameters, match = body.get("fault"), body.get("parameters", {}), body.get("match", {})
    if not isinstance(name, str) or not isinstance(parameters, dict) or not isinstance(match, dict):
        raise BadFault("expected fault as text, parameters and match as objects")
    known = sorted(Match.__dataclass_fields__)
    for key, value in match.items():
        if key not in known or not isinstance(value, str):
            raise BadFault(f"expected match to hold text under {', '.join(known)}, was {key}={value!r}")
    count, seed, probability = body.get("count"), body.get("seed", 0), body.get("probability", 1.0)
    if count is not None and not _fits(count, int):
        raise BadFault(f"expected count as a whole number, was {count!r}")
    if not _fits(seed, int):
        raise BadFault(f"expected seed as a whole number, was {seed!r}")
    if not _fits(probability, float):
        raise BadFault(f"expected probability as a number, was {probability!r}")
    check_arming(count, probability)
    fault_of(name, parameters)
    return FaultOrder(name, dict(parameters), count, float(probability), seed, dict(match))


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _type_name(kind: Any) -> str:
    return getattr(kind, "__name__", str(kind))
