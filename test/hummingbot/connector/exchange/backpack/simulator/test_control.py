"""The control plane: looking into the exchange, changing it, and sentences for requests that make no sense."""

import asyncio
import json
import time

import aiohttp
import pytest

from hummingbot.connector.exchange.backpack.simulator import SimulatedBackpack
from hummingbot.connector.exchange.backpack.simulator.market import Synthetic
from test.hummingbot.connector.exchange.backpack.simulator.trader import Trader, until


async def test_the_ledger_has_every_fill_with_everything(alice: Trader, bob: Trader) -> None:
    await bob.order("Ask", "150", "2", clientId=1)
    order = (await alice.order("Bid", "150", "0.5", postOnly=False, clientId=2)).json
    ledger = await alice.control("GET", "ledger")
    taken, made = sorted(ledger["fills"], key=lambda fill: fill["account"])
    assert (taken["account"], taken["orderId"], taken["clientId"], taken["isMaker"]) == ("alice", order["id"], 2, False)
    assert (taken["price"], taken["quantity"], taken["fee"], taken["feeAsset"]) == ("150", "0.5", "0.0005", "SOL")
    assert (made["fee"], made["feeAsset"], made["isMaker"]) == ("0.06", "USDC", True)
    assert made["tradeId"] == taken["tradeId"]
    assert ledger["balances"]["alice"]["SOL"] == {
        "available": "100.4995", "lent": "0", "locked": "0", "staked": "0", "total": "100.4995",
    }  # fmt: skip
    assert ledger["balances"]["bob"]["SOL"]["locked"] == "1.5"
    alone = await alice.control("GET", "ledger?account=bob")
    assert [fill["account"] for fill in alone["fills"]] == ["bob"] and list(alone["balances"]) == ["bob"]


async def test_accounts_made_while_running_can_trade(alice: Trader) -> None:
    made = await alice.control("POST", "accounts", {"name": "carol", "balances": {"USDC": "500"}, "takerFeeBps": "0"})
    carol = Trader(alice.sim, alice.session, alice.sim.accounts[-1])
    assert carol.account is not None and carol.account.api_secret == made["apiSecret"]
    assert (await carol.get("/api/v1/capital")).json["USDC"]["available"] == "500"
    assert (await alice.control("GET", "accounts"))[-1] == {"apiKey": made["apiKey"], "name": "carol"}


async def test_funds_come_go_and_are_lent(alice: Trader) -> None:
    move = {"account": "alice", "asset": "USDC", "amount": "250"}
    assert (await alice.control("POST", "deposit", move))["USDC"]["available"] == "10250"
    assert (await alice.control("POST", "withdraw", move))["USDC"]["available"] == "10000"
    assert (await alice.control("POST", "lend", move))["USDC"]["lent"] == "250"
    assert (await alice.control("POST", "redeem", move))["USDC"]["lent"] == "0"


async def test_orders_by_hand_for_anybody(alice: Trader) -> None:
    order = {
        "account": "alice",
        "symbol": "SOL_USDC",
        "side": "Bid",
        "orderType": "Limit",
        "price": "1",
        "quantity": "1",
    }
    order["price"] = "100"
    placed = await alice.control("POST", "orders", order)
    assert await alice.control("GET", "orders?account=alice&symbol=SOL_USDC") == [{"account": "alice"} | placed]
    assert await alice.control("GET", "orders?symbol=BTC_USDC") == []


async def test_time_stands_still_jumps_and_is_skewed(alice: Trader) -> None:
    frozen = await alice.control("POST", "time", {"freeze": True})
    await asyncio.sleep(0.01)
    assert (await alice.control("GET", "time"))["nowMicroseconds"] == frozen["nowMicroseconds"]
    ahead = await alice.control("POST", "time", {"advanceSeconds": 60})
    assert ahead["nowMicroseconds"] == frozen["nowMicroseconds"] + 60_000_000
    await alice.control("POST", "time", {"freeze": False, "skewSeconds": -120})
    assert (await alice.get("/api/v1/time")).json / 1000 == pytest.approx(time.time() - 60, abs=5)


async def test_the_market_stops_so_that_ledgers_can_be_compared(session: aiohttp.ClientSession) -> None:
    async with SimulatedBackpack(seed=4, market=Synthetic(4)) as sim:
        trader = Trader(sim, session, None)
        depth = {"symbol": "SOL_USDC"}
        before = (await trader.get("/api/v1/depth", **depth)).text
        await until(lambda: sim.exchange.depth("SOL_USDC").last_update_id > int(json.loads(before)["lastUpdateId"]))
        assert await trader.control("POST", "market", {"running": False}) == {
            "running": False, "source": "Synthetic", "status": {},
        }  # fmt: skip
        first = (await trader.get("/api/v1/depth", **depth)).text
        await asyncio.sleep(0.4)
        assert (await trader.get("/api/v1/depth", **depth)).text == first
        await trader.control("POST", "market", {"running": True})
        await until(lambda: sim.exchange.depth("SOL_USDC").last_update_id > int(json.loads(first)["lastUpdateId"]))


async def test_markets_change_their_state(alice: Trader) -> None:
    await alice.control("POST", "markets", {"symbol": "SOL_USDC", "orderBookState": "PostOnly"})
    assert (await alice.get("/api/v1/market", symbol="SOL_USDC")).json["orderBookState"] == "PostOnly"
    assert (await alice.order("Bid", "100", "1", postOnly=False)).status == 400
    assert (await alice.order("Bid", "100", "1")).status == 200


async def test_faults_are_armed_seen_and_cleared(alice: Trader) -> None:
    armed = await alice.control(
        "POST",
        "faults",
        {"fault": "reject", "parameters": {"code": "TIMEOUT"}, "match": {"path": "/api/v1/capital"}, "count": 3},
    )
    assert (await alice.get("/api/v1/capital")).error[1] == "TIMEOUT"
    (seen,) = (await alice.control("GET", "faults"))["armed"]
    assert (seen["fired"], seen["count"], seen["fault"]) == (1, 2, "reject")
    assert "latency" in (await alice.control("GET", "faults"))["catalogue"]
    await alice.control("DELETE", f"faults?id={armed['id']}")
    assert (await alice.get("/api/v1/capital")).status == 200


async def test_faults_do_not_reach_the_control_plane(alice: Trader) -> None:
    await alice.control("POST", "faults", {"fault": "reset_connection"})
    with pytest.raises(aiohttp.ClientConnectionError):
        await alice.get("/api/v1/time")
    await alice.control("DELETE", "faults")
    assert (await alice.get("/api/v1/time")).status == 200


async def test_the_overview(alice: Trader) -> None:
    async with alice.session.ws_connect(alice.sim.ws_url) as socket:
        await socket.send_json({"method": "SUBSCRIBE", "params": ["depth.SOL_USDC"]})
        await until(lambda: any(session.subscriptions for session in alice.sim.sessions))
        overview = await alice.control("GET", "")
    assert (overview["seed"], overview["accounts"]) == (7, ["alice"])
    assert overview["sockets"][0]["streams"] == ["depth.SOL_USDC"]
    assert overview["markets"]["SOL_USDC"] == "Open"
    assert (await alice.control("GET", "seed")) == {"seed": 7}


@pytest.mark.parametrize(
    "method, path, body, complaint",
    [
        ("POST", "accounts", "{", "expected JSON as body"),
        ("POST", "accounts", "[]", "expected a JSON object as body"),
        ("POST", "accounts", '{"balances":[]}', "expected balances as {asset: amount}, was []"),
        ("POST", "accounts", '{"balances":{"USDC":"much"}}', "expected the balance of USDC as a decimal in text"),
        ("POST", "accounts", '{"name":"alice"}', "expected a new account, 'alice' exists already"),
        ("POST", "accounts", '{"name":7}', "expected name as text, was 7"),
        ("POST", "accounts", '{"balances":{"USDC":"1e-20"}}', "expected 0 or more USDC with at most 12 decimals"),
        ("POST", "accounts", '{"secret":"x"}', "expected a secret in base64"),
        ("POST", "deposit", '{"account":"nobody"}', "expected an account among alice, was 'nobody'"),
        (
            "POST",
            "deposit",
            '{"account":"alice","asset":"USDC","amount":"-1"}',
            "expected amount of 0 or more, was '-1'",
        ),
        ("POST", "deposit", '{"account":"alice","amount":"1"}', "expected asset as text, was None"),
        ("POST", "orders", '{"account":["alice"]}', "expected an account among alice"),
        ("GET", "ledger?account=nobody", "", "expected an account among alice, was 'nobody'"),
        ("POST", "time", '{"freeze":1}', "expected freeze as true or false, was 1"),
        ("POST", "time", '{"advanceSeconds":-1}', "expected a step forward, was -1 s"),
        ("POST", "time", '{"skewSeconds":"1"}', "expected skewSeconds as a number, was '1'"),
        ("POST", "market", '{"running":true}', "this exchange was started without a market source"),
        ("POST", "markets", '{"symbol":"DOGE_USDC","orderBookState":"Open"}', "expected a symbol among SOL_USDC"),
        ("POST", "markets", '{"symbol":"SOL_USDC","orderBookState":"Shut"}', "expected orderBookState among Open"),
        ("POST", "faults", '{"fault":"gremlin"}', "expected one of the faults"),
        ("POST", "faults", '{"fault":"latency"}', "latency: expected a value for seconds, was none"),
        ("POST", "faults", '{"fault":"drop_update","match":{"color":"red"}}', "expected match to hold text under"),
        ("POST", "faults", '{"fault":"drop_update","count":0}', "expected a count of at least 1, was 0"),
        ("POST", "faults", '{"fault":"drop_update","probability":2}', "expected a probability above 0 and up to 1"),
        ("DELETE", "faults?id=99", "", "expected the id of an armed fault, was '99'"),
    ],
)
async def test_requests_that_make_no_sense(alice: Trader, method: str, path: str, body: str, complaint: str) -> None:
    reply = await alice.send(method, f"/_sim/{path}", raw=body or None)
    assert reply.status == 400, reply.text
    assert complaint in reply.json.get("error", reply.text)
    assert [account.name for account in alice.sim.accounts] == ["alice"]
    assert list(alice.sim.faults) == []


async def test_unknown_control_paths(alice: Trader) -> None:
    assert (await alice.send("GET", "/_sim/nothing")).status == 404


@pytest.mark.parametrize(
    "origin, status",
    [
        pytest.param(None, 200, id="a program sends no origin"),
        pytest.param("{own}", 200, id="the page at /"),
        pytest.param("https://elsewhere.example", 403, id="a page from elsewhere in the same browser"),
        pytest.param("http://127.0.0.1:1", 403, id="another server on this computer"),
        pytest.param("null", 403, id="a file or a sandboxed frame"),
    ],
)
async def test_web_pages_from_elsewhere_control_nothing(alice: Trader, origin: str | None, status: int) -> None:
    headers = {} if origin is None else {"Origin": origin.format(own=alice.sim.rest_url)}
    fault = json.dumps({"fault": "maintenance"})
    async with alice.session.post(alice.sim.rest_url + "/_sim/faults", data=fault, headers=headers) as answer:
        assert answer.status == status
    assert bool(alice.sim.faults) == (status == 200)
    websocket = alice.session.ws_connect(alice.sim.rest_url + "/_sim/ws", headers=headers)
    if status == 200:
        await (await websocket).close()
    else:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await websocket
