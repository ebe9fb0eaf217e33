"""A mirror against another local exchange as the venue: books alike, orders filled by its market, and its loss."""

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from hummingbot.connector.exchange.backpack.simulator import SimulatedBackpack, mirror
from hummingbot.connector.exchange.backpack.simulator.faults import (
    CloseFrame,
    DropUpdate,
    Fault,
    GarbageFrame,
    Maintenance,
    Reorder,
    ResetConnection,
    Restart,
    Silence,
    StaleSnapshot,
    SubscribeRefused,
    Truncated,
)
from hummingbot.connector.exchange.backpack.simulator.listing import SOL_USDC
from hummingbot.connector.exchange.backpack.simulator.market import DEFAULT_PAIRS, Synthetic
from hummingbot.connector.exchange.backpack.simulator.mirror import Mirror, addresses_of, delays
from hummingbot.connector.exchange.backpack.simulator.model import (
    Level,
    OrderBookState,
    OrderFilled,
    OrderStatus,
    Rejected,
)
from hummingbot.connector.exchange.backpack.simulator.source_words import SourceError
from test.hummingbot.connector.exchange.backpack.simulator.trader import Trader, until
from test.hummingbot.connector.exchange.backpack.simulator.trading_floor import (
    assert_books_balance,
    bids_and_asks,
    market_order,
    place,
)

SYMBOLS = ("SOL_USDC", "BTC_USDC")
Book = tuple[tuple[Level, ...], tuple[Level, ...]]


class Comparison:
    """Holds the mirror's books against those that the venue had at the same update ids."""

    def __init__(self, venue: SimulatedBackpack, sim: SimulatedBackpack) -> None:
        self._venue = venue
        self._sim = sim
        self._books: dict[tuple[str, int], Book] = {}
        self.compared = 0
        venue.exchange.listeners.append(self._remember)
        self._remember(())

    def _remember(self, events: Any) -> None:
        for symbol in SYMBOLS:
            depth = self._venue.exchange.depth(symbol)
            self._books[symbol, depth.last_update_id] = (depth.bids, depth.asks)

    def compare(self) -> None:
        for symbol, market in self._sim.market.status()["markets"].items():
            if market["live"]:
                depth = self._sim.exchange.depth(symbol)
                assert (depth.bids, depth.asks) == self._books[symbol, market["sourceUpdateId"]], symbol
                self.compared += 1

    async def enough(self, number: int = 10) -> None:
        """Compare while the venue moves on."""
        until_compared = self.compared + number
        async with asyncio.timeout(20):
            while self.compared < until_compared:
                await asyncio.sleep(0.07)
                self.compare()


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "FIRST_DELAY_S", 0.1)


@asynccontextmanager
async def a_venue(seed: int = 3, **arguments: Any) -> AsyncIterator[SimulatedBackpack]:
    pairs = [pair for pair in DEFAULT_PAIRS if pair.symbol in SYMBOLS]
    async with SimulatedBackpack(seed=seed, market=Synthetic(seed, pairs), **arguments) as venue:
        yield venue


@asynccontextmanager
async def mirrored(venue: SimulatedBackpack, *symbols: str, silence_s: float = 5.0) -> AsyncIterator[SimulatedBackpack]:
    """A local exchange that follows ``venue``, with its books there and one trader, alice."""
    source = Mirror(venue.rest_url, venue.ws_url, symbols or SYMBOLS, silence_s=silence_s, seed=1)
    async with SimulatedBackpack(market=source, markets=await source.prepare(), taker_delay_s=0.05) as sim:
        sim.add_account({"USDC": "100000", "SOL": "1000"}, name="alice")
        await until(lambda: live(sim))
        yield sim


def live(sim: SimulatedBackpack) -> bool:
    return sim.market is not None and sim.market.status()["state"] == "live"


def state(sim: SimulatedBackpack) -> OrderBookState:
    return sim.exchange.market("SOL_USDC").order_book_state


# Following


@pytest.mark.parametrize("seed", [3, 4])
async def test_the_books_are_the_venues_at_the_same_update_id(seed: int) -> None:
    async with a_venue(seed) as venue, mirrored(venue) as sim:
        comparison = Comparison(venue, sim)
        await comparison.enough(40)
        first = sim.exchange.trades("SOL_USDC", 1_000)
        await until(lambda: len(sim.exchange.trades("SOL_USDC", 1_000)) > len(first))
        theirs = {(trade.price, trade.quantity) for trade in venue.exchange.trades("SOL_USDC", 1_000)}
        assert {(trade.price, trade.quantity) for trade in sim.exchange.trades("SOL_USDC", 1_000)} <= theirs
        assert_books_balance(sim.exchange)


async def test_filters_are_the_venues_whatever_they_are() -> None:
    odd = dataclasses.replace(
        SOL_USDC, min_quantity=Decimal("0.5"), max_quantity=Decimal(70), max_multiplier=None, tick_size=Decimal("0.05")
    )
    async with SimulatedBackpack(markets=[odd]) as venue:
        venue.add_account({"USDC": "100000", "SOL": "1000"}, name="bob")
        for side, quantity, price in (("Bid", "1.1", "99"), ("Ask", "2", "101"), ("Ask", "3", "5000")):
            place(venue.exchange, "bob", side, quantity, price)
        async with mirrored(venue, "SOL_USDC") as sim:
            assert sim.exchange.market("SOL_USDC") == odd
            venue.add_account({"SOL": "10"}, name="carol")
            place(venue.exchange, "carol", "Ask", "1.05", "99")
            await until(lambda: bids_and_asks(sim.exchange) == ({"99": "0.05"}, {"101": "2", "5000": "3"}))
            with pytest.raises(Rejected, match="below the minimum"):
                place(sim.exchange, "alice", "Bid", "0.05", "99")


async def test_a_resting_order_is_filled_when_the_venue_trades_through_it() -> None:
    async with SimulatedBackpack() as venue:
        for name in ("bob", "carol"):
            venue.add_account({"USDC": "100000", "SOL": "1000"}, name=name)
        place(venue.exchange, "bob", "Bid", 5, 149)
        place(venue.exchange, "bob", "Bid", 5, 148)
        place(venue.exchange, "bob", "Ask", 5, 151)
        async with mirrored(venue, "SOL_USDC") as sim:
            mine = place(sim.exchange, "alice", "Bid", 3, 149)
            place(venue.exchange, "bob", "Bid", 1, 149)
            place(venue.exchange, "carol", "Ask", 4, 149)
            await until(lambda: len(sim.exchange.trades("SOL_USDC")) == 1)
            assert mine.status is OrderStatus.NEW, "1 is still ahead"
            place(venue.exchange, "carol", "Ask", 2, 149)
            await until(lambda: mine.status is OrderStatus.PARTIALLY_FILLED)
            assert mine.executed_quantity == 1
            place(venue.exchange, "carol", "Ask", 4, 148)
            await until(lambda: mine.status is OrderStatus.FILLED)
            fills = sim.exchange.fills("alice")
            assert {(fill.price, fill.is_maker, fill.fee_asset) for fill in fills} == {(149, True, "SOL")}
            assert sum(fill.fee for fill in fills) == Decimal("0.0024")
            assert_books_balance(sim.exchange)


async def test_orders_over_rest_take_the_visible_book_after_the_takers_delay() -> None:
    async with SimulatedBackpack() as venue, aiohttp.ClientSession() as session:
        venue.add_account({"USDC": "100000", "SOL": "1000"}, name="bob")
        place(venue.exchange, "bob", "Bid", 5, 149)
        place(venue.exchange, "bob", "Ask", 2, 151)
        place(venue.exchange, "bob", "Ask", 2, 152)
        async with mirrored(venue, "SOL_USDC") as sim:
            alice = Trader(sim, session, sim.accounts[0])
            began = asyncio.get_running_loop().time()
            bought = (await alice.order("Bid", "152", "3", postOnly=False, timeInForce="IOC")).json
            assert asyncio.get_running_loop().time() - began > 0.05
            assert (bought["status"], bought["executedQuoteQuantity"]) == ("Filled", "454")
            assert bids_and_asks(sim.exchange)[1] == {"152": "1"}
            place(venue.exchange, "bob", "Ask", 1, 151)
            await until(lambda: bids_and_asks(sim.exchange)[1] == {"151": "3", "152": "1"})
            status = await alice.control("GET", "market")
            assert (status["source"], status["status"]["state"]) == ("Mirror", "live")
            assert status["status"]["url"] == venue.rest_url and status["status"]["secondsSinceMessage"] < 5


async def test_the_venues_own_halt_is_ours() -> None:
    async with a_venue() as venue:
        venue.exchange.set_order_book_state("SOL_USDC", OrderBookState.CLOSED)
        async with mirrored(venue) as sim:  # live with the other market
            assert state(sim) is OrderBookState.CLOSED
            assert sim.exchange.market("BTC_USDC").order_book_state is OrderBookState.OPEN


# Preparation


async def test_preparation_waits_for_the_venue_and_says_so(
    unused_tcp_port_factory: Callable[[], int], caplog: pytest.LogCaptureFixture
) -> None:
    port = unused_tcp_port_factory()
    source = Mirror(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}/ws", ["SOL_USDC"])
    preparation = asyncio.create_task(source.prepare())
    await until(lambda: "no markets (Cannot connect" in caplog.text)
    async with SimulatedBackpack(port=port):
        assert [market.symbol for market in await preparation] == ["SOL_USDC"]


async def test_a_market_that_the_venue_does_not_list() -> None:
    async with SimulatedBackpack() as venue:
        with pytest.raises(SourceError, match="does not list DOGE_USDC as spot"):
            await Mirror(venue.rest_url, venue.ws_url, ["SOL_USDC", "DOGE_USDC"]).prepare()


@pytest.mark.parametrize(
    "source, rest, stream",
    [
        ("https://api.backpack.exchange/", "https://api.backpack.exchange", "wss://ws.backpack.exchange"),
        ("http://127.0.0.1:8787", "http://127.0.0.1:8787", "ws://127.0.0.1:8787/ws"),
        ("https://demo.example", "https://demo.example", "wss://demo.example/ws"),
    ],
)
def test_addresses(source: str, rest: str, stream: str) -> None:
    assert addresses_of(source) == (rest, stream)


@pytest.mark.parametrize("source", ["", "backpack", "ftp://x", "http://"])
def test_what_is_no_address(source: str) -> None:
    with pytest.raises(ValueError, match="expected the address of a Backpack"):
        addresses_of(source)


def test_delays_double_up_to_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    class Middle:
        def uniform(self, low: float, high: float) -> float:
            return (low + high) / 2

    monkeypatch.setattr(mirror, "FIRST_DELAY_S", 1.0)
    waits = delays(Middle())  # type: ignore[arg-type]
    assert [next(waits) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


# Loss


@pytest.mark.parametrize(
    "fault, arming, reason",
    [
        pytest.param(DropUpdate(), {"count": 1, "stream": "depth.SOL"}, "expected update", id="an update is lost"),
        pytest.param(Reorder(), {"count": 1, "stream": "depth.SOL"}, "expected update", id="updates change places"),
        pytest.param(CloseFrame(1001), {"count": 1}, "closed the connection, code 1001", id="a Close frame"),
        pytest.param(ResetConnection(), {"count": 1, "stream": "depth"}, "closed the connection", id="a reset"),
        pytest.param(GarbageFrame(), {"count": 1, "stream": "depth"}, "expected", id="garbage"),
        pytest.param(Truncated(), {"count": 1, "stream": "depth"}, "expected JSON", id="half a frame"),
        pytest.param(Restart(seconds=0.5), {}, "closed the connection", id="a restart"),
        pytest.param(Silence(), {}, "while its book moves on", id="silence, pings go on"),
    ],
)
async def test_a_loss_halts_is_said_and_heals(
    fault: Fault, arming: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger=mirror.__name__)
    async with a_venue() as venue, mirrored(venue, silence_s=0.5) as sim:
        comparison = Comparison(venue, sim)
        await comparison.enough(4)
        halts: list[OrderBookState] = []
        note_halt = sim.market._note_halt  # type: ignore[union-attr]

        def listen(why: str, next_step: str) -> None:
            halts.append(state(sim))
            with pytest.raises(Rejected, match="Trading is paused"):
                sim.exchange.submit(market_order("alice", "Bid", 1))
            note_halt(why, next_step)

        sim.market._note_halt = listen  # type: ignore[union-attr]
        caplog.clear()
        venue.faults.arm(fault, **arming)
        await until(lambda: bool(halts))
        venue.faults.clear() if not isinstance(fault, Restart) else None
        assert set(halts) == {OrderBookState.CANCEL_ONLY}
        await until(lambda: live(sim))
        await comparison.enough(6)
        lost, back = (record.getMessage() for record in caplog.records if record.name == mirror.__name__)
        assert "trading halts until its books are back" in lost and reason in lost
        assert f"mirror of {venue.rest_url} live after" in back
        assert state(sim) is OrderBookState.OPEN
        assert not sim.exchange.fills("alice")
        assert_books_balance(sim.exchange)


@pytest.mark.parametrize(
    "fault, arming",
    [
        pytest.param(StaleSnapshot(), {"count": 2}, id="snapshots older than the stream"),
        pytest.param(SubscribeRefused(), {"count": 1}, id="a refused subscription"),
        pytest.param(Maintenance(), {}, id="maintenance"),
    ],
)
async def test_trouble_while_reconnecting(fault: Fault, arming: dict[str, Any]) -> None:
    async with a_venue() as venue, mirrored(venue) as sim:
        comparison = Comparison(venue, sim)
        venue.faults.arm(fault, **arming)
        venue.faults.arm(CloseFrame(1001), count=1)
        await until(lambda: not live(sim))
        await asyncio.sleep(0.5)
        venue.faults.clear()
        await until(lambda: live(sim))
        await comparison.enough(6)


async def test_the_venue_is_gone_for_a_while_and_comes_back_as_a_new_one(caplog: pytest.LogCaptureFixture) -> None:
    async with a_venue() as venue:
        port = int(venue.rest_url.rpartition(":")[2])
        async with mirrored(venue) as sim:
            mine = place(sim.exchange, "alice", "Bid", 1, 120)
            await venue.stop()
            await until(lambda: state(sim) is OrderBookState.CANCEL_ONLY)
            assert sim.exchange.depth("SOL_USDC").asks, "the last book stays visible"
            tape = sim.exchange.trades("SOL_USDC", 1_000)
            await asyncio.sleep(0.7)
            status = sim.market.status()
            assert (status["state"], mine.status) == ("halted", OrderStatus.NEW)
            assert "Cannot connect" in status["reason"] and status["secondsInState"] > 0.5
            assert sim.exchange.trades("SOL_USDC", 1_000) == tape
            sim.exchange.cancel("alice", "SOL_USDC", order_id=mine.id)
            async with a_venue(8, port=port) as again:  # update ids begin anew, prices are others
                await until(lambda: live(sim))
                await Comparison(again, sim).enough(6)


async def test_a_quiet_market_is_not_a_dead_one() -> None:
    async with SimulatedBackpack() as venue, mirrored(venue, silence_s=0.1) as sim:
        await asyncio.sleep(0.6)
        status = sim.market.status()
        assert (status["state"], status["connections"]) == ("live", 1)
        assert status["secondsSinceMessage"] < 0.5, "REST says so"
        await venue.stop()
        await until(lambda: not live(sim))


async def test_a_mirror_that_is_paused_by_hand_halts() -> None:
    async with a_venue() as venue, mirrored(venue, silence_s=0.4) as sim:
        comparison = Comparison(venue, sim)
        sim.pause_market()
        await until(lambda: state(sim) is OrderBookState.CANCEL_ONLY)
        assert sim.market.status()["reason"] == "it is paused"
        await asyncio.sleep(0.3)
        sim.resume_market()
        await until(lambda: live(sim))
        await comparison.enough(6)
        assert sim.market.status()["connections"] == 1


async def test_no_fill_while_the_mirror_is_not_live() -> None:
    """Orders all the time, from both sides, through several losses."""
    async with a_venue() as venue, mirrored(venue, "SOL_USDC", silence_s=0.4) as sim:
        refused, fills = 0, 0

        def watch(events: Any) -> None:
            nonlocal fills
            for event in events:
                if isinstance(event, OrderFilled) and event.order.account == "alice":
                    fills += 1
                    assert sim.market.status()["markets"]["SOL_USDC"]["live"]

        sim.exchange.listeners.append(watch)
        for round_number in range(40):
            match round_number % 20:
                case 3:
                    venue.faults.arm(CloseFrame(1001), count=1)
                case 9:
                    venue.faults.arm(DropUpdate(), count=1, stream="depth")
                case 14:
                    venue.faults.arm(Restart(seconds=0.3))
            try:
                sim.exchange.submit(market_order("alice", "Bid" if round_number % 2 else "Ask", 1))
                ticker = sim.exchange.book_ticker("SOL_USDC")
                place(sim.exchange, "alice", "Bid", "0.5", ticker.bid[0])
            except Rejected:
                refused += 1
            await asyncio.sleep(0.05)
        assert refused and fills
        assert_books_balance(sim.exchange)


async def test_a_bug_in_the_mirror_halts_it() -> None:
    async with a_venue() as venue, mirrored(venue) as sim:
        sim.market._markets["SOL_USDC"]._replica = None  # type: ignore[union-attr]
        await until(lambda: state(sim) is OrderBookState.CANCEL_ONLY)
        assert sim.market.status()["reason"] == "unexpected error"
