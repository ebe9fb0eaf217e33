"""The main job, as a user runs it: real Hummingbot, real processes and sockets, and the exchange's ledger as judge."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

CHECKOUT = Path(__file__).parents[5]


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


@contextmanager
def practice(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`hummingbot-backpack practice` from this checkout, in an instance folder of its own."""
    command = [sys.executable, "-m", "hummingbot_backpack", "--instance", folder, "practice", *arguments]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert not left_running(folder)


def left_running(folder: Path) -> list[str]:
    """Command lines of processes that still live in the instance folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HBOT_PREFIX", "").startswith(str(folder)):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def wait_for_line(process: subprocess.Popen[str], pattern: str, within_s: float = 60) -> str:
    assert process.stdout
    deadline, seen = time.monotonic() + within_s, []
    while time.monotonic() < deadline:
        line = process.stdout.readline()
        seen.append(line)
        if re.search(pattern, line) or not line:
            break
    assert seen and re.search(pattern, seen[-1]), "".join(seen)
    return seen[-1]


def errors_in_log(folder: Path) -> list[str]:
    [log] = (folder / "practice" / "logs").glob("logs_practice-*.log")
    assert "Backpack connector" in log.read_text()  # it says whose code trades
    return [line for line in log.read_text().splitlines() if " - ERROR - " in line or " - CRITICAL - " in line]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_minute_of_market_making_agrees_with_the_ledger(tmp_path: Path):
    with practice(tmp_path, "--minutes", "1", "--port", str(free_port())) as process:
        said, complained = process.communicate(timeout=200)
    assert process.returncode == 0, said + complained
    assert "agree, fill by fill and balance by balance" in said
    assert "Open orders left: 0." in said
    counts = re.search(r"Fills: (\d+) in Hummingbot's database, (\d+) in the exchange's ledger", said)
    assert counts and counts[1] == counts[2] and int(counts[1]) >= 3, said
    assert errors_in_log(tmp_path) == []


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_ctrl_c_stops_in_order(tmp_path: Path):
    with practice(tmp_path, "--port", str(free_port())) as process:
        wait_for_line(process, "fill (BUY|SELL)")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)  # an impatient second one must not stop the stopping
        said, complained = process.communicate(timeout=90)
    assert process.returncode == 0, said + complained
    assert "Open orders left: 0." in said
    assert "agree, fill by fill and balance by balance" in said
    assert errors_in_log(tmp_path) == []


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_an_exchange_that_is_gone_is_said_in_a_sentence(tmp_path: Path):
    with practice(tmp_path, "--port", str(free_port())) as process:
        wait_for_line(process, "quotes BUY|fill")
        children = psutil.Process(process.pid).children()
        [exchange] = [child for child in children if "simulator" in " ".join(child.cmdline())]
        exchange.kill()
        _, complained = process.communicate(timeout=60)
    assert process.returncode == 2
    assert complained.count("\n") == 1 and "does not answer any more" in complained


def test_a_port_in_use_is_said_in_a_sentence(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with practice(tmp_path, "--port", str(port)) as process:
            _, complained = process.communicate(timeout=60)
    assert process.returncode == 2
    assert complained == f"Port {port} cannot be used (Address already in use); choose another with --port.\n"


@pytest.mark.parametrize("minutes", ["0", "-1", "soon", "nan", "inf"])
def test_minutes_that_make_no_sense(tmp_path: Path, minutes: str):
    with practice(tmp_path, f"--minutes={minutes}") as process:
        _, complained = process.communicate(timeout=60)
    assert process.returncode == 2
    assert complained.endswith(f"expected a number of minutes above 0, was '{minutes}'\n")
    assert complained.count("\n") == 1


def test_an_instance_folder_that_cannot_be(tmp_path: Path):
    (tmp_path / "practice").write_text("a file in the way")
    with practice(tmp_path) as process:
        _, complained = process.communicate(timeout=60)
    assert process.returncode == 2
    assert complained.count("\n") == 1 and "cannot be used" in complained
