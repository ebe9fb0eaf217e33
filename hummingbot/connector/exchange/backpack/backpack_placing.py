"""New orders, sent together: what a strategy places in one turn of the event loop is one request, or a few.

The venue takes a list of orders and says of each what became of it (api-doc/NOTES.md, "Orders").
Cancels of the same turn are on their way first, since orders wait for its end.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack.backpack_web_utils import BackpackAPIFactory
from hummingbot.connector.exchange.backpack.errors import Rejected
from hummingbot.connector.exchange.backpack.orders import each_placed
from hummingbot.connector.exchange.backpack.wire import Order, parse_order, parse_placed

Body = Mapping[str, Any]  # as ``wire.new_order`` makes it


@dataclass(frozen=True, slots=True)
class _Placement:
    body: Body
    outcome: asyncio.Future[Order]


class BackpackPlacing:
    def __init__(self, api_factory: BackpackAPIFactory):
        self._api_factory = api_factory
        self._waiting: list[_Placement] = []
        self._sending: set[asyncio.Task[None]] = set()

    async def place(self, body: Body) -> Order:
        """Send one order, with those that are placed in the same turn.

        Raises BackpackError, for this order alone: Rejected and NotSent if nothing happened, else it is not known.
        """
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._send)
        placement = _Placement(body, loop.create_future())
        self._waiting.append(placement)
        return await placement.outcome

    def _send(self) -> None:
        """Post-only orders apart from the others, which the venue lets wait (api-doc/NOTES.md, "Orders")."""
        waiting, self._waiting = self._waiting, []
        post_only = [placement for placement in waiting if placement.body.get("postOnly")]
        others = [placement for placement in waiting if not placement.body.get("postOnly")]
        for group in (post_only, others):
            for start in range(0, len(group), CONSTANTS.ORDERS_PER_REQUEST):
                task = asyncio.create_task(self._settle(group[start : start + CONSTANTS.ORDERS_PER_REQUEST]))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)

    async def _settle(self, placements: Sequence[_Placement]) -> None:
        try:
            outcomes = await self._outcomes([placement.body for placement in placements])
        except Exception as error:
            outcomes = [error] * len(placements)
        for placement, outcome in zip(placements, outcomes, strict=True):
            if placement.outcome.done():
                continue  # whoever placed it was cancelled
            if isinstance(outcome, Order):
                placement.outcome.set_result(outcome)
            else:
                placement.outcome.set_exception(outcome)

    async def _outcomes(self, bodies: Sequence[Body]) -> Sequence[Order | BaseException]:
        if len(bodies) == 1:
            return [await self._place_alone(bodies[0])]
        try:
            answer = await self._api_factory.request(CONSTANTS.PLACE_ORDERS, body=bodies)
        except Rejected:
            # All of them, be it for one that cannot be read or for their number. Nothing happened: each gets a verdict
            # of its own.
            return await asyncio.gather(*map(self._place_alone, bodies), return_exceptions=True)
        return each_placed([body["clientId"] for body in bodies], parse_placed(answer))

    async def _place_alone(self, body: Body) -> Order:
        return parse_order(await self._api_factory.request(CONSTANTS.PLACE_ORDER, body=body))
