"""Hummingbot's order tracker, without the copies of its tables that it makes for every look-up."""

from collections import ChainMap
from collections.abc import MutableMapping

from hummingbot.connector.client_order_tracker import ClientOrderTracker
from hummingbot.core.data_type.in_flight_order import InFlightOrder

Orders = MutableMapping[str, InFlightOrder]


class BackpackOrderTracker(ClientOrderTracker):
    """The tables by client order id are views, so that what an event costs does not grow with the orders around it.

    As inherited, an order that stands in several of them is taken from the last named.
    """

    @property
    def all_orders(self) -> Orders:
        return ChainMap(self._cached_orders, self._in_flight_orders)

    @property
    def all_fillable_orders(self) -> Orders:
        return ChainMap(self._lost_orders, self._cached_orders, self._in_flight_orders)

    @property
    def all_updatable_orders(self) -> Orders:
        return ChainMap(self._lost_orders, self._in_flight_orders)
