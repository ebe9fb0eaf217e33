"""Recorded markets: write down what an exchange shows in public, and play it again later.

A recording is text, one JSON object a line, in time order::

    {"type":"recording","version":1}
    {"type":"book","time_us":1790000000000000,"symbol":"SOL_USDC","bids":[["149.99","2.5"]],"asks":[["150.01","1"]]}
    {"type":"depth","time_us":1790000000250000,"symbol":"SOL_USDC","bids":[],"asks":[["150.01","0"],["150.02","3"]]}
    {"type":"trade","time_us":1790000000500000,"symbol":"SOL_USDC","price":"149.99","quantity":"0.5","is_buyer_maker":true}

``book`` is a whole book (each symbol starts with one; a later one replaces what is there), ``depth`` sets single
levels to absolute quantities ("0" removes), ``trade`` is a public trade, told before the depth that it causes.
Prices and quantities are text and fit the market's tick and step. Unknown keys are ignored.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from .market import MarketSource, Participant
from .matching import Exchange
from .model import DepthUpdated, Event, Level, Rejected, Traded
from .replica import Replica

VERSION = 1


class Recorder:
    """Writes an exchange's books and trades to a file while it is entered."""

    def __init__(self, exchange: Exchange, path: Path) -> None:
        self._exchange = exchange
        self._path = path
        self._file: TextIO | None = None

    def __enter__(self) -> "Recorder":
        self._file = self._path.open("w", encoding="utf-8")
        self._write({"type": "recording", "version": VERSION})
        time_us = self._exchange.clock.now_us()
        for symbol in self._exchange.markets:
            depth = self._exchange.depth(symbol)
            levels = {"bids": _as_text(depth.bids), "asks": _as_text(depth.asks)}
            self._write({"type": "book", "time_us": time_us, "symbol": symbol, **levels})
        self._exchange.listeners.append(self._listen)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._exchange.listeners.remove(self._listen)
        if self._file is not None:
            self._file.close()

    def _listen(self, events: Sequence[Event]) -> None:
        for event in events:
            match event:
                case DepthUpdated(time_us=time_us, symbol=symbol, bids=bids, asks=asks):
                    levels = {"bids": _as_text(bids), "asks": _as_text(asks)}
                    self._write({"type": "depth", "time_us": time_us, "symbol": symbol, **levels})
                case Traded(time_us=time_us, trade=trade):
                    self._write(
                        {
                            "type": "trade",
                            "time_us": time_us,
                            "symbol": trade.symbol,
                            "price": f"{trade.price:f}",
                            "quantity": f"{trade.quantity:f}",
                            "is_buyer_maker": trade.is_buyer_maker,
                        }
                    )

    def _write(self, record: dict[str, Any]) -> None:
        assert self._file is not None, "entered"
        self._file.write(json.dumps(record, separators=(",", ":")) + "\n")


class RecordingError(ValueError):
    """A recording cannot be played; says where and why."""


class Recorded(MarketSource):
    """Plays a recording: its first record happens when the source is opened, the rest as much later as it did then.

    After the last record (``finished``) the book stands still. The file is read as it is played.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: Iterator[tuple[int, str]] = iter(())
        self._line_number = 0
        self._next: dict[str, Any] | None = None
        self._offset_us = 0
        self._replicas: dict[str, Replica] = {}

    @property
    def finished(self) -> bool:
        return self._next is None

    def open(self, exchange: Exchange) -> None:
        self._clock = exchange.clock
        makers, takers = Participant(exchange, "makers"), Participant(exchange, "takers")
        self._replicas = {symbol: Replica(exchange, symbol, makers, takers) for symbol in exchange.markets}
        self._lines = _numbered_lines(self._path)
        header = self._read() or {}
        if (header.get("type"), header.get("version")) != ("recording", VERSION):
            raise self._error(f'expected {{"type":"recording","version":{VERSION}}} on the first line')
        self._next = self._read()
        if self._next is not None:
            self._offset_us = self._clock.now_us() - self._time_us(self._next)
        self.step()

    def step(self) -> None:
        now_us = self._clock.now_us() - self._offset_us
        while self._next is not None and self._time_us(self._next) <= now_us:
            record, time_us = self._next, self._time_us(self._next)
            self._play(record)
            self._next = self._read()
            if self._next is not None and self._time_us(self._next) < time_us:
                raise self._error(f"expected a time of at least {time_us}, was {self._next['time_us']}")

    def status(self) -> Mapping[str, Any]:
        return {"recording": str(self._path), "state": "finished" if self.finished else "playing"}

    def _play(self, record: dict[str, Any]) -> None:
        replica = self._replicas.get(str(record.get("symbol")))
        if replica is None:
            raise self._error(f"expected a listed symbol, was {record.get('symbol')!r}")
        try:
            match record:
                case {"type": "book", "bids": bids, "asks": asks}:
                    replica.replace(_as_levels(bids), _as_levels(asks))
                case {"type": "depth", "bids": bids, "asks": asks}:
                    replica.update(_as_levels(bids), _as_levels(asks))
                case {"type": "trade", "price": price, "quantity": quantity, "is_buyer_maker": bool(is_buyer_maker)}:
                    replica.trade(Decimal(price), Decimal(quantity), is_buyer_maker=is_buyer_maker)
                case _:
                    raise ValueError("expected a complete book, depth or trade record")
        except (ValueError, TypeError, InvalidOperation, Rejected) as error:
            raise self._error(f"not playable: {error}") from error

    def _read(self) -> dict[str, Any] | None:
        line = next(self._lines, None)
        if line is None:
            return None
        self._line_number, text = line
        try:
            record = json.loads(text)
        except ValueError as error:
            raise self._error(f"not JSON: {error}") from error
        if not isinstance(record, dict):
            raise self._error(f"expected an object, was {text.strip()[:80]}")
        return record

    def _time_us(self, record: dict[str, Any]) -> int:
        time_us = record.get("time_us")
        if not isinstance(time_us, int):
            raise self._error(f"expected time_us in whole microseconds, was {time_us!r}")
        return time_us

    def _error(self, what: str) -> RecordingError:
        return RecordingError(f"{self._path}, line {self._line_number}: {what}")


def _numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8") as file:
        yield from enumerate(file, start=1)


def _as_text(levels: Sequence[Level]) -> list[tuple[str, str]]:
    return [(f"{price:f}", f"{quantity:f}") for price, quantity in levels]


def _as_levels(levels: Sequence[Sequence[str]]) -> list[Level]:
    return [(Decimal(price), Decimal(quantity)) for price, quantity in levels]
