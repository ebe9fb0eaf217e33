"""``hummingbot-backpack doctor``: is everything in place to trade, and if not, what is to be done?

It changes nothing, sends no order, and never shows a key or a password.
"""

import argparse
import asyncio
import getpass
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from hummingbot_backpack import __version__, hook, instance

if TYPE_CHECKING:
    from hummingbot.connector.exchange.backpack.backpack_web_utils import BackpackAPIFactory, Venue

OK, NOTE, FAILED, LEFT_OUT = "ok", "note", "FAILED", "not checked"
COLOURS = {OK: "green", NOTE: "yellow", FAILED: "bold red", LEFT_OUT: "dim"}

TESTED_PYTHONS = ((3, 12), (3, 11))
TESTED_HUMMINGBOTS = ("20260922", "20251103")
LITTLE_DISK, NO_DISK = 2**30, 100 * 2**20  # bytes
FEW_REQUESTS_A_MINUTE = 200  # less than this, and a bot with several levels waits for its own limits
CHILD_TIMEOUT_S = 60
LIBRARIES = ("aiohttp", "cryptography", "msgspec", "pynacl", "matplotlib")


@dataclass(frozen=True, slots=True)
class Finding:
    """``advice`` is what to do about it, "" if nothing is to be done."""

    topic: str
    verdict: str
    seen: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Keys:
    """``source`` tells where they come from. They have no text form, so that they cannot be shown by mistake."""

    api_key: str
    api_secret: str
    source: str

    def __repr__(self) -> str:
        return f"Keys(from {self.source})"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Looks at the environment, the plugin, the instance folder, the network, the clock, the keys and the rate"
        " budget. Changes nothing, sends no order."
    )
    parser.epilog = (
        "Keys are taken from BACKPACK_API_KEY and BACKPACK_API_SECRET, else from the instance folder, whose password is"
        " asked for or comes from HBOT_PASSWORD. Exit code 0: nothing failed; 1: something failed; 2: wrong usage."
    )
    parser.add_argument("--offline", action="store_true", help="leave out everything that needs a network")
    parser.add_argument(
        "--domain", choices=("backpack", "backpack_local", "backpack_local_2"), default="backpack",
        help="the real exchange, or a local one, at BACKPACK_LOCAL_URL (BACKPACK_LOCAL_2_URL) (default: %(default)s)",
    )  # fmt: skip


def main(folder: Path, arguments: argparse.Namespace) -> int:
    folder = folder.expanduser().absolute()
    _use(folder)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=140)
    findings = list(_local_findings(folder))
    findings += asyncio.run(_collected(_venue_findings(folder, arguments.domain, arguments.offline)))
    console.print(_table(findings))
    failed = [finding.topic for finding in findings if finding.verdict == FAILED]
    left_out = [finding.topic for finding in findings if finding.verdict == LEFT_OUT]
    if left_out:
        console.print(f"Not checked: {', '.join(left_out)}.")
    console.print(f"Failed: {', '.join(failed)}." if failed else "Nothing failed.")
    return 1 if failed else 0


def _use(folder: Path) -> None:
    """The folder's settings are to be read; but if there is none, looking must not make one."""
    if folder.exists():
        os.environ["HBOT_PREFIX"] = str(folder)
    else:
        os.environ.pop("HBOT_PREFIX", None)


async def _collected(findings: AsyncIterator[Finding]) -> list[Finding]:
    return [finding async for finding in findings]


def _table(findings: list[Finding]) -> Table:
    table = Table("what", "result", Column("seen", overflow="fold"))
    for finding in findings:
        words = escape(finding.seen) + (f"\n[bold]To do:[/] {escape(finding.advice)}" if finding.advice else "")
        table.add_row(finding.topic, f"[{COLOURS[finding.verdict]}]{finding.verdict}[/]", words)
    return table


# -- this machine -----------------------------------------------------------------------------------------------------


def _local_findings(folder: Path) -> Iterator[Finding]:
    yield python_finding(sys.version_info[:2])
    yield hummingbot_finding()
    yield plugin_finding()
    yield connector_finding()
    yield from folder_findings(folder)


def python_finding(version: tuple[int, ...]) -> Finding:
    seen = f"{'.'.join(map(str, version))}, {sys.executable}"
    if version in TESTED_PYTHONS:
        return Finding("Python", OK, seen)
    return Finding("Python", NOTE, seen, "Tested are 3.12 and 3.11; set up with one of them if something fails.")


def hummingbot_finding() -> Finding:
    version = _version_of("hummingbot")
    if version is None:
        return _checkout_finding()
    hbot = "with hbot" if instance.has_hbot() else "without hbot: `practice` and `headless` need 20260922 or later"
    if version in TESTED_HUMMINGBOTS:
        return Finding("Hummingbot", OK, f"{version}, {hbot}")
    advice = f"Tested with {' and '.join(TESTED_HUMMINGBOTS)}; if something fails, try one of them."
    return Finding("Hummingbot", NOTE, f"{version}, {hbot}", advice)


def _checkout_finding() -> Finding:
    """No distribution of that name: a source checkout on the import path, or none at all."""
    spec = find_spec("hummingbot")
    if spec is None or spec.origin is None:  # without an origin it is only the folder of that name in our repository
        advice = "Install it, for instance with scripts/setup.sh, or use the Python of your Hummingbot environment."
        return Finding("Hummingbot", FAILED, "not installed in this Python", advice)
    folder = Path(spec.origin).parent
    try:
        version = (folder / "VERSION").read_text(encoding="utf-8").strip()
    except OSError:
        version = "of unknown version"
    return Finding("Hummingbot", OK, f"{version}, a source checkout: {folder.parent}")


_WHICH = "from importlib.util import find_spec; print(find_spec('hummingbot.connector.exchange.backpack').origin)"


def plugin_finding(python: str = sys.executable) -> Finding:
    """Asked of a fresh interpreter: this one was given the hook by hand."""
    name = "plugin"
    if hook.switched_off():
        advice = "Unset HUMMINGBOT_BACKPACK to trade with the plugin."
        return Finding(name, NOTE, "switched off: Hummingbot's own connector is in use", advice)
    run = subprocess.run([python, "-c", _WHICH], capture_output=True, text=True, cwd="/", timeout=CHILD_TIMEOUT_S)
    found = run.stdout.strip()
    if found and Path(found).is_relative_to(hook.connector_folder()):
        return Finding(name, OK, f"hummingbot-backpack {__version__}; `backpack` is {Path(found).parent}")
    return Finding(
        name, FAILED, f"`backpack` is {found or 'not found'}, not {hook.connector_folder()}",
        "Reinstall: pip install --force-reinstall hummingbot-backpack (its .pth file is missing from site-packages).",
    )  # fmt: skip


def connector_finding() -> Finding:
    try:
        from hummingbot.connector.exchange.backpack import backpack_exchange  # noqa: F401
    except Exception as error:  # whatever keeps it from loading is what the user must see
        advice = "Set up again: scripts/setup.sh, or pip install --force-reinstall hummingbot-backpack."
        return Finding("connector", FAILED, f"does not load: {type(error).__name__}: {error}", advice)
    libraries = ", ".join(f"{name} {version}" for name in LIBRARIES if (version := _version_of(name)))
    return Finding("connector", OK, f"loads, with {libraries}")


def _version_of(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def folder_findings(folder: Path) -> Iterator[Finding]:
    if not folder.exists():
        yield Finding("instance folder", OK, f"{folder} does not exist yet; the first start makes it")
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding("instance folder", FAILED, f"{folder} cannot be written to", "Change its owner or rights.")
        return
    free = shutil.disk_usage(folder).free
    seen = f"{folder}, {free / 2**30:.1f} GiB free"
    verdict = FAILED if free < NO_DISK else NOTE if free < LITTLE_DISK else OK
    advice = "" if verdict == OK else "Make room: logs/ and data/ grow while a bot runs."
    yield Finding("instance folder", verdict, seen, advice)
    yield from _left_over_keys(folder)
    yield from _running_bot(folder)


def _left_over_keys(folder: Path) -> Iterator[Finding]:
    try:
        from hummingbot.client.settings import AllConnectorSettings
    except ImportError:
        return  # told under "Hummingbot"
    known = AllConnectorSettings.get_connector_settings()
    strangers = [file for file in (folder / "conf" / "connectors").glob("*.yml") if file.stem not in known]
    if strangers:
        names = ", ".join(sorted(file.name for file in strangers))
        yield Finding(
            "key files", FAILED, f"{names}: no such connector in this Hummingbot, so that every login ends in an error",
            "Move the file out of conf/connectors (it holds the encrypted keys), or install that connector again.",
        )  # fmt: skip


def _running_bot(folder: Path) -> Iterator[Finding]:
    try:
        number = int((folder / "data" / "bot" / "bot.pid").read_text())
        if "hummingbot" in " ".join(psutil.Process(number).cmdline()):
            yield Finding("running bot", OK, f"process {number} runs in this folder; `hbot status` tells more")
    except (OSError, ValueError, psutil.Error):
        return


# -- the exchange -----------------------------------------------------------------------------------------------------


async def _venue_findings(folder: Path, domain: str, offline: bool) -> AsyncIterator[Finding]:
    try:
        from hummingbot_backpack import public_api as api
    except ImportError:
        reason = "the plugin is switched off" if hook.switched_off() else "the connector does not load"
        for topic in ("rate budget", "keys", "network", "websocket", "clock"):
            yield Finding(topic, LEFT_OUT, reason)
        return
    from hummingbot.connector.exchange.backpack.backpack_web_utils import venue_of
    from hummingbot.connector.exchange.backpack.errors import BackpackError

    yield rate_finding(folder)
    keys, finding = await asyncio.to_thread(find_keys, folder, domain, getpass.getpass)
    if finding is not None:
        yield finding
    if offline:
        for finding in _without_network(keys, "--offline", "network"):
            yield finding
        return
    try:
        venue = venue_of(domain)
    except ValueError as error:
        yield Finding("network", FAILED, str(error), "Set it to an address, or unset it.")
        return
    async with api.access(venue) as factory:
        try:
            clock = await api.clock(factory)
        except BackpackError as error:
            advice = (
                "Is this machine online, may it reach that address, is the exchange up? Without a network:"
                " scripts/start.sh trades on a local exchange."
            )
            yield Finding("network", FAILED, str(error), advice)
            for finding in _without_network(keys, "offline"):
                yield finding
            return
        yield Finding("network", OK, f"{venue.rest_url} answers in {clock.answers_in_s * 1000:.0f} ms")
        yield await _websocket_finding(factory)
        yield clock_finding(clock.ahead_s)
    if keys is not None:
        yield await _keys_finding(keys, venue, clock.ahead_s)


def _without_network(keys: Keys | None, reason: str, *topics: str) -> Iterator[Finding]:
    for topic in (*topics, "websocket", "clock"):
        yield Finding(topic, LEFT_OUT, reason)
    if keys is not None:
        yield _form_finding(keys) or Finding("keys", LEFT_OUT, f"from {keys.source}: well formed; {reason}")


async def _websocket_finding(factory: "BackpackAPIFactory") -> Finding:
    from hummingbot.connector.exchange.backpack.backpack_websocket import BackpackWebSocket

    url = factory.venue.ws_url
    began_s = time.monotonic()
    try:
        websocket = await BackpackWebSocket.connect(url)
    except OSError as error:
        advice = "A proxy or firewall may let https through and not websockets."
        return Finding("websocket", FAILED, f"no connection to {url}: {error or type(error).__name__}", advice)
    await websocket.disconnect()
    return Finding("websocket", OK, f"{url} connects in {(time.monotonic() - began_s) * 1000:.0f} ms")


def clock_finding(ahead_s: float) -> Finding:
    from hummingbot_backpack.public_api import CLOCK_TOLERATED_S

    if abs(ahead_s) <= CLOCK_TOLERATED_S:
        return Finding("clock", OK, f"{abs(ahead_s) * 1000:.0f} ms off the exchange's")
    way = "ahead of" if ahead_s > 0 else "behind"
    return Finding(
        "clock", NOTE, f"this machine is {abs(ahead_s):.1f} s {way} the exchange; the connector corrects for it",
        "Switch on time synchronisation (timedatectl set-ntp true): logs and trade records carry this machine's time.",
    )  # fmt: skip


def rate_finding(folder: Path) -> Finding:
    from hummingbot.connector.exchange.backpack import backpack_constants as limits

    share = rate_share(folder)
    budget = int(limits.REQUESTS_PER_MINUTE * share / 100)
    kept = int((limits.RESERVED_FOR_ORDERS + limits.RESERVED_FOR_CANCELS) * share / 100)
    seen = (
        f"{budget:,} of the venue's {limits.REQUESTS_PER_MINUTE:,} requests a minute"
        f" (rate_limits_share_pct {share:g}), {kept} kept for placing and cancelling"
    )
    if budget < FEW_REQUESTS_A_MINUTE:
        return Finding("rate budget", NOTE, seen, "Raise rate_limits_share_pct unless other bots share the account.")
    return Finding("rate budget", OK, seen)


def rate_share(folder: Path) -> float:
    """Per cent of the venue's limits that this instance may use; Hummingbot's default is all."""
    try:
        text = (folder / "conf" / "conf_client.yml").read_text(encoding="utf-8")
    except OSError:
        return 100.0
    found = re.search(r"^rate_limits_share_pct:\s*['\"]?([\d.]+)", text, re.MULTILINE)
    return float(found[1]) if found else 100.0


# -- keys -------------------------------------------------------------------------------------------------------------


def find_keys(folder: Path, domain: str, ask: Callable[[str], str]) -> tuple[Keys | None, Finding | None]:
    """The keys, or the finding that says why there are none to check. ``ask`` shows a prompt and hides the answer."""
    given = {name: os.environ.get(f"BACKPACK_API_{name}", "") for name in ("KEY", "SECRET")}
    if any(given.values()):
        return Keys(given["KEY"], given["SECRET"], "environment"), None
    file = folder / "conf" / "connectors" / f"{domain}.yml"
    if not file.exists():
        blank = " (left blank, it is a demo)" if domain == "backpack" else ""
        return None, Finding("keys", NOTE, f"none: no {file}", f"`connect {domain}` in Hummingbot enters them{blank}.")
    password = os.environ.get("HBOT_PASSWORD")
    if password is None:
        if not sys.stdin.isatty():
            return None, Finding("keys", LEFT_OUT, f"{file} is locked", "Set HBOT_PASSWORD to have them checked.")
        password = ask("Password of the instance folder (only Enter leaves the keys out): ")
        if not password:
            return None, Finding("keys", LEFT_OUT, f"{file} was left locked")
    return _unlocked(file, domain, password)


def _unlocked(file: Path, domain: str, password: str) -> tuple[Keys | None, Finding | None]:
    from hummingbot.client.config.config_crypt import ETHKeyFileSecretManger, validate_password
    from hummingbot.client.config.security import Security

    try:
        manager = ETHKeyFileSecretManger(password)
        if not validate_password(manager):
            advice = "Set HBOT_PASSWORD to the one that Hummingbot was first started with."
            return None, Finding("keys", FAILED, "that is not the password of this instance folder", advice)
        Security.secrets_manager = manager
        Security.decrypt_connector_config(file)
        stored = Security.api_keys(domain)
    except Exception as error:  # Hummingbot raises what its libraries raise; the kind is told, the text may hold a key
        advice = f"Enter the keys anew: `connect {domain}`."
        return None, Finding("keys", FAILED, f"{file} cannot be read ({type(error).__name__})", advice)
    api_key, api_secret = (stored.get(f"{domain}_api_{name}") or "" for name in ("key", "secret"))
    if not api_key and not api_secret:
        return None, Finding("keys", OK, f"{file} is blank: demo mode, no real money")
    return Keys(api_key, api_secret, str(file)), None


def _form_finding(keys: Keys) -> Finding | None:
    """None if they can be a key and the secret that belongs to it."""
    from hummingbot.connector.exchange.backpack.backpack_auth import InvalidKeys, signing_key

    try:
        signing_key(keys.api_key, keys.api_secret)
    except InvalidKeys as error:
        return Finding("keys", FAILED, f"from {keys.source}: {error}", "Enter key and secret of one key pair anew.")
    return None


async def _keys_finding(keys: Keys, venue: "Venue", ahead_s: float) -> Finding:
    from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
    from hummingbot.connector.exchange.backpack.backpack_auth import BackpackAuth
    from hummingbot.connector.exchange.backpack.errors import BackpackError, Rejected
    from hummingbot.connector.exchange.backpack.wire import parse_account_fees, parse_balances
    from hummingbot.connector.time_synchronizer import TimeSynchronizer
    from hummingbot_backpack import public_api as api

    synchronizer = TimeSynchronizer()
    synchronizer.add_time_offset_ms_sample((time.time() - ahead_s - time.perf_counter()) * 1000)
    if malformed := _form_finding(keys):
        return malformed
    auth = BackpackAuth(keys.api_key, keys.api_secret, time_provider=synchronizer)
    async with api.access(venue, synchronizer, auth) as factory:
        try:
            fees = parse_account_fees(await factory.request(CONSTANTS.ACCOUNT))
            balances = parse_balances(await factory.request(CONSTANTS.CAPITAL))
            orders = await factory.request(CONSTANTS.OPEN_ORDERS)
        except Rejected as error:
            advice = "Is the key still there, not expired, of this exchange, allowed for this address (IP)?"
            return Finding("keys", FAILED, f"from {keys.source}, refused: {error}", advice)
        except BackpackError as error:
            advice = "Try again; scripts/test_backpack_public_api.py looks closer."
            return Finding("keys", FAILED, f"from {keys.source}: {error}", advice)
    maker, taker = (f"{(fee * 10_000).normalize():f} bp" for fee in (fees.spot_maker, fees.spot_taker))
    seen = f"valid: {len(balances)} assets, {len(orders)} open orders, fees {maker} maker, {taker} taker"
    return Finding("keys", OK, f"from {keys.source}, {seen}")
