"""What a followed venue says, read strictly: markets, snapshots of depth, frames of depth and trades."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from .ledger import MAX_SUPPLY
from .model import Level, Market, OrderBookState

T = TypeVar("T")


class SourceError(Exception):
    """The source cannot be followed as things stand; says why. A fresh connection may help."""


@dataclass(frozen=True, slots=True)
class DepthChange:
    """Levels that changed under the update ids ``first_id`` to ``last_id``, absolute, at the source's engine time."""

    symbol: str
    first_id: int
    last_id: int
    time_us: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The source's whole book at one update id."""

    last_id: int
    time_us: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class SourceTrade:
    """A trade at the source; its time has only milliseconds."""

    symbol: str
    time_us: int
    price: Decimal
    quantity: Decimal
    is_buyer_maker: bool


def frame_of(text: str) -> DepthChange | SourceTrade | None:
    """Read one websocket frame; None for streams that nobody here asked for."""
    frame = _parsed(text)
    match frame:
        case {"error": {"code": code, "message": message}}:
            raise SourceError(f"the source refuses the subscription: {code} {message}")
        case {"data": {"e": "depth"} as data}:
            return _read("depth", data, _depth_change)
        case {"data": {"e": "trade"} as data}:
            return _read("trade", data, _trade)
        case {"data": {"e": str()}}:
            return None
    raise SourceError(f"expected a frame of a stream, was {text[:80]!r}")


def snapshot_of(body: Any) -> Snapshot:
    """Read an answer to ``GET /depth``."""
    return _read("depth", body, _snapshot)


def markets_of(body: Any) -> dict[str, Market]:
    """Read the spot markets in an answer to ``GET /markets``, by symbol."""
    if not isinstance(body, list):
        raise SourceError(f"expected a list of markets, was {str(body)[:80]!r}")
    spot = [row for row in body if isinstance(row, dict) and row.get("marketType") == "SPOT"]
    return {market.symbol: market for market in (_read("market", row, _market) for row in spot)}


def _depth_change(data: Any) -> DepthChange:
    return DepthChange(
        str(data["s"]), _whole(data["U"]), _whole(data["u"]), _whole(data["T"]), _levels(data["b"]), _levels(data["a"])
    )


def _trade(data: Any) -> SourceTrade:
    is_buyer_maker = data["m"]
    if not isinstance(is_buyer_maker, bool):
        raise ValueError(f"m is {is_buyer_maker!r}")
    return SourceTrade(str(data["s"]), _whole(data["T"]), _positive(data["p"]), _positive(data["q"]), is_buyer_maker)


def _snapshot(body: Any) -> Snapshot:
    return Snapshot(int(body["lastUpdateId"]), _whole(body["timestamp"]), _levels(body["bids"]), _levels(body["asks"]))


def _market(row: Any) -> Market:
    price, quantity = row["filters"]["price"], row["filters"]["quantity"]
    band = price.get("meanMarkPriceBand")
    return Market(
        symbol=str(row["symbol"]),
        base=str(row["baseSymbol"]),
        quote=str(row["quoteSymbol"]),
        tick_size=_positive(price["tickSize"]),
        step_size=_positive(quantity["stepSize"]),
        min_price=_positive(price["minPrice"]),
        min_quantity=_positive(quantity["minQuantity"]),
        max_price=_optional(price.get("maxPrice")),
        max_quantity=_optional(quantity.get("maxQuantity")),
        min_multiplier=_optional(price.get("minMultiplier")),
        max_multiplier=_optional(price.get("maxMultiplier")),
        min_impact_multiplier=_optional(price.get("minImpactMultiplier")),
        max_impact_multiplier=_optional(price.get("maxImpactMultiplier")),
        mean_mark_price_band=None
        if band is None
        else (_positive(band["minMultiplier"]), _positive(band["maxMultiplier"])),
        # The venue's list says nothing of fees; it waives them between its stablecoins (its fee page, 2026).
        fees_waived=row["symbol"] == "USDT_USDC",
        order_book_state=OrderBookState(row["orderBookState"])
        if row["orderBookState"] in list(OrderBookState)
        else OrderBookState.CLOSED,
        visible=bool(row.get("visible", True)),
        created_at=str(row["createdAt"]),
    )


def _read(what: str, raw: Any, reader: Callable[[Any], T]) -> T:
    try:
        return reader(raw)
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
        name = raw.get("symbol", raw.get("s", "")) if isinstance(raw, Mapping) else ""
        raise SourceError(f"the source's {what} {name} makes no sense: {type(error).__name__} {error}") from None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise SourceError(f"expected JSON, was {text[:80]!r}") from None


def _levels(rows: Any) -> tuple[Level, ...]:
    return tuple((_positive(price), _decimal(quantity)) for price, quantity in rows)


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"expected a whole number, was {value!r}")
    return value


def _decimal(text: Any) -> Decimal:
    number = Decimal(text) if isinstance(text, str) else Decimal("NaN")
    if not number.is_finite() or not 0 <= number <= MAX_SUPPLY:
        raise ValueError(f"expected a decimal of 0 or more as text, was {text!r}")
    return number


def _positive(text: Any) -> Decimal:
    number = _decimal(text)
    if not number:
        raise ValueError("expected more than 0")
    return number


def _optional(text: Any) -> Decimal | None:
    return None if text is None else _positive(text)
