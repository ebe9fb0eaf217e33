"""The exchange as a program: what it prints, writes and refuses, and that it ends when it is told to."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from hummingbot.connector.exchange.backpack.simulator import __main__ as program
from hummingbot.connector.exchange.backpack.simulator.access import public_key_of

CHECKOUT = Path(__file__).parents[6]
RUN = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); import conftest; "
    "from hummingbot.connector.exchange.backpack.simulator.__main__ import main; sys.exit(main())"
)


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(CHECKOUT), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
    )


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict]]:
    """A program on a free port, and what it wrote about itself."""
    file = tmp_path / "accounts.json"
    process = start("--port", "0", "--accounts-file", str(file), "--account", "me:USDC=1000,SOL=5", "--seed", "3")
    assert process.stdout is not None
    while "keys and secrets are in" not in (line := process.stdout.readline()):
        assert line, process.stderr.read() if process.stderr else ""
    yield process, json.loads(file.read_text())
    process.kill()
    process.wait()
    process.stdout.close()
    if process.stderr:
        process.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_and_ends_cleanly(running: tuple[subprocess.Popen[str], dict], number: int) -> None:
    process, about = running
    (account,) = about["accounts"]
    assert (account["name"], account["apiKey"]) == ("me", public_key_of(account["apiSecret"]))
    assert re.fullmatch(r"ws://127\.0\.0\.1:\d+/ws", about["wsUrl"])
    with urllib.request.urlopen(f"{about['restUrl']}/api/v1/depth?symbol=SOL_USDC", timeout=10) as answer:
        assert json.load(answer)["bids"]
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert out.strip().endswith("local Backpack stopped")
    assert "Traceback" not in err


def test_it_follows_another_one(running: tuple[subprocess.Popen[str], dict]) -> None:
    source = running[1]["restUrl"]
    process = start("--port", "0", "--market", "mirror", "--source", source, "--markets", "ETH_USDC,SOL_USDC")
    assert process.stdout is not None and process.stderr is not None
    try:
        assert f"mirror of {source} live after" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("option, limit", [(["--rate-limit"], 2000), (["--rate-limit", "40"], 40)])
def test_it_has_a_rate_limit_if_asked_for(option: list[str], limit: int) -> None:
    process = start("--port", "0", "--market", "none", *option)
    assert process.stdout is not None
    try:
        [control] = re.findall(r"control (\S+)", process.stdout.readline())
        with urllib.request.urlopen(f"{control}faults", timeout=10) as answer:
            [armed] = json.load(answer)["armed"]
        assert (armed["fault"], armed["parameters"]) == ("request_budget", {"requests": limit, "seconds": 60.0})
    finally:
        process.kill()
        process.communicate()


def test_the_accounts_file_is_private(running: tuple[subprocess.Popen[str], dict], tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "accounts.json").stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["accounts.json"], "nothing unfinished is left behind"


def test_a_port_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert program.main(["--port", str(port), "--market", "none"]) == 2
    error = f"error: 127.0.0.1:{port} is in use by another program; choose another with --port\n"
    assert capsys.readouterr().err == error


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (["--port", "http"], "expected a port from 0 to 65535, was 'http'"),
        (["--taker-delay", "-1"], "expected seconds of 0 or more, was '-1'"),
        (["--account", "me:USDC"], "expected NAME:ASSET=AMOUNT,..., was 'me:USDC'"),
        (["--account", "me:USDC=lots"], "USDC: expected an amount, was 'lots'"),
        (["--account", ":USDC=1"], "expected NAME:ASSET=AMOUNT,..., was ':USDC=1'"),
        (["--account", "a", "--account", "a"], "expected different account names, was a, a"),
        (["--account", "house"], "account house: expected a new account, 'house' exists already"),
        (["--market", "real"], "expected --market synthetic, mirror, recorded:FILE or none, was 'real'"),
        (["--market", "recorded:/nowhere"], "expected a recording at /nowhere, there is no such file"),
        (["--market", "mirror", "--source", "backpack"], "expected the address of a Backpack as http(s)://HOST"),
        (["--markets", "DOGE_USDC"], "expected --markets among SOL_USDC"),
        (["--markets", ","], "expected at least one market in --markets"),
        (["--accounts-from", "/nowhere"], "cannot read accounts from /nowhere: No such file or directory"),
        (["--port", "0", "--accounts-file", "/nowhere/a.json"], "cannot write the accounts to /nowhere/a.json"),
        (["--rate-limit", "0"], "expected requests from 1 to 1000000, was '0'"),
        (["--frobnicate"], "unrecognized arguments: --frobnicate"),
    ],
)
def test_bad_arguments(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = program.main(arguments)
    except SystemExit as exit:
        code = int(exit.code or 0)
    assert code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("{", "expected JSON in"),
        ("[]", "expected a list of accounts in"),
        ("[{}]", "account 1: expected an object with a name"),
        ('[{"name":"a","cash":1}]', "account 1: expected keys among balances, makerFeeBps, name, secret, takerFeeBps"),
        ('[{"name":"a","balances":3}]', "account 1: expected balances as an object of asset and amount"),
        ('[{"name":"a","balances":{"USDC":"x"}}]', "account 1, USDC: expected an amount, was 'x'"),
        ('[{"name":"a","secret":"short"}]', "account 1: expected a secret"),
        ('[{"name":"a","secret":"c2hvcnQ="}]', "account 1: expected a secret of 32 bytes"),
        ('[{"name":"a","secret":7}]', "account 1: expected secret as text"),
    ],
)
def test_bad_account_files(text: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "accounts.json"
    file.write_text(text)
    assert program.main(["--accounts-from", str(file)]) == 2
    assert complaint in capsys.readouterr().err


def test_a_bad_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "market.jsonl"
    file.write_text("nonsense\n")
    assert program.main(["--port", "0", "--market", f"recorded:{file}"]) == 2
    assert f"error: {file}, line 1: not JSON" in capsys.readouterr().err
