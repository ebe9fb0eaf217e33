#!/usr/bin/env python3
"""Checks Backpack's public interface: .venv/bin/python scripts/test_backpack_public_api.py --help

Despite its name, which is what people look for, no test of the test suite: pytest finds nothing in it.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def run() -> int:
    try:
        import aiohttp  # noqa: F401
        import rich  # noqa: F401

        import hummingbot.logger  # noqa: F401  (`hummingbot` alone is also a folder of this repository)
    except ModuleNotFoundError as error:
        print(f"{error}. Set up with scripts/setup.sh, then: .venv/bin/python {sys.argv[0]}", file=sys.stderr)
        return 2
    from hummingbot_backpack import hook

    hook.install()
    from hummingbot_backpack import public_api

    return public_api.main()


if __name__ == "__main__":
    sys.exit(run())
