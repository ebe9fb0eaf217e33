"""The session report as one HTML file that needs nothing else: no network, no script, no other file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from hummingbot_backpack import __version__
from hummingbot_backpack.report.figures import Figures
from hummingbot_backpack.report.records import Interruption
from hummingbot_backpack.report.summary import signed

FILLS_LISTED = 2000  # a page of more is slow to open; the database has them all

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, "DejaVu Sans", sans-serif; color: #22303c; background: #f4f6f8; margin: 0; }
main { max-width: 1180px; margin: 0 auto; padding: 24px; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 32px 0 12px; } h3 { font-size: 16px; }
.from { color: #5b6b7a; margin: 0; overflow-wrap: anywhere; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 16px 0; }
.tile { background: #fff; border: 1px solid #d9dfe5; border-radius: 8px; padding: 10px 16px; min-width: 130px; }
.tile b { display: block; font-size: 20px; font-variant-numeric: tabular-nums; }
.tile span { color: #5b6b7a; font-size: 13px; }
.good { color: #0b8a5f; } .bad { color: #cf3f4f; }
.picture { background: #fff; border: 1px solid #d9dfe5; border-radius: 8px; padding: 12px; }
.picture svg { width: 100%; height: auto; display: block; }
table { border-collapse: collapse; background: #fff; border: 1px solid #d9dfe5; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 5px 14px; border-bottom: 1px solid #e8ecf0; vertical-align: top; }
th { font-weight: 600; background: #f0f3f6; } .number { text-align: right; }
details { margin: 16px 0; } summary { cursor: pointer; font-weight: 600; }
li { margin: 4px 0; } footer { color: #5b6b7a; font-size: 13px; margin-top: 32px; }
"""


@dataclass(frozen=True)
class Section:
    """One market of the session."""

    figures: Figures
    summary: Sequence[tuple[str, str]]
    notes: Sequence[str]
    svg: str


def page(name: str, source: str, sections: Sequence[Section], interruptions: Sequence[Interruption]) -> str:
    body = "".join(_section(section) for section in sections)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(name)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Session {escape(name)}</h1>\n"
        f'<p class="from">From {escape(source)}</p>\n{body}{_interruptions(interruptions)}'
        f"<footer>Written by hummingbot-backpack {__version__}.</footer>\n</main>\n</body>\n</html>\n"
    )


def _section(section: Section) -> str:
    record = section.figures.record
    summary = _table([], [[escape(name), escape(value)] for name, value in section.summary])
    notes = "".join(f"<li>{escape(note)}</li>" for note in section.notes)
    return (
        f"<section>\n<h2>{escape(record.trading_pair)} on {escape(record.market)}</h2>\n{_tiles(section)}"
        f'<div class="picture">{section.svg}</div>\n<h3>Summary</h3>\n{summary}'
        f"<h3>How to read it</h3>\n<ul>{notes}</ul>\n{_fills(section.figures)}</section>\n"
    )


def _tiles(section: Section) -> str:
    figures, values = section.figures, dict(section.summary)
    quote, tone = figures.record.quote, "bad" if figures.net < 0 else "good"
    tiles = [
        (f'<b class="{tone}">{signed(figures.net)} {escape(quote)}</b>', "net profit, fees taken off"),
        (f"<b>{len(figures.record.trades)}</b>", "fills"),
        (f"<b>{escape(values['Volume'])}</b>", "volume"),
        (f"<b>{escape(values['Spread captured'].partition(' (')[0])}</b>", "spread captured"),
        (f"<b>{escape(values['Fees'].partition(' (')[0])}</b>", "fees"),
    ]
    return (
        '<div class="tiles">' + "".join(f'<div class="tile">{b}<span>{s}</span></div>' for b, s in tiles) + "</div>\n"
    )


def _fills(figures: Figures) -> str:
    trades = figures.record.trades
    rows = [
        [
            _time(trade.time_s),
            f'<span class="{"good" if trade.fill.side == "BUY" else "bad"}">{escape(trade.fill.side)}</span>',
            f"{trade.fill.price.normalize():f}",
            f"{trade.fill.quantity.normalize():f}",
            f"{trade.fill.fee.normalize():f} {escape(trade.fill.fee_asset)}",
            escape(trade.fill.trade_id),
            escape(trade.order_id),
        ]
        for trade in trades[-FILLS_LISTED:]
    ]
    heads = ["time", "side", "price", "quantity", "fee", "trade", "order"]
    told = f"{len(trades)} fills" if len(trades) <= FILLS_LISTED else f"The last {FILLS_LISTED} of {len(trades)} fills"
    return f"<details><summary>{told}</summary>\n{_table(heads, rows)}</details>\n"


def _interruptions(interruptions: Sequence[Interruption]) -> str:
    if not interruptions:
        return ""
    rows = [
        [
            _time(lost.time_s),
            escape(lost.stream),
            "not seen to come back" if lost.down_s is None else f"{lost.down_s:.1f} s, {lost.attempts} attempts",
            escape(lost.reason),
        ]
        for lost in interruptions
    ]
    return f"<h2>Streams lost</h2>\n{_table(['time', 'stream', 'down', 'reason'], rows)}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The cells are HTML already."""
    head = "<tr>" + "".join(f"<th>{head}</th>" for head in heads) + "</tr>\n" if heads else ""
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f"<table>\n{head}{body}</table>\n"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
