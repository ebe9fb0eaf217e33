"""Each strategy as a user runs it, real Hummingbot on the local exchange; the exchange's ledger is the judge.

A crowd takes our quotes, so that short sessions are filled whatever the market does.
"""

import re
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from test.hummingbot.connector.exchange.backpack.practice_runs import (
    control,
    errors_in_log,
    free_port,
    practice,
    wait_for_line,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

BOTH = ("Bid", "Ask")
OPPOSITE = {"Bid": "Ask", "Ask": "Bid"}
TAKEN_EVERY_S = 1.0
STARTED = r"price .* quotes"
KILLED = r"Killed Hummingbot with [1-9]\d* orders alive"


@contextmanager
def crowd(port: int, *sides: str) -> Iterator[None]:
    """Others who now and then take everything up to our best quote, on the given sides of ours by turns."""

    def take(side: str) -> None:
        prices = [order["price"] for order in open_orders(port) if order["side"] == side]
        if prices:
            order_of_crowd(port, OPPOSITE[side], (max if side == "Bid" else min)(prices, key=Decimal))

    with repeated(port, take, *sides):
        yield


@contextmanager
def sweeping_crowd(port: int) -> Iterator[None]:
    """Others who now and then take everything up to 0.05 % from the best price, on both sides by turns."""

    def sweep(side: str) -> None:
        best = control(port, "book?symbol=SOL_USDC")["bids" if side == "Bid" else "asks"]
        price = (max if side == "Bid" else min)(Decimal(level[0]) for level in best)
        reach = Decimal("0.9995") if side == "Bid" else Decimal("1.0005")
        order_of_crowd(port, OPPOSITE[side], f"{price * reach:.2f}")

    with repeated(port, sweep, *BOTH):
        yield


@contextmanager
def repeated(port: int, act: Callable[[str], None], *sides: str) -> Iterator[None]:
    over = threading.Event()

    def run() -> None:
        for side in cycle(sides):
            if over.wait(TAKEN_EVERY_S):
                return
            act(side)

    control(port, "accounts", {"name": "crowd", "balances": {"USDC": "100000000", "SOL": "1000000"}})
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def order_of_crowd(port: int, side: str, price: str) -> None:
    order = {"side": side, "price": price, "quantity": "200", "timeInForce": "IOC", "orderType": "Limit"}
    control(port, "orders", order | {"account": "crowd", "symbol": "SOL_USDC"})


def open_orders(port: int) -> list[Any]:
    return control(port, "orders?account=practice")


def fills(port: int) -> list[Any]:
    return control(port, "ledger?account=practice")["fills"]


def filled_on_both_sides(port: int) -> bool:
    return {fill["side"] for fill in fills(port)} == set(BOTH)


def wait_until(condition: Callable[[], bool], within_s: float = 180) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.3)


def stop(process: subprocess.Popen[str]) -> str:
    """Ctrl-C; the session must end in agreement, with no order left. Returns what it said."""
    process.send_signal(signal.SIGINT)
    said, complained = process.communicate(timeout=100)
    assert process.returncode == 0, said + complained
    assert "agree, fill by fill and balance by balance" in said
    assert set(re.findall(r"Open orders left: (\d+)", said)) == {"0"}
    return said


def recorded(folder: Path, query: str) -> list[Any]:
    """From Hummingbot's database of the one session in this instance folder."""
    [database] = (folder / "data").glob("practice-*.sqlite")
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def test_hanging_orders_and_inventory_skew(tmp_path: Path):
    port = free_port()

    def some_hang() -> bool:
        """More than the two levels of one side: those whose counterparts were filled stay through the refreshes."""
        return Counter(order["side"] for order in open_orders(port))["Bid"] > 2

    with practice(tmp_path, "--strategy", "hanging_orders", "--port", str(port)) as process:
        wait_for_line(process, STARTED)
        with crowd(port, "Ask"):
            wait_until(some_hang)
        stop(process)
    rows = recorded(tmp_path / "practice", 'SELECT amount FROM "Order" ORDER BY rowid LIMIT 4')
    first = [amount for (amount,) in rows]
    assert min(first[:2]) > max(first[2:]), "with less than half of its value in SOL it buys more than it sells"
    assert errors_in_log(tmp_path) == []


def test_avellaneda_market_making(tmp_path: Path):
    """It quotes once it has measured trading intensity, for which it needs the times of the market's trades."""
    port = free_port()
    with practice(tmp_path, "--strategy", "avellaneda", "--port", str(port)) as process:
        wait_for_line(process, STARTED)
        with crowd(port, *BOTH):
            wait_until(lambda: len(fills(port)) > 0)
        stop(process)
    assert errors_in_log(tmp_path) == []


def test_cross_exchange_market_making(tmp_path: Path):
    """What is filled on the one exchange is hedged on the other."""
    maker = free_port()
    taker = maker + 1

    def is_hedged() -> bool:
        return filled_on_both_sides(maker) and net(fills(maker)) + net(fills(taker)) == 0

    with practice(tmp_path, "--strategy", "xemm", "--port", str(maker)) as process:
        wait_for_line(process, STARTED)
        with crowd(maker, *BOTH):
            wait_until(lambda: filled_on_both_sides(maker))
        wait_until(is_hedged)
        stop(process)
    # Hummingbot's status screen asks for prices before there are any.
    assert [line for line in errors_in_log(tmp_path) if "Error formatting market stats" not in line] == []


def net(of: list[Any]) -> Decimal:
    return sum((Decimal(fill["quantity"]) * (1 if fill["side"] == "Bid" else -1) for fill in of), Decimal(0))


def test_a_v2_script(tmp_path: Path):
    """It trades back by market order what has been sold too often."""
    port = free_port()
    with practice(tmp_path, "--strategy", "v2_script", "--port", str(port)) as process:
        wait_for_line(process, STARTED)
        with crowd(port, "Ask"):
            wait_until(lambda: any(not fill["isMaker"] for fill in fills(port)))
        stop(process)
    assert dict(recorded(tmp_path / "practice", 'SELECT order_type, count(*) FROM "Order" GROUP BY 1'))["MARKET"] >= 1
    assert errors_in_log(tmp_path) == []


def test_a_v2_controller(tmp_path: Path):
    port = free_port()
    with practice(tmp_path, "--strategy", "v2_controller", "--port", str(port)) as process:
        wait_for_line(process, STARTED)
        with crowd(port, *BOTH):
            # The first fill buys the inventory; quotes that are filled are positions, recorded when the session ends.
            wait_until(lambda: filled_on_both_sides(port) and sum(fill["isMaker"] for fill in fills(port)) >= 3)
        stop(process)
    executors = recorded(tmp_path / "practice", "SELECT type, filled_amount_quote FROM Executors")
    assert {kind for kind, filled in executors if filled} == {"order_executor", "position_executor"}
    assert errors_in_log(tmp_path) == []


def test_two_bots_on_one_account(tmp_path: Path):
    port = free_port()
    with practice(tmp_path, "--bots", "2", "--port", str(port)) as process:
        wait_for_line(process, STARTED)
        with crowd(port, *BOTH):
            wait_until(lambda: filled_on_both_sides(port) and len(fills(port)) >= 8)
        stop(process)
    for folder in ("practice", "practice-2"):
        assert recorded(tmp_path / folder, "SELECT count(*) FROM TradeFill")[0][0] > 0
    assert errors_in_log(tmp_path) == []


def test_killed_and_started_again_with_orders_alive(tmp_path: Path):
    """What was filled meanwhile is recorded, what was left open is cancelled at the end."""
    port = free_port()
    with practice(tmp_path, "--kill-after", "5", "--port", str(port)) as process:
        wait_for_line(process, STARTED)
        wait_for_line(process, KILLED)
        known = len(fills(port))
        with crowd(port, *BOTH):
            wait_until(lambda: len(fills(port)) >= known + 2, within_s=20)
            wait_for_line(process, STARTED)
            wait_until(lambda: len(fills(port)) >= known + 6)
        stop(process)
    assert errors_in_log(tmp_path) == []


def test_stopped_in_the_middle_of_everything(tmp_path: Path):
    """Calls take seconds, and some are carried out without an answer: orders and cancels are on their way whenever
    Hummingbot is told to stop."""
    port = free_port()
    with practice(tmp_path, "--port", str(port)) as process:
        wait_for_line(process, STARTED)
        with crowd(port, *BOTH):
            wait_until(lambda: filled_on_both_sides(port))
            for method in ("POST", "DELETE"):
                match = {"method": method, "path": "/api/v1/order"}
                control(port, "faults", {"fault": "latency", "parameters": {"seconds": 1.5}, "match": match})
            lost = {"fault": "accept_then_drop_response", "probability": 0.3, "seed": 5}
            control(port, "faults", lost | {"match": {"method": "POST", "path": "/api/v1/order"}})
            time.sleep(8)
        stop(process)
    assert errors_in_log(tmp_path) == []


def test_cross_exchange_market_making_in_demo_mode(tmp_path: Path):
    """The maker is the exchange inside Hummingbot; its account is saved whole when Hummingbot has stopped."""
    port = free_port()
    with practice(tmp_path, "--strategy", "xemm_demo", "--port", str(port)) as process:
        wait_for_line(process, STARTED)
        with sweeping_crowd(port):
            wait_until(lambda: filled_on_both_sides(port))  # the hedges
        stop(process)
    assert [line for line in errors_in_log(tmp_path) if "Error formatting market stats" not in line] == []
