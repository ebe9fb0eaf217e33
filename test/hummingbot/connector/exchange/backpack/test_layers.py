"""Who may import whom. The layers are what lets a core file be read, tested and reused alone."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hummingbot_backpack.hook import connector_folder

CONNECTOR = Path(connector_folder())

# A module may import siblings of a lower level only: never up, never sideways.
LEVEL = {
    "errors": 0,
    "supervision": 0,
    "throttling": 1,
    "wire": 1,
    "sequencer": 2,
    "orders": 3,
    "backpack_constants": 4,
    "backpack_utils": 4,  # imported at every start of Hummingbot: keep it light
    "backpack_clock": 4,
    "backpack_auth": 5,
    "backpack_connections": 5,
    "backpack_throttler": 5,
    "backpack_websocket": 5,
    "backpack_web_utils": 6,
    "backpack_stream": 7,
    "backpack_order_book": 7,
    "backpack_order_tracker": 7,
    "backpack_placing": 7,
    "backpack_demo": 7,
    "backpack_records": 7,
    "backpack_api_order_book_data_source": 8,
    "backpack_api_user_stream_data_source": 8,
    "backpack_exchange": 9,
}
MODULES = sorted({file.stem for file in CONNECTOR.glob("*.py")} - {"__init__"})
CORE = [name for name in LEVEL if not name.startswith("backpack_")]
CORE_WITHOUT_HUMMINGBOT = [name for name in CORE if name != "orders"]
# No sockets, no loop, no clock, no dice, no log: those come in as arguments or are the shell's.
IMPURE = {"aiohttp", "asyncio", "http", "logging", "os", "random", "socket", "ssl", "threading", "time", "urllib"}
# msgspec decodes; it knows no clock and no socket either.
CORE_MAY_USE = sys.stdlib_module_names | {"msgspec"}
# If the simulator signed or parsed with our code, a bug would cancel itself out.
SIMULATOR_MAY_USE = sys.stdlib_module_names | {"aiohttp", "cryptography"}


def statements(file: Path) -> Iterator[ast.AST]:
    """All of the file's nodes but those under `if TYPE_CHECKING`: a name in an annotation binds nothing."""
    waiting: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        waiting.extend(ast.iter_child_nodes(node))


def imports(file: Path) -> Iterator[str]:
    """Absolute names as they are, relative ones with their dots; `from . import x` counts as `.x`."""
    for node in statements(file):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield "." * node.level + node.module
        elif isinstance(node, ast.ImportFrom):
            yield from ("." * node.level + alias.name for alias in node.names)


def siblings(file: Path) -> set[str]:
    """The connector's modules that this one of them imports, however it spells it."""
    package = "hummingbot.connector.exchange.backpack"
    found = set()
    for node in statements(file):
        if isinstance(node, ast.ImportFrom) and node.module == package:
            found |= {alias.name for alias in node.names}
    for name in imports(file):
        if name.startswith(f"{package}."):
            found.add(name.removeprefix(f"{package}.").split(".")[0])
        elif name.startswith(".") and not name.startswith(".."):
            found.add(name[1:].split(".")[0])
    return found


def test_every_module_has_a_level():
    assert set(MODULES) <= set(LEVEL)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module: str):
    allowed = {name for name, level in LEVEL.items() if level < LEVEL[module]}
    assert siblings(CONNECTOR / f"{module}.py") - {"simulator"} <= allowed


@pytest.mark.parametrize("module", CORE)
def test_the_core_is_pure_and_imports_relatively(module: str):
    names = set(imports(CONNECTOR / f"{module}.py"))
    assert not {name for name in names if name.split(".")[0] in IMPURE}
    assert not {name for name in names if name.startswith("hummingbot.connector.exchange")}
    if module in CORE_WITHOUT_HUMMINGBOT:
        assert {name.split(".")[0] for name in names if not name.startswith(".")} <= CORE_MAY_USE


def test_the_core_imports_without_hummingbot():
    """In an interpreter that has it installed, and yet does not load it."""
    code = (
        f"import sys; sys.path.insert(0, {str(CONNECTOR.parent)!r})\n"
        f"import {', '.join(f'backpack.{name}' for name in CORE_WITHOUT_HUMMINGBOT)}\n"
        "assert not any(name.split('.')[0] == 'hummingbot' for name in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("file", sorted((CONNECTOR / "simulator").rglob("*.py")), ids=lambda file: file.stem)
def test_the_simulator_stands_alone(file: Path):
    depth = len(file.relative_to(CONNECTOR / "simulator").parts)
    for name in imports(file):
        dots = len(name) - len(name.lstrip("."))
        if dots:
            assert dots <= depth, f"{name} leaves the simulator"
        else:
            assert name.split(".")[0] in SIMULATOR_MAY_USE, name


@pytest.mark.parametrize("module", MODULES)
def test_only_demo_mode_knows_the_simulator(module: str):
    assert ("simulator" in siblings(CONNECTOR / f"{module}.py")) == (module == "backpack_demo")
