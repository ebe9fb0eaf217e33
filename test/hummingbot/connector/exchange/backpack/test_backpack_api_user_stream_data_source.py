"""The private stream: what it brings, what it marks, and what it does when it is refused or lost."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hummingbot.connector.exchange.backpack.backpack_api_user_stream_data_source import (
    BackpackAPIUserStreamDataSource,
    Interrupted,
    Resumed,
)
from hummingbot.connector.exchange.backpack.simulator import SimulatedBackpack, faults
from test.hummingbot.connector.exchange.backpack.simulator.trading_floor import place
from test.hummingbot.connector.exchange.backpack.support import connector, eventually

ORDERS, BALANCES = "account.orderUpdate", "account.balanceUpdate"


class Heard(list[object]):
    """Everything the source has put into its queue."""

    @property
    def marks(self) -> list[object]:
        return [message for message in self if not isinstance(message, dict)]

    def frames(self, stream: str) -> list[dict]:
        return [message["data"] for message in self if isinstance(message, dict) and message["stream"] == stream]


@asynccontextmanager
async def listening(venue: SimulatedBackpack) -> AsyncIterator[tuple[BackpackAPIUserStreamDataSource, Heard]]:
    account = venue.accounts[-1] if venue.accounts[-1].name == "bot" else venue.add_account(
        {"USDC": "10000", "SOL": "100"}, name="bot"
    )  # fmt: skip
    source = connector(venue, account, "SOL-USDC")._user_stream_tracker.data_source
    queue: asyncio.Queue = asyncio.Queue()
    heard = Heard()

    async def read() -> None:
        while True:
            heard.append(await queue.get())

    tasks = [asyncio.create_task(source.listen_for_user_stream(queue)), asyncio.create_task(read())]
    try:
        yield source, heard
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def lines(caplog: pytest.LogCaptureFixture, about: str) -> list[str]:
    return [line for line in caplog.messages if about in line]


async def test_a_marker_comes_before_the_first_frame(venue):
    async with listening(venue) as (_, heard):
        await eventually(lambda: heard)
        place(venue.exchange, "bot", "Bid", 1, 140)
        await eventually(lambda: heard.frames(ORDERS) and heard.frames(BALANCES))
        assert heard[0] == Resumed(with_balances=True)
        assert heard.marks == [Resumed(with_balances=True)]


async def test_frames_arrive_as_the_exchange_sent_them(venue):
    async with listening(venue) as (_, heard):
        await eventually(lambda: heard)
        place(venue.exchange, "bot", "Bid", 1, 151)
        await eventually(lambda: len(heard.frames(ORDERS)) == 2)
        accepted, filled = heard.frames(ORDERS)
        assert (accepted["e"], filled["e"], filled["X"]) == ("orderAccepted", "orderFill", "Filled")
        assert {frame["a"] for frame in heard.frames(BALANCES)} == {"SOL", "USDC"}


async def test_it_counts_as_silent_until_it_is_live(venue):
    refused = venue.faults.arm(faults.SubscribeRefused(), stream=ORDERS)
    async with listening(venue) as (source, heard):
        await eventually(lambda: refused.fired)
        assert source.last_recv_time == 0
        venue.faults.clear(refused)
        await eventually(lambda: heard.marks[-1:] == [Resumed(with_balances=True)])
        assert source.last_recv_time > 0


class NoPongs(faults.Fault):
    """Data comes, but nothing tells that a subscription has been read."""

    name = "no_pongs"

    def touches_frame(self, socket: faults.Socket, frame: faults.Frame) -> bool:
        return frame.kind is faults.FrameKind.PONG

    def frame(self, socket: faults.Socket, frame: faults.Frame) -> tuple[faults.Frame, ...]:
        return ()


async def test_data_alone_does_not_make_it_live(venue):
    venue.faults.arm(NoPongs())
    async with listening(venue) as (source, heard):
        await eventually(lambda: ORDERS in venue.sessions[0].subscriptions if venue.sessions else False)
        place(venue.exchange, "bot", "Bid", 1, 140)
        await eventually(lambda: heard.frames(ORDERS))
        assert source.last_recv_time == 0


CUTS = [faults.CloseFrame(), faults.ResetConnection()]


@pytest.mark.parametrize("cut", CUTS, ids=lambda fault: fault.name)
async def test_a_lost_stream_is_marked_and_comes_back(venue, caplog, cut):
    caplog.set_level(logging.INFO)
    async with listening(venue) as (source, heard):
        await eventually(lambda: heard)
        cutting = venue.faults.arm(cut, stream="account.", count=1)
        place(venue.exchange, "bot", "Bid", 1, 140)
        await eventually(lambda: heard.marks[1:2] == [Interrupted()])
        assert source.last_recv_time == 0
        venue.faults.clear(cutting)
        await eventually(lambda: heard.marks[2:] == [Resumed(with_balances=True)])
    assert len(lines(caplog, "private stream lost after")) == 1
    assert len(lines(caplog, "private stream live (attempt")) == 2


async def test_balances_that_are_not_offered_are_polled_instead(venue, caplog):
    venue.faults.arm(faults.SubscribeRefused(), stream=BALANCES)
    async with listening(venue) as (_, heard):
        await eventually(lambda: heard)
        assert heard[0] == Resumed(with_balances=False)
        place(venue.exchange, "bot", "Bid", 1, 140)
        await eventually(lambda: heard.frames(ORDERS))
    [line] = lines(caplog, "balances are polled instead")
    assert "account.balanceUpdate (4006 Invalid stream)" in line


async def test_a_refused_key_is_told_once_and_tried_on(venue, caplog):
    refused = venue.faults.arm(faults.SubscribeRefused(4006, "Invalid signature"), stream=ORDERS, count=2)
    async with listening(venue) as (_, heard):
        await eventually(lambda: heard.marks[-1:] == [Resumed(with_balances=True)], timeout=8)
    assert refused.fired == 2
    [line] = lines(caplog, "Check the API key and secret")
    assert "account.orderUpdate: 4006 Invalid signature" in line


async def test_a_refused_key_that_is_told_with_the_second_subscription_is_no_lack_of_balances(venue, caplog):
    refused = venue.faults.arm(faults.SubscribeRefused(4003, "Invalid signature"), stream=BALANCES, count=1)
    async with listening(venue) as (_, heard):
        await eventually(lambda: heard.marks[-1:] == [Resumed(with_balances=True)], timeout=8)
        assert refused.fired
        assert Resumed(with_balances=False) not in heard
    assert lines(caplog, "Check the API key and secret")


async def test_a_refusal_after_all_pongs_ends_the_connection(venue):
    async with listening(venue) as (_, heard):
        await eventually(lambda: heard.marks == [Resumed(with_balances=True)])
        venue.sessions[0].send_error(4003, "Invalid signature")
        await eventually(lambda: heard.marks[1:2] == [Interrupted()])


@pytest.mark.parametrize("seconds", [3600, -3600])
async def test_a_wrong_clock_is_corrected_before_the_next_attempt(venue, caplog, seconds):
    async with listening(venue) as (source, heard):
        await eventually(lambda: heard)
        venue.faults.arm(faults.ClockSkew(seconds=seconds))
        venue.faults.arm(faults.CloseFrame(), stream="account.", count=1)
        place(venue.exchange, "bot", "Bid", 1, 140)
        await eventually(lambda: heard.marks[-1:] == [Resumed(with_balances=True)] and len(heard.marks) >= 3, timeout=8)
    assert not lines(caplog, "Check the API key")


async def test_garbage_is_skipped(venue, caplog):
    async with listening(venue) as (_, heard):
        await eventually(lambda: heard)
        venue.faults.arm(faults.GarbageFrame(), stream=ORDERS, count=1)
        place(venue.exchange, "bot", "Bid", 1, 140)
        place(venue.exchange, "bot", "Bid", 2, 141)
        await eventually(lambda: heard.frames(ORDERS))
        assert [frame["q"] for frame in heard.frames(ORDERS)] == ["2.00"]
        assert heard.marks == [Resumed(with_balances=True)], "no reconnect"
    assert lines(caplog, "private stream: a frame was skipped")


async def test_an_exchange_that_accepts_and_closes_is_not_hammered(venue):
    closing = venue.faults.arm(faults.CloseFrame())
    async with listening(venue) as (source, heard):
        await asyncio.sleep(2.0)  # nothing must happen in this time
        assert 1 <= closing.fired <= 3
        assert not [mark for mark in heard.marks if isinstance(mark, Resumed)]
        assert source.last_recv_time == 0


async def test_the_end_of_hummingbot_is_no_loss(venue, caplog):
    async with listening(venue) as (source, heard):
        await eventually(lambda: heard)
    assert source.last_recv_time == 0
    assert not lines(caplog, "lost")
