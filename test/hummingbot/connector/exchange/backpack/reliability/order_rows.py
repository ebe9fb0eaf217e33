"""Orders and fills: O1 to O20."""

import asyncio
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from hummingbot.core.data_type.common import OrderType
from hummingbot.core.network_iterator import NetworkStatus
from test.hummingbot.connector.exchange.backpack.reliability.rig import SYMBOL, Rig, faults, model
from test.hummingbot.connector.exchange.backpack.reliability.rows import Phase, row

TOUCH = "149.5"  # better than the street's bids: what rests here is reached first
AWAY = "140"
SUBMIT = {"method": "POST", "path": "/api/v1/order"}
CANCEL = {"method": "DELETE", "path": "/api/v1/order"}
PRIVATE = "account."
ORDERS = "account.orderUpdate"


def lose_frames(rig: Rig) -> Any:
    """Everything on the private stream, from now on."""
    return rig.sim.faults.arm(faults.DropUpdate(), stream=PRIVATE)


def cut_private_socket(rig: Rig) -> None:
    """At once, without a word."""
    rig.sim.faults.clear(rig.sim.faults.arm(faults.ResetConnection(), stream=PRIVATE))


async def completed(rig: Rig, order_id: str, timeout_s: float = 15) -> None:
    await rig.until(
        lambda: rig.told.of("BuyOrderCompleted", order_id) or rig.told.of("SellOrderCompleted", order_id),
        timeout_s,
        f"order {order_id} completed",
    )


async def cancelled(rig: Rig, order_id: str, timeout_s: float = 15) -> None:
    await rig.until(lambda: rig.told.of("OrderCancelled", order_id), timeout_s, f"order {order_id} cancelled")


async def failed(rig: Rig, order_id: str, timeout_s: float = 15) -> str:
    """The reason that was told."""
    await rig.until(lambda: rig.told.of("OrderFailure", order_id), timeout_s, f"order {order_id} failed")
    return str(rig.told.of("OrderFailure", order_id)[0].error_message)


async def filled_by(rig: Rig, count: int, timeout_s: float = 15) -> None:
    await rig.until(lambda: len(rig.told.fills) >= count, timeout_s, f"{count} fills told")


def cancel(rig: Rig, order_id: str) -> None:
    rig.connector.cancel(rig.pairs[0], order_id)


def cancel_at_the_venue(rig: Rig, order_id: str) -> None:
    """By the owner, on the venue's own page."""
    rig.sim.exchange.cancel(rig.account.name, SYMBOL, order_id=rig.venue_order(order_id).id)


def expire_at_the_venue(rig: Rig, order_id: str) -> None:
    """Another order of the account meets it and asks for the resting one to go."""
    order = rig.venue_order(order_id)
    [accepted, *_] = rig.sim.exchange.submit(
        model.OrderRequest(
            account=rig.account.name,
            symbol=order.symbol,
            side=order.side.opposite,
            order_type=model.OrderType.LIMIT,
            time_in_force=model.TimeInForce.IOC,
            quantity=order.remaining,
            price=order.price,
            self_trade_prevention=model.SelfTradePrevention.REJECT_MAKER,
        )
    )
    rig.by_hand.add(accepted.order.id)


# -- O1: filled unseen -------------------------------------------------------------------------------------------------


@row("O1", Phase.WHILE_FILLING, "an order is filled and its frame is lost")
async def fill_frame_lost(rig: Rig) -> None:
    order_id = await rig.resting(price=TOUCH)
    lost = lose_frames(rig)
    rig.street_takes(order_id)
    rig.sim.faults.clear(lost)
    await completed(rig, order_id)


@row("O1", Phase.WHILE_FILLING, "part of an order is filled and its frame is lost; the rest stays open")
async def partial_fill_frame_lost(rig: Rig) -> None:
    order_id = await rig.resting(price=TOUCH)
    lost = lose_frames(rig)
    rig.street_takes(order_id, "0.3")
    rig.sim.faults.clear(lost)
    await filled_by(rig, 1)
    assert rig.is_open(order_id)


@row("O1", Phase.WHILE_FILLING, "a fill is unseen, and the venue's histories lag behind")
async def fill_frame_lost_and_history_lags(rig: Rig) -> None:
    order_id = await rig.resting(price=TOUCH)
    lost = lose_frames(rig)
    lag = rig.sim.faults.arm(faults.HistoryLag(2.5))
    rig.street_takes(order_id, "0.4")
    rig.street_takes(order_id)
    rig.sim.faults.clear(lost)
    await completed(rig, order_id)
    rig.sim.faults.clear(lag)
    assert not rig.told.of("OrderFailure")


@row("O1", Phase.WHILE_FILLING, "the history of orders lags, that of fills does not")
async def only_the_history_of_orders_lags(rig: Rig) -> None:
    order_id = await rig.resting(price=TOUCH)
    lost = lose_frames(rig)
    lag = rig.sim.faults.arm(faults.HistoryLag(4.0), path="/wapi/v1/history/orders")
    rig.street_takes(order_id)
    rig.sim.faults.clear(lost)
    await completed(rig, order_id, 3.5)
    rig.sim.faults.clear(lag)


@row("O1", Phase.WHILE_FILLING, "an order completes unseen while the first request for it fails")
async def fill_frame_lost_and_history_fails(rig: Rig) -> None:
    order_id = await rig.resting(price=TOUCH)
    lost = lose_frames(rig)
    rig.sim.faults.arm(faults.ServerError(), path="/wapi/v1/history/fills", count=2)
    rig.sim.faults.arm(faults.ServerError(502), path="/wapi/v1/history/orders", count=1)
    rig.street_takes(order_id)
    rig.sim.faults.clear(lost)
    await completed(rig, order_id)


@row("O1", Phase.WHILE_RECONNECTING, "an order is filled while the private stream is down")
async def filled_while_reconnecting(rig: Rig) -> None:
    whole, part = await rig.resting(price=TOUCH), await rig.resting(price="149.4")
    cut_private_socket(rig)
    rig.street_takes(whole)
    rig.street_takes(part, "0.5")
    await completed(rig, whole)
    await filled_by(rig, 2)
    assert rig.is_open(part)


@row("O1", Phase.WHILE_RECONNECTING, "the exchange restarts; an order is filled while nobody gets in")
async def filled_while_the_exchange_restarts(rig: Rig) -> None:
    order_id = await rig.resting(price=TOUCH)
    rig.sim.faults.arm(faults.Restart(1.5))
    rig.street_takes(order_id)
    await completed(rig, order_id)


# -- O2: cancelled or expired unseen -----------------------------------------------------------------------------------


@row("O2", Phase.WHILE_QUIET, "an order is cancelled by hand and the frame is lost")
async def cancel_frame_lost(rig: Rig) -> None:
    order_id = await rig.resting()
    lost = lose_frames(rig)
    cancel_at_the_venue(rig, order_id)
    rig.sim.faults.clear(lost)
    await cancelled(rig, order_id)


@row("O2", Phase.WHILE_FILLING, "an order is partly filled, then expires, and the frames are lost")
async def fill_and_expiry_frames_lost(rig: Rig) -> None:
    order_id = await rig.resting(price=TOUCH)
    lost = lose_frames(rig)
    rig.street_takes(order_id, "0.3")
    expire_at_the_venue(rig, order_id)
    rig.sim.faults.clear(lost)
    await cancelled(rig, order_id)
    assert len(rig.told.fills) == 1, "closed before its fill was known"


@row("O2", Phase.WHILE_RECONNECTING, "an order is cancelled by hand while the private stream is down")
async def cancelled_while_reconnecting(rig: Rig) -> None:
    order_id = await rig.resting()
    cut_private_socket(rig)
    cancel_at_the_venue(rig, order_id)
    await cancelled(rig, order_id)


# -- O3: a fill and a cancel race --------------------------------------------------------------------------------------


@row("O3", Phase.WHILE_CANCELLING, "the cancel is answered before the fill's frame comes")
async def cancel_answered_before_the_fill(rig: Rig) -> None:
    order_id = await rig.resting(price=TOUCH)
    rig.sim.faults.arm(faults.LateFrame("orderFill"), stream=PRIVATE, count=1)
    rig.street_takes(order_id, "0.4")
    cancel(rig, order_id)
    await cancelled(rig, order_id)


@row("O3", Phase.WHILE_CANCELLING, "the cancel is answered, the fill's frame is lost, the history lags")
async def cancel_answered_and_the_fill_lost(rig: Rig) -> None:
    order_id = await rig.resting(price=TOUCH)
    lost = lose_frames(rig)
    lag = rig.sim.faults.arm(faults.HistoryLag(1.5))
    rig.street_takes(order_id, "0.4")
    cancel(rig, order_id)
    await cancelled(rig, order_id)
    assert len(rig.told.fills) == 1, "closed before its fill was known"
    rig.sim.faults.clear(lost)
    rig.sim.faults.clear(lag)


@row("O3", Phase.WHILE_CANCELLING, "the fill's frame comes, then the cancel's answer")
async def fill_before_the_cancel_is_answered(rig: Rig) -> None:
    order_id = await rig.resting(price=TOUCH)
    rig.sim.faults.arm(faults.LateAnswer("orderCancelled"), **CANCEL, count=1)
    rig.street_takes(order_id, "0.4")
    cancel(rig, order_id)
    await cancelled(rig, order_id)


@row("O3", Phase.WHILE_CANCELLING, "the frame of the cancel overtakes that of the fill")
async def cancel_frame_overtakes_the_fill(rig: Rig) -> None:
    order_id = await rig.resting(price=TOUCH)
    rig.sim.faults.arm(faults.Reorder(), stream=ORDERS, count=1)
    rig.street_takes(order_id, "0.4")
    cancel_at_the_venue(rig, order_id)
    await cancelled(rig, order_id)


@row("O3", Phase.WHILE_CANCELLING, "every fill and every cancel frame is lost, the answer to the cancel too")
async def fill_and_cancel_both_unseen(rig: Rig) -> None:
    order_id = await rig.resting(price=TOUCH)
    lost = lose_frames(rig)
    rig.sim.faults.arm(faults.AcceptThenDropResponse(), **CANCEL, count=1)
    rig.street_takes(order_id, "0.4")
    cancel(rig, order_id)
    await cancelled(rig, order_id)
    rig.sim.faults.clear(lost)


# -- O4, O5, O6: what became of a submission is not known --------------------------------------------------------------


@row("O4", Phase.AFTER_THE_ANSWER, "an order is accepted and the connection drops before the answer")
async def accepted_and_answer_lost(rig: Rig) -> None:
    rig.sim.faults.arm(faults.AcceptThenDropResponse(), **SUBMIT, count=1)
    order_id = rig.buy("1", AWAY)
    await rig.until(lambda: rig.venue_order(order_id), 10, "the exchange has the order")
    await rig.until(lambda: rig.is_open(order_id), 15, "the connector has found its order")


@row("O4", Phase.AFTER_THE_ANSWER, "accepted, the answer is a 503, and no frame tells of it")
async def accepted_and_answered_503(rig: Rig) -> None:
    lost = lose_frames(rig)
    rig.sim.faults.arm(faults.AcceptThen5xx(503), **SUBMIT, count=1)
    order_id = rig.buy("1", AWAY)
    await rig.until(lambda: rig.venue_order(order_id), 10, "the exchange has the order")
    await rig.until(lambda: rig.is_open(order_id), 15, "the connector has found its order")
    rig.sim.faults.clear(lost)


@row("O4", Phase.AFTER_THE_ANSWER, "accepted, and the answer cannot be read")
async def accepted_and_answer_garbled(rig: Rig) -> None:
    lost = lose_frames(rig)
    for garbage in (faults.GzipGarbage(), faults.Truncated(), faults.Deep()):
        rig.sim.faults.arm(garbage, **SUBMIT, count=1)
        order_id = rig.buy("1", AWAY)
        await rig.until(lambda order_id=order_id: rig.venue_order(order_id), 10, "the exchange has the order")
        await rig.until(lambda order_id=order_id: rig.is_open(order_id), 15, "the connector has found its order")
    rig.sim.faults.clear(lost)


@row("O4", Phase.WHILE_FILLING, "accepted and filled at once, with the answer and every frame lost")
async def filled_before_it_was_known(rig: Rig) -> None:
    lost = lose_frames(rig)
    rig.sim.faults.arm(faults.AcceptThenDropResponse(), **SUBMIT, count=1)
    order_id = rig.buy("1", "152")
    await completed(rig, order_id)
    rig.sim.faults.clear(lost)


@row("O4", Phase.WHILE_FILLING, "as before, and the histories lag longer than an order is waited for")
async def filled_before_it_was_known_and_history_lags(rig: Rig) -> None:
    lost = lose_frames(rig)
    lag = rig.sim.faults.arm(faults.HistoryLag(4.0))
    rig.sim.faults.arm(faults.AcceptThenDropResponse(), **SUBMIT, count=1)
    rig.buy("1", "152")
    await filled_by(rig, 1)
    rig.sim.faults.clear(lag)
    rig.sim.faults.clear(lost)


@row("O4", Phase.WHILE_FILLING, "partly filled while its fate is unknown, then cancelled by the strategy")
async def filled_and_cancelled_while_unknown(rig: Rig) -> None:
    lost = lose_frames(rig)
    rig.sim.faults.arm(faults.AcceptThenDropResponse(), **SUBMIT, count=1)
    order_id = rig.buy("1", TOUCH)
    await rig.until(lambda: rig.venue_order(order_id), 10, "the exchange has the order")
    rig.street_takes(order_id, "0.3")
    cancel(rig, order_id)
    await cancelled(rig, order_id)
    assert len(rig.told.fills) == 1, "closed before its fill was known"
    rig.sim.faults.clear(lost)


@row("O4", Phase.WHILE_CANCELLING, "a cancel in the dark is answered 202")
async def cancelled_while_unknown_with_202(rig: Rig) -> None:
    lost = lose_frames(rig)
    rig.sim.faults.arm(faults.AcceptThenDropResponse(), **SUBMIT, count=1)
    rig.sim.faults.arm(faults.Cancel202(0.5), count=1)
    order_id = rig.buy("1", TOUCH)
    await rig.until(lambda: rig.venue_order(order_id), 10, "the exchange has the order")
    rig.street_takes(order_id, "0.3")
    cancel(rig, order_id)
    await cancelled(rig, order_id)
    rig.sim.faults.clear(lost)


@row("O4", Phase.WHILE_QUIET, "the venue's clock is minutes off, and an order's fate has to be found out")
async def unknown_outcome_with_clocks_apart(rig: Rig) -> None:
    for seconds in (-400.0, 800.0):
        rig.sim.faults.arm(faults.ClockSkew(seconds))
        await rig.resting()
        lost = lose_frames(rig)
        rig.sim.faults.arm(faults.AcceptThenDropResponse(), **SUBMIT, count=1)
        order_id = rig.buy("1", AWAY)
        await rig.until(lambda order_id=order_id: rig.venue_order(order_id), 10, "the exchange has the order")
        await rig.until(lambda order_id=order_id: rig.is_open(order_id), 15, "the connector has found its order")
        rig.sim.faults.clear(lost)
    rig.sim.faults.clear()


@row("O4", Phase.WHILE_RECONNECTING, "the exchange restarts in the middle of a submission")
async def restart_while_submitting(rig: Rig) -> None:
    rig.sim.faults.arm(faults.AcceptThenDropResponse(), **SUBMIT, count=1)
    accepted = rig.buy("1", AWAY)
    await rig.until(lambda: rig.venue_order(accepted), 10, "the exchange has the order")
    restart = rig.sim.faults.arm(faults.Restart(1.0))
    refused = rig.buy("1", AWAY)
    await rig.until(lambda: rig.is_open(accepted), 15, "the connector has found its order")
    await failed(rig, refused)
    rig.sim.faults.clear(restart)


@row("O5", Phase.BEFORE_THE_ANSWER, "the connection drops before the order is read")
async def never_accepted(rig: Rig) -> None:
    rig.sim.faults.arm(faults.ResetConnection(), **SUBMIT, count=1)
    order_id = rig.buy("1", AWAY)
    assert "not accepted" in await failed(rig, order_id)


@row("O5", Phase.BEFORE_THE_ANSWER, "the venue answers 5xx, an HTML page or maintenance, and takes nothing")
async def refused_by_trouble(rig: Rig) -> None:
    for trouble in (faults.ServerError(), faults.HtmlError(502), faults.Maintenance()):
        armed = rig.sim.faults.arm(trouble, **SUBMIT)
        order_id = rig.buy("1", AWAY)
        await failed(rig, order_id)
        rig.sim.faults.clear(armed)


@row("O6", Phase.BEFORE_THE_ANSWER, "a submission hangs and is never carried out")
async def submission_hangs(rig: Rig) -> None:
    hang = rig.sim.faults.arm(faults.HalfOpen(), **SUBMIT)
    order_id = rig.buy("1", AWAY)
    await failed(rig, order_id, 30)  # at the connector's own pace 10 s for the answer and 10 s of grace
    rig.sim.faults.clear(hang)


@row("O6", Phase.AFTER_THE_ANSWER, "a submission is carried out and its answer hangs")
async def answer_hangs(rig: Rig) -> None:
    lost = lose_frames(rig)
    hang = rig.sim.faults.arm(faults.LateAnswer("never", at_most_s=20), **SUBMIT, count=1)
    order_id = rig.buy("1", AWAY)
    await rig.until(lambda: rig.is_open(order_id), 15, "the connector has found its order")
    rig.sim.faults.clear(hang)
    rig.sim.faults.clear(lost)


@row("O6", Phase.BEFORE_THE_ANSWER, "a submission is stuck in the network and arrives after it was given up")
async def submission_arrives_late(rig: Rig) -> None:
    slow = rig.sim.faults.arm(faults.Latency(1.2), **SUBMIT, count=1)
    order_id = rig.buy("1", AWAY)
    await rig.until(lambda: rig.venue_order(order_id), 10, "the exchange has the order")
    await rig.until(lambda: rig.is_open(order_id), 15, "the connector has found its order")
    rig.sim.faults.clear(slow)


def buys(rig: Rig, *prices: str) -> list[str]:
    """Placed one after the other without a pause, as strategies do: the connector may send them together."""
    return [rig.buy("1", price) for price in prices]


@row("O4", Phase.AFTER_THE_ANSWER, "several orders at once are accepted, and every answer is lost")
async def several_accepted_and_answer_lost(rig: Rig) -> None:
    dropping = rig.sim.faults.arm(faults.AcceptThenDropResponse(), **SUBMIT, count=3)
    lost = lose_frames(rig)
    order_ids = buys(rig, AWAY, "139", "138")
    await rig.until(lambda: all(rig.venue_order(order_id) for order_id in order_ids), 10, "the exchange has them")
    await rig.until(lambda: all(rig.is_open(order_id) for order_id in order_ids), 15, "the connector has found them")
    rig.sim.faults.clear(dropping)
    rig.sim.faults.clear(lost)


@row("O4", Phase.WHILE_FILLING, "of several orders at once one fills, one rests and one is refused, all unseen")
async def several_fates_unseen(rig: Rig) -> None:
    dropping = rig.sim.faults.arm(faults.AcceptThenDropResponse(), **SUBMIT, count=3)
    lost = lose_frames(rig)
    filling, resting, refused = rig.buy("1", "152"), rig.buy("1", AWAY), rig.buy("1", "100000")
    await completed(rig, filling)
    await rig.until(lambda: rig.is_open(resting), 15, "the connector has found the order that rests")
    await failed(rig, refused)
    rig.sim.faults.clear(dropping)
    rig.sim.faults.clear(lost)


@row("O5", Phase.BEFORE_THE_ANSWER, "several orders at once, and the connection drops before any is read")
async def several_never_accepted(rig: Rig) -> None:
    dropping = rig.sim.faults.arm(faults.ResetConnection(), **SUBMIT, count=3)
    order_ids = buys(rig, AWAY, "139", "138")
    for order_id in order_ids:
        assert "not accepted" in await failed(rig, order_id)
    rig.sim.faults.clear(dropping)


@row("O8", Phase.BEFORE_THE_ANSWER, "several orders at once are refused with 429")
async def several_rate_limited(rig: Rig) -> None:
    limit = rig.sim.faults.arm(faults.RateLimited(), **SUBMIT)
    for order_id in buys(rig, AWAY, "139", "138"):
        await failed(rig, order_id)
    rig.sim.faults.clear(limit)
    submissions = [path for _, method, path in rig.requests.calls if method == "POST"]
    assert len(submissions) <= 3, "an order must not be sent again by itself"


@row("O20", Phase.BEFORE_THE_ANSWER, "of several orders at once the venue refuses one")
async def one_of_several_refused(rig: Rig) -> None:
    bad, good, also_good = buys(rig, "100000", AWAY, "139")
    assert "price" in (await failed(rig, bad)).lower()
    await rig.until(lambda: rig.is_open(good) and rig.is_open(also_good), 10, "the other two are open")


# -- O7, O8: errors that say nothing about an order --------------------------------------------------------------------


@row("O7", Phase.WHILE_QUIET, "a healthy order lives through unrelated errors")
async def unrelated_errors(rig: Rig) -> None:
    order_id = await rig.resting()
    for trouble in (
        faults.ServerError(),
        faults.HtmlError(502),
        faults.ResetConnection(),
        faults.Reject("RESOURCE_NOT_FOUND", "Not Found", 404),
        faults.UnknownErrorCode(),
        faults.Truncated(),
        faults.Deep(),
        faults.RateLimited(),
    ):
        armed = rig.sim.faults.arm(trouble, method="GET", path="/api/v1/order", count=1)
        await rig.until(lambda armed=armed: armed.fired, 15, f"a poll met {armed.fault.name}")
    asked = len(rig.requests.calls)
    await rig.until(lambda: len(rig.requests.calls) > asked + 2, 15, "polls go on")
    assert rig.is_open(order_id) and not rig.told.of("OrderFailure") and not rig.told.of("OrderCancelled")
    assert not any(method == "DELETE" for _, method, _ in rig.requests.calls)


@row("O8", Phase.WHILE_QUIET, "queries are rate limited for a while; an order is filled unseen meanwhile")
async def queries_rate_limited(rig: Rig) -> None:
    order_id = await rig.resting(price=TOUCH)
    lost = lose_frames(rig)
    limit = rig.sim.faults.arm(faults.RateLimited(), method="GET")
    rig.street_takes(order_id)
    connects, asked = len(rig.requests.connects), len(rig.requests.calls)
    await rig.until(lambda: limit.fired >= 2, 15, "the connector met the limit twice")
    other = await rig.resting()  # orders and cancels have a budget of their own
    cancel(rig, other)
    await rig.until(lambda: rig.venue_order(other) is None, 5, "an order was cancelled")
    assert len(rig.requests.calls) - asked < 20, "asked on and on"
    assert len(rig.requests.connects) == connects, "reconnected for nothing"
    rig.sim.faults.clear(limit)
    rig.sim.faults.clear(lost)
    await completed(rig, order_id)


@row("O8", Phase.WHILE_QUIET, "Hummingbot asks whether the exchange can be reached, and it is one request too many")
async def network_check_rate_limited(rig: Rig) -> None:
    limit = rig.sim.faults.arm(faults.RateLimited(), method="GET")
    for _ in range(3):
        status = await asyncio.wait_for(rig.connector.check_network(), 5)  # what Hummingbot waits
        assert status is NetworkStatus.CONNECTED, "Hummingbot would stop the connector and start it again"
    rig.sim.faults.clear(limit)


@row("O8", Phase.BEFORE_THE_ANSWER, "an order is refused with 429")
async def order_rate_limited(rig: Rig) -> None:
    rig.sim.faults.arm(faults.RateLimited(), **SUBMIT, count=1)
    await failed(rig, rig.buy("1", AWAY))
    submissions = [path for _, method, path in rig.requests.calls if method == "POST"]
    assert len(submissions) == 1, "an order must not be sent again by itself"


@row("O8", Phase.WHILE_CANCELLING, "a cancel is refused with 429")
async def cancel_rate_limited(rig: Rig) -> None:
    order_id = await rig.resting()
    rig.sim.faults.arm(faults.RateLimited(), **CANCEL, count=2)
    cancel(rig, order_id)
    await cancelled(rig, order_id)


# -- O9, O10: cancels --------------------------------------------------------------------------------------------------


@row("O9", Phase.WHILE_CANCELLING, "a cancel is answered 202 and carried out later")
async def cancel_202(rig: Rig) -> None:
    order_id = await rig.resting()
    rig.sim.faults.arm(faults.Cancel202(0.5), count=1)
    cancel(rig, order_id)
    await cancelled(rig, order_id)


@row("O9", Phase.WHILE_CANCELLING, "a cancel is answered 202, its frame is lost and the order filled in part before")
async def cancel_202_unseen(rig: Rig) -> None:
    order_id = await rig.resting(price=TOUCH)
    lost = lose_frames(rig)
    rig.sim.faults.arm(faults.Cancel202(0.5), count=1)
    cancel(rig, order_id)
    await rig.until(lambda: any(method == "DELETE" for _, method, _ in rig.requests.calls), 5, "the cancel was sent")
    rig.street_takes(order_id, "0.6")
    await cancelled(rig, order_id)
    rig.sim.faults.clear(lost)


@row("O9", Phase.WHILE_CANCELLING, "a cancel is answered 202, and the order is filled before it is carried out")
async def cancel_202_and_filled(rig: Rig) -> None:
    order_id = await rig.resting(price=TOUCH)
    rig.sim.faults.arm(faults.Cancel202(0.7), count=1)
    cancel(rig, order_id)
    await rig.until(lambda: any(method == "DELETE" for _, method, _ in rig.requests.calls), 5, "the cancel was sent")
    rig.street_takes(order_id)
    await completed(rig, order_id)


async def cancel_what_is_filled(rig: Rig) -> None:
    order_id = await rig.resting(price=TOUCH)
    lost = lose_frames(rig)
    rig.street_takes(order_id, "0.4")
    rig.street_takes(order_id)
    cancel(rig, order_id)
    await completed(rig, order_id)
    assert len(rig.told.fills) == 2
    rig.sim.faults.clear(lost)


@row("O10", Phase.WHILE_CANCELLING, "a cancel meets an order that was just filled: INVALID_CLIENT_REQUEST")
async def cancel_of_a_filled_order_is_a_400(rig: Rig) -> None:
    await cancel_what_is_filled(rig)


@row("O10", Phase.WHILE_CANCELLING, "a cancel meets an order that was just filled: RESOURCE_NOT_FOUND")
async def cancel_of_a_filled_order_is_a_404(rig: Rig) -> None:
    rig.sim.faults.arm(faults.UnknownOrderNotFound())
    await cancel_what_is_filled(rig)


@row("O10", Phase.WHILE_CANCELLING, "a cancel meets an order that was just cancelled by hand")
async def cancel_of_a_cancelled_order(rig: Rig) -> None:
    order_id = await rig.resting()
    lost = lose_frames(rig)
    cancel_at_the_venue(rig, order_id)
    cancel(rig, order_id)
    cancel(rig, order_id)
    await cancelled(rig, order_id)
    rig.sim.faults.clear(lost)


@row("O10", Phase.WHILE_CANCELLING, "a cancel times out, and was carried out")
async def cancel_times_out(rig: Rig) -> None:
    order_id = await rig.resting()
    lost = lose_frames(rig)
    hang = rig.sim.faults.arm(faults.LateAnswer("never", at_most_s=20), **CANCEL, count=1)
    cancel(rig, order_id)
    await cancelled(rig, order_id)
    rig.sim.faults.clear(hang)
    rig.sim.faults.clear(lost)


@row("O10", Phase.BEFORE_THE_ANSWER, "an order is cancelled before its submission is answered")
async def cancelled_before_the_answer(rig: Rig) -> None:
    late = rig.sim.faults.arm(faults.Latency(0.4), **SUBMIT, count=1)
    order_id = rig.buy("1", AWAY)
    await asyncio.sleep(0)  # the strategy has its id, the venue nothing yet
    cancel(rig, order_id)
    await cancelled(rig, order_id)
    rig.sim.faults.clear(late)


@row("O10", Phase.BEFORE_THE_ANSWER, "an order is cancelled before its submission is answered, which hangs")
async def cancelled_while_the_answer_hangs(rig: Rig) -> None:
    lost = lose_frames(rig)
    hang = rig.sim.faults.arm(faults.LateAnswer("never", at_most_s=20), **SUBMIT, count=1)
    order_id = rig.buy("1", AWAY)
    await rig.until(lambda: rig.venue_order(order_id), 10, "the exchange has the order")
    cancel(rig, order_id)
    await cancelled(rig, order_id)
    rig.sim.faults.clear(hang)
    rig.sim.faults.clear(lost)


@row("O10", Phase.BEFORE_THE_ANSWER, "an order is cancelled before the answer, and the answer is a refusal")
async def cancelled_before_the_refusal(rig: Rig) -> None:
    late = rig.sim.faults.arm(faults.Latency(0.4), **SUBMIT, count=1)
    order_id = rig.buy("100000", AWAY)
    await asyncio.sleep(0)
    cancel(rig, order_id)
    await failed(rig, order_id)
    rig.sim.faults.clear(late)


# -- O11: the answer's own status --------------------------------------------------------------------------------------


@row("O11", Phase.AFTER_THE_ANSWER, "the answer says Filled, no frame does")
async def answer_says_filled(rig: Rig) -> None:
    lost = lose_frames(rig)
    order_id = rig.buy("7", "153")
    await completed(rig, order_id)
    assert len(rig.told.fills) == 2, "at two prices"
    rig.sim.faults.clear(lost)


@row("O11", Phase.AFTER_THE_ANSWER, "the answer says PartiallyFilled, no frame does")
async def answer_says_partially_filled(rig: Rig) -> None:
    lost = lose_frames(rig)
    order_id = rig.buy("7", "151.5")
    await filled_by(rig, 1)
    assert rig.is_open(order_id)
    rig.sim.faults.clear(lost)


@row("O11", Phase.AFTER_THE_ANSWER, "a market order is filled in part and the rest expires, as the answer says")
async def answer_says_expired(rig: Rig) -> None:
    for lossy in (True, False):
        lost = lose_frames(rig) if lossy else None
        fills = len(rig.told.fills)
        order_id = rig.connector.buy(rig.pairs[0], Decimal(200), OrderType.MARKET)
        await cancelled(rig, order_id)
        assert len(rig.told.fills) > fills
        if lost is not None:
            rig.sim.faults.clear(lost)
            rig.quote(rig.pairs[0])


@row("O11", Phase.AFTER_THE_ANSWER, "a market order is filled, frames and all")
async def market_order(rig: Rig) -> None:
    await completed(rig, rig.connector.sell(rig.pairs[0], Decimal(3), OrderType.MARKET))
    await completed(rig, rig.connector.buy(rig.pairs[0], Decimal(3), OrderType.MARKET))


# -- O12, O13, O14: frames ---------------------------------------------------------------------------------------------


async def a_life_in_three_fills(rig: Rig) -> None:
    order_id = await rig.resting(price=TOUCH)
    for quantity in ("0.2", "0.3", None):
        rig.street_takes(order_id, quantity)
        await asyncio.sleep(0)
    await completed(rig, order_id)
    assert len(rig.told.fills) == 3
    part = await rig.resting(price=TOUCH)
    rig.street_takes(part, "0.5")
    cancel(rig, part)
    await cancelled(rig, part)


@row("O12", Phase.WHILE_FILLING, "every frame comes twice")
async def frames_doubled(rig: Rig) -> None:
    armed = rig.sim.faults.arm(faults.Duplicate(2), stream=PRIVATE)
    await a_life_in_three_fills(rig)
    rig.sim.faults.clear(armed)


@row("O12", Phase.WHILE_FILLING, "frames change places")
async def frames_reordered(rig: Rig) -> None:
    armed = rig.sim.faults.arm(faults.Reorder(), stream=ORDERS)
    await a_life_in_three_fills(rig)
    rig.sim.faults.clear(armed)


@row("O12", Phase.WHILE_FILLING, "every frame is half a second late")
async def frames_late(rig: Rig) -> None:
    armed = rig.sim.faults.arm(faults.Latency(0.5), stream=PRIVATE)
    await a_life_in_three_fills(rig)
    rig.sim.faults.clear(armed)


@row("O12", Phase.BEFORE_THE_ANSWER, "the fills come before the submission is answered")
async def fills_before_the_answer(rig: Rig) -> None:
    rig.sim.faults.arm(faults.LateAnswer("orderFill"), **SUBMIT, count=2)
    await completed(rig, rig.buy("1", "152"))
    order_id = rig.buy("8", "151.5")
    await filled_by(rig, 2)
    await rig.until(lambda: rig.is_open(order_id), 10, "the rest is open")


@row("O12", Phase.BEFORE_THE_ANSWER, "an order is filled by others before its submission is answered")
async def done_before_the_answer(rig: Rig) -> None:
    rig.sim.faults.arm(faults.LateAnswer("never", at_most_s=0.6), **SUBMIT, count=1)
    order_id = rig.buy("1", TOUCH)
    await rig.until(lambda: rig.venue_order(order_id), 10, "the exchange has the order")
    rig.street_takes(order_id, "0.5")
    rig.street_takes(order_id)
    await completed(rig, order_id)
    await rig.pass_time(0.8)  # the late answer says that it is new


@row("O13", Phase.WHILE_FILLING, "frames with a status that nobody knows")
async def unknown_status(rig: Rig) -> None:
    armed = rig.sim.faults.arm(faults.UnknownStatus(), stream=PRIVATE)
    await a_life_in_three_fills(rig)
    rig.sim.faults.clear(armed)


@row("O13", Phase.WHILE_FILLING, "frames with an event that nobody knows")
async def unknown_event(rig: Rig) -> None:
    armed = rig.sim.faults.arm(faults.UnknownEvent(), stream=PRIVATE)
    await a_life_in_three_fills(rig)
    rig.sim.faults.clear(armed)


@row("O14", Phase.WHILE_FILLING, "frames that are not an object")
async def not_an_object(rig: Rig) -> None:
    armed = rig.sim.faults.arm(faults.NotAnObject(), stream=PRIVATE)
    await a_life_in_three_fills(rig)
    rig.sim.faults.clear(armed)


@row("O14", Phase.WHILE_FILLING, "frames that break off in the middle")
async def truncated(rig: Rig) -> None:
    armed = rig.sim.faults.arm(faults.Truncated(), stream=PRIVATE)
    await a_life_in_three_fills(rig)
    rig.sim.faults.clear(armed)


@row("O14", Phase.WHILE_FILLING, "frames of garbage")
async def garbage(rig: Rig) -> None:
    armed = rig.sim.faults.arm(faults.GarbageFrame(), stream=PRIVATE)
    await a_life_in_three_fills(rig)
    rig.sim.faults.clear(armed)


# -- O15, O16: fills ---------------------------------------------------------------------------------------------------


@row("O12", Phase.WHILE_FILLING, "the venue reduces an order, then what is left of it is filled")
async def reduced_by_the_venue(rig: Rig) -> None:
    order_id = await rig.resting(price=TOUCH)
    other = await rig.resting(price="149.4")
    rig.sim.exchange.reduce(rig.venue_order(order_id).id, Decimal("0.6"))
    rig.street_takes(order_id)
    rig.street_takes(other)
    await completed(rig, other, 2)  # nothing waits for fills that never come
    await completed(rig, order_id, 2)


@row("O15", Phase.WHILE_FILLING, "one order is filled in 130 trades, unseen")
async def many_fills_of_one_order(rig: Rig) -> None:
    order_id = await rig.resting("1.3", TOUCH)
    lost = lose_frames(rig)
    for _ in range(130):
        rig.street_takes(order_id, "0.01")
    rig.sim.faults.clear(lost)
    await completed(rig, order_id)
    assert len(rig.told.fills) == 130


@row("O15", Phase.WHILE_RECONNECTING, "more than 1000 fills of several orders since the last look")
async def many_fills_of_many_orders(rig: Rig) -> None:
    order_ids = [await rig.resting("1.8", f"149.{number}") for number in range(17, 10, -1)]
    cut_private_socket(rig)
    for order_id in order_ids:
        for _ in range(180):
            rig.street_takes(order_id, "0.01")
    await filled_by(rig, 7 * 180)
    for order_id in order_ids:
        await completed(rig, order_id)


@row("O16", Phase.WHILE_FILLING, "the venue's own system fills an order: no trade id")
async def system_fill(rig: Rig) -> None:
    order_id = await rig.resting(price=TOUCH)
    rig.sim.exchange.system_fill(rig.venue_order(order_id).id, Decimal("0.25"))
    await filled_by(rig, 1)
    rig.street_takes(order_id, "0.25")
    lost = lose_frames(rig)
    rig.sim.exchange.system_fill(rig.venue_order(order_id).id, Decimal("0.25"))
    rig.sim.exchange.system_fill(rig.venue_order(order_id).id, Decimal("0.25"))
    rig.sim.faults.clear(lost)
    await completed(rig, order_id)
    assert len(rig.told.fills) == 4


# -- O17: while the bot is down ----------------------------------------------------------------------------------------


@row("O17", Phase.AT_START, "an order is filled while the bot is down")
async def filled_while_down(rig: Rig) -> None:
    order_id = await rig.resting(price=TOUCH)
    saved = await rig.kill_connector()
    rig.street_takes(order_id)
    await rig.start_connector(saved)
    assert not rig.wrong_fills(), "ready before what happened meanwhile was known"
    await completed(rig, order_id)


@row("O17", Phase.AT_START, "of several orders each has met another fate while the bot was down")
async def several_fates_while_down(rig: Rig) -> None:
    prices = (TOUCH, "149.4", "149.3", "149.2", "149.1", "149", "148.9")
    order_ids = [await rig.resting(price=price) for price in prices]
    whole, part, part_cancelled, by_hand, expired, alive, seen = order_ids
    saved = await rig.kill_connector()
    rig.street_takes(whole)
    rig.street_takes(part, "0.2")
    cancel_at_the_venue(rig, part)
    rig.street_takes(part_cancelled, "0.3")
    cancel_at_the_venue(rig, part_cancelled)
    cancel_at_the_venue(rig, by_hand)
    expire_at_the_venue(rig, expired)
    rig.street_takes(alive, "0.4")
    await rig.start_connector(saved)
    assert not rig.wrong_fills() and not rig.wrong_orders(), "ready before what happened meanwhile was known"
    assert rig.is_open(alive) and rig.is_open(seen)


@row("O17", Phase.AT_START, "the bot dies while the fate of its orders is unknown")
async def died_while_unknown(rig: Rig) -> None:
    lose_frames(rig)
    rig.sim.faults.arm(faults.AcceptThenDropResponse(), **SUBMIT, count=2)
    rig.sim.faults.arm(faults.ServerError(), method="GET", path="/api/v1/orders", count=5)
    filled, resting = rig.buy("1", "152"), rig.buy("1", AWAY)
    await rig.until(lambda: rig.venue_order(resting) and rig.sim.exchange.fills(rig.account.name), 10, "accepted")
    rig.sim.faults.arm(faults.ResetConnection(), **SUBMIT, count=1)
    never = rig.buy("1", AWAY)
    await rig.until(lambda: all(armed.remaining != 1 for armed in rig.sim.faults), 5, "the third was lost")
    saved = await rig.kill_connector()
    rig.sim.faults.clear()
    await rig.start_connector(saved)
    await completed(rig, filled)
    await failed(rig, never)
    assert rig.is_open(resting)


@row("O17", Phase.AT_START, "the exchange's records cannot be had when the bot starts again")
async def records_fail_at_start(rig: Rig) -> None:
    order_id = await rig.resting(price=TOUCH)
    saved = await rig.kill_connector()
    rig.street_takes(order_id)
    trouble = rig.sim.faults.arm(faults.ServerError(), path="/wapi/v1/history/orders")
    await rig.start_connector(saved, wait=False)
    await rig.until(lambda: trouble.fired >= 2, 15, "the connector asked")
    assert not rig.connector.ready, "ready without knowing what became of its order"
    rig.sim.faults.clear(trouble)
    await completed(rig, order_id)


@row("O17", Phase.WHILE_RECONNECTING, "Hummingbot stops and starts the connector's network, with orders in every state")
async def network_stopped_and_started(rig: Rig) -> None:
    whole, part, gone = [await rig.resting(price=price) for price in (TOUCH, "149.4", "149.3")]
    hang = rig.sim.faults.arm(faults.LateAnswer("never", at_most_s=0.5), **SUBMIT, count=1)
    under_way = rig.buy("1", AWAY)
    await rig.until(lambda: rig.venue_order(under_way), 10, "the exchange has the order")
    await rig.connector.stop_network()
    rig.street_takes(whole)
    rig.street_takes(part, "0.5")
    cancel_at_the_venue(rig, gone)
    await rig.connector.start_network()
    await completed(rig, whole)
    await cancelled(rig, gone)
    await rig.until(lambda: rig.is_open(under_way) and rig.is_open(part), 10, "the others are open")
    rig.sim.faults.clear(hang)


@row("O17", Phase.WHILE_RECONNECTING, "the network is stopped and started while the fate of orders is unknown")
async def network_stopped_while_unknown(rig: Rig) -> None:
    lost = lose_frames(rig)
    rig.sim.faults.arm(faults.AcceptThenDropResponse(), **SUBMIT, count=2)
    slow = rig.sim.faults.arm(faults.Latency(0.5), method="GET", path="/api/v1/orders")
    filled, open_id = rig.buy("1", "152"), rig.buy("1", AWAY)
    await rig.until(lambda: rig.venue_order(open_id), 10, "the exchange has the order")
    await rig.until(lambda: slow.fired, 5, "the connector is looking for its orders")
    await rig.connector.stop_network()
    rig.sim.faults.clear(slow)
    await rig.connector.start_network()
    await completed(rig, filled)
    await rig.until(lambda: rig.is_open(open_id), 10, "the connector has found its order")
    rig.sim.faults.clear(lost)


# -- O18, O19: stop, and other bots ------------------------------------------------------------------------------------


def place_by_hand(rig: Rig) -> list[int]:
    """Orders of the owner's (no client id) and of another bot's, in the same market and in another one."""
    bid = model.Side.BID
    return [
        rig.street_order(bid, "1", "139", account=rig.account).id,
        rig.street_order(bid, "1", "138", account=rig.account, client_id=77).id,
        rig.street_order(bid, "0.1", "78000", symbol="BTC_USDC", account=rig.account).id,
    ]


def by_hand_untouched(rig: Rig, ids: list[int]) -> bool:
    return set(ids) <= {order.id for order in rig.sim.exchange.open_orders(rig.account.name)}


async def place(rig: Rig, count: int) -> list[str]:
    order_ids = [rig.buy("0.1", str(Decimal("145") - Decimal(number) / 100)) for number in range(count)]
    await rig.until(lambda: all(rig.is_open(order_id) for order_id in order_ids), 20, f"{count} orders are open")
    return order_ids


@row("O18", Phase.AT_STOP, "100 orders of its own, and others on the account")
async def stop_beside_others(rig: Rig) -> None:
    order_ids = await place(rig, 100)
    foreign = place_by_hand(rig)
    results = await rig.connector.cancel_all(20)
    assert sorted(one.order_id for one in results if one.success) == sorted(order_ids)
    assert by_hand_untouched(rig, foreign) and not rig.venue_orders()


@row("O18", Phase.AT_STOP, "100 orders, all of the bot's own")
async def stop_alone(rig: Rig) -> None:
    order_ids = await place(rig, 100)
    asked = len(rig.requests.calls)
    results = await rig.connector.cancel_all(20)
    assert sorted(one.order_id for one in results if one.success) == sorted(order_ids)
    assert not rig.venue_orders()
    assert len(rig.requests.calls) - asked < 10, "requests are grouped"


@row("O18", Phase.AT_STOP, "a fill, a submission under way, one in the dark, and cancels that are answered 202")
async def stop_in_the_middle(rig: Rig) -> None:
    at_the_touch = await rig.resting(price=TOUCH)
    open_id = await rig.resting()
    lost = lose_frames(rig)
    rig.sim.faults.arm(faults.AcceptThenDropResponse(), **SUBMIT, count=1)
    dark = rig.buy("1", AWAY)
    await rig.until(lambda: rig.venue_order(dark), 10, "the exchange has the order")
    slow = rig.sim.faults.arm(faults.Latency(0.5), **SUBMIT, count=1)
    under_way = rig.buy("1", AWAY)
    rig.sim.faults.arm(faults.Cancel202(0.3), count=1)
    rig.street_takes(at_the_touch)
    results = await rig.connector.cancel_all(20)
    rig.sim.faults.clear(lost)
    rig.sim.faults.clear(slow)
    assert not rig.venue_orders(), "an order was left behind"
    told = {one.order_id: one.success for one in results}
    assert told == {at_the_touch: False, open_id: True, dark: True, under_way: True}, "the result says which"


@row("O18", Phase.AT_STOP, "cancelling meets a 503, a reset and a rate limit")
async def stop_through_trouble(rig: Rig) -> None:
    order_ids = await place(rig, 10)
    place_by_hand(rig)
    rig.sim.faults.arm(faults.ServerError(503), **CANCEL, count=2)
    rig.sim.faults.arm(faults.ResetConnection(), **CANCEL, count=2)
    rig.sim.faults.arm(faults.RateLimited(), **CANCEL, count=1)
    results = await rig.connector.cancel_all(20)
    assert not rig.venue_orders(), "an order was left behind"
    assert sorted(one.order_id for one in results if one.success) == sorted(order_ids)


@row("O18", Phase.AT_STOP, "most of many cancels are refused with 429")
async def stop_while_rate_limited(rig: Rig) -> None:
    order_ids = await place(rig, 40)
    place_by_hand(rig)
    rig.sim.faults.arm(faults.RateLimited(), **CANCEL, count=30)
    results = await rig.connector.cancel_all(10)
    assert not rig.venue_orders(), "an order was left behind"
    assert sorted(one.order_id for one in results if one.success) == sorted(order_ids)


@row("O18", Phase.AT_STOP, "another bot places orders in the very moment of the stop")
async def stop_while_others_trade(rig: Rig) -> None:
    seen = rig.street_order(model.Side.BID, "1", "139", account=rig.account, client_id=66)
    rig.sim.exchange.cancel(rig.account.name, SYMBOL, order_id=seen.id)
    order_ids = await place(rig, 5)
    slow = rig.sim.faults.arm(faults.Latency(0.3), method="DELETE")
    stop = asyncio.ensure_future(rig.connector.cancel_all(20))
    await rig.until(lambda: slow.fired, 5, "the first cancel is under way")
    foreign = place_by_hand(rig)
    results = await stop
    assert sorted(one.order_id for one in results if one.success) == sorted(order_ids)
    assert by_hand_untouched(rig, foreign) and not rig.venue_orders()
    rig.sim.faults.clear(slow)


@row("O19", Phase.WHILE_FILLING, "orders of another bot on the account are filled and cancelled")
async def another_bot(rig: Rig) -> None:
    order_id = await rig.resting(price="149.4")
    theirs = rig.street_order(model.Side.BID, "1", TOUCH, account=rig.account, client_id=4242)
    rig.street_order(model.Side.ASK, "1.5", "149.4")
    await filled_by(rig, 1)
    assert not theirs.status.is_open and [fill.order_id for fill in rig.told.fills] == [order_id]


@row("O19", Phase.BEFORE_THE_ANSWER, "another bot's open order bears the number that is drawn")
async def client_id_collides(rig: Rig) -> None:
    known = rig.street_order(model.Side.BID, "1", "139", account=rig.account, client_id=1001)
    await rig.resting()  # by then the connector has heard of the other one, too
    draws = iter([1000, 1000, 1001, 1002])  # the connector may add one to what it draws
    with patch("secrets.randbelow", lambda limit: next(draws)):
        order_id = rig.buy("1", AWAY)
    assert order_id != str(known.client_id)
    await rig.until(lambda: rig.is_open(order_id), 10, "the order is open")
    cancel(rig, order_id)
    await cancelled(rig, order_id)
    assert known.status.is_open


@row("O19", Phase.WHILE_FILLING, "another bot draws the number of an open order, and its order is filled")
async def client_id_taken_by_another(rig: Rig) -> None:
    order_id = await rig.resting(price=AWAY)
    theirs = rig.street_order(model.Side.BID, "1", TOUCH, account=rig.account, client_id=int(order_id))
    rig.street_order(model.Side.ASK, "1", TOUCH)
    assert not theirs.status.is_open
    with_theirs = rig.street_order(model.Side.BID, "1", "139", account=rig.account, client_id=int(order_id))
    cancel(rig, order_id)
    await cancelled(rig, order_id)
    assert with_theirs.status.is_open and not rig.told.fills


# -- O20: refusals -----------------------------------------------------------------------------------------------------


async def refused(rig: Rig, order_id: str, *words: str) -> None:
    reason = await failed(rig, order_id, 5)
    assert all(word in reason for word in words), f"{reason!r} does not say {words}"
    assert not rig.venue_order(order_id)


def is_sent(rig: Rig) -> bool:
    return any(method == "POST" for _, method, _ in rig.requests.calls)


@row("O20", Phase.BEFORE_THE_ANSWER, "an order costs more than there is")
async def insufficient_funds(rig: Rig) -> None:
    await refused(rig, rig.buy("100000", AWAY), "INSUFFICIENT_FUNDS", "nsufficient")


@row("O20", Phase.BEFORE_THE_ANSWER, "a post-only order would take")
async def post_only_would_take(rig: Rig) -> None:
    await refused(rig, rig.buy("1", "152", OrderType.LIMIT_MAKER), "INVALID_ORDER", "immediately match")


@row("O20", Phase.BEFORE_THE_ANSWER, "a price outside the venue's band")
async def price_out_of_band(rig: Rig) -> None:
    await refused(rig, rig.buy("1", "50"), "INVALID_PRICE", "too far")


@row("O20", Phase.BEFORE_THE_ANSWER, "less than the market's minimum")
async def under_the_minimum(rig: Rig) -> None:
    await refused(rig, rig.buy("0.001", AWAY), "0.001", "minimum")
    assert not is_sent(rig)


@row("O20", Phase.BEFORE_THE_ANSWER, "the venue finds too many decimals")
async def too_many_decimals(rig: Rig) -> None:
    rig.sim.faults.arm(faults.Reject("INVALID_CLIENT_REQUEST", "Quantity decimal too long"), **SUBMIT, count=1)
    await refused(rig, rig.buy("1", AWAY), "INVALID_CLIENT_REQUEST", "decimal too long")
    order_id = rig.buy("1.123456789", "140.123456789")  # rounded to what the market takes
    await rig.until(lambda: rig.is_open(order_id), 10, "the order is open")


@row("O20", Phase.BEFORE_THE_ANSWER, "the venue takes the order for reduce-only, and it would not reduce")
async def reduce_only(rig: Rig) -> None:
    rig.sim.faults.arm(faults.Reject("INVALID_ORDER", "Reduce only order not reduced"), **SUBMIT, count=1)
    await refused(rig, rig.buy("1", AWAY), "INVALID_ORDER", "Reduce only")


@row("O20", Phase.BEFORE_THE_ANSWER, "a refusal with a code that is new")
async def unknown_code(rig: Rig) -> None:
    rig.sim.faults.arm(faults.UnknownErrorCode(), **SUBMIT, count=1)
    await refused(rig, rig.buy("1", AWAY), "SOLAR_FLARE", "added yesterday")


@row("O20", Phase.AFTER_THE_ANSWER, "an order would trade with one of the bot's own")
async def self_trade(rig: Rig) -> None:
    bid = await rig.resting(price=TOUCH)
    await cancelled(rig, rig.sell("1", TOUCH))
    assert rig.is_open(bid)
    lost = lose_frames(rig)
    await cancelled(rig, rig.sell("1", TOUCH))
    rig.sim.faults.clear(lost)


@row("O20", Phase.BEFORE_THE_ANSWER, "the market closes, and the connector has not heard of it yet")
async def market_closed(rig: Rig) -> None:
    rig.sim.exchange.set_order_book_state(SYMBOL, model.OrderBookState.CLOSED)
    await refused(rig, rig.buy("1", AWAY), "TRADING_PAUSED", "paused")
    rig.sim.exchange.set_order_book_state(SYMBOL, model.OrderBookState.CANCEL_ONLY)
    await refused(rig, rig.buy("1", AWAY), "TRADING_PAUSED", "paused")
    rig.sim.exchange.set_order_book_state(SYMBOL, model.OrderBookState.POST_ONLY)
    await refused(rig, rig.buy("1", AWAY), "INVALID_ORDER", "post only")
    order_id = rig.buy("1", AWAY, OrderType.LIMIT_MAKER)
    await rig.until(lambda: rig.is_open(order_id), 10, "a post-only order is open")
    rig.sim.exchange.set_order_book_state(SYMBOL, model.OrderBookState.CANCEL_ONLY)
    cancel(rig, order_id)
    await cancelled(rig, order_id)
    rig.sim.exchange.set_order_book_state(SYMBOL, model.OrderBookState.OPEN)


@row("O20", Phase.AT_START, "the market is restricted, and the connector knows", start=False)
async def market_known_to_be_restricted(rig: Rig) -> None:
    rig.sim.exchange.set_order_book_state(SYMBOL, model.OrderBookState.POST_ONLY)
    await rig.start_connector()
    await refused(rig, rig.buy("1", AWAY), "post-only", "LIMIT_MAKER")
    assert not is_sent(rig)
    rig.sim.exchange.set_order_book_state(SYMBOL, model.OrderBookState.OPEN)
