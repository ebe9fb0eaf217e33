"""Rolling tickers and candles from the public trades, in bounded memory."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from .model import ZERO


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
