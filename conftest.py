"""Makes pytest test this checkout's connector, whatever is installed, and says so in the header.

From the repository root ``import hummingbot`` finds the installed Hummingbot, and with it Hummingbot's own Backpack
connector or an installed wheel of ours; every test would pass against the wrong code.
"""

import importlib
import os
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parent
CONNECTOR = "hummingbot.connector.exchange.backpack"


def use_this_checkout() -> None:
    os.environ.pop("HUMMINGBOT_BACKPACK", None)
    sys.path.insert(0, str(CHECKOUT))
    for name in list(sys.modules):
        if name.partition(".")[0] == "hummingbot_backpack" or f"{name}.".startswith(f"{CONNECTOR}."):
            del sys.modules[name]
    importlib.import_module("hummingbot_backpack.hook").install()


def show_our_test_folder() -> None:
    """Hummingbot's acceptance suites import ``test.isolated_asyncio_wrapper_test_case``, which is in no wheel: it is in
    our ``test/``, while ``import test`` finds the standard library's."""
    import test

    test.__path__ = [str(CHECKOUT / "test"), *test.__path__]


use_this_checkout()
show_our_test_folder()


def pytest_report_header() -> str:
    spec = importlib.util.find_spec(CONNECTOR)
    return f"connector under test: {spec.origin if spec else 'NOT FOUND'}"
