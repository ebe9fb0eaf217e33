"""Real installs, each in a fresh environment: whose connector does Hummingbot find, and is it left as it was?

An environment is a copy (by hard links) of one where Hummingbot is installed, without the plugin: nothing is compiled.
"""

import fcntl
import json
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import sysconfig
import termios
import time
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CHECKOUT = Path(__file__).parents[2]
PLUGIN = "hummingbot-backpack"

REPORT = """
import json, sys
from hummingbot.client.settings import AllConnectorSettings
found = AllConnectorSettings.get_connector_settings()
try:
    import hummingbot.connector.exchange.backpack as connector
    file = connector.__file__
except ModuleNotFoundError:
    file = None
print(json.dumps({"connectors": sorted(found), "file": file, "hummingbot": sys.modules["hummingbot"].__file__}))
"""


@dataclass
class Environment:
    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        return self.folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"

    def run(self, *arguments: str | Path, cwd: Path | None = None, **environment: str) -> str:
        """Standard output of this environment's Python; fails with everything it printed."""
        ours = ("PYTHON", "HUMMINGBOT_", "HBOT_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        run = subprocess.run(
            [self.python, *arguments],
            cwd=cwd or self.folder,
            env=inherited | environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert run.returncode == 0, f"{run.args}\n{run.stdout}\n{run.stderr}"
        return run.stdout

    def pip(self, *arguments: str | Path) -> None:
        command = [sys.executable, "-m", "pip", "--python", self.python, *arguments]
        run = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=600)
        assert run.returncode == 0, f"{command}\n{run.stdout}\n{run.stderr}"

    def report(self, cwd: Path | None = None, **environment: str) -> "Report":
        return Report(**json.loads(self.run("-c", REPORT, cwd=cwd, **environment)))

    def files(self) -> set[str]:
        """Everything in site-packages except what running it leaves behind."""
        return {str(path) for path in self.site_packages.rglob("*") if "__pycache__" not in path.parts}


@dataclass
class Report:
    connectors: list[str]
    file: str | None
    hummingbot: str

    def comes_from(self, folder: Path) -> bool:
        return "backpack" in self.connectors and self.file is not None and Path(self.file).is_relative_to(folder)


def link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def environment_like(site_packages: Path, folder: Path) -> Environment:
    venv.create(folder, with_pip=False, symlinks=True)
    environment = Environment(folder)
    shutil.rmtree(environment.site_packages)
    ours = shutil.ignore_patterns("*hummingbot_backpack*", "__pycache__")
    shutil.copytree(site_packages, environment.site_packages, ignore=ours, copy_function=link_or_copy)
    return environment


@pytest.fixture(scope="session")
def hummingbot_20251103(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """site-packages with a Hummingbot that has no Backpack connector."""
    folder = tmp_path_factory.mktemp("20251103")
    venv.create(folder, with_pip=False, symlinks=True)
    environment = Environment(folder)
    pins = CHECKOUT / "requirements"
    environment.pip("install", "--quiet", "--no-deps", "-r", pins / "hummingbot-20251103.txt", "-r", pins / "test.txt")
    return environment.site_packages


not_for_this_python = pytest.mark.skipif(sys.version_info[:2] != (3, 12), reason="20251103 is pinned for Python 3.12")


@pytest.fixture(params=["20260922", pytest.param("20251103", marks=not_for_this_python)])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Environment]:
    installed = (
        Path(sysconfig.get_path("purelib"))  # the one that runs these tests
        if request.param == "20260922"
        else request.getfixturevalue("hummingbot_20251103")
    )
    yield environment_like(installed, tmp_path / "environment")
    shutil.rmtree(tmp_path / "environment")


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout: building writes into the tree it builds from."""
    folder = tmp_path_factory.mktemp("source") / "hummingbot-backpack"
    leave_out = shutil.ignore_patterns(".git", ".venv", "build", "*.egg-info", "__pycache__", ".*_cache", "instance")
    shutil.copytree(CHECKOUT, folder, ignore=leave_out)
    return folder


@pytest.fixture(scope="session")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "-w", folder)
    command = [sys.executable, "-m", "pip", "wheel", *options, source]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return next(folder.glob("*.whl"))


def test_a_wheel_carries_every_file_of_the_connector(source: Path, wheel: Path):
    """Modules are found by themselves, other files (the live page) have to be named."""
    connector = source / "hummingbot/connector/exchange/backpack"
    ours = {str(file.relative_to(connector)) for file in connector.rglob("*") if file.is_file()}
    ours = {name for name in ours if "__pycache__" not in name}
    with zipfile.ZipFile(wheel) as archive:
        carried = set(archive.namelist())
    assert "simulator/page.html" in ours
    assert {f"hummingbot_backpack/payload/backpack/{name}" for name in ours} <= carried


def test_a_wheel_takes_the_place_and_gives_it_back(fresh: Environment, wheel: Path):
    files_before, before = fresh.files(), fresh.report()

    fresh.pip("install", "--quiet", "--no-deps", wheel)
    installed = fresh.report()
    assert installed.comes_from(fresh.site_packages / "hummingbot_backpack" / "payload")
    assert set(installed.connectors) == {*before.connectors, "backpack", "backpack_local", "backpack_local_2"}
    assert fresh.report(HUMMINGBOT_BACKPACK="builtin") == before

    fresh.pip("uninstall", "--quiet", "--yes", PLUGIN)
    assert fresh.report() == before
    assert fresh.files() == files_before


def test_an_editable_install_takes_the_place_and_gives_it_back(fresh: Environment, source: Path):
    files_before, before = fresh.files(), fresh.report()

    fresh.pip("install", "--quiet", "--no-deps", "--no-build-isolation", "-e", source)
    installed = fresh.report()
    assert installed.comes_from(source / "hummingbot" / "connector")
    assert set(installed.connectors) == {*before.connectors, "backpack", "backpack_local", "backpack_local_2"}
    assert fresh.report(HUMMINGBOT_BACKPACK="builtin") == before

    fresh.pip("uninstall", "--quiet", "--yes", PLUGIN)
    assert fresh.report() == before
    assert fresh.files() == files_before


def test_pytest_from_the_repository_tests_the_repository(fresh: Environment, source: Path, wheel: Path):
    """With nothing installed, and with a wheel of other code installed."""
    header = f"connector under test: {source}/hummingbot/connector/exchange/backpack/__init__.py"
    collect = ("-m", "pytest", "--collect-only", "test/hummingbot_backpack/test_hook.py")
    assert header in fresh.run(*collect, cwd=source)
    fresh.pip("install", "--quiet", "--no-deps", wheel)
    assert header in fresh.run(*collect, cwd=source)


def test_child_processes_and_isolated_mode_find_it_too(fresh: Environment, wheel: Path):
    fresh.pip("install", "--quiet", "--no-deps", wheel)
    code = (
        "import multiprocessing, importlib.util\n"
        "def where(_): return importlib.util.find_spec('hummingbot.connector.exchange.backpack').origin\n"
        "if __name__ == '__main__':\n"
        "    for method in ('spawn', 'fork'):\n"
        "        with multiprocessing.get_context(method).Pool(1) as pool: print(pool.map(where, [0])[0])\n"
    )
    script = fresh.folder / "children.py"
    script.write_text(code)
    ours = str(fresh.site_packages / "hummingbot_backpack" / "payload" / "backpack" / "__init__.py")
    assert fresh.run("-I", script).splitlines() == [ours, ours]


def test_a_source_checkout_of_hummingbot_finds_it(fresh: Environment, wheel: Path, tmp_path: Path):
    """README, "Hummingbot from a source checkout": the same wheel, into the environment that runs the checkout.

    The stand-in for a checkout is the installed package moved out of site-packages, started from its own folder.
    """
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (fresh.site_packages / "hummingbot").rename(checkout / "hummingbot")
    for metadata in fresh.site_packages.glob("hummingbot-*.dist-info"):
        shutil.rmtree(metadata)
    fresh.pip("install", "--quiet", "--no-deps", wheel)
    report = fresh.report(cwd=checkout)
    assert Path(report.hummingbot).is_relative_to(checkout)
    assert report.comes_from(fresh.site_packages / "hummingbot_backpack")


def test_the_full_screen_client_starts_for_the_first_time(fresh: Environment, wheel: Path, tmp_path: Path):
    """No crash, no error in its log without a network, nothing written into site-packages."""
    fresh.pip("install", "--quiet", "--no-deps", wheel)
    before = fresh.files()
    folder = tmp_path / "instance"
    command = [str(fresh.python), "-m", "hummingbot_backpack", "--instance", str(folder), "client"]
    screen, exit_code = in_a_terminal(command, "Useful Commands", "exit -f\r")
    assert exit_code == 0, screen
    [log] = (folder / "logs").glob("*.log")
    # Hummingbot says at every exit that it cannot stop the MQTT bridge that it never started.
    errors = [line for line in log.read_text().splitlines() if " - ERROR - " in line and "MQTT" not in line]
    assert errors == []
    assert fresh.files() == before


def in_a_terminal(command: list[str], wait_for: str, then_type: str, within_s: float = 90) -> tuple[str, int]:
    """What the program drew on a terminal of its own, and how it ended."""
    environment = os.environ | {"TERM": "xterm-256color", "HBOT_PASSWORD": "secret"}
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe(command[0], command, environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 150, 0, 0))
    drawn, typed, deadline = b"", False, time.monotonic() + within_s
    try:
        while time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.2)[0]:
                try:
                    drawn += os.read(terminal, 65536)
                except OSError:  # the program has closed it
                    break
            elif not typed and wait_for.encode() in drawn:  # and it draws no more
                os.write(terminal, then_type.encode())
                typed = True
        else:
            os.kill(child, signal.SIGKILL)
    finally:
        os.close(terminal)
        _, status = os.waitpid(child, 0)
    return drawn.decode(errors="replace"), os.waitstatus_to_exitcode(status)
