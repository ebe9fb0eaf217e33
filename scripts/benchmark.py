#!/usr/bin/env python
"""Measure two connectors against each other on the local exchange: speed, requests, memory. See docs/performance.md.

    python scripts/benchmark.py                                  ours (B) and the one Hummingbot ships (A), all rows
    python scripts/benchmark.py --short                          in under two minutes, without the long rows
    python scripts/benchmark.py --rows depth_small cancel_all    some rows; an unknown name lists them
    python scripts/benchmark.py --b my.module.Class              another connector class as B
    python scripts/benchmark.py --json r.json --write docs/performance.md    every figure; the page's table

Exit code 0 if all work was done right and every target reached, 1 if a target was missed, 2 if something could not be
run or the check of its work failed. Targets in units of time are told and decide nothing: machines differ.
"""

import argparse
import importlib
import os
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
OURS = "hummingbot.connector.exchange.backpack.backpack_exchange.BackpackExchange"
BUILTIN = "builtin"
PACKAGE = "test.hummingbot.connector.exchange.backpack.benchmarks"


def main() -> int:
    arguments = _parser().parse_args()
    _use_this_checkout(arguments.host or OURS)
    if arguments.serve_venue:
        return int(importlib.import_module(f"{PACKAGE}.venue").main())
    if arguments.host:
        return int(importlib.import_module(f"{PACKAGE}.host").serve(arguments.host, arguments.office))
    return int(importlib.import_module(f"{PACKAGE}.run").main(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    about = f"import path of a connector class, or {BUILTIN!r} for the one Hummingbot ships"
    parser.add_argument("--a", default=BUILTIN, metavar="PATH", help=f"{about} (default {BUILTIN})")
    parser.add_argument("--b", default=OURS, metavar="PATH", help="the same for the other one (default: ours)")
    parser.add_argument("--rows", nargs="+", metavar="NAME", help="plays or figures; default all")
    parser.add_argument("--rounds", type=int, metavar="N", help="at most so many of each (default 5, 1 if short)")
    parser.add_argument("--short", action="store_true", help="less of everything, and no long rows")
    parser.add_argument("--json", metavar="FILE", help="write every single figure, machine and versions to this file")
    parser.add_argument("--write", metavar="FILE", help="replace the table between its marks in this file")
    # What we start: once the venue, once for A and once for B.
    parser.add_argument("--serve-venue", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--host", metavar="PATH", help=argparse.SUPPRESS)
    parser.add_argument("--office", metavar="URL", help=argparse.SUPPRESS)
    return parser


def _use_this_checkout(connector: str) -> None:
    """Our connector from here, whatever is installed, or with it switched off the one Hummingbot ships."""
    import test

    for name in list(sys.modules):
        if name.partition(".")[0] == "hummingbot_backpack":
            del sys.modules[name]
    sys.path.insert(0, str(CHECKOUT))
    test.__path__ = [str(CHECKOUT / "test"), *test.__path__]
    if connector == BUILTIN:
        os.environ["HUMMINGBOT_BACKPACK"] = BUILTIN
    else:
        os.environ.pop("HUMMINGBOT_BACKPACK", None)
    importlib.import_module("hummingbot_backpack.hook").install()


if __name__ == "__main__":
    sys.exit(main())
