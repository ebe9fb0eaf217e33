"""The venue's rate limit, which the local exchange does not have by itself."""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import ClassVar

from ..answers import Answer, error_answer
from .hooks import BadFault, Call, Fault, Handler
from .values import check_range


@dataclass
class RequestBudget(Fault):
    """In any ``seconds`` an account has so many requests, over all its keys; what is beyond is answered 429.

    Calls without a key are not counted (nothing is known of a limit for them), nor are those that were refused.
    """

    name: ClassVar[str] = "request_budget"
    requests: int = 2000
    seconds: float = 60.0
    _taken_us: dict[str, deque[int]] = field(default_factory=lambda: defaultdict(deque), init=False, repr=False)

    def __post_init__(self) -> None:
        check_range(self.name, "requests", self.requests, 1, 1_000_000)
        if not 0 < self.seconds <= 86_400:
            raise BadFault(f"{self.name}: expected seconds above 0 and up to 86400, was {self.seconds}")

    def touches_call(self, call: Call) -> bool:
        """Only what is beyond the budget; the rest is counted here."""
        if call.account is None:
            return False
        now_us, taken_us = self.venue.clock.now_us(), self._taken_us[call.account]
        while taken_us and taken_us[0] <= now_us - self.seconds * 1_000_000:
            taken_us.popleft()
        if len(taken_us) >= self.requests:
            return True
        taken_us.append(now_us)
        return False

    async def request(self, call: Call, handle: Handler) -> Answer:
        return error_answer(429, "TOO_MANY_REQUESTS", "Too many requests")
