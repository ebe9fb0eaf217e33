"""``hummingbot-backpack report``: find a session, read it, write its page and pictures."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from hummingbot_backpack.problem import Problem
from hummingbot_backpack.report.figures import Figures, figures_of
from hummingbot_backpack.report.page import Section, page
from hummingbot_backpack.report.records import Interruption, Ledger, read_database, read_ledger, read_log
from hummingbot_backpack.report.summary import notes, summary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "database", nargs="?", type=Path, metavar="DATABASE",
        help="data/NAME.sqlite of an instance folder (default: the newest of this one and of its practice sessions)",
    )  # fmt: skip
    parser.add_argument(
        "--ledger", metavar="URL|FILE",
        help="the local exchange, or what its /_sim/ledger answered (default: NAME.ledger.json beside the database)",
    )  # fmt: skip
    parser.add_argument("--account", metavar="NAME", help="the session's account there, if it has several")
    parser.add_argument(
        "--log", type=Path, metavar="FILE", help="Hummingbot's log (default: logs/logs_NAME.log of the instance folder)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where to write NAME.html and NAME.png (default: beside the database)",
    )


def main(instance: Path, arguments: argparse.Namespace) -> int:
    """Raises Problem if there is nothing to report on, or it cannot be read or written."""
    try:
        from hummingbot_backpack.report import picture
    except ImportError as error:
        sentence = (
            "The report is drawn with matplotlib: pip install 'hummingbot-backpack[report]', or scripts/setup.sh."
        )
        raise Problem(sentence) from error
    database = (arguments.database or newest_database(instance)).expanduser().absolute()
    name = database.stem
    records = read_database(database)
    interruptions = _interruptions(database, arguments.log)
    ledger = _ledger(database, arguments.ledger, arguments.account)
    all_figures = [figures_of(record) for record in records]
    files: dict[str, bytes] = {}
    sections = []
    for figures in all_figures:
        rows = summary(figures, interruptions, ledger)
        record = figures.record
        title = f"{record.trading_pair} on {record.market}, {name}"
        files[_picture_name(name, figures, all_figures)] = picture.png(figures, interruptions or [], rows, title)
        sections.append(Section(figures, rows, notes(figures, ledger), picture.svg(figures, interruptions or [])))
    files[f"{name}.html"] = page(name, str(database), sections, interruptions or []).encode()
    for file in _write(arguments.output or database.parent, files):
        print(file)
    return 0


def newest_database(instance: Path) -> Path:
    """Raises Problem if there is none."""
    instance = instance.expanduser()
    found = [file for folder in (instance, instance / "practice") for file in (folder / "data").glob("*.sqlite")]
    if not found:
        raise Problem(f"There is no trade database in {instance} yet; name one, or trade first (scripts/start.sh).")
    return max(found, key=lambda file: file.stat().st_mtime)


def _interruptions(database: Path, log: Path | None) -> list[Interruption] | None:
    if log is not None:
        return read_log(log)
    usual = database.parent.parent / "logs" / f"logs_{database.stem}.log"
    return read_log(usual) if usual.exists() else None


def _ledger(database: Path, source: str | None, account: str | None) -> Ledger | None:
    if source is not None:
        return read_ledger(source, account)
    usual = database.with_suffix(".ledger.json")
    return read_ledger(str(usual), account) if usual.exists() else None


def _picture_name(name: str, figures: Figures, all_figures: Sequence[Figures]) -> str:
    if len(all_figures) == 1:
        return f"{name}.png"
    return f"{name}-{figures.record.market}-{figures.record.trading_pair}.png".replace("/", "-")


def _write(folder: Path, files: dict[str, bytes]) -> list[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise Problem(f"The report cannot be written to {folder}: {error.strerror}.") from error
    return [folder / name for name in sorted(files)]
