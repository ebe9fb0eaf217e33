"""Figures promised for orders, measured at the connector's own pace."""

import time
from decimal import Decimal

import pytest

from test.hummingbot.connector.exchange.backpack.reliability.rig import Rig, faults

WATCHED_S = 60.0
OPEN_ORDERS = 100


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_minute_with_a_hundred_open_orders_and_then_a_lost_fill():
    """At most 30 requests a minute, 15 of them on history endpoints; a fill that no frame tells of within 10 s."""
    async with Rig() as rig:
        touch = rig.buy("1", "149.9")
        for number in range(OPEN_ORDERS - 1):
            rig.buy("0.1", str(Decimal("145") - Decimal(number) / 100))
        await rig.until(lambda: len(rig.venue_orders()) == OPEN_ORDERS, 60, "all orders are open")
        await rig.until(lambda: rig.is_open(touch) and not rig.violations(), 30, "all is quiet")
        began = time.monotonic()
        await rig.pass_time(WATCHED_S)
        asked = [path for at, _, path in rig.requests.calls if at >= began]
        history = [path for path in asked if "/history/" in path]
        assert len(asked) <= 30 and len(history) <= 15, f"{len(asked)} requests, {len(history)} for histories: {asked}"

        lost = rig.sim.faults.arm(faults.DropUpdate(), stream="account.")
        rig.street_takes(touch)
        seconds = await rig.until(lambda: rig.told.of("BuyOrderCompleted", touch), 10, "the lost fill is known")
        rig.sim.faults.clear(lost)
        await rig.settled()
        assert seconds <= 10
