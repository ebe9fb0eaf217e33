"""The command behind ``scripts/benchmark.py``: plays A and B in turn, round by round, and reports."""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from test.hummingbot.connector.exchange.backpack.benchmarks.plays import Play, all_plays
from test.hummingbot.connector.exchange.backpack.benchmarks.processes import Child, Host, NotRun, venue
from test.hummingbot.connector.exchange.backpack.benchmarks.report import (
    NOT_RUN,
    Findings,
    replace_table,
    result_of,
    table,
    verdict,
)
from test.hummingbot.connector.exchange.backpack.benchmarks.rows import ROWS

SHORT_ROUNDS = 1


def main(arguments: argparse.Namespace) -> int:
    findings, load, began_s = Findings(), os.getloadavg()[0], time.monotonic()
    started: list[Child] = []
    connectors: dict[str, dict[str, str]] = {}
    try:
        chosen = _chosen(arguments.rows, arguments.short)
        started.append(office := venue())
        address = office.ask()
        hosts = []
        for side, connector in (("a", arguments.a), ("b", arguments.b)):
            started.append(host := Host(side, connector, address))
            hosts.append(host)
            connectors[side] = {"path": connector, "file": host.file}
        for play in chosen:
            rounds = SHORT_ROUNDS if arguments.short and not arguments.rounds else arguments.rounds or play.rounds
            _play(play, min(rounds, play.rounds), hosts, arguments.short, findings)
    except NotRun as error:
        findings.failures.append(str(error))
    finally:
        for child in started:
            child.end()
    if not findings.figures:
        print(*findings.failures, sep="\n", file=sys.stderr)
        return NOT_RUN
    result = result_of(findings, connectors, short=arguments.short, seconds=time.monotonic() - began_s, load=load)
    print(table(result))
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if arguments.write:
        replace_table(Path(arguments.write), table(result))
    return verdict(result)


def _chosen(wanted: Sequence[str] | None, short: bool) -> list[Play]:
    """In the order of the table; by the name of a play or of one of its figures. Raises NotRun for any other name."""
    plays = all_plays()
    in_table = list(dict.fromkeys(row.play for row in ROWS))
    if wanted is None:
        return [plays[name] for name in in_table if not (short and plays[name].full_only)]
    play_of = {name: name for name in plays} | {row.figure: row.play for row in ROWS}
    unknown = [name for name in wanted if name not in play_of]
    if unknown:
        raise NotRun(f"Unknown rows {', '.join(unknown)}: expected some of {', '.join(plays)}.")
    names = {play_of[name] for name in wanted}
    return [plays[name] for name in [*in_table, *(plays.keys() - set(in_table))] if name in names]


def _play(play: Play, rounds: int, hosts: list[Host], short: bool, findings: Findings) -> None:
    """A, B, A, B ...; a connector that failed is not asked again."""
    findings.plays.add(play.name)
    asked = list(hosts)
    for number in range(1, rounds + 1):
        with ThreadPoolExecutor(len(hosts) if play.together else 1) as pool:
            results = [(host, pool.submit(host.figures, play, short)) for host in asked]
        for host, result in results:
            try:
                findings.add(host.side, result.result())
            except NotRun as error:
                asked.remove(host)
                findings.failures.append(f"{host.side.upper()}: {error}")
                print(f"  {findings.failures[-1]}", host.last_words(), sep="\n", file=sys.stderr)
        print(f"{play.name} {number}/{rounds}: {findings.latest(play.name)}", file=sys.stderr, flush=True)
