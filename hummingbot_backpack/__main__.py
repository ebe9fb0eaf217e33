"""``hummingbot-backpack``: starts Hummingbot from an instance folder; its package from PyPI cannot start by itself."""

import argparse
import runpy
import sys
from pathlib import Path

from hummingbot_backpack import __version__, hook, instance, practice


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    hook.install()  # also where no .pth did it, as from a checkout
    try:
        folder = instance.prepare(arguments.instance)
    except OSError as error:
        return _refuse(f"The instance folder {arguments.instance} cannot be used: {error.strerror}.")
    if arguments.command == "practice":
        return practice.main(folder, arguments)
    if arguments.command == "client":
        from hummingbot_backpack import client

        return client.run()
    if not instance.has_hbot():
        return _refuse("This Hummingbot has no `hbot`; 20260922 or later has. Use `hummingbot-backpack client`.")
    hbot = ["start", "--foreground", arguments.config] if arguments.command == "headless" else arguments.arguments
    sys.argv = ["hbot", *hbot]
    runpy.run_module("hummingbot.cli.main", run_name="__main__")
    return 0


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hummingbot-backpack", description="Run Hummingbot with the Backpack connector."
    )
    parser.add_argument("--version", action="version", version=f"hummingbot-backpack {__version__}")
    parser.add_argument(
        "--instance",
        type=Path,
        default=instance.default_folder(),
        metavar="FOLDER",
        help="where configurations, keys, logs and trades live (HBOT_PREFIX; now %(default)s)",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("client", help="the full-screen client; its password may come from HBOT_PASSWORD")
    headless = commands.add_parser("headless", help="one strategy, no screen; Ctrl-C or SIGTERM cancels its orders")
    headless.add_argument("config", metavar="CONFIG", help="file in the instance's conf/strategies or conf/scripts")
    hbot = commands.add_parser("hbot", help="Hummingbot's command line: connect, create, start, status, stop, ...")
    hbot.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...")
    practice.add_arguments(
        commands.add_parser("practice", help="pure market making on a local exchange, checked fill by fill at the end")
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
