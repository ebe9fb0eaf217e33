"""Hummingbot's order tracker, without the copies of its tables that it makes for every look-up."""

from collections import ChainMap
from collections.abc import MutableMapping

from hummingbot.connector.client_order_tracker import ClientOrderTracker
from hummingbot.core.data_type.in_flight_order import InFlightOrder

Orders = MutableMapping[str, InFlightOrder]


class BackpackOrderTracker(ClientOrderTracker):
    """The tables by client order id are views, so that what an event costs does not grow with the orders around it.

    An order stands in one of them only; most events are of active ones, so those are looked up first.
    """

    @property
    def all_orders(self) -> Orders:
        return ChainMap(self._in_flight_orders, self._cached_orders)

    @property
    def all_fillable_orders(self) -> Orders:
        return ChainMap(self._in_flight_orders, self._cached_orders, self._lost_orders)

    @property
    def all_updatable_orders(self) -> Orders:
        return ChainMap(self._in_flight_orders, self._lost_orders)

    def fetch_order(
        self, client_order_id: str | None = None, exchange_order_id: str | None = None
    ) -> InFlightOrder | None:
        found = self._in_flight_orders.get(client_order_id)
        return super().fetch_order(client_order_id, exchange_order_id) if found is None else found
