"""The exchange's controllable clock: real time by default; it can be frozen, advanced and skewed while running."""

import asyncio
import time


class ControllableClock:
    """Microseconds since 1970, and a ``sleep`` that lives in the same time.

    ``skew_us`` moves only what the exchange believes when it answers ``/time`` and judges timestamps; the engine's own
    times go on undisturbed, so a clock fault can go in both directions.
    """

    def __init__(self) -> None:
        self.skew_us = 0
        self._ahead_us = 0
        self._frozen_at_us: int | None = None
        self._sleepers: set[asyncio.Future[None]] = set()

    def now_us(self) -> int:
        if self._frozen_at_us is not None:
            return self._frozen_at_us
        return time.time_ns() // 1_000 + self._ahead_us

    def judged_ms(self) -> int:
        """The time that ``/time`` reports and that timestamps of requests are held against."""
        return (self.now_us() + self.skew_us) // 1_000

    @property
    def frozen(self) -> bool:
        return self._frozen_at_us is not None

    def freeze(self) -> None:
        """Stand still until ``advance`` or ``resume``."""
        self._frozen_at_us = self.now_us()
        self._wake()

    def resume(self) -> None:
        """Go on from where the clock stood."""
        if self._frozen_at_us is not None:
            self._ahead_us = self._frozen_at_us - time.time_ns() // 1_000
            self._frozen_at_us = None
            self._wake()

    def advance(self, seconds: float) -> None:
        """Jump forward; whoever sleeps until a time that has passed wakes up."""
        if not 0 <= seconds < 1e9:
            raise ValueError(f"expected a step forward, was {seconds} s; the clock stays where it is")
        step_us = round(seconds * 1_000_000)
        if self._frozen_at_us is not None:
            self._frozen_at_us += step_us
        else:
            self._ahead_us += step_us
        self._wake()

    async def sleep(self, seconds: float) -> None:
        """Wait for this much of the exchange's time; while it is frozen, until it is advanced."""
        until_us = self.now_us() + round(seconds * 1_000_000)
        while (left_us := until_us - self.now_us()) > 0:
            woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._sleepers.add(woken)
            try:
                await asyncio.wait_for(woken, None if self.frozen else left_us / 1_000_000)
            except TimeoutError:
                pass
            finally:
                self._sleepers.discard(woken)

    def _wake(self) -> None:
        for sleeper in self._sleepers:
            if not sleeper.done():
                sleeper.set_result(None)
