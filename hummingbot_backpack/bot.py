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


class Bot:
    """A strategy run: its configuration, log and trade database all carry ``name``."""

    def __init__(self, folder: Path, connector: str, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._connector = connector
        # A name of its own: one database per session, as the exchange starts its trade ids anew each time.
        self.name = f"practice-{datetime.now():%Y%m%d-%H%M%S}"
        self._environment = os.environ | environment

    @property
    def database(self) -> Path:
        return self._folder / "data" / f"{self.name}.sqlite"

    @property
    def ledger(self) -> Path:
        """Where the exchange's record of the session is kept for the session report."""
        return self.database.with_suffix(".ledger.json")

    @property
    def log(self) -> Path:
        return self._folder / "logs" / f"logs_{self.name}.log"

    def connect(self, keys: Mapping[str, str]) -> None:
        self._hbot("connect", self._connector, "--keys-stdin", "--replace", given=json.dumps(keys))

    def start(self, strategy: Path) -> None:
        shutil.copyfile(strategy, self._folder / "conf" / "strategies" / f"{self.name}.yml")
        self._hbot("start", f"{self.name}.yml", "--timeout", str(START_TIMEOUT_S))

    def running(self) -> bool:
        return self._process() is not None

    def stop(self) -> None:
        """Cancels all orders first."""
        self._hbot("stop", "--timeout", str(STOP_TIMEOUT_S))

    def kill(self) -> None:
        """For the ways out on which it could not stop: it must not live on unseen. Does nothing if it has stopped."""
        process = self._process()
        if process is not None:
            process.kill()

    def problems_logged(self) -> list[str]:
        """Its log's lines of level ERROR and above."""
        if not self.log.exists():
            return []
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if " - ERROR - " in line or " - CRITICAL - " in line]

    def _process(self) -> psutil.Process | None:
        """By hbot's own record, also of a start that was interrupted; a recycled process id is not taken for it."""
        try:
            process = psutil.Process(int((self._folder / "data" / "bot" / "bot.pid").read_text()))
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
