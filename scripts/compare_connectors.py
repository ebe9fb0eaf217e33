#!/usr/bin/env python
"""Play the fault table against connectors side by side, each on a local exchange of its own, and print who survives.

Every row runs in a process of its own, at the connector's own pace, with the exchange's ledger as the judge.

    python scripts/compare_connectors.py                              ours and the one Hummingbot ships, all rows
    python scripts/compare_connectors.py --rows O1 O4 B2              some rows
    python scripts/compare_connectors.py --connector my.module.Class  another connector class beside ours
    python scripts/compare_connectors.py --write docs/reliability.md  replace the table in that file

Exit code 0 if the first connector held every row, 1 if not, 2 if it could not be played.
"""

import argparse
import asyncio
import contextlib
import importlib.metadata
import json
import logging
import os
import platform
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
OURS = "hummingbot.connector.exchange.backpack.backpack_exchange.BackpackExchange"
BUILTIN = "builtin"
# Long enough for any policy of ours; a connector that needs minutes has not recovered for a trader.
PATIENCE_S = 45.0
SAMPLE_EVERY_S = 0.05
MARKS = ("<!-- table: begin -->", "<!-- table: end -->")


@dataclass
class Outcome:
    """What one row did to one connector; ``seconds`` is how long it and the exchange disagreed."""

    row: str
    recovered: bool
    seconds: float
    fills_lost: int
    wrong_balances: int
    ghost_orders: int
    requests: int
    remark: str


def main() -> int:
    arguments = _parser().parse_args()
    _use_this_checkout(arguments.connector[0] if arguments.play else OURS)
    if arguments.play:
        return _play(arguments.play, arguments.connector[0])
    try:
        rows = _names_of(arguments.rows)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    connectors = arguments.connector or [OURS, BUILTIN]
    for connector in connectors:
        if problem := _problem_with(connector):
            print(f"{connector} cannot be imported as a connector: {problem}", file=sys.stderr)
            return 2
    tasks = [(connector, row) for row in rows for connector in connectors]
    began = time.monotonic()
    outcomes: dict[tuple[str, str], Outcome] = {}
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for task, outcome in zip(tasks, pool.map(lambda task: _run(*task), tasks), strict=True):
            outcomes[task] = outcome
            verdict = "held" if outcome.recovered else "NOT HELD"
            print(f"{len(outcomes)}/{len(tasks)} {_short(task[0])}: {task[1]}: {verdict}", file=sys.stderr, flush=True)
    text = _report(rows, connectors, outcomes, time.monotonic() - began)
    print(text)
    if arguments.write:
        _replace_table(Path(arguments.write), text)
    return 0 if all(outcomes[connectors[0], row].recovered for row in rows) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", metavar="ID", help="ids (O1) or names (O1-fill_frame_lost); default all")
    parser.add_argument(
        "--connector", action="append", metavar="PATH",
        help=f"import path of a connector class, or {BUILTIN!r} for the one Hummingbot ships; may be repeated",
    )  # fmt: skip
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="rows at a time (default 4)")
    parser.add_argument("--write", metavar="FILE", help="also replace the table between its marks in this file")
    parser.add_argument("--play", metavar="ROW", help=argparse.SUPPRESS)  # one row, in this process: what we start
    return parser


# -- one row, in a process of its own ----------------------------------------------------------------------------------


def _use_this_checkout(connector: str) -> None:
    """Our connector, or with it switched off the one Hummingbot ships; our tests' helpers in any case."""
    import test

    sys.path.insert(0, str(CHECKOUT))
    test.__path__ = [str(CHECKOUT / "test"), *test.__path__]
    if connector == BUILTIN:
        os.environ["HUMMINGBOT_BACKPACK"] = BUILTIN
    importlib.import_module("hummingbot_backpack.hook").install()


def _rows() -> dict[str, object]:
    from test.hummingbot.connector.exchange.backpack.reliability.rows import all_rows

    return {row.name: row for row in all_rows()}


def _play(name: str, connector: str) -> int:
    logging.disable(logging.CRITICAL)
    print(json.dumps(asdict(asyncio.run(_outcome(name, OURS if connector == BUILTIN else connector)))))
    return 0


async def _outcome(name: str, connector: str) -> Outcome:
    from test.hummingbot.connector.exchange.backpack.reliability.rig import Rig

    row = _rows()[name]
    remark = ""
    disagreed: list[float] = []
    rig = Rig(connector, **row.rig)
    try:
        async with rig:
            async with asyncio.timeout(PATIENCE_S * 2), asyncio.TaskGroup() as group:
                watching = group.create_task(_watch(rig, disagreed))
                try:
                    await row.play(rig)
                finally:
                    with contextlib.suppress(AssertionError):
                        await rig.settled(PATIENCE_S)
                    watching.cancel()
            left = rig.violations()
            fills, orders, balances = rig.wrong_fills(), rig.wrong_orders(), rig.wrong_balances()
            remark = "; ".join(left[:1])
    except BaseExceptionGroup as group:
        error = group.exceptions[0]
        left = [str(error) or type(error).__name__]
        remark = left[0]
        fills, orders, balances = rig.wrong_fills(), rig.wrong_orders(), rig.wrong_balances()
    except Exception as error:  # the rig could not even be made ready
        left = [str(error) or type(error).__name__]
        remark = left[0]
        fills = orders = balances = []
    return Outcome(
        row=name,
        recovered=not left,
        seconds=disagreed[-1] - disagreed[0] if disagreed else 0.0,
        fills_lost=sum("lost" in text for text in fills),
        wrong_balances=len(balances),
        ghost_orders=sum("alive on the exchange" in text for text in orders),
        requests=len(rig.requests.calls),
        remark=remark,
    )


async def _watch(rig: object, disagreed: list[float]) -> None:
    while True:
        if rig.connector is not None and rig.violations():
            disagreed.append(time.monotonic())
        await asyncio.sleep(SAMPLE_EVERY_S)


# -- all of them -------------------------------------------------------------------------------------------------------


def _names_of(wanted: list[str] | None) -> list[str]:
    names = list(_rows())
    if not wanted:
        return names
    chosen = [name for name in names if name in wanted or name.partition("-")[0] in wanted]
    unknown = set(wanted) - set(chosen) - {name.partition("-")[0] for name in chosen}
    if unknown:
        raise ValueError(f"Unknown rows {', '.join(sorted(unknown))}: expected ids or names out of {', '.join(names)}.")
    return chosen


def _problem_with(connector: str) -> str | None:
    if connector == BUILTIN:
        return None
    module, _, name = connector.rpartition(".")
    try:
        getattr(importlib.import_module(module), name)
    except (ImportError, ValueError, AttributeError) as error:
        return str(error)
    return None


def _run(connector: str, row: str) -> Outcome:
    command = [sys.executable, str(Path(__file__).resolve()), "--play", row, "--connector", connector]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S * 4, check=False)
    try:
        return Outcome(**json.loads(done.stdout.strip().splitlines()[-1]))
    except (IndexError, ValueError):
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return Outcome(row, False, 0.0, 0, 0, 0, 0, f"the process ended with code {done.returncode}: {last}")


def _short(connector: str) -> str:
    return {OURS: "ours", BUILTIN: "built-in"}.get(connector, connector)


def _report(rows: list[str], connectors: list[str], outcomes: dict[tuple[str, str], Outcome], took_s: float) -> str:
    versions = f"Hummingbot {importlib.metadata.version('hummingbot')}, Python {platform.python_version()}"
    lines = [
        f"Played {datetime.now(UTC):%Y-%m-%d} on {versions}, {os.cpu_count()} cores, in {took_s / 60:.0f} min by "
        "`python scripts/compare_connectors.py`. A row not held within "
        f"{PATIENCE_S:.0f} s counts as not held; seconds are how long connector and exchange disagreed.",
        "",
        "| row | " + " | ".join(f"{_short(connector)}" for connector in connectors) + " |",
        "|---|" + "---|" * len(connectors),
    ]
    table = _rows()
    for name in rows:
        row = table[name]
        cells = [_cell(outcomes[connector, name]) for connector in connectors]
        lines.append(f"| **{row.id}** {row.phase}: {row.what} | " + " | ".join(cells) + " |")
    totals = []
    for connector in connectors:
        mine = [outcomes[connector, name] for name in rows]
        totals.append(
            f"{sum(o.recovered for o in mine)} of {len(mine)} held; {sum(o.fills_lost for o in mine)} fills lost, "
            f"{sum(o.wrong_balances for o in mine)} wrong balances, {sum(o.ghost_orders for o in mine)} ghost orders"
        )
    lines.append("| **all** | " + " | ".join(totals) + " |")
    return "\n".join(lines)


def _cell(outcome: Outcome) -> str:
    facts = [f"{outcome.seconds:.1f} s", f"{outcome.requests} requests"]
    for count, what in (
        (outcome.fills_lost, "fills lost"),
        (outcome.wrong_balances, "wrong balances"),
        (outcome.ghost_orders, "ghost orders"),
    ):
        if count:
            facts.append(f"{count} {what}")
    if outcome.recovered:
        return f"held ({', '.join(facts)})"
    remark = outcome.remark.replace("|", "/").replace("\n", " ")[:120]
    return f"**not held** ({', '.join(facts)}): {remark}"


def _replace_table(path: Path, text: str) -> None:
    begin, end = MARKS
    before, _, rest = path.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
