"""A session as one picture: price with fills, inventory, profit, order lives, and the summary beside them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from io import BytesIO, StringIO
from typing import Any

import matplotlib
import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from hummingbot_backpack.report.figures import Figures
from hummingbot_backpack.report.records import Interruption

INK, FAINT, LINE = "#22303c", "#8a97a3", "#d9dfe5"
PRICE, BOUGHT, SOLD, HELD, NET, REALISED, FEES = (
    "#5b6b7a", "#0b8a5f", "#cf3f4f", "#3465a8", "#22303c", "#b07d12", "#cf3f4f",
)  # fmt: skip
LOST = "#f2b8a0"
DOTS_PER_INCH = 110
MOST_VECTORS = 5000  # points on a curve; with more, the page carries the curves as pixels, or it gets too heavy to open
_LIFE_TICKS = {
    0.1: "0.1 s", 0.2: "0.2 s", 0.5: "0.5 s", 1: "1 s", 2: "2 s", 5: "5 s", 10: "10 s", 20: "20 s", 60: "1 min",
    180: "3 min", 600: "10 min", 1800: "30 min", 3600: "1 h", 14400: "4 h", 86400: "1 d", 604800: "1 w",
}  # fmt: skip
SHORTEST_DRAWN = 0.002  # of the time axis; a shorter interruption would not be seen

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # matplotlib's own: the same on every machine
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": LINE,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text: smaller, and it can be searched
    "svg.hashsalt": "session report",  # the same session, the same file
}


def png(
    figures: Figures, interruptions: Sequence[Interruption], summary: Sequence[tuple[str, str]], title: str
) -> bytes:
    """To stand alone: with title and summary."""
    file = BytesIO()
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(13, 13.5), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=14, fontweight="bold")
        bottom_row = _draw(figure, figures, interruptions)
        _draw_lives(figure.add_subplot(bottom_row[0]), figures)
        _draw_summary(figure.add_subplot(bottom_row[1]), summary)
        figure.savefig(file, format="png", dpi=DOTS_PER_INCH, facecolor="white")
    return file.getvalue()


def svg(figures: Figures, interruptions: Sequence[Interruption]) -> str:
    """The ``<svg>`` element alone, to stand inside a page that says the rest."""
    file = StringIO()
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(13, 12.5), layout="constrained")
        bottom_row = _draw(figure, figures, interruptions)
        _draw_lives(figure.add_subplot(bottom_row[:]), figures)
        figure.savefig(file, format="svg", dpi=DOTS_PER_INCH, facecolor="white", metadata={"Date": None})
    text = file.getvalue()
    return text[text.index("<svg") :]


def _draw(figure: Figure, figures: Figures, interruptions: Sequence[Interruption]) -> Any:
    """The panels over time. Returns the two places of the row under them."""
    grid = figure.add_gridspec(4, 2, height_ratios=[3.2, 1.7, 2.2, 2.8], width_ratios=[1, 1.25], hspace=0.06)
    price = figure.add_subplot(grid[0, :])
    inventory = figure.add_subplot(grid[1, :], sharex=price)
    profit = figure.add_subplot(grid[2, :], sharex=price)
    _draw_price(price, figures)
    _draw_inventory(inventory, figures)
    _draw_profit(profit, figures)
    zone = datetime.fromtimestamp(figures.began_s).astimezone().tzinfo or UTC
    for axes in (price, inventory, profit):
        _shade(axes, interruptions, figures)
        _time_axis(axes, figures, zone)
        if len(figures.moments) > MOST_VECTORS:
            for artist in (*axes.lines, *axes.collections):
                artist.set_rasterized(True)
    for axes in (price, inventory):
        axes.tick_params(labelbottom=False)
        axes.xaxis.get_offset_text().set_visible(False)
    if any(_seen(interruption, figures) for interruption in interruptions):
        price.plot([], [], color=LOST, linewidth=8, label="stream lost")
    if price.get_legend_handles_labels()[0]:
        price.legend(loc="upper left", ncols=5)
    return grid[3, :].subgridspec(1, 2, width_ratios=[1, 1.25])


def _draw_price(axes: Any, figures: Figures) -> None:
    record = figures.record
    if record.mids:
        axes.plot(_times([mid.time_s for mid in record.mids]), [mid.price for mid in record.mids],
                  color=PRICE, linewidth=1.3, label="mid price")  # fmt: skip
    else:
        axes.step(_times([trade.time_s for trade in record.trades]), [trade.fill.price for trade in record.trades],
                  where="post", color=LINE, linewidth=1.2, label="own fills (no mid price on record)")  # fmt: skip
    for side, colour, marker, word in (("BUY", BOUGHT, "^", "bought"), ("SELL", SOLD, "v", "sold")):
        trades = [trade for trade in record.trades if trade.fill.side == side]
        if trades:
            axes.scatter(_times([trade.time_s for trade in trades]), [float(trade.fill.price) for trade in trades],
                         color=colour, marker=marker, s=_marker_size(len(record.trades)), label=word,
                         zorder=3, edgecolors="white", linewidths=0.5 if len(trades) < 500 else 0)  # fmt: skip
    axes.set_title(f"{record.trading_pair}: price and own fills")
    axes.set_ylabel(record.quote)
    axes.margins(y=0.16)  # room for the legend


def _marker_size(trades: int) -> float:
    return max(10.0, min(60.0, 6000 / max(1, trades)))


def _draw_inventory(axes: Any, figures: Figures) -> None:
    axes.axhline(0, color=FAINT, linewidth=1)
    times, held = _curve(figures, lambda moment: moment.inventory)
    axes.step(times, held, where="post", color=HELD, linewidth=1.5)
    axes.fill_between(times, held, step="post", color=HELD, alpha=0.12, linewidth=0)
    axes.set_title("Inventory against the start")
    axes.set_ylabel(figures.record.base)


def _draw_profit(axes: Any, figures: Figures) -> None:
    axes.axhline(0, color=FAINT, linewidth=1)
    for colour, width, label, of in (
        (REALISED, 1.3, "realised", lambda moment: moment.realised),
        (FEES, 1.3, "fees", lambda moment: -moment.fees),
        (NET, 2.0, "net: realised + marked - fees", lambda moment: moment.net),
    ):
        times, values = _curve(figures, of)
        axes.step(times, values, where="post", color=colour, linewidth=width, label=label)
    axes.set_title("Profit and loss")
    axes.set_ylabel(figures.record.quote)
    axes.margins(y=0.12)
    axes.legend(loc="best", ncols=3)


def _draw_lives(axes: Any, figures: Figures) -> None:
    lives = figures.lives.seconds
    axes.set_title("How long orders lived")
    axes.set_xlabel("logarithmic")
    axes.set_ylabel("orders")
    if not lives:
        axes.text(0.5, 0.5, "no order is over", transform=axes.transAxes, ha="center", color=FAINT)
        return
    shortest = max(min(lives), 0.05)
    longest = max(max(lives), 2 * shortest)
    bins = np.geomspace(shortest * 0.95, longest * 1.05, 30)
    axes.hist(np.clip(lives, shortest, None), bins=bins, color=HELD, alpha=0.85)
    axes.set_xscale("log")
    ticks = {seconds: word for seconds, word in _LIFE_TICKS.items() if bins[0] <= seconds <= bins[-1]}
    axes.xaxis.set_major_locator(FixedLocator(list(ticks)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels(list(ticks.values()))
    axes.set_ylim(top=axes.get_ylim()[1] * 1.12)  # room for the median's label
    median_s = figures.lives.quantile(0.5)
    assert median_s is not None
    axes.axvline(median_s, color=INK, linewidth=1.2, linestyle="--")
    axes.annotate(f" median {median_s:.1f} s", (median_s, 0.96), xycoords=("data", "axes fraction"), va="top")


def _draw_summary(axes: Any, summary: Sequence[tuple[str, str]]) -> None:
    axes.axis("off")
    axes.set_title("Summary")
    for row, (name, value) in enumerate(summary):
        height = 0.97 - row * 0.97 / max(len(summary), 14)
        axes.text(0.0, height, name, transform=axes.transAxes, va="top", color=PRICE)
        axes.text(0.36, height, value, transform=axes.transAxes, va="top")


def _shade(axes: Any, interruptions: Sequence[Interruption], figures: Figures) -> None:
    shortest_s = (figures.ended_s - figures.began_s) * SHORTEST_DRAWN
    for interruption in interruptions:
        if _seen(interruption, figures):
            down_s = figures.ended_s - interruption.time_s if interruption.down_s is None else interruption.down_s
            span = _times([interruption.time_s, interruption.time_s + max(down_s, shortest_s)])
            axes.axvspan(*span, color=LOST, alpha=0.6, linewidth=0, zorder=0)


def _seen(interruption: Interruption, figures: Figures) -> bool:
    return figures.began_s <= interruption.time_s <= figures.ended_s


def _time_axis(axes: Any, figures: Figures, zone: tzinfo) -> None:
    locator = AutoDateLocator(tz=zone, maxticks=10)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator, tz=zone)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)
    margin_s = max(1.0, (figures.ended_s - figures.began_s) * 0.01)
    axes.set_xlim(*_times([figures.began_s - margin_s, figures.ended_s + margin_s]))


def _curve(figures: Figures, of: Callable[[Any], Decimal]) -> tuple[Any, list[float]]:
    """From the session's start, at zero, to its end."""
    moments = figures.moments
    times = [figures.began_s, *(moment.time_s for moment in moments), figures.ended_s]
    values = [0.0, *(float(of(moment)) for moment in moments)]
    return _times(times), [*values, values[-1]]


def _times(seconds: Sequence[float]) -> Any:
    return (np.asarray(seconds) * 1e6).astype("datetime64[us]")
