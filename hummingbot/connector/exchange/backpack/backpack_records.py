"""What the venue has on record about orders: which are open, how others ended, and what was traded."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack.backpack_constants import Endpoint
from hummingbot.connector.exchange.backpack.backpack_web_utils import BackpackAPIFactory
from hummingbot.connector.exchange.backpack.orders import client_id_of, is_same_order
from hummingbot.connector.exchange.backpack.wire import Fill, Order, parse_fill, parse_order, parse_readable
from hummingbot.core.data_type.in_flight_order import InFlightOrder

Row = TypeVar("Row", Order, Fill)

# What is not known of the venue's clock, which itself is known.
CLOCKS_DIFFER_S = 60.0
# Rows of one order's first page, which mostly is enough; any other page is as long as the venue allows.
FIRST_PAGE = 100


class Records(Generic[Row]):
    """Rows of one of the venue's records; not ``complete`` if some could not be read, so that absence means nothing."""

    def __init__(self, rows: Iterable[Row] = (), complete: bool = True):
        self.rows: list[Row] = []
        self.complete = complete
        self._by_order_id: dict[str, list[Row]] = {}
        self._by_client_id: dict[int, list[Row]] = {}
        for row in rows:
            self.rows.append(row)
            self._by_order_id.setdefault(row.order_id, []).append(row)
            if row.client_id is not None:
                self._by_client_id.setdefault(row.client_id, []).append(row)

    def of(self, order: InFlightOrder) -> Row | None:
        return next((row for row in self.about(order) if is_same_order(order, row)), None)

    def about(self, order: InFlightOrder, order_id: str | None = None) -> list[Row]:
        """Those that may be of ``order``: they bear its client id, or the venue's id for it (or ``order_id``). It costs
        the same however many rows there are."""
        by_order_id = self._by_order_id.get(order_id or order.exchange_order_id or "", [])
        client_id = client_id_of(order)
        by_client_id = [] if client_id is None else self._by_client_id.get(client_id, [])
        return by_order_id + [row for row in by_client_id if row not in by_order_id]


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

        def is_enough(records: Records[Order]) -> bool:
            return all(records.of(order) for order in orders)

        return await self._rows_of(CONSTANTS.ORDER_HISTORY, parse_order, orders, is_enough)

    async def fills_of(self, orders: Sequence[InFlightOrder]) -> Records[Fill]:
        """What was traded for ``orders``, among rows of others; it may lag."""
        return await self._rows_of(CONSTANTS.FILL_HISTORY, parse_fill, orders)

    async def _rows_of(
        self,
        endpoint: Endpoint,
        parse: Callable[[Any], Row],
        orders: Sequence[InFlightOrder],
        is_enough: Callable[[Records[Row]], bool] = lambda records: False,
    ) -> Records[Row]:
        """One order is asked for by its id; several by when the oldest of them began, so that it is one page mostly.

        Newest first, so that a row added meanwhile shifts the pages without hiding any.
        """
        if not orders:
            return Records()
        params: dict[str, str] = {}
        since_s, limit = -math.inf, FIRST_PAGE
        if len(orders) == 1 and orders[0].exchange_order_id:
            params = {"orderId": orders[0].exchange_order_id}
        else:
            venue_ahead_s = self._venue_time() - time.time()
            since_s = min(order.creation_timestamp for order in orders) + venue_ahead_s - CLOCKS_DIFFER_S
            limit = CONSTANTS.HISTORY_PAGE
        read: list[Row] = []
        complete, length = True, 0
        while True:
            page = {"limit": str(limit), "offset": str(length)}
            answer = await self._api_factory.request(endpoint, params=params | page)
            rows, unreadable = parse_readable(answer, parse, endpoint.path)
            read += rows
            complete = complete and not unreadable
            length += len(answer)
            records = Records(read, complete)
            if len(answer) < limit or (rows and _time_s(rows[-1]) < since_s) or is_enough(records):
                return records
            limit = CONSTANTS.HISTORY_PAGE


def _time_s(row: Order | Fill) -> float:
    return row.created_s if isinstance(row, Order) else row.time_s
