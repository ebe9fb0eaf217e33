"""Orders: signing, placing, cancelling, and the rate budget they draw on."""

import asyncio
import base64
import statistics
import time
from decimal import Decimal
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hummingbot.core.data_type.common import OrderType
from hummingbot.core.event.events import MarketEvent
from test.hummingbot.connector.exchange.backpack.benchmarks import connectors
from test.hummingbot.connector.exchange.backpack.benchmarks.connectors import Subject
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

ORDERS = 100
PLACED_S = 20.0
DISTANT_S = 0.05
KEEP_ALIVE_IS_OVER_S = 20.0

ORDER_BODY = {
    "clientId": 4_000_000_000,
    "orderType": "Limit",
    "postOnly": True,
    "price": "140.01",
    "quantity": "1.23",
    "side": "Bid",
    "symbol": SYMBOL,
    "timeInForce": "GTC",
}

# -- signing -----------------------------------------------------------------------------------------------------------


@play()
async def signing(call: Call) -> Figures:
    """The signature of one order alone, and the whole of ``rest_authenticate``."""
    times = 1_000 if call.short else 5_000
    async with Stage(call.subject, call.office, light=True) as stage:
        sign = call.subject.order_signer(stage.connector, ORDER_BODY)
        requests = [call.subject.order_request(stage.connector, ORDER_BODY) for _ in range(times + 100)]
        for request in requests[:100]:  # warm
            sign()
            await stage.connector._auth.rest_authenticate(request)
        began_s = cpu_s()
        for _ in range(times):
            sign()
        signed_s = cpu_s()
        for request in requests[100:]:
            await stage.connector._auth.rest_authenticate(request)
        authenticated_s = cpu_s()
        _check_signature(requests[-1].headers)
        return {
            "sign_us": (signed_s - began_s) / times * 1e6,
            "authenticate_us": (authenticated_s - signed_s) / times * 1e6,
        }


def _check_signature(headers: dict[str, str]) -> None:
    fields = {name: str(value).lower() if isinstance(value, bool) else value for name, value in ORDER_BODY.items()}
    text = "&".join(["instruction=orderExecute", *(f"{name}={fields[name]}" for name in sorted(fields))])
    text += f"&timestamp={headers['X-Timestamp']}&window={headers['X-Window']}"
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(headers["X-API-Key"]))
    try:
        key.verify(base64.b64decode(headers["X-Signature"]), text.encode())
    except Exception:
        raise CheckFailed("expected rest_authenticate to sign the order's text, the signature is of another") from None


# -- placing -----------------------------------------------------------------------------------------------------------


@play()
async def orders_instant(call: Call) -> Figures:
    """100 orders at once, until the connector calls all of them open."""
    async with Stage(call.subject, call.office, light=True) as stage:
        took_s, venue = await place_all(stage)
        return {
            "orders_instant_ms": took_s * 1e3,
            "orders_connections": venue["connections"],
            "orders_requests": _sum_of(venue, "POST"),
            "orders_venue_cpu_ms": venue["cpuSeconds"] * 1e3,
        }


@play()
async def orders_distant(call: Call) -> Figures:
    """The same where the venue takes 50 ms to answer."""
    async with Stage(call.subject, call.office, light=True) as stage:
        await _move_away(stage)
        took_s, _ = await place_all(stage)
        return {"orders_distant_ms": took_s * 1e3}


@play()
async def orders_matched(call: Call) -> Figures:
    """100 orders at once on the exchange with its matching engine, whose own speed is part of the figure."""
    async with Stage(call.subject, call.office) as stage:
        took_s, venue = await place_all(stage)
        return {"orders_matched_ms": took_s * 1e3, "orders_matched_venue_cpu_ms": venue["cpuSeconds"] * 1e3}


async def _move_away(stage: Stage) -> None:
    await stage.sim("faults", fault="latency", parameters={"seconds": DISTANT_S}, match={"path": "/"})


def _sum_of(venue: dict[str, Any], method: str) -> int:
    return sum(count for call, count in venue["requests"].items() if call.startswith(f"{method} "))


def _prices(number: int) -> list[Decimal]:
    """Distinct, and far below the market."""
    return [Decimal(140) - Decimal(step) / 100 for step in range(number)]


async def place_all(stage: Stage, number: int = ORDERS) -> tuple[float, dict[str, Any]]:
    """Seconds until all are open, and what the venue counted meanwhile. Raises CheckFailed if they are not, there."""
    created, over_s = 0, 0.0
    done = asyncio.Event()

    def note(event: Any) -> None:
        nonlocal created, over_s
        created += 1
        if created == number:
            over_s = time.perf_counter()
            done.set()

    await stage.bench("counters")
    with stage.hearing(MarketEvent.BuyOrderCreated, note):
        began_s = time.perf_counter()
        for price in _prices(number):
            stage.connector.buy(PAIR, Decimal(1), OrderType.LIMIT_MAKER, price)
        try:
            await asyncio.wait_for(done.wait(), PLACED_S)
        except TimeoutError:
            told = f"expected {number} orders to be created within {PLACED_S:.0f} s, were {created}"
            raise CheckFailed(told) from None
    venue = await stage.bench("counters")
    await _check_open(stage, number)
    return over_s - began_s, venue


async def _check_open(stage: Stage, number: int) -> None:
    """The connector's open orders and the venue's are the same ``number`` ones, by id, client id and price."""
    here = {
        (order.exchange_order_id, order.client_order_id, order.price)
        for order in connectors.own_orders(stage.connector)
        if order.current_state.name == "OPEN"
    }
    there = {(key, str(row["clientId"]), Decimal(row["price"])) for key, row in (await stage.open_on_venue()).items()}
    if len(here) != number or here - there:
        raise CheckFailed(
            f"expected {number} orders open on both sides, were {len(here)} in the connector, of which "
            f"{len(here - there)} are not on the exchange"
        )


@play()
async def order_cpu(call: Call) -> Figures:
    """What one order costs this process, one after another, until it is open."""
    number = 50 if call.short else 200
    async with Stage(call.subject, call.office, light=True) as stage:
        created = asyncio.Event()
        prices = _prices(number + 10)
        with stage.hearing(MarketEvent.BuyOrderCreated, lambda event: created.set()):
            for price in prices[:10]:  # warm
                await _place_one(stage, price, created)
            began_s = cpu_s()
            for price in prices[10:]:
                await _place_one(stage, price, created)
            used_s = cpu_s() - began_s
        await _check_open(stage, number + 10)
        return {"order_cpu_us": used_s / number * 1e6}


async def _place_one(stage: Stage, price: Decimal, created: asyncio.Event) -> None:
    created.clear()
    stage.connector.buy(PAIR, Decimal(1), OrderType.LIMIT_MAKER, price)
    try:
        await asyncio.wait_for(created.wait(), 10)
    except TimeoutError:
        raise CheckFailed(f"expected the order at {price} to be created within 10 s, it was not") from None


@play(rounds=2, full_only=True, together=True)
async def order_after_quiet(call: Call) -> Figures:
    """Connections that an order has to open after 20 quiet seconds."""
    async with Stage(call.subject, call.office, light=True) as stage:
        await place_all(stage, 1)
        await asyncio.sleep(KEEP_ALIVE_IS_OVER_S)
        created = asyncio.Event()
        await stage.bench("counters")
        with stage.hearing(MarketEvent.BuyOrderCreated, lambda event: created.set()):
            await _place_one(stage, Decimal(130), created)
        return {"order_after_quiet_connections": (await stage.bench("counters"))["connections"]}


# -- cancelling --------------------------------------------------------------------------------------------------------


@play()
async def cancel_all(call: Call) -> Figures:
    """100 orders in one market. The street's there, and somebody else's of the same account in another, stay."""
    others: list[str] = []

    async def arrange(stage: Stage) -> None:
        others[:] = await _others(stage, STREET, SYMBOL, 5) + await _others(stage, BOT, stage.symbols[1], 1)

    async with Stage(call.subject, call.office, light=True, markets=2, arrange=arrange) as stage:
        took_s, venue = await _cancel_all(stage, others)
        return {"cancel_all_ms": took_s * 1e3, "cancel_all_requests": _sum_of(venue, "DELETE")}


@play()
async def cancel_singly_instant(call: Call) -> Figures:
    """100 orders in a market where somebody else has one on the same account, so that each is cancelled by itself."""
    return {"cancel_singly_instant_ms": await _cancel_singly(call, distant=False) * 1e3}


@play()
async def cancel_singly_distant(call: Call) -> Figures:
    """The same where the venue takes 50 ms to answer."""
    return {"cancel_singly_distant_ms": await _cancel_singly(call, distant=True) * 1e3}


async def _cancel_singly(call: Call, distant: bool) -> float:
    others: list[str] = []

    async def arrange(stage: Stage) -> None:
        others[:] = await _others(stage, STREET, SYMBOL, 5) + await _others(stage, BOT, SYMBOL, 1)

    async with Stage(call.subject, call.office, light=True, arrange=arrange) as stage:
        took_s, _ = await _cancel_all(stage, others, distant)
        return took_s


async def _others(stage: Stage, account: str, symbol: str, number: int) -> list[str]:
    """Orders that are not this connector's; their ids."""
    prices, client_ids = [str(130 - step) for step in range(number)], list(range(7, 7 + number))
    return list(await stage.bench("orders", account=account, symbol=symbol, prices=prices, clientIds=client_ids))


async def _cancel_all(stage: Stage, others: list[str], distant: bool = False) -> tuple[float, dict[str, Any]]:
    """Seconds that ``cancel_all`` takes for 100 orders, and what the venue counted meanwhile; ``others`` stay."""
    await place_all(stage)
    if distant:
        await _move_away(stage)
    await stage.bench("counters")
    began_s = time.perf_counter()
    results = await stage.connector.cancel_all(10.0)
    while left_here := connectors.own_orders(stage.connector):
        if time.perf_counter() - began_s > 20:
            raise CheckFailed(f"expected no order to be tracked after cancel_all, {len(left_here)} are")
        await asyncio.sleep(0)
    took_s = time.perf_counter() - began_s
    venue = await stage.bench("counters")
    confirmed = sum(result.success for result in results)
    if (confirmed, len(results)) != (ORDERS, ORDERS):
        raise CheckFailed(f"expected cancel_all to confirm {ORDERS} orders, confirmed {confirmed} of {len(results)}")
    there = {key for account in (BOT, STREET) for key in await stage.open_on_venue(account)}
    if there != set(others):
        raise CheckFailed(
            f"after cancel_all {len(there - set(others))} of its orders are open on the exchange, and "
            f"{len(set(others) - there)} of {len(others)} that are not its own are gone"
        )
    return took_s, venue


# -- the rate budget ---------------------------------------------------------------------------------------------------


@play()
async def throttler(call: Call) -> Figures:
    """One ``acquire`` of a cancel with so many requests in the window."""
    async with Stage(call.subject, call.office, light=True) as stage:
        figures = {}
        for filled in (0, 1_000, 1_900):
            figures[f"acquire_{filled}_us"] = await _cost_of_acquiring(stage, filled) * 1e6
        figures["acquire_flat"] = figures["acquire_1900_us"] / figures["acquire_0_us"]
        return figures


async def _cost_of_acquiring(stage: Stage, filled: int, times: int = 25) -> float:
    ids = stage.subject.limit_ids()
    used_s = []
    for _ in range(times):
        budget = stage.subject.throttler(stage.connector)
        await _fill(stage.subject, budget, 0, filled)
        began_s = time.perf_counter()
        async with budget.execute_task(ids.cancel):
            used_s.append(time.perf_counter() - began_s)
    if max(used_s) > 1:
        raise CheckFailed(f"expected a cancel to get through with {filled} requests in the window, it waited")
    return statistics.median(used_s)


async def _fill(subject: Subject, budget: Any, begin: int, end: int) -> None:
    """Requests number ``begin`` to ``end`` of a window of 2000: queries, then orders, then cancels, as a budget that
    keeps something back for the latter lets them through."""
    ids = subject.limit_ids()
    for limit_id, last in ((ids.query, 1_200), (ids.order, 1_800), (ids.cancel, 2_000)):
        number = max(0, min(end, last) - begin)
        await subject.fill(budget, limit_id, number)
        begin += number


WAITERS, CANCELS = 100, 5
WINDOW_S = 2.0


@play(rounds=3)
async def waiters(call: Call) -> Figures:
    """100 orders and queries, then 5 cancels, wait for a window of 2,000 requests that frees little by little: how long
    the event loop stands still at most, and how many get through before the last of the cancels."""
    async with Stage(call.subject, call.office, light=True) as stage:
        await stage.stop_clock()
        ids, budget = call.subject.limit_ids(), call.subject.throttler(stage.connector, WINDOW_S)
        filled_s: list[float] = []
        for step in range(20):  # over half a window, so that it frees in the same steps
            filled_s += [time.time()] * 100
            await _fill(call.subject, budget, step * 100, (step + 1) * 100)
            await asyncio.sleep(WINDOW_S / 40)
        released: list[tuple[float, str]] = []

        async def wait(what: str, limit_id: str) -> None:
            async with budget.execute_task(limit_id):
                released.append((time.time(), what))

        stalls = asyncio.ensure_future(_worst_stall())
        began_s = time.perf_counter()
        waiting = [
            asyncio.ensure_future(wait("other", ids.order if number % 2 else ids.query)) for number in range(WAITERS)
        ]
        await asyncio.sleep(0.01)
        waiting += [asyncio.ensure_future(wait("cancel", ids.cancel)) for _ in range(CANCELS)]
        done, late = await asyncio.wait(waiting, timeout=60)
        took_s = time.perf_counter() - began_s
        stalls.cancel()
        worst_s = await stalls
        if late:
            raise CheckFailed(f"expected all {len(waiting)} waiters to get through within 60 s, {len(done)} did")
        early = sum(at_s < left_s + WINDOW_S for (at_s, _), left_s in zip(released, filled_s, strict=False))
        if early:
            raise CheckFailed(f"expected waiters to get through as the window frees, {early} of them did before")
        last_cancel = max(place for place, (_, what) in enumerate(released) if what == "cancel")
        return {
            "waiters_stall_ms": worst_s * 1e3,
            "waiters_before_cancels": last_cancel + 1 - CANCELS,
            "waiters_s": took_s,
        }


async def _worst_stall() -> float:
    """By how much a sleep of a millisecond was late at most, until it is cancelled."""
    worst_s = 0.0
    while True:
        began_s = time.perf_counter()
        try:
            await asyncio.sleep(0.001)
        except asyncio.CancelledError:
            return worst_s
        worst_s = max(worst_s, time.perf_counter() - began_s - 0.001)
