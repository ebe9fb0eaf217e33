"""Hummingbot's throttler, done with ``throttling``: it waits where that decides, and tells the operator.

Shared by whoever asks the venue for something: the connector's calls, and a candle feed that takes
``connector.throttler``. Calls take turns as cancels, orders, queries, anything else.
"""

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable, Iterable
from decimal import Decimal

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack.throttling import Pause, Rule, Throttle
from hummingbot.core.api_throttler.async_throttler_base import AsyncThrottlerBase
from hummingbot.core.api_throttler.data_types import RateLimit

_RANKS = (CONSTANTS.CANCELS, CONSTANTS.ORDERS, CONSTANTS.QUERIES)
# A minute is taken to be this much longer: requests do not all take equally long to arrive.
_SAFETY_MARGIN = 0.05
_TOLD_AGAIN_AFTER_S = 60.0


class BackpackThrottler(AsyncThrottlerBase):
    def __init__(
        self,
        rate_limits: list[RateLimit],
        limits_share_percentage: Decimal | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ):
        """``clock`` in seconds; ``chance`` returns a number in [0, 1)."""
        self._throttle: Throttle[tuple[str, asyncio.Future[float]]] = Throttle(
            total=CONSTANTS.ALL, curbed=CONSTANTS.ALL_BUT_CANCELS
        )
        self._clock = clock
        self._chance = chance
        self._pauses: dict[str, Pause] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._shrinking_told = False
        self._waiting_told_s = -math.inf
        super().__init__(
            rate_limits, safety_margin_pct=_SAFETY_MARGIN, limits_share_percentage=limits_share_percentage
        )

    @classmethod
    def logger(cls) -> logging.Logger:
        return logging.getLogger(__name__)

    # -- limits -------------------------------------------------------------------------------------------------------

    def set_rate_limits(self, rate_limits: list[RateLimit]) -> None:
        super().set_rate_limits(rate_limits)
        self._define()

    def add_rate_limits(self, rate_limits: list[RateLimit]) -> None:
        super().add_rate_limits(rate_limits)
        self._define()

    def _define(self) -> None:
        self._throttle.define(_rule(limit) for limit in self._rate_limits)
        if self._throttle.waiting:
            self._step()

    # -- turns --------------------------------------------------------------------------------------------------------

    def execute_task(self, limit_id: str) -> "_Turn":
        return _Turn(self, limit_id)

    def admit(self, limit_id: str) -> bool:
        """Whether one call of this name may be sent at once; it then counts as sent."""
        return self._throttle.admit(limit_id, self._clock())

    async def acquire(self, limit_id: str) -> None:
        """Return when one call of this name may be sent; it then counts as sent. Cancelled, it does not count."""
        if self.admit(limit_id):
            return
        turn: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._throttle.wait(limit_id, (limit_id, turn))
        next_s = self._step()
        if not turn.done():
            self._tell_waiting(limit_id, next_s)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._throttle.withdraw(limit_id, (limit_id, turn))
            else:
                self._throttle.give_back(limit_id, turn.result())
            self._step()
            raise

    def _step(self) -> float:
        """Let go who may, and see to it that the next step is taken in time: when, by the clock."""
        now_s = self._clock()
        step = self._throttle.step(now_s)
        for limit_id, turn in step.go:
            if turn.cancelled():  # and had no chance to say so yet
                self._throttle.give_back(limit_id, now_s)
            else:
                turn.set_result(now_s)
        if self._shrinking_told and self._throttle.is_whole:
            self._shrinking_told = False
            self.logger().info("rate budget whole again: %d requests a minute beside cancels", self._throttle.allowance)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if step.next_s < math.inf:
            self._timer = asyncio.get_running_loop().call_later(step.next_s - now_s, self._step)
        return step.next_s

    def _tell_waiting(self, limit_id: str, next_s: float) -> None:
        now_s = self._clock()
        if now_s - self._waiting_told_s >= _TOLD_AGAIN_AFTER_S:
            self._waiting_told_s = now_s
            self.logger().info("rate budget used up: %s waits, for %.1f s at least", limit_id, next_s - now_s)

    # -- what the venue says ------------------------------------------------------------------------------------------

    def refused(self, pool: str) -> None:
        """429 to a call of this class: it pauses, and from now on we count on what we have just had."""
        now_s = self._clock()
        self._pause(pool).extend(now_s)
        self._throttle.refused(now_s)
        if not self._shrinking_told and not self._throttle.is_whole:
            self._shrinking_told = True
            self.logger().warning(
                "the exchange has had too many requests: somebody else uses this account's rate limit, or has used it; "
                "going on with %d a minute beside cancels, more with each quiet minute",
                self._throttle.allowance,
            )
        self._step()

    def answered(self, pool: str) -> None:
        """A call of this class got through."""
        if pause := self._pauses.get(pool):
            pause.end()

    def paused_s(self, pool: str) -> float:
        """For how long calls of this class had better keep still."""
        pause = self._pauses.get(pool)
        return pause.seconds_left(self._clock()) if pause else 0.0

    def _pause(self, pool: str) -> Pause:
        return self._pauses.setdefault(pool, Pause(self._chance))


class _Turn:
    """``async with throttler.execute_task(..)``, as Hummingbot's users write it."""

    __slots__ = ("_limit_id", "_throttler")

    def __init__(self, throttler: BackpackThrottler, limit_id: str):
        self._throttler = throttler
        self._limit_id = limit_id

    async def __aenter__(self) -> None:
        await self._throttler.acquire(self._limit_id)

    async def __aexit__(self, *_: object) -> None: ...


def _rule(limit: RateLimit) -> Rule:
    linked = {pair.limit_id: pair.weight for pair in limit.linked_limits}
    return Rule(
        name=limit.limit_id,
        limit=int(limit.limit),
        window_s=limit.time_interval * (1 + _SAFETY_MARGIN),
        weight=limit.weight,
        linked=linked,
        rank=_rank({limit.limit_id, *linked}),
    )


def _rank(limit_ids: Iterable[str]) -> int:
    return min((_RANKS.index(limit_id) for limit_id in limit_ids if limit_id in _RANKS), default=len(_RANKS))
