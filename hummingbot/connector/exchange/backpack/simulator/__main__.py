"""``python -m hummingbot.connector.exchange.backpack.simulator``: the local exchange as a program."""

import argparse
import asyncio
import contextlib
import errno
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from .access import BadSecret, public_key_of
from .faults import RequestBudget
from .faults.scenario import BadScenario, play, scenario_from
from .listing import DEFAULT_MARKETS
from .market import DEFAULT_PAIRS, MarketSource, Synthetic
from .mirror import BACKPACK, Mirror, addresses_of
from .model import Market
from .recording import Recorded, RecordingError
from .server import SimulatedBackpack
from .source_words import SourceError

PROGRESS_S = 10.0
DEFAULT_PORT = 8787
DEFAULT_ACCOUNT = "trader:USDC=10000,SOL=50,BTC=0.1,ETH=2"

DESCRIPTION = """A Backpack Exchange on this computer: REST, websocket and a control plane on one port, play money,
signatures checked. What is faithful, simplified and absent is listed in the package's documentation."""


class BadArgument(ValueError):
    """An argument or a file makes no sense; says what was expected."""


@dataclass(frozen=True)
class AccountPlan:
    """An account to open at start. Without ``secret`` the key is derived from the seed and the name."""

    name: str
    balances: dict[str, Decimal]
    secret: str | None = field(default=None, repr=False)
    maker_fee_bps: Decimal = Decimal(8)
    taker_fee_bps: Decimal = Decimal(10)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hummingbot.connector.exchange.backpack.simulator",
        description=DESCRIPTION,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s); another one "
                        "may be reached from your network, control plane included")  # fmt: skip
    parser.add_argument("--port", type=_port, default=DEFAULT_PORT, help="port (%(default)s); 0 takes a free one")
    parser.add_argument("--seed", type=int, default=1, help="seed of market and generated keys (%(default)s)")
    parser.add_argument(
        "--account", action="append", metavar="NAME:ASSET=AMOUNT,...", type=_account,
        help="an account to open, may be repeated; its key is the same on every start with the same seed "
        f"(without any: {DEFAULT_ACCOUNT})",
    )  # fmt: skip
    parser.add_argument(
        "--accounts-from", metavar="FILE", type=Path,
        help='JSON list of accounts to open: {"name", "balances", "secret"?, "makerFeeBps"?, "takerFeeBps"?}; '
        "secret is the base64 text of a 32-byte ED25519 seed",
    )  # fmt: skip
    parser.add_argument(
        "--accounts-file", metavar="FILE", type=Path,
        help="write address, account names, keys and secrets to this file as JSON, readable by you only, "
        "instead of printing the secrets",
    )  # fmt: skip
    parser.add_argument(
        "--market", default="synthetic", metavar="SOURCE",
        help="who else trades: synthetic (made up by seed; the default), mirror (the users of --source), "
        "recorded:FILE, or none",
    )  # fmt: skip
    parser.add_argument("--source", metavar="URL", default=BACKPACK,
                        help="which Backpack to follow with --market mirror (%(default)s)")  # fmt: skip
    parser.add_argument(
        "--markets", metavar="SYMBOL,...", default=",".join(market.symbol for market in DEFAULT_MARKETS),
        help="markets to list (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--taker-delay", type=_seconds, default=0.1, metavar="SECONDS",
                        help="delay of orders that are not post-only (%(default)s)")  # fmt: skip
    parser.add_argument("--ping-interval", type=_seconds, default=60.0, metavar="SECONDS",
                        help="time between websocket pings (%(default)s)")  # fmt: skip
    parser.add_argument(
        "--rate-limit", type=_requests, nargs="?", const=RequestBudget.requests, metavar="REQUESTS",
        help="answer 429 to what an account asks beyond so many requests in any minute (without a number, Backpack's "
        "%(const)s); without this option there is no limit",
    )  # fmt: skip
    parser.add_argument("--scenario", metavar="FILE", type=Path,
                        help='faults by the clock: JSON {"steps": [{"at_s", "for_s"?, "fault", "parameters"?, '
                        '"match"?, "count"?, "probability"?, "seed"?}]}; the faults are at /_sim/faults')  # fmt: skip
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM; the exit code is 2 for anything wrong with the arguments."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s")
    try:
        return asyncio.run(_run(options))
    except (BadArgument, BadScenario, BadSecret, RecordingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # while a mirror waits for its source to answer
        return 130


async def _run(options: argparse.Namespace) -> int:
    scenario = () if options.scenario is None else scenario_from(options.scenario)
    plans = list(options.account or [])
    if options.accounts_from is not None:
        plans += _accounts_from(options.accounts_from)
    if not plans:
        plans = [_account(DEFAULT_ACCOUNT)]
    if len({plan.name for plan in plans}) < len(plans):
        raise BadArgument(f"expected different account names, was {', '.join(plan.name for plan in plans)}")

    market, markets = await _mirror(options) if options.market == "mirror" else _market(options)
    sim = SimulatedBackpack(
        seed=options.seed,
        market=market,
        markets=markets,
        host=options.host,
        port=options.port,
        taker_delay_s=options.taker_delay,
        ping_interval_s=options.ping_interval,
    )
    for plan in plans:
        try:
            sim.add_account(
                plan.balances,
                name=plan.name,
                secret=plan.secret,
                maker_fee_bps=plan.maker_fee_bps,
                taker_fee_bps=plan.taker_fee_bps,
            )
        except ValueError as error:
            raise BadArgument(f"account {plan.name}: {error}") from None

    if options.rate_limit is not None:
        sim.faults.arm(RequestBudget(options.rate_limit))
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    try:
        await sim.start()
    except OSError as error:
        reason = "is in use by another program" if error.errno == errno.EADDRINUSE else f"is not usable: {error}"
        raise BadArgument(f"{options.host}:{options.port} {reason}; choose another with --port") from None
    playing = asyncio.create_task(play(scenario, sim.faults, sim.clock))
    try:
        _announce(sim, options.accounts_file)
        await _show_progress(sim, over)
    finally:
        playing.cancel()
        await sim.stop()
    print("local Backpack stopped", flush=True)
    return 0


def _announce(sim: SimulatedBackpack, accounts_file: Path | None) -> None:
    print(f"local Backpack: REST {sim.rest_url}  websocket {sim.ws_url}  control {sim.rest_url}/_sim/")
    print(f"watch it in a browser: {sim.rest_url}/")
    for account in sim.accounts:
        balances = sim.exchange.ledger.balances(account.name)
        funds = ", ".join(f"{balance.available:f} {asset}" for asset, balance in balances.items())
        secret = "" if accounts_file is not None else f"  secret {account.api_secret}"
        print(f"account {account.name} ({funds or 'empty'}): key {account.api_key}{secret}")
    if accounts_file is not None:
        write_accounts(sim, accounts_file)
        print(f"keys and secrets are in {accounts_file}")
    sys.stdout.flush()


def write_accounts(sim: SimulatedBackpack, path: Path) -> None:
    """Address and credentials for scripts; the file is complete when it appears, and private."""
    content = {
        "accounts": [
            {"apiKey": account.api_key, "apiSecret": account.api_secret, "name": account.name}
            for account in sim.accounts
        ],
        "restUrl": sim.rest_url,
        "wsUrl": sim.ws_url,
    }
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(content, file, indent=2)
        unfinished.replace(path)
    except OSError as error:
        raise BadArgument(f"cannot write the accounts to {path}: {error.strerror}") from None


async def _show_progress(sim: SimulatedBackpack, over: asyncio.Event) -> None:
    """One line every few seconds on a terminal or in a log, until it is time to stop."""
    while not over.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), PROGRESS_S)
        if over.is_set():
            return
        prices = []
        for symbol in sim.exchange.markets:
            book = sim.exchange.book_ticker(symbol)
            if book.bid is not None and book.ask is not None:
                prices.append(f"{symbol} {book.bid[0]:f}/{book.ask[0]:f}")
        orders = sum(len(sim.exchange.open_orders(account.name)) for account in sim.accounts)
        fills = sum(len(sim.exchange.fills(account.name)) for account in sim.accounts)
        logging.getLogger(__name__).info(
            "%s; your accounts: %d open orders, %d fills; %d sockets, %d faults armed",
            ", ".join(prices) or "empty books", orders, fills, len(sim.sessions), len(list(sim.faults)),
        )  # fmt: skip


def _market(options: argparse.Namespace) -> tuple[MarketSource | None, list[Market]]:
    """Who trades, and what is listed."""
    kind, _, path = options.market.partition(":")
    symbols = _symbols(options)
    listed = _listed(symbols)
    if options.market == "synthetic":
        return Synthetic(options.seed, [pair for pair in DEFAULT_PAIRS if pair.symbol in symbols]), listed
    if kind == "recorded" and path:
        if not Path(path).is_file():
            raise BadArgument(f"expected a recording at {path}, there is no such file")
        return Recorded(Path(path)), listed
    if options.market == "none":
        return None, listed
    raise BadArgument(f"expected --market synthetic, mirror, recorded:FILE or none, was {options.market!r}")


async def _mirror(options: argparse.Namespace) -> tuple[MarketSource, list[Market]]:
    """What is listed is the source's to say."""
    try:
        mirror = Mirror(*addresses_of(options.source), _symbols(options))
        return mirror, await mirror.prepare()
    except (ValueError, SourceError) as error:
        raise BadArgument(str(error)) from None


def _symbols(options: argparse.Namespace) -> list[str]:
    symbols = [symbol.strip() for symbol in options.markets.split(",") if symbol.strip()]
    if not symbols:
        raise BadArgument("expected at least one market in --markets")
    return symbols


def _listed(symbols: Sequence[str]) -> list[Market]:
    known = {market.symbol: market for market in DEFAULT_MARKETS}
    for symbol in symbols:
        if symbol not in known:
            raise BadArgument(f"expected --markets among {', '.join(known)}, was {symbol!r}")
    return [known[symbol] for symbol in dict.fromkeys(symbols)]


def _accounts_from(path: Path) -> list[AccountPlan]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadArgument(f"cannot read accounts from {path}: {error.strerror}") from None
    except ValueError as error:
        raise BadArgument(f"expected JSON in {path}: {error}") from None
    if not isinstance(rows, list) or not rows:
        raise BadArgument(f"expected a list of accounts in {path}")
    return [_planned(row, f"{path}, account {number}") for number, row in enumerate(rows, 1)]


def _planned(row: Any, where: str) -> AccountPlan:
    known = {"name", "balances", "secret", "makerFeeBps", "takerFeeBps"}
    if not isinstance(row, dict) or not isinstance(row.get("name"), str) or not row["name"]:
        raise BadArgument(f"{where}: expected an object with a name")
    if unknown := set(row) - known:
        raise BadArgument(f"{where}: expected keys among {', '.join(sorted(known))}, was {', '.join(sorted(unknown))}")
    balances, secret = row.get("balances", {}), row.get("secret")
    if not isinstance(balances, dict):
        raise BadArgument(f"{where}: expected balances as an object of asset and amount")
    if secret is not None:
        if not isinstance(secret, str):
            raise BadArgument(f"{where}: expected secret as text")
        try:
            public_key_of(secret)
        except BadSecret as error:
            raise BadArgument(f"{where}: {error}") from None
    return AccountPlan(
        row["name"],
        {asset: _amount(amount, f"{where}, {asset}") for asset, amount in balances.items()},
        secret,
        _amount(row.get("makerFeeBps", "8"), f"{where}, makerFeeBps", negative=True),
        _amount(row.get("takerFeeBps", "10"), f"{where}, takerFeeBps"),
    )


def _account(text: str) -> AccountPlan:
    name, _, funds = text.partition(":")
    if not name:
        raise argparse.ArgumentTypeError(f"expected NAME:ASSET=AMOUNT,..., was {text!r}")
    balances = {}
    for part in funds.split(",") if funds else []:
        asset, equals, amount = part.partition("=")
        if not asset or not equals:
            raise argparse.ArgumentTypeError(f"expected NAME:ASSET=AMOUNT,..., was {text!r}")
        try:
            balances[asset] = _amount(amount, asset)
        except BadArgument as error:
            raise argparse.ArgumentTypeError(str(error)) from None
    return AccountPlan(name, balances)


def _amount(value: Any, where: str, *, negative: bool = False) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or (amount < 0 and not negative):
        raise BadArgument(f"{where}: expected an amount, was {value!r}")
    return amount


def _port(text: str) -> int:
    if not text.isdigit() or not 0 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, was {text!r}")
    return int(text)


def _requests(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"expected requests from 1 to 1000000, was {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e6:
        raise argparse.ArgumentTypeError(f"expected seconds of 0 or more, was {text!r}")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
