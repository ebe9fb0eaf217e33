"""The figures in words: what the table says, and how it was arrived at."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from hummingbot_backpack.reckoning import fill_differences
from hummingbot_backpack.report.figures import BASIS_POINTS, NEAREST_MID_S, Figures, typical_gap_s
from hummingbot_backpack.report.records import Interruption, Ledger


def summary(
    figures: Figures, interruptions: Sequence[Interruption] | None, ledger: Ledger | None
) -> list[tuple[str, str]]:
    """Name and value, row by row. ``interruptions`` is None where there is no log."""
    record, position = figures.record, figures.account.position
    base, quote = record.base, record.quote
    rows = [
        ("Session", f"{_time(figures.began_s)}, {duration(figures.ended_s - figures.began_s)}"),
        ("Fills", f"{len(record.trades)}: {figures.buys.fills} bought, {figures.sells.fills} sold"),
        ("Volume", f"{amount(figures.volume)} {quote}"),
        ("Average price", _average_prices(figures)),
        ("Spread captured", _spread(figures)),
        ("Against the mid price", _edge(figures)),
        ("Inventory", f"{signed(position.quantity)} {base} against the start"),
        ("Realised", f"{signed(position.realised)} {quote}"),
        ("Marked", _marked(figures)),
        ("Fees", _fees(figures)),
        ("Net", _net(figures)),
        ("Orders", _orders(figures)),
        ("Order life", _lives(figures)),
        ("Reconnects", _reconnects(interruptions)),
    ]
    if ledger is not None:
        rows += [("Exchange's ledger", _agreement(figures, ledger)), ("As maker", _makers(figures, ledger))]
    return rows


def notes(figures: Figures, ledger: Ledger | None) -> list[str]:
    """What a reader has to know to trust the figures."""
    gap_s = typical_gap_s(figures.record.mids)
    if figures.has_mids:
        every = "" if gap_s is None else f", about every {gap_s:.0f} s"
        price = f"The mid price is Hummingbot's record (MarketData){every}; what is held is marked with the last one."
    else:
        price = (
            "No mid price was recorded (market_data_collection in conf_client.yml switches it on): the prices are those"
            " of our own fills, and what is held is marked with the last fill's."
        )
    told = [
        price,
        "Inventory and profit start at zero when the session starts; the opening balance is not in the database.",
        "Profit is by average cost. A fee in the base asset counts as that much sold at the fill's price."
        " Realised + marked - fees is what both balances changed by, at the last price.",
        "Spread captured: average sell price - average buy price, times what was both bought and sold. Against the mid"
        f" price: each fill compared with the nearest recorded mid, at most {NEAREST_MID_S:.0f} s away.",
        "Hummingbot's database keeps six decimals of prices and amounts, and the start of orders to the tick (1 s).",
    ]
    if ledger is not None:
        told.append(f"The exchange's ledger is that of the account {ledger.account!r}.")
    return told


def amount(number: Decimal) -> str:
    """With as many decimals as mean something: two from 1000 on, more for small amounts."""
    size = abs(number)
    decimals = 2 if size >= 1000 else 4 if size >= Decimal("0.1") or not size else 6
    return f"{number:,.{decimals}f}"


def signed(number: Decimal) -> str:
    return f"+{amount(number)}" if number > 0 else amount(number)


def duration(seconds: float) -> str:
    """Rounded to what one wants to know: "45 s", "3 min 05 s", "2 h 10 min", "3 d 4 h"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest_s = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest_s:02d} s"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def _average_prices(figures: Figures) -> str:
    words = {"bought at": figures.buys.average_price, "sold at": figures.sells.average_price}
    return ", ".join(f"{word} {amount(price)}" for word, price in words.items() if price is not None) or "no fills"


def _spread(figures: Figures) -> str:
    spread = figures.spread
    if spread is None:
        return "not yet: fills on one side only" if figures.record.trades else "no fills"
    sign = "+" if spread.basis_points > 0 else ""
    on = f"{amount(spread.quantity)} {figures.record.base}"
    return f"{signed(spread.earned)} {figures.record.quote} ({sign}{spread.basis_points:.1f} bp on {on})"


def _edge(figures: Figures) -> str:
    edge = figures.edge
    if edge is None:
        return "no mid price on record near a fill" if figures.record.trades else "no fills"
    sign = "+" if edge.basis_points > 0 else ""
    return f"{sign}{edge.basis_points:.1f} bp on average, over {edge.fills} of {len(figures.record.trades)} fills"


def _marked(figures: Figures) -> str:
    if figures.price is None:
        return "no fills"
    marked = figures.account.position.marked(figures.price)
    return f"{signed(marked)} {figures.record.quote} at {amount(figures.price)}"


def _fees(figures: Figures) -> str:
    fees, volume = figures.account.fees, figures.volume
    part = f" ({fees / volume * BASIS_POINTS:.1f} bp of the volume)" if volume else ""
    others = "".join(f", and {amount(fee)} {asset}" for asset, fee in figures.account.other_fees.items())
    return f"{amount(fees)} {figures.record.quote}{part}{others}"


def _net(figures: Figures) -> str:
    part = f" ({figures.net / figures.volume * BASIS_POINTS:+.1f} bp of the volume)" if figures.volume else ""
    without = " without the fees in " + ", ".join(figures.account.other_fees) if figures.account.other_fees else ""
    return f"{signed(figures.net)} {figures.record.quote}{part}{without}"


def _orders(figures: Figures) -> str:
    lives = figures.lives
    failed = f", {lives.failed} failed" if lives.failed else ""
    still_open = f", {lives.still_open} still open" if lives.still_open else ""
    return f"{len(figures.record.orders)}: {lives.filled} filled, {lives.cancelled} cancelled{failed}{still_open}"


def _lives(figures: Figures) -> str:
    median_s, most_s, longest_s = (figures.lives.quantile(part) for part in (0.5, 0.9, 1.0))
    if median_s is None or most_s is None or longest_s is None:
        return "no order is over"
    return f"median {median_s:.1f} s, nine of ten under {most_s:.1f} s, longest {longest_s:.1f} s"


def _reconnects(interruptions: Sequence[Interruption] | None) -> str:
    if interruptions is None:
        return "no log, so not known"
    back = [interruption.down_s for interruption in interruptions if interruption.down_s is not None]
    never = len(interruptions) - len(back)
    told = f"{len(back)}, {sum(back):.1f} s down in all" if back else "none"
    return f"{told}; {never} lost and not seen to come back" if never else told


def _agreement(figures: Figures, ledger: Ledger) -> str:
    pair = (figures.record.base, figures.record.quote)
    theirs = [fill for fill in ledger.fills if (fill.base, fill.quote) == pair]
    found = fill_differences([trade.fill for trade in figures.record.trades], theirs)
    return f"{len(found)} differences; the first: {found[0]}" if found else f"the same {len(theirs)} fills"


def _makers(figures: Figures, ledger: Ledger) -> str:
    fills = [trade.fill for trade in figures.record.trades]
    makers = sum((fill.trade_id, fill.side) in ledger.maker_trades for fill in fills)
    return f"{makers} of {len(fills)} fills"
