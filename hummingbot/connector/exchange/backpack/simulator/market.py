"""Where prices come from: what a market source is, and the synthetic one.

``recording.py`` has the recorded one, ``mirror.py`` the one that follows another venue.

A source trades on the exchange as the rest of the world does, through the exchange's own commands and with its own
accounts, so that its events reach the streams like anybody's and the ledger stays whole. A source that follows
another venue keeps that venue's levels in the book with a ``Replica`` (``replica.py``); users' orders rest among them.
"""

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from .matching import Exchange
from .model import (
    ErrorCode,
    Market,
    Order,
    OrderAccepted,
    OrderBookState,
    OrderRequest,
    OrderType,
    Rejected,
    SelfTradePrevention,
    Side,
    TimeInForce,
)


class MarketSource(Protocol):
    """The rest of the world. Its owner calls ``open`` once, ``step`` every 50 to 250 ms or so, ``close`` at the end."""

    def open(self, exchange: Exchange) -> None:
        """Fund the source's accounts and build the first books."""

    def step(self) -> None:
        """Act for the time that the exchange's clock has passed since the last step."""

    async def close(self) -> None:
        """Let go of what was opened; most sources hold nothing."""
        return None

    def status(self) -> Mapping[str, Any]:
        """What an operator should see of the source, as JSON."""
        return {}


class Participant:
    """An account of the rest of the world. Its deposits are explicit: it is topped up when an order needs it."""

    TOP_UP = Decimal(10) ** 9
    HISTORY_LIMIT = 1_000

    def __init__(self, exchange: Exchange, name: str) -> None:
        self.name = name
        self._exchange = exchange
        exchange.add_account(name, history_limit=self.HISTORY_LIMIT)

    def submit(
        self,
        market: Market,
        side: Side,
        price: Decimal,
        quantity: Decimal,
        time_in_force: TimeInForce,
        *,
        mirrored: bool = False,
    ) -> Order | None:
        """Send a limit order; None if users have moved the last price so far that the venue refuses this one."""
        asset, amount = (market.quote, price * quantity) if side is Side.BID else (market.base, quantity)
        while self._exchange.ledger.balance(self.name, asset).available < amount:
            self._exchange.deposit(self.name, asset, self.TOP_UP)
        try:
            events = self._exchange.submit(
                OrderRequest(
                    account=self.name,
                    symbol=market.symbol,
                    side=side,
                    order_type=OrderType.LIMIT,
                    quantity=quantity,
                    price=price,
                    time_in_force=time_in_force,
                    # A source that moves its quotes through its own older ones means the newer.
                    self_trade_prevention=SelfTradePrevention.REJECT_MAKER,
                ),
                mirrored=mirrored,
            )
        except Rejected as refusal:
            if refusal.code is ErrorCode.INVALID_PRICE:
                return None
            raise
        accepted = events[0]
        assert isinstance(accepted, OrderAccepted), "a submit begins with the acceptance"
        return accepted.order

    def cancel(self, order: Order) -> None:
        """Cancel an order unless it has ended."""
        if order.status.is_open:
            self._exchange.cancel(self.name, order.symbol, order_id=order.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticPair:
    """How one synthetic market behaves. Notionals are in the quote asset, distances are fractions of the price.

    The defaults are lively rather than typical: a bot that quotes 0.1 to 0.3 % from the mid price is filled
    about once a minute.
    """

    symbol: str
    price: float
    volatility_per_minute: float = 0.001
    reversion_minutes: float = 20.0
    half_spread_ticks: int = 2
    touch_levels: int = 4
    ladder_levels: int = 50
    ladder_gap: float = 0.00015
    level_notional: float = 1_500.0
    takers_per_minute: float = 30.0
    taker_notional: float = 300.0
    sweeps_per_minute: float = 3.0
    sweep_reach: tuple[float, float] = (0.0008, 0.004)


DEFAULT_PAIRS = (
    SyntheticPair(symbol="SOL_USDC", price=150.0),
    SyntheticPair(symbol="BTC_USDC", price=80_000.0, half_spread_ticks=8, level_notional=6_000.0, taker_notional=900.0),
    SyntheticPair(symbol="ETH_USDC", price=4_000.0, half_spread_ticks=6, level_notional=4_000.0, taker_notional=600.0),
    SyntheticPair(
        symbol="USDT_USDC",
        price=1.0,
        volatility_per_minute=0.00004,
        half_spread_ticks=1,
        touch_levels=1,
        level_notional=20_000.0,
        takers_per_minute=12.0,
        sweeps_per_minute=0.5,
        sweep_reach=(0.0002, 0.0008),
    ),
)


class Synthetic(MarketSource):
    """A seeded market: a mean-reverting walk of a fair price, makers around it, takers who come by chance.

    The walk advances every ``interval_s`` of the exchange's time. Same seed and same clock readings: same events,
    as long as users do the same, too. After a long pause (a clock that was advanced by hours) at most
    ``MAX_TICKS_PER_STEP`` intervals are made up for; the rest of the pause did not happen for this market.
    """

    MAX_TICKS_PER_STEP = 40

    def __init__(
        self, seed: int = 1, pairs: Iterable[SyntheticPair] = DEFAULT_PAIRS, interval_s: float = 0.25
    ) -> None:
        self._seed = seed
        self._pairs = tuple(pairs)
        self._interval_us = round(interval_s * 1_000_000)
        self._crowds: list[_Crowd] = []
        self._last_tick_us = 0

    def open(self, exchange: Exchange) -> None:
        makers, takers = Participant(exchange, "makers"), Participant(exchange, "takers")
        self._crowds = [
            _Crowd(exchange, pair, makers, takers, random.Random(f"{self._seed}/{pair.symbol}"))
            for pair in self._pairs
        ]
        self._clock = exchange.clock
        self._last_tick_us = self._clock.now_us()
        for crowd in self._crowds:
            crowd.open()

    def step(self) -> None:
        now_us = self._clock.now_us()
        due = (now_us - self._last_tick_us) // self._interval_us
        self._last_tick_us += due * self._interval_us
        minutes = self._interval_us / 60_000_000
        for _ in range(min(due, self.MAX_TICKS_PER_STEP)):
            for crowd in self._crowds:
                crowd.tick(minutes)


class _Crowd:
    """The makers and takers of one pair.

    Makers keep a few orders at the touch, moved with the fair price, and a ladder on a fixed uneven grid of prices,
    which only needs an order added at one end and removed at the other as the price drifts.
    """

    REFILL_CHANCE = 0.4
    RESIZES_PER_TICK = 1
    SWEEP_IMPACT = 0.25

    def __init__(
        self, exchange: Exchange, pair: SyntheticPair, makers: Participant, takers: Participant, rng: random.Random
    ) -> None:
        self._exchange = exchange
        self._pair = pair
        self._makers = makers
        self._takers = takers
        self._rng = rng
        self._market = exchange.market(pair.symbol)
        self._tick_size = float(self._market.tick_size)
        self._gap_ticks = max(1, round(pair.price * pair.ladder_gap / self._tick_size))
        self._log_distance = 0.0  # of the fair price from its mean
        self._touch: dict[tuple[Side, int], Order] = {}
        self._ladder: dict[tuple[Side, int], Order] = {}

    @property
    def _fair_price(self) -> float:
        return self._pair.price * math.exp(self._log_distance)

    def open(self) -> None:
        """Build the whole book and print a first trade, so that there is a last price."""
        self._quote_touch()
        self._quote_ladder(refill_chance=1.0)
        self._take(Side.BID, self._fair_price * (1 + self._pair.ladder_gap * 5), self._pair.taker_notional)

    def tick(self, minutes: float) -> None:
        if self._exchange.market(self._pair.symbol).order_book_state is not OrderBookState.OPEN:
            return
        self._move_fair_price(minutes)
        self._quote_touch()
        self._quote_ladder(self.REFILL_CHANCE)
        for _ in range(self._arrivals(self._pair.takers_per_minute * minutes)):
            self._arrive()
        for _ in range(self._arrivals(self._pair.sweeps_per_minute * minutes)):
            self._sweep()

    def _move_fair_price(self, minutes: float) -> None:
        pull = self._log_distance * minutes / self._pair.reversion_minutes
        push = self._rng.gauss(0.0, self._pair.volatility_per_minute * math.sqrt(minutes))
        self._log_distance += push - pull

    # Makers

    def _quote_touch(self) -> None:
        fair_ticks = self._fair_price / self._tick_size
        wanted: dict[tuple[Side, int], int] = {}
        for level in range(self._pair.touch_levels):
            offset = self._pair.half_spread_ticks + level * max(1, self._gap_ticks // 4)
            wanted[Side.BID, level] = math.floor(fair_ticks) - offset
            wanted[Side.ASK, level] = math.ceil(fair_ticks) + offset
        stale = [slot for slot, ticks in wanted.items() if not self._stands(self._touch.get(slot), ticks)]
        for slot in stale:
            order = self._touch.pop(slot, None)
            if order is not None:
                self._makers.cancel(order)
        for slot in stale:
            self._place(self._touch, slot, wanted[slot], self._pair.level_notional * 0.5)

    def _quote_ladder(self, refill_chance: float) -> None:
        middle = math.floor(self._fair_price / self._tick_size / self._gap_ticks)
        levels = self._pair.ladder_levels
        wanted = {(Side.BID, rung): None for rung in range(middle - 1, middle - 1 - levels, -1)}
        wanted |= {(Side.ASK, rung): None for rung in range(middle + 2, middle + 2 + levels)}
        for slot in [slot for slot, order in self._ladder.items() if slot not in wanted or not order.status.is_open]:
            self._makers.cancel(self._ladder.pop(slot))
        for _ in range(self.RESIZES_PER_TICK if self._ladder else 0):
            slot = self._rng.choice(list(self._ladder))
            self._makers.cancel(self._ladder.pop(slot))
        for side, rung in wanted:
            if (side, rung) not in self._ladder and self._rng.random() < refill_chance:
                depth = abs(rung - middle) / levels
                self._place(self._ladder, (side, rung), self._rung_ticks(rung), self._pair.level_notional * (1 + depth))

    def _rung_ticks(self, rung: int) -> int:
        """A grid of prices that looks uneven and is always the same: multiplicative hashing (Knuth) moves each rung."""
        return rung * self._gap_ticks + (rung * 2_654_435_761 >> 7) % self._gap_ticks

    def _stands(self, order: Order | None, ticks: int) -> bool:
        return order is not None and order.status.is_open and order.price == ticks * self._market.tick_size

    def _place(
        self, quotes: dict[tuple[Side, int], Order], slot: tuple[Side, int], ticks: int, notional: float
    ) -> None:
        quantity = self._quantity(notional * self._rng.lognormvariate(0.0, 0.5))
        order = self._makers.submit(
            self._market, slot[0], ticks * self._market.tick_size, quantity, TimeInForce.GTC
        )
        if order is not None and order.status.is_open:
            quotes[slot] = order

    # Takers

    def _arrivals(self, expected: float) -> int:
        """A Poisson number, by counting exponential gaps."""
        count, at = 0, self._rng.expovariate(1.0)
        while at < expected:
            count, at = count + 1, at + self._rng.expovariate(1.0)
        return count

    def _arrive(self) -> None:
        side = self._rng.choice((Side.BID, Side.ASK))
        notional = self._pair.taker_notional * self._rng.lognormvariate(0.0, 1.0)
        patience = self._pair.ladder_gap * 5
        self._take(side, self._fair_price * (1 + patience if side is Side.BID else 1 - patience), notional)

    def _sweep(self) -> None:
        """Someone in a hurry takes all there is up to a price, and the fair price follows part of the way."""
        side = self._rng.choice((Side.BID, Side.ASK))
        reach = self._rng.uniform(*self._pair.sweep_reach) * (1 if side is Side.BID else -1)
        limit = self._fair_price * (1 + reach)
        depth = self._exchange.depth(self._pair.symbol)
        in_reach = depth.asks if side is Side.BID else depth.bids
        notional = sum(
            float(price * quantity)
            for price, quantity in in_reach
            if (float(price) <= limit if side is Side.BID else float(price) >= limit)
        )
        self._take(side, limit, notional)
        self._log_distance += reach * self.SWEEP_IMPACT

    def _take(self, side: Side, limit: float, notional: float) -> None:
        rounding = math.floor if side is Side.BID else math.ceil
        price = max(1, rounding(limit / self._tick_size)) * self._market.tick_size
        self._takers.submit(self._market, side, price, self._quantity(notional), TimeInForce.IOC)

    def _quantity(self, notional: float) -> Decimal:
        steps = round(notional / self._fair_price / float(self._market.step_size))
        return max(self._market.min_quantity, steps * self._market.step_size)
