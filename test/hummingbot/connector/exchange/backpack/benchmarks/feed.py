"""Depth frames that cost their sender next to nothing, and the book that they add up to.

A feed is one market. Its updates are rendered beforehand, all but ids and times, as a cycle that is sent over and over;
after any number of updates the book is known, so that a receiver's can be held against it.
"""

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

FIRST_ID = 6_904_864_764  # ten digits, as all that follow: the length of a frame never changes
MID_TICKS = 15_000  # 150.00
MAX_STEPS = 100_000

Side = dict[int, int]
"""Price in ticks -> quantity in steps, both 0.01; quantity zero removes a level."""


@dataclass(frozen=True)
class Shape:
    """``levels`` that one update changes, from and to, over both sides; ``depth`` of the book in levels a side."""

    levels: tuple[int, int] = (1, 5)
    depth: int = 100
    cycle: int = 500
    seed: int = 1


@dataclass(frozen=True)
class Book:
    """A market at one update id. Levels are text, as REST has them: ascending, so that the best bid is the last."""

    last_id: int
    bids: list[list[str]]
    asks: list[list[str]]


@dataclass
class Feed:
    symbol: str
    shape: Shape
    last_id: int = FIRST_ID
    _bids: Side = field(init=False)
    _asks: Side = field(init=False)
    _changes: list[tuple[Side, Side]] = field(init=False)
    _frames: list[bytes] = field(init=False)
    _booked_id: int = field(default=FIRST_ID, init=False)

    def __post_init__(self) -> None:
        dice = random.Random(f"{self.shape.seed} {self.symbol}")
        self._bids, self._asks = (_first_levels(sign, self.shape.depth, dice) for sign in (-1, 1))
        self._changes = list(_changes(self._bids, self._asks, self.shape, dice))
        self._frames = [_template(self.symbol, bids, asks) for bids, asks in self._changes]

    def next_frames(self, count: int, now_us: int) -> list[bytes]:
        """The next ``count`` updates, as websocket frames ready for the socket."""
        first = self.last_id + 1
        self.last_id += count
        frames, length = self._frames, len(self._frames)
        return [frames[number % length] % (now_us, now_us, number, number) for number in range(first, first + count)]

    def book(self, limit: int | None = None) -> Book:
        """As it is after the update handed out last; ``limit`` keeps the levels nearest the touch."""
        # One whole cycle sets every level that any update ever touches, so that older ones do not matter.
        for number in range(max(self._booked_id, self.last_id - len(self._changes)) + 1, self.last_id + 1):
            bids, asks = self._changes[number % len(self._changes)]
            _apply(self._bids, bids)
            _apply(self._asks, asks)
        self._booked_id = self.last_id
        bids, asks = sorted(self._bids.items()), sorted(self._asks.items())
        if limit is not None:
            bids, asks = bids[-limit:], asks[:limit]
        return Book(self.last_id, _stripped(bids), _stripped(asks))


def _first_levels(sign: int, depth: int, dice: random.Random) -> Side:
    """On every second tick, so that there is room for new levels in between."""
    return {MID_TICKS + sign * ticks: dice.randint(1, MAX_STEPS) for ticks in range(1, 2 * depth, 2)}


def _changes(bids: Side, asks: Side, shape: Shape, dice: random.Random) -> Iterator[tuple[Side, Side]]:
    """Each update as the levels it sets on either side, most of them near the touch; no bid ever reaches an ask."""
    present = (dict(bids), dict(asks))
    for _ in range(shape.cycle):
        update: tuple[Side, Side] = ({}, {})
        levels = dice.randint(*shape.levels)
        while len(update[0]) + len(update[1]) < levels:
            side = dice.randrange(2)
            ticks = 1 + int(2 * shape.depth * dice.random() ** 2)
            price = MID_TICKS + (ticks if side else -ticks)
            removed = price in present[side] and dice.random() < 0.4 and len(present[side]) > shape.depth // 2
            update[side].setdefault(price, 0 if removed else dice.randint(1, MAX_STEPS))
        for levels_now, change in zip(present, update, strict=True):
            _apply(levels_now, change)
        yield update


def _apply(levels: Side, change: Side) -> None:
    for price, quantity in change.items():
        if quantity:
            levels[price] = quantity
        else:
            levels.pop(price, None)


def _template(symbol: str, bids: Side, asks: Side) -> bytes:
    """A frame with its header, and %d for E, T, U and u; all of these have a fixed number of digits."""
    payload = (
        f'{{"data":{{"E":%d,"T":%d,"U":%d,"a":{_padded(asks)},"b":{_padded(bids)},"e":"depth","s":"{symbol}","u":%d}},'
        f'"stream":"depth.{symbol}"}}'
    ).encode()
    digits = len(payload % (10**15, 10**15, FIRST_ID, FIRST_ID))
    return text_header(digits).replace(b"%", b"%%") + payload


def text_header(length: int) -> bytes:
    """Of a whole, uncompressed, unmasked text frame (RFC 6455)."""
    if length < 126:
        return bytes((0x81, length))
    return struct.pack("!BBH", 0x81, 126, length) if length < 2**16 else struct.pack("!BBQ", 0x81, 127, length)


def _padded(side: Side) -> str:
    levels = (f'["{price / 100:.2f}","{quantity / 100:.2f}"]' for price, quantity in sorted(side.items()))
    return f"[{','.join(levels)}]"


def _stripped(levels: list[tuple[int, int]]) -> list[list[str]]:
    return [[_plain(price), _plain(quantity)] for price, quantity in levels]


def _plain(hundredths: int) -> str:
    return f"{hundredths // 100}.{hundredths % 100:02d}".rstrip("0").rstrip(".")
