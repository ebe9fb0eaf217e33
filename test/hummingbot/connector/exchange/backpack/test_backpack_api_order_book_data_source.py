"""Market data from a local exchange: whatever happens on the way, a book that counts as live is the exchange's book."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hummingbot.connector.exchange.backpack import backpack_api_order_book_data_source as module
from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange
from hummingbot.connector.exchange.backpack.simulator import SimulatedBackpack, faults
from hummingbot.core.data_type.common import TradeType
from hummingbot.core.event.event_forwarder import EventForwarder
from hummingbot.core.event.events import OrderBookEvent, OrderBookTradeEvent
from test.hummingbot.connector.exchange.backpack.simulator.trading_floor import place
from test.hummingbot.connector.exchange.backpack.support import connector, eventually, shown_book, venue_book

SOL, BTC = "SOL-USDC", "BTC-USDC"


@pytest_asyncio.fixture
async def exchange(venue: SimulatedBackpack) -> AsyncIterator[BackpackExchange]:
    """Only its order book tracker runs, as in paper trading."""
    exchange = connector(venue, None, SOL)
    exchange.order_book_tracker.start()
    await eventually(lambda: is_live(exchange))
    yield exchange
    exchange.order_book_tracker.stop()


def is_live(exchange: BackpackExchange, pair: str = SOL) -> bool:
    return exchange.status_dict["order_books_initialized"] and exchange._is_book_current(pair)


def same_book(exchange: BackpackExchange, venue: SimulatedBackpack, pair: str = SOL) -> bool:
    book, symbol = exchange.order_book_tracker.order_books[pair], pair.replace("-", "_")
    return (
        is_live(exchange, pair)
        and exchange._orderbook_ds.applied_id(pair) == venue.exchange.depth(symbol).last_update_id
        and shown_book(book) == venue_book(venue, symbol)
    )


def move(venue: SimulatedBackpack, times: int = 1) -> None:
    """As many changes of the book; each is one update."""
    for step in range(times):
        place(venue.exchange, "street", "Bid", 1 + step % 3, 120 + step % 20)


def market_sockets(venue: SimulatedBackpack) -> int:
    return len(venue.sessions)


# -- books ------------------------------------------------------------------------------------------------------------


async def test_the_first_book_is_the_exchanges(exchange, venue):
    assert same_book(exchange, venue)


async def test_it_follows_every_change(exchange, venue, caplog):
    move(venue, 30)
    resting = place(venue.exchange, "street", "Bid", 3, 149.5)
    place(venue.exchange, "crowd", "Ask", 3, 149.5)
    assert resting.executed_quantity == 3
    venue.exchange.cancel("street", "SOL_USDC", order_id=place(venue.exchange, "street", "Ask", 1, 152.5).id)
    await eventually(lambda: same_book(exchange, venue))
    assert not [line for line in caplog.messages if "skipped" in line or "missing" in line]


async def test_a_lost_update_is_noticed_at_once_and_mended(exchange, venue):
    venue.faults.arm(faults.DropUpdate(), count=1, stream="depth.")
    move(venue)
    before = exchange._orderbook_ds.applied_id(SOL)
    move(venue)
    await eventually(lambda: same_book(exchange, venue))
    assert exchange._orderbook_ds.applied_id(SOL) > before


async def test_while_a_hole_is_open_the_book_does_not_count(exchange, venue):
    broken = venue.faults.arm(faults.ServerError(), path="/api/v1/depth")
    venue.faults.arm(faults.DropUpdate(), count=1, stream="depth.")
    move(venue, 2)
    await eventually(lambda: not is_live(exchange))
    assert not exchange.ready
    venue.faults.clear(broken)
    await eventually(lambda: same_book(exchange, venue))


async def test_a_failing_snapshot_is_told_once_and_asked_for_again(exchange, venue, caplog):
    broken = venue.faults.arm(faults.ServerError(), path="/api/v1/depth", count=3)
    venue.faults.arm(faults.DropUpdate(), count=1, stream="depth.")
    move(venue, 2)
    await eventually(lambda: same_book(exchange, venue))
    assert broken.fired == 3
    assert len([line for line in caplog.messages if "no snapshot of its book, trying again" in line]) == 1


@pytest.mark.parametrize("fault", [faults.Duplicate(times=3), faults.Reorder()], ids=lambda fault: fault.name)
async def test_repeated_and_swapped_frames(exchange, venue, fault):
    armed = venue.faults.arm(fault, stream="depth.", probability=0.3, seed=1)
    for _ in range(40):
        move(venue, 3)
        await asyncio.sleep(0)
    venue.faults.clear(armed)
    move(venue)
    await eventually(lambda: same_book(exchange, venue))


async def test_a_new_connection_means_a_new_snapshot(exchange, venue, caplog):
    """Everything may have changed meanwhile."""
    caplog.set_level(logging.INFO)
    venue.faults.arm(faults.CloseFrame(), count=1, stream="depth.")
    move(venue)
    await eventually(lambda: not is_live(exchange))
    venue.exchange.cancel_all("street", "SOL_USDC")
    place(venue.exchange, "street", "Bid", 1, 120)
    await eventually(lambda: same_book(exchange, venue))
    assert shown_book(exchange.order_book_tracker.order_books[SOL]) == ({"120.0": 1.0}, {})
    lost = [line for line in caplog.messages if "market stream lost after" in line]
    back = [line for line in caplog.messages if "market stream live (attempt" in line]
    assert len(lost) == 1 and "next attempt in" in lost[0]
    assert len(back) == 1


async def test_nothing_is_lost_between_subscription_and_snapshot(venue):
    """The book moves all the time while the connector starts."""
    exchange = connector(venue, None, SOL)
    venue.faults.arm(faults.Latency(seconds=0.1), path="/api/v1/depth")
    exchange.order_book_tracker.start()
    for _ in range(60):
        move(venue)
        await asyncio.sleep(0.01)
    await eventually(lambda: same_book(exchange, venue))
    exchange.order_book_tracker.stop()


@pytest.mark.parametrize("fault", [faults.GarbageFrame(), faults.Truncated(), faults.NotAnObject()],
                         ids=lambda fault: fault.name)  # fmt: skip
async def test_an_unreadable_frame_is_told_and_skipped(exchange, venue, caplog, fault):
    sockets = list(venue.sessions)
    venue.faults.arm(fault, count=1, stream="depth.")
    move(venue, 2)
    await eventually(lambda: same_book(exchange, venue))
    assert [line for line in caplog.messages if "market stream: a frame was skipped" in line]
    assert list(venue.sessions) == sockets, "the connection stays"


# -- connections ------------------------------------------------------------------------------------------------------


async def test_an_exchange_that_accepts_and_closes_is_not_hammered(venue):
    closing = venue.faults.arm(faults.CloseFrame())
    exchange = connector(venue, None, SOL)
    exchange.order_book_tracker.start()
    await asyncio.sleep(2.0)  # nothing must happen in this time
    assert 1 <= closing.fired <= 3
    assert not is_live(exchange)
    exchange.order_book_tracker.stop()


async def test_silence_of_a_market_that_moves(exchange, venue, monkeypatch):
    monkeypatch.setattr(module, "CATCH_UP_S", 0.1)
    exchange._orderbook_ds._feeds["SOL_USDC"].silence.limit_s = 0.3
    silence = venue.faults.arm(faults.Silence(reconnect_heals=True), stream="depth.")
    move(venue)
    await eventually(lambda: same_book(exchange, venue))
    venue.faults.clear(silence)


async def test_silence_of_a_market_that_sleeps(exchange, venue):
    sockets = list(venue.sessions)
    exchange._orderbook_ds._feeds["SOL_USDC"].silence.limit_s = 0.2
    await asyncio.sleep(0.7)  # three periods of patience
    assert list(venue.sessions) == sockets
    assert same_book(exchange, venue)


async def test_many_markets_that_sleep_are_asked_about_in_turn(venue, monkeypatch):
    """All of them at every end of patience would be a request a second for 50 quiet pairs, for nothing."""
    monkeypatch.setattr(CONSTANTS, "STALE_AFTER_S", 0.4)
    monkeypatch.setattr(module, "SILENCE_QUESTIONS", 2)
    asked: list[str] = []

    class Count(faults.Fault):
        name = "count"

        async def request(self, call, handle):
            if call.path == "/api/v1/depth":
                asked.append(call.symbol)
            return await handle()

    pairs = [symbol.replace("_", "-") for symbol in venue.exchange.markets][:3]
    exchange = connector(venue, None, *pairs)
    exchange.order_book_tracker.start()
    await eventually(lambda: all(is_live(exchange, pair) for pair in pairs))
    venue.faults.arm(Count())
    await asyncio.sleep(1.5)
    assert 3 <= len(asked) <= 7, "one every 0.2 s from 0.4 s on"
    assert len(set(asked[:3])) == 3, "each in its turn"
    exchange.order_book_tracker.stop()


async def test_hummingbots_metrics_are_kept(exchange, venue):
    move(venue, 3)
    place(venue.exchange, "street", "Ask", 2, 150)
    place(venue.exchange, "crowd", "Bid", 2, 150)
    await eventually(lambda: same_book(exchange, venue))
    metrics = exchange.order_book_tracker.metrics
    of_pair = metrics.per_pair_metrics[SOL]
    assert metrics.total_diffs_processed == of_pair.diffs_processed == 5
    assert metrics.total_snapshots_processed == of_pair.snapshots_processed == 1
    assert metrics.total_trades_processed == of_pair.trades_processed == 1
    assert of_pair.messages_per_minute(of_pair.last_diff_timestamp + 60)["diffs"] > 0


async def test_a_refused_subscription_is_told_and_tried_again(venue, caplog):
    refused = venue.faults.arm(faults.SubscribeRefused(), stream="depth.SOL", count=1)
    exchange = connector(venue, None, SOL, BTC)
    exchange.order_book_tracker.start()
    await eventually(lambda: refused.fired)
    await eventually(lambda: exchange._orderbook_ds.is_live(BTC))
    assert not exchange._orderbook_ds.is_live(SOL) and not exchange.ready
    [line] = [line for line in caplog.messages if "refused depth.SOL_USDC" in line]
    assert "4006 Invalid stream" in line
    await eventually(lambda: same_book(exchange, venue))
    assert market_sockets(venue) == 1, "on the same connection"
    exchange.order_book_tracker.stop()


# -- trades -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("aggressor, side", [("Bid", TradeType.BUY), ("Ask", TradeType.SELL)])
async def test_trades(exchange, venue, aggressor, side):
    told: list[OrderBookTradeEvent] = []
    forwarder = EventForwarder(told.append)
    exchange.get_order_book(SOL).add_listener(OrderBookEvent.TradeEvent, forwarder)
    place(venue.exchange, "street", "Ask" if aggressor == "Bid" else "Bid", 2, 150)
    place(venue.exchange, "crowd", aggressor, 2, 150)
    await eventually(lambda: told)
    [trade] = told
    assert (trade.type, trade.price, trade.amount, trade.trading_pair) == (side, 150.0, 2.0, SOL)
    assert abs(trade.timestamp - venue.clock.now_us() / 1e6) < 10, "seconds"
    assert exchange.get_order_book(SOL).last_trade_price == 150.0


# -- pairs that come and go -------------------------------------------------------------------------------------------


async def test_a_pair_is_added_while_running(exchange, venue):
    sockets = list(venue.sessions)
    place(venue.exchange, "street", "Bid", 1, 79_000, symbol="BTC_USDC")
    assert await exchange.order_book_tracker.add_trading_pair(BTC)
    await eventually(lambda: same_book(exchange, venue, BTC))
    place(venue.exchange, "street", "Bid", 1, 79_500, symbol="BTC_USDC")
    move(venue)
    await eventually(lambda: same_book(exchange, venue, BTC) and same_book(exchange, venue))
    assert list(venue.sessions) == sockets


async def test_a_pair_is_removed_while_running(exchange, venue):
    assert await exchange.order_book_tracker.add_trading_pair(BTC)
    await asyncio.sleep(0)
    assert await exchange.order_book_tracker.remove_trading_pair(BTC)
    assert BTC not in exchange.order_book_tracker.order_books
    await eventually(lambda: set(venue.sessions[0].subscriptions) == {"depth.SOL_USDC", "trade.SOL_USDC"})
    move(venue)
    await eventually(lambda: same_book(exchange, venue))


async def test_an_added_pair_survives_a_reconnect(exchange, venue):
    assert await exchange.order_book_tracker.add_trading_pair(BTC)
    venue.faults.arm(faults.CloseFrame(), count=1, stream="depth.SOL")
    move(venue)
    await eventually(lambda: not exchange._orderbook_ds.is_live(BTC))
    place(venue.exchange, "street", "Bid", 1, 79_000, symbol="BTC_USDC")
    await eventually(lambda: same_book(exchange, venue, BTC))


async def test_an_unknown_pair_is_not_added(exchange, caplog):
    assert not await exchange.order_book_tracker.add_trading_pair("NOPE-USDC")
    assert "NOPE-USDC was not added: Backpack has no such market" in caplog.messages


async def test_a_pair_whose_book_does_not_come_is_not_added(exchange, venue, monkeypatch, caplog):
    monkeypatch.setattr(CONSTANTS, "SUBSCRIBE_TIMEOUT_S", 0.3)
    venue.faults.arm(faults.ServerError(), path="/api/v1/depth", symbol="BTC_USDC")
    assert not await exchange._orderbook_ds.subscribe_to_trading_pair(BTC)
    assert "BTC-USDC was not added: its book did not come within 0 s" in caplog.messages
    assert not exchange._orderbook_ds.is_live(BTC)


async def test_nothing_is_added_without_a_connection(venue):
    exchange = connector(venue, None, SOL)
    assert not await exchange._orderbook_ds.subscribe_to_trading_pair(BTC)


async def test_what_is_not_there_cannot_be_removed(exchange):
    assert not await exchange._orderbook_ds.unsubscribe_from_trading_pair(BTC)


async def test_a_pair_in_the_configuration_that_does_not_exist(venue, caplog):
    exchange = connector(venue, None, "NOPE-USDC", SOL)
    exchange.order_book_tracker.start()
    await eventually(lambda: exchange._orderbook_ds.is_live(SOL))
    assert "NOPE-USDC: Backpack has no such market. Check the configuration." in caplog.messages
    assert not exchange.ready
    exchange.order_book_tracker.stop()


# -- what Hummingbot asks of a data source ----------------------------------------------------------------------------


async def test_last_prices(exchange, venue):
    place(venue.exchange, "crowd", "Bid", 1, 151)
    prices = await exchange._orderbook_ds.get_last_traded_prices([SOL])
    assert prices == {SOL: 151.0}
