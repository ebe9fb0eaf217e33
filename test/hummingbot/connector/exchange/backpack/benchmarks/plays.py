"""What is measured: plays that put one connector to work and return figures, and the register of them.

A play runs in a process of its own. It knows no connector's inside (``connectors`` does), checks that the work was
done, and raises CheckFailed if not. Its figures have their unit in their name.
"""

import importlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from test.hummingbot.connector.exchange.backpack.benchmarks.connectors import Subject

Figures = dict[str, float]


@dataclass(frozen=True)
class Call:
    """What a play is given: the connector's class, where to open a venue, and whether time is short."""

    subject: Subject
    office: str
    short: bool = False


@dataclass(frozen=True)
class Play:
    """``rounds`` in a full run. ``full_only``: left out when time is short. ``together``: both connectors at once, as
    the play waits rather than works."""

    name: str
    run: Callable[[Call], Awaitable[Figures] | Figures]
    rounds: int
    full_only: bool
    together: bool
    patience_s: float


PLAYS: dict[str, Play] = {}


def play(
    *, rounds: int = 5, full_only: bool = False, together: bool = False, patience_s: float = 120.0
) -> Callable[..., Callable[..., Awaitable[Figures] | Figures]]:
    """Enter a function into the register under its name."""

    def enter(run: Callable[[Call], Awaitable[Figures] | Figures]) -> Callable[[Call], Awaitable[Figures] | Figures]:
        PLAYS[run.__name__] = Play(run.__name__, run, rounds, full_only, together, patience_s)
        return run

    return enter


def all_plays() -> dict[str, Play]:
    """The whole register; importing a module of plays enters them."""
    for file in sorted(Path(__file__).parent.glob("*_plays.py")):
        importlib.import_module(f"{__name__.rpartition('.')[0]}.{file.stem}")
    return PLAYS
