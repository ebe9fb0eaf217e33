"""Tickers and candles: buckets, borders and bounds."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack.simulator.model import Trade
from hummingbot.connector.exchange.backpack.simulator.statistics import MAX_CANDLES, Candle, Interval, Statistics
from test.hummingbot.connector.exchange.backpack.simulator.trading_floor import place, quiet_exchange

NOON_S = round(datetime(2026, 3, 4, 12, tzinfo=UTC).timestamp())  # a Wednesday


def statistics_of(*trades: tuple[int, str, str]) -> Statistics:
    """(seconds after noon, price, quantity) of each trade."""
    statistics = Statistics("SOL_USDC")
    for number, (after_s, price, quantity) in enumerate(trades):
        time_us = (NOON_S + after_s) * 1_000_000
        statistics.record(Trade(time_us, "SOL_USDC", number, Decimal(price), Decimal(quantity), 1, 2, False))
    return statistics


TRADES = ((0, "150", "1"), (20, "152", "2"), (59, "149", "1"), (60, "151", "4"), (200, "148", "1"))


def figures(candle: Candle) -> str:
    prices = " ".join("-" if price is None else f"{price:f}" for price in (candle.open, candle.high, candle.low))
    return f"{prices} {'-' if candle.close is None else f'{candle.close:f}'} {candle.volume:f} {candle.trades}"


def test_minute_candles_with_an_empty_one_between():
    candles = statistics_of(*TRADES).candles(Interval.M1, NOON_S, NOON_S + 200)
    assert [figures(candle) for candle in candles] == [
        "150 152 149 149 4 3",
        "151 151 151 151 4 1",
        "- - - - 0 0",
        "148 148 148 148 1 1",
    ]
    assert candles[0].quote_volume == 150 + 304 + 149
    assert [candle.start_s - NOON_S for candle in candles] == [0, 60, 120, 180]


@pytest.mark.parametrize("interval", [i for i in Interval if i not in (Interval.S1, Interval.M1, Interval.M3)])
def test_every_longer_interval_sums_up_the_same_trades(interval: Interval):
    candle = statistics_of(*TRADES).candle(interval, NOON_S + 100)
    assert figures(candle) == "150 152 148 148 9 5"


@pytest.mark.parametrize(
    "interval, start, end",
    [
        pytest.param("1s", "2026-03-04 12:34:56", "2026-03-04 12:34:57", id="1s"),
        pytest.param("15m", "2026-03-04 12:30:00", "2026-03-04 12:45:00", id="15m"),
        pytest.param("8h", "2026-03-04 08:00:00", "2026-03-04 16:00:00", id="8h"),
        pytest.param("1w", "2026-03-02 00:00:00", "2026-03-09 00:00:00", id="weeks start on Mondays"),
        pytest.param("1month", "2026-03-01 00:00:00", "2026-04-01 00:00:00", id="months as in the calendar"),
    ],
)
def test_borders_of_buckets(interval: str, start: str, end: str):
    kind = Interval(interval)
    start_s = kind.start_of(NOON_S + 34 * 60 + 56)
    shown = [f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M:%S}" for at_s in (start_s, kind.end_of(start_s))]
    assert shown == [start, end]
    assert kind.start_of(kind.end_of(start_s) - 1) == start_s


def test_the_first_candle_starts_at_or_after_the_time_asked_for():
    # Recorded: asked from 15:32:58, the venue began with 15:33:00.
    candles = statistics_of(*TRADES).candles(Interval.M1, NOON_S - 2, NOON_S + 60)
    assert [candle.start_s - NOON_S for candle in candles] == [0, 60]


def test_the_number_of_candles_is_bounded():
    assert len(statistics_of().candles(Interval.S1, 0, NOON_S)) == MAX_CANDLES


def test_ticker_of_the_last_minutes():
    ticker = statistics_of(*TRADES).ticker(NOON_S + 200, window_s=200)
    assert (ticker.first_price, ticker.last_price, ticker.high, ticker.low) == (151, 148, 151, 148)
    assert (ticker.volume, ticker.quote_volume, ticker.trades) == (5, 752, 2)
    assert statistics_of(*TRADES).ticker(NOON_S + 90_000, window_s=86_400) is None


def test_buckets_are_bounded():
    statistics = statistics_of(*((after_s, "150", "1") for after_s in range(10_000)))
    assert statistics.candle(Interval.S1, NOON_S + 9_999).trades == 1
    assert statistics.candle(Interval.S1, NOON_S + 9_999 - 3_600).trades == 0, "an hour of seconds is kept"
    assert statistics.candle(Interval.H1, NOON_S).trades == 3_600, "coarser buckets are kept longer"


def test_the_exchange_counts_its_own_trades():
    exchange = quiet_exchange()
    assert exchange.ticker("SOL_USDC") is None
    place(exchange, "alice", "Ask", 3, "150")
    place(exchange, "bob", "Bid", 1, "150")
    exchange.clock.advance(3_600)
    place(exchange, "bob", "Bid", 2, "150")
    assert exchange.ticker("SOL_USDC").volume == 3
    assert exchange.candle("SOL_USDC", Interval.M1).volume == 2
    start_s = exchange.clock.now_us() // 1_000_000 - 7_300
    assert [c.trades for c in exchange.candles("SOL_USDC", Interval.H1, start_s) if c.trades] == [1, 1]
    future_s = start_s + 10**6
    assert exchange.candles("SOL_USDC", Interval.H1, future_s) == [], "no candles of the future"
