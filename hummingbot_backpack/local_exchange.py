"""The local exchange as a process of its own, and its control plane as a practice session sees it."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.request import Request, urlopen

from hummingbot_backpack.problem import Problem
from hummingbot_backpack.reckoning import Fill

HOST = "127.0.0.1"
START_TIMEOUT_S = 30
SIDES = {"Bid": "BUY", "Ask": "SELL"}
SIMULATOR = "hummingbot.connector.exchange.backpack.simulator"


@dataclass(frozen=True)
class Account:
    """The session's account on the exchange."""

    name: str
    api_key: str
    api_secret: str = field(repr=False)

    def keys_of(self, connector: str) -> dict[str, str]:
        """By the field names that this connector's configuration has."""
        return {f"{connector}_api_key": self.api_key, f"{connector}_api_secret": self.api_secret}


@dataclass(frozen=True)
class Quote:
    """What is left of one of our open orders."""

    side: str
    price: Decimal
    quantity: Decimal


@dataclass(frozen=True)
class Statement:
    """What the exchange's ledger says of one account: totals, locked amounts included, and all fills, oldest first."""

    balances: dict[str, Decimal]
    fills: list[Fill]


class LocalExchange:
    """``with LocalExchange(8787, log, seed=1) as exchange:`` starts it, waits until it answers, and ends it."""

    def __init__(self, port: int, log: Path, seed: int) -> None:
        self.url = f"http://{HOST}:{port}"
        self._port = port
        self._log = log
        self._arguments = ["--port", str(port), "--seed", str(seed)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "LocalExchange":
        self._refuse_port_in_use()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", SIMULATOR, *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the session, which stops the bot first
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__(None, None, None)
                raise Problem(f"The local exchange did not start; {self._last_words()} (its log: {self._log})")
            time.sleep(0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def add_account(self, name: str, balances: Mapping[str, Decimal]) -> Account:
        amounts = {asset: f"{amount:f}" for asset, amount in balances.items()}
        made = self._call("/_sim/accounts", {"name": name, "balances": amounts})
        return Account(name, made["apiKey"], made["apiSecret"])

    def mid_price(self, symbol: str) -> Decimal | None:
        """None while one side of the book is empty."""
        depth = self._call(f"/api/v1/depth?symbol={symbol}&limit=5")
        if not depth["bids"] or not depth["asks"]:
            return None
        best_bid, best_ask = depth["bids"][-1][0], depth["asks"][0][0]  # both sides ascend
        return (Decimal(best_bid) + Decimal(best_ask)) / 2

    def open_orders(self, account: Account) -> list[Quote]:
        orders = self._call(f"/_sim/orders?account={account.name}")
        return [
            Quote(
                side=SIDES[order["side"]],
                price=Decimal(order["price"]),
                quantity=Decimal(order["quantity"]) - Decimal(order["executedQuantity"]),
            )
            for order in orders
        ]

    def statement(self, account: Account) -> Statement:
        ledger = self._call(f"/_sim/ledger?account={account.name}")
        return Statement(
            balances={asset: Decimal(row["total"]) for asset, row in ledger["balances"][account.name].items()},
            fills=[fill_of_ledger(row) for row in ledger["fills"]],
        )

    def save_ledger(self, account: Account, file: Path) -> None:
        """As the exchange tells it, for the session report: with the exchange its ledger is gone."""
        file.write_text(json.dumps(self._call(f"/_sim/ledger?account={account.name}")), encoding="utf-8")

    def _call(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        request = Request(self.url + path, data=None if body is None else json.dumps(body).encode())
        try:
            with urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except OSError as error:
            raise Problem(f"The local exchange does not answer any more ({error}); its log: {self._log}") from error

    def _refuse_port_in_use(self) -> None:
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            try:
                trial.bind((HOST, self._port))
            except OSError as error:
                sentence = f"Port {self._port} cannot be used ({error.strerror}); choose another with --port."
                raise Problem(sentence) from error

    def _answers(self) -> bool:
        try:
            self._call("/_sim/seed")
        except Problem:
            return False
        return True

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"it said: {lines[-1]}" if lines else "it said nothing"


def fill_of_ledger(row: Mapping[str, Any]) -> Fill:
    """A row under ``fills`` of the control plane's ``/_sim/ledger``."""
    base, quote = row["symbol"].split("_")
    return Fill(
        trade_id=str(row["tradeId"]),
        side=SIDES[row["side"]],
        base=base,
        quote=quote,
        price=Decimal(row["price"]),
        quantity=Decimal(row["quantity"]),
        fee=Decimal(row["fee"]),
        fee_asset=row["feeAsset"],
    )
