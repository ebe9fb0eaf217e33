"""One Hummingbot in an instance folder, driven through ``hbot`` as its users drive it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import psutil

from hummingbot_backpack.problem import Problem

START_TIMEOUT_S = 120  # hbot's own default; the first start of a day compiles caches
STOP_TIMEOUT_S = 60
# Where a kind of configuration lies under ``conf``, and how hbot calls it.
KINDS = {"strategies": "--v1-strategy", "scripts": "--v2-script", "controllers": "--controller"}


class Bot:
    """A strategy run: its configuration, log and trade database all carry ``name``."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        # A name of its own: one database per session, as the exchange starts its trade ids anew each time.
        self.name = f"practice-{datetime.now():%Y%m%d-%H%M%S}"
        self._environment = os.environ | environment | {"HBOT_PREFIX": str(folder)}

    @property
    def database(self) -> Path:
        return self.folder / "data" / f"{self.name}.sqlite"

    @property
    def ledger(self) -> Path:
        """Where the exchange's record of the session is kept for the session report."""
        return self.database.with_suffix(".ledger.json")

    @property
    def log(self) -> Path:
        return self.folder / "logs" / f"logs_{self.name}.log"

    def connect(self, keys: Mapping[str, Mapping[str, str]]) -> None:
        """``keys`` by connector. Those of an earlier session go: Hummingbot looks up every exchange it has keys of."""
        for file in (self.folder / "conf" / "connectors").glob("backpack*.yml"):
            file.unlink()
        for connector, fields in keys.items():
            self._hbot("connect", connector, "--keys-stdin", given=json.dumps(fields))

    def start(self, config: Path) -> None:
        """Run a configuration from one of the folders in ``KINDS``; also again, after ``kill``."""
        shutil.copyfile(config, self.folder / "conf" / config.parent.name / f"{self.name}.yml")
        # A bot that was killed has left a status that says it runs; hbot would take it for the new one's.
        (self.folder / "data" / "bot" / "status.json").unlink(missing_ok=True)
        self._hbot("start", f"{self.name}.yml", KINDS[config.parent.name], "--timeout", str(START_TIMEOUT_S))

    def running(self) -> bool:
        return self._process() is not None

    def stop(self) -> None:
        """Cancels all orders first."""
        self._hbot("stop", "--timeout", str(STOP_TIMEOUT_S))

    def kill(self) -> None:
        """At once, with its orders alive. Does nothing if it has stopped."""
        process = self._process()
        if process is not None:
            process.kill()
            psutil.wait_procs([process], timeout=10)

    def problems_logged(self) -> list[str]:
        """Its log's lines of level ERROR and above."""
        if not self.log.exists():
            return []
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if " - ERROR - " in line or " - CRITICAL - " in line]

    def _process(self) -> psutil.Process | None:
        """By hbot's own record, also of a start that was interrupted; a recycled process id is not taken for it."""
        try:
            process = psutil.Process(int((self.folder / "data" / "bot" / "bot.pid").read_text()))
            return process if self.name in process.cmdline() else None
        except (OSError, ValueError, psutil.Error):
            return None

    def _hbot(self, *arguments: str, given: str = "") -> str:
        run = subprocess.run(
            [sys.executable, "-m", "hummingbot.cli.main", *arguments],
            input=given,
            env=self._environment,
            capture_output=True,
            text=True,
            start_new_session=True,  # Ctrl-C is for the session, which then stops the bot in order
        )
        if run.returncode != 0:
            said = (run.stderr or run.stdout).strip()
            raise Problem(f"`hbot {arguments[0]}` failed: {said or f'exit code {run.returncode}'}")
        return run.stdout
