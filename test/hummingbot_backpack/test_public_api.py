"""The check of the public interface, against exchanges that are well, broken, or not there."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hummingbot.connector.exchange.backpack.backpack_web_utils import Venue
from hummingbot.connector.exchange.backpack.simulator import SimulatedBackpack
from hummingbot.connector.exchange.backpack.simulator.faults import DropUpdate
from hummingbot.connector.exchange.backpack.simulator.market import Synthetic
from hummingbot_backpack import public_api
from hummingbot_backpack.public_api import FAILED, NOTE, OK, Result, StreamSeen, check

CHECKOUT = Path(__file__).parents[2]
SCRIPT = CHECKOUT / "scripts" / "test_backpack_public_api.py"
SECONDS = 1.5


@pytest_asyncio.fixture
async def exchange() -> AsyncIterator[SimulatedBackpack]:
    async with SimulatedBackpack(seed=7, market=Synthetic(7)) as sim:
        await asyncio.sleep(0.3)  # until its makers quote
        yield sim


async def seen(exchange: SimulatedBackpack, *pairs: str) -> tuple[dict[str, Result], list[StreamSeen]]:
    results, streams = await check(Venue(exchange.rest_url, exchange.ws_url), pairs or ("SOL-USDC",), SECONDS)
    return {result.check: result for result in results}, streams


async def test_all_is_well(exchange: SimulatedBackpack):
    results, streams = await seen(exchange, "SOL-USDC", "BTC-USDC")
    assert list(results) == ["time", "status", "markets", "tickers", "depth SOL_USDC", "depth BTC_USDC", "streams"]
    assert FAILED not in {result.verdict for result in results.values()}, results
    assert {stream.name for stream in streams} == {
        "depth.SOL_USDC", "trade.SOL_USDC", "depth.BTC_USDC", "trade.BTC_USDC",
    }  # fmt: skip
    depth = next(stream for stream in streams if stream.name == "depth.SOL_USDC")
    assert depth.frames > 5 and depth.gaps == 0
    assert all(-0.05 < latency_s < 1 for latency_s in depth.latencies_s)


async def test_a_hole_in_the_stream_is_counted_and_mended(exchange: SimulatedBackpack):
    loop = asyncio.get_running_loop()
    loop.call_later(SECONDS / 2, lambda: exchange.faults.arm(DropUpdate(), count=1, stream="depth.SOL_USDC"))
    results, streams = await seen(exchange)
    assert next(stream for stream in streams if stream.name == "depth.SOL_USDC").gaps == 1
    assert results["streams"].verdict == NOTE and "1 gaps" in results["streams"].seen


async def test_a_clock_that_is_off_is_told(exchange: SimulatedBackpack):
    exchange.clock.skew_us = -90_000_000
    results, streams = await seen(exchange)
    assert results["time"].verdict == NOTE
    assert "90,0" in results["time"].seen and "behind this machine's" in results["time"].seen
    assert all(latency_s < 1 for stream in streams for latency_s in stream.latencies_s)  # counted on the venue's clock


async def test_a_pair_that_is_not_there(exchange: SimulatedBackpack):
    results, streams = await seen(exchange, "DOGE-USDC")
    assert results["markets"].verdict == FAILED and "no market DOGE-USDC" in results["markets"].seen
    assert not streams


async def test_a_market_nobody_trades_in_has_no_stream():
    async with SimulatedBackpack(seed=7) as quiet:
        results, _ = await seen(quiet)
    assert results["depth SOL_USDC"].verdict == NOTE
    assert results["streams"].verdict == FAILED and "nothing came on depth.SOL_USDC" in results["streams"].seen


async def test_an_exchange_that_is_not_there():
    results, streams = await check(Venue("http://127.0.0.1:9", "ws://127.0.0.1:9"), ["SOL-USDC"], SECONDS)
    assert [(result.check, result.verdict) for result in results] == [("time", FAILED)] and not streams


async def test_a_websocket_that_is_not_there(exchange: SimulatedBackpack):
    results, _ = await check(Venue(exchange.rest_url, "ws://127.0.0.1:9"), ["SOL-USDC"], SECONDS)
    assert results[-1].check == "streams" and results[-1].verdict == FAILED and "no connection" in results[-1].seen


async def test_the_command_tells_by_its_exit_code(exchange: SimulatedBackpack, capsys: pytest.CaptureFixture[str]):
    command = ["--url", exchange.rest_url, "--seconds", str(SECONDS)]
    assert await asyncio.to_thread(public_api.main, command) == 0
    said = capsys.readouterr().out
    assert "All is well." in said and "depth.SOL_USDC" in said and OK in said
    assert await asyncio.to_thread(public_api.main, [*command, "--pair", "DOGE-USDC"]) == 1
    assert "Failed: markets" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--url", "ftp://x"], ["--seconds", "0"], ["--seconds", "soon"], ["--x"]])
def test_bad_usage_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        public_api.main(arguments)
    assert ended.value.code == 2


def test_the_script_runs_and_is_no_test():
    helped = subprocess.run([sys.executable, SCRIPT, "--help"], capture_output=True, text=True, timeout=60)
    assert helped.returncode == 0 and "--seconds" in helped.stdout
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", SCRIPT],
        capture_output=True, text=True, timeout=100, cwd=CHECKOUT,
    )  # fmt: skip
    assert collected.returncode == 5, collected.stdout  # pytest's word for: no tests were collected
