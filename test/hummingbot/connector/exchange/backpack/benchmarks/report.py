"""What a run found: as data, as a table, as an exit code."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from test.hummingbot.connector.exchange.backpack.benchmarks.connectors import BUILTIN, OURS
from test.hummingbot.connector.exchange.backpack.benchmarks.processes import CHECKOUT, NotRun
from test.hummingbot.connector.exchange.backpack.benchmarks.rows import ROWS, Kind, Row, Spread, ratio, shown

MARKS = ("<!-- table: begin -->", "<!-- table: end -->")
REACHED, MISSED, NOT_RUN = 0, 1, 2
SIDES = ("a", "b")

Result = dict[str, Any]


@dataclass
class Findings:
    """Every figure of a run as it comes in: by name, then by side, one value a round."""

    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    plays: set[str] = field(default_factory=set)

    def add(self, side: str, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            self.figures.setdefault(name, {side: [] for side in SIDES})[side].append(value)

    def latest(self, play: str) -> str:
        """For whoever watches."""
        rows = [row for row in ROWS if row.play == play and row.figure in self.figures]
        return ", ".join(f"{row.figure} {self._last(row, 'a')} / {self._last(row, 'b')}" for row in rows)

    def _last(self, row: Row, side: str) -> str:
        values = self.figures[row.figure][side]
        return shown(values[-1]) if values else "?"


def result_of(
    findings: Findings, connectors: dict[str, dict[str, str]], *, short: bool, seconds: float, load: float
) -> Result:
    """All of it as JSON has it. ``load`` is the machine's before the run; ``connectors`` by side."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds),
        "short": short,
        "command": " ".join(["scripts/benchmark.py", *sys.argv[1:]]),
        "connectors": connectors,
        "machine": _machine() | {"loadBefore": load},
        "versions": _versions(),
        "rows": [_row(row, findings.figures[row.figure]) for row in ROWS if _is_known(row, findings)],
        "leftOut": sorted({row.play for row in ROWS} - findings.plays),
        "failures": findings.failures,
        "figures": findings.figures,
    }


def _is_known(row: Row, findings: Findings) -> bool:
    return bool(findings.figures.get(row.figure, {}).get("b"))


def _row(row: Row, values: dict[str, list[float]]) -> dict[str, Any]:
    a, b = Spread.of(values["a"]) if values["a"] else None, Spread.of(values["b"])
    times = None
    if a is not None and row.comparable:
        times = ratio(b.median, a.median) if row.more_is_better else ratio(a.median, b.median)
    return {
        "figure": row.figure,
        "play": row.play,
        "what": row.what,
        "unit": row.unit,
        "a": None if a is None else asdict(a),
        "b": asdict(b),
        "ratio": times,
        "target": None if row.target is None else {"kind": row.target.kind.name, "value": row.target.value},
        "met": None if row.target is None else row.target.is_met(None if a is None else a.median, b.median),
    }


def _machine() -> dict[str, Any]:
    model = platform.processor()
    with suppress(OSError):
        cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        model = next((line.partition(":")[2].strip() for line in cpuinfo.splitlines() if "model name" in line), model)
    return {"cpu": model, "cores": os.cpu_count(), "system": platform.platform()}


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


# -- for people --------------------------------------------------------------------------------------------------------


def table(result: Result) -> str:
    """The generated part of the page: what was measured on what, and all rows."""
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
    return {BUILTIN: "built-in", OURS: "ours"}.get(connector, connector.rpartition(".")[2])


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


def verdict(result: Result) -> int:
    """The exit code; says on standard error why."""
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


def replace_table(path: Path, text: str) -> None:
    """Between its marks in this file; raises NotRun if there are none."""
    begin, end = MARKS
    before, found, rest = path.read_text(encoding="utf-8").partition(begin)
    if not found:
        raise NotRun(f"{path}: expected the marks {begin} and {end} around the table, found none")
    _, _, after = rest.partition(end)
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
