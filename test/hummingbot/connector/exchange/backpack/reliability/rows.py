"""The fault table: what can go wrong, by the ids of docs/reliability.md, each as a short play on a ``Rig``.

A play brings the trouble about, by the connector's public members and the exchange's faults only, and returns with all
faults cleared or used up; what has to hold then is the same for every row (``Rig.settled``). A play may assert more,
such as that an order completed exactly once. The same rows are the test table (test_under_faults.py) and the
comparison of connectors (scripts/compare_connectors.py), so a play knows no connector's inside.
"""

import importlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from test.hummingbot.connector.exchange.backpack.reliability.rig import Rig

Play = Callable[[Rig], Awaitable[None]]


class Phase(StrEnum):
    """What the connector is doing when it happens."""

    AT_START = "at start"
    BEFORE_THE_ANSWER = "before the answer"
    AFTER_THE_ANSWER = "after the answer"
    WHILE_FILLING = "while filling"
    WHILE_CANCELLING = "while cancelling"
    WHILE_RESYNCING = "while resyncing"
    WHILE_RECONNECTING = "while reconnecting"
    WHILE_QUIET = "while quiet"
    AT_STOP = "at stop"


@dataclass(frozen=True)
class Row:
    id: str
    phase: Phase
    what: str
    play: Play
    rig: dict[str, Any] = field(default_factory=dict)  # options of the Rig it needs

    @property
    def name(self) -> str:
        return f"{self.id}-{self.play.__name__}"


ROWS: list[Row] = []


def row(id: str, phase: Phase, what: str, **rig: Any) -> Callable[[Play], Play]:
    """Enter a play into the table; ``rig`` are options of the Rig that it needs."""

    def enter(play: Play) -> Play:
        ROWS.append(Row(id, phase, what, play, rig))
        return play

    return enter


def all_rows() -> list[Row]:
    """The whole table; importing a module of plays enters them."""
    for file in sorted(Path(__file__).parent.glob("*_rows.py")):
        importlib.import_module(f"{__name__.rpartition('.')[0]}.{file.stem}")
    return ROWS
