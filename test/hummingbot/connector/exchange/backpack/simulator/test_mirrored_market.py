"""A followed market without sockets: the order of what comes, the queue of users' orders, and halts."""

import dataclasses
import random
import tracemalloc
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.simulator.listing import SOL_USDC
from hummingbot.connector.exchange.backpack.simulator.market import Participant
from hummingbot.connector.exchange.backpack.simulator.matching import Exchange
from hummingbot.connector.exchange.backpack.simulator.mirrored_market import (
    HOLD_S,
    MAX_WAITING,
    DepthSequence,
    Hole,
    MirroredMarket,
)
from hummingbot.connector.exchange.backpack.simulator.model import (
    Order,
    OrderBookState,
    OrderFilled,
    OrderStatus,
    Rejected,
)
from hummingbot.connector.exchange.backpack.simulator.source_words import (
    DepthChange,
    Snapshot,
    SourceError,
    SourceTrade,
    frame_of,
    markets_of,
    snapshot_of,
)
from test.hummingbot.connector.exchange.backpack.simulator.trading_floor import (
    assert_books_balance,
    bids_and_asks,
    market_order,
    order_of,
    place,
    quiet_exchange,
    request,
)


def levels(text: str) -> tuple[tuple[Decimal, Decimal], ...]:
    """ "100:5 101:0" as levels."""
    return tuple((Decimal(price), Decimal(quantity)) for price, quantity in (one.split(":") for one in text.split()))


class Venue:
    """Speaks to a mirrored market as the source would; a millisecond passes with every word."""

    def __init__(self, exchange: Exchange) -> None:
        self.market = MirroredMarket(
            exchange, "SOL_USDC", Participant(exchange, "makers"), Participant(exchange, "takers")
        )
        self.update_id = 100
        self.ms = 1_000
        self.now_s = 0.0

    def change(self, bids: str = "", asks: str = "", *, skip: int = 0) -> DepthChange:
        self.update_id += 1 + skip
        self.ms += 1
        return DepthChange("SOL_USDC", self.update_id, self.update_id, self.ms * 1_000, levels(bids), levels(asks))

    def traded(self, price: str, quantity: str, *, sold: bool) -> SourceTrade:
        self.ms += 1
        return SourceTrade("SOL_USDC", self.ms * 1_000, Decimal(price), Decimal(quantity), is_buyer_maker=sold)

    def says(self, *words: DepthChange | SourceTrade) -> None:
        for word in words:
            if isinstance(word, DepthChange):
                self.market.on_depth(word, self.now_s)
            else:
                self.market.on_trade(word, self.now_s)

    def shows(self, bids: str, asks: str, *, behind: int = 0) -> bool:
        """A snapshot, ``behind`` updates old."""
        snapshot = Snapshot(self.update_id - behind, self.ms * 1_000, levels(bids), levels(asks))
        return self.market.on_snapshot(snapshot, self.now_s)

    def settle(self) -> None:
        """Time enough for everything to be repeated."""
        self.now_s += HOLD_S
        self.market.step(self.now_s)


def followed(bids: str = "99:5 98:3", asks: str = "101:4 102:8") -> tuple[Exchange, Venue]:
    exchange = quiet_exchange()
    venue = Venue(exchange)
    venue.shows(bids, asks)
    venue.settle()
    return exchange, venue


def state(exchange: Exchange) -> OrderBookState:
    return exchange.market("SOL_USDC").order_book_state


# The order of updates


@pytest.mark.parametrize(
    "updates, released, hole",
    [
        pytest.param([(101, 101), (102, 105)], [101, 105], False, id="contiguous updates pass"),
        pytest.param([(99, 103)], [103], False, id="straddles the snapshot: levels are absolute, it passes"),
        pytest.param([(99, 100), (101, 101)], [101], False, id="what the snapshot has already is dropped"),
        pytest.param([(101, 101), (101, 101), (102, 102)], [101, 102], False, id="a repetition is dropped"),
        pytest.param([(101, 101), (103, 103)], [101], True, id="a hole of one id"),
    ],
)
def test_after_a_snapshot_at_100(updates: list[tuple[int, int]], released: list[int], hole: bool) -> None:
    sequence = DepthSequence()
    assert sequence.on_snapshot(Snapshot(100, 0, (), ())) == []
    passed, holes = offer(sequence, updates)
    assert (passed, holes > 0) == (released, hole)
    assert (sequence.last_id is None) is hole


@pytest.mark.parametrize(
    "updates, snapshot, released",
    [
        pytest.param([], 100, [], id="nothing waits"),
        pytest.param([(101, 101), (102, 102)], 100, [101, 102], id="all of it follows"),
        pytest.param([(99, 99), (100, 100), (101, 101)], 100, [101], id="the snapshot is ahead of some"),
        pytest.param([(102, 102)], 100, None, id="the snapshot is too old"),
        pytest.param([(101, 101), (103, 103)], 100, None, id="a hole while waiting: only a snapshot behind it will do"),
        pytest.param([(101, 101), (103, 103)], 102, [103], id="such a snapshot"),
    ],
)
def test_a_snapshot_meets_waiting_updates(
    updates: list[tuple[int, int]], snapshot: int, released: list[int] | None
) -> None:
    sequence = DepthSequence()
    assert offer(sequence, updates) == ([], 0)
    following = sequence.on_snapshot(Snapshot(snapshot, 0, (), ()))
    assert (None if following is None else [change.last_id for change in following]) == released


def offer(sequence: DepthSequence, updates: Sequence[tuple[int, int]]) -> tuple[list[int], int]:
    released, holes = [], 0
    for first, last in updates:
        try:
            ready = sequence.on_change(DepthChange("SOL_USDC", first, last, 0, (), ()))
        except Hole:
            holes += 1
        else:
            released += [] if ready is None else [ready.last_id]
    return released, holes


def test_updates_do_not_wait_without_bounds() -> None:
    sequence = DepthSequence()
    with pytest.raises(SourceError, match="no snapshot that fits"):
        offer(sequence, [(number, number) for number in range(MAX_WAITING + 1)])


# The queue


@pytest.mark.parametrize(
    "happens, filled",
    [
        pytest.param(lambda v: [v.traded("99", "5", sold=True)], "0", id="all that was ahead trades, nothing more"),
        pytest.param(lambda v: [v.traded("99", "6", sold=True)], "1", id="one more than was ahead trades"),
        pytest.param(lambda v: [v.traded("99", "50", sold=True)], "2", id="never more than the order"),
        pytest.param(
            lambda v: [v.traded("99", "3", sold=True), v.change("99:2"), v.traded("99", "3", sold=True)], "1",
            id="trades in several pieces add up, each counted once although the depth tells of it, too",
        ),
        pytest.param(
            lambda v: [v.change("99:9"), v.traded("99", "6", sold=True)], "1", id="who came later stands behind"
        ),
        pytest.param(
            lambda v: [v.change("99:9"), v.change("99:5"), v.traded("99", "5", sold=True)], "0",
            id="of what is cancelled the youngest goes first: 5 are still ahead",
        ),
        pytest.param(
            lambda v: [v.change("99:1"), v.traded("99", "2", sold=True)], "1",
            id="when only 1 is left at the price, only 1 is ahead",
        ),
        pytest.param(
            lambda v: [v.change("99:0"), v.traded("99", "1", sold=True)], "1", id="when the level has gone, none is"
        ),
        pytest.param(
            lambda v: [v.change("99:0"), v.change("99:7"), v.traded("99", "1", sold=True)], "1",
            id="a level that goes and comes back stands behind",
        ),
        pytest.param(lambda v: [v.traded("98", "1", sold=True)], "0", id="a worse price, but 99:5 has to go first"),
        pytest.param(
            lambda v: [v.traded("99", "5", sold=True), v.traded("98", "1.5", sold=True)], "1.5",
            id="the market trades through: by as much as it trades",
        ),
        pytest.param(lambda v: [v.change("99:0", "99:1")], "1", id="an offer of the venue's at the order's price"),
        pytest.param(lambda v: [v.change("99:0", "98.5:9")], "2", id="an offer beyond the order's price"),
        pytest.param(lambda v: [v.traded("101", "4", sold=False)], "0", id="a trade on the other side"),
        pytest.param(lambda v: [v.change("100:3")], "0", id="a better bid"),
        pytest.param(
            lambda v: [v.change("100:3"), v.traded("100", "3", sold=True), v.traded("99", "7", sold=True)], "2",
            id="a sweep through a better level and the order's",
        ),
    ],
)  # fmt: skip
def test_a_bid_for_2_at_99_behind_5(happens, filled: str) -> None:
    exchange, venue = followed("99:5 98:3", "101:4 102:8")
    mine = place(exchange, "alice", "Bid", 2, 99)
    venue.says(*happens(venue))
    venue.settle()
    assert mine.executed_quantity == Decimal(filled)
    assert all(fill.price == 99 and fill.is_maker for fill in exchange.fills("alice"))
    assert_books_balance(exchange)


@pytest.mark.parametrize("depth_first", [False, True])
def test_a_trade_counts_once_whichever_stream_is_faster(depth_first: bool) -> None:
    exchange, venue = followed("99:5", "101:4")
    mine = place(exchange, "alice", "Bid", 2, 99)
    trade = venue.traded("99", "5", sold=True)
    change = dataclasses.replace(venue.change("99:0"), time_us=trade.time_us + 7)  # the same millisecond
    venue.says(*((change, trade) if depth_first else (trade, change)))
    venue.settle()
    assert mine.status is OrderStatus.NEW, "the 5 were ahead"
    assert [(trade.price, trade.quantity) for trade in exchange.trades("SOL_USDC")] == [(99, 5)], "and are on the tape"


def test_a_trade_that_comes_too_late_moves_nobody_forward() -> None:
    exchange, venue = followed("99:5", "101:4")
    mine = place(exchange, "alice", "Bid", 2, 99)
    late, change = venue.traded("99", "5", sold=True), venue.change("99:0")
    venue.says(change)
    venue.settle()
    venue.says(late)
    venue.settle()
    assert mine.status is OrderStatus.NEW


@settings(max_examples=300, deadline=None)
@given(
    ahead=st.integers(0, 5),
    mine=st.integers(1, 4),
    happens=st.lists(st.tuples(st.sampled_from(["level", "trade"]), st.integers(0, 6)), max_size=12),
)
def test_the_queue_is_the_documented_one(ahead: int, mine: int, happens: list[tuple[str, int]]) -> None:
    """Against a model of one level in five lines: ahead, mine, behind."""
    exchange, venue = followed(f"99:{ahead} 90:100", "101:100")
    order = place(exchange, "alice", "Bid", mine, 99)
    filled = behind = 0
    for what, quantity in happens:
        if what == "level":
            venue.says(venue.change(f"99:{quantity}"))
            ahead, behind = min(ahead, quantity), quantity - min(ahead, quantity)
        elif quantity:
            venue.says(venue.traded("99", str(quantity), sold=True))
            passed = min(ahead, quantity)
            own = min(mine - filled, quantity - passed)
            ahead, filled, behind = ahead - passed, filled + own, max(0, behind - (quantity - passed - own))
        venue.settle()
        assert order.executed_quantity == filled
        assert exchange.depth("SOL_USDC").bids[1:] == (
            ((Decimal(99), Decimal(ahead + mine - filled + behind)),) if ahead + mine - filled + behind else ()
        )


def test_orders_that_take_consume_what_is_shown_until_the_venue_reports_it_again() -> None:
    exchange, venue = followed("99:5", "101:4 102:8")
    taker = order_of(exchange.submit(market_order("alice", "Bid", 6)))
    assert taker.status is OrderStatus.FILLED
    assert [(fill.price, fill.quantity) for fill in reversed(exchange.fills("alice"))] == [(101, 4), (102, 2)]
    assert bids_and_asks(exchange)[1] == {"102": "6"}
    venue.says(venue.change("99:6"))
    venue.settle()
    assert bids_and_asks(exchange)[1] == {"102": "6"}, "the venue spoke of another level"
    venue.says(venue.change("", "101:3"), venue.change("", "102:9"))
    venue.settle()
    assert bids_and_asks(exchange)[1] == {"101": "3", "102": "9"}
    assert_books_balance(exchange)


def test_own_orders_do_not_meet() -> None:
    exchange, venue = followed("99:5", "102:4")
    resting = place(exchange, "alice", "Ask", 1, 101)
    taker = order_of(exchange.submit(market_order("alice", "Bid", 2)))
    assert (resting.status, taker.status) == (OrderStatus.NEW, OrderStatus.EXPIRED)


# Halts


def test_nothing_happens_before_the_first_snapshot() -> None:
    exchange = quiet_exchange()
    venue = Venue(exchange)
    assert state(exchange) is OrderBookState.CANCEL_ONLY
    venue.says(venue.change("99:5"), venue.traded("99", "1", sold=True))
    venue.settle()
    assert bids_and_asks(exchange) == ({}, {}) and not venue.market.live
    assert not venue.shows("98:1", "101:1", behind=2), "older than the updates that wait"
    assert venue.shows("98:1", "101:1", behind=1)
    venue.settle()
    assert venue.market.live and state(exchange) is OrderBookState.OPEN
    assert bids_and_asks(exchange) == ({"98": "1", "99": "5"}, {"101": "1"})
    assert exchange.trades("SOL_USDC") == []


def test_a_hole_halts_at_once_and_a_snapshot_resumes() -> None:
    exchange, venue = followed("99:5", "101:4")
    mine = place(exchange, "alice", "Bid", 2, 99)
    with pytest.raises(Hole, match="SOL_USDC: expected update 101, was 102"):
        venue.says(venue.change("99:2", skip=1))
    assert state(exchange) is OrderBookState.CANCEL_ONLY
    assert bids_and_asks(exchange)[1] == {"101": "4"}, "the last book stays visible"
    with pytest.raises(Rejected, match="Trading is paused"):
        exchange.submit(market_order("alice", "Bid", 1))
    exchange.cancel("alice", "SOL_USDC", order_id=mine.id)
    assert venue.shows("99:2", "101:3")
    venue.settle()
    assert state(exchange) is OrderBookState.OPEN
    assert bids_and_asks(exchange) == ({"99": "2"}, {"101": "3"})


def test_the_queue_survives_a_halt() -> None:
    exchange, venue = followed("99:5", "101:4")
    mine = place(exchange, "alice", "Bid", 2, 99)
    venue.says(venue.traded("99", "3", sold=True), venue.change("99:2"))
    venue.settle()
    venue.market.halt()
    venue.says(venue.traded("99", "9", sold=True))
    venue.settle()
    assert mine.status is OrderStatus.NEW, "what trades while the book is not known fills nobody"
    venue.shows("99:8", "101:4")
    venue.settle()
    venue.says(venue.traded("99", "3", sold=True))
    venue.settle()
    assert mine.executed_quantity == 1, "2 were ahead before, the 6 that came are behind"


def test_an_order_that_the_market_moved_through_during_a_halt_fills_at_its_own_price() -> None:
    exchange, venue = followed("99:5", "101:4")
    mine = place(exchange, "alice", "Bid", 2, 99)
    venue.market.halt()
    assert mine.status is OrderStatus.NEW
    venue.shows("89:5", "90:1 91:1")
    venue.settle()
    assert [(fill.price, fill.quantity) for fill in exchange.fills("alice")] == [(99, 1), (99, 1)]
    assert bids_and_asks(exchange) == ({"89": "5"}, {}), "what filled the order is missing until it is reported again"


def test_an_order_from_an_earlier_run_stands_behind_the_first_snapshot() -> None:
    exchange = quiet_exchange()
    mine = place(exchange, "alice", "Bid", 2, 99)
    venue = Venue(exchange)
    venue.shows("99:5", "101:4")
    venue.settle()
    venue.says(venue.traded("99", "6", sold=True))
    venue.settle()
    assert mine.executed_quantity == 1


def test_a_market_that_nobody_steps_gives_up_before_memory_does() -> None:
    exchange, venue = followed()
    with pytest.raises(Hole, match="not repeated in time"):
        for number in range(MAX_WAITING + 1):
            venue.says(venue.change(f"99:{number % 7 + 1}"))
    assert state(exchange) is OrderBookState.CANCEL_ONLY
    venue.shows("99:5", "101:4")
    venue.settle()
    assert bids_and_asks(exchange) == ({"99": "5"}, {"101": "4"})


def test_the_sources_own_state_is_followed() -> None:
    exchange, venue = followed()
    venue.market.set_source_state(OrderBookState.POST_ONLY)
    with pytest.raises(Rejected, match="post only"):
        exchange.submit(market_order("alice", "Bid", 1))
    venue.says(venue.change("99:7"))
    venue.settle()
    assert bids_and_asks(exchange)[0]["99"] == "7", "the book goes on"
    venue.market.halt()
    venue.market.set_source_state(OrderBookState.OPEN)
    assert state(exchange) is OrderBookState.CANCEL_ONLY, "not before the book is known"
    venue.market.set_source_state(OrderBookState.CLOSED)
    assert state(exchange) is OrderBookState.CLOSED


def test_levels_under_the_minimum_and_outside_the_band_are_shown() -> None:
    exchange = quiet_exchange(markets=[dataclasses.replace(SOL_USDC, min_quantity=Decimal(1))])
    venue = Venue(exchange)
    venue.shows("0.01:7 99:0.05", "101:2 9000:3")
    venue.settle()
    venue.says(venue.traded("101", "0.03", sold=False), venue.change("", "101:1.97"))
    venue.settle()
    assert bids_and_asks(exchange) == ({"0.01": "7", "99": "0.05"}, {"101": "1.97", "9000": "3"})
    with pytest.raises(Rejected, match="below the minimum"):
        exchange.submit(request("alice", "Bid", "0.05", 99))
    assert order_of(exchange.submit(market_order("alice", "Ask", 1))).executed_quantity == Decimal("0.05")


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(lambda v: v.change("99.001:5"), id="a price between ticks"),
        pytest.param(lambda v: v.change("99:5.001"), id="a quantity between steps"),
        pytest.param(lambda v: v.traded("99.001", "1", sold=True), id="a trade between ticks"),
    ],
)
def test_what_does_not_fit_the_filters_is_refused_before_it_touches_the_book(word) -> None:
    exchange, venue = followed()
    before = exchange.depth("SOL_USDC")
    with pytest.raises(SourceError, match="filters must have changed"):
        venue.says(word(venue))
    assert exchange.depth("SOL_USDC") == before


def test_memory_is_flat() -> None:
    """A busy market: levels come, change and go, and trades."""
    exchange, venue = followed("90:5", "110:5")
    dice = random.Random(1)

    def go_on(rounds: int) -> None:
        for _ in range(rounds):
            venue.says(
                venue.change(
                    f"{dice.randint(91, 99)}:{dice.randint(0, 9)}", f"{dice.randint(101, 109)}:{dice.randint(0, 9)}"
                )
            )
            venue.says(venue.traded("99", "1", sold=True))
            venue.settle()

    go_on(6_000)  # until the bounded histories are full: 5,000 public trades, 1,000 orders of each account
    tracemalloc.start()
    go_on(6_000)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 3_000_000  # trades and orders that replaced others; 6,000 orders more would be 5 MB


# A property of everything


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["change", "hole", "sell", "buy", "snapshot", "halt", "settle", "bid", "ask", "take", "cancel"]
        ),
        st.integers(-6, 6),
        st.integers(0, 5),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_nothing_is_filled_while_the_book_is_not_known(steps: list[tuple[str, int, int]]) -> None:
    exchange, venue = followed("99:5", "101:5")
    shown = {"bids": {99: 5}, "asks": {101: 5}}

    def watch(events) -> None:
        for event in events:
            if isinstance(event, OrderFilled) and event.order.account == "alice":
                assert venue.market.live, "a fill on a book that is not the venue's"

    exchange.listeners.append(watch)
    mine: list[Order] = []
    for what, distance, quantity in steps:
        price = 100 + distance
        try:
            match what:
                case "change" | "hole":
                    side = "bids" if distance < 0 else "asks"
                    shown[side][price] = quantity
                    text = f"{price}:{quantity}"
                    change = venue.change(*((text, "") if side == "bids" else ("", text)), skip=int(what == "hole"))
                    venue.says(change)
                case "sell" | "buy":
                    venue.says(venue.traded(str(price), str(quantity + 1), sold=what == "sell"))
                case "snapshot":
                    bids, asks = (
                        " ".join(f"{p}:{q}" for p, q in shown[side].items() if q) for side in ("bids", "asks")
                    )
                    venue.shows(bids, asks)
                case "halt":
                    venue.market.halt()
                case "settle":
                    venue.settle()
                case "bid" | "ask":
                    mine.append(place(exchange, "alice", what.capitalize(), quantity + 1, price))
                case "take":
                    exchange.submit(market_order("alice", "Bid" if distance < 0 else "Ask", quantity + 1))
                case "cancel" if mine:
                    exchange.cancel("alice", "SOL_USDC", order_id=mine.pop().id)
        except (Hole, Rejected):
            pass
        assert venue.market.live is (state(exchange) is OrderBookState.OPEN)
    assert_books_balance(exchange)


# What the source says


@pytest.mark.parametrize(
    "text, complaint",
    [
        pytest.param("not json", "expected JSON", id="not JSON"),
        pytest.param("[]", "expected a frame", id="not an object"),
        pytest.param('{"data":{"e":"depth","s":"SOL_USDC"}}', "depth SOL_USDC makes no sense: KeyError", id="no ids"),
        pytest.param(
            '{"data":{"e":"depth","s":"S","U":1,"u":"2","T":1,"a":[],"b":[]}}', "whole number", id="an id in text"
        ),
        pytest.param(
            '{"data":{"e":"depth","s":"S","U":1,"u":2,"T":1,"a":[["1"]],"b":[]}}', "ValueError", id="half a level"
        ),
        pytest.param(
            '{"data":{"e":"depth","s":"S","U":1,"u":2,"T":1,"a":[["0","1"]],"b":[]}}', "more than 0", id="price 0"
        ),
        pytest.param(
            '{"data":{"e":"depth","s":"S","U":1,"u":2,"T":1,"a":[["1","NaN"]],"b":[]}}', "decimal of 0", id="NaN"
        ),
        pytest.param(
            '{"data":{"e":"trade","s":"S","T":1,"p":"1","q":"1","m":"true"}}', "m is 'true'", id="a flag in text"
        ),
        pytest.param('{"error":{"code":4006,"message":"Invalid stream"},"id":null}', "4006 Invalid", id="refused"),
    ],
)
def test_a_frame_that_makes_no_sense(text: str, complaint: str) -> None:
    with pytest.raises(SourceError, match=complaint):
        frame_of(text)


def test_frames_of_other_streams_are_nothing_to_us() -> None:
    assert frame_of('{"data":{"e":"ticker","s":"SOL_USDC"},"stream":"ticker.SOL_USDC"}') is None


@pytest.mark.parametrize("body", [None, [], {"lastUpdateId": "x"}, "busy"])
def test_a_snapshot_that_makes_no_sense(body) -> None:
    with pytest.raises(SourceError, match="depth"):
        snapshot_of(body)


def test_markets_of_other_kinds_are_left_out() -> None:
    assert markets_of([{"marketType": "PERP"}, {"marketType": "PREDICTION"}, 7]) == {}
    with pytest.raises(SourceError, match="market SOL_USDC makes no sense"):
        markets_of([{"marketType": "SPOT", "symbol": "SOL_USDC"}])
