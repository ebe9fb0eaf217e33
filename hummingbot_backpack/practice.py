"""The main job: pure market making by a real Hummingbot on a local exchange, watched live and reckoned at the end."""

import argparse
import signal
import time
from decimal import Decimal
from pathlib import Path
from types import FrameType

from rich.console import Console

from hummingbot_backpack import instance
from hummingbot_backpack.bot import Bot
from hummingbot_backpack.local_exchange import Account, LocalExchange
from hummingbot_backpack.problem import Problem
from hummingbot_backpack.reckoning import TradeDatabase, balances_after, differences
from hummingbot_backpack.screen import Moment, Screen

CONNECTOR = "backpack_local"
STRATEGY = "conf_pmm_backpack_local.yml"
SYMBOL, BASE, QUOTE = "SOL_USDC", "SOL", "USDC"
OPENING = {BASE: Decimal(100), QUOTE: Decimal(20_000)}
PASSWORD = "practice"  # noqa: S105  (guards play money only)
LOOK_EVERY_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=_minutes, metavar="N", help="stop after this long (default: at Ctrl-C)")
    parser.add_argument("--port", type=_port, default=8787, help="where the local exchange listens (%(default)s)")
    parser.add_argument("--seed", type=int, help="the same seed gives the same market")


def main(folder: Path, minutes: float | None, port: int, seed: int | None) -> int:
    """Exit code 0 if Hummingbot and the exchange agree to the last digit, 1 if they differ.

    Raises Problem if the session could not be held.
    """
    for signal_number in (signal.SIGINT, signal.SIGTERM):  # a shell's `&` would have SIGINT ignored
        signal.signal(signal_number, _interrupt)
    if not instance.has_hbot():
        raise Problem("This Hummingbot has no `hbot`; a practice session needs 20260922 or later.")
    console = Console(highlight=False, soft_wrap=True)
    with LocalExchange(port, folder / "logs" / "local_exchange.log", seed) as exchange:
        account = exchange.add_account("practice", OPENING)
        bot = Bot(
            folder,
            CONNECTOR,
            {"HBOT_PASSWORD": PASSWORD, "BACKPACK_LOCAL_URL": exchange.url, "BACKPACK_RATE_DOMAIN": CONNECTOR},
        )
        console.print(f"Local exchange: {exchange.url}   instance folder: {folder}   log: {bot.log.name}")
        try:
            _trade(console, exchange, account, bot, minutes)
            return _reckon(console, exchange, account, bot)
        finally:
            bot.kill()  # does nothing if it has stopped


def _trade(console: Console, exchange: LocalExchange, account: Account, bot: Bot, minutes: float | None) -> None:
    """Start the bot, watch it until the time is over or Ctrl-C, stop it."""
    try:
        console.print("Starting Hummingbot ...")
        bot.connect(account.keys)
        bot.start(instance.CONFIGS / STRATEGY)
        _watch(console, exchange, account, bot, minutes)
    except KeyboardInterrupt:
        pass
    finally:
        _ignore_interrupts()
    if bot.running():
        console.print("Stopping: Hummingbot cancels its orders ...")
        bot.stop()


def _watch(console: Console, exchange: LocalExchange, account: Account, bot: Bot, minutes: float | None) -> None:
    """Show what happens until the time is over. Raises Problem if exchange or bot end by themselves."""
    trades = TradeDatabase(bot.database)
    began = time.monotonic()
    duration_s = None if minutes is None else minutes * 60
    with Screen(console, f"Hummingbot: pure market making on {CONNECTOR} {BASE}-{QUOTE}") as screen:
        while True:
            elapsed_s = time.monotonic() - began
            if duration_s is not None and elapsed_s >= duration_s:
                return
            if not bot.running():
                raise Problem(f"Hummingbot ended by itself; its log: {bot.log}")
            fills, price = trades.read(), exchange.mid_price(SYMBOL)
            balances = balances_after(OPENING, fills)
            screen.show(
                Moment(
                    elapsed_s=elapsed_s,
                    left_s=None if duration_s is None else duration_s - elapsed_s,
                    price=price,
                    quotes=exchange.open_orders(account),
                    fills=fills,
                    balances=balances,
                    profit=_profit(balances, price),
                )
            )
            time.sleep(LOOK_EVERY_S)


def _profit(balances: dict[str, Decimal], price: Decimal | None) -> Decimal:
    """Against having held what the account opened with, everything at the price of now."""
    base, quote = (balances.get(asset, Decimal(0)) - OPENING[asset] for asset in (BASE, QUOTE))
    return base * price + quote if price is not None else quote


def _reckon(console: Console, exchange: LocalExchange, account: Account, bot: Bot) -> int:
    recorded, statement = TradeDatabase(bot.database).read(), exchange.statement(account)
    ledger, open_orders = statement.fills, len(exchange.open_orders(account))
    found = differences(recorded, ledger, OPENING, statement.balances, open_orders)
    ours, theirs = balances_after(OPENING, recorded), statement.balances
    profit = _profit(theirs, exchange.mid_price(SYMBOL))
    exchange.save_ledger(account, bot.ledger)
    console.print(f"\nFills: {len(recorded)} in Hummingbot's database, {len(ledger)} in the exchange's ledger.")
    for asset, opening in OPENING.items():
        there = theirs.get(asset, 0)
        console.print(f"{asset}: {opening:f} and Hummingbot's fills make {ours[asset]:f}; on the exchange {there:f}.")
    console.print(f"Open orders left: {open_orders}. P&L: {profit:+.4f} {QUOTE}.")
    errors = bot.problems_logged()
    if errors:
        console.print(f"Hummingbot logged {len(errors)} errors; the last: {errors[-1]}")
    for difference in found:
        console.print(f"DIFFERENT  {difference}", style="red")
    console.print(f"Trades: {bot.database}")
    console.print("A report of the session: scripts/report.sh, or hummingbot-backpack report")
    if found:
        console.print(f"Hummingbot and the exchange differ in {len(found)} places.", style="bold red")
        return 1
    console.print("Hummingbot and the exchange agree, fill by fill and balance by balance.", style="bold green")
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _ignore_interrupts() -> None:
    """While orders are being cancelled, further Ctrl-C must not stop the stopping."""
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, signal.SIG_IGN)


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < 1e6:
        raise argparse.ArgumentTypeError(f"expected a number of minutes above 0, was {text!r}")
    return minutes


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"expected a port from 1 to 65535, was {text!r}")
    return int(text)
