"""Where the simulator's time comes from: always an argument, in microseconds since 1970."""

from typing import Protocol


class Clock(Protocol):
    def now_us(self) -> int:
        """The current time in microseconds."""


class ManualClock:
    """Stands still until told to move, so that a test decides what time it is."""

    def __init__(self, start_us: int = 1_790_000_000_000_000) -> None:
        self._now_us = start_us

    def now_us(self) -> int:
        return self._now_us

    def advance(self, seconds: float) -> None:
        """Move forward; refuses to go back, since the engine's times only increase."""
        if seconds < 0:
            raise ValueError(f"expected a step forward, was {seconds} s; the clock stays where it is")
        self._now_us += round(seconds * 1_000_000)
