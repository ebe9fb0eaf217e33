"""``hummingbot-backpack``: starts Hummingbot from an instance folder; its package from PyPI cannot start by itself."""

import argparse
import runpy
import sys
from pathlib import Path
from typing import NoReturn

from hummingbot_backpack import __version__, client, demo, doctor, hook, instance, practice
from hummingbot_backpack.problem import Problem
from hummingbot_backpack.report import command as report


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    hook.install()  # also where no .pth did it
    try:
        return _run(arguments)
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 2


def _run(arguments: argparse.Namespace) -> int:
    if arguments.command == "practice":
        return practice.main(arguments.instance, arguments)
    if arguments.command == "report":
        return report.main(arguments.instance, arguments)
    if arguments.command == "doctor":
        return doctor.main(arguments.instance, arguments)
    instance.prepare(arguments.instance)
    if arguments.command == "client":
        return client.run()
    if arguments.command == "demo":
        return demo.main(arguments)
    if not instance.has_hbot():
        raise Problem("This Hummingbot has no `hbot`; 20260922 or later has. Use `hummingbot-backpack client`.")
    hbot = ["start", "--foreground", arguments.config] if arguments.command == "headless" else arguments.arguments
    sys.argv = ["hbot", *hbot]
    runpy.run_module("hummingbot.cli.main", run_name="__main__")
    return 0


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="hummingbot-backpack", description="Run Hummingbot with the Backpack connector.")
    parser.add_argument("--version", action="version", version=f"hummingbot-backpack {__version__}")
    parser.add_argument(
        "--instance",
        type=Path,
        default=instance.default_folder(),
        metavar="FOLDER",
        help="where configurations, keys, logs and trades live (HBOT_PREFIX; now %(default)s)",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("client", help="the full-screen client; its password may come from HBOT_PASSWORD")
    headless = commands.add_parser("headless", help="one strategy, no screen; Ctrl-C or SIGTERM cancels its orders")
    headless.add_argument("config", metavar="CONFIG", help="file in the instance's conf/strategies or conf/scripts")
    hbot = commands.add_parser("hbot", help="Hummingbot's command line: connect, create, start, status, stop, ...")
    hbot.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...")
    demo.add_arguments(commands.add_parser("demo", help="the account that demo mode keeps between runs: reset it"))
    practice.add_arguments(
        commands.add_parser("practice", help="a strategy on a local exchange, checked fill by fill at the end")
    )
    doctor.add_arguments(
        commands.add_parser("doctor", help="is everything in place to trade, and if not, what is to be done?")
    )
    report.add_arguments(
        commands.add_parser("report", help="a page and a picture of a session: price, fills, profit, orders")
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
