"""The import hook: where Hummingbot looks for its Backpack connector, it finds ours.

``hummingbot_backpack.pth`` calls ``install()`` at every start of the interpreter, so this file is the standard library
only, imports nothing it does not need, and does nothing until Hummingbot itself is imported. Then

- ``hummingbot.connector.exchange.backpack`` resolves to our folder (its sub-modules follow by its ``__path__``), and
  Hummingbot's rate source for Backpack to the one that fits our connector, see ``backpack_rate_source``;
- the scan by which Hummingbot discovers connectors is shown our folder where it has none of that name (before 2.13);
- the folders for configuration, logs and data lie under ``HBOT_PREFIX`` if that is set, instead of in site-packages.

``HUMMINGBOT_BACKPACK=builtin`` leaves connector and rate source as Hummingbot ships them.
"""

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CONNECTOR = "hummingbot.connector.exchange.backpack"
RATE_SOURCE = "hummingbot.core.rate_oracle.sources.backpack_rate_source"
SETTINGS = "hummingbot.client.settings"

_HERE = os.path.dirname(os.path.abspath(__file__))


def connector_folder() -> str:
    """The folder of the connector's code: inside this package in a wheel, beside it in a checkout."""
    in_wheel = os.path.join(_HERE, "payload", "backpack")
    in_checkout = os.path.join(os.path.dirname(_HERE), *CONNECTOR.split("."))
    return in_wheel if os.path.isdir(in_wheel) else in_checkout


def switched_off() -> bool:
    return os.environ.get("HUMMINGBOT_BACKPACK") == "builtin"


class BackpackFinder:
    """First in ``sys.meta_path``; knows a few names and leaves everything else to the finders after it."""

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == "hummingbot":
            return _and_then(PathFinder.find_spec(name, path, target), _set_prefix)
        if name == SETTINGS:
            return _and_then(PathFinder.find_spec(name, path, target), _adjust_settings)
        if switched_off():
            return None
        if name == CONNECTOR:
            return _spec(name, os.path.join(connector_folder(), "__init__.py"), [connector_folder()])
        if name == RATE_SOURCE:
            return _spec(name, os.path.join(_HERE, "backpack_rate_source.py"))
        if name == f"{CONNECTOR}.backpack_exchange":
            return _and_then(PathFinder.find_spec(name, path, target), _say_which)
        return None


def install() -> None:
    """Put the finder first. Repeating it, or calling it from another copy of this file, leaves one finder: the last."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != BackpackFinder.__name__]
    sys.meta_path.insert(0, BackpackFinder())


def _spec(name: str, file: str, search: list[str] | None = None) -> ModuleSpec | None:
    from importlib.util import spec_from_file_location

    return spec_from_file_location(name, file, submodule_search_locations=search)


def _and_then(spec: ModuleSpec | None, act: "Callable[[ModuleType], None]") -> ModuleSpec | None:
    """The same module, with ``act`` called on it as soon as its code has run."""
    loader: Any = spec and spec.loader
    if loader is not None:
        run = loader.exec_module

        def run_and_act(module: ModuleType) -> None:
            run(module)
            act(module)

        loader.exec_module = run_and_act
    return spec


def _prefix() -> str | None:
    prefix = os.environ.get("HBOT_PREFIX")
    return os.path.abspath(prefix) if prefix else None


def _set_prefix(hummingbot: ModuleType) -> None:
    """Logs and data have a setting for it; it must be made before anyone asks, and some never import the settings."""
    prefix = _prefix()
    if prefix:
        hummingbot.set_prefix_path(prefix)


def _adjust_settings(settings: ModuleType) -> None:
    _show_connector_to_scan(settings)
    prefix = _prefix()
    if prefix:
        _move_folders(settings, prefix)


def _show_connector_to_scan(settings: ModuleType) -> None:
    """``AllConnectorSettings.create_connector_settings`` finds connectors by ``scandir``: let ours be among them."""
    if switched_off():
        return
    scandir = settings.scandir
    exchanges = os.path.join(settings.root_path(), "hummingbot", "connector", "exchange")

    def with_backpack(path: str) -> "Iterator[os.DirEntry[str]]":
        entries = list(scandir(path))
        name = os.path.basename(connector_folder())
        if os.path.abspath(path) == exchanges and name not in {entry.name for entry in entries}:
            entries += [entry for entry in scandir(os.path.dirname(connector_folder())) if entry.name == name]
        return iter(entries)

    settings.scandir = with_backpack  # type: ignore[attr-defined]


def _move_folders(settings: ModuleType, prefix: str) -> None:
    """Every path of Hummingbot's that is beside its package moves under ``prefix``; its own templates stay."""
    from pathlib import Path

    root = settings.root_path()
    for constant, path in list(vars(settings).items()):
        if isinstance(path, Path) and path.is_relative_to(root) and not path.is_relative_to(root / "hummingbot"):
            setattr(settings, constant, Path(prefix) / path.relative_to(root))
    for folder in ("conf/connectors", "conf/strategies", "conf/scripts", "conf/controllers", "logs", "data"):
        os.makedirs(os.path.join(prefix, folder), exist_ok=True)
    if prefix not in sys.path:
        sys.path.insert(0, prefix)  # for the user's own `scripts.*` and `controllers.*`


def _say_which(module: ModuleType) -> None:
    """One line in the log: with several ways to install, the operator must see which code trades."""
    import logging

    from hummingbot_backpack import __version__

    logging.getLogger("hummingbot.backpack").info(
        "Backpack connector %s of hummingbot-backpack, from %s", __version__, connector_folder()
    )
