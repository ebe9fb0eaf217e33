"""What a session leaves behind: Hummingbot's trade database, its log and, of the local exchange, the ledger."""

import json
import re
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import quote as quoted
from urllib.request import urlopen

from hummingbot_backpack.local_exchange import fill_of_ledger
from hummingbot_backpack.problem import Problem
from hummingbot_backpack.reckoning import SCALE, Fill, fill_of_database

LEDGER_TIMEOUT_S = 10
LIVE_STATUSES = frozenset({"BuyOrderCreated", "SellOrderCreated", "OrderFilled"})


@dataclass(frozen=True, slots=True)
class Trade:
    """One of our fills, and when Hummingbot heard of it."""

    time_s: float
    order_id: str
    fill: Fill


@dataclass(frozen=True, slots=True)
class OrderLife:
    """``ended_s`` is None for an order that the database does not know to be over."""

    order_id: str
    created_s: float
    ended_s: float | None
    last_status: str


@dataclass(frozen=True, slots=True)
class Mid:
    time_s: float
    price: Decimal


@dataclass(frozen=True, slots=True)
class Interruption:
    """A stream that was lost; ``down_s`` is None if the log does not tell that it came back."""

    time_s: float
    stream: str
    reason: str
    down_s: float | None
    attempts: int


@dataclass
class MarketRecord:
    """All of one trading pair on one connector, oldest first."""

    market: str
    base: str
    quote: str
    trades: list[Trade] = field(default_factory=list)
    orders: list[OrderLife] = field(default_factory=list)
    mids: list[Mid] = field(default_factory=list)

    @property
    def trading_pair(self) -> str:
        return f"{self.base}-{self.quote}"


@dataclass(frozen=True)
class Ledger:
    """The local exchange's own record of one account."""

    account: str
    fills: list[Fill]
    maker_trades: frozenset[tuple[str, str]]  # trade id and side


def read_database(file: Path) -> list[MarketRecord]:
    """The markets in which something was ordered or filled. Raises Problem if there is nothing to report on."""
    if not file.exists():
        raise Problem(f"There is no trade database {file}.")
    try:
        with closing(sqlite3.connect(f"file:{quoted(str(file))}?mode=ro", uri=True, timeout=5)) as connection:
            records = _markets(connection)
    except sqlite3.Error as error:
        raise Problem(f"{file} is not a trade database of Hummingbot ({error}).") from error
    if not records:
        raise Problem(f"{file} has no orders and no fills: nothing was traded in this session.")
    return records


def _markets(connection: sqlite3.Connection) -> list[MarketRecord]:
    records: dict[tuple[str, str], MarketRecord] = {}

    def record(market: str, base: str, quote: str) -> MarketRecord:
        return records.setdefault((market, f"{base}-{quote}"), MarketRecord(market, base, quote))

    for market, time_ms, order_id, trade_id, side, base, quote, *amounts in connection.execute(
        "SELECT market, timestamp, order_id, exchange_trade_id, trade_type, base_asset, quote_asset, price, amount,"
        " trade_fee FROM TradeFill ORDER BY timestamp, rowid"
    ):
        fill = fill_of_database(trade_id, side, base, quote, *amounts)
        record(market, base, quote).trades.append(Trade(time_ms / 1e3, order_id, fill))
    for market, base, quote, order_id, created_ms, updated_ms, status in connection.execute(
        "SELECT market, base_asset, quote_asset, id, creation_timestamp, last_update_timestamp, last_status"
        ' FROM "Order" ORDER BY creation_timestamp'
    ):
        ended_s = None if status in LIVE_STATUSES else updated_ms / 1e3
        record(market, base, quote).orders.append(OrderLife(order_id, created_ms / 1e3, ended_s, status))
    for market, trading_pair, time_ms, price in _mids(connection):
        if (market, trading_pair) in records:
            records[market, trading_pair].mids.append(Mid(float(time_ms / SCALE) / 1e3, price / SCALE))
    return list(records.values())


def _mids(connection: sqlite3.Connection) -> Iterable[Any]:
    """Hummingbot records them if ``market_data_collection`` is on; older databases do not have the table."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'MarketData'").fetchone():
        return ()
    return connection.execute("SELECT exchange, trading_pair, timestamp, mid_price FROM MarketData ORDER BY timestamp")


# -- the log ----------------------------------------------------------------------------------------------------------

# "2026-11-23 18:11:20,702 - 19508 - logger - WARNING - ..(backpack market stream lost after 73 s: why; next attempt.."
_LOST = re.compile(r"^(\S+ \S+) - .*?(\w+ (?:market|private)) stream lost after \d+ s: (.*); next attempt in")
_LIVE = re.compile(r"^(\S+ \S+) - .*?(\w+ (?:market|private)) stream live \(attempt (\d+), ([\d.]+) s down\)")


def read_log(file: Path) -> list[Interruption]:
    """The streams' interruptions. The log tells local time without a zone: this machine's is taken.

    Raises Problem if the file cannot be read.
    """
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise Problem(f"The log {file} cannot be read: {error.strerror}.") from error
    return interruptions(lines)


def interruptions(lines: Iterable[str]) -> list[Interruption]:
    found: list[Interruption] = []
    open_by_stream: dict[str, int] = {}
    for line in lines:
        if lost := _LOST.match(line):
            time_text, stream, reason = lost.groups()
            if stream not in open_by_stream:  # an attempt that failed belongs to the loss before it
                open_by_stream[stream] = len(found)
                found.append(Interruption(_time_of(time_text), stream, reason, None, 0))
        elif live := _LIVE.match(line):
            _, stream, attempts, down_s = live.groups()
            index = open_by_stream.pop(stream, None)
            if index is not None:  # else: its first connection
                began = found[index]
                found[index] = Interruption(began.time_s, stream, began.reason, float(down_s), int(attempts))
    return found


def _time_of(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S,%f").timestamp()


# -- the ledger -------------------------------------------------------------------------------------------------------


def read_ledger(source: str, account: str | None) -> Ledger:
    """From a local exchange's address or from a file with what its ``/_sim/ledger`` answered.

    Raises Problem if it cannot be read, or has several accounts and none was named.
    """
    is_address = source.startswith(("http://", "https://"))
    try:
        text = _fetched(source) if is_address else Path(source).read_text(encoding="utf-8")
    except (URLError, OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise Problem(f"The ledger {source} cannot be read: {reason}.") from error
    try:
        content = json.loads(text)
        accounts = sorted(content["balances"])
        name = _chosen(accounts, account, source)
        rows = [row for row in content["fills"] if row["account"] == name]
        fills = [fill_of_ledger(row) for row in rows]
        makers = frozenset((fill.trade_id, fill.side) for fill, row in zip(fills, rows, strict=True) if row["isMaker"])
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise Problem(f"{source} is not the ledger of a local exchange ({type(error).__name__}: {error}).") from error
    return Ledger(name, fills, makers)


def _fetched(address: str) -> str:
    with urlopen(f"{address.rstrip('/')}/_sim/ledger", timeout=LEDGER_TIMEOUT_S) as answer:
        text: str = answer.read().decode()
        return text


def _chosen(accounts: Sequence[str], wanted: str | None, source: str) -> str:
    if wanted is None and len(accounts) == 1:
        return accounts[0]
    if wanted not in accounts:
        sentence = f"{source} has the accounts {', '.join(accounts) or '(none)'}; name the session's with --account."
        raise Problem(sentence)
    assert wanted is not None
    return wanted
