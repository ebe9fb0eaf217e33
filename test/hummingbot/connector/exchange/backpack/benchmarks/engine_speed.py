"""Orders per second through the simulator's engine, in process. Run: python engine_speed.py [orders]

Two traders send limit orders around one price; about a third of them trade, every fourth order is cancelled
again. One listener is attached, as the server is. Nothing is asserted here: timings depend on the machine.
"""

import random
import sys
import time
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[6]))
import conftest  # noqa: F401  (puts this checkout's connector in front of an installed one)
from hummingbot.connector.exchange.backpack.simulator.clock import ManualClock
from hummingbot.connector.exchange.backpack.simulator.matching import Exchange
from hummingbot.connector.exchange.backpack.simulator.model import (
    OrderAccepted,
    OrderFilled,
    OrderRequest,
    OrderType,
    Side,
)


def main(orders: int) -> None:
    rng = random.Random(1)
    clock = ManualClock()
    exchange = Exchange(clock)
    for name in ("alice", "bob"):
        exchange.add_account(name, {"USDC": Decimal(10) ** 12, "SOL": Decimal(10) ** 9}, history_limit=10_000)
    counts = {"events": 0, "fills": 0}

    def listen(events: object) -> None:
        for event in events:  # type: ignore[attr-defined]
            counts["events"] += 1
            counts["fills"] += isinstance(event, OrderFilled)

    exchange.listeners.append(listen)
    requests = [
        OrderRequest(
            account=rng.choice(("alice", "bob")),
            symbol="SOL_USDC",
            side=rng.choice((Side.BID, Side.ASK)),
            order_type=OrderType.LIMIT,
            quantity=Decimal(rng.randint(1, 1_000)) * Decimal("0.01"),
            price=Decimal(round(rng.gauss(15_000, 40))) * Decimal("0.01"),
        )
        for _ in range(orders)
    ]
    cancels = 0
    started = time.perf_counter()
    for number, request in enumerate(requests):
        clock.advance(0.000_1)
        accepted = exchange.submit(request)[0]
        assert isinstance(accepted, OrderAccepted)
        if number % 4 == 0 and accepted.order.status.is_open:
            exchange.cancel(request.account, request.symbol, order_id=accepted.order.id)
            cancels += 1
    elapsed_s = time.perf_counter() - started
    resting = len(exchange.open_orders("alice")) + len(exchange.open_orders("bob"))
    print(
        f"{orders:,} orders and {cancels:,} cancels in {elapsed_s:.2f} s: {orders / elapsed_s:,.0f} orders/s; "
        f"{counts['fills']:,} fills, {counts['events']:,} events, {resting:,} orders resting at the end"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
