"""A client that others wrote trades here with nothing changed but its addresses: ccxt, plain and websocket."""

import asyncio

import ccxt
import ccxt.pro
import pytest

from hummingbot.connector.exchange.backpack.simulator import SimulatedBackpack
from hummingbot.connector.exchange.backpack.simulator.market import Synthetic
from test.hummingbot.connector.exchange.backpack.simulator.trader import until

SYMBOL = "SOL/USDC"


def subscribed(sim: SimulatedBackpack, stream: str) -> bool:
    return any(stream in session.subscriptions for session in sim.sessions)


def settings(sim: SimulatedBackpack) -> dict:
    account = sim.accounts[0]
    api = {"public": sim.rest_url, "private": sim.rest_url, "ws": {"public": sim.ws_url, "private": sim.ws_url}}
    return {"apiKey": account.api_key, "secret": account.api_secret, "enableRateLimit": False, "urls": {"api": api}}


@pytest.fixture
async def sim():
    async with SimulatedBackpack(seed=11, market=Synthetic(11), taker_delay_s=0.02) as sim:
        sim.add_account({"USDC": "10000", "SOL": "100"})
        yield sim


def trade(venue: ccxt.backpack) -> None:
    assert set(venue.load_markets()) == {"SOL/USDC", "BTC/USDC", "ETH/USDC", "USDT/USDC"}
    assert venue.market(SYMBOL)["precision"] == {"amount": 0.01, "price": 0.01} | {
        key: None for key in venue.market(SYMBOL)["precision"] if key not in ("amount", "price")
    }
    book = venue.fetch_order_book(SYMBOL, 5)
    assert len(book["bids"]) == len(book["asks"]) == 5
    assert book["bids"][0][0] < book["asks"][0][0], "ccxt knows that the best bid comes last"
    assert venue.fetch_balance()["total"] == {"SOL": 100.0, "USDC": 10000.0}
    assert venue.fetch_status()["status"] == "ok"

    order = venue.create_order(SYMBOL, "limit", "buy", 1.5, 120.25, {"postOnly": True, "clientOrderId": "77"})
    assert (order["status"], order["clientOrderId"], order["price"]) == ("open", "77", 120.25)
    assert [one["id"] for one in venue.fetch_open_orders(SYMBOL)] == [order["id"]]
    assert venue.fetch_open_order(order["id"], SYMBOL)["remaining"] == 1.5
    assert venue.fetch_order(order["id"], SYMBOL)["status"] == "open"
    assert venue.fetch_balance()["USDC"]["used"] == pytest.approx(180.375)
    assert venue.cancel_order(order["id"], SYMBOL)["status"] == "canceled"
    assert venue.fetch_open_orders(SYMBOL) == []
    assert venue.fetch_order(order["id"], SYMBOL)["status"] == "canceled"

    bought = venue.create_order(SYMBOL, "market", "buy", 0.5)
    assert (bought["status"], bought["filled"]) == ("closed", 0.5)
    (fill,) = venue.fetch_my_trades(SYMBOL)
    assert (fill["order"], fill["amount"], fill["takerOrMaker"]) == (bought["id"], 0.5, "taker")
    assert fill["fee"] == {"currency": "SOL", "cost": pytest.approx(0.0005)}
    assert bought["id"] in {one["id"] for one in venue.fetch_orders(SYMBOL)}
    assert fill["id"] in {one["id"] for one in venue.fetch_trades(SYMBOL)}
    assert venue.fetch_ticker(SYMBOL)["last"] > 0
    assert venue.fetch_ohlcv(SYMBOL, "1m", limit=5)[-1][5] > 0

    batch = [
        {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": 1, "price": 120 + number, "params": {}}
        for number in range(3)
    ]
    assert [one["status"] for one in venue.create_orders(batch)] == ["open"] * 3
    assert len(venue.cancel_all_orders(SYMBOL)) == 3
    with pytest.raises(ccxt.InsufficientFunds):
        venue.create_order(SYMBOL, "limit", "buy", 1_000, 120)


async def test_ccxt_trades(sim: SimulatedBackpack) -> None:
    await asyncio.to_thread(trade, ccxt.backpack(settings(sim)))


async def test_ccxt_pro_watches(sim: SimulatedBackpack) -> None:
    venue = ccxt.pro.backpack(settings(sim))
    try:
        async with asyncio.timeout(60):
            book = await venue.watch_order_book(SYMBOL)
            assert 0 < book["bids"][0][0] < book["asks"][0][0]
            orders = asyncio.create_task(venue.watch_orders(SYMBOL))
            balance = asyncio.create_task(venue.watch_balance())
            await until(lambda: subscribed(sim, "account.balanceUpdate"))
            placed = await venue.create_order(SYMBOL, "limit", "buy", 1, 120, {"postOnly": True})
            assert [(one["id"], one["status"]) for one in await orders] == [(placed["id"], "open")]
            assert (await balance)["USDC"]["free"] == 9880.0
            orders = asyncio.create_task(venue.watch_orders(SYMBOL))
            await venue.cancel_order(placed["id"], SYMBOL)
            assert (await orders)[-1]["status"] == "canceled"
            trades = asyncio.create_task(venue.watch_trades(SYMBOL))
            await until(lambda: subscribed(sim, "trade.SOL_USDC"))
            await venue.create_order(SYMBOL, "market", "sell", 1)
            assert (await trades)[-1]["symbol"] == SYMBOL
            assert (await venue.watch_ticker(SYMBOL))["last"] > 0
            sim.pause_market()
            book = await venue.fetch_order_book(SYMBOL)
            watched = venue.orderbooks[SYMBOL]
            await until(lambda: watched["nonce"] == book["nonce"])
            assert (watched["bids"][:20], watched["asks"][:20]) == (book["bids"][:20], book["asks"][:20])
    finally:
        await venue.close()
