"""Every call and every stream once in each of its shapes, held against ``api-doc/``."""

import asyncio
import dataclasses
from decimal import Decimal

import aiohttp
import pytest
from openapi_spec_validator import validate

from hummingbot.connector.exchange.backpack.simulator import SimulatedBackpack
from hummingbot.connector.exchange.backpack.simulator.market import Synthetic
from hummingbot.connector.exchange.backpack.simulator.model import OrderBookState
from test.hummingbot.connector.exchange.backpack.simulator.contract import (
    ASYNCAPI,
    OPENAPI,
    check_frame,
    check_reply,
    message_of,
)
from test.hummingbot.connector.exchange.backpack.simulator.trader import Listener, Trader

SOL = {"symbol": "SOL_USDC"}


def test_the_document_is_valid_openapi() -> None:
    validate(OPENAPI)


def test_every_channel_of_the_stream_document_has_a_message_and_an_operation() -> None:
    channels = {
        operation["channel"]["$ref"].removeprefix("#/channels/") for operation in ASYNCAPI["operations"].values()
    }
    assert channels == set(ASYNCAPI["channels"])
    for channel in ASYNCAPI["channels"].values():
        for message in channel["messages"].values():
            assert message["$ref"].removeprefix("#/components/messages/") in ASYNCAPI["components"]["messages"]


async def exercise(trader: Trader, other: Trader) -> None:
    """Make every REST answer that the document knows, except those that only faults make."""
    market = {"symbol": "SOL_USDC", "side": "Bid", "orderType": "Market"}
    for path in ("status", "ping", "time", "assets", "markets", "tickers", "securities"):
        await trader.get(f"/api/v1/{path}")
    await trader.get("/api/v1/ticker", symbol="USDT_USDC")  # no trades: 204
    await other.order("Ask", "200", "3")
    await other.order("Ask", "201", "3")
    resting = (await trader.order("Bid", "190", "1", clientId=1)).json
    await trader.order("Bid", "189", "1", postOnly=False, timeInForce="IOC")
    await trader.order("Bid", "201", "4", postOnly=False, selfTradePrevention="RejectBoth")
    await trader.post("/api/v1/order", market | {"quoteQuantity": "20.5", "clientId": 2})
    await trader.post("/api/v1/order", market | {"side": "Ask", "quantity": "0.5"})
    await trader.order("Bid", "1000", "1")  # would take: 400
    await trader.order("Bid", "100", "1", triggerPrice="1", triggerQuantity="1")  # 501
    await trader.send("POST", "/api/v1/order", headers=trader.headers("orderExecute", {}), raw="{}")  # text 400
    trader.sim.exchange.system_fill(int(resting["id"]), Decimal("0.1"))
    await trader.get("/api/v1/order", **SOL, orderId=resting["id"])
    await trader.get("/api/v1/order", **SOL, clientId=4711)  # 404
    await trader.get("/api/v1/order", **SOL)  # 400
    await trader.get("/api/v1/orders")
    await trader.get("/api/v1/orders", symbol="DOGE_USDC")  # 400
    limit = {"symbol": "SOL_USDC", "side": "Bid", "orderType": "Limit", "price": "150", "quantity": "1"}
    await trader.post("/api/v1/orders", [limit, limit | {"quantity": "100000"}, market | {"quantity": "0.1"}])
    await trader.post("/api/v1/orders", [])
    await trader.send("POST", "/api/v1/orders", headers=trader.headers("orderExecute", {}), raw="{}")  # text 400
    trader.sim.exchange.lend("trader", "USDC", Decimal("12.5"))
    for path in ("account", "capital", "capital/collateral", "borrowLend/positions"):
        await trader.get(f"/api/v1/{path}")
        await trader.send("GET", f"/api/v1/{path}")  # unsigned: 400
    await trader.get("/api/v1/account/limits/order", **SOL, side="Bid", price="150", autoLendRedeem=True)
    await trader.get("/api/v1/account/limits/order", **SOL, side="Buy")  # 400
    for path in ("/wapi/v1/history/orders", "/wapi/v1/history/fills"):
        await trader.get(path)
        await trader.get(path, limit=2, offset=1, sortDirection="Asc")
        await trader.get(path, limit=0)  # 400
        await trader.send("GET", path)  # unsigned: 401
    for interval in ("1m", "1month"):
        await trader.get("/api/v1/klines", **SOL, interval=interval, startTime=1_700_000_000)
    await trader.get("/api/v1/klines", **SOL, interval="1d", startTime=trader.sim.clock.now_us() // 1_000_000 - 200_000)
    await trader.get("/api/v1/klines", **SOL, interval="1m", startTime=0, priceType="Mark")  # 501
    await trader.get("/api/v1/klines", **SOL, interval="1m")  # text 400
    for path in ("market", "ticker", "depth", "trades", "trades/history"):
        await trader.get(f"/api/v1/{path}", **SOL)
        await trader.get(f"/api/v1/{path}", symbol="DOGE_USDC")  # 400
    await trader.get("/api/v1/tickers", interval="1w")
    await trader.get("/api/v1/tickers", interval="2w")  # text 400
    await trader.get("/api/v1/markets", marketType="EVERY")  # text 400
    await trader.get("/api/v1/depth", **SOL, limit=20)
    await trader.delete("/api/v1/order", **SOL, orderId=resting["id"])
    await trader.delete("/api/v1/order", **SOL, orderId=resting["id"])  # gone: 400
    await trader.order("Bid", "120", "1")
    await trader.delete("/api/v1/orders", **SOL)
    await trader.delete("/api/v1/orders", symbol="DOGE_USDC")  # text 400
    trader.sim.exchange.set_order_book_state("SOL_USDC", OrderBookState.CLOSED)
    await trader.get("/api/v1/depth", **SOL)  # 404


async def test_every_rest_answer_is_as_documented(alice: Trader, session: aiohttp.ClientSession) -> None:
    trader = Trader(alice.sim, session, alice.sim.add_account({"USDC": "10000", "SOL": "10"}, name="trader"))
    await exercise(trader, alice)
    for reply in trader.replies:
        check_reply(reply)
    seen = {(reply.method.lower(), reply.path, str(reply.status)) for reply in trader.replies}
    documented = {
        (method, path, status)
        for path, methods in OPENAPI["paths"].items()
        for method, operation in methods.items()
        for status in operation["responses"]
        if status not in ("202", "503")  # made by faults only
    }
    assert documented - seen == set(), "documented but never seen"


async def test_every_frame_is_as_documented(session: aiohttp.ClientSession) -> None:
    async with SimulatedBackpack(seed=5, taker_delay_s=0.0, market=Synthetic(5)) as sim:
        trader = Trader(sim, session, sim.add_account({"USDC": "100000", "SOL": "100"}, name="trader"))
        listener = Listener(sim, await session.ws_connect(sim.ws_url))
        public = [
            "depth.SOL_USDC", "depth.200ms.BTC_USDC", "depth.600ms.ETH_USDC", "depth.1000ms.USDT_USDC",
            "trade.SOL_USDC",
            "bookTicker.SOL_USDC", "ticker.SOL_USDC", "kline.1s.SOL_USDC", "kline.1month.SOL_USDC", "account.nothing",
        ]  # fmt: skip
        await listener.subscribe(*public)
        await listener.subscribe("account.orderUpdate", "account.orderUpdate.SOL_USDC", "account.balanceUpdate",
                                 trader=trader)  # fmt: skip
        resting = (await trader.order("Bid", "120", "2", clientId=0)).json
        sim.exchange.reduce(int(resting["id"]), Decimal("0.5"))
        sim.exchange.system_fill(int(resting["id"]), Decimal("0.5"))
        await trader.delete("/api/v1/order", **SOL, orderId=resting["id"])
        market = {"symbol": "SOL_USDC", "orderType": "Market"}
        await trader.post("/api/v1/order", market | {"side": "Bid", "quantity": "0.1"})
        await trader.post("/api/v1/order", market | {"side": "Ask", "quoteQuantity": "50"})
        await trader.order("Bid", "130", "1", postOnly=False, timeInForce="IOC")
        for _ in range(40):
            sim.clock.advance(0.25)
            await asyncio.sleep(0.02)
        await listener.barrier()
        await listener.close()
    seen = {check_frame(frame) for frame in listener.frames}
    assert seen == {message_of(name) for name in public[:-1]} | {"OrderUpdate", "BalanceUpdate", "Error"}
    kinds = {frame["e"] for frame in listener.of("account.orderUpdate")}
    assert kinds == {"orderAccepted", "orderFill", "orderModified", "orderCancelled", "orderExpired"}
    assert {frame["X"] for frame in listener.of("kline.1s.SOL_USDC")} == {True, False}


async def test_the_contract_notices_a_change(alice: Trader) -> None:
    """A check that lets everything through would be no check."""
    reply = await alice.get("/api/v1/depth", symbol="SOL_USDC")
    check_reply(reply)
    for wrong in (
        reply.text.replace('"lastUpdateId":"', '"lastUpdateId":1,"x":"'),
        reply.text.replace("timestamp", "time"),
        reply.text.replace('"bids":[]', '"bids":[["1.50","1"]]'),
    ):
        assert wrong != reply.text
        with pytest.raises(AssertionError):
            check_reply(dataclasses.replace(reply, text=wrong))
