"""Every fault of the catalogue: what a plain client sees while it is armed, and that clearing it restores health."""

import asyncio
import contextlib
import dataclasses
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from hummingbot.connector.exchange.backpack.simulator import SimulatedBackpack
from hummingbot.connector.exchange.backpack.simulator import faults as package
from hummingbot.connector.exchange.backpack.simulator.faults import (
    CATALOGUE,
    AcceptThen5xx,
    AcceptThenDropResponse,
    Cancel202,
    ClockJump,
    ClockSkew,
    CloseFrame,
    Deep,
    DropUpdate,
    Duplicate,
    DuplicateClientIds,
    EmptyTicker,
    Fault,
    FutureSnapshot,
    GarbageFrame,
    GzipGarbage,
    HalfOpen,
    HistoryLag,
    HtmlError,
    Huge,
    LateAnswer,
    LateFrame,
    Latency,
    Maintenance,
    NotAnObject,
    RateLimited,
    RefuseConnection,
    Reject,
    Reorder,
    RequestBudget,
    ResetConnection,
    Restart,
    ServerError,
    Silence,
    StaleSnapshot,
    SubscribeRefused,
    SystemFill,
    Truncated,
    UnknownErrorCode,
    UnknownEvent,
    UnknownOrderNotFound,
    UnknownStatus,
)
from test.hummingbot.connector.exchange.backpack.simulator.trader import Listener, Trader, until

Listen = Callable[[], Awaitable[Listener]]
CUT = (aiohttp.ClientConnectionError, ConnectionError)
ORDER, ORDERS, DEPTH = "/api/v1/order", "/api/v1/orders", "/api/v1/depth"
ORDER_HISTORY, FILL_HISTORY = "/wapi/v1/history/orders", "/wapi/v1/history/fills"
QUIET_S = 0.3
"""Long enough on loopback to say that nothing comes."""
AHEAD_S = 0.02
"""What is to come first over another connection has at least this long to be read."""


class Texts:
    """A websocket whose frames stay text, whatever they are; its own heartbeats are off."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def subscribe(self, *streams: str) -> None:
        """SUBSCRIBE, and wait until the exchange has read it: it answers an invalid stream at once."""
        await self.socket.send_json({"method": "SUBSCRIBE", "params": [*streams, "barrier"]})
        assert "Invalid stream" in await self.next()

    async def next(self) -> Any:
        message = await self.socket.receive(timeout=5)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        return message.data

    async def nothing_comes(self) -> None:
        with pytest.raises(TimeoutError):
            await self.socket.receive(timeout=QUIET_S)


@contextlib.asynccontextmanager
async def texts(trader: Trader, *streams: str, **options: Any) -> Any:
    async with trader.session.ws_connect(trader.sim.ws_url, autoping=False, **options) as socket:
        opened = Texts(socket)
        if streams:
            await opened.subscribe(*streams)
        yield opened


async def bids(trader: Trader, *prices: str) -> None:
    for price in prices:
        assert (await trader.order("Bid", price, "1")).status == 200


def prices_of(updates: list[Any]) -> list[str]:
    return [level[0] for update in updates for level in update["b"]]


# Single calls -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault, status, code, carried_out",
    [
        pytest.param(Reject("TRADING_PAUSED", "Not now", 503), 503, "TRADING_PAUSED", False, id="reject"),
        pytest.param(UnknownErrorCode(), 400, "SOLAR_FLARE", False, id="unknown_error_code"),
        pytest.param(ServerError(), 500, "SERVER_ERROR", False, id="server_error"),
        pytest.param(RateLimited(), 429, "TOO_MANY_REQUESTS", False, id="rate_limited"),
        pytest.param(AcceptThen5xx(), 503, "SERVER_ERROR", True, id="accept_then_5xx"),
        pytest.param(Maintenance(), 503, "MAINTENANCE", False, id="maintenance"),
    ],
)
async def test_an_order_is_answered_with_an_error(
    alice: Trader, fault: Fault, status: int, code: str, carried_out: bool
) -> None:
    armed = alice.sim.faults.arm(fault, method="POST", path=ORDER)
    reply = await alice.order("Bid", "100", "1")
    assert reply.error[:2] == (status, code)
    assert len(alice.sim.exchange.open_orders("alice")) == carried_out
    assert (await alice.get("/api/v1/capital")).status == 200, "other calls are not touched"
    assert armed.fired == 1
    alice.sim.faults.clear()
    assert (await alice.order("Bid", "100", "1")).status == 200


@pytest.mark.parametrize(
    "fault, carried_out",
    [
        pytest.param(ResetConnection(), False, id="reset_connection"),
        pytest.param(RefuseConnection(), False, id="refuse_connection"),
        pytest.param(AcceptThenDropResponse(), True, id="accept_then_drop_response"),
        pytest.param(Restart(60.0), False, id="restart"),
    ],
)
async def test_an_order_is_not_answered(alice: Trader, fault: Fault, carried_out: bool) -> None:
    alice.sim.faults.arm(fault, path=ORDER)
    with pytest.raises(CUT):
        await alice.order("Bid", "100", "1")
    assert len(alice.sim.exchange.open_orders("alice")) == carried_out
    alice.sim.faults.clear()
    assert (await alice.order("Bid", "100", "1")).status == 200


async def test_html_error(alice: Trader) -> None:
    alice.sim.faults.arm(HtmlError(503), path="/api/v1/time", count=1)
    reply = await alice.get("/api/v1/time")
    assert (reply.status, reply.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
    assert reply.text.startswith("<html>")
    assert (await alice.get("/api/v1/time")).status == 200


async def test_gzip_garbage(alice: Trader) -> None:
    alice.sim.faults.arm(GzipGarbage(), method="POST", path=ORDER)
    with pytest.raises(aiohttp.ClientError):
        await alice.order("Bid", "100", "1")
    assert len(alice.sim.exchange.open_orders("alice")) == 1, "the order was taken"
    alice.sim.faults.clear()
    assert (await alice.order("Bid", "100", "1")).status == 200


async def test_empty_ticker(alice: Trader, bob: Trader) -> None:
    await alice.order("Ask", "150", "1")
    await bob.order("Bid", "150", "1", postOnly=False)
    armed = alice.sim.faults.arm(EmptyTicker())
    reply = await alice.get("/api/v1/ticker", symbol="SOL_USDC")
    assert (reply.status, reply.text) == (204, "")
    assert (await alice.get("/api/v1/time")).status == 200
    assert armed.fired == 1
    alice.sim.faults.clear()
    assert (await alice.get("/api/v1/ticker", symbol="SOL_USDC")).json["lastPrice"] == "150"


async def test_cancel_202(alice: Trader) -> None:
    await alice.order("Bid", "100", "1", clientId=1)
    alice.sim.faults.arm(Cancel202())
    reply = await alice.delete(ORDER, symbol="SOL_USDC", clientId=1)
    assert (reply.status, reply.text) == (202, "")
    assert alice.sim.exchange.open_orders("alice") == []
    assert (await alice.delete(ORDER, symbol="SOL_USDC", clientId=1)).status == 400, "a refusal is told"
    alice.sim.faults.clear()
    await alice.order("Bid", "100", "1", clientId=2)
    assert (await alice.delete(ORDER, symbol="SOL_USDC", clientId=2)).json["status"] == "Cancelled"


async def test_cancel_202_may_take_its_time(alice: Trader) -> None:
    await alice.order("Bid", "100", "1", clientId=1)
    alice.sim.clock.freeze()
    alice.sim.faults.arm(Cancel202(seconds=2.0), count=1)
    assert (await alice.delete(ORDER, symbol="SOL_USDC", clientId=1)).status == 202
    assert len(alice.sim.exchange.open_orders("alice")) == 1
    alice.sim.clock.advance(2.0)
    await until(lambda: alice.sim.exchange.open_orders("alice") == [])


async def test_reject_duplicate_client_ids(alice: Trader, bob: Trader) -> None:
    alice.sim.faults.arm(DuplicateClientIds())
    assert (await alice.order("Bid", "100", "1", clientId=5)).status == 200
    assert (await alice.order("Bid", "100", "1", clientId=5)).error[:2] == (400, "INVALID_CLIENT_REQUEST")
    assert (await alice.order("Bid", "100", "1", clientId=6)).status == 200
    assert (await bob.order("Bid", "100", "1", clientId=5)).status == 200, "accounts do not collide"
    alice.sim.faults.clear()
    assert (await alice.order("Bid", "100", "1", clientId=5)).status == 200


async def test_cancel_unknown_not_found(alice: Trader) -> None:
    alice.sim.faults.arm(UnknownOrderNotFound())
    call = {"symbol": "SOL_USDC", "orderId": "77"}
    assert (await alice.delete(ORDER, **call)).error == (404, "RESOURCE_NOT_FOUND", "Not Found")
    alice.sim.faults.clear()
    assert (await alice.delete(ORDER, **call)).error == (400, "INVALID_CLIENT_REQUEST", "Order not found")


# Connections ------------------------------------------------------------------------------------


async def test_latency(alice: Trader, listen: Listen) -> None:
    listener = await listen()
    await listener.subscribe("depth.SOL_USDC")
    alice.sim.clock.freeze()
    alice.sim.faults.arm(Latency(1.0))
    order = asyncio.create_task(bids(alice, "100"))
    await asyncio.sleep(QUIET_S)
    assert alice.sim.exchange.open_orders("alice") == []
    alice.sim.clock.advance(1.0)
    await order
    await asyncio.sleep(QUIET_S)
    assert listener.of("depth.SOL_USDC") == []
    alice.sim.clock.advance(1.0)
    await listener.count("depth.SOL_USDC", 1)
    alice.sim.faults.clear()
    await bids(alice, "101")
    await listener.count("depth.SOL_USDC", 2)


@pytest.mark.parametrize(
    "fault, close_code",
    [
        pytest.param(ResetConnection(), 1006, id="reset_connection: without a word"),
        pytest.param(CloseFrame(1012, "bye"), 1012, id="close_frame: with a code"),
        pytest.param(Restart(0.2), 1001, id="restart: going away"),
    ],
)
async def test_open_sockets_end_at_once(alice: Trader, fault: Fault, close_code: int) -> None:
    async with texts(alice, "depth.SOL_USDC") as socket:
        alice.sim.faults.arm(fault)
        await socket.socket.receive(timeout=5)
        assert socket.socket.close_code == close_code
    alice.sim.faults.clear()
    async with texts(alice, "depth.SOL_USDC") as socket:
        await bids(alice, "100")
        assert "100.00" in await socket.next()


@pytest.mark.parametrize("fault, close_code", [(ResetConnection(), 1006), (CloseFrame(), 1001)])
async def test_sockets_are_accepted_and_closed(alice: Trader, fault: Fault, close_code: int) -> None:
    armed = alice.sim.faults.arm(fault, count=2)
    for _ in range(2):
        async with texts(alice) as socket:
            await socket.socket.receive(timeout=5)
            assert socket.socket.close_code == close_code
    assert armed.fired == 2
    async with texts(alice, "depth.SOL_USDC"):
        pass


async def test_sockets_can_be_picked_by_their_streams(alice: Trader) -> None:
    async with texts(alice, "depth.SOL_USDC") as market, texts(alice, "trade.BTC_USDC") as other:
        alice.sim.faults.arm(CloseFrame(), stream="depth.")
        assert (await market.socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
        await other.subscribe()


async def test_refuse_connection(alice: Trader) -> None:
    async with texts(alice, "depth.SOL_USDC") as socket:
        await bids(alice, "100")
        assert "100.00" in await socket.next()
        alice.sim.faults.arm(RefuseConnection())
        for _ in range(2):
            with pytest.raises(CUT):
                await alice.get("/api/v1/time")
            with pytest.raises(CUT):
                await alice.session.ws_connect(alice.sim.ws_url)
        await socket.subscribe()
        alice.sim.faults.clear()
        assert (await alice.get("/api/v1/time")).status == 200
        async with texts(alice, "depth.SOL_USDC"):
            pass


async def test_refuse_connection_on_one_side_only(alice: Trader) -> None:
    armed = alice.sim.faults.arm(RefuseConnection(rest=False))
    with pytest.raises(CUT):
        await alice.session.ws_connect(alice.sim.ws_url)
    cut = armed.fired
    assert (await alice.get("/api/v1/time")).status == 200
    assert armed.fired == cut >= 1
    alice.sim.faults.clear()
    alice.sim.faults.arm(RefuseConnection(websocket=False))
    async with texts(alice, "depth.SOL_USDC"):
        with pytest.raises(CUT):
            await alice.get("/api/v1/time")


async def test_half_open(session: aiohttp.ClientSession) -> None:
    async with SimulatedBackpack(seed=7, ping_interval_s=0.05) as sim:
        alice = Trader(sim, session, sim.add_account({"USDC": "1000"}, name="alice"))
        async with texts(alice, "depth.SOL_USDC") as socket:
            while (await socket.socket.receive(timeout=5)).type is not aiohttp.WSMsgType.PING:
                pass
            sim.faults.arm(HalfOpen())
            with contextlib.suppress(TimeoutError):  # what was under way still comes
                while True:
                    await socket.socket.receive(timeout=QUIET_S)
            await socket.socket.ping()
            await socket.socket.send_json({"method": "SUBSCRIBE", "params": ["trade.SOL_USDC"]})
            order = {"account": "alice", "symbol": "SOL_USDC", "side": "Bid", "orderType": "Limit"}
            await alice.control("POST", "orders", order | {"price": "90", "quantity": "1"})
            await socket.nothing_comes()
            assert not socket.socket.closed, "TCP lives, though no pong came for many pings"
            assert list(sim.sessions[0].streams) == ["depth.SOL_USDC"], "nothing is read"
            for hanging in (alice.order("Bid", "100", "1"), session.ws_connect(sim.ws_url)):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(hanging, QUIET_S)
            sim.faults.clear()
            assert (await socket.socket.receive(timeout=5)).type is not aiohttp.WSMsgType.TEXT
            assert socket.socket.close_code == 1006
        assert len(sim.exchange.order_history("alice")) == 1, "the order that hung was never read"
        assert (await alice.order("Bid", "100", "1")).status == 200
        async with texts(alice):
            await until(lambda: len(sim.sessions) == 1)


async def test_half_open_for_one_socket_only(alice: Trader) -> None:
    async with texts(alice, "trade.SOL_USDC") as dead, texts(alice, "depth.SOL_USDC") as alive:
        armed = alice.sim.faults.arm(HalfOpen(), stream="trade.")
        await dead.socket.ping()
        await dead.nothing_comes()
        await alive.subscribe()
        async with texts(alice, "trade.SOL_USDC"):
            pass
    assert armed.fired == 1


@pytest.mark.parametrize("reconnect_heals", [False, True])
async def test_silence(alice: Trader, reconnect_heals: bool) -> None:
    async with texts(alice, "depth.SOL_USDC") as silent:
        alice.sim.faults.arm(Silence(reconnect_heals))
        await bids(alice, "100")
        await silent.socket.ping()
        assert (await silent.socket.receive(timeout=5)).type is aiohttp.WSMsgType.PONG
        async with texts(alice, "depth.SOL_USDC") as later:
            await bids(alice, "101")
            await (later.next() if reconnect_heals else later.nothing_comes())
        await silent.nothing_comes()
        alice.sim.faults.clear()
        await bids(alice, "102")
        assert "102.00" in await silent.next()


async def test_subscribe_refused(alice: Trader, listen: Listen) -> None:
    armed = alice.sim.faults.arm(SubscribeRefused(4003, "Forbidden"), stream="account.")
    listener = await listen()
    await listener.subscribe("account.orderUpdate", "depth.SOL_USDC", trader=alice)
    assert listener.errors == [{"code": 4003, "message": "Forbidden"}]
    assert list(alice.sim.sessions[0].streams) == ["depth.SOL_USDC"]
    alice.sim.faults.clear(armed)
    await listener.subscribe("account.orderUpdate", trader=alice)
    assert "account.orderUpdate" in alice.sim.sessions[0].streams


# Frames -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault, count, seen",
    [
        pytest.param(DropUpdate(), 1, ["101.00", "102.00", "103.00"], id="drop_update"),
        pytest.param(Duplicate(3), 1, ["100.00"] * 3 + ["101.00", "102.00", "103.00"], id="duplicate"),
        pytest.param(Reorder(), 1, ["101.00", "100.00", "102.00", "103.00"], id="reorder one pair"),
        pytest.param(Reorder(), None, ["101.00", "100.00", "103.00", "102.00"], id="reorder all"),
    ],
)
async def test_frames_lost_doubled_and_swapped(
    alice: Trader, listen: Listen, fault: Fault, count: int | None, seen: list[str]
) -> None:
    listener = await listen()
    await listener.subscribe("depth.SOL_USDC", "bookTicker.SOL_USDC")
    alice.sim.faults.arm(fault, stream="depth.", count=count)
    await bids(alice, "100", "101", "102", "103")
    updates = await listener.count("depth.SOL_USDC", len(seen))
    assert prices_of(updates) == seen
    assert len(await listener.count("bookTicker.SOL_USDC", 4)) == 4, "other streams are left alone"
    alice.sim.faults.clear()
    await bids(alice, "104")
    assert prices_of(await listener.count("depth.SOL_USDC", len(seen) + 1))[-1] == "104.00"


async def test_a_frame_held_for_reordering_leaves_when_cleared(alice: Trader, listen: Listen) -> None:
    listener = await listen()
    await listener.subscribe("depth.SOL_USDC")
    alice.sim.faults.arm(Reorder(), stream="depth.")
    await bids(alice, "100")
    await listener.barrier()
    assert listener.of("depth.SOL_USDC") == []
    alice.sim.faults.clear()
    await listener.count("depth.SOL_USDC", 1)


@pytest.mark.parametrize(
    "fault, check",
    [
        pytest.param(GarbageFrame(), lambda text: not _is_json(text), id="garbage_frame"),
        pytest.param(GarbageFrame("{"), lambda text: text == "{", id="garbage_frame of choice"),
        pytest.param(NotAnObject(), lambda text: isinstance(json.loads(text), list), id="not_an_object"),
        pytest.param(NotAnObject(inside=True), lambda text: isinstance(json.loads(text)["data"], list), id="inside"),
        pytest.param(Truncated(), lambda text: text.startswith('{"data":{') and not _is_json(text), id="truncated"),
        pytest.param(Huge(3), lambda text: len(text) > 3_000_000 and _is_json(text), id="huge"),
        pytest.param(Deep(50), lambda text: text.count("{") == 50 and _is_json(text), id="deep"),
        pytest.param(Deep(), lambda text: not _is_json(text), id="deep beyond what json reads"),
    ],
)
async def test_unreadable_frames(alice: Trader, fault: Fault, check: Callable[[str], bool]) -> None:
    async with texts(alice, "depth.SOL_USDC", "bookTicker.SOL_USDC") as socket:
        armed = alice.sim.faults.arm(fault, stream="depth.")
        await bids(alice, "100")
        assert check(await socket.next())
        assert '"bookTicker"' in await socket.next()
        assert armed.fired == 1
        alice.sim.faults.clear()
        await bids(alice, "101")
        assert "101.00" in await socket.next()


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


async def test_a_frame_beyond_the_default_limit_of_clients(alice: Trader) -> None:
    async with texts(alice, "depth.SOL_USDC") as socket:
        alice.sim.faults.arm(Huge(), stream="depth.", count=1)
        await bids(alice, "100")
        await socket.socket.receive(timeout=5)
        assert socket.socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    async with texts(alice, "depth.SOL_USDC"):
        pass


@pytest.mark.parametrize(
    "fault, check",
    [
        pytest.param(Truncated(), lambda text: text and not _is_json(text), id="truncated"),
        pytest.param(Huge(5), lambda text: len(text) > 5_000_000, id="huge"),
        pytest.param(Deep(70), lambda text: text.count("{") == 70, id="deep"),
    ],
)
async def test_unreadable_answers(alice: Trader, fault: Fault, check: Callable[[str], bool]) -> None:
    alice.sim.faults.arm(fault, method="POST")
    reply = await alice.order("Bid", "100", "1")
    assert reply.status == 200
    assert check(reply.text)
    assert len(alice.sim.exchange.open_orders("alice")) == 1, "the order was taken"
    alice.sim.faults.clear()
    assert (await alice.order("Bid", "100", "1")).json["status"] == "New"


@pytest.mark.parametrize(
    "fault, key, word",
    [(UnknownEvent(), "e", "orderTeleported"), (UnknownStatus("Lost"), "X", "Lost")],
)
async def test_unknown_words(alice: Trader, listen: Listen, fault: Fault, key: str, word: str) -> None:
    listener = await listen()
    await listener.subscribe("account.orderUpdate", "account.balanceUpdate", trader=alice)
    armed = alice.sim.faults.arm(fault, account="alice")
    await bids(alice, "100")
    (order,) = await listener.count("account.orderUpdate", 1)
    assert (order[key], order["p"]) == (word, "100.00"), "the rest of the frame is as it was"
    assert (await listener.count("account.balanceUpdate", 1))[0]["e"] == "balanceUpdate"
    assert armed.fired == 1
    alice.sim.faults.clear()
    await bids(alice, "101")
    assert (await listener.count("account.orderUpdate", 2))[1][key] in ("orderAccepted", "New")


async def test_unknown_words_in_a_frame_that_is_broken_already(alice: Trader, listen: Listen) -> None:
    alice.sim.faults.arm(GarbageFrame('["garbage"]'), stream="account.")
    armed = alice.sim.faults.arm(UnknownEvent())
    listener = await listen()
    await listener.subscribe("account.orderUpdate", trader=alice)
    await bids(alice, "100")
    await listener.until(lambda: ["garbage"] in listener.frames)
    assert armed.fired == 1


# Time between the interfaces --------------------------------------------------------------------


async def test_late_answer(alice: Trader, bob: Trader, listen: Listen) -> None:
    listener = await listen()
    await listener.subscribe("account.orderUpdate", trader=alice)
    alice.sim.faults.arm(LateAnswer(), method="POST", path=ORDER, account="alice", count=1)
    order = asyncio.create_task(alice.order("Bid", "100", "1"))
    await listener.count("account.orderUpdate", 1)
    await asyncio.sleep(QUIET_S)
    assert not order.done(), "accepted, and not answered"
    await bob.order("Ask", "100", "1", postOnly=False)
    await listener.count("account.orderUpdate", 2)
    filled_at = time.monotonic()
    assert not order.done(), "the frame comes first"
    assert (await asyncio.wait_for(order, 5)).json["status"] == "New"
    assert time.monotonic() - filled_at > AHEAD_S
    assert (await alice.order("Bid", "90", "1")).status == 200


@pytest.mark.parametrize("cleared", [False, True])
async def test_a_late_answer_does_not_wait_for_ever(alice: Trader, cleared: bool) -> None:
    alice.sim.faults.arm(LateAnswer(at_most_s=60.0 if cleared else 0.2), path=ORDER)
    order = asyncio.create_task(alice.order("Bid", "100", "1"))
    await until(lambda: bool(alice.sim.exchange.open_orders("alice")))
    if cleared:
        alice.sim.faults.clear()
    assert (await asyncio.wait_for(order, 5)).status == 200


async def test_late_frame(alice: Trader, bob: Trader, listen: Listen) -> None:
    listener = await listen()
    await listener.subscribe("account.orderUpdate", trader=alice)
    alice.sim.faults.arm(LateFrame(), account="alice")
    await alice.order("Bid", "100", "2", clientId=1)
    await bob.order("Ask", "100", "1", postOnly=False)
    await listener.barrier()
    assert [frame["e"] for frame in listener.of("account.orderUpdate")] == ["orderAccepted"]
    reply = await alice.delete(ORDER, symbol="SOL_USDC", clientId=1)
    assert (reply.json["status"], reply.json["executedQuantity"]) == ("Cancelled", "1")
    answered_at = time.monotonic()
    assert [frame["e"] for frame in listener.of("account.orderUpdate")][-1] != "orderFill", "the answer came first"
    late = await listener.count("account.orderUpdate", 3)
    assert time.monotonic() - answered_at > AHEAD_S
    assert [frame["e"] for frame in late] == ["orderAccepted", "orderCancelled", "orderFill"]


@pytest.mark.parametrize("cleared", [False, True])
async def test_a_late_frame_does_not_wait_for_ever(alice: Trader, listen: Listen, cleared: bool) -> None:
    listener = await listen()
    await listener.subscribe("account.orderUpdate", trader=alice)
    alice.sim.faults.arm(LateFrame(event="orderAccepted", at_most_s=60.0 if cleared else 0.2))
    await bids(alice, "100")
    await listener.barrier()
    assert listener.of("account.orderUpdate") == []
    if cleared:
        alice.sim.faults.clear()
    await listener.count("account.orderUpdate", 1)


async def test_stale_snapshot(alice: Trader) -> None:
    await bids(alice, "100")
    before = (await alice.get(DEPTH, symbol="SOL_USDC")).json
    alice.sim.faults.arm(StaleSnapshot(), count=1)
    await bids(alice, "101")
    assert (await alice.get(DEPTH, symbol="SOL_USDC")).json == before
    now = (await alice.get(DEPTH, symbol="SOL_USDC")).json
    assert [price for price, _ in now["bids"]] == ["100", "101"]
    assert int(now["lastUpdateId"]) == int(before["lastUpdateId"]) + 1


async def test_future_snapshot(alice: Trader, listen: Listen) -> None:
    listener = await listen()
    await listener.subscribe("depth.SOL_USDC", "depth.BTC_USDC")
    armed = alice.sim.faults.arm(FutureSnapshot())
    await bids(alice, "100", "101")
    await alice.order("Bid", "50000", "0.001", symbol="BTC_USDC")
    await listener.barrier()
    assert listener.of("depth.SOL_USDC") == []
    snapshot = (await alice.get(DEPTH, symbol="SOL_USDC")).json
    assert [price for price, _ in snapshot["bids"]] == ["100", "101"]
    answered_at = time.monotonic()
    assert listener.of("depth.SOL_USDC") == [], "the snapshot came first"
    updates = await listener.count("depth.SOL_USDC", 2)
    assert time.monotonic() - answered_at > AHEAD_S
    assert updates[-1]["u"] == int(snapshot["lastUpdateId"])
    await bids(alice, "102")
    assert prices_of(await listener.count("depth.SOL_USDC", 3)) == ["100.00", "101.00", "102.00"]
    assert (armed.fired, listener.of("depth.BTC_USDC")) == (1, []), "each market for itself"
    alice.sim.faults.clear()
    await listener.count("depth.BTC_USDC", 1)


async def test_history_lag(alice: Trader, bob: Trader) -> None:
    async def history(trader: Trader) -> tuple[list[str], list[str]]:
        orders = (await trader.get(ORDER_HISTORY)).json
        fills = (await trader.get(FILL_HISTORY)).json
        return [row["status"] for row in orders], [row["quantity"] for row in fills]

    await alice.order("Bid", "100", "3")
    alice.sim.clock.advance(10.0)
    alice.sim.faults.arm(HistoryLag(5.0), account="alice")
    assert await history(alice) == (["New"], []), "unchanged for long enough"
    await bob.order("Ask", "100", "1", postOnly=False)
    assert await history(alice) == ([], [])
    assert (await alice.get(FILL_HISTORY)).headers["X-TOTAL"] == "0"
    assert (await alice.get(ORDERS)).json[0]["executedQuantity"] == "1", "open orders do not lag"
    assert await history(bob) == (["Filled"], ["1"]), "other accounts do not lag"
    alice.sim.clock.advance(5.0)
    assert await history(alice) == (["PartiallyFilled"], ["1"])
    await alice.order("Bid", "90", "1")
    assert await history(alice) == (["PartiallyFilled"], ["1"])
    alice.sim.faults.clear()
    assert await history(alice) == (["New", "PartiallyFilled"], ["1"])


async def test_history_lag_forgets_what_has_been_shown(alice: Trader) -> None:
    fault = HistoryLag(5.0)
    alice.sim.faults.arm(fault)
    for number in range(3):
        await alice.order("Bid", "100", "1", clientId=number)
    alice.sim.clock.advance(4.0)
    await alice.delete(ORDER, symbol="SOL_USDC", clientId=0)
    alice.sim.clock.advance(4.0)
    await alice.order("Bid", "100", "1", clientId=3)
    rows = alice.sim.exchange.order_history("alice")
    assert fault._changed_us.keys() == {row.id for row in rows if row.client_id in (0, 3)}


# The exchange as a whole ------------------------------------------------------------------------


async def judged_ahead_s(trader: Trader) -> float:
    return (await trader.get("/api/v1/time")).json / 1000 - time.time()


@pytest.mark.parametrize("seconds", [3600.0, -45.5])
async def test_clock_skew(alice: Trader, seconds: float) -> None:
    headers = alice.headers("balanceQuery", {})
    alice.sim.faults.arm(ClockSkew(seconds))
    assert await judged_ahead_s(alice) == pytest.approx(seconds, abs=2)
    assert (await alice.send("GET", "/api/v1/capital", headers=headers)).status == 400
    assert (await alice.get("/api/v1/capital")).status == 200, "signed with the exchange's time"
    alice.sim.faults.clear()
    assert await judged_ahead_s(alice) == pytest.approx(0, abs=2)


async def test_skews_add_up(alice: Trader) -> None:
    alice.sim.faults.arm(ClockSkew(100.0))
    second = alice.sim.faults.arm(ClockSkew(50.0))
    assert await judged_ahead_s(alice) == pytest.approx(150, abs=2)
    alice.sim.faults.clear(second)
    assert await judged_ahead_s(alice) == pytest.approx(100, abs=2)


async def test_clock_jump(alice: Trader) -> None:
    armed = alice.sim.faults.arm(ClockJump(30.0), path="/api/v1/capital", count=2)
    assert await judged_ahead_s(alice) == pytest.approx(0, abs=2), "not before a request of the kind"
    reply = await alice.get("/api/v1/capital")
    assert reply.error == (400, "INVALID_CLIENT_REQUEST", "Request has expired")
    assert await judged_ahead_s(alice) == pytest.approx(30, abs=2)
    await alice.get("/api/v1/capital")
    assert await judged_ahead_s(alice) == pytest.approx(60, abs=2)
    assert (await alice.get("/api/v1/capital")).status == 200
    alice.sim.faults.clear(armed)
    assert await judged_ahead_s(alice) == pytest.approx(0, abs=2)


@pytest.mark.parametrize("reads_too", [False, True])
async def test_maintenance(alice: Trader, reads_too: bool) -> None:
    await alice.order("Bid", "100", "1")
    alice.sim.faults.arm(Maintenance("Back at noon", reads_too))
    assert (await alice.get("/api/v1/status")).json == {"message": "Back at noon", "status": "Maintenance"}
    for refused in (await alice.order("Bid", "100", "1"), await alice.delete(ORDERS, symbol="SOL_USDC")):
        assert refused.error == (503, "MAINTENANCE", "Back at noon")
    assert (await alice.get(ORDERS)).status == (503 if reads_too else 200)
    alice.sim.faults.clear()
    assert (await alice.get("/api/v1/status")).json["status"] == "Ok"
    assert (await alice.delete(ORDERS, symbol="SOL_USDC")).json[0]["price"] == "100"


async def test_restart(alice: Trader) -> None:
    first = (await alice.order("Bid", "100", "1")).json
    async with texts(alice, "depth.SOL_USDC") as socket:
        armed = alice.sim.faults.arm(Restart(30.0))
        assert (await socket.socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
    with pytest.raises(CUT):
        await alice.get("/api/v1/time")
    with pytest.raises(CUT):
        await alice.session.ws_connect(alice.sim.ws_url)
    assert armed.fired >= 2
    assert (await alice.control("GET", "faults"))["armed"][0]["fault"] == "restart", "the control plane stays"
    alice.sim.clock.advance(30.0)
    assert (await alice.get(ORDERS)).json == [first], "orders are where they were"
    second = (await alice.order("Bid", "100", "1")).json
    assert int(second["id"]) == int(first["id"]) + 1, "ids go on"
    async with texts(alice, "depth.SOL_USDC"):
        pass


async def test_a_restart_loses_the_answers_of_calls_under_way(alice: Trader) -> None:
    slow = alice.sim.faults.arm(Latency(0.2), path=ORDER)
    taking = asyncio.create_task(alice.order("Bid", "100", "1"))
    await until(lambda: slow.fired == 1)
    alice.sim.faults.arm(Restart(30.0))
    with pytest.raises(CUT):
        await taking
    assert len(alice.sim.exchange.open_orders("alice")) == 1


async def test_system_fill(alice: Trader, listen: Listen) -> None:
    listener = await listen()
    await listener.subscribe("account.orderUpdate", "trade.SOL_USDC", trader=alice)
    await alice.order("Bid", "100", "1", clientId=4)
    armed = alice.sim.faults.arm(SystemFill(part=0.255), account="alice", count=2)
    await alice.order("Bid", "101", "1", clientId=5)
    await until(lambda: armed.fired == 2)
    await alice.order("Bid", "102", "1", clientId=6)
    await listener.barrier()
    fills = [frame for frame in listener.of("account.orderUpdate") if frame["e"] == "orderFill"]
    assert [(fill["c"], fill["l"], fill["t"]) for fill in fills] == [(4, "0.25", None), (5, "0.25", None)]
    rows = (await alice.get(FILL_HISTORY)).json
    assert [(row["clientId"], row["tradeId"], row["systemOrderType"]) for row in rows] == [
        ("5", None, "CollateralConversion"), ("4", None, "CollateralConversion")
    ]  # fmt: skip
    assert listener.of("trade.SOL_USDC") == [], "no public trade"
    assert [order.executed_quantity for order in alice.sim.exchange.open_orders("alice")][-1] == 0


@pytest.mark.parametrize("part, filled", [(1.0, "1"), (0.0, "0.01")])
async def test_system_fill_of_all_or_of_one_step(alice: Trader, part: float, filled: str) -> None:
    await alice.order("Ask", "150", "1")
    alice.sim.faults.arm(SystemFill(part), symbol="SOL_USDC")
    assert [row["quantity"] for row in (await alice.get(FILL_HISTORY)).json] == [filled]
    alice.sim.faults.clear()
    await alice.order("Ask", "150", "1")
    assert len((await alice.get(FILL_HISTORY)).json) == 1


# A limit ----------------------------------------------------------------------------------------


async def test_request_budget(alice: Trader, bob: Trader) -> None:
    alice.sim.clock.freeze()
    armed = alice.sim.faults.arm(RequestBudget(requests=3, seconds=60.0))
    assert (await alice.order("Bid", "100", "1")).status == 200
    alice.sim.clock.advance(30)
    assert (await alice.order("Bid", "101", "1")).status == 200
    assert (await alice.get("/api/v1/capital")).status == 200
    reply = await alice.order("Bid", "102", "1")
    assert reply.error == (429, "TOO_MANY_REQUESTS", "Too many requests")
    assert len(alice.sim.exchange.open_orders("alice")) == 2, "nothing is carried out"
    assert (await alice.get("/api/v1/time")).status == 200, "a call without a key is nobody's"
    assert (await bob.get("/api/v1/capital")).status == 200, "the other account has a budget of its own"
    alice.sim.clock.advance(30)
    assert (await alice.delete(ORDERS, symbol="SOL_USDC")).status == 200, "the first call is a minute old"
    assert (await alice.get("/api/v1/capital")).status == 429, "the window slides, it does not begin anew"
    assert armed.fired == 2
    alice.sim.faults.clear()
    assert (await alice.get("/api/v1/capital")).status == 200


async def test_a_request_that_was_refused_does_not_count(alice: Trader) -> None:
    alice.sim.clock.freeze()
    alice.sim.faults.arm(RequestBudget(requests=1, seconds=10.0))
    statuses = []
    for _ in range(4):
        statuses.append((await alice.get("/api/v1/capital")).status)
        alice.sim.clock.advance(5)
    assert statuses == [200, 429, 200, 429]


# The catalogue ----------------------------------------------------------------------------------


async def test_every_fault_can_be_armed_and_cleared_over_the_control_plane(alice: Trader) -> None:
    needed = {"latency": {"seconds": 0}, "reject": {"code": "A"}, "history_lag": {"seconds": 1},
              "clock_skew": {"seconds": 1}, "clock_jump": {"seconds": 1}}  # fmt: skip
    for name in CATALOGUE:
        body = {"fault": name, "parameters": needed.get(name, {}), "match": {"symbol": "BTC_USDC"}, "count": 1}
        armed = await alice.control("POST", "faults", body)
        assert armed["fault"] == name
        await alice.control("DELETE", f"faults?id={armed['id']}")
    assert list(alice.sim.faults) == []
    assert (await alice.order("Bid", "100", "1")).status == 200


async def test_a_fault_shows_what_is_left_of_it(alice: Trader) -> None:
    alice.sim.faults.arm(Reject("A"), path="/api/v1/time", count=3, probability=0.999999, seed=4)
    await alice.get("/api/v1/time")
    (shown,) = (await alice.control("GET", "faults"))["armed"]
    assert shown == {
        "count": 2, "fault": "reject", "fired": 1, "id": 1, "match": {"path": "/api/v1/time"},
        "parameters": {"code": "A", "message": "Rejected by a fault", "status": 400},
        "probability": 0.999999, "seed": 4,
    }  # fmt: skip


def test_the_documentation_lists_the_faults_as_they_are() -> None:
    def signature(kind: type[Fault]) -> str:
        values = [
            one.name if one.default is dataclasses.MISSING else f"{one.name}={one.default!r}".replace("'", '"')
            for one in dataclasses.fields(kind)  # type: ignore[arg-type]
            if one.init
        ]
        return f"``{kind.name}`` {kind.__name__}({', '.join(values)})"

    assert package.__doc__ is not None
    documented = [row for row in package.__doc__.splitlines() if row.startswith("``") and row.endswith(")")]
    assert sorted(documented) == sorted(signature(kind) for kind in CATALOGUE.values())


@pytest.mark.parametrize(
    "name, parameters, complaint",
    [
        pytest.param("close_frame", {"code": 1006}, "close_frame: expected a code that may be sent, 1006", id="1006"),
        pytest.param("close_frame", {"code": 99}, "close_frame: expected code from 1000 to 4999, was 99", id="code"),
        pytest.param("close_frame", {"reason": "x" * 124}, "close_frame: expected a reason of at most 123", id="long"),
        pytest.param("duplicate", {"times": 1}, "duplicate: expected times from 2 to 1000, was 1", id="times"),
        pytest.param("huge", {"megabytes": 10**6}, "huge: expected megabytes from 1 to", id="megabytes"),
        pytest.param("deep", {"levels": 0}, "deep: expected levels from 1 to", id="levels"),
        pytest.param("server_error", {"status": 404}, "server_error: expected status from 500 to 599", id="status"),
        pytest.param("system_fill", {"part": 1.5}, "system_fill: expected part from 0.0 to 1.0", id="part"),
        pytest.param("clock_skew", {"seconds": float("inf")}, "clock_skew: expected seconds as a finite", id="inf"),
        pytest.param("request_budget", {"requests": 0}, "request_budget: expected requests from 1 to", id="no budget"),
        pytest.param("request_budget", {"seconds": 0.0}, "request_budget: expected seconds above 0", id="no window"),
        pytest.param("restart", {"seconds": -1.0}, "restart: expected seconds of 0 or more, was -1.0", id="negative"),
        pytest.param(
            "refuse_connection", {"rest": False, "websocket": False}, "refuse_connection: expected rest, ", id="neither"
        ),
    ],
)
def test_values_that_make_no_sense(name: str, parameters: dict[str, Any], complaint: str) -> None:
    with pytest.raises(package.BadFault) as error:
        package.fault_of(name, parameters)
    assert str(error.value).startswith(complaint)


async def test_a_connection_that_is_gone_already_can_be_reset(alice: Trader) -> None:
    async with texts(alice, "depth.SOL_USDC"):
        (socket,) = alice.sim.sessions
        assert socket._transport is not None
        socket._transport.abort()
        await asyncio.sleep(0)
        alice.sim.faults.arm(ResetConnection(), count=1)
    await until(lambda: alice.sim.sessions == [])


async def test_stopping_lets_go_of_everything(session: aiohttp.ClientSession) -> None:
    async with SimulatedBackpack(seed=7) as sim:
        alice = Trader(sim, session, sim.add_account({"USDC": "1000"}, name="alice"))
        sim.faults.arm(HalfOpen())
        hanging = asyncio.create_task(alice.get("/api/v1/time"))
        await until(lambda: any(armed.fired for armed in sim.faults))
        began = time.monotonic()
    with pytest.raises(CUT):
        await hanging
    assert time.monotonic() - began < 1.5
