"""A lot of everything, one frame in a hundred lost, doubled or out of order; then the two sides agree."""

import asyncio

import pytest

from test.hummingbot.connector.exchange.backpack.reliability.rig import SYMBOL, Pace, Rig, faults, model

ORDER_EVENTS = 20_000
DEPTH_FRAMES = 200_000
ONE_IN_A_HUNDRED = 0.01
ORDERS = 20
BATCH = 200  # what happens between two turns of the event loop: a fast market, not a flood


class Frames(faults.Fault):
    """Not a fault: counts what leaves on the streams."""

    name = "frames"

    def __init__(self) -> None:
        self.depth = 0
        self.orders = 0

    def frame(self, socket: object, frame: object) -> tuple[object]:
        self.depth += (frame.stream or "").startswith("depth.")
        self.orders += (frame.stream or "").startswith("account.orderUpdate")
        return (frame,)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_all_agree_after_many_frames_of_which_some_go_wrong() -> None:
    async with Rig(pace=Pace()) as rig:
        frames = Frames()
        rig.sim.faults.arm(frames)
        per_order = ORDER_EVENTS // ORDERS
        for seed, fault in enumerate((faults.DropUpdate, faults.Duplicate, faults.Reorder)):
            for stream in ("depth.", "account."):
                rig.sim.faults.arm(fault(), stream=stream, probability=ONE_IN_A_HUNDRED, seed=seed)
        for _ in range(ORDERS):
            order_id = await rig.resting(amount=str(per_order // 100), price="149.5")
            for filled in range(per_order):
                rig.street_takes(order_id, "0.01")
                if filled % BATCH == 0:
                    await asyncio.sleep(0.02)
            await rig.until(lambda key=order_id: key not in rig.connector.in_flight_orders, 60, "the order is over")
            while frames.depth < DEPTH_FRAMES * frames.orders / ORDER_EVENTS:
                _flicker(rig, BATCH)
                await asyncio.sleep(0.02)
        rig.sim.faults.clear()
        assert frames.orders >= ORDER_EVENTS and frames.depth >= DEPTH_FRAMES * 0.99
        await rig.settled(60)


def _flicker(rig: Rig, times: int) -> None:
    """Far quotes of the street come and go: two changes of the book each."""
    for step in range(times // 2):
        order = rig.street_order(model.Side.BID, 1, f"{120 + step % 100 / 10:.2f}")
        rig.sim.exchange.cancel(rig.street.name, SYMBOL, order_id=order.id)
