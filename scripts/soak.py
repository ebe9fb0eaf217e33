#!/usr/bin/env python
"""Trade for hours while everything goes wrong, then hold the connector against the exchange's ledger.

A market maker on each of three markets and a taker place, cancel and replace orders on a local exchange with a lively
market, while faults from a seed strike several times a minute. At the end the faults stop, all orders are cancelled,
and fills, orders, balances and books have to agree. Exit code 0 if they do, 1 if not, 2 for bad arguments.

    python scripts/soak.py --minutes 10
    python scripts/soak.py --minutes 120 --seed 7 --faults-per-minute 6
"""

import argparse
import asyncio
import gc
import importlib
import logging
import os
import random
import resource
import sys
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PAIRS = ("SOL-USDC", "BTC-USDC", "ETH-USDC")
SIZES = {"SOL-USDC": "0.5", "BTC-USDC": "0.001", "ETH-USDC": "0.02"}
SPREADS = (0.0005, 0.001, 0.002)
REFRESH_S = (4.0, 12.0)
TROUBLE_LASTS_S = (1.0, 25.0)
QUIET_S = 120.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long to trade (default 10)")
    parser.add_argument("--seed", type=int, default=1, help="of market, faults and orders (default 1)")
    parser.add_argument("--faults-per-minute", type=float, default=5.0, metavar="N", help="on average (default 5)")
    arguments = parser.parse_args()
    if arguments.minutes <= 0 or arguments.faults_per_minute < 0:
        parser.error("expected minutes above 0 and faults per minute of 0 or more")
    _use_this_checkout()
    logging.disable(logging.CRITICAL)
    return asyncio.run(Soak(arguments.seed, arguments.minutes * 60, arguments.faults_per_minute).run())


def _use_this_checkout() -> None:
    import test

    sys.path.insert(0, str(CHECKOUT))
    test.__path__ = [str(CHECKOUT / "test"), *test.__path__]
    importlib.import_module("hummingbot_backpack.hook").install()


class Soak:
    def __init__(self, seed: int, seconds: float, faults_per_minute: float) -> None:
        self._seed = seed
        self._seconds = seconds
        self._faults_per_minute = faults_per_minute
        self._dice = random.Random(seed)
        self._placed = 0
        self._refused = 0
        self._struck: Counter[str] = Counter()
        self._wrong_books = 0
        self._book_checks = 0

    async def run(self) -> int:
        from test.hummingbot.connector.exchange.backpack.reliability.rig import Rig, simulator

        market = importlib.import_module(f"{simulator.__name__}.market")
        self._rig = Rig(
            seed=self._seed,
            market=market.Synthetic(self._seed),
            pairs=PAIRS,
            balances={"USDC": "10000000", "SOL": "50000", "BTC": "100", "ETH": "2000"},
        )
        print(f"soak of {self._seconds / 60:.0f} min, seed {self._seed}, {self._faults_per_minute:g} faults a minute")
        async with self._rig:
            began = self._figures()
            self._ends = time.monotonic() + self._seconds
            jobs = [self._make_market(pair) for pair in PAIRS]
            await asyncio.gather(*jobs, self._take(), self._trouble(), self._check_books(), self._tell_progress())
            broken = await self._reckon()
            ended = self._figures()
        self._tell_end(began, ended, broken)
        return 1 if broken or self._wrong_books else 0

    @property
    def _goes_on(self) -> bool:
        return time.monotonic() < self._ends

    # -- trading -------------------------------------------------------------------------------------------------------

    async def _make_market(self, pair: str) -> None:
        """Quotes on both sides at three distances, replaced every few seconds, as market making strategies do."""
        from hummingbot.core.data_type.common import OrderType

        connector = self._rig.connector
        while self._goes_on:
            await asyncio.sleep(self._dice.uniform(*REFRESH_S))
            connector = self._rig.connector
            for order in list(connector.in_flight_orders.values()):
                if order.trading_pair == pair and self._dice.random() < 0.9:
                    connector.cancel(pair, order.client_order_id)
            await asyncio.sleep(0.5)
            mid = connector.get_mid_price(pair) if connector.ready else Decimal("NaN")
            if mid.is_nan():
                continue
            for spread in SPREADS:
                for side, sign in ((connector.buy, -1), (connector.sell, 1)):
                    price = connector.quantize_order_price(pair, mid * (1 + Decimal(str(sign * spread))))
                    kind = OrderType.LIMIT_MAKER if self._dice.random() < 0.5 else OrderType.LIMIT
                    side(pair, Decimal(SIZES[pair]) * self._dice.randint(1, 4), kind, price)
                    self._placed += 1

    async def _take(self) -> None:
        from hummingbot.core.data_type.common import OrderType

        while self._goes_on:
            await asyncio.sleep(self._dice.uniform(3, 9))
            pair = self._dice.choice(PAIRS)
            if self._rig.connector.ready:
                side = self._rig.connector.buy if self._dice.random() < 0.5 else self._rig.connector.sell
                side(pair, Decimal(SIZES[pair]), OrderType.MARKET)
                self._placed += 1

    # -- trouble -------------------------------------------------------------------------------------------------------

    async def _trouble(self) -> None:
        from test.hummingbot.connector.exchange.backpack.reliability.chaos import TROUBLES, arm

        running: set[asyncio.Task[None]] = set()
        while self._goes_on and self._faults_per_minute:
            await asyncio.sleep(self._dice.expovariate(self._faults_per_minute / 60))
            trouble = self._dice.choice(TROUBLES)
            self._struck[trouble.name] += 1
            armed = arm(trouble, self._rig.sim, self._dice)
            task = asyncio.create_task(self._clear_later(armed, self._dice.uniform(*TROUBLE_LASTS_S)))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)

    async def _clear_later(self, armed: object, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._rig.sim.faults.clear(armed)

    # -- judging -------------------------------------------------------------------------------------------------------

    async def _check_books(self) -> None:
        """At any moment: ready, at the exchange's update id, and yet another book, would be a lie."""
        while self._goes_on:
            await asyncio.sleep(0.5)
            self._book_checks += 1
            self._wrong_books += self._rig.is_showing_a_wrong_book()

    async def _reckon(self) -> list[str]:
        sim, connector = self._rig.sim, self._rig.connector
        print("quiet: no more faults, market stopped, cancelling all orders", flush=True)
        for armed in list(sim.faults):
            if armed.fault is not self._rig.requests:
                sim.faults.clear(armed)
        sim.pause_market()
        deadline = time.monotonic() + QUIET_S
        while time.monotonic() < deadline:
            await connector.cancel_all(10)
            broken = self._rig.violations()
            if not broken and not connector.in_flight_orders:
                return []
            await asyncio.sleep(1)
        return broken or [f"order {key} is still open" for key in connector.in_flight_orders]

    def _figures(self) -> dict[str, float]:
        gc.collect()
        return {
            "resident MB": _resident_mb(),
            "asyncio tasks": len(asyncio.all_tasks()),
            "open files and sockets": len(os.listdir("/proc/self/fd")),
            "orders still remembered": len(self._rig.connector._order_tracker.all_fillable_orders),
        }

    async def _tell_progress(self) -> None:
        began = time.monotonic()
        while self._goes_on:
            await asyncio.sleep(min(60.0, max(0.1, self._ends - time.monotonic())))
            figures = ", ".join(f"{name} {value:.0f}" for name, value in self._figures().items())
            print(
                f"{(time.monotonic() - began) / 60:5.1f} min: {self._placed} orders, "
                f"{len(self._rig.told.fills)} fills, "
                f"{sum(self._struck.values())} faults, {len(self._rig.requests.connects)} connects, "
                f"{len(self._rig.requests.calls)} requests; {figures}",
                flush=True,
            )

    def _tell_end(self, began: dict[str, float], ended: dict[str, float], broken: list[str]) -> None:
        told = Counter(name for name, _ in self._rig.told.events)
        print(f"\norders placed {self._placed}; events " + ", ".join(f"{n} {c}" for n, c in sorted(told.items())))
        print("faults " + ", ".join(f"{name} x{count}" for name, count in sorted(self._struck.items())))
        print(f"wrong books while ready: {self._wrong_books} in {self._book_checks} checks")
        for name, value in began.items():
            print(f"{name}: {value:.0f} at the start, {ended[name]:.0f} at the end")
        print(f"requests {len(self._rig.requests.calls)}, websocket connects {len(self._rig.requests.connects)}")
        print("connector and exchange agree" if not broken else "connector and exchange DISAGREE:")
        for text in broken[:20]:
            print(f"  {text}")


def _resident_mb() -> float:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 2**20


if __name__ == "__main__":
    sys.exit(main())
