"""The benchmarks themselves: they measure the work they say, and notice if it was not done.

No figure is held against anything here.
"""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from hummingbot.connector.exchange.backpack.simulator import rest_bodies, stream_frames
from hummingbot.connector.exchange.backpack.simulator.model import (
    Order,
    OrderAccepted,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from test.hummingbot.connector.exchange.backpack.benchmarks import market_plays, order_plays
from test.hummingbot.connector.exchange.backpack.benchmarks.connectors import OURS, Subject, note_updates
from test.hummingbot.connector.exchange.backpack.benchmarks.feed import Feed, Shape
from test.hummingbot.connector.exchange.backpack.benchmarks.light_rest import LightOrder
from test.hummingbot.connector.exchange.backpack.benchmarks.plays import all_plays
from test.hummingbot.connector.exchange.backpack.benchmarks.report import MARKS, MISSED, NOT_RUN, REACHED
from test.hummingbot.connector.exchange.backpack.benchmarks.rows import ROWS
from test.hummingbot.connector.exchange.backpack.benchmarks.stage import CheckFailed, Stage
from test.hummingbot.connector.exchange.backpack.benchmarks.venue import Bench, Office

CHECKOUT = Path(__file__).parents[5]

# An order of which the connector believes, and tells, that it was sent; it was not.
PRETENDER = f"""
from {OURS.rpartition(".")[0]} import BackpackExchange

class Pretender(BackpackExchange):
    async def _place_order(self, *arguments, **options):
        return "1", self.current_timestamp

    async def _place_order_and_process_update(self, order, **options):
        return "1"
"""


# -- the sender --------------------------------------------------------------------------------------------------------


def payload_of(frame: bytes) -> dict[str, Any]:
    """The JSON of a frame whose header is right, and in its data an update's levels as numbers."""
    assert frame[0] == 0x81
    long = frame[1] == 126
    length = int.from_bytes(frame[2:4], "big") if long else frame[1]
    text = frame[4 if long else 2 :]
    assert len(text) == length
    return dict(json.loads(text))


@pytest.mark.parametrize("messages", [0, 1, 30, 3 * 40 + 7], ids=["none", "one", "part of a cycle", "several cycles"])
def test_a_feed_adds_up_to_its_book(messages: int) -> None:
    feed = Feed("SOL_USDC", Shape(levels=(1, 5), depth=10, cycle=40))
    start = feed.book()
    sides = {"b": dict(map(tuple, start.bids)), "a": dict(map(tuple, start.asks))}  # type: ignore[arg-type]
    books = {key: {float(price): float(size) for price, size in levels.items()} for key, levels in sides.items()}
    for number, frame in enumerate(feed.next_frames(messages, now_us=1_700_000_000_000_000), start.last_id + 1):
        data = payload_of(frame)["data"]
        assert (data["U"], data["u"], data["s"]) == (number, number, "SOL_USDC")
        for key, book in books.items():
            for price, size in data[key]:
                book[float(price)] = float(size)
        books = {key: {price: size for price, size in book.items() if size} for key, book in books.items()}
        assert max(books["b"]) < min(books["a"])
    end = feed.book()
    assert end.last_id == start.last_id + messages
    for key, levels in (("b", end.bids), ("a", end.asks)):
        assert books[key] == {float(price): float(size) for price, size in levels}


def test_the_light_venue_uses_the_exchanges_words() -> None:
    market = Bench(light=True).exchange.market("SOL_USDC")
    light = LightOrder(7, "bot", "SOL_USDC", "Bid", Decimal("140.10"), Decimal(1), 5, True, 1_700_000_000_000_000)
    full = Order(
        id=7, account="bot", symbol="SOL_USDC", side=Side.BID, order_type=OrderType.LIMIT, quantity=Decimal(1),
        price=Decimal("140.10"), quote_quantity=None, time_in_force=TimeInForce.GTC, post_only=True,
        self_trade_prevention=SelfTradePrevention.REJECT_TAKER, client_id=5, created_us=1_700_000_000_000_000,
    )  # fmt: skip
    assert json.loads(light.answer()) == rest_bodies.order(full)
    frame = payload_of(light.frame("orderAccepted", (2, 2), 1_700_000_000_000_000))
    event = OrderAccepted(full.created_us, full)
    assert frame["data"] == stream_frames.order(market, event, full.created_us)


def test_every_row_has_a_play() -> None:
    plays = all_plays()
    assert {row.play for row in ROWS} <= set(plays)
    assert len({row.figure for row in ROWS}) == len(ROWS)


# -- checks that notice ------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def office(fresh_connections: None) -> AsyncIterator[str]:
    """The venue's office in this process; its address."""
    offices, application = Office(), web.Application()
    application.router.add_post("/open", offices.open)
    application.router.add_post("/close", offices.close)
    runner = web.AppRunner(application, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_lost_update_is_noticed(office: str) -> None:
    async with Stage(Subject(OURS), office, feeds=[market_plays.SMALL]) as stage:
        await stage.bench("counters")
        await market_plays.flood(stage, 50)
        await market_plays.check_all_used(stage)
        await stage.bench("spoil", what="frame")
        await market_plays.flood(stage, 50)
        with pytest.raises(CheckFailed, match="snapshots were asked for"):
            await market_plays.check_all_used(stage)


async def test_an_update_that_is_not_timed_is_noticed(office: str) -> None:
    async with Stage(Subject(OURS), office, feeds=[market_plays.SMALL], prepare=note_updates) as stage:
        delays_s, *_ = await market_plays.paced(stage, rate=500, seconds=0.2)
        assert len(delays_s) == 100 and 0 < delays_s[0] <= delays_s[-1] < 10
        await stage.bench("spoil", what="frame")
        with pytest.raises(CheckFailed, match="expected updates .* to be applied in order"):
            await market_plays.paced(stage, rate=500, seconds=0.2)


async def test_a_book_that_differs_is_noticed(office: str) -> None:
    async with Stage(Subject(OURS), office, feeds=[market_plays.SMALL]) as stage:
        await stage.check_books()
        [book] = stage.connector.order_books.values()
        best = next(book.bid_entries())
        book.apply_diffs([best._replace(amount=best.amount + 1)], [], best.update_id)
        with pytest.raises(CheckFailed, match="1 of its .* bids differ"):
            await stage.check_books()


async def test_an_order_that_is_not_on_the_exchange_is_noticed(office: str) -> None:
    async with Stage(Subject(OURS), office, light=True) as stage:
        await order_plays.place_all(stage, 3)
        await stage.bench("spoil", what="order")
        with pytest.raises(CheckFailed, match="1 are not on the exchange"):
            await order_plays.place_all(stage, 3)


# -- the command -------------------------------------------------------------------------------------------------------


def benchmark(*arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(path or "")}
    command = [sys.executable, str(CHECKOUT / "scripts" / "benchmark.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, env=environment, check=False)


@pytest.mark.slow
def test_some_rows_by_the_command(tmp_path: Path) -> None:
    page, data = tmp_path / "page.md", tmp_path / "result.json"
    page.write_text(f"before\n{MARKS[0]}\nstale table\n{MARKS[1]}\nafter\n")
    done = benchmark("--short", "--rows", "signing", "depth_small_us", "--json", str(data), "--write", str(page))
    assert done.returncode in (REACHED, MISSED), done.stderr
    result = json.loads(data.read_text())
    assert [row["figure"] for row in result["rows"]] == ["sign_us", "authenticate_us", "depth_small_us"]
    for row in result["rows"]:
        assert row["a"]["median"] > 0 and row["b"]["median"] > 0 and row["b"]["rounds"] == 1
        assert row["ratio"] == pytest.approx(row["a"]["median"] / row["b"]["median"])
        assert row["met"] is (row["ratio"] >= row["target"]["value"])
        assert len(result["figures"][row["figure"]]["a"]) == 1
    assert done.returncode == (REACHED if all(row["met"] for row in result["rows"]) else MISSED)
    assert result["connectors"]["b"]["file"].startswith(str(CHECKOUT))
    assert not result["connectors"]["a"]["file"].startswith(str(CHECKOUT / "hummingbot"))
    assert result["machine"]["cores"] and result["versions"]["hummingbot"] and not result["failures"]
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "stale table" not in text
    assert text.count("| depth update of 1-5 levels") == done.stdout.count("| depth update of 1-5 levels") == 1


@pytest.mark.slow
def test_a_connector_that_only_pretends_fails_the_run(tmp_path: Path) -> None:
    (tmp_path / "pretending.py").write_text(PRETENDER)
    done = benchmark("--short", "--rows", "cancel_all", "--b", "pretending.Pretender", path=tmp_path)
    assert done.returncode == NOT_RUN
    assert "B: cancel_all of pretending.Pretender: expected 100 orders to be created within" in done.stderr


def test_a_connector_that_does_not_exist_is_told_in_a_sentence() -> None:
    done = benchmark("--rows", "signing", "--b", "no.such.Connector")
    assert done.returncode == NOT_RUN
    assert "no.such.Connector cannot be measured: expected a class like" in done.stderr


def test_an_unknown_row_is_told_with_those_that_exist() -> None:
    done = benchmark("--rows", "sining")
    assert done.returncode == NOT_RUN
    assert "Unknown rows sining: expected some of" in done.stderr and "signing" in done.stderr
