"""Rolling tickers and candles from the public trades, in bounded memory.

Trades are summed up at four resolutions, each with a bounded number of buckets that had trades; every
venue interval is put together from the coarsest resolution that fits it.
Simplified: a rolling ticker window moves by whole minutes; candles reach back only as far as the buckets
(an hour of seconds, a week of minutes, six weeks of hours, about a year of days).
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from .model import ZERO, Trade

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
MAX_CANDLES = 1_000

_RESOLUTIONS = {1: 3_600, MINUTE_S: 10_080, HOUR_S: 1_000, DAY_S: 400}
_EPOCH_MONDAY_S = 4 * DAY_S  # 1970-01-01 was a Thursday; weeks start on Mondays


class Interval(StrEnum):
    S1 = "1s"
    M1 = "1m"
    M3 = "3m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H2 = "2h"
    H4 = "4h"
    H6 = "6h"
    H8 = "8h"
    H12 = "12h"
    D1 = "1d"
    D3 = "3d"
    W1 = "1w"
    MONTH1 = "1month"

    @property
    def seconds(self) -> int:
        """Length of a bucket; of a month, its longest."""
        return _SECONDS[self]

    def start_of(self, time_s: int) -> int:
        """Start of the bucket that holds a time, in seconds since 1970 (UTC)."""
        if self is Interval.MONTH1:
            moment = datetime.fromtimestamp(time_s, UTC)
            return round(datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp())
        origin = _EPOCH_MONDAY_S if self is Interval.W1 else 0
        return time_s - (time_s - origin) % self.seconds

    def end_of(self, start_s: int) -> int:
        """Start of the next bucket."""
        if self is Interval.MONTH1:
            return self.start_of(start_s + self.seconds)
        return start_s + self.seconds


_SECONDS = {
    Interval.S1: 1,
    Interval.M1: MINUTE_S,
    Interval.M3: 3 * MINUTE_S,
    Interval.M5: 5 * MINUTE_S,
    Interval.M15: 15 * MINUTE_S,
    Interval.M30: 30 * MINUTE_S,
    Interval.H1: HOUR_S,
    Interval.H2: 2 * HOUR_S,
    Interval.H4: 4 * HOUR_S,
    Interval.H6: 6 * HOUR_S,
    Interval.H8: 8 * HOUR_S,
    Interval.H12: 12 * HOUR_S,
    Interval.D1: DAY_S,
    Interval.D3: 3 * DAY_S,
    Interval.W1: 7 * DAY_S,
    Interval.MONTH1: 31 * DAY_S,
}


@dataclass(slots=True)
class Candle:
    """One bucket, ``start_s`` inclusive to ``end_s`` exclusive; without trades it has no prices."""

    start_s: int
    end_s: int
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    close: Decimal | None = None
    volume: Decimal = ZERO
    quote_volume: Decimal = ZERO
    trades: int = 0


@dataclass(frozen=True, slots=True)
class Ticker:
    """Figures of the trades in a rolling window."""

    symbol: str
    first_price: Decimal
    last_price: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int


class _Bucket:
    """Trades of one stretch of time; exists only once there was a trade."""

    __slots__ = ("close", "high", "low", "open", "quote_volume", "trades", "volume")

    def __init__(self, price: Decimal) -> None:
        self.open = self.high = self.low = self.close = price
        self.volume = ZERO
        self.quote_volume = ZERO
        self.trades = 0

    def add(self, price: Decimal, quantity: Decimal) -> None:
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.close = price
        self.volume += quantity
        self.quote_volume += price * quantity
        self.trades += 1


class Statistics:
    """The trade figures of one market."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self._buckets: dict[int, OrderedDict[int, _Bucket]] = {
            resolution_s: OrderedDict() for resolution_s in _RESOLUTIONS
        }

    def record(self, trade: Trade) -> None:
        time_s = trade.time_us // 1_000_000
        for resolution_s, buckets in self._buckets.items():
            start_s = time_s - time_s % resolution_s
            bucket = buckets.get(start_s)
            if bucket is None:
                bucket = buckets[start_s] = _Bucket(trade.price)
                if len(buckets) > _RESOLUTIONS[resolution_s]:
                    buckets.popitem(last=False)
            bucket.add(trade.price, trade.quantity)

    def ticker(self, now_s: int, window_s: int) -> Ticker | None:
        """The last ``window_s`` seconds in whole minutes, None without a trade in them."""
        window = Candle(now_s - window_s, now_s)
        for start_s, bucket in reversed(self._buckets[MINUTE_S].items()):
            if start_s <= now_s - window_s:
                break
            _put_before(window, bucket)
        if window.open is None or window.close is None or window.high is None or window.low is None:
            return None
        return Ticker(
            self.symbol,
            first_price=window.open,
            last_price=window.close,
            high=window.high,
            low=window.low,
            volume=window.volume,
            quote_volume=window.quote_volume,
            trades=window.trades,
        )

    def candle(self, interval: Interval, time_s: int) -> Candle:
        """The bucket of an interval that holds a time."""
        start_s = interval.start_of(time_s)
        candle = Candle(start_s, interval.end_of(start_s))
        resolution_s = max(unit_s for unit_s in _RESOLUTIONS if unit_s <= interval.seconds)
        buckets = self._buckets[resolution_s]
        for unit_start_s in range(candle.end_s - resolution_s, start_s - 1, -resolution_s):
            bucket = buckets.get(unit_start_s)
            if bucket is not None:
                _put_before(candle, bucket)
        return candle

    def candles(self, interval: Interval, start_s: int, end_s: int) -> list[Candle]:
        """Buckets that start in [start_s, end_s], oldest first, at most ``MAX_CANDLES``; empty ones included."""
        candles: list[Candle] = []
        at_s = interval.start_of(start_s)
        if at_s < start_s:
            at_s = interval.end_of(at_s)
        while at_s <= end_s and len(candles) < MAX_CANDLES:
            candles.append(self.candle(interval, at_s))
            at_s = candles[-1].end_s
        return candles


def _put_before(candle: Candle, earlier: _Bucket) -> None:
    """Widen a candle by the bucket that precedes what it holds so far."""
    candle.open = earlier.open
    candle.high = earlier.high if candle.high is None else max(candle.high, earlier.high)
    candle.low = earlier.low if candle.low is None else min(candle.low, earlier.low)
    candle.close = earlier.close if candle.close is None else candle.close
    candle.volume += earlier.volume
    candle.quote_volume += earlier.quote_volume
    candle.trades += earlier.trades
