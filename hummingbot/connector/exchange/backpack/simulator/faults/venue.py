"""Faults of the exchange as a whole: its clock, its status, its life, its own orders."""

from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import ClassVar

from ..answers import Answer, error_answer, json_answer
from ..model import Order
from .hooks import Call, Disconnect, Fault, Handler, Venue
from .values import check_finite, check_range, check_seconds

GOING_AWAY = 1001
CHANGING = ("POST", "DELETE", "PATCH")


@dataclass
class ClockSkew(Fault):
    """The exchange's clock is ahead (behind, if negative), as ``/time`` tells it and timestamps are judged by it."""

    name: ClassVar[str] = "clock_skew"
    seconds: float

    def __post_init__(self) -> None:
        check_finite(self.name, "seconds", self.seconds)

    def armed(self, venue: Venue) -> None:
        super().armed(venue)
        venue.clock.skew_us += round(self.seconds * 1_000_000)

    def cleared(self) -> None:
        self.venue.clock.skew_us -= round(self.seconds * 1_000_000)


@dataclass
class ClockJump(Fault):
    """The exchange's clock jumps at a request, before it is read; clearing takes the jumps back."""

    name: ClassVar[str] = "clock_jump"
    seconds: float
    _jumped_us: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        check_finite(self.name, "seconds", self.seconds)

    async def request(self, call: Call, handle: Handler) -> Answer:
        jump_us = round(self.seconds * 1_000_000)
        self.venue.clock.skew_us += jump_us
        self._jumped_us += jump_us
        return await handle()

    def cleared(self) -> None:
        self.venue.clock.skew_us -= self._jumped_us
        self._jumped_us = 0


@dataclass
class Maintenance(Fault):
    """``/status`` says so and everything that would change something is answered 503; queries too if ``reads_too``."""

    name: ClassVar[str] = "maintenance"
    message: str = "System under maintenance"
    reads_too: bool = False

    def touches_call(self, call: Call) -> bool:
        return call.path == "/api/v1/status" or call.method in CHANGING or self.reads_too

    async def request(self, call: Call, handle: Handler) -> Answer:
        if call.path == "/api/v1/status":
            return json_answer({"message": self.message, "status": "Maintenance"})
        return error_answer(503, "MAINTENANCE", self.message)


@dataclass
class Restart(Fault):
    """The exchange restarts: every websocket is closed (1001) and for some seconds nobody gets in; calls under way are
    carried out and lose their answer. Orders, balances and all ids go on where they were."""

    name: ClassVar[str] = "restart"
    seconds: float = 5.0

    def __post_init__(self) -> None:
        check_seconds(self.name, "seconds", self.seconds)

    def armed(self, venue: Venue) -> None:
        super().armed(venue)
        self._up_again_us = venue.clock.now_us() + round(self.seconds * 1_000_000)
        for socket in venue.sessions:
            socket.disconnect(Disconnect(GOING_AWAY, "restart"))

    def touches_call(self, call: Call) -> bool:
        return self._is_down()

    def touches_handshake(self) -> bool:
        return self._is_down()

    async def request(self, call: Call, handle: Handler) -> Answer:
        raise Disconnect

    async def handshake(self) -> None:
        raise Disconnect

    def answering(self) -> None:
        if self._is_down():
            raise Disconnect

    def _is_down(self) -> bool:
        return self.venue.clock.now_us() < self._up_again_us


@dataclass
class SystemFill(Fault):
    """The venue itself fills resting orders, at their price: a fill without trade id, on the stream and in history.

    ``part`` of what is open is filled, in whole steps and at least one; the count counts orders.
    """

    name: ClassVar[str] = "system_fill"
    part: float = 1.0

    def __post_init__(self) -> None:
        check_range(self.name, "part", self.part, 0.0, 1.0)

    def resting(self, order: Order) -> None:
        step = self.venue.exchange.market(order.symbol).step_size
        steps = (order.remaining * Decimal(str(self.part)) / step).to_integral_value(ROUND_DOWN)
        self.venue.exchange.system_fill(order.id, max(steps * step, step))
