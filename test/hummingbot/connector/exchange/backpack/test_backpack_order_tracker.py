"""The views of the tables show what Hummingbot's copies of them show."""

from decimal import Decimal
from types import SimpleNamespace

import pytest

from hummingbot.connector.client_order_tracker import ClientOrderTracker
from hummingbot.connector.exchange.backpack.backpack_order_tracker import BackpackOrderTracker
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder


@pytest.fixture
def tracker() -> BackpackOrderTracker:
    """With one order in each table."""
    tracker = BackpackOrderTracker(connector=SimpleNamespace(current_timestamp=1.0))
    for table in (tracker._in_flight_orders, tracker._cached_orders, tracker._lost_orders):
        number = str(len(tracker.all_fillable_orders) + 1)
        table[number] = InFlightOrder(
            client_order_id=number,
            exchange_order_id=f"venue's {number}",
            trading_pair="SOL-USDC",
            order_type=OrderType.LIMIT,
            trade_type=TradeType.BUY,
            amount=Decimal(1),
            price=Decimal(150),
            creation_timestamp=1.0,
        )
    return tracker


@pytest.mark.parametrize(
    ("view", "client_order_ids"),
    [
        ("all_orders", {"1", "2"}),
        ("all_fillable_orders", {"1", "2", "3"}),
        ("all_updatable_orders", {"1", "3"}),
    ],
)
def test_views(tracker: BackpackOrderTracker, view: str, client_order_ids: set[str]):
    shown = getattr(tracker, view)
    assert set(shown) == client_order_ids
    assert dict(shown) == getattr(ClientOrderTracker, view).fget(tracker)


def test_an_order_is_fetched_by_either_id(tracker: BackpackOrderTracker):
    for number in ("1", "2"):
        order = tracker.all_orders[number]
        assert tracker.fetch_order(client_order_id=number) is order
        assert tracker.fetch_order(exchange_order_id=f"venue's {number}") is order
    assert tracker.fetch_order(client_order_id="4") is None
