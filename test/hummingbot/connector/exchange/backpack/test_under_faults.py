"""Every row of the fault table: the trouble comes, and in the end connector and exchange agree."""

import pytest

from test.hummingbot.connector.exchange.backpack.reliability import order_rows  # noqa: F401  (enters its rows)
from test.hummingbot.connector.exchange.backpack.reliability.rig import Pace, Rig
from test.hummingbot.connector.exchange.backpack.reliability.rows import ROWS, Row


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_connector_and_exchange_agree_after(row: Row) -> None:
    async with Rig(**{"pace": Pace(), **row.rig}) as rig:
        await row.play(rig)
        await rig.settled()
