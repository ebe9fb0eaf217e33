"""What the venue has on record about orders: which are open, how others ended, and what was traded."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack.backpack_constants import Endpoint
from hummingbot.connector.exchange.backpack.backpack_web_utils import BackpackAPIFactory
from hummingbot.connector.exchange.backpack.errors import WireFormatError
from hummingbot.connector.exchange.backpack.orders import is_same_order
from hummingbot.connector.exchange.backpack.wire import Fill, Order, parse_fill, parse_order, parse_readable
from hummingbot.core.data_type.in_flight_order import InFlightOrder

Row = TypeVar("Row", Order, Fill)

# Up to so many orders are asked for one by one; more are found in the records since the oldest of them.
FEW_ORDERS = 5
# What is not known of the venue's clock, which itself is known.
CLOCKS_DIFFER_S = 60.0
# Rows of the first page, which mostly is enough; any further page is as long as the venue allows.
FIRST_PAGE = 100


@dataclass
class Records(Generic[Row]):
    """Rows of one of the venue's records; not ``complete`` if some could not be read, so that absence means nothing."""

    rows: list[Row]
    complete: bool
    length: int = 0  # rows asked for so far, readable or not

    def add(self, rows: list[Row], unreadable: list[WireFormatError]) -> None:
        self.rows += rows
        self.length += len(rows) + len(unreadable)
        self.complete = self.complete and not unreadable

    def of(self, order: InFlightOrder) -> Row | None:
        return next((row for row in self.rows if is_same_order(order, row)), None)


class BackpackRecords:
    """Asks for them. Every method raises BackpackError if the venue does not answer."""

    def __init__(self, api_factory: BackpackAPIFactory, venue_time: Callable[[], float]):
        """``venue_time``: the venue's clock in seconds."""
        self._api_factory = api_factory
        self._venue_time = venue_time

    async def open_orders(self) -> Records[Order]:
        """All of the account, whoever placed them, in one request."""
        answer = await self._api_factory.request(CONSTANTS.OPEN_ORDERS)
        rows, unreadable = parse_readable(answer, parse_order, "open orders")
        return Records(rows, complete=not unreadable)

    async def history_of(self, orders: Sequence[InFlightOrder]) -> Records[Order]:
        """How ``orders`` ended, among rows of others; it may lag, and may list orders that are still open."""
        return await self._rows_of(CONSTANTS.ORDER_HISTORY, parse_order, orders)

    async def fills_of(self, orders: Sequence[InFlightOrder]) -> Records[Fill]:
        """What was traded for ``orders``, among rows of others; it may lag."""
        return await self._rows_of(CONSTANTS.FILL_HISTORY, parse_fill, orders)

    async def _rows_of(
        self, endpoint: Endpoint, parse: Callable[[Any], Row], orders: Sequence[InFlightOrder]
    ) -> Records[Row]:
        """A few orders are asked for by id, many by when they began."""
        if len(orders) <= FEW_ORDERS and all(order.exchange_order_id for order in orders):
            pages = [await self._pages(endpoint, parse, order_id=order.exchange_order_id) for order in orders]
        else:
            venue_ahead_s = self._venue_time() - time.time()
            oldest_s = min(order.creation_timestamp for order in orders) + venue_ahead_s - CLOCKS_DIFFER_S
            pages = [await self._pages(endpoint, parse, since_s=oldest_s)]
        return Records([row for page in pages for row in page.rows], complete=all(page.complete for page in pages))

    async def _pages(
        self,
        endpoint: Endpoint,
        parse: Callable[[Any], Row],
        *,
        order_id: str | None = None,
        since_s: float = -math.inf,
    ) -> Records[Row]:
        """Newest first, so that a row added meanwhile shifts the pages without hiding any."""
        records: Records[Row] = Records([], complete=True)
        while True:
            limit = CONSTANTS.HISTORY_PAGE if records.length else FIRST_PAGE
            params = {"limit": str(limit), "offset": str(records.length)}
            if order_id is not None:
                params["orderId"] = order_id
            answer = await self._api_factory.request(endpoint, params=params)
            rows, unreadable = parse_readable(answer, parse, endpoint.path)
            records.add(rows, unreadable)
            if len(answer) < limit or (rows and _time_s(rows[-1]) < since_s):
                return records


def _time_s(row: Order | Fill) -> float:
    return row.created_s if isinstance(row, Order) else row.time_s
