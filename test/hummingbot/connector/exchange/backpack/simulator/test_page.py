"""The live page at ``/``: what it is fed with, and what a person sees of it in a real browser."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from hummingbot.connector.exchange.backpack.simulator import SimulatedBackpack
from hummingbot.connector.exchange.backpack.simulator.faults import CATALOGUE, DropUpdate, Latency, Reject
from hummingbot.connector.exchange.backpack.simulator.market import Synthetic
from hummingbot.connector.exchange.backpack.simulator.mirror import Mirror
from test.hummingbot.connector.exchange.backpack.simulator import browser
from test.hummingbot.connector.exchange.backpack.simulator.browser import Page
from test.hummingbot.connector.exchange.backpack.simulator.trader import Listener, Trader
from test.hummingbot.connector.exchange.backpack.simulator.trading_floor import place

EVIL = "<img src=x onerror=\"document.title='broken'\">"


# What the page is fed with


async def test_the_page_is_served_and_may_load_nothing_from_elsewhere(sim: SimulatedBackpack, alice: Trader) -> None:
    reply = await alice.send("GET", "/")
    assert reply.status == 200 and reply.headers["Content-Type"] == "text/html"
    assert "<title>Local Backpack</title>" in reply.text
    policy = dict(part.split(" ", 1) for part in reply.headers["Content-Security-Policy"].split("; "))
    assert (policy["default-src"], policy["connect-src"]) == ("'none'", "'self'")
    assert reply.text.count("://") == reply.text.count("http://www.w3.org/2000/svg")
    assert "innerHTML" not in reply.text and "document.write" not in reply.text, "everything is put there as text"


async def test_what_the_page_shows_of_accounts_and_faults(alice: Trader, bob: Trader) -> None:
    await bob.order("Ask", "150", "2")
    await alice.order("Bid", "150", "0.5", postOnly=False)
    alice.sim.faults.arm(Latency(0.0), count=3, stream="depth.")
    live = await alice.control("GET", "live")
    buyer, seller = live["accounts"]
    assert (buyer["name"], buyer["balances"]["SOL"]["total"], buyer["orders"]) == ("alice", "100.4995", [])
    assert (seller["orders"][0]["quantity"], seller["orders"][0]["executedQuantity"]) == ("2", "0.5")
    assert [fill["quantity"] for fill in seller["fills"]] == ["0.5"]
    assert live["faults"][0]["fault"] == "latency" and live["faults"][0]["match"] == {"stream": "depth."}
    assert live["market"] == {"running": False, "source": None, "status": {}}
    assert live["markets"][0] == {
        "orderBookState": "Open", "priceDecimals": 2, "quantityDecimals": 2, "symbol": "SOL_USDC",
    }  # fmt: skip
    book = await alice.control("GET", "book?symbol=SOL_USDC")
    assert book["asks"] == [["150", "1.5"]] and [trade["quantity"] for trade in book["trades"]] == ["0.5"]
    reply = await alice.send("GET", "/_sim/book?symbol=DOGE_USDC")
    assert reply.status == 400 and reply.json["error"].startswith("expected a symbol among SOL_USDC")


async def test_every_fault_is_described(alice: Trader) -> None:
    about = (await alice.control("GET", "faults"))["about"]
    assert set(about) == set(CATALOGUE)
    assert all(one["text"].endswith(".") for one in about.values())
    assert about["latency"]["parameters"] == [{"default": None, "name": "seconds", "type": "float"}]
    assert about["close_frame"]["parameters"][0] == {"default": 1001, "name": "code", "type": "int"}


async def test_onlookers_meet_no_faults_and_use_none_up(
    sim: SimulatedBackpack, session: aiohttp.ClientSession, alice: Trader
) -> None:
    onlooker = Listener(sim, await session.ws_connect(f"{sim.rest_url}/_sim/ws"))
    client = Listener(sim, await session.ws_connect(sim.ws_url))
    await onlooker.subscribe("depth.SOL_USDC")
    await client.subscribe("depth.SOL_USDC")
    assert len(sim.sessions) == 1
    armed = sim.faults.arm(DropUpdate(), count=1)
    await alice.order("Bid", "150", "1")
    await alice.order("Bid", "149", "1")
    assert [frame["b"] for frame in await onlooker.count("depth.SOL_USDC", 2)] == [
        [["150.00", "1.00"]], [["149.00", "1.00"]],
    ]  # fmt: skip
    assert [frame["b"] for frame in await client.count("depth.SOL_USDC", 1)] == [[["149.00", "1.00"]]]
    assert armed.fired == 1
    await onlooker.close()
    await client.close()


# In a browser


@pytest.fixture(scope="module")
def driver_url() -> Iterator[str]:
    try:
        browser.install_if_missing()
        with browser.running_driver() as url:
            yield url
    except browser.NoBrowser as error:
        if "CI" in os.environ:
            raise  # there the page is tested, or the run has failed
        pytest.skip(f"NO BROWSER TEST: {error}")


@pytest_asyncio.fixture
async def page(driver_url: str) -> AsyncIterator[Page]:
    async with browser.opened(driver_url) as page:
        yield page


@pytest.mark.slow
async def test_book_and_markets(sim: SimulatedBackpack, alice: Trader, page: Page) -> None:
    await alice.order("Bid", "149.5", "2")
    await alice.order("Bid", "149", "3")
    await alice.order("Ask", "150.5", "1.25")
    await page.open(sim.rest_url)
    await page.shows("#mid", "150.000")
    assert await page.rows("#asks .row") == [["150.50", "1.25", "1.25"]]
    assert await page.rows("#bids .row") == [["149.50", "2.00", "2.00"], ["149.00", "3.00", "5.00"]]
    assert await page.text("#spread") == "spread 1.00 = 66.7 bp"
    assert len(await page.rows("#bids .mine")) == 2, "one's own orders are marked"
    await alice.order("Bid", "149.9", "1")
    await page.shows("#bids", "149.90")
    assert (await page.rows("#bids .row"))[0] == ["149.90", "1.00", "1.00"]
    assert (await page.text("#markets")).split("\n") == ["SOL/USDC", "BTC/USDC", "ETH/USDC", "USDT/USDC"]
    await page.click("#markets button:nth-child(2)")
    await page.shows("#mid", "one side is empty")
    assert await page.rows("#bids .row") == []
    assert await page.complaints() == []


@pytest.mark.slow
async def test_a_fill_made_over_rest_appears(sim: SimulatedBackpack, alice: Trader, bob: Trader, page: Page) -> None:
    await bob.order("Ask", "150", "2")
    await page.open(sim.rest_url)
    await page.shows("#orders", "bob")
    assert (await page.rows("#orders tbody tr"))[0] == ["bob", "SOL/USDC", "Ask", "150", "0", "2"]
    assert await page.text("#fills") == "none yet"
    await alice.order("Bid", "150", "0.5", postOnly=False)
    await page.shows("#trades", "0.50")
    await page.shows("#fills", "alice")
    fills = [row[1:] for row in await page.rows("#fills tbody tr")]
    assert sorted(fills) == [
        ["alice", "taker", "+0.5 SOL", "150", "0.00050 SOL"],
        ["bob", "maker", "−0.5 SOL", "150", "0.060 USDC"],
    ]
    assert (await page.rows("#trades .row"))[0][1:] == ["150.00", "0.50"]
    assert ["USDC", "9\u202f925", "–", "9\u202f925"] in await page.rows("#accounts tbody tr")
    assert ["SOL", "98", "1.5", "99.5"] in await page.rows("#accounts tbody tr")
    assert (await page.rows("#orders tbody tr"))[0] == ["bob", "SOL/USDC", "Ask", "150", "0.5", "2"]
    assert await page.run("return document.querySelectorAll('#chart circle').length") == 0, "no mid price, no chart"
    await bob.order("Bid", "149", "1")
    await page.until(lambda: page.run("return document.querySelectorAll('#chart circle').length == 1"))


@pytest.mark.slow
async def test_arming_and_clearing_faults(sim: SimulatedBackpack, alice: Trader, page: Page) -> None:
    await page.open(sim.rest_url)
    await page.shows("#catalogue", "latency")
    assert await page.run("return document.querySelectorAll('#catalogue .switch').length") == len(CATALOGUE)
    await page.fill_in("#find", "latency")
    await page.fill_in("[data-words^='latency '] [data-parameter=seconds]", "0.4")
    await page.choose("#count", "3 times")
    await page.choose("#where", "balances")
    await page.click("[data-fault=latency]")
    await page.shows("#armed", "latency seconds 0.4 · path /api/v1/capital · 3 to go")
    (armed,) = sim.faults
    assert armed.fault == Latency(0.4) and (armed.remaining, armed.match.path) == (3, "/api/v1/capital")
    began = asyncio.get_running_loop().time()
    assert (await alice.get("/api/v1/capital")).status == 200
    assert asyncio.get_running_loop().time() - began > 0.4
    await page.shows("#armed", "2 to go · acted 1×")
    assert await page.run("return document.querySelector('[data-fault=latency]').ariaChecked") == "true"
    await page.click("[data-fault=latency]")
    await page.until(lambda: page.run("return !document.querySelector('#armed').children.length"))
    assert not sim.faults

    await page.fill_in("#find", "refused with an error")
    await page.click("[data-fault=reject]")
    await page.shows("#fault-note", "1 armed")
    sim.faults.arm(DropUpdate(), count=1)  # by somebody else
    await page.shows("#fault-note", "2 armed")
    await page.click("#armed .chip:last-child button")
    await page.shows("#fault-note", "1 armed")
    assert [armed.fault.name for armed in sim.faults] == ["reject"]
    await page.click("#clear")
    await page.shows("#fault-note", "none armed")
    assert not sim.faults

    await page.fill_in("#find", "latency")
    await page.fill_in("[data-words^='latency '] [data-parameter=seconds]", "-1")
    await page.click("[data-fault=latency]")
    await page.shows("#problem", "latency: expected seconds of 0 or more, was -1")
    assert not sim.faults


@pytest.mark.slow
async def test_faults_do_not_touch_the_page(sim: SimulatedBackpack, alice: Trader, page: Page) -> None:
    await page.open(sim.rest_url)
    await page.shows("#link", "connected")
    drop, reject = sim.faults.arm(DropUpdate(), count=1), sim.faults.arm(Reject("BUSY"), method="GET")
    await alice.order("Bid", "149", "1")
    await alice.order("Ask", "151", "1")
    await page.shows("#mid", "150.000")
    assert (drop.fired, reject.fired) == (0, 0)


@pytest.mark.slow
async def test_names_are_text_and_nothing_else(sim: SimulatedBackpack, alice: Trader, page: Page) -> None:
    sim.add_account({"USDC": "1000"}, name=EVIL)
    place(sim.exchange, EVIL, "Bid", 1, 140)
    sim.faults.arm(Reject("X", message=EVIL))
    await page.open(sim.rest_url)
    await page.shows("#accounts", EVIL)
    await page.shows("#orders", EVIL)
    await page.shows("#armed", EVIL)
    assert await page.run("return [document.title, document.images.length]") == ["Local Backpack", 0]


@pytest.mark.slow
@pytest.mark.parametrize("width, height", [(1280, 800), (390, 844)], ids=["desktop", "phone"])
async def test_a_busy_market_at_both_widths(page: Page, width: int, height: int, tmp_path: Path) -> None:
    async with SimulatedBackpack(seed=3, market=Synthetic(3)) as sim:
        sim.add_account({"USDC": "10000", "SOL": "50"}, name="trader")
        best = sim.exchange.book_ticker("SOL_USDC").bid
        assert best is not None
        for step in range(3):
            place(sim.exchange, "trader", "Bid", "0.5", best[0] - step * Decimal("0.05"))
        await page.open(sim.rest_url, width, height)
        await page.shows("#source", "synthetic market running")
        await page.until(lambda: page.run("return document.querySelectorAll('#chart path').length == 2"))
        before = await page.text("#bids")
        await page.until(lambda: page.run("return document.querySelector('#bids').innerText !== arguments[0]", before))
        widths = await page.run("return [document.documentElement.scrollWidth, innerWidth]")
        assert widths == [width, width], "nothing sticks out"
        cut = await page.run(
            "return [...document.querySelectorAll('.row span, h2, nav button, .status > *')]"
            ".filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display != 'inline')"
            ".map(e => e.innerText)"
        )
        assert cut == [], "no text is cut off"
        (tmp_path / "page.png").write_bytes(await page.screenshot())  # to be looked at
        assert (tmp_path / "page.png").stat().st_size > 20_000
        await page.click("#pause")
        await page.shows("#banner", "The market is paused")
        assert not sim.market_running
        await page.click("#pause")
        await page.shows("#source", "running")
        assert sim.market_running
        assert await page.complaints() == []


@pytest.mark.slow
async def test_a_mirror_that_loses_its_venue_is_seen(page: Page) -> None:
    async with SimulatedBackpack(seed=3, market=Synthetic(3)) as venue:
        source = Mirror(venue.rest_url, venue.ws_url, ["SOL_USDC"])
        async with SimulatedBackpack(market=source, markets=await source.prepare()) as sim:
            await page.open(sim.rest_url)
            await page.shows("#source", f"mirror live {venue.rest_url.removeprefix('http://')}, 0.")
            assert await page.text("#banner") == ""
            await venue.stop()
            await page.shows("#banner", f"The mirror has not been able to follow {venue.rest_url}")
            await page.shows("#markets", "CancelOnly")
            await page.shows("#source", "mirror halted")
            assert len(await page.rows("#bids .row")) == 13, "the last book stays"


@pytest.mark.slow
async def test_the_page_finds_its_exchange_again(page: Page) -> None:
    async with SimulatedBackpack() as sim:
        port = int(sim.rest_url.rpartition(":")[2])
        sim.add_account({"USDC": "1000"}, name="alice")
        place(sim.exchange, "alice", "Bid", 1, 140)
        await page.open(sim.rest_url)
        await page.shows("#bids", "140.00")
    await page.shows("#link", "not reachable")
    async with SimulatedBackpack(port=port) as sim:
        sim.add_account({"USDC": "1000"}, name="bob")
        place(sim.exchange, "bob", "Bid", 2, 141)
        await page.shows("#link", "connected")
        await page.shows("#accounts", "bob")
        await page.until(lambda: page.run("return document.querySelectorAll('#bids .row').length == 1"))
        assert await page.rows("#bids .row") == [["141.00", "2.00", "2.00"]]
