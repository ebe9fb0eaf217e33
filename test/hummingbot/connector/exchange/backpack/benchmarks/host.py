"""Processes for plays: a host has imported its connector once and forks a process for each play, so that every
measurement starts from the same, fresh state without a second or two of imports."""

import asyncio
import gc
import inspect
import json
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

from test.hummingbot.connector.exchange.backpack.benchmarks.connectors import Subject, UnknownConnector
from test.hummingbot.connector.exchange.backpack.benchmarks.plays import Call, all_plays
from test.hummingbot.connector.exchange.backpack.benchmarks.stage import CheckFailed, be_quiet


def forked(work: Callable[[], Any], patience_s: float = 600.0) -> Any:
    """What ``work`` returns (as JSON can carry it) in a process of its own. Raises CheckFailed if it fails or hangs."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _carry_out(work, writing)
    os.close(writing)
    told = bytearray()
    try:
        while select.select([reading], [], [], patience_s)[0]:
            chunk = os.read(reading, 2**16)
            if not chunk:
                break
            told += chunk
        else:
            os.kill(child, signal.SIGKILL)
            raise CheckFailed(f"it took more than {patience_s:.0f} s")
    finally:
        os.close(reading)
        _, status = os.waitpid(child, 0)
    if not told:
        raise CheckFailed(f"its process ended without a result (status {status})")
    answer = json.loads(told)
    if "failed" in answer:
        raise CheckFailed(answer["failed"])
    return answer["result"]


def _carry_out(work: Callable[[], Any], writing: int) -> None:
    """In the child: it never returns."""
    gc.collect()  # what it touches is copied now, and not in the middle of a measurement
    try:
        answer = {"result": work()}
    except CheckFailed as error:
        answer = {"failed": str(error)}
    except BaseException as error:
        traceback.print_exc()
        answer = {"failed": f"{type(error).__name__}: {error}"}
    with os.fdopen(writing, "w") as pipe:
        json.dump(answer, pipe)
    os._exit(0)


def serve(connector: str, office: str) -> int:
    """Plays by name, one a line on standard input, figures on standard output, until the input ends."""
    try:
        subject = Subject(connector)
    except UnknownConnector as error:
        print(json.dumps({"failed": str(error)}), flush=True)
        return 2
    be_quiet()
    plays = all_plays()
    print(json.dumps({"file": subject.file}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        play, call = plays[asked["play"]], Call(subject, office, asked["short"])

        def work() -> Any:
            result = play.run(call)  # noqa: B023 - carried out before the next turn
            return asyncio.run(result) if inspect.isawaitable(result) else result

        try:
            answer = {"figures": forked(work, play.patience_s)}
        except CheckFailed as error:
            answer = {"failed": str(error)}
        print(json.dumps(answer), flush=True)
    return 0
