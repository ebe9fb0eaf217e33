"""Scenario files: which faults are armed at which second of the run, and for how long.

A JSON object with a list of ``steps``; each is an order for a fault, as ``POST /_sim/faults`` takes it, and its times::

    {"steps": [
        {"at_s": 10, "fault": "restart", "parameters": {"seconds": 8}},
        {"at_s": 30, "for_s": 60, "fault": "drop_update", "match": {"stream": "depth."}, "probability": 0.01},
        {"at_s": 45, "fault": "accept_then_5xx", "match": {"method": "POST", "path": "/api/v1/order"}, "count": 2}
    ]}

``at_s`` counts from the start, in the exchange's time; without ``for_s`` a fault stays armed until the end.
"""

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..time_control import ControllableClock
from .catalogue import ORDER_KEYS, FaultOrder, fault_order_of
from .hooks import ArmedFault, BadFault, Faults

logger = logging.getLogger(__name__)


class BadScenario(ValueError):
    """A scenario cannot be read or makes no sense; says what was expected and where."""


@dataclass(frozen=True)
class Step:
    """One fault with its time; ``for_s`` None means to the end."""

    at_s: float
    for_s: float | None
    order: FaultOrder


Scenario = tuple[Step, ...]


def scenario_from(path: Path) -> Scenario:
    """Read a file; raises BadScenario."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadScenario(f"cannot read the scenario {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise BadScenario(f"expected JSON in {path}: {error}") from None
    try:
        return scenario_of(content)
    except BadScenario as error:
        raise BadScenario(f"{path}: {error}") from None


def scenario_of(content: Any) -> Scenario:
    """Read a parsed scenario; raises BadScenario."""
    if not isinstance(content, dict) or not isinstance(content.get("steps"), list):
        raise BadScenario('expected an object with a list of "steps"')
    if unknown := sorted(set(content) - {"steps"}):
        raise BadScenario(f'expected "steps" and nothing else, was {unknown[0]!r}')
    if not content["steps"]:
        raise BadScenario("expected at least one step")
    return tuple(_step(step, number) for number, step in enumerate(content["steps"], 1))


def _step(step: Any, number: int) -> Step:
    if not isinstance(step, dict):
        raise BadScenario(f"step {number}: expected an object, was {step!r}")
    known = ("at_s", "for_s", *ORDER_KEYS)
    if unknown := sorted(set(step) - set(known)):
        raise BadScenario(f"step {number}: expected keys among {', '.join(known)}, was {unknown[0]!r}")
    at_s = _seconds(step, "at_s", number)
    for_s = _seconds(step, "for_s", number) if "for_s" in step else None
    if for_s == 0:
        raise BadScenario(f"step {number}: expected for_s above 0, was 0")
    try:
        order = fault_order_of({key: step[key] for key in ORDER_KEYS if key in step})
    except BadFault as error:
        raise BadScenario(f"step {number}: {error}") from None
    return Step(at_s, for_s, order)


def _seconds(step: Mapping[str, Any], name: str, number: int) -> float:
    value = step.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise BadScenario(f"step {number}: expected {name} in seconds of 0 or more, was {value!r}")
    return value


async def play(scenario: Scenario, faults: Faults, clock: ControllableClock) -> None:
    """Arm and clear by the clock until the last step has been dealt with; a log line for each."""
    begin = [(step.at_s, number, True) for number, step in enumerate(scenario)]
    end = [(step.at_s + step.for_s, number, False) for number, step in enumerate(scenario) if step.for_s is not None]
    armed: dict[int, ArmedFault] = {}
    started_us = clock.now_us()
    for at_s, number, begins in sorted(begin + end):
        await clock.sleep(at_s - (clock.now_us() - started_us) / 1_000_000)
        step = scenario[number]
        if begins:
            armed[number] = step.order.arm(faults)
            logger.info("scenario, %.1f s: %s armed", at_s, step.order.fault)
        else:
            faults.clear(armed[number])
            logger.info("scenario, %.1f s: %s cleared, fired %d times", at_s, step.order.fault, armed[number].fired)
