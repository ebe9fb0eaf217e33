"""The account: what is asked of REST, what an event of the private stream costs, what a look at the funds costs."""

import asyncio
import json
import time
from decimal import Decimal
from typing import Any

from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState
from hummingbot.core.event.events import MarketEvent
from test.hummingbot.connector.exchange.backpack.benchmarks.plays import Call, Figures, play
from test.hummingbot.connector.exchange.backpack.benchmarks.stage import (
    BOT,
    PAIR,
    STREET,
    SYMBOL,
    CheckFailed,
    Stage,
    cpu_s,
)

HISTORY = "/wapi/v1/history/"
FIRST_CLIENT_ID = 1_000_000
# What a poll sets in motion is over by then.
SETTLED_S = 1.0
# A connector may enquire about each silent market every two minutes: these are counted as often as they come.
QUIET_S, COUNTED_S = 130.0, 120.0


# -- requests ----------------------------------------------------------------------------------------------------------


@play(rounds=1, patience_s=300)
async def poll(call: Call) -> Figures:
    """Requests of one status poll with so many open orders, of which a tenth (at least one) was filled unseen."""
    figures: Figures = {}
    for number in (1, 100) if call.short else (1, 100, 1_000):
        async with Stage(call.subject, call.office) as stage:
            requests = await _poll(stage, number)
            figures[f"poll_{number}_requests"] = sum(requests.values())
            figures[f"poll_{number}_history"] = sum(
                count for path, count in requests.items() if path.startswith(f"GET {HISTORY}")
            )
    return figures


async def _poll(stage: Stage, number: int) -> dict[str, int]:
    await stage.stop_clock()
    stage.subject.unlimited(stage.connector)
    prices = [Decimal("149.99") - Decimal(step) / 100 for step in range(number)]  # the first ones are the touch
    await stage.sim("faults", fault="drop_update", match={"stream": "account."})
    await _track_orders_of_venue(stage, prices)
    filled = max(1, number // 10)
    await stage.sim(
        "orders", account=STREET, symbol=SYMBOL, side="Ask", orderType="Limit", timeInForce="IOC",
        price=str(prices[filled - 1]), quantity=str(filled),
    )  # fmt: skip
    told: list[Any] = []
    with stage.hearing(MarketEvent.OrderFilled, told.append):
        await stage.bench("counters")
        await stage.connector._status_polling_loop_fetch_updates()
        await asyncio.sleep(SETTLED_S)
    if len(told) != filled or {event.price for event in told} != set(prices[:filled]):
        raise CheckFailed(f"expected one poll to find {filled} fills, it told of {len(told)}")
    return (await stage.bench("counters"))["requests"]


async def _track_orders_of_venue(stage: Stage, prices: list[Decimal]) -> None:
    """Orders open on both sides, without a word on the stream."""
    client_ids = range(FIRST_CLIENT_ID, FIRST_CLIENT_ID + len(prices))
    ids = await stage.bench(
        "orders", account=BOT, symbol=SYMBOL, prices=[str(price) for price in prices], clientIds=list(client_ids)
    )
    for client_id, exchange_id, price in zip(client_ids, ids, prices, strict=True):
        _track(stage, str(client_id), exchange_id, price, amount=Decimal(1))


def _track(
    stage: Stage,
    client_id: str,
    exchange_id: str,
    price: Decimal,
    amount: Decimal,
    state: OrderState = OrderState.OPEN,
) -> InFlightOrder:
    order = InFlightOrder(
        client_order_id=client_id,
        exchange_order_id=exchange_id,
        trading_pair=PAIR,
        order_type=OrderType.LIMIT_MAKER,
        trade_type=TradeType.BUY,
        amount=amount,
        price=price,
        creation_timestamp=time.time(),
        initial_state=state,
    )
    stage.connector._order_tracker.start_tracking_order(order)
    return order


@play(rounds=1, full_only=True, together=True, patience_s=400)
async def quiet(call: Call) -> Figures:
    """Requests in a minute with 50 pairs on which nothing happens, once they have been quiet for a while."""
    async with Stage(call.subject, call.office, markets=50) as stage:
        await asyncio.sleep(QUIET_S)
        await stage.bench("counters")
        await asyncio.sleep(COUNTED_S)
        requests = (await stage.bench("counters"))["requests"]
        if not stage.connector.ready:
            raise CheckFailed(f"after {QUIET_S + COUNTED_S:.0f} quiet seconds it is not true that {stage.not_ready()}")
        await stage.check_books()
        return {"quiet_requests": sum(requests.values()) * 60 / COUNTED_S}


# -- events ------------------------------------------------------------------------------------------------------------


@play()
async def event_after_closed(call: Call) -> Figures:
    """A fill of one of ten orders where 1000 others were closed a moment ago."""
    return await _cost_of_fills(call, tracked=10, closed=1_000, figure="event_closed_us")


@play()
async def event_among_open(call: Call) -> Figures:
    """A fill of one of 1000 open orders."""
    return await _cost_of_fills(call, tracked=1_000, closed=0, figure="event_open_us")


async def _cost_of_fills(call: Call, tracked: int, closed: int, figure: str) -> Figures:
    events = 500 if call.short else 2_000
    async with Stage(call.subject, call.office, light=True) as stage:
        await stage.stop_clock()
        orders = [_track(stage, str(10**6 + n), str(6 * 10**10 + n), _price(n), Decimal(100)) for n in range(tracked)]
        for n in range(closed):
            _track(stage, str(2 * 10**6 + n), str(7 * 10**10 + n), _price(n), Decimal(1), OrderState.CANCELED)
            stage.connector._order_tracker.stop_tracking_order(str(2 * 10**6 + n))
        frames = [_fill(orders[n % tracked], n, n // tracked + 1) for n in range(events + 100)]
        told: list[Any] = []
        with stage.hearing(MarketEvent.OrderFilled, told.append):
            await _hear_all(stage, frames[:100], told, 100)  # warm
            began_s = cpu_s()
            await _hear_all(stage, frames[100:], told, len(frames))
            used_s = cpu_s() - began_s
        if [event.exchange_trade_id for event in told] != [str(frame["data"]["t"]) for frame in frames]:
            raise CheckFailed("expected every fill to be told once and in order, they were not")
        return {figure: used_s / events * 1e6}


async def _hear_all(stage: Stage, frames: list[dict[str, Any]], told: list[Any], number: int) -> None:
    for frame in frames:
        stage.subject.hear(stage.connector, frame)
    await stage.until(lambda: len(told) >= number, 60, lambda: f"{number} fills are told, were {len(told)}")


def _price(number: int) -> Decimal:
    return Decimal(140) - Decimal(number) / 100


def _fill(order: InFlightOrder, trade: int, fills: int) -> dict[str, Any]:
    """The ``fills``-th fill of a hundredth of a coin of this order."""
    now_us, quantity = time.time_ns() // 1_000, Decimal("0.01")
    data = {
        "E": now_us,
        "L": f"{order.price:.2f}",
        "N": "SOL",
        "O": "USER",
        "Q": f"{order.price * order.amount:.4f}",
        "S": "Bid",
        "T": now_us,
        "V": "RejectTaker",
        "X": "PartiallyFilled",
        "Z": f"{order.price * quantity * fills:.4f}",
        "c": int(order.client_order_id),
        "e": "orderFill",
        "f": "GTC",
        "i": order.exchange_order_id,
        "l": str(quantity),
        "m": True,
        "n": "0.000008",
        "o": "LIMIT",
        "p": f"{order.price:.2f}",
        "q": f"{order.amount:.2f}",
        "r": False,
        "s": SYMBOL,
        "t": 7_600_000 + trade,
        "y": True,
        "z": f"{quantity * fills:.2f}",
    }
    return {"stream": "account.orderUpdate", "data": data}


# -- funds -------------------------------------------------------------------------------------------------------------


@play()
async def available_balance(call: Call) -> Figures:
    """One ``get_available_balance`` with 1 and with 1000 open orders."""
    figures = {}
    for number in (1, 1_000):
        async with Stage(call.subject, call.office) as stage:
            await stage.stop_clock()
            await _track_orders_of_venue(stage, [_price(step) for step in range(number)])
            await stage.connector._update_all_balances()
            there = await _available_on_venue(stage)
            used_s = _cost_of_looking(stage, times=200 if call.short else 1_000)
            figures[f"available_{number}_us"] = used_s * 1e6
            shown = stage.connector.get_available_balance("USDC")
            if shown != there:
                raise CheckFailed(f"expected {there} USDC to be available, as on the exchange, was {shown}")
    figures["available_flat"] = figures["available_1000_us"] / figures["available_1_us"]
    return figures


def _cost_of_looking(stage: Stage, times: int) -> float:
    stage.connector.get_available_balance("USDC")
    began_s = cpu_s()
    for _ in range(times):
        stage.connector.get_available_balance("USDC")
    return (cpu_s() - began_s) / times


async def _available_on_venue(stage: Stage) -> Decimal:
    ledger = json.loads(await stage.read("/_sim/ledger", account=BOT))
    return Decimal(ledger["balances"][BOT]["USDC"]["available"])
