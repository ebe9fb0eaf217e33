"""Orders and fills: O1 to O20."""

from test.hummingbot.connector.exchange.backpack.reliability.rig import Rig, faults
from test.hummingbot.connector.exchange.backpack.reliability.rows import Phase, row


@row("O1", Phase.WHILE_FILLING, "an order is filled and its frame is lost")
async def fill_frame_lost(rig: Rig) -> None:
    order_id = await rig.resting(price="149.5")
    lost = rig.sim.faults.arm(faults.DropUpdate(), stream="account.")
    rig.street_takes(order_id)
    rig.sim.faults.clear(lost)
    await rig.until(lambda: rig.told.of("BuyOrderCompleted", order_id), 15, "the order completed")


@row("O4", Phase.AFTER_THE_ANSWER, "an order is accepted and the connection drops before the answer")
async def accepted_and_answer_lost(rig: Rig) -> None:
    rig.sim.faults.arm(faults.AcceptThenDropResponse(), method="POST", path="/api/v1/order", count=1)
    order_id = rig.buy("1", "140")
    await rig.until(lambda: rig.venue_order(order_id), 10, "the exchange has the order")
    await rig.until(lambda: rig.is_open(order_id), 15, "the connector has found its order")


@row("O17", Phase.AT_START, "an order is filled while the bot is down")
async def filled_while_down(rig: Rig) -> None:
    order_id = await rig.resting(price="149.5")
    saved = await rig.kill_connector()
    rig.street_takes(order_id)
    await rig.start_connector(saved)
    assert not rig.wrong_fills(), "ready before what happened meanwhile was known"
