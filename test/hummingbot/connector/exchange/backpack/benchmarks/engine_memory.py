"""Memory of the engine and the synthetic market over many events. Run: python engine_memory.py [events]

Prints the resident memory of this process every tenth of the way. The bounded histories (public trades, candles,
the crowd's own orders) fill up in the first part; from there on the figure must stand still.
"""

import gc
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[6]))
import conftest  # noqa: F401  (puts this checkout's connector in front of an installed one)
from hummingbot.connector.exchange.backpack.simulator.clock import ManualClock
from hummingbot.connector.exchange.backpack.simulator.market import Synthetic
from hummingbot.connector.exchange.backpack.simulator.matching import Exchange


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def main(events: int) -> None:
    clock = ManualClock()
    exchange = Exchange(clock)
    seen = 0

    def count(batch: object) -> None:
        nonlocal seen
        seen += len(batch)  # type: ignore[arg-type]

    exchange.listeners.append(count)
    source = Synthetic(seed=1)
    source.open(exchange)
    print(f"{'events':>12}  {'market time':>12}  {'resident':>9}  {'elapsed':>8}")
    started, opened_us, next_report = time.perf_counter(), clock.now_us(), 0
    while seen < events:
        clock.advance(0.25)
        source.step()
        if seen >= next_report:
            gc.collect()
            minutes = (clock.now_us() - opened_us) / 60_000_000
            elapsed_s = time.perf_counter() - started
            print(f"{seen:>12,}  {minutes:>8.1f} min  {resident_mb():>6.1f} MB  {elapsed_s:>6.1f} s", flush=True)
            next_report += events // 10


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
