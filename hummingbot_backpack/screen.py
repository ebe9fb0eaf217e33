"""What a practice session shows: a live screen in a terminal, plain lines anywhere else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import TracebackType

from rich.columns import Columns
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hummingbot_backpack.local_exchange import Quote
from hummingbot_backpack.reckoning import Fill

FILLS_SHOWN = 10
PLAIN_EVERY_S = 10.0
COLOUR = {"BUY": "green", "SELL": "red"}


@dataclass(frozen=True)
class Moment:
    """Everything on the screen at one time. ``profit`` is in the quote asset, at the price of now."""

    elapsed_s: float
    left_s: float | None
    price: Decimal | None
    quotes: Sequence[Quote]
    fills: Sequence[Fill]
    balances: Mapping[str, Decimal]
    profit: Decimal


class Screen:
    """``with Screen(console, title) as screen: screen.show(moment)``, about once a second."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._fills_printed = 0
        self._printed_at_s = -PLAIN_EVERY_S

    def __enter__(self) -> "Screen":
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, moment: Moment) -> None:
        if self._live:
            self._live.update(self._picture(moment), refresh=True)
        else:
            self._print_news(moment)

    def _print_news(self, moment: Moment) -> None:
        for fill in moment.fills[self._fills_printed :]:
            self._console.print(f"{clock(moment.elapsed_s)}  fill {in_words(fill)}")
        self._fills_printed = len(moment.fills)
        if moment.elapsed_s - self._printed_at_s >= PLAIN_EVERY_S:
            self._console.print(f"{clock(moment.elapsed_s)}  {summary_line(moment)}")
            self._printed_at_s = moment.elapsed_s

    def _picture(self, moment: Moment) -> Panel:
        left = f", {clock(moment.left_s)} left" if moment.left_s is not None else ""
        head = Text(f"{clock(moment.elapsed_s)}{left}   price {shown(moment.price)}   ")
        head.append(f"{len(moment.fills)} fills   ")
        head.append(f"P&L {moment.profit:+.4f}", style="green" if moment.profit >= 0 else "red")
        tables = Columns([quotes_table(moment.quotes), balances_table(moment.balances)], padding=(0, 4))
        return Panel(
            Group(head, Text(), tables, fills_table(moment.fills)),
            title=self._title,
            subtitle="Ctrl-C stops and checks",
        )


def clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes:02d}:{rest:02d}"


def shown(price: Decimal | None) -> str:
    return "-" if price is None else f"{price:f}"


def in_words(fill: Fill) -> str:
    fee = f"{fill.fee.normalize():f} {fill.fee_asset}"
    return f"{fill.side:<4} {fill.quantity.normalize():f} {fill.base} at {fill.price.normalize():f}, fee {fee}"


def summary_line(moment: Moment) -> str:
    quotes = "  ".join(f"{quote.side} {quote.quantity:f}@{quote.price:f}" for quote in moment.quotes) or "none"
    balances = "  ".join(f"{asset} {amount:f}" for asset, amount in moment.balances.items())
    return (
        f"price {shown(moment.price)} | quotes {quotes} | {len(moment.fills)} fills"
        f" | {balances} | P&L {moment.profit:+.4f}"
    )


def quotes_table(quotes: Sequence[Quote]) -> Table:
    table = Table("side", "price", "quantity", title="quotes", min_width=30)
    for quote in sorted(quotes, key=lambda quote: -quote.price):
        table.add_row(quote.side, f"{quote.price:f}", f"{quote.quantity:f}", style=COLOUR[quote.side])
    return table


def balances_table(balances: Mapping[str, Decimal]) -> Table:
    table = Table("asset", "balance", title="balances", min_width=26)
    for asset, amount in balances.items():
        table.add_row(asset, f"{amount:f}")
    return table


def fills_table(fills: Sequence[Fill]) -> Table:
    table = Table("trade", "side", "price", "quantity", "fee", title="last fills", min_width=60)
    for fill in fills[: -FILLS_SHOWN - 1 : -1]:
        fee = f"{fill.fee.normalize():f} {fill.fee_asset}"
        row = (fill.trade_id, fill.side, f"{fill.price.normalize():f}", f"{fill.quantity.normalize():f}", fee)
        table.add_row(*row, style=COLOUR[fill.side])
    return table
