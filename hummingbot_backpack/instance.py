"""An instance folder: where one Hummingbot keeps its configurations, keys, logs and trades.

The package from PyPI would put them into site-packages; ``hook`` moves them to the folder that ``HBOT_PREFIX`` names.
"""

import os
from importlib.util import find_spec
from pathlib import Path

from hummingbot_backpack.problem import Problem

# What a new folder is given: configurations, and the V2 scripts and controllers that Hummingbot's package leaves out.
TEMPLATE = Path(__file__).parent / "template"
CLIENT_CONFIG = Path("conf") / "conf_client.yml"


def default_folder() -> Path:
    return Path(os.environ.get("HBOT_PREFIX") or Path.home() / ".hummingbot-backpack")


def prepare(folder: Path) -> Path:
    """Create what is missing in the folder, change nothing that is there; this process and its children will use it.

    Must be called before Hummingbot is imported. Returns the folder's absolute path.
    Raises Problem if the folder cannot be used.
    """
    folder = folder.expanduser().absolute()
    try:
        for name in ("conf/connectors", "conf/strategies", "conf/scripts", "conf/controllers", "logs", "data"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        _write_once(folder / CLIENT_CONFIG, _client_config())
        for file in (*TEMPLATE.rglob("*.yml"), *TEMPLATE.rglob("*.py")):
            _write_once(folder / file.relative_to(TEMPLATE), file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Problem(f"The instance folder {folder} cannot be used: {error.strerror}.") from error
    os.environ["HBOT_PREFIX"] = str(folder)
    return folder


def _write_once(file: Path, text: str) -> None:
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _client_config() -> str:
    text = (TEMPLATE / CLIENT_CONFIG).read_text(encoding="utf-8")
    if _in_hummingbot("core/rate_oracle/sources/backpack_rate_source.py"):
        return text
    return text[: text.index("rate_oracle_source:")]  # older than Backpack's rate source


def _in_hummingbot(file: str) -> bool:
    spec = find_spec("hummingbot")
    return any((Path(folder) / file).exists() for folder in (spec and spec.submodule_search_locations) or ())


def has_hbot() -> bool:
    """Whether this Hummingbot has the ``hbot`` command (20260922 has, 20251103 has not)."""
    return _in_hummingbot("cli/main.py")
