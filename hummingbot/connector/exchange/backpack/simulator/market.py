"""Where prices come from: a synthetic market, a recording, later a mirror of a real venue."""

from typing import Protocol

from .matching import Exchange


class MarketSource(Protocol):
    """Trades on an exchange as the rest of the world does.

    The owner calls ``open`` once, then ``step`` as often as it likes (every 50-200 ms); a step acts
    for all the time that the exchange's clock has passed. Everything a source does goes through the
    exchange's commands, so its events reach the exchange's listeners like anybody's.
    """

    def open(self, exchange: Exchange) -> None:
        """Fund the source's accounts and build the first books."""

    def step(self) -> None:
        """Catch up with the exchange's clock."""


class Synthetic:
    """A seeded random walk with makers and takers; same seed and same steps, same events."""

    def __init__(self, seed: int) -> None: ...
    def open(self, exchange: Exchange) -> None: ...
    def step(self) -> None: ...
