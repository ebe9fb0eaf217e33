"""Practice sessions as a user runs them: processes of their own, in an instance folder of the test's."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil

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


def control(port: int, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """Ask the control plane of the local exchange; with a ``body``, tell it."""
    request = Request(f"http://127.0.0.1:{port}/_sim/{path}", data=None if body is None else json.dumps(body).encode())
    with urlopen(request, timeout=10) as answer:
        return json.load(answer)
