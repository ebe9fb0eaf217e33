"""Hummingbot's full-screen client, started from the package, which leaves out its own start script (``bin/``)."""

import asyncio
import os
from typing import Any

from hummingbot_backpack.problem import Problem


def run() -> int:
    """Ask for the password (or take it from ``HBOT_PASSWORD``), then run the client until the user exits it."""
    from hummingbot.client.config.config_crypt import ETHKeyFileSecretManger
    from hummingbot.client.config.config_helpers import load_client_config_map_from_file
    from hummingbot.client.ui import login_prompt
    from hummingbot.client.ui.style import load_style

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)  # Hummingbot asks for the current loop before one runs
    config = load_client_config_map_from_file()
    password = os.environ.pop("HBOT_PASSWORD", None)
    if password is not None:
        if not unlock(password):
            raise Problem("HBOT_PASSWORD is not the password of this instance folder.")
    elif not login_prompt(ETHKeyFileSecretManger, style=load_style(config)):
        return 0  # the user left the password box
    loop.run_until_complete(_run(config))
    return 0


def unlock(password: str) -> bool:
    """Open the instance's key store; the first password ever given becomes its password."""
    from hummingbot.client.config.config_crypt import ETHKeyFileSecretManger, store_password_verification
    from hummingbot.client.config.security import Security

    secrets = ETHKeyFileSecretManger(password)
    if Security.new_password_required():
        store_password_verification(secrets)
    return bool(Security.login(secrets))


async def _run(config: Any) -> None:
    from hummingbot import init_logging  # type: ignore[attr-defined]  # mypy sees our folder of that name
    from hummingbot.client.config.config_helpers import create_yml_files_legacy, read_system_configs_from_yml
    from hummingbot.client.config.security import Security
    from hummingbot.client.hummingbot_application import HummingbotApplication
    from hummingbot.client.settings import AllConnectorSettings

    await Security.wait_til_decryption_done()
    await create_yml_files_legacy()
    init_logging("hummingbot_logs.yml", config, override_log_level=config.log_level)
    await read_system_configs_from_yml()
    AllConnectorSettings.initialize_paper_trade_settings(config.paper_trade.paper_trade_exchanges)
    await HummingbotApplication.main_application(client_config_map=config).run()
