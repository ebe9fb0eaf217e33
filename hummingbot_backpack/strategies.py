"""The strategies that a practice session can run, as a table."""

from dataclasses import dataclass
from pathlib import Path

from hummingbot_backpack.instance import TEMPLATE


@dataclass(frozen=True)
class Strategy:
    """``config`` lies in the template of an instance folder; a local exchange is started for each local connector.

    ``in_demo``: the connector ``backpack`` trades as well, in demo mode, at the prices of the first local exchange.
    """

    about: str
    config: Path
    local_connectors: tuple[str, ...] = ("backpack_local",)
    in_demo: bool = False


_CONF = TEMPLATE / "conf"

STRATEGIES = {
    "pure_market_making": Strategy(
        "v1 pure market making, three levels, refreshed every 5 s",
        _CONF / "strategies" / "conf_pmm_backpack_local.yml",
    ),
    "hanging_orders": Strategy(
        "v1 pure market making with hanging orders and inventory skew",
        _CONF / "strategies" / "conf_hanging_orders_backpack_local.yml",
    ),
    "avellaneda": Strategy(
        "v1 avellaneda market making, two levels",
        _CONF / "strategies" / "conf_avellaneda_backpack_local.yml",
    ),
    "xemm": Strategy(
        "v1 cross-exchange market making between two local exchanges",
        _CONF / "strategies" / "conf_xemm_backpack_local.yml",
        local_connectors=("backpack_local", "backpack_local_2"),
    ),
    "xemm_demo": Strategy(
        "v1 cross-exchange market making, maker in demo mode",
        _CONF / "strategies" / "conf_xemm_backpack_demo.yml",
        in_demo=True,
    ),
    "v2_script": Strategy(
        "a V2 script: quotes, and market orders when fills pile up",
        _CONF / "scripts" / "conf_backpack_quotes_local.yml",
    ),
    "v2_controller": Strategy(
        "a V2 market making controller with take profit, stop loss and time limit",
        _CONF / "controllers" / "conf_backpack_pmm_local.yml",
    ),
}
