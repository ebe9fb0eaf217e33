"""The processes that a run starts: the venue, and one host for each connector."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO

from test.hummingbot.connector.exchange.backpack.benchmarks.plays import Play

CHECKOUT = Path(__file__).resolve().parents[6]
COMMAND = CHECKOUT / "scripts" / "benchmark.py"
LAST_WORDS = 6


class NotRun(Exception):
    """Nothing could be measured, or what was measured is worth nothing; the text says why."""


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
            self._last_words[:] = [*self._last_words[1 - LAST_WORDS :], line.rstrip()]

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

    def __init__(self, side: str, connector: str, office: str) -> None:
        """``side``: "a" or "b". Raises NotRun if there is no such connector."""
        super().__init__(connector, [sys.executable, str(COMMAND), "--host", connector, "--office", office])
        self.side = side
        self.connector = connector
        about = json.loads(self.ask())
        if "failed" in about:
            self.end()
            raise NotRun(f"{connector} cannot be measured: {about['failed']}")
        self.file: str = about["file"]

    def figures(self, play: Play, short: bool) -> dict[str, float]:
        """Raises NotRun if the play's check failed."""
        answer = json.loads(self.ask(json.dumps({"play": play.name, "short": short})))
        if "failed" in answer:
            raise NotRun(f"{play.name} of {self.connector}: {answer['failed']}")
        return answer["figures"]


def venue() -> Child:
    """Its first line is its address."""
    return Child("the venue", [sys.executable, str(COMMAND), "--serve-venue"])
