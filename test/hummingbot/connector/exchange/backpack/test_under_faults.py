"""Every row of the fault table: the trouble comes, and in the end connector and exchange agree."""

import asyncio

import pytest

from test.hummingbot.connector.exchange.backpack.reliability.rig import Pace, Rig
from test.hummingbot.connector.exchange.backpack.reliability.rows import Row, all_rows


@pytest.mark.parametrize("row", all_rows(), ids=lambda row: row.name)
async def test_connector_and_exchange_agree_after(row: Row) -> None:
    async with Rig(**{"pace": Pace(), **row.rig}) as rig:
        watching = asyncio.create_task(rig.watch_books())
        await row.play(rig)
        await rig.settled()
        watching.cancel()
        assert not rig.books_shown_wrong, "ready with a book that the exchange never had"
