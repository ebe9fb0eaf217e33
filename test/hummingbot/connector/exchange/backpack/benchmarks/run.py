"""The command behind ``scripts/benchmark.py``: plays A and B in turn, and makes a table, a page and JSON of it."""

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from test.hummingbot.connector.exchange.backpack.benchmarks.plays import Play, all_plays
from test.hummingbot.connector.exchange.backpack.benchmarks.rows import ROWS, Kind, Row, Spread, ratio, shown

CHECKOUT = Path(__file__).resolve().parents[6]
COMMAND = CHECKOUT / "scripts" / "benchmark.py"
VENUE = Path(__file__).with_name("venue.py")
MARKS = ("<!-- table: begin -->", "<!-- table: end -->")
SHORT_ROUNDS = 1
START_PATIENCE_S = 60.0

REACHED, MISSED, NOT_RUN = 0, 1, 2

Figures = dict[str, dict[str, list[float]]]
"""Figure -> "a" or "b" -> one value a round."""


class NotRun(Exception):
    """Nothing could be measured, or what was measured is worth nothing; the text says why."""


# -- processes ---------------------------------------------------------------------------------------------------------


class Child:
    """A process that prints one line for each line it is sent, and ends when its input does."""

    def __init__(self, name: str, command: list[str]) -> None:
        self._name = name
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=CHECKOUT
        )
        self._errors = ThreadPoolExecutor(1)
        self._last_words: list[str] = []
        assert self._process.stderr is not None
        self._errors.submit(self._listen, self._process.stderr)

    def _listen(self, errors: IO[str]) -> None:
        for line in errors:
            self._last_words[:] = [*self._last_words[-5:], line.rstrip()]

    def ask(self, line: str | None = None) -> str:
        """Its next line. Raises NotRun if it has ended."""
        assert self._process.stdin is not None and self._process.stdout is not None
        if line is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.write(line + "\n")
                self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if not answer:
            words = next((word for word in reversed(self._last_words) if word), "it said nothing")
            raise NotRun(f"{self._name} ended: {words}")
        return answer

    def last_words(self) -> str:
        """What it wrote to its log in the end; they are told once."""
        words = "\n".join(f"    {word[:300]}" for word in self._last_words)
        self._last_words.clear()
        return words

    def end(self) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.shutdown()


class Host(Child):
    """A process that has imported one connector, see ``host.serve``."""

    def __init__(self, key: str, connector: str, office: str) -> None:
        super().__init__(connector, [sys.executable, str(COMMAND), "--host", connector, "--office", office])
        self.key = key
        self.connector = connector
        about = json.loads(self.ask())
        if "failed" in about:
            self.end()
            raise NotRun(f"{connector} cannot be used as a connector: {about['failed']}")
        self.file: str = about["file"]

    def figures(self, play: Play, short: bool) -> dict[str, float]:
        """Raises NotRun if the play's check failed."""
        answer = json.loads(self.ask(json.dumps({"play": play.name, "short": short})))
        if "failed" in answer:
            raise NotRun(f"{play.name} of {self.connector}: {answer['failed']}")
        return answer["figures"]


# -- the whole run -----------------------------------------------------------------------------------------------------


def main(arguments: argparse.Namespace) -> int:
    plays = all_plays()
    try:
        chosen = _chosen(arguments.rows, plays, arguments.short)
    except NotRun as error:
        print(error, file=sys.stderr)
        return NOT_RUN
    began_s, load = time.monotonic(), os.getloadavg()
    office = Child("the venue", [sys.executable, str(VENUE)])
    hosts: list[Host] = []
    figures: Figures = defaultdict(lambda: {"a": [], "b": []})
    failures: list[str] = []
    try:
        address = office.ask()
        for key, connector in (("a", arguments.a), ("b", arguments.b)):
            hosts.append(Host(key, connector, address))
        for play in chosen:
            rounds = min(play.rounds, arguments.rounds or (SHORT_ROUNDS if arguments.short else play.rounds))
            failures += _play(play, rounds, hosts, arguments.short, figures)
    except NotRun as error:
        failures.append(str(error))
    finally:
        for child in (*hosts, office):
            child.end()
    if not figures:
        print("\n".join(failures), file=sys.stderr)
        return NOT_RUN
    result = _result(arguments, plays, chosen, hosts, figures, failures, time.monotonic() - began_s, load)
    text = report(result)
    print(text)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if arguments.write:
        _replace_table(Path(arguments.write), text)
    return _verdict(result)


def _chosen(wanted: Sequence[str] | None, plays: dict[str, Play], short: bool) -> list[Play]:
    """In the order of the table. A play is wanted by its own name or by that of one of its figures."""
    order = list(dict.fromkeys([*(row.play for row in ROWS), *plays]))
    of_figure = {row.figure: row.play for row in ROWS}
    if wanted is None:
        in_table = {row.play for row in ROWS}
        return [plays[name] for name in order if name in in_table and not (short and plays[name].full_only)]
    unknown = [name for name in wanted if name not in plays and name not in of_figure]
    if unknown:
        raise NotRun(f"Unknown rows {', '.join(unknown)}: expected some of {', '.join(order)}.")
    names = {of_figure.get(name, name) for name in wanted}
    return [plays[name] for name in order if name in names]


def _play(play: Play, rounds: int, hosts: list[Host], short: bool, figures: Figures) -> list[str]:
    """A, B, A, B ...; what went wrong. A connector that failed is not asked again."""
    failures: list[str] = []
    asked = list(hosts)
    for number in range(rounds):
        with ThreadPoolExecutor(len(hosts) if play.together else 1) as pool:
            results = [(host, pool.submit(host.figures, play, short)) for host in asked]
            for host, result in results:
                try:
                    for name, value in result.result().items():
                        figures[name][host.key].append(value)
                except NotRun as error:
                    failures.append(f"{host.key.upper()}: {error}")
                    asked.remove(host)
                    print(f"  {failures[-1]}", host.last_words(), sep="\n", file=sys.stderr)
        told = ", ".join(_progress(row, figures) for row in ROWS if row.play == play.name and row.figure in figures)
        print(f"{play.name} {number + 1}/{rounds}: {told}", file=sys.stderr, flush=True)
    return failures


def _progress(row: Row, figures: Figures) -> str:
    values = [shown(figures[row.figure][key][-1]) if figures[row.figure][key] else "?" for key in ("a", "b")]
    return f"{row.figure} {' / '.join(values)}"


# -- what is known afterwards ------------------------------------------------------------------------------------------


def _result(
    arguments: argparse.Namespace,
    plays: dict[str, Play],
    chosen: list[Play],
    hosts: list[Host],
    figures: Figures,
    failures: list[str],
    took_s: float,
    load: tuple[float, float, float],
) -> dict[str, Any]:
    names = {play.name for play in chosen}
    rows = []
    for row in ROWS:
        values = figures.get(row.figure)
        if row.play not in names or not values or not values["b"]:
            continue
        spreads = {key: Spread.of(values[key]) if values[key] else None for key in ("a", "b")}
        a, b = spreads["a"], spreads["b"]
        assert b is not None
        times = None if a is None else ratio(b.median, a.median) if row.more_is_better else ratio(a.median, b.median)
        target = row.target
        rows.append({
            "figure": row.figure,
            "play": row.play,
            "what": row.what,
            "unit": row.unit,
            "a": a and asdict(a),
            "b": asdict(b),
            "ratio": times,
            "target": None if target is None else {"kind": target.kind.name, "value": target.value},
            "met": None if target is None else target.is_met(a and a.median, b.median),
        })  # fmt: skip
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(took_s),
        "short": arguments.short,
        "command": " ".join(["scripts/benchmark.py", *sys.argv[1:]]),
        "connectors": {host.key: {"path": host.connector, "file": host.file} for host in hosts},
        "machine": _machine(load),
        "versions": _versions(),
        "rows": rows,
        "leftOut": sorted({row.play for row in ROWS} - names),
        "failures": failures,
        "figures": {name: dict(values) for name, values in figures.items()},
    }


def _machine(load: tuple[float, float, float]) -> dict[str, Any]:
    model = platform.processor()
    with suppress(OSError):
        cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        model = next((line.partition(":")[2].strip() for line in cpuinfo.splitlines() if "model name" in line), model)
    return {"cpu": model, "cores": os.cpu_count(), "system": platform.platform(), "loadBefore": load[0]}


def _versions() -> dict[str, Any]:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=CHECKOUT, capture_output=True, text=True)
    changed = subprocess.run(["git", "status", "--porcelain", "-uno"], cwd=CHECKOUT, capture_output=True, text=True)
    packages = ("aiohttp", "msgspec", "PyNaCl", "cryptography", "numpy")
    versions = {"python": platform.python_version(), "hummingbot": importlib.metadata.version("hummingbot")}
    for package in packages:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions | {
        "commit": commit.stdout.strip() + ("+" if changed.stdout.strip() else ""),
        "hummingbotFlags": _hummingbot_flags(),
    }


def _hummingbot_flags() -> str:
    """A compiled module does not tell its flags, but it has debug information unless they were those of setup.sh."""
    import hummingbot.core.data_type.order_book as book

    has_debug_information = b".debug_info" in Path(book.__file__).read_bytes()
    return "not compiled by scripts/setup.sh" if has_debug_information else os.environ.get("CXXFLAGS", "-O1 -g0")


def report(result: dict[str, Any]) -> str:
    """The generated part of the page."""
    machine, versions = result["machine"], result["versions"]
    names = {key: _short(about["path"]) for key, about in result["connectors"].items()}
    lines = [
        f"Measured {result['date'][:10]} in {result['seconds'] / 60:.0f} min by `{result['command']}` "
        f"at commit {versions['commit']}: {machine['cpu']}, {machine['cores']} cores, load {machine['loadBefore']:.1f} "
        f"before it began; Python {versions['python']}, Hummingbot {versions['hummingbot']} "
        f"(C++ flags: {versions['hummingbotFlags']}), aiohttp {versions.get('aiohttp', '?')}.",
        "",
        "Median of the rounds (least-most). The ratio is how many times less, or for rates how many times more. A "
        "target in units is for B alone; one of time is told but decides nothing, as machines differ.",
        "",
        f"| what | A: {names['a']} | B: {names['b']} | ratio | target | |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        a, b = (Spread(**row[key]).text(row["unit"]) if row[key] else "-" for key in ("a", "b"))
        lines.append(f"| {row['what']} | {a} | {b} | {_times(row['ratio'])} | {_target(row)} | {_met(row)} |")
    if result["leftOut"]:
        lines += ["", f"Left out of this run: {', '.join(result['leftOut'])}."]
    if result["failures"]:
        lines += ["", "Failed checks, which make their rows worthless:", *(f"- {text}" for text in result["failures"])]
    return "\n".join(lines)


def _short(connector: str) -> str:
    return {"builtin": "built-in", OURS: "ours"}.get(connector, connector.rpartition(".")[2])


OURS = "hummingbot.connector.exchange.backpack.backpack_exchange.BackpackExchange"


def _times(value: float | None) -> str:
    return "-" if value is None else f"{shown(value)}x"


def _target(row: dict[str, Any]) -> str:
    target = row["target"]
    if target is None:
        return ""
    if target["kind"] == Kind.RATIO.name:
        return f"{shown(target['value'])}x"
    return f"at most {shown(target['value'])} {row['unit']}".rstrip()


def _met(row: dict[str, Any]) -> str:
    return {None: "", True: "reached", False: "**missed**"}[row["met"]]


def _verdict(result: dict[str, Any]) -> int:
    """Says it in words, too."""
    missed = [row for row in result["rows"] if row["met"] is False]
    timed = [row for row in missed if row["target"]["kind"] == Kind.TIME.name]
    deciding = [row for row in missed if row not in timed]
    for what, rows in (("Missed", deciding), ("Slower than on the reference machine (decides nothing)", timed)):
        if rows:
            told = "; ".join(f"{row['play']}: {row['what']} ({_target(row)})" for row in rows)
            print(f"{what}: {told}", file=sys.stderr)
    for text in result["failures"]:
        print(f"Not measured: {text}", file=sys.stderr)
    if result["failures"]:
        return NOT_RUN
    return MISSED if deciding else REACHED


def _replace_table(path: Path, text: str) -> None:
    begin, end = MARKS
    before, found, rest = path.read_text(encoding="utf-8").partition(begin)
    if not found:
        raise NotRun(f"{path}: expected the marks {begin} and {end} around the table, found none")
    _, _, after = rest.partition(end)
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
