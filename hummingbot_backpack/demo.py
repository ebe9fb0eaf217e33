"""``hummingbot-backpack demo``: the account that demo mode keeps between runs."""

import argparse

from hummingbot_backpack import hook
from hummingbot_backpack.problem import Problem


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Demo mode (no API key, no real money) keeps balances and open orders in data/backpack_demo.json of the "
        "instance folder."
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    about = "forget them: the next demo begins with the balances of conf/backpack_demo.yml"
    actions.add_parser("reset", help=about, description=f"Balances and open orders of the demo account: {about}.")


def main(arguments: argparse.Namespace) -> int:
    """Raises Problem if a demo is running."""
    if hook.switched_off():
        raise Problem("HUMMINGBOT_BACKPACK=builtin is set, and Hummingbot's own connector has no demo account.")
    from hummingbot.connector.exchange.backpack import backpack_demo

    try:
        was_kept = backpack_demo.reset()
    except backpack_demo.DemoInUse as error:
        raise Problem(str(error)) from None
    begins = "the next demo begins with the balances of conf/backpack_demo.yml"
    print(f"Demo account forgotten: {begins}." if was_kept else f"No demo account is kept: {begins}.")
    return 0
