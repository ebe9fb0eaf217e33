"""The main job, as a user runs it: real Hummingbot, real processes and sockets, and the exchange's ledger as judge."""

import re
import signal
import socket
from pathlib import Path

import psutil
import pytest

from test.hummingbot.connector.exchange.backpack.practice_runs import (
    errors_in_log,
    free_port,
    practice,
    wait_for_line,
)


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
