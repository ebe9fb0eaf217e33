"""Market data: B1 to B13."""

import time

from hummingbot.core.event.event_forwarder import SourceInfoEventForwarder
from hummingbot.core.event.events import OrderBookEvent, OrderBookTradeEvent
from test.hummingbot.connector.exchange.backpack.reliability.rig import PAIR, SYMBOL, Pace, Rig, faults, model
from test.hummingbot.connector.exchange.backpack.reliability.rows import Phase, row

DEPTH = "depth."
DEPTH_PATH = "/api/v1/depth"
OTHER = "BTC-USDC"
TWO_PAIRS = (PAIR, OTHER)
# A gap is mended within a second plus one round trip; on a loopback the round trip is part of the second.
GAP_MENDED_S = 1.0


async def _mended(rig: Rig, timeout_s: float = GAP_MENDED_S) -> None:
    """Ready again, and right."""
    await rig.until(lambda: not rig.wrong_books(), timeout_s, f"the right book: {rig.wrong_books()}")


def _market_sockets(rig: Rig) -> int:
    return sum(any(name.startswith(DEPTH) for name in socket.streams) for socket in rig.sim.sessions)


# -- B1: lost updates --------------------------------------------------------------------------------------------------


@row("B1", Phase.WHILE_QUIET, "one depth update is lost")
async def update_lost(rig: Rig) -> None:
    rig.sim.faults.arm(faults.DropUpdate(), stream=DEPTH, count=1)
    rig.move(2)
    await _mended(rig)


@row("B1", Phase.WHILE_QUIET, "several depth updates are lost, with some in between that arrive")
async def updates_lost(rig: Rig) -> None:
    rig.sim.faults.arm(faults.DropUpdate(), stream=DEPTH, count=20, probability=0.5, seed=7)
    rig.move(60)
    await _mended(rig)


@row("B1", Phase.WHILE_RESYNCING, "another update is lost while the snapshot is on its way")
async def second_hole(rig: Rig) -> None:
    slow = rig.sim.faults.arm(faults.Latency(0.3), path=DEPTH_PATH)
    snapshots = rig.requests.of(DEPTH_PATH)
    for _ in range(3):
        rig.sim.faults.arm(faults.DropUpdate(), stream=DEPTH, count=1)
        rig.move(3)
        await rig.until(lambda: rig.requests.of(DEPTH_PATH) > snapshots, 2, "a snapshot is asked for")
    rig.sim.faults.clear(slow)
    await _mended(rig, 2.0)


@row("B1", Phase.AT_START, "updates are lost while the first snapshot is on its way", start=False)
async def lost_at_start(rig: Rig) -> None:
    rig.sim.faults.arm(faults.Latency(0.3), path=DEPTH_PATH, count=1)
    rig.sim.faults.arm(faults.DropUpdate(), stream=DEPTH, count=2)
    await rig.start_connector(wait=False)
    await rig.until(lambda: _market_sockets(rig), 10, "the market stream is subscribed")
    rig.move(5)
    await rig.until(lambda: rig.connector.ready, 10, "the connector is ready")


@row("B1", Phase.WHILE_RESYNCING, "the snapshot cannot be had at first: 500, 429, a page of HTML", pairs=TWO_PAIRS)
async def snapshot_fails(rig: Rig) -> None:
    for trouble in (faults.ServerError(), faults.RateLimited(), faults.HtmlError()):
        rig.sim.faults.arm(trouble, path=DEPTH_PATH, count=1)
    rig.sim.faults.arm(faults.DropUpdate(), stream=DEPTH, symbol=SYMBOL, count=1)
    rig.move(2)
    await rig.until(lambda: not rig.connector.ready, 1, "the hole is seen")
    rig.move(2, OTHER)
    rig.move(2)
    await _mended(rig, 8.0)


@row("B1", Phase.WHILE_QUIET, "depth updates come twice, and out of order")
async def doubled_and_reordered(rig: Rig) -> None:
    rig.sim.faults.arm(faults.Duplicate(times=3), stream=DEPTH, count=5)
    rig.move(10)
    mixed = rig.sim.faults.arm(faults.Reorder(), stream=DEPTH, count=3)
    rig.move(10)
    rig.sim.faults.clear(mixed)
    await _mended(rig)


@row("B1", Phase.WHILE_QUIET, "depth frames that cannot be read: garbage, cut, not an object, absurdly deep")
async def unreadable_updates(rig: Rig) -> None:
    for trouble in (faults.GarbageFrame(), faults.Truncated(), faults.NotAnObject(inside=True), faults.Deep()):
        rig.sim.faults.arm(trouble, stream=DEPTH, count=1)
        rig.move(2)
        await _mended(rig)


@row("B1", Phase.WHILE_QUIET, "a hole in one market, with another one alive beside it", pairs=TWO_PAIRS)
async def hole_beside_a_live_market(rig: Rig) -> None:
    slow = rig.sim.faults.arm(faults.Latency(0.3), path=DEPTH_PATH, symbol=SYMBOL)
    rig.sim.faults.arm(faults.DropUpdate(), symbol=SYMBOL, stream=DEPTH, count=1)
    rig.move(2)
    rig.move(5, OTHER)
    await rig.until(lambda: not rig.wrong_levels(OTHER), GAP_MENDED_S, "the other market's book goes on")
    rig.sim.faults.clear(slow)
    await _mended(rig)


# -- B2, B3, B4: reconnects and snapshots ------------------------------------------------------------------------------


@row("B2", Phase.WHILE_RECONNECTING, "the market has moved when the stream comes back")
async def market_moved_meanwhile(rig: Rig) -> None:
    rig.sim.faults.arm(faults.RefuseConnection(rest=False), count=1)
    rig.sim.faults.arm(faults.ResetConnection(), stream=DEPTH, count=1)
    await rig.until(lambda: not _market_sockets(rig), 2, "the market stream is gone")
    rig.reprice("140")
    await _mended(rig, 8.0)


@row("B2", Phase.WHILE_RECONNECTING, "the stream stays away: no price from before is shown for long")
async def market_away_for_long(rig: Rig) -> None:
    refused = rig.sim.faults.arm(faults.RefuseConnection(rest=False))
    rig.sim.faults.arm(faults.ResetConnection(), stream=DEPTH, count=1)
    rig.reprice("140")
    for is_buy in (True, False):
        await rig.until(
            lambda is_buy=is_buy: rig.connector.get_price(PAIR, is_buy).is_nan() or not rig.wrong_levels(PAIR), 15,
            "no price is shown, or the right one",
        )  # fmt: skip
    rig.sim.faults.clear(refused)
    await _mended(rig, 20.0)


@row("B2", Phase.WHILE_RECONNECTING, "the exchange was started anew and counts its updates from one again")
async def counted_anew(rig: Rig) -> None:
    rig.sim.faults.arm(faults.RefuseConnection(rest=False), count=1)
    rig.sim.faults.arm(faults.ResetConnection(), stream=DEPTH, count=1)
    await rig.until(lambda: not _market_sockets(rig), 2, "the market stream is gone")
    rig.count_anew()
    rig.reprice("147")
    await _mended(rig, 20.0)
    rig.move(3)
    await _mended(rig)


@row("B2", Phase.WHILE_RESYNCING, "the stream breaks while a snapshot is on its way")
async def broken_while_resyncing(rig: Rig) -> None:
    slow = rig.sim.faults.arm(faults.Latency(0.5), path=DEPTH_PATH)
    snapshots = rig.requests.of(DEPTH_PATH)
    rig.sim.faults.arm(faults.DropUpdate(), stream=DEPTH, count=1)
    rig.move(2)
    await rig.until(lambda: rig.requests.of(DEPTH_PATH) > snapshots, 2, "a snapshot is asked for")
    rig.sim.faults.arm(faults.ResetConnection(), stream=DEPTH, count=1)
    rig.reprice("145")
    rig.sim.faults.clear(slow)
    await _mended(rig, 6.0)


@row("B3", Phase.WHILE_RESYNCING, "levels removed before the snapshot: no old update may bring them back")
async def removed_levels_stay_removed(rig: Rig) -> None:
    rig.move(80)  # more than Hummingbot's memory of 32 updates
    await _mended(rig)
    rig.reprice("150")
    rig.sim.faults.arm(faults.DropUpdate(), stream=DEPTH, count=1)
    rig.move(1)
    rig.sim.faults.arm(faults.ResetConnection(), stream=DEPTH, count=1)
    await _mended(rig, 6.0)


@row("B4", Phase.WHILE_RESYNCING, "snapshots are older than the updates that wait for them")
async def stale_snapshot(rig: Rig) -> None:
    stale = rig.sim.faults.arm(faults.StaleSnapshot(), path=DEPTH_PATH)
    rig.move(3)
    await _mended(rig)
    snapshots = rig.requests.of(DEPTH_PATH)
    rig.sim.faults.arm(faults.DropUpdate(), stream=DEPTH, count=1)
    rig.move(3)
    await rig.until(lambda: rig.requests.of(DEPTH_PATH) > snapshots + 1, 3, "a second snapshot is asked for")
    rig.sim.faults.clear(stale)
    await _mended(rig, 3.0)


@row("B4", Phase.AT_START, "the first snapshots are older than the stream", start=False)
async def stale_at_start(rig: Rig) -> None:
    stale = rig.sim.faults.arm(faults.StaleSnapshot(), path=DEPTH_PATH)
    await rig.start_connector(wait=False)
    await rig.until(lambda: _market_sockets(rig), 10, "the market stream is subscribed")
    rig.sim.faults.arm(faults.DropUpdate(), stream=DEPTH, count=1)
    rig.move(3)
    await rig.until(lambda: rig.requests.of(DEPTH_PATH) > 1, 5, "a second snapshot is asked for")
    rig.sim.faults.clear(stale)
    await rig.until(lambda: rig.connector.ready, 10, "the connector is ready")


@row("B4", Phase.WHILE_RESYNCING, "the snapshot is ahead of the stream")
async def future_snapshot(rig: Rig) -> None:
    rig.sim.faults.arm(faults.DropUpdate(), stream=DEPTH, count=1)
    rig.move(1)
    ahead = rig.sim.faults.arm(faults.FutureSnapshot())
    rig.move(5)
    rig.sim.faults.clear(ahead)
    rig.move(2)
    await _mended(rig, 2.0)


# -- B5: who keeps throwing us out -------------------------------------------------------------------------------------


@row("B5", Phase.WHILE_RECONNECTING, "the exchange accepts every connection and closes it")
async def accepts_and_closes(rig: Rig) -> None:
    began = len(rig.requests.connects)
    shut = rig.sim.faults.arm(faults.CloseFrame())
    await rig.pass_time(4.5)
    attempts = len(rig.requests.connects) - began
    assert attempts <= 2 * 3, f"{attempts} attempts in 4.5 s on two streams, that may try after about 1, 3 and 7 s"
    rig.sim.faults.clear(shut)
    rig.move(2)
    await _mended(rig, 12.0)


@row("B5", Phase.WHILE_RECONNECTING, "the exchange closes each connection as soon as it sends data")
async def closes_on_data(rig: Rig) -> None:
    began = len(rig.requests.connects)
    shut = rig.sim.faults.arm(faults.ResetConnection(), stream=DEPTH)
    for _ in range(40):
        rig.move(1)
        await rig.pass_time(0.1)
    attempts = len(rig.requests.connects) - began
    assert attempts <= 3, f"{attempts} attempts in 4 s on one stream, that may try after about 1 and 3 s"
    rig.sim.faults.clear(shut)
    await _mended(rig, 8.0)


@row("B5", Phase.AT_START, "connections are refused at first", start=False)
async def refused_at_start(rig: Rig) -> None:
    refused = rig.sim.faults.arm(faults.RefuseConnection(rest=False))
    await rig.start_connector(wait=False)
    await rig.pass_time(1.5)
    assert not rig.connector.ready, "ready without a market stream"
    rig.sim.faults.clear(refused)
    await rig.until(lambda: rig.connector.ready, 10, "the connector is ready")


# -- B6, B7: dead or only quiet ----------------------------------------------------------------------------------------


@row("B6", Phase.WHILE_QUIET, "the subscription is lost: pings are answered, no data comes", pace=Pace(stale_after=1.0))
async def silence(rig: Rig) -> None:
    rig.sim.faults.arm(faults.Silence(reconnect_heals=True), stream=DEPTH)
    rig.move(3)
    await _mended(rig, 8.0)


@row("B6", Phase.WHILE_QUIET, "one of two subscriptions is lost", pace=Pace(stale_after=1.0), pairs=TWO_PAIRS)
async def silence_of_one_market(rig: Rig) -> None:
    rig.sim.faults.arm(faults.Silence(reconnect_heals=True), stream=DEPTH, symbol=SYMBOL)
    rig.move(3)
    for _ in range(30):
        rig.move(1, OTHER)
        await rig.pass_time(0.1)
    await _mended(rig, 8.0)


@row("B6", Phase.WHILE_QUIET, "nothing happens for a while: no reason to reconnect", pace=Pace(stale_after=0.5))
async def quiet_market(rig: Rig) -> None:
    connects = len(rig.requests.connects)
    for _ in range(30):
        assert rig.connector.ready, "not ready although nothing is wrong"
        await rig.pass_time(0.1)
    assert len(rig.requests.connects) == connects, "reconnected although the market was only quiet"


@row("B7", Phase.WHILE_QUIET, "the exchange pings, and cuts off who does not answer", ping_interval_s=0.2)
async def server_pings(rig: Rig) -> None:
    connects = len(rig.requests.connects)
    await rig.pass_time(1.5)
    assert len(rig.requests.connects) == connects, "cut off for not answering pings"


@row("B7", Phase.WHILE_QUIET, "the exchange says good-bye with a Close frame")
async def close_frame(rig: Rig) -> None:
    rig.sim.faults.arm(faults.CloseFrame(code=1012, reason="service restart"), stream=DEPTH, count=1)
    rig.reprice("148")
    await _mended(rig, 4.0)


@row("B7", Phase.WHILE_QUIET, "the network is gone and nobody has noticed")
async def half_open(rig: Rig) -> None:
    dead = rig.sim.faults.arm(faults.HalfOpen())
    await rig.until(lambda: not rig.connector.ready, 40, "the dead connections are noticed")
    rig.reprice("152")
    rig.sim.faults.clear(dead)
    await _mended(rig, 15.0)


@row("B7", Phase.WHILE_QUIET, "the market stream's connection is dead and nobody has noticed, the rest works")
async def half_open_market_stream(rig: Rig) -> None:
    dead = rig.sim.faults.arm(faults.HalfOpen(), stream=DEPTH)
    rig.reprice("152")
    await _mended(rig, 40.0)
    rig.sim.faults.clear(dead)


@row("B7", Phase.WHILE_RECONNECTING, "the exchange restarts and is away for some seconds")
async def restart(rig: Rig) -> None:
    rig.sim.faults.arm(faults.Restart(seconds=3.0))
    rig.reprice("151")
    await _mended(rig, 15.0)


@row("B7", Phase.AT_STOP, "Hummingbot takes the network for lost while a snapshot is on its way, and comes back later")
async def stopped_and_started(rig: Rig) -> None:
    slow = rig.sim.faults.arm(faults.Latency(0.5), path=DEPTH_PATH)
    snapshots = rig.requests.of(DEPTH_PATH)
    rig.sim.faults.arm(faults.DropUpdate(), stream=DEPTH, count=1)
    rig.move(2)
    await rig.until(lambda: rig.requests.of(DEPTH_PATH) > snapshots, 2, "a snapshot is asked for")
    await rig.connector.stop_network()
    await rig.until(lambda: not rig.sim.sessions, 5, "both streams are closed")
    rig.sim.faults.clear(slow)
    rig.reprice("141")
    await rig.connector.start_network()
    await _mended(rig, 10.0)


# -- B8, B9: subscriptions ---------------------------------------------------------------------------------------------


@row("B8", Phase.AT_START, "the first subscriptions are refused", start=False)
async def refused_subscriptions_at_start(rig: Rig) -> None:
    refused = rig.sim.faults.arm(faults.SubscribeRefused(), stream=DEPTH)
    await rig.start_connector(wait=False)
    await rig.pass_time(1.5)
    assert not rig.connector.ready, "ready without the subscription"
    rig.sim.faults.clear(refused)
    await rig.until(lambda: rig.connector.ready, 10, "the connector is ready")


@row("B8", Phase.WHILE_RECONNECTING, "one of two subscriptions is refused after a reconnect", pairs=TWO_PAIRS)
async def one_subscription_refused(rig: Rig) -> None:
    rig.sim.faults.arm(faults.SubscribeRefused(), stream=DEPTH, symbol=SYMBOL, count=2)
    rig.sim.faults.arm(faults.ResetConnection(), stream=DEPTH, count=1)
    await rig.until(lambda: not _market_sockets(rig), 2, "the market stream is gone")
    rig.reprice("155")
    rig.move(3, OTHER)
    await rig.until(lambda: not rig.wrong_levels(OTHER), 3, "the other market is alive")
    assert not rig.connector.ready, "ready without one of the books"
    await _mended(rig, 10.0)


@row("B9", Phase.WHILE_QUIET, "a pair is added and removed, others go on")
async def pair_added_and_removed(rig: Rig) -> None:
    rig.quote(OTHER)
    connects = len(rig.requests.connects)
    for _ in range(2):
        assert await rig.connector.add_trading_pair(OTHER) is True
        rig.move(3, OTHER)
        rig.move(3)
        await rig.until(lambda: not rig.wrong_levels(OTHER), GAP_MENDED_S, "the added pair has the exchange's book")
        assert await rig.connector.remove_trading_pair(OTHER) is True
        assert OTHER not in rig.connector.order_books
        rig.move(3, OTHER)
        rig.move(3)
        await _mended(rig)
    assert len(rig.requests.connects) == connects, "the connection was not left alone"


@row("B9", Phase.WHILE_QUIET, "a pair that does not exist, and one that is refused, cannot be added")
async def pair_that_cannot_be_added(rig: Rig) -> None:
    connects = len(rig.requests.connects)
    assert await rig.connector.add_trading_pair("NO-SUCH") is False
    refused = rig.sim.faults.arm(faults.SubscribeRefused(), stream=DEPTH)
    rig.move(1)
    assert await rig.connector.add_trading_pair(OTHER) is False
    rig.sim.faults.clear(refused)
    rig.move(1)
    await _mended(rig)
    assert len(rig.requests.connects) == connects, "the connection was not left alone"


@row("B9", Phase.WHILE_RESYNCING, "a pair is removed while its book is being mended", pairs=TWO_PAIRS)
async def pair_removed_while_resyncing(rig: Rig) -> None:
    slow = rig.sim.faults.arm(faults.Latency(0.3), path=DEPTH_PATH)
    connects = len(rig.requests.connects)
    snapshots = rig.requests.of(DEPTH_PATH)
    rig.sim.faults.arm(faults.DropUpdate(), stream=DEPTH, symbol=SYMBOL, count=1)
    rig.move(2)
    await rig.until(lambda: rig.requests.of(DEPTH_PATH) > snapshots, 2, "a snapshot is asked for")
    assert await rig.connector.remove_trading_pair(PAIR) is True
    rig.sim.faults.clear(slow)
    rig.move(2)
    rig.move(2, OTHER)
    await _mended(rig)
    assert await rig.connector.add_trading_pair(PAIR) is True
    await _mended(rig)
    assert len(rig.requests.connects) == connects, "the connection was not left alone"


@row("B9", Phase.WHILE_RECONNECTING, "a pair is added just when the stream breaks")
async def pair_added_while_broken(rig: Rig) -> None:
    rig.quote(OTHER)
    rig.sim.faults.arm(faults.ResetConnection(), stream=DEPTH, count=1)
    added = await rig.connector.add_trading_pair(OTHER)
    assert added == (OTHER in rig.connector.order_books)
    await _mended(rig, 6.0)
    assert added or await rig.connector.add_trading_pair(OTHER)


# -- B10 to B13 --------------------------------------------------------------------------------------------------------


@row("B10", Phase.WHILE_QUIET, "a public trade carries the engine's time, in seconds")
async def trade_time(rig: Rig) -> None:
    trades: list[OrderBookTradeEvent] = []
    listener = SourceInfoEventForwarder(lambda tag, book, event: trades.append(event))
    rig.connector.order_books[PAIR].add_listener(OrderBookEvent.TradeEvent, listener)
    ask, _ = rig.sim.exchange.book_ticker(SYMBOL).ask
    rig.street_order(model.Side.BID, 1, ask, account=rig.sim.add_account({"USDC": "1000"}, name="taker"))
    await rig.until(lambda: trades, 3, "the trade is told")
    assert abs(trades[0].timestamp - time.time()) < 5, f"the trade is dated {trades[0].timestamp}"
    assert (trades[0].price, trades[0].amount) == (float(ask), 1.0)


@row("B11", Phase.WHILE_QUIET, "a market without a ticker: the others have their prices", pairs=TWO_PAIRS)
async def no_ticker(rig: Rig) -> None:
    rig.sim.faults.arm(faults.EmptyTicker(), symbol="BTC_USDC")
    ask, _ = rig.sim.exchange.book_ticker(SYMBOL).ask
    rig.street_order(model.Side.BID, 1, ask, account=rig.sim.add_account({"USDC": "1000"}, name="taker"))
    prices = await rig.connector.get_last_traded_prices(list(TWO_PAIRS))
    assert prices[PAIR] == float(ask)
    assert prices[OTHER] == 80000.0, "nobody has traded it: the middle of its book"


@row("B12", Phase.WHILE_RESYNCING, "numbers are padded with zeros on the stream and not in REST")
async def padded_numbers(rig: Rig) -> None:
    price = "145.10"
    order = rig.street_order(model.Side.BID, "2.50", price)
    rig.sim.faults.arm(faults.DropUpdate(), stream=DEPTH, count=1)
    rig.move(2)
    await _mended(rig)
    rig.street_order(model.Side.BID, "1.50", price)
    await _mended(rig)
    rig.sim.exchange.cancel(rig.street.name, SYMBOL, order_id=order.id)
    await _mended(rig)


@row("B13", Phase.WHILE_QUIET, "answers that are not the venue's words: HTML, bad gzip, cut off, plain text")
async def unreadable_answers(rig: Rig) -> None:
    for trouble in (
        faults.HtmlError(status=403),
        faults.GzipGarbage(),
        faults.Truncated(),
        faults.Huge(megabytes=40),
        faults.Deep(),
    ):
        rig.sim.faults.arm(trouble, path="/api/v1/", count=2)
    rig.sim.faults.arm(faults.DropUpdate(), stream=DEPTH, count=1)
    rig.move(2)
    await rig.until(lambda: all(not armed.remaining for armed in rig.sim.faults), 40, "all of them were asked for")
    await _mended(rig, 15.0)
