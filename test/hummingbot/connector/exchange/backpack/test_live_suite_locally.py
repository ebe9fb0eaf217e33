"""The live tests are run here against the local exchange, so that they can be trusted where money is at stake."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from hummingbot.connector.exchange.backpack.simulator import SimulatedBackpack
from hummingbot.connector.exchange.backpack.simulator.market import Synthetic

pytestmark = pytest.mark.slow

LIVE = Path(__file__).parent / "live"
CHECKOUT = Path(__file__).parents[5]


async def live_tests(sim: SimulatedBackpack, **settings: str) -> tuple[int, str]:
    """Exit code and output of ``pytest -m live`` on ``sim``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BACKPACK_")}
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pytest", "-m", "live", "-q", "-rs", "-p", "no:cacheprovider", str(LIVE),
        cwd=CHECKOUT, env=kept | {"BACKPACK_LIVE_URL": sim.rest_url} | settings,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await run.communicate()
    assert run.returncode is not None
    return run.returncode, output.decode()


@pytest.mark.timeout(300)
async def test_the_live_suite_passes_and_spends_nothing():
    async with SimulatedBackpack(seed=7, market=Synthetic(7)) as sim:
        account = sim.add_account({"USDC": "20", "SOL": "0.05"}, name="owner")
        keys = {"BACKPACK_API_KEY": account.api_key, "BACKPACK_API_SECRET": account.api_secret}
        before = sim.exchange.ledger.balances("owner")
        code, output = await live_tests(sim, **keys, BACKPACK_LIVE_MAX_USDC="3")
        assert code == 0 and " skipped" not in output, output
        assert sim.exchange.fills("owner") == [] and sim.exchange.open_orders("owner") == []
        assert sim.exchange.ledger.balances("owner") == before
        placed = len(sim.exchange.order_history("owner"))
        assert placed == 6

        code, output = await live_tests(sim, **keys, BACKPACK_LIVE_MAX_USDC="1")  # one order costs 1.35
        assert code == 1 and "this needs 1." in output and "BACKPACK_LIVE_MAX_USDC allows 1" in output
        assert len(sim.exchange.order_history("owner")) == placed  # not one more was sent

        code, output = await live_tests(sim, **keys)
        assert code == 0 and "needs BACKPACK_LIVE_MAX_USDC" in output and "7 skipped" in output, output

        code, output = await live_tests(sim)
        assert code == 0 and "needs BACKPACK_API_KEY" in output and "7 skipped" in output, output


async def test_the_live_suite_does_not_run_by_default():
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", str(LIVE),
        cwd=CHECKOUT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await run.communicate()
    assert b"no tests collected (10 deselected)" in output
