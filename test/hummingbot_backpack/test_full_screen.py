"""What a person sees in Hummingbot's full-screen client, in a real terminal (tmux), offline: demo mode, and `connect`.

Each assertion is on what the terminal shows; the last screen of a test that failed is in its message.
"""

import base64
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from nacl.signing import SigningKey

from hummingbot_backpack.local_exchange import LocalExchange

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

CHECKOUT = Path(__file__).parents[2]
WIDE, HIGH = 300, 90  # so that a sentence stays on one line of the left half
ON_SCREEN_S = 30


@pytest.fixture(scope="module")
def tmux() -> str:
    if shutil.which("tmux") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", "tmux"]):
            subprocess.run(command, check=False, capture_output=True)
    found = shutil.which("tmux")
    assert found is not None, "These tests look at a terminal through tmux: install it (apt-get install tmux)."
    return found


class Terminal:
    """A terminal with the client in it. ``folder`` is its instance folder."""

    def __init__(self, tmux: str, folder: Path, **environment: str) -> None:
        self.folder = folder
        self._tmux = [tmux, "-L", f"backpack-{os.getpid()}-{secrets.token_hex(4)}", "-f", "/dev/null"]
        variables = environment | {"HBOT_PREFIX": str(folder), "PYTHONPATH": str(CHECKOUT)}
        settings = [f"-e{name}={value}" for name, value in variables.items()]
        command = f"{sys.executable} -m hummingbot_backpack client"
        self._run("new-session", "-d", *settings, "-x", str(WIDE), "-y", str(HIGH), command)

    def _run(self, *arguments: str) -> str:
        run = subprocess.run([*self._tmux, *arguments], capture_output=True, text=True, timeout=10, check=True)
        return run.stdout

    def screen(self) -> str:
        return self._run("capture-pane", "-p")

    def wait_for(self, *texts: str, within_s: float = ON_SCREEN_S) -> str:
        """The screen that shows all of these."""
        until = time.monotonic() + within_s
        while True:
            screen = self.screen()
            missing = [text for text in texts if text not in screen]
            if not missing:
                return screen
            assert time.monotonic() < until, f"{missing} did not appear within {within_s} s on\n{screen}"
            time.sleep(0.2)

    def press(self, *keys: str) -> None:
        for key in keys:
            self._run("send-keys", key)
            time.sleep(0.4)

    def type(self, text: str) -> None:
        """And Enter, when it can be seen (as stars, maybe) that it has arrived."""
        self._run("send-keys", "-l", "--", text)
        time.sleep(0.4)
        self.press("Enter")

    def wait_for_prompt(self, text: str) -> str:
        """The screen whose input line, the last with the prompt's sign, contains ``text``."""
        until = time.monotonic() + ON_SCREEN_S
        while True:
            screen = self.screen()
            prompts = [line for line in screen.splitlines() if ">>>" in line]
            if prompts and text in prompts[-1].partition(">>>")[0]:
                return screen
            assert time.monotonic() < until, f"no prompt with {text!r} within {ON_SCREEN_S} s on\n{screen}"
            time.sleep(0.2)

    def connect_locally(self, key: str, secret: str) -> str:
        """What the client answers after the two prompts of `connect backpack_local`."""
        self.type("connect backpack_local")
        self.wait_for_prompt("API key")
        self.type(key)
        self.wait_for_prompt("API secret")
        self.type(secret)
        until = time.monotonic() + ON_SCREEN_S
        while True:
            answer = self.screen().rpartition("belongs to it >>>")[2]
            if "Error: " in answer or "You are now connected" in answer:
                return answer
            assert time.monotonic() < until, f"no answer to `connect` within {ON_SCREEN_S} s on\n{self.screen()}"
            time.sleep(0.2)

    def close(self) -> None:
        self._run("kill-server")


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[LocalExchange]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with LocalExchange(port, tmp_path / "exchange.log", seed=1) as running:
        yield running


def test_a_demo_from_the_first_start_to_a_filled_order_and_a_clean_stop(
    tmux: str, exchange: LocalExchange, tmp_path: Path
):
    began = time.monotonic()
    terminal = Terminal(tmux, tmp_path / "instance")
    try:
        terminal.wait_for("Welcome to Hummingbot", within_s=60)
        terminal.press("Enter")
        terminal.wait_for("Important Warning")
        terminal.press("Enter")
        terminal.wait_for("SET A SECURE PASSWORD")
        terminal.press("Enter")
        terminal.wait_for("Enter your new password")
        terminal.type("secret")
        terminal.press("Enter")
        terminal.wait_for("Please re-enter your password")
        terminal.type("secret")
        terminal.press("Enter")
        terminal.wait_for(">>>")

        terminal.type("connect backpack")
        terminal.wait_for("Enter your Backpack API key (backpack.exchange > Settings > API Keys; blank: demo mode")
        terminal.press("Enter")
        terminal.wait_for("Enter your Backpack API secret (blank: demo mode)")
        terminal.press("Enter")
        told = "DEMO, no real money: without an API key backpack trades on paper and has 10000 USDC, 50 SOL, 0.1 BTC"
        terminal.wait_for(told, "You are now connected to backpack.")
        saved = (terminal.folder / "conf" / "connectors" / "backpack.yml").read_text()
        assert len(saved) > 500, "the keys, blank as they are, are encrypted"

        settings = terminal.folder / "conf" / "backpack_demo.yml"
        settings.write_text(settings.read_text().replace("https://api.backpack.exchange", exchange.url))
        terminal.press("C-l")
        terminal.type("import conf_pmm_backpack_demo.yml")
        terminal.wait_for("All checks: Confirmed.", 'Enter "start"')
        terminal.type("start")
        terminal.wait_for(
            "started successfully", f"DEMO: orders go to an exchange inside this process, which follows {exchange.url}"
        )
        terminal.wait_for("order 0.50 SOL @", "is filled", within_s=90)
        assert time.monotonic() - began < 300

        terminal.press("C-l")
        terminal.type("balance")
        terminal.wait_for("DEMO, no real money", "Exchanges Total")
        terminal.type("status")
        terminal.wait_for("Total Balance", "SOL-USDC")
        terminal.type("history")
        terminal.wait_for("Number of trades", "Fees paid")
        terminal.type("ticker")
        terminal.wait_for("Best Bid", "Mid Price")
        terminal.type("order_book")
        terminal.wait_for("bid_price", "ask_volume")
        terminal.type("export trades")
        terminal.wait_for("Enter a new csv file name")
        terminal.type("trades")
        terminal.wait_for("Successfully exported trades")
        assert "SOL" in (terminal.folder / "logs" / "trades.csv").read_text()
        terminal.type("stop")
        terminal.wait_for("Hummingbot stopped.")
        assert open_orders_when_saved(terminal.folder / "data" / "backpack_demo.json") == 0
    finally:
        terminal.close()


def open_orders_when_saved(state: Path, within_s: float = 20) -> int:
    """None is expected: wait until the demo, which saves when it ends, has said so."""
    until = time.monotonic() + within_s
    while True:
        orders = json.loads(state.read_text())["orders"]
        still_open = sum(order["status"] in ("New", "PartiallyFilled") for order in orders)
        if not still_open or time.monotonic() > until:
            return still_open
        time.sleep(0.2)


@pytest.fixture
def unlocked(tmux: str, exchange: LocalExchange, tmp_path: Path) -> Iterator[Terminal]:
    """A client past its password, whose local exchange is ``exchange``."""
    terminal = Terminal(tmux, tmp_path / "instance", HBOT_PASSWORD="secret", BACKPACK_LOCAL_URL=exchange.url)
    try:
        terminal.wait_for(">>>", within_s=60)
        yield terminal
    finally:
        terminal.close()


def key_pair() -> tuple[str, str]:
    seed = secrets.token_bytes(32)
    return base64.b64encode(bytes(SigningKey(seed).verify_key)).decode(), base64.b64encode(seed).decode()


def arm(exchange: LocalExchange, fault: str, **parameters: object) -> None:
    urlopen(Request(f"{exchange.url}/_sim/faults", method="DELETE"), timeout=5).close()
    order = json.dumps({"fault": fault, "parameters": parameters}).encode()
    urlopen(Request(f"{exchange.url}/_sim/faults", data=order, method="POST"), timeout=5).close()


def test_connect_says_in_a_sentence_what_is_wrong(unlocked: Terminal, exchange: LocalExchange):
    account = exchange.add_account("person", {"USDC": Decimal(1234), "SOL": Decimal(5)})
    key, secret = account.api_key, account.api_secret
    stranger_key, stranger_secret = key_pair()

    def refused(told: str, key: str, secret: str) -> None:
        assert f"Error: {told}" in unlocked.connect_locally(key, secret)
        file = unlocked.folder / "conf" / "connectors" / "backpack_local.yml"
        until = time.monotonic() + 5
        while file.exists() and time.monotonic() < until:
            time.sleep(0.1)
        assert not file.exists(), "keys that failed are not kept"

    refused("The API key and the API secret are swapped.", secret, key)
    refused("The API key and the API secret do not belong to each other.", stranger_key, secret)
    refused("The API key should have 44 characters, it has 43.", key[:-1], secret)
    refused("An API key was given without its secret. Enter both.", key, "")
    refused("The exchange does not accept this key", stranger_key, stranger_secret)
    arm(exchange, "reject", code="FORBIDDEN", status=403)
    refused("This key has no permission for that", key, secret)
    arm(exchange, "clock_jump", seconds=200)
    refused("This computer's clock and the exchange's differ", key, secret)
    arm(exchange, "refuse_connection")
    refused("The exchange did not answer as it should", key, secret)
    urlopen(Request(f"{exchange.url}/_sim/faults", method="DELETE"), timeout=5).close()

    answer = unlocked.connect_locally(key, secret)
    assert "The account on backpack_local has 5 SOL, 1234 USDC." in answer
    assert "You are now connected to backpack_local." in answer
