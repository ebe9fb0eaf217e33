"""The venue's websocket rules, as rows. The shapes of the frames are in test_contract.py."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from decimal import Decimal

import aiohttp
import pytest

from hummingbot.connector.exchange.backpack.simulator import SimulatedBackpack, streams
from hummingbot.connector.exchange.backpack.simulator.market import Synthetic
from test.hummingbot.connector.exchange.backpack.simulator.trader import Listener, Trader

Listen = Callable[[], Awaitable[Listener]]


@pytest.mark.parametrize(
    "command, error",
    [
        pytest.param("{", (4002, "Parse error"), id="not JSON"),
        pytest.param("[1]", (4002, "Parse error"), id="not an object"),
        pytest.param('{"method":"LIST","params":[]}', (4002, "Parse error"), id="unknown method"),
        pytest.param('{"method":"SUBSCRIBE"}', (4002, "Parse error"), id="no params"),
        pytest.param('{"method":"SUBSCRIBE","params":[1]}', (4002, "Parse error"), id="params are not text"),
        pytest.param('{"method":"SUBSCRIBE","params":["book.SOL_USDC"]}', (4006, "Invalid stream"), id="unknown"),
        pytest.param(
            '{"method":"SUBSCRIBE","params":["markPrice.SOL_USDC"]}', (4006, "Invalid stream"), id="absent here",
        ),
        pytest.param(
            '{"method":"SUBSCRIBE","params":["kline.7m.SOL_USDC"]}', (4006, "Invalid stream"), id="unknown interval",
        ),
        pytest.param(
            '{"method":"SUBSCRIBE","params":["depth.100ms.SOL_USDC"]}', (4008, "Invalid depth window"),
            id="unknown window",
        ),
        pytest.param('{"method":"SUBSCRIBE","params":["depth.DOGE_USDC"]}', None, id="unknown symbol: silence"),
        pytest.param('{"method":"SUBSCRIBE","params":["depth.5.SOL_USDC"]}', None, id="a level limit: silence"),
        pytest.param('{"method":"SUBSCRIBE","params":["depth.SOL_USDC"],"id":7}', None, id="good: silence too"),
        pytest.param('{"method":"UNSUBSCRIBE","params":["depth.SOL_USDC"]}', None, id="never subscribed: silence"),
        pytest.param(
            '{"method":"SUBSCRIBE","params":["account.orderUpdate"]}', (4003, "Invalid signature"), id="unsigned",
        ),
        pytest.param(
            '{"method":"SUBSCRIBE","params":["account.orderUpdate"],"signature":["a","b","c","d"]}',
            (4003, "Invalid signature"), id="signature of junk",
        ),
        pytest.param(
            '{"method":"SUBSCRIBE","params":["account.orderUpdate"],"signature":["a","b","1","5000"]}',
            (4003, "Invalid timestamp: must be within 10 minutes of current time"), id="old signature",
        ),
    ],
)  # fmt: skip
async def test_commands_and_their_answers(listen: Listen, command: str, error: tuple[int, str] | None) -> None:
    listener = await listen()
    await listener.socket.send_str(command)
    await listener.barrier()
    if error is None:
        assert listener.frames == []
    else:
        assert listener.frames == [{"error": {"code": error[0], "message": error[1]}, "id": None}]
        assert not listener.socket.closed


async def test_what_a_trade_shows_in_public(alice: Trader, bob: Trader, listen: Listen) -> None:
    await bob.order("Ask", "150.1", "1.5")
    listener = await listen()
    await listener.subscribe("depth.SOL_USDC", "trade.SOL_USDC", "bookTicker.SOL_USDC")
    order = (await alice.order("Bid", "150.1", "1.2", postOnly=False)).json
    (trade,) = await listener.count("trade.SOL_USDC", 1)
    assert (trade["p"], trade["q"], trade["m"], trade["b"]) == ("150.10", "1.20", False, order["id"])
    assert trade["T"] % 1000 == 0 and trade["T"] > 1e15, "whole milliseconds in microseconds"
    (update,) = await listener.count("depth.SOL_USDC", 1)
    assert (update["a"], update["b"], update["U"]) == ([["150.10", "0.30"]], [], update["u"])
    (touch,) = await listener.count("bookTicker.SOL_USDC", 1)
    assert (touch["a"], touch["A"], touch["b"], touch["u"]) == ("150.10", "0.30", None, update["u"])
    await bob.delete("/api/v1/orders", symbol="SOL_USDC")
    assert (await listener.count("depth.SOL_USDC", 2))[1]["a"] == [["150.10", "0.00"]], "zero removes, padded too"


async def test_the_best_prices_are_told_only_when_they_change(alice: Trader, listen: Listen) -> None:
    listener = await listen()
    await listener.subscribe("bookTicker.SOL_USDC")
    for price in ("100", "99", "100.5"):
        await alice.order("Bid", price, "1")
    await listener.barrier()
    assert [ticker["b"] for ticker in listener.of("bookTicker.SOL_USDC")] == ["100.00", "100.50"]


async def test_a_resting_order_from_acceptance_to_cancel(alice: Trader, bob: Trader, listen: Listen) -> None:
    listener = await listen()
    await listener.subscribe("account.orderUpdate", trader=alice)
    await alice.order("Bid", "100.5", "2", clientId=7)
    await bob.order("Ask", "100.5", "0.5", postOnly=False)
    await alice.delete("/api/v1/order", symbol="SOL_USDC", clientId=7)
    accepted, filled, cancelled = await listener.count("account.orderUpdate", 3)
    assert (accepted["e"], accepted["X"], accepted["o"], accepted["z"], accepted["t"]) == (
        "orderAccepted", "New", "LIMIT", "0", None,
    )  # fmt: skip
    assert (accepted["p"], accepted["q"], accepted["Q"], accepted["c"], accepted["y"]) == (
        "100.50", "2.00", "201.0000", 7, True,
    )  # fmt: skip
    assert (filled["e"], filled["X"], filled["l"], filled["L"], filled["m"], filled["z"], filled["Z"]) == (
        "orderFill", "PartiallyFilled", "0.50", "100.50", True, "0.50", "50.2500",
    )  # fmt: skip
    assert (filled["N"], filled["n"]) == ("SOL", "0.0004"), "the maker's 8 basis points, in what is received"
    assert (cancelled["e"], cancelled["X"], cancelled["z"]) == ("orderCancelled", "Cancelled", "0.50")


async def test_an_order_that_fills_at_once_is_accepted_first(alice: Trader, bob: Trader, listen: Listen) -> None:
    await bob.order("Ask", "100", "1")
    await bob.order("Ask", "101", "1")
    listener = await listen()
    await listener.subscribe("account.orderUpdate.SOL_USDC", trader=alice)
    await alice.order("Bid", "101", "2", postOnly=False)
    frames = await listener.count("account.orderUpdate.SOL_USDC", 3)
    assert [(frame["e"], frame["X"]) for frame in frames] == [
        ("orderAccepted", "New"), ("orderFill", "PartiallyFilled"), ("orderFill", "Filled"),
    ]  # fmt: skip


async def test_the_rest_of_an_ioc_expires_with_a_reason(alice: Trader, listen: Listen) -> None:
    listener = await listen()
    await listener.subscribe("account.orderUpdate", trader=alice)
    await alice.order("Bid", "100", "1", postOnly=False, timeInForce="IOC")
    expired = (await listener.count("account.orderUpdate", 2))[-1]
    assert (expired["e"], expired["X"], expired["R"]) == ("orderExpired", "Expired", "ImmediateOrCancel")


async def test_balances_are_absolute(alice: Trader, listen: Listen) -> None:
    listener = await listen()
    await listener.subscribe("account.balanceUpdate", trader=alice)
    await alice.order("Bid", "100", "1")
    await alice.delete("/api/v1/orders", symbol="SOL_USDC")
    locked, freed = await listener.count("account.balanceUpdate", 2)
    assert (locked["a"], locked["A"], locked["L"]) == ("USDC", "9900", "100")
    assert (freed["a"], freed["A"], freed["L"]) == ("USDC", "10000", "0")


async def test_everybody_sees_only_their_own_account(alice: Trader, bob: Trader, listen: Listen) -> None:
    of_alice, of_bob = await listen(), await listen()
    await of_bob.subscribe("account.orderUpdate", "account.balanceUpdate", trader=bob)
    await alice.order("Bid", "99", "1")
    await of_alice.subscribe("account.orderUpdate", "account.balanceUpdate", trader=alice)
    await alice.order("Bid", "100", "1")
    await of_alice.count("account.orderUpdate", 1)
    await of_bob.barrier()
    assert of_bob.frames == []


async def test_orders_of_one_market_only(alice: Trader, listen: Listen) -> None:
    listener = await listen()
    await listener.subscribe("account.orderUpdate.BTC_USDC", trader=alice)
    await alice.order("Bid", "100", "1")
    await alice.order("Bid", "50000", "0.001", symbol="BTC_USDC")
    (only,) = await listener.count("account.orderUpdate.BTC_USDC", 1)
    assert only["s"] == "BTC_USDC"


async def test_subscribing_twice_does_not_double_and_unsubscribing_ends(alice: Trader, listen: Listen) -> None:
    listener = await listen()
    await listener.subscribe("depth.SOL_USDC", "depth.SOL_USDC")
    await listener.subscribe("depth.SOL_USDC")
    await alice.order("Bid", "100", "1")
    await listener.barrier()
    assert len(listener.of("depth.SOL_USDC")) == 1
    await listener.unsubscribe("depth.SOL_USDC")
    await alice.order("Bid", "101", "1")
    await listener.barrier()
    assert len(listener.of("depth.SOL_USDC")) == 1


@pytest.mark.parametrize("window, seconds", [("200ms", 0.2), ("600ms", 0.6), ("1000ms", 1.0)])
async def test_aggregated_depth_is_one_frame_a_window(
    alice: Trader, listen: Listen, window: str, seconds: float
) -> None:
    name = f"depth.{window}.SOL_USDC"
    listener = await listen()
    await listener.subscribe(name)
    alice.sim.clock.freeze()
    for price, quantity in (("100", "1"), ("99", "2"), ("100", "3"), ("101", "1")):
        await alice.order("Bid", price, quantity)
    await listener.barrier()
    assert listener.frames == []
    alice.sim.clock.advance(seconds)
    (frame,) = await listener.count(name, 1)
    assert frame["b"] == [["99.00", "2.00"], ["100.00", "4.00"], ["101.00", "1.00"]], "ascending, latest values"
    assert frame["u"] == frame["U"] + 3
    alice.sim.clock.advance(seconds)
    await listener.barrier()
    assert len(listener.of(name)) == 1, "nothing is repeated while idle"


async def test_ticker_once_a_second_and_candles_until_they_close(alice: Trader, bob: Trader, listen: Listen) -> None:
    clock = alice.sim.clock
    clock.freeze()
    clock.advance(60 - clock.now_us() / 1_000_000 % 60)  # to the start of a minute
    listener = await listen()
    await listener.subscribe("ticker.SOL_USDC", "kline.1m.SOL_USDC")
    clock.advance(1)
    await listener.barrier()
    assert listener.frames == [], "no trades, no figures"
    await bob.order("Ask", "150.5", "1")
    await alice.control(
        "POST",
        "orders",
        {"account": "alice", "symbol": "SOL_USDC", "side": "Bid", "orderType": "Market", "quantity": "1"},
    )
    clock.advance(1)
    (ticker,) = await listener.count("ticker.SOL_USDC", 1)
    assert (ticker["c"], ticker["v"], ticker["V"], ticker["n"]) == ("150.5", "1", "150.5", 1), "not padded"
    (candle,) = await listener.count("kline.1m.SOL_USDC", 1)
    assert (candle["X"], candle["c"], candle["n"]) == (False, "150.500000000", 1)
    for _ in range(3):
        clock.advance(1)
        await listener.barrier()
    assert len(listener.of("ticker.SOL_USDC")) == 4
    assert len(listener.of("kline.1m.SOL_USDC")) == 1, "unchanged candles are not repeated"
    clock.advance(60)
    closed = (await listener.count("kline.1m.SOL_USDC", 2))[-1]
    assert closed == candle | {"X": True, "E": closed["E"]}


async def test_the_stream_continues_the_snapshot_under_load(session: aiohttp.ClientSession, listen: Listen) -> None:
    """Replaying depth over a snapshot gives the book that REST shows, with orders and cancels in full swing."""
    async with SimulatedBackpack(seed=3, market=Synthetic(3)) as sim:
        trader = Trader(sim, session, sim.add_account({"USDC": "100000000", "SOL": "1000000"}))
        listener = Listener(sim, await session.ws_connect(sim.ws_url))
        await listener.subscribe("depth.SOL_USDC", "depth.200ms.SOL_USDC")
        snapshot = (await trader.get("/api/v1/depth", symbol="SOL_USDC")).json
        dice = random.Random(3)
        for number in range(60):
            side = dice.choice(["Bid", "Ask"])
            price = f"{dice.randint(14_900, 15_100) / 100:.2f}"
            await trader.order(side, price, f"{dice.randint(1, 300) / 100:.2f}", postOnly=dice.random() < 0.7,
                               timeInForce="GTC")  # fmt: skip
            if number % 7 == 0:
                await trader.delete("/api/v1/orders", symbol="SOL_USDC")
        sim.pause_market()
        sim.clock.advance(1.0)
        target = (await trader.get("/api/v1/depth", symbol="SOL_USDC")).json
        for stream in ("depth.SOL_USDC", "depth.200ms.SOL_USDC"):
            await listener.until(
                lambda stream=stream: any(str(update["u"]) == target["lastUpdateId"] for update in listener.of(stream))
            )
            assert replay(snapshot, listener.of(stream)) == levels_of(target)
        assert int(target["lastUpdateId"]) - int(snapshot["lastUpdateId"]) > 60
        await listener.close()


def levels_of(depth: dict) -> dict[str, dict[Decimal, Decimal]]:
    return {side: {Decimal(p): Decimal(q) for p, q in depth[side]} for side in ("bids", "asks")}


def replay(snapshot: dict, updates: list[dict]) -> dict[str, dict[Decimal, Decimal]]:
    book, at = levels_of(snapshot), int(snapshot["lastUpdateId"])
    for update in updates:
        if update["u"] <= at:
            continue
        assert update["U"] <= at + 1, f"a hole between {at} and {update['U']}"
        for side, key in (("bids", "b"), ("asks", "a")):
            for price, quantity in update[key]:
                book[side][Decimal(price)] = Decimal(quantity)
                if not Decimal(quantity):
                    del book[side][Decimal(price)]
        at = update["u"]
    return book


# The connection


async def test_the_server_pings_and_cuts_off_the_deaf(session: aiohttp.ClientSession) -> None:
    async with SimulatedBackpack(ping_interval_s=0.05) as sim:
        async with session.ws_connect(sim.ws_url, autoping=False) as socket:
            pings = 0
            async for message in socket:
                if message.type is aiohttp.WSMsgType.PING:
                    pings += 1
                    if pings <= 4:
                        await socket.pong(message.data)
            assert pings == 4 + streams.MISSED_PONGS
        assert sim.sessions == []


async def test_the_servers_pong_carries_the_pings_payload(listen: Listen, session: aiohttp.ClientSession,
                                                          sim: SimulatedBackpack) -> None:  # fmt: skip
    async with session.ws_connect(sim.ws_url, autoping=False) as socket:
        await socket.ping(b"are you there")
        message = await socket.receive(timeout=5)
        assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"are you there")


async def test_compression_only_when_offered(sim: SimulatedBackpack, session: aiohttp.ClientSession) -> None:
    async with session.ws_connect(sim.ws_url, compress=15) as offered, session.ws_connect(sim.ws_url) as plain:
        assert (bool(offered.compress), bool(plain.compress)) == (True, False)


async def test_who_does_not_read_is_cut_off(sim: SimulatedBackpack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_BACKLOG_BYTES", 200_000)
    host, port = sim.rest_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1_000)
    writer.write(
        f"GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    command = json.dumps({"method": "SUBSCRIBE", "params": ["depth.SOL_USDC"]}).encode()
    writer.write(bytes([0x81, 0x80 | len(command)]) + bytes(4) + command)
    await writer.drain()
    market = Synthetic(1)
    market.open(sim.exchange)
    peak = 0
    async with asyncio.timeout(60):
        while sim.sessions:
            sim.clock.advance(1.0)
            market.step()
            peak = max([peak, *(session.backlog_bytes for session in sim.sessions)])
            await asyncio.sleep(0)
    assert 0 < peak <= 200_000
    writer.close()


async def test_a_stopping_exchange_says_good_bye(session: aiohttp.ClientSession) -> None:
    async with SimulatedBackpack() as sim:
        socket = await session.ws_connect(sim.ws_url)
    message = await socket.receive(timeout=5)
    assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
