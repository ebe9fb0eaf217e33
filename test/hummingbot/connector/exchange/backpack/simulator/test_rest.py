"""The venue's REST rules, as rows. The order rules proper are in test_matching.py, the shapes in test_contract.py."""

import asyncio
import json
from decimal import Decimal

import aiohttp
import pytest

from hummingbot.connector.exchange.backpack.simulator import SimulatedBackpack
from hummingbot.connector.exchange.backpack.simulator.model import OrderBookState
from test.hummingbot.connector.exchange.backpack.simulator.trader import Trader, until


@pytest.mark.parametrize(
    "path, status, text",
    [
        pytest.param("/api/v1/ping", 200, "pong", id="ping is a bare word"),
        pytest.param("/api/v1/status", 200, '{"message":null,"status":"Ok"}', id="status, keys sorted"),
        pytest.param("/api/v1/ticker?symbol=SOL_USDC", 204, "", id="no trades yet"),
        pytest.param("/api/v1/tickers", 200, "[]", id="markets without trades are left out"),
        pytest.param("/api/v1/markets?marketType=PERP", 200, "[]", id="no futures here"),
        pytest.param("/api/v1/securities", 200, "[]", id="no securities here"),
        pytest.param("/api/v1/nothing", 404, "not found", id="unknown path, in plain text"),
        pytest.param("/ws", 400, None, id="a websocket address without a handshake"),
        pytest.param(
            "/api/v1/depth", 400, 'failed to parse parameter `symbol`: Type "string" expects an input value.',
            id="missing parameter, in plain text",
        ),
        pytest.param(
            "/api/v1/depth?symbol=SOL_USDC&limit=7", 400,
            'failed to parse parameter `limit`: failed to parse "DepthLimit": Expect a valid enumeration value.',
            id="limit not among the known ones, in plain text",
        ),
        pytest.param(
            "/api/v1/depth?symbol=DOGE_USDC", 400,
            '{"code":"INVALID_CLIENT_REQUEST","message":"Invalid market symbol"}', id="unknown symbol, in JSON",
        ),
        pytest.param(
            "/api/v1/trades?symbol=SOL_USDC&limit=1001", 400,
            "failed to parse parameter `limit`: verification failed. maximum(1000, exclusive: false)",
            id="page too long",
        ),
        pytest.param(
            "/api/v1/klines?symbol=SOL_USDC&interval=7m&startTime=0", 400,
            'failed to parse parameter `interval`: failed to parse "KlineInterval": '
            "Expect a valid enumeration value.", id="unknown interval",
        ),
        pytest.param(
            "/api/v1/klines?symbol=SOL_USDC&interval=1m&startTime=0&priceType=Mark", 501,
            '{"code":"NOT_IMPLEMENTED","message":"klines of the Mark price is not part of the local exchange"}',
            id="no mark price here",
        ),
        pytest.param(
            "/api/v1/fundingRates", 501,
            '{"code":"NOT_IMPLEMENTED","message":"GET /api/v1/fundingRates is not part of the local exchange"}',
            id="Backpack has it, this exchange does not",
        ),
    ],
)  # fmt: skip
async def test_public_answers(alice: Trader, path: str, status: int, text: str | None) -> None:
    reply = await alice.send("GET", path)
    assert reply.status == status
    assert text is None or reply.text == text


async def test_wrong_method(alice: Trader) -> None:
    reply = await alice.send("PUT", "/api/v1/order")
    assert (reply.status, reply.text) == (405, "method not allowed")


async def test_time_is_a_bare_number_of_milliseconds(alice: Trader) -> None:
    alice.sim.clock.freeze()
    assert (await alice.get("/api/v1/time")).json == alice.sim.clock.now_us() // 1000


async def test_depth_ascends_on_both_sides_and_keeps_the_touch(alice: Trader) -> None:
    for number in range(7):
        await alice.order("Bid", f"{90 + number}", "1")
        await alice.order("Ask", f"{110 + number}.50", "2.50")
    depth = (await alice.get("/api/v1/depth", symbol="SOL_USDC", limit=5)).json
    assert [price for price, _ in depth["bids"]] == ["92", "93", "94", "95", "96"]
    assert [price for price, _ in depth["asks"]] == ["110.5", "111.5", "112.5", "113.5", "114.5"]
    assert depth["asks"][0][1] == "2.5", "no trailing zeros over REST"
    assert isinstance(depth["lastUpdateId"], str)


async def test_a_closed_market_has_no_depth(alice: Trader) -> None:
    alice.sim.exchange.set_order_book_state("SOL_USDC", OrderBookState.CLOSED)
    assert (await alice.get("/api/v1/depth", symbol="SOL_USDC")).error == (404, "RESOURCE_NOT_FOUND", "Not Found")
    assert (await alice.get("/api/v1/market", symbol="SOL_USDC")).json["orderBookState"] == "Closed"


async def test_trades_tickers_and_candles_tell_the_same(alice: Trader, bob: Trader) -> None:
    await alice.order("Ask", "150", "3")
    await bob.order("Bid", "150", "1", postOnly=False)
    await bob.order("Bid", "150", "2", postOnly=False)
    newest, older = (await alice.get("/api/v1/trades", symbol="SOL_USDC")).json
    assert (newest["quantity"], older["quantity"], newest["isBuyerMaker"]) == ("2", "1", False)
    assert newest["id"] == older["id"] + 1
    assert (await alice.get("/api/v1/trades/history", symbol="SOL_USDC", limit=1, offset=1)).json == [older]
    ticker = (await alice.get("/api/v1/ticker", symbol="SOL_USDC")).json
    assert (ticker["volume"], ticker["quoteVolume"], ticker["trades"]) == ("3", "450", "2")
    start_s = alice.sim.clock.now_us() // 1_000_000 - 86_400 * 2
    candles = (await alice.get("/api/v1/klines", symbol="SOL_USDC", interval="1d", startTime=start_s)).json
    assert candles[-1]["volume"] == "3"
    assert candles[0]["open"] is None, "a bucket without trades has no prices"


# Orders


async def test_an_order_from_new_to_cancelled(alice: Trader) -> None:
    order = (await alice.order("Bid", "100.50", "1.20", clientId=4294967295)).json
    assert (order["status"], order["price"], order["quantity"]) == ("New", "100.5", "1.2")
    assert (order["clientId"], order["triggerPrice"]) == (4294967295, None)
    for by in ({"orderId": order["id"]}, {"clientId": 4294967295}):
        assert (await alice.get("/api/v1/order", symbol="SOL_USDC", **by)).json == order
    assert (await alice.get("/api/v1/orders")).json == [order]
    assert (await alice.get("/api/v1/orders", symbol="BTC_USDC")).json == []
    assert (await alice.get("/api/v1/orders", marketType="PERP")).json == []
    assert (await alice.get("/api/v1/account")).json["limitOrders"] == 1
    cancelled = (await alice.delete("/api/v1/order", symbol="SOL_USDC", clientId=4294967295)).json
    assert cancelled == order | {"status": "Cancelled"}
    gone = await alice.get("/api/v1/order", symbol="SOL_USDC", orderId=order["id"])
    assert gone.error == (404, "RESOURCE_NOT_FOUND", "Not Found")
    again = await alice.delete("/api/v1/order", symbol="SOL_USDC", orderId=order["id"])
    assert again.error == (400, "INVALID_CLIENT_REQUEST", "Order not found")


async def test_nobody_sees_or_cancels_the_orders_of_others(alice: Trader, bob: Trader) -> None:
    order = (await alice.order("Bid", "100", "1")).json
    assert (await bob.get("/api/v1/orders")).json == []
    assert (await bob.get("/api/v1/order", symbol="SOL_USDC", orderId=order["id"])).status == 404
    assert (await bob.delete("/api/v1/order", symbol="SOL_USDC", orderId=order["id"])).status == 400
    assert (await bob.delete("/api/v1/orders", symbol="SOL_USDC")).json == []
    assert (await bob.get("/wapi/v1/history/orders")).json == []
    assert len((await alice.get("/api/v1/orders")).json) == 1


async def test_a_filled_order_is_only_in_history(alice: Trader, bob: Trader) -> None:
    await bob.order("Ask", "150", "5")
    order = (await alice.order("Bid", "150", "2", postOnly=False)).json
    assert (order["status"], order["executedQuantity"], order["executedQuoteQuantity"]) == ("Filled", "2", "300")
    assert (await alice.get("/api/v1/order", symbol="SOL_USDC", orderId=order["id"])).status == 404
    (past,) = (await alice.get("/wapi/v1/history/orders", orderId=order["id"])).json
    assert (past["status"], past["executedQuoteQuantity"]) == ("Filled", "300")


async def test_market_orders_answer_with_both_quantities(alice: Trader, bob: Trader) -> None:
    await bob.order("Ask", "150.33", "5")
    body = {"symbol": "SOL_USDC", "side": "Bid", "orderType": "Market"}
    by_base = (await alice.post("/api/v1/order", body | {"quantity": "1.01"})).json
    assert (by_base["status"], by_base["quantity"], by_base["executedQuoteQuantity"]) == ("Filled", "1.01", "151.8333")
    assert by_base["quoteQuantity"] == "151.84", "rounded up to a tick"
    assert "price" not in by_base and "postOnly" not in by_base
    by_quote = (await alice.post("/api/v1/order", body | {"quoteQuantity": "200"})).json
    assert (by_quote["quoteQuantity"], by_quote["executedQuantity"]) == ("200", "1.33")


async def test_orders_that_may_take_wait_and_post_only_ones_do_not(session: aiohttp.ClientSession) -> None:
    async with SimulatedBackpack(taker_delay_s=5.0) as sim:
        trader = Trader(sim, session, sim.add_account({"USDC": "1000"}))
        before_us = sim.clock.now_us()
        assert (await trader.order("Bid", "100", "1")).json["status"] == "New"
        assert sim.clock.now_us() - before_us < 2_000_000
        late = asyncio.create_task(trader.order("Bid", "101", "1", postOnly=False))
        await asyncio.sleep(0.2)
        assert not late.done() and len(sim.exchange.open_orders("account-1")) == 1
        sim.clock.advance(5.0)
        assert (await late).json["status"] == "New"


@pytest.mark.parametrize(
    "change, status, code, message",
    [
        pytest.param({"price": "100.001"}, 400, "INVALID_CLIENT_REQUEST", "Price decimal too long", id="decimals"),
        pytest.param({"quantity": "1.001"}, 400, "INVALID_CLIENT_REQUEST", "Quantity decimal too long", id="step"),
        pytest.param({"quantity": "1000"}, 400, "INSUFFICIENT_FUNDS", "Insufficient funds", id="funds"),
        pytest.param(
            {"triggerPrice": "90"}, 400, "INVALID_CLIENT_REQUEST",
            "Must specify both `triggerPrice` and `triggerQuantity` or neither", id="half a trigger",
        ),
        pytest.param(
            {"triggerPrice": "90", "triggerQuantity": "1"}, 501, "NOT_IMPLEMENTED",
            "a trigger order is not part of the local exchange", id="trigger orders",
        ),
        pytest.param(
            {"autoBorrow": True}, 501, "NOT_IMPLEMENTED",
            "an order with autoBorrow is not part of the local exchange", id="margin",
        ),
    ],
)  # fmt: skip
async def test_refused_orders(alice: Trader, change: dict, status: int, code: str, message: str) -> None:
    reply = await alice.order("Bid", "100", "1", **change)
    assert reply.error == (status, code, message)
    assert alice.sim.exchange.order_history("alice") == []


@pytest.mark.parametrize(
    "body, text",
    [
        pytest.param("", "parse request payload error: ", id="no body"),
        pytest.param("{", "parse request payload error: ", id="not JSON"),
        pytest.param(
            "[]", 'parse request payload error: Expected input type "OrderExecutePayload", found [].', id="a list",
        ),
        pytest.param(
            '{"symbol":"DOGE_USDC","side":"Bid","orderType":"Limit","price":"1","quantity":"1"}',
            'parse request payload error: failed to parse "MarketSymbol": Invalid market symbol '
            '(occurred while parsing "OrderExecutePayload")', id="unknown symbol",
        ),
        pytest.param(
            '{"symbol":"SOL_USDC","side":"Buy","orderType":"Limit","price":"1","quantity":"1"}',
            'parse request payload error: failed to parse "Side": Expect a valid enumeration value.', id="unknown word",
        ),
        pytest.param(
            '{"symbol":"SOL_USDC","side":"Bid","orderType":"Limit","price":1.5,"quantity":"1"}',
            'parse request payload error: failed to parse "decimal"', id="a price as a number",
        ),
        pytest.param(
            '{"symbol":"SOL_USDC","side":"Bid","orderType":"Limit","price":"1e2","quantity":"1"}',
            'parse request payload error: failed to parse "decimal"', id="a price with an exponent",
        ),
        pytest.param(
            '{"symbol":"SOL_USDC","side":"Bid","orderType":"Limit","price":"1","quantity":"1","clientId":"7"}',
            'parse request payload error: failed to parse "integer(uint32)"', id="a client id as text",
        ),
        pytest.param(
            '{"symbol":"SOL_USDC","side":"Bid","orderType":"Limit","price":"1","quantity":"1","clientId":4294967296}',
            'parse request payload error: failed to parse "integer(uint32)"', id="a client id too large",
        ),
        pytest.param(
            '{"symbol":"SOL_USDC","side":"Bid","price":"1","quantity":"1"}',
            'parse request payload error: field "orderType" is required', id="no order type",
        ),
    ],
)  # fmt: skip
async def test_bodies_that_cannot_be_read_are_answered_in_text(alice: Trader, body: str, text: str) -> None:
    try:
        values = json.loads(body, parse_float=str)
    except ValueError:
        values = {}
    reply = await alice.send("POST", "/api/v1/order", headers=alice.headers("orderExecute", values), raw=body)
    assert reply.status == 400
    assert reply.headers["Content-Type"].startswith("text/plain")
    assert reply.text.startswith(text)


async def test_a_batch_answers_each_order_by_itself(alice: Trader) -> None:
    order = {"symbol": "SOL_USDC", "side": "Bid", "orderType": "Limit", "price": "100", "quantity": "1"}
    batch = [order, order | {"postOnly": True, "price": "99"}, order | {"quantity": "9999"}, order | {"price": "98"}]
    results = (await alice.post("/api/v1/orders", batch)).json
    assert [result["operation"] for result in results] == ["Ok", "Ok", "Err", "Ok"]
    assert [result["price"] for result in results if result["operation"] == "Ok"] == ["100", "99", "98"]
    assert results[2] == {"code": "INSUFFICIENT_FUNDS", "message": "Insufficient funds", "operation": "Err"}


async def test_post_only_orders_of_a_batch_do_not_wait_for_the_others(session: aiohttp.ClientSession) -> None:
    async with SimulatedBackpack(taker_delay_s=5.0) as sim:
        trader = Trader(sim, session, sim.add_account({"USDC": "1000"}))
        sim.clock.freeze()
        order = {"symbol": "SOL_USDC", "side": "Bid", "orderType": "Limit", "quantity": "1"}
        batch = [order | {"price": "100"}, order | {"price": "99", "postOnly": True}]
        call = asyncio.create_task(trader.post("/api/v1/orders", batch))
        await until(lambda: len(sim.exchange.open_orders("account-1")) > 0)
        assert [order.price for order in sim.exchange.open_orders("account-1")] == [Decimal(99)]
        sim.clock.advance(5.0)
        assert [result["price"] for result in (await call).json] == ["100", "99"]


async def test_cancel_all_is_per_market(alice: Trader) -> None:
    for price in ("100", "101"):
        await alice.order("Bid", price, "1")
    await alice.order("Bid", "50000", "0.001", symbol="BTC_USDC")
    assert (await alice.delete("/api/v1/orders", symbol="SOL_USDC", orderType="ConditionalOrder")).json == []
    cancelled = (await alice.delete("/api/v1/orders", symbol="SOL_USDC", orderType="RestingLimitOrder")).json
    assert [order["status"] for order in cancelled] == ["Cancelled", "Cancelled"]
    assert [order["symbol"] for order in (await alice.get("/api/v1/orders")).json] == ["BTC_USDC"]


# Account and history


async def test_balances_locks_and_loans(alice: Trader) -> None:
    alice.sim.exchange.lend("alice", "SOL", Decimal(100))
    await alice.order("Bid", "100", "1")
    assert (await alice.get("/api/v1/capital")).json == {
        "USDC": {"available": "9900", "locked": "100", "staked": "0"},
    }, "what is lent is not in capital"  # fmt: skip
    (loan,) = (await alice.get("/api/v1/borrowLend/positions")).json
    assert (loan["symbol"], loan["netQuantity"]) == ("SOL", "100")
    rows = {row["symbol"]: row for row in (await alice.get("/api/v1/capital/collateral")).json["collateral"]}
    assert (rows["SOL"]["lendQuantity"], rows["USDC"]["openOrderQuantity"]) == ("100", "100")


async def test_lent_funds_are_used_only_when_asked(alice: Trader) -> None:
    alice.sim.exchange.lend("alice", "SOL", Decimal(100))
    assert (await alice.order("Ask", "200", "5")).error[1] == "INSUFFICIENT_FUNDS"
    assert (await alice.order("Ask", "200", "5", autoLendRedeem=True)).json["status"] == "New"


@pytest.mark.parametrize(
    "query, quantity",
    [
        pytest.param({"side": "Bid", "price": "3"}, "3333.33", id="bid, rounded down to a step"),
        pytest.param({"side": "Ask"}, "60", id="ask, what is available"),
        pytest.param({"side": "Ask", "autoLendRedeem": True}, "100", id="ask, with what is lent"),
        pytest.param({"side": "Bid"}, "0", id="bid without a price in an empty book"),
    ],
)
async def test_the_largest_order(alice: Trader, query: dict, quantity: str) -> None:
    alice.sim.exchange.lend("alice", "SOL", Decimal(40))
    answer = (await alice.get("/api/v1/account/limits/order", symbol="SOL_USDC", **query)).json
    assert answer["maxOrderQuantity"] == quantity


async def test_fees_are_the_accounts_own(sim: SimulatedBackpack, session: aiohttp.ClientSession) -> None:
    account = sim.add_account({}, maker_fee_bps=Decimal("-0.5"), taker_fee_bps=Decimal("7.50"))
    answer = (await Trader(sim, session, account).get("/api/v1/account")).json
    assert (answer["spotMakerFee"], answer["spotTakerFee"]) == ("-0.5", "7.5")


async def five_fills(alice: Trader, bob: Trader) -> None:
    """Five trades a second apart, alternating between two markets; alice buys."""
    alice.sim.clock.freeze()
    await bob.order("Ask", "150", "5")
    alice.sim.exchange.deposit("bob", "BTC", Decimal(1))
    await bob.order("Ask", "50000", "0.5", symbol="BTC_USDC")
    for number in range(5):
        alice.sim.clock.advance(1.0)
        symbol, price = [("SOL_USDC", "150"), ("BTC_USDC", "50000")][number % 2]
        quantity = ["1", "0.001"][number % 2]
        await alice.control(
            "POST", "orders",
            {"account": "alice", "symbol": symbol, "side": "Bid", "orderType": "Limit", "price": price,
             "quantity": quantity, "clientId": number},
        )  # fmt: skip


async def test_fill_history_filters_and_pages(alice: Trader, bob: Trader) -> None:
    await five_fills(alice, bob)
    fills = "/wapi/v1/history/fills"

    async def clients(**query) -> list[str]:
        return [row["clientId"] for row in (await alice.get(fills, **query)).json]

    assert await clients() == ["4", "3", "2", "1", "0"], "newest first"
    assert await clients(sortDirection="Asc") == ["0", "1", "2", "3", "4"]
    assert await clients(symbol="BTC_USDC") == ["3", "1"]
    assert await clients(limit=2, offset=1) == ["3", "2"]
    assert await clients(fillType="User") == ["4", "3", "2", "1", "0"]
    assert await clients(fillType="AllLiquidation") == []
    assert await clients(marketType="PERP") == []
    third = alice.sim.exchange.fills("alice")[2]
    assert await clients(orderId=third.order_id) == ["2"]
    assert await clients(orderId="none") == []
    at_ms = -(-third.time_us // 1000)
    assert await clients(**{"from": at_ms}) == ["4", "3"]
    assert await clients(to=at_ms) == ["2", "1", "0"]
    assert await clients(**{"from": third.time_us // 1000}) == ["4", "3", "2"], "inclusive, by what the row shows"
    assert await clients(to=third.time_us // 1000) == ["1", "0"], "exclusive"
    page = await alice.get(fills, limit=2, offset=2)
    headers = {name: page.headers[name] for name in ("X-PAGE-COUNT", "X-CURRENT-PAGE", "X-PAGE-SIZE", "X-TOTAL")}
    assert headers == {"X-PAGE-COUNT": "3", "X-CURRENT-PAGE": "2", "X-PAGE-SIZE": "2", "X-TOTAL": "5"}


async def test_order_history_filters_and_pages(alice: Trader, bob: Trader) -> None:
    await five_fills(alice, bob)
    await alice.order("Bid", "1", "1", price="120", clientId=9)
    orders = "/wapi/v1/history/orders"

    async def clients(**query) -> list[int]:
        return [row["clientId"] for row in (await alice.get(orders, **query)).json]

    assert await clients() == [9, 4, 3, 2, 1, 0]
    assert await clients(symbol="BTC_USDC") == [3, 1]
    assert await clients(limit=2, offset=4) == [1, 0]
    assert await clients(sortDirection="Asc", limit=1) == [0]
    assert (await alice.get(orders, limit=1)).json[0]["status"] == "New"


async def test_a_system_fill_has_no_trade_id(alice: Trader) -> None:
    order = (await alice.order("Bid", "100", "2")).json
    alice.sim.exchange.system_fill(int(order["id"]), Decimal(1))
    (fill,) = (await alice.get("/wapi/v1/history/fills")).json
    assert (fill["tradeId"], fill["systemOrderType"]) == (None, "CollateralConversion")
    assert (await alice.get("/wapi/v1/history/fills", fillType="User")).json == []
    assert (await alice.get("/api/v1/trades", symbol="SOL_USDC")).json == []


async def test_several_exchanges_in_one_process_are_apart(session: aiohttp.ClientSession) -> None:
    async with SimulatedBackpack(seed=1) as one, SimulatedBackpack(seed=2) as other:
        trader = Trader(one, session, one.add_account({"USDC": "1000"}))
        stranger = Trader(other, session, other.add_account({"USDC": "1000"}))
        assert trader.account is not None and stranger.account is not None
        assert trader.account.api_key != stranger.account.api_key
        await trader.order("Bid", "100", "1")
        assert (await stranger.get("/api/v1/orders")).json == []
        assert (await stranger.get("/api/v1/depth", symbol="SOL_USDC")).json["bids"] == []


async def test_the_same_seed_makes_the_same_keys() -> None:
    assert SimulatedBackpack(seed=5).add_account().api_key == SimulatedBackpack(seed=5).add_account().api_key
    assert SimulatedBackpack(seed=5).add_account().api_key != SimulatedBackpack(seed=6).add_account().api_key


def test_accounts_need_different_names_and_keys() -> None:
    sim = SimulatedBackpack()
    first = sim.add_account(name="a")
    with pytest.raises(ValueError, match="another account has this one"):
        sim.add_account(name="b", secret=first.api_secret)
    with pytest.raises(ValueError, match="expected a new account"):
        sim.add_account(name="a", secret="AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
