"""The faults that exist, and the rules of arming: what they hit, how often, and that they can be taken back."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

import aiohttp
import pytest

from hummingbot.connector.exchange.backpack.simulator.answers import Answer
from hummingbot.connector.exchange.backpack.simulator.faults import (
    AcceptThenDropResponse,
    BadFault,
    Call,
    Disconnect,
    DropUpdate,
    Fault,
    Frame,
    FrameKind,
    Handler,
    Latency,
    Match,
    RefuseSubscription,
    Reject,
    ResetConnection,
    Socket,
    Venue,
    fault_of,
)
from test.hummingbot.connector.exchange.backpack.simulator.trader import Listener, Trader, until

Listen = Callable[[], Awaitable[Listener]]


@dataclass
class Bystander:
    """A socket that only shows who it is."""

    number: int
    accounts: frozenset[str] = frozenset()
    streams: tuple[str, ...] = ()

    def put(self, frame: Frame) -> None: ...

    def freeze(self) -> None: ...

    def disconnect(self, how: Disconnect) -> None: ...


async def test_reject_changes_nothing_and_counts(alice: Trader) -> None:
    faults = alice.sim.faults
    armed = faults.arm(Reject("TRADING_PAUSED", "Not now", status=503), method="POST", path="/api/v1/order", count=2)
    for _ in range(2):
        assert (await alice.order("Bid", "100", "1")).error == (503, "TRADING_PAUSED", "Not now")
    assert (armed.fired, armed.remaining) == (2, 0)
    assert alice.sim.exchange.order_history("alice") == []
    assert (await alice.order("Bid", "100", "1")).status == 200


async def test_accept_then_drop_response(alice: Trader) -> None:
    alice.sim.faults.arm(AcceptThenDropResponse(), path="/api/v1/order", count=1)
    with pytest.raises(aiohttp.ClientConnectionError):
        await alice.order("Bid", "100", "1", clientId=5)
    assert [order.client_id for order in alice.sim.exchange.open_orders("alice")] == [5]


async def test_reset_before_a_request(alice: Trader) -> None:
    alice.sim.faults.arm(ResetConnection(), path="/api/v1/order", count=1)
    with pytest.raises(aiohttp.ClientConnectionError):
        await alice.order("Bid", "100", "1")
    assert alice.sim.exchange.open_orders("alice") == []


async def test_reset_of_sockets(alice: Trader, listen: Listen) -> None:
    armed = alice.sim.faults.arm(ResetConnection(), stream="depth.SOL_USDC", count=1)
    listener = await listen()
    await listener.subscribe("depth.SOL_USDC", "bookTicker.SOL_USDC")
    assert armed.fired == 0, "an error frame belongs to no stream"
    await alice.order("Bid", "100", "1")
    await asyncio.wait_for(listener.ended.wait(), 5)
    assert listener.frames == []
    await until(lambda: alice.sim.sessions == [])


async def test_a_connection_is_accepted_and_cut(alice: Trader, listen: Listen) -> None:
    alice.sim.faults.arm(ResetConnection(), count=1)
    listener = await listen()
    await asyncio.wait_for(listener.ended.wait(), 5)
    again = await listen()
    await again.barrier()


async def test_latency_of_requests_runs_on_the_exchanges_clock(alice: Trader) -> None:
    alice.sim.clock.freeze()
    alice.sim.faults.arm(Latency(30.0), path="/api/v1/capital")
    call = asyncio.create_task(alice.send("GET", "/api/v1/ping"))
    assert (await call).status == 200, "other paths are not slowed down"
    headers = alice.headers("balanceQuery", {}, window_ms=60_000)
    call = asyncio.create_task(alice.send("GET", "/api/v1/capital", headers=headers))
    await asyncio.sleep(0.1)
    assert not call.done()
    alice.sim.clock.advance(30.0)
    assert (await asyncio.wait_for(call, 5)).status == 200


async def test_late_frames_keep_their_order_and_let_others_pass(alice: Trader, listen: Listen) -> None:
    listener = await listen()
    await listener.subscribe("depth.SOL_USDC", "bookTicker.SOL_USDC")
    alice.sim.clock.freeze()
    alice.sim.faults.arm(Latency(5.0), stream="depth.")
    for price in ("100", "101", "102"):
        await alice.order("Bid", price, "1")
    await listener.count("bookTicker.SOL_USDC", 3)
    assert listener.of("depth.SOL_USDC") == []
    alice.sim.clock.advance(5.0)
    updates = await listener.count("depth.SOL_USDC", 3)
    assert [update["b"][0][0] for update in updates] == ["100.00", "101.00", "102.00"]


async def test_dropped_updates_leave_a_hole(alice: Trader, listen: Listen) -> None:
    listener = await listen()
    await listener.subscribe("depth.SOL_USDC")
    armed = alice.sim.faults.arm(DropUpdate(), stream="depth.", symbol="SOL_USDC", count=1)
    await alice.order("Bid", "50000", "0.001", symbol="BTC_USDC")
    for price in ("100", "101"):
        await alice.order("Bid", price, "1")
    (update,) = await listener.count("depth.SOL_USDC", 1)
    assert update["b"][0][0] == "101.00"
    assert armed.fired == 1


async def test_faults_can_be_for_one_account(alice: Trader, bob: Trader) -> None:
    alice.sim.faults.arm(Reject("FORBIDDEN"), account="alice")
    assert (await alice.get("/api/v1/capital")).error[1] == "FORBIDDEN"
    assert (await bob.get("/api/v1/capital")).status == 200
    assert (await alice.send("GET", "/api/v1/ping")).status == 200, "a public call has no account"
    alice.sim.faults.clear()
    assert (await alice.get("/api/v1/capital")).status == 200


async def test_probability_has_a_seed(alice: Trader) -> None:
    async def pattern(seed: int) -> list[int]:
        armed = alice.sim.faults.arm(Reject("TIMEOUT"), path="/api/v1/ping", probability=0.5, seed=seed)
        statuses = [(await alice.send("GET", "/api/v1/ping")).status for _ in range(20)]
        alice.sim.faults.clear(armed)
        return statuses

    first = await pattern(3)
    assert first == await pattern(3)
    assert first != await pattern(4)
    assert set(first) == {200, 400}


# What the hooks are for: faults of the kinds to come, written as anybody would


async def test_a_fault_may_act_after_the_call_and_change_the_answer(alice: Trader) -> None:
    class Accepted202(Fault):
        name = "accepted_202"

        async def request(self, call: Call, handle: Handler) -> Answer:
            assert (await handle()).status == 200
            return Answer(202)

    await alice.order("Bid", "100", "1")
    alice.sim.faults.arm(Accepted202(), method="DELETE", symbol="SOL_USDC")
    reply = await alice.delete("/api/v1/orders", symbol="SOL_USDC")
    assert (reply.status, reply.text) == (202, "")
    assert alice.sim.exchange.open_orders("alice") == []


async def test_a_fault_may_hold_swap_and_double_frames(alice: Trader, listen: Listen) -> None:
    @dataclass
    class Swap(Fault):
        name: ClassVar[str] = "swap"
        held: Frame | None = None

        def frame(self, socket: Socket, frame: Frame) -> Iterable[Frame]:
            if self.held is None:
                self.held = frame
                return ()
            held, self.held = self.held, None
            return (frame, held)

    @dataclass
    class Double(Fault):
        name: ClassVar[str] = "double"

        def frame(self, socket: Socket, frame: Frame) -> Iterable[Frame]:
            return (frame, frame)

    listener = await listen()
    await listener.subscribe("depth.SOL_USDC")
    alice.sim.faults.arm(Swap(), stream="depth.")
    alice.sim.faults.arm(Double(), stream="depth.", count=1)
    for price in ("100", "101"):
        await alice.order("Bid", price, "1")
    updates = await listener.count("depth.SOL_USDC", 3)
    assert [update["b"][0][0] for update in updates] == ["101.00", "101.00", "100.00"]


async def test_a_fault_may_close_refuse_and_silence(alice: Trader, listen: Listen) -> None:
    class Refuse(Fault):
        name = "refuse"

        def subscribe(self, socket: Socket, stream: str) -> None:
            raise RefuseSubscription(4099, f"no {stream}")

    class CloseOnConnect(Fault):
        name = "close_on_connect"

        async def connect(self, socket: Socket) -> None:
            raise Disconnect(1012, "restart")

    refused = alice.sim.faults.arm(Refuse(), stream="depth.")
    listener = await listen()
    await listener.subscribe("depth.SOL_USDC", "trade.SOL_USDC")
    assert listener.errors == [{"code": 4099, "message": "no depth.SOL_USDC"}]
    assert list(alice.sim.sessions[0].subscriptions) == ["trade.SOL_USDC"]
    alice.sim.faults.clear(refused)
    alice.sim.faults.arm(CloseOnConnect(), count=1)
    socket = await alice.session.ws_connect(alice.sim.ws_url)
    message = await socket.receive(timeout=5)
    assert (message.type, message.data, message.extra) == (aiohttp.WSMsgType.CLOSE, 1012, "restart")


async def test_a_fault_may_swallow_heartbeats(alice: Trader) -> None:
    class Mute(Fault):
        name = "mute"

        def touches_frame(self, socket: Socket, frame: Frame) -> bool:
            return frame.kind is not FrameKind.DATA

        def frame(self, socket: Socket, frame: Frame) -> Iterable[Frame]:
            return ()

    alice.sim.faults.arm(Mute())
    async with alice.session.ws_connect(alice.sim.ws_url, autoping=False) as socket:
        await socket.ping()
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=0.3)


async def test_a_fault_may_change_the_exchange_while_it_is_armed(alice: Trader) -> None:
    class Skew(Fault):
        name = "skew"

        def armed(self, venue: Venue) -> None:
            super().armed(venue)
            venue.clock.skew_us = 3_600_000_000

        def cleared(self) -> None:
            self.venue.clock.skew_us = 0

    armed = alice.sim.faults.arm(Skew())
    assert (await alice.get("/api/v1/time")).json > (time.time() + 3_000) * 1_000
    alice.sim.faults.clear(armed)
    assert (await alice.get("/api/v1/time")).json < (time.time() + 3_000) * 1_000


@pytest.mark.parametrize(
    "match, matches_call, matches_frame",
    [
        pytest.param(Match(), True, True, id="everything"),
        pytest.param(Match(method="POST"), True, False, id="a method leaves streams alone"),
        pytest.param(Match(method="GET"), False, False, id="another method"),
        pytest.param(Match(path="/api/v1/ord"), True, False, id="the beginning of a path"),
        pytest.param(Match(path="/wapi/"), False, False, id="another path"),
        pytest.param(Match(stream="account."), False, True, id="the beginning of a stream leaves REST alone"),
        pytest.param(Match(stream="depth."), False, False, id="another stream"),
        pytest.param(Match(symbol="SOL_USDC"), True, True, id="a symbol on both"),
        pytest.param(Match(symbol="BTC_USDC"), False, False, id="another symbol"),
        pytest.param(Match(account="alice"), True, True, id="an account on both"),
        pytest.param(Match(account="bob"), False, False, id="another account"),
    ],
)
def test_what_a_match_matches(match: Match, matches_call: bool, matches_frame: bool) -> None:
    assert match.call(Call("POST", "/api/v1/order", "alice", "SOL_USDC")) is matches_call
    socket = Bystander(1, frozenset({"alice"}))
    assert match.on_stream(socket, "account.orderUpdate.SOL_USDC", "SOL_USDC") is matches_frame


@pytest.mark.parametrize(
    "name, parameters, complaint",
    [
        pytest.param("lateness", {}, "expected one of the faults accept_then_5xx, ", id="unknown fault"),
        pytest.param("latency", {}, "latency: expected a value for seconds, was none", id="missing"),
        pytest.param("latency", {"seconds": "1"}, "latency: expected seconds to be of type float, was '1'", id="type"),
        pytest.param("latency", {"seconds": True}, "latency: expected seconds to be of type float", id="a boolean"),
        pytest.param("latency", {"seconds": -1}, "latency: expected seconds of 0 or more, was -1", id="range"),
        pytest.param(
            "latency", {"seconds": 1, "x": 1}, "latency: expected parameters among seconds, was 'x'", id="extra"
        ),
        pytest.param("drop_update", {"x": 1}, "drop_update: expected parameters among (none), was 'x'", id="has none"),
        pytest.param("reject", {"code": "A", "status": 200}, "reject: expected status from 400 to 599", id="status"),
    ],
)
def test_faults_that_make_no_sense(name: str, parameters: dict, complaint: str) -> None:
    with pytest.raises(BadFault) as error:
        fault_of(name, parameters)
    assert str(error.value).startswith(complaint)


async def test_arming_that_makes_no_sense(alice: Trader) -> None:
    for arguments in ({"count": 0}, {"probability": 0.0}, {"probability": 1.5}):
        with pytest.raises(BadFault):
            alice.sim.faults.arm(DropUpdate(), **arguments)
    assert list(alice.sim.faults) == []
