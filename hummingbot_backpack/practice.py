"""The main job: a strategy run by a real Hummingbot on a local exchange, watched live and reckoned at the end."""

import argparse
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import TypeVar

from rich.console import Console

from hummingbot_backpack import instance
from hummingbot_backpack.bot import Bot
from hummingbot_backpack.demo_exchange import ACCOUNT as DEMO_ACCOUNT
from hummingbot_backpack.demo_exchange import CONNECTOR as DEMO_CONNECTOR
from hummingbot_backpack.demo_exchange import DemoExchange
from hummingbot_backpack.local_exchange import Account, LocalExchange, Quote
from hummingbot_backpack.problem import Problem
from hummingbot_backpack.reckoning import Fill, TradeDatabase, balances_after, differences
from hummingbot_backpack.screen import Moment, Screen
from hummingbot_backpack.strategies import STRATEGIES, Strategy

DEFAULT_STRATEGY = "pure_market_making"
SYMBOL, BASE, QUOTE = "SOL_USDC", "SOL", "USDC"
OPENING = {BASE: Decimal(100), QUOTE: Decimal(20_000)}
PASSWORD = "practice"  # noqa: S105  (guards play money only)
LOOK_EVERY_S = 1.0
MOST_BOTS = 4

Number = TypeVar("Number", int, float)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = "Run a strategy on a local exchange; at the end, every fill and balance is compared with it."
    parser.epilog = "strategies:\n" + "\n".join(f"  {name:<20} {it.about}" for name, it in STRATEGIES.items())
    parser.add_argument(
        "--strategy", choices=STRATEGIES, default=DEFAULT_STRATEGY, metavar="NAME", help="see below (%(default)s)"
    )
    parser.add_argument(
        "--minutes", type=_number_of("minutes", float), metavar="N", help="stop after this long (default: at Ctrl-C)"
    )
    parser.add_argument(
        "--bots", type=_number_of("bots", int, MOST_BOTS), default=1, metavar="N",
        help="so many Hummingbots on one account, each in an instance folder of its own (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--kill-after", type=_number_of("seconds", float), metavar="SECONDS",
        help="kill the bots once (kill -9), with their orders alive, and start them again",
    )  # fmt: skip
    parser.add_argument("--port", type=_port, default=8787, help="where the local exchange listens (%(default)s); a "
                        "second one takes the next port")  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same market (%(default)s)")


def main(root: Path, arguments: argparse.Namespace) -> int:
    """Exit code 0 if Hummingbot and the exchange agree to the last digit, 1 if they differ.

    Sessions live in folders of their own under ``root``, apart from real keys and their password. Raises Problem if the
    session could not be held.
    """
    for signal_number in (signal.SIGINT, signal.SIGTERM):  # a shell's `&` would have SIGINT ignored
        signal.signal(signal_number, _interrupt)
    if not instance.has_hbot():
        raise Problem("This Hummingbot has no `hbot`; a practice session needs 20260922 or later.")
    strategy = STRATEGIES[arguments.strategy]
    if strategy.in_demo and (arguments.bots > 1 or arguments.kill_after is not None):
        raise Problem("In demo mode the exchange is inside Hummingbot: neither --bots nor --kill-after fits.")
    names = ["practice", *(f"practice-{number}" for number in range(2, arguments.bots + 1))]
    folders = [instance.prepare(root / name) for name in names]
    console = Console(highlight=False, soft_wrap=True)
    with ExitStack() as stack:
        venues: list[Venue] = []
        exchanges: dict[str, LocalExchange] = {}
        for number, connector in enumerate(strategy.local_connectors):
            log = folders[0] / "logs" / f"local_exchange{f'_{number + 1}' if number else ''}.log"
            exchange = stack.enter_context(LocalExchange(arguments.port + number, log, arguments.seed + number))
            exchanges[connector] = exchange
            venues.append(Venue(connector, exchange, exchange.add_account("practice", OPENING)))
            console.print(f"Local exchange: {exchange.url}   connector: {connector}")
        if strategy.in_demo:
            source = next(iter(exchanges.values()))
            venues.insert(0, Venue(DEMO_CONNECTOR, DemoExchange(folders[0], source), DEMO_ACCOUNT))
            console.print(f"Demo mode, no real money: connector {DEMO_CONNECTOR}, follows {source.url}")
        bots = [_bot(folder, {connector: at.url for connector, at in exchanges.items()}) for folder in folders]
        for bot in bots:
            console.print(f"Instance folder: {bot.folder}   log: {bot.log.name}")
            stack.callback(bot.kill)  # for the ways out on which it could not stop: it must not live on unseen
        session = Session(console, strategy, venues, bots)
        session.trade(None if arguments.minutes is None else arguments.minutes * 60, arguments.kill_after)
        return session.reckon()


def _bot(folder: Path, addresses: Mapping[str, str]) -> Bot:
    """``addresses`` of the local exchanges, by connector."""
    variables = {f"{connector.upper()}_URL": url for connector, url in addresses.items()}
    return Bot(folder, variables | {"HBOT_PASSWORD": PASSWORD, "BACKPACK_RATE_DOMAIN": next(iter(addresses))})


@dataclass(frozen=True)
class Venue:
    """An exchange, the connector that trades on it, and the account that all bots of the session share there."""

    connector: str
    exchange: LocalExchange | DemoExchange
    account: Account


class Session:
    """Bots that run one strategy. ``trade`` returns when they have stopped, ``reckon`` says how it was."""

    def __init__(self, console: Console, strategy: Strategy, venues: Sequence[Venue], bots: Sequence[Bot]) -> None:
        self._console = console
        self._strategy = strategy
        self._venues = venues
        self._bots = bots
        self._databases = {
            venue.connector: [TradeDatabase(bot.database, venue.connector) for bot in bots] for venue in venues
        }

    def trade(self, duration_s: float | None, kill_after_s: float | None) -> None:
        """Start the bots, watch them until the time is over or Ctrl-C, stop them.

        Raises Problem if exchange or bot end by themselves.
        """
        try:
            self._console.print("Starting Hummingbot ...")
            keys = {venue.connector: venue.account.keys_of(venue.connector) for venue in self._venues}
            for bot in self._bots:
                bot.connect(keys)
                for venue in self._venues:
                    if isinstance(venue.exchange, DemoExchange):
                        venue.exchange.configure(OPENING)
                bot.start(self._strategy.config)
            self._watch(duration_s, kill_after_s)
        except KeyboardInterrupt:
            pass
        finally:
            _ignore_interrupts()
        for bot in self._bots:
            if bot.running():
                self._console.print("Stopping: Hummingbot cancels its orders ...")
                bot.stop()

    def _watch(self, duration_s: float | None, kill_after_s: float | None) -> None:
        began = time.monotonic()
        shown: list[Fill] = []
        with Screen(self._console, f"Hummingbot: {self._strategy.about}") as screen:
            while True:
                elapsed_s = time.monotonic() - began
                if duration_s is not None and elapsed_s >= duration_s:
                    return
                if kill_after_s is not None and elapsed_s >= kill_after_s and self._open_orders():
                    self._kill_and_restart()
                    kill_after_s = None
                for bot in self._bots:
                    if not bot.running():
                        raise Problem(f"Hummingbot ended by itself; its log: {bot.log}")
                shown += self._new_fills()
                screen.show(self._moment(elapsed_s, duration_s, shown))
                time.sleep(LOOK_EVERY_S)

    def _kill_and_restart(self) -> None:
        for bot in self._bots:
            bot.kill()
        alive = len(self._open_orders())
        self._console.print(f"Killed Hummingbot with {alive} orders alive; starting it again ...")
        for bot in self._bots:
            bot.start(self._strategy.config)

    def _new_fills(self) -> list[Fill]:
        """What the bots have recorded since this was last asked."""
        new: list[Fill] = []
        for databases in self._databases.values():
            for database in databases:
                known = len(database.fills)
                new += database.read()[known:]
        return new

    def _moment(self, elapsed_s: float, duration_s: float | None, fills: Sequence[Fill]) -> Moment:
        balances: dict[str, Decimal] = {}
        profit = Decimal(0)
        for venue in self._venues:
            held = balances_after(OPENING, self._recorded(venue))
            balances |= {self._on(venue, asset): amount for asset, amount in held.items()}
            profit += _profit(held, venue.exchange.mid_price(SYMBOL))
        return Moment(
            elapsed_s=elapsed_s,
            left_s=None if duration_s is None else duration_s - elapsed_s,
            price=self._venues[0].exchange.mid_price(SYMBOL),
            quotes=self._open_orders(),
            fills=fills,
            balances=balances,
            profit=profit,
        )

    def reckon(self) -> int:
        """0 if Hummingbot and the exchange agree, 1 if they differ; every difference is told."""
        self._new_fills()
        found = [self._on(venue, difference) for venue in self._venues for difference in self._account_for(venue)]
        for bot in self._bots:
            errors = bot.problems_logged()
            if errors:
                self._console.print(f"Hummingbot logged {len(errors)} errors; the last: {errors[-1]}")
        for difference in found:
            self._console.print(f"DIFFERENT  {difference}", style="red")
        for bot in self._bots:
            self._console.print(f"Trades: {bot.database}")
        self._console.print("A report of the session: scripts/report.sh, or hummingbot-backpack report")
        if found:
            self._console.print(f"Hummingbot and the exchange differ in {len(found)} places.", style="bold red")
            return 1
        sentence = "Hummingbot and the exchange agree, fill by fill and balance by balance."
        self._console.print(sentence, style="bold green")
        return 0

    def _account_for(self, venue: Venue) -> list[str]:
        """Print what became of the account, and return how Hummingbot's record of it differs from the exchange's."""
        recorded, statement = self._recorded(venue), venue.exchange.statement(venue.account)
        open_orders = len(venue.exchange.open_orders(venue.account))
        orders = sum(database.orders() for database in self._databases[venue.connector])
        ours, theirs = balances_after(OPENING, recorded), statement.balances
        profit = _profit(theirs, venue.exchange.mid_price(SYMBOL))
        self._console.print(f"\nConnector {venue.connector}, {orders} orders placed.")
        self._console.print(
            f"Fills: {len(recorded)} in Hummingbot's database, {len(statement.fills)} in the exchange's ledger."
        )
        for asset, opening in OPENING.items():
            there = theirs.get(asset, 0)
            self._console.print(
                f"{asset}: {opening:f} and Hummingbot's fills make {ours[asset]:f}; on the exchange {there:f}."
            )
        self._console.print(f"Open orders left: {open_orders}. P&L: {profit:+.4f} {QUOTE}.")
        if isinstance(venue.exchange, LocalExchange) and len(self._venues) == len(self._bots) == 1:
            venue.exchange.save_ledger(venue.account, self._bots[0].ledger)  # the story of one trade database
        return differences(recorded, statement.fills, OPENING, statement.balances, open_orders)

    def _open_orders(self) -> list[Quote]:
        return [quote for venue in self._venues for quote in venue.exchange.open_orders(venue.account)]

    def _recorded(self, venue: Venue) -> list[Fill]:
        return [fill for database in self._databases[venue.connector] for fill in database.fills]

    def _on(self, venue: Venue, what: str) -> str:
        return what if len(self._venues) == 1 else f"{what}, {venue.connector}"


def _profit(balances: dict[str, Decimal], price: Decimal | None) -> Decimal:
    """Against having held what the account opened with, everything at the price of now."""
    base, quote = (balances.get(asset, Decimal(0)) - OPENING[asset] for asset in (BASE, QUOTE))
    return base * price + quote if price is not None else quote


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _ignore_interrupts() -> None:
    """While orders are being cancelled, further Ctrl-C must not stop the stopping."""
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, signal.SIG_IGN)


def _number_of(unit: str, kind: Callable[[str], Number], most: Number | None = None) -> Callable[[str], Number]:
    """For argparse: a number above 0."""

    def read(text: str) -> Number:
        try:
            number = kind(text)
        except ValueError:
            number = kind("0")
        if not 0 < number <= (1e6 if most is None else most):
            limit = "above 0" if most is None else f"from 1 to {most}"
            raise argparse.ArgumentTypeError(f"expected a number of {unit} {limit}, was {text!r}")
        return number

    return read


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"expected a port from 1 to 65535, was {text!r}")
    return int(text)
