"""Market sources: the synthetic crowd, the replica of another venue's book, and recordings."""

import json
import tracemalloc
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.simulator.market import (
    DEFAULT_PAIRS,
    Participant,
    Synthetic,
    SyntheticPair,
)
from hummingbot.connector.exchange.backpack.simulator.matching import Exchange
from hummingbot.connector.exchange.backpack.simulator.model import OrderBookState, OrderStatus, Rejected
from hummingbot.connector.exchange.backpack.simulator.recording import Recorded, Recorder, RecordingError
from hummingbot.connector.exchange.backpack.simulator.replica import Replica
from test.hummingbot.connector.exchange.backpack.simulator.trading_floor import (
    START,
    assert_books_balance,
    bids_and_asks,
    place,
    quiet_exchange,
)


def run(exchange: Exchange, source: Synthetic | Recorded, seconds: float, step_s: float = 0.25) -> None:
    for _ in range(round(seconds / step_s)):
        exchange.clock.advance(step_s)
        source.step()


def synthetic_market(seed: int = 7, **arguments) -> tuple[Exchange, Synthetic]:
    exchange, source = quiet_exchange(), Synthetic(seed, **arguments)
    source.open(exchange)
    return exchange, source


# The synthetic market


def public_bytes(seed: int, seconds: float) -> bytes:
    exchange, source, heard = quiet_exchange(), Synthetic(seed), []
    exchange.listeners.append(lambda events: heard.append(repr(events)))
    source.open(exchange)
    run(exchange, source, seconds)
    return "\n".join(heard).encode()


def test_same_seed_same_bytes():
    assert public_bytes(seed=7, seconds=10) == public_bytes(seed=7, seconds=10)
    assert public_bytes(seed=7, seconds=10) != public_bytes(seed=8, seconds=10)


@pytest.mark.parametrize("pair", DEFAULT_PAIRS, ids=lambda pair: pair.symbol)
def test_a_believable_market(pair: SyntheticPair):
    exchange, source = synthetic_market(pairs=[pair])
    mids, spreads = [], []
    for _ in range(600):
        run(exchange, source, seconds=0.25)
        ticker, depth = exchange.book_ticker(pair.symbol), exchange.depth(pair.symbol)
        assert ticker.bid and ticker.ask, "never one-sided"
        assert len(depth.bids) > 15 and len(depth.asks) > 15, "even right after a sweep"
        mids.append(float(ticker.bid[0] + ticker.ask[0]) / 2)
        spreads.append(float((ticker.ask[0] - ticker.bid[0]) / exchange.market(pair.symbol).tick_size))
    assert max(mids) / min(mids) < 1.02 and 0.98 < mids[-1] / pair.price < 1.02
    assert len(set(mids)) > 1, "it moves"
    assert sorted(spreads)[len(spreads) // 2] <= 4 * pair.half_spread_ticks, "the usual spread is a few ticks"
    assert len(exchange.trades(pair.symbol, limit=1_000)) > 10
    assert_books_balance(exchange)


@pytest.mark.parametrize("distance", ["0.001", "0.002", "0.003"])
def test_who_quotes_near_the_mid_price_is_filled_within_a_few_minutes(distance):
    exchange, source = synthetic_market(pairs=DEFAULT_PAIRS[:1])
    for _ in range(12):
        ticker = exchange.book_ticker("SOL_USDC")
        mid = (ticker.bid[0] + ticker.ask[0]) / 2
        exchange.cancel_all("alice", "SOL_USDC")
        for side, factor in (("Bid", 1 - Decimal(distance)), ("Ask", 1 + Decimal(distance))):
            place(exchange, "alice", side, 1, (mid * factor).quantize(Decimal("0.01")))
        run(exchange, source, seconds=15)
    assert exchange.fills("alice")
    assert_books_balance(exchange)


def test_the_crowd_leaves_a_market_that_is_not_open():
    exchange, source = synthetic_market(pairs=DEFAULT_PAIRS[:1])
    exchange.set_order_book_state("SOL_USDC", OrderBookState.POST_ONLY)
    before = exchange.depth("SOL_USDC")
    run(exchange, source, seconds=5)
    assert exchange.depth("SOL_USDC") == before
    exchange.set_order_book_state("SOL_USDC", OrderBookState.OPEN)
    run(exchange, source, seconds=5)
    assert exchange.depth("SOL_USDC") != before


def test_a_clock_that_jumps_by_hours_costs_no_more_than_a_few_seconds_of_market():
    exchange, source = synthetic_market(pairs=DEFAULT_PAIRS[:1])
    heard = []
    exchange.listeners.append(heard.append)
    exchange.clock.advance(36_000)
    source.step()
    assert 0 < len(heard) < Synthetic.MAX_TICKS_PER_STEP * 200
    heard.clear()
    source.step()
    assert heard == [], "the rest of the pause is not made up for later"


def test_users_cannot_break_the_crowd_by_moving_the_last_price():
    pair = SyntheticPair(symbol="SOL_USDC", price=150.0, ladder_levels=1, touch_levels=1, sweeps_per_minute=0)
    exchange, source = synthetic_market(pairs=[pair])
    for price in ("118", "98"):
        place(exchange, "alice", "Ask", 1_000, price)
        place(exchange, "bob", "Bid", 1_000, price)
    assert exchange.trades("SOL_USDC", 1)[0].price == 98
    run(exchange, source, seconds=5)  # 150 is now outside the venue's price band
    assert_books_balance(exchange)


def test_a_participant_is_topped_up_by_deposits():
    exchange = quiet_exchange()
    source = Synthetic(7, pairs=DEFAULT_PAIRS[:1])
    source.open(exchange)
    brought_in = {"USDC": 3 * START["USDC"], "SOL": 3 * START["SOL"]}
    for asset, amount in brought_in.items():
        assert exchange.ledger.minted(asset) - amount in (Participant.TOP_UP, 2 * Participant.TOP_UP)


def test_memory_is_flat():
    """The figure for a million events is in benchmarks/engine_memory.py; this is the same in small."""
    exchange, source = synthetic_market(pairs=DEFAULT_PAIRS[:2])
    events = [0]
    exchange.listeners.append(lambda batch: events.__setitem__(0, events[0] + len(batch)))
    while events[0] < 60_000:  # until the bounded histories are full
        run(exchange, source, seconds=1)
    tracemalloc.start()
    while events[0] < 100_000:
        run(exchange, source, seconds=1)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Trades and candles still fill up their bounds: about 1 kB a trade. 40,000 events kept would be 10 MB and more.
    assert grown < 3_000_000


# The replica


def replica_of(exchange: Exchange) -> Replica:
    return Replica(exchange, "SOL_USDC", Participant(exchange, "makers"), Participant(exchange, "takers"))


def levels(text: str) -> list[tuple[Decimal, Decimal]]:
    """ "100:5 101:0" as levels."""
    return [tuple(map(Decimal, level.split(":"))) for level in text.split()]


def test_a_replica_shows_what_the_venue_shows():
    exchange = quiet_exchange()
    replica = replica_of(exchange)
    replica.replace(levels("99:5 98:3"), levels("101:4"))
    assert bids_and_asks(exchange) == ({"98": "3", "99": "5"}, {"101": "4"})
    replica.update(levels("99:2 97:1"), levels("101:6 102:1"))
    assert bids_and_asks(exchange) == ({"97": "1", "98": "3", "99": "2"}, {"101": "6", "102": "1"})
    replica.update(levels("99:0 50:0"), levels("101:1"))
    assert bids_and_asks(exchange) == ({"97": "1", "98": "3"}, {"101": "1", "102": "1"})
    replica.replace(levels("97:2"), levels("103:1"))
    assert bids_and_asks(exchange) == ({"97": "2"}, {"103": "1"})
    assert_books_balance(exchange)


LEVELS = st.dictionaries(st.integers(90, 110), st.integers(0, 9), max_size=6)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(LEVELS, LEVELS, st.booleans(), st.integers(90, 110), st.integers(1, 5)), max_size=20))
def test_without_users_the_replica_equals_the_venue(steps):
    """Books and trades of any venue that is not crossed, in any order."""
    exchange = quiet_exchange()
    replica = replica_of(exchange)
    venue: dict[str, dict[int, int]] = {"bids": {}, "asks": {}}
    for bids, asks, whole, trade_price, trade_quantity in steps:
        best_ask = min((price for price, quantity in asks.items() if quantity), default=200)
        bids = {price: quantity if price < best_ask else 0 for price, quantity in bids.items()}
        if whole:
            venue = {"bids": dict(bids), "asks": dict(asks)}
            replica.replace(as_levels(bids), as_levels(asks))
        else:
            best_bid = max((p for p, q in (venue["bids"] | bids).items() if q), default=0)
            asks = {p: q if p > best_bid else 0 for p, q in asks.items()}
            low = min((p for p, q in (venue["asks"] | asks).items() if q), default=200)
            bids = {p: q if p < low else 0 for p, q in bids.items()}
            venue = {"bids": venue["bids"] | bids, "asks": venue["asks"] | asks}
            replica.update(as_levels(bids), as_levels(asks))
        shown = {side: {str(p): str(q) for p, q in sorted(book.items()) if q} for side, book in venue.items()}
        assert bids_and_asks(exchange) == (shown["bids"], shown["asks"])
        replica.trade(Decimal(trade_price), Decimal(trade_quantity), is_buyer_maker=bool(trade_quantity % 2))
        # The venue tells the depth that its trade caused; here nothing changed.
        replica.update(as_levels(venue["bids"]), as_levels(venue["asks"]))
        assert bids_and_asks(exchange) == (shown["bids"], shown["asks"])
    assert_books_balance(exchange)


def as_levels(book: dict[int, int]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(price), Decimal(quantity)) for price, quantity in book.items()]


def test_a_user_waits_behind_what_was_there_before():
    exchange = quiet_exchange()
    replica = replica_of(exchange)
    replica.replace(levels("99:5"), levels("101:5"))
    mine = place(exchange, "alice", "Bid", 1, 99)
    replica.update(levels("99:9"), [])  # 4 more, behind mine
    replica.update(levels("99:3"), [])  # 6 cancelled: the youngest are taken to be behind mine, then before it
    replica.trade(Decimal(99), Decimal(3), is_buyer_maker=True)
    assert mine.status is OrderStatus.NEW, "3 were still ahead"
    replica.trade(Decimal(99), Decimal(1), is_buyer_maker=True)
    assert mine.status is OrderStatus.FILLED


@pytest.mark.parametrize(
    "happens",
    [
        pytest.param(
            lambda replica: replica.trade(Decimal(98), Decimal(1), is_buyer_maker=True), id="a trade at a worse price"
        ),
        pytest.param(lambda replica: replica.update([], levels("99:2")), id="an offer that reaches into the order"),
    ],
)
def test_a_users_order_fills_when_the_market_trades_through_it(happens):
    exchange = quiet_exchange()
    replica = replica_of(exchange)
    replica.replace(levels("98:5"), levels("101:5"))
    mine = place(exchange, "alice", "Bid", 1, 99)
    happens(replica)
    assert mine.status is OrderStatus.FILLED
    assert exchange.fills("alice")[0].price == 99 and exchange.fills("alice")[0].is_maker
    assert_books_balance(exchange)


# Recordings


def test_a_recording_plays_the_same_books_and_trades(tmp_path: Path):
    exchange, source = synthetic_market(pairs=DEFAULT_PAIRS[:2])
    with Recorder(exchange, tmp_path / "session.jsonl"):
        run(exchange, source, seconds=20)
        tape = [(t.price, t.quantity, t.is_buyer_maker) for t in exchange.trades("SOL_USDC", 1_000)]
        halfway = exchange.depth("SOL_USDC")
        run(exchange, source, seconds=20)
    run(exchange, source, seconds=1)  # not recorded any more

    again, recorded = quiet_exchange(), Recorded(tmp_path / "session.jsonl")
    again.clock.advance(1_000)
    recorded.open(again)
    run(again, recorded, seconds=20)
    run(again, recorded, seconds=0.01, step_s=0.01)  # one command's events are a few microseconds apart
    assert (again.depth("SOL_USDC").bids, again.depth("SOL_USDC").asks) == (halfway.bids, halfway.asks)
    replayed = [(t.price, t.quantity, t.is_buyer_maker) for t in again.trades("SOL_USDC", 1_000)]
    assert sum(q for _, q, _ in replayed) == sum(q for _, q, _ in tape[: len(tape) - 1])
    assert not recorded.finished
    run(again, recorded, seconds=21)
    assert recorded.finished
    assert_books_balance(again)


def test_a_recording_made_by_hand(tmp_path: Path):
    (tmp_path / "tape.jsonl").write_text(
        "\n".join(
            json.dumps(record)
            for record in (
                {"type": "recording", "version": 1, "note": "unknown keys are ignored"},
                {"type": "book", "time_us": 5, "symbol": "SOL_USDC", "bids": [["99", "2"]], "asks": [["101", "1"]]},
                {
                    "type": "trade",
                    "time_us": 1_000_005,
                    "symbol": "SOL_USDC",
                    "price": "101",
                    "quantity": "1",
                    "is_buyer_maker": False,
                },
                {"type": "depth", "time_us": 1_000_005, "symbol": "SOL_USDC", "bids": [], "asks": [["101", "0"]]},
            )
        )
    )
    exchange, recorded = quiet_exchange(), Recorded(tmp_path / "tape.jsonl")
    recorded.open(exchange)
    assert bids_and_asks(exchange) == ({"99": "2"}, {"101": "1"})
    exchange.clock.advance(0.9)
    recorded.step()
    assert exchange.trades("SOL_USDC") == []
    exchange.clock.advance(0.1)
    recorded.step()
    assert [trade.price for trade in exchange.trades("SOL_USDC")] == [101]
    assert bids_and_asks(exchange) == ({"99": "2"}, {})


HEADER = '{"type":"recording","version":1}\n'
TRADE = '{"type":"trade","time_us":1,"symbol":"SOL_USDC","price":"101","quantity":"1","is_buyer_maker":false}\n'


@pytest.mark.parametrize(
    "text, complaint",
    [
        pytest.param("", "line 0: expected", id="empty file"),
        pytest.param('{"type":"recording","version":2}', "line 1: expected", id="another version"),
        pytest.param(HEADER + "not json", "line 2: not JSON", id="not JSON"),
        pytest.param(HEADER + "[]", "line 2: expected an object", id="not an object"),
        pytest.param(HEADER + TRADE.replace("1,", '"1",', 1), "line 2: expected time_us", id="time as text"),
        pytest.param(HEADER + TRADE.replace("SOL", "DOGE"), "line 2: expected a listed symbol", id="unknown symbol"),
        pytest.param(HEADER + TRADE.replace('"101"', '"cheap"'), "line 2: not playable", id="price is no number"),
        pytest.param(HEADER + TRADE.replace('"101"', '"1.001"'), "line 2: not playable", id="finer than the tick"),
        pytest.param(HEADER + TRADE.replace("trade", "gossip"), "line 2: not playable", id="unknown type"),
        pytest.param(
            HEADER + TRADE.replace('_us":1', '_us":2') + TRADE, "line 3: expected a time of at least 2", id="backwards"
        ),
    ],
)
def test_a_recording_that_cannot_be_played_says_where(tmp_path: Path, text: str, complaint: str):
    (tmp_path / "bad.jsonl").write_text(text)
    with pytest.raises(RecordingError, match=f"bad.jsonl, {complaint}"):
        exchange, recorded = quiet_exchange(), Recorded(tmp_path / "bad.jsonl")
        recorded.open(exchange)
        exchange.clock.advance(1)
        recorded.step()


def test_a_participant_passes_on_refusals_that_are_its_own_fault():
    exchange = quiet_exchange()
    replica = replica_of(exchange)
    with pytest.raises(Rejected, match="Quantity decimal too long"):
        replica.update(levels("98:1.001"), [])
