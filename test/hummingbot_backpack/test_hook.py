"""The import hook in this process and in small ones; real installs are in ``test_installs.py``."""

import importlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from hummingbot_backpack import hook

CHECKOUT = Path(__file__).parents[2]
PTH = CHECKOUT / "hummingbot_backpack" / "hummingbot_backpack.pth"


def python(*code: str, **environment: str) -> str:
    """What a fresh interpreter in the checkout prints to both streams."""
    command = [sys.executable, "-c", "\n".join(code)]
    variables = os.environ | environment
    run = subprocess.run(command, cwd=CHECKOUT, env=variables, capture_output=True, text=True, timeout=60)
    return run.stdout + run.stderr


def test_the_connector_is_this_checkouts():
    spec = find_spec("hummingbot.connector.exchange.backpack")
    assert spec and spec.origin == str(CHECKOUT / "hummingbot/connector/exchange/backpack/__init__.py")


def test_the_rate_source_is_ours_and_the_rate_oracle_uses_it():
    from hummingbot.core.rate_oracle.rate_oracle import RATE_ORACLE_SOURCES

    assert RATE_ORACLE_SOURCES["backpack"].__module__ == hook.RATE_SOURCE
    file = importlib.import_module(hook.RATE_SOURCE).__file__
    assert file == str(CHECKOUT / "hummingbot_backpack/backpack_rate_source.py")


def test_other_modules_are_left_to_others():
    assert hook.BackpackFinder().find_spec("hummingbot.connector.exchange.binance") is None
    assert hook.BackpackFinder().find_spec("json") is None


def test_installing_again_leaves_one_finder_in_front():
    before = list(sys.meta_path)
    try:
        hook.install()
        hook.install()
        finders = [index for index, finder in enumerate(sys.meta_path) if type(finder).__name__ == "BackpackFinder"]
        assert finders == [0]
    finally:
        sys.meta_path[:] = before


def test_switched_off_hummingbot_finds_its_own():
    where = "import hummingbot.connector.exchange.backpack as b; print(b.__file__)"
    install = "from hummingbot_backpack import hook; hook.install()"
    assert str(CHECKOUT / "hummingbot") in python(install, where)
    assert "site-packages" in python(install, where, HUMMINGBOT_BACKPACK="builtin")


def test_an_orphaned_pth_is_silent():
    """Left behind, say by a half-done uninstall, it must not print at every start of the interpreter."""
    line = PTH.read_text()
    assert line.count("\n") == 1 and line.startswith("import ")  # the only kind of line that `site` executes
    run = subprocess.run([sys.executable, "-I", "-S", "-c", line], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_the_hook_loads_little():
    """It is imported at every start of every interpreter of the environment."""
    loaded = python(
        "import sys",
        "before = set(sys.modules)",
        "from hummingbot_backpack import hook",
        "hook.install()",
        "print(sorted(set(sys.modules) - before))",
    )
    assert "pathlib" not in loaded and "logging" not in loaded and "'hummingbot'" not in loaded


@pytest.fixture
def settings(tmp_path: Path) -> ModuleType:
    """A stand-in for ``hummingbot.client.settings`` of an installation under ``tmp_path``."""
    module = ModuleType("settings")
    (tmp_path / "hummingbot/connector/exchange/binance").mkdir(parents=True)
    module.__dict__.update(
        root_path=lambda: tmp_path,
        scandir=os.scandir,
        CONF_DIR_PATH=tmp_path / "conf",
        TEMPLATE_PATH=tmp_path / "hummingbot" / "templates",
        KEYFILE_PREFIX="key_file_",
    )
    return module


def names(settings: ModuleType, folder: str) -> list[str]:
    return sorted(entry.name for entry in settings.scandir(str(settings.root_path() / folder)))


def test_the_scan_is_shown_a_connector_that_hummingbot_lacks(settings: ModuleType):
    hook._show_connector_to_scan(settings)
    assert names(settings, "hummingbot/connector/exchange") == ["backpack", "binance"]
    assert names(settings, "hummingbot/connector") == ["exchange"]


def test_the_scan_sees_a_connector_that_hummingbot_has_once(settings: ModuleType):
    (settings.root_path() / "hummingbot/connector/exchange/backpack").mkdir()
    hook._show_connector_to_scan(settings)
    assert names(settings, "hummingbot/connector/exchange") == ["backpack", "binance"]


def test_switched_off_the_scan_is_hummingbots_own(settings: ModuleType, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HUMMINGBOT_BACKPACK", "builtin")
    hook._show_connector_to_scan(settings)
    assert names(settings, "hummingbot/connector/exchange") == ["binance"]


def test_folders_move_under_the_prefix_and_templates_stay(
    settings: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "path", list(sys.path))
    instance = tmp_path / "elsewhere"
    hook._move_folders(settings, str(instance))
    assert instance / "conf" == settings.CONF_DIR_PATH
    assert tmp_path / "hummingbot" / "templates" == settings.TEMPLATE_PATH
    assert settings.KEYFILE_PREFIX == "key_file_"
    assert sys.path[0] == str(instance)
    assert (instance / "conf" / "strategies").is_dir()


def test_logs_and_data_move_even_if_nobody_imports_the_settings(tmp_path: Path):
    """`hbot stop` does not, and looks for the bot's process id in the data folder."""
    said = python(
        "from hummingbot_backpack import hook; hook.install()",
        "import sys, hummingbot; print(hummingbot.data_path(), 'hummingbot.client.settings' in sys.modules)",
        HBOT_PREFIX=str(tmp_path),
    )
    assert said == f"{tmp_path}/data False\n"
