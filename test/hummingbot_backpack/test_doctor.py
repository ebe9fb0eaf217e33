"""The doctor finds what is wrong, says what to do, and keeps secrets."""

import asyncio
import sys
from collections.abc import AsyncIterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import pytest_asyncio

from hummingbot.connector.exchange.backpack.simulator import SimulatedBackpack
from hummingbot_backpack import doctor, hook, instance
from hummingbot_backpack.__main__ import main
from hummingbot_backpack.doctor import FAILED, LEFT_OUT, NOTE, OK, Finding, Keys


@pytest.fixture(autouse=True)
def a_known_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BACKPACK_API_KEY", "BACKPACK_API_SECRET", "HBOT_PASSWORD", "HUMMINGBOT_BACKPACK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HBOT_PREFIX", "")  # restored afterwards: the doctor sets it


@pytest_asyncio.fixture
async def exchange(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SimulatedBackpack]:
    async with SimulatedBackpack(seed=7) as sim:
        monkeypatch.setenv("BACKPACK_LOCAL_URL", sim.rest_url)
        yield sim


async def findings(folder: Path, *, offline: bool = False) -> dict[str, Finding]:
    found = await doctor._collected(doctor._venue_findings(folder, "backpack_local", offline))
    return {finding.topic: finding for finding in found}


async def test_a_healthy_exchange_with_valid_keys(
    exchange: SimulatedBackpack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    account = exchange.add_account({"USDC": "10", "SOL": "1"})
    monkeypatch.setenv("BACKPACK_API_KEY", account.api_key)
    monkeypatch.setenv("BACKPACK_API_SECRET", account.api_secret)
    found = await findings(tmp_path)
    assert {finding.verdict for finding in found.values()} == {OK}, found
    assert list(found) == ["rate budget", "network", "websocket", "clock", "keys"]
    assert "2 assets, 0 open orders, fees 8 bp maker, 10 bp taker" in found["keys"].seen


async def test_keys_of_another_exchange(exchange: SimulatedBackpack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with SimulatedBackpack(seed=8) as other:
        stranger = other.add_account({})
    monkeypatch.setenv("BACKPACK_API_KEY", stranger.api_key)
    monkeypatch.setenv("BACKPACK_API_SECRET", stranger.api_secret)
    found = await findings(tmp_path)
    assert found["keys"].verdict == FAILED and "refused" in found["keys"].seen and found["keys"].advice


async def test_a_clock_that_is_off_is_told_and_hurts_nothing(
    exchange: SimulatedBackpack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    account = exchange.add_account({})
    monkeypatch.setenv("BACKPACK_API_KEY", account.api_key)
    monkeypatch.setenv("BACKPACK_API_SECRET", account.api_secret)
    exchange.clock.skew_us = 90_000_000
    found = await findings(tmp_path)
    assert found["clock"].verdict == NOTE and "90.0 s behind the exchange" in found["clock"].seen
    assert found["keys"].verdict == OK


async def test_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BACKPACK_LOCAL_URL", "http://127.0.0.1:9")
    found = await findings(tmp_path)
    assert found["network"].verdict == FAILED and found["network"].advice
    assert found["websocket"].verdict == found["clock"].verdict == LEFT_OUT
    assert found["keys"].verdict == NOTE  # there are none: that needs no network


async def test_offline_by_wish_fails_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with SimulatedBackpack(seed=8) as sim:
        account = sim.add_account({})
    monkeypatch.setenv("BACKPACK_API_KEY", account.api_key)
    monkeypatch.setenv("BACKPACK_API_SECRET", account.api_secret)
    found = await findings(tmp_path, offline=True)
    assert FAILED not in {finding.verdict for finding in found.values()}
    assert found["keys"].verdict == LEFT_OUT and "well formed" in found["keys"].seen


async def test_keys_that_cannot_be_a_pair_are_found_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with SimulatedBackpack(seed=8) as sim:
        one, other = sim.add_account({}), sim.add_account({})
    monkeypatch.setenv("BACKPACK_API_KEY", one.api_key)
    monkeypatch.setenv("BACKPACK_API_SECRET", other.api_secret)
    assert "do not belong to each other" in (await findings(tmp_path, offline=True))["keys"].seen


async def test_no_secret_is_ever_shown(
    exchange: SimulatedBackpack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    account = exchange.add_account({})
    shown = []
    for secret in (account.api_secret, "not-base64-but-secret", account.api_secret[:-8]):
        monkeypatch.setenv("BACKPACK_API_KEY", account.api_key)
        monkeypatch.setenv("BACKPACK_API_SECRET", secret)
        command = ["--instance", str(tmp_path), "doctor", "--domain", "backpack_local"]
        await asyncio.to_thread(main, command)
        printed = capsys.readouterr()
        shown.append(printed.out)
        assert secret not in printed.out + printed.err and account.api_key not in printed.out + printed.err
    assert "valid: 0 assets" in shown[0] and "FAILED" in shown[1] and "FAILED" in shown[2]
    keys = Keys("the key", "the secret", "environment")
    assert "the key" not in repr(keys) and "the secret" not in repr(keys)


def test_an_instance_folder_that_is_not_there_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = tmp_path / "none"
    assert main(["--instance", str(folder), "doctor", "--offline"]) == 0
    said = capsys.readouterr().out
    assert not folder.exists() and "does not exist yet" in said
    assert "Not checked: network, websocket, clock." in said and "Nothing failed." in said


def test_a_connector_that_is_gone_has_left_its_keys(tmp_path: Path):
    folder = instance.prepare(tmp_path)
    (folder / "conf" / "connectors" / "gone_exchange.yml").write_text("connector: gone_exchange\n")
    (folder / "conf" / "connectors" / "backpack.yml").write_text("connector: backpack\n")
    [_, finding] = doctor.folder_findings(folder)
    assert finding.verdict == FAILED and "gone_exchange.yml" in finding.seen and "backpack.yml" not in finding.seen


def test_a_folder_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)  # the tests may run as root, who may write anywhere
    [finding] = doctor.folder_findings(tmp_path)
    assert finding.verdict == FAILED and finding.advice


@pytest.mark.parametrize(
    ("free", "verdict"), [(doctor.NO_DISK - 1, FAILED), (doctor.LITTLE_DISK - 1, NOTE), (doctor.LITTLE_DISK, OK)]
)
def test_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, verdict: str):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: type("Usage", (), {"free": free}))
    assert next(iter(doctor.folder_findings(tmp_path))).verdict == verdict


@pytest.mark.parametrize(
    ("setting", "verdict"), [("", OK), ("rate_limits_share_pct: 50.0", OK), ("rate_limits_share_pct: '5'", NOTE)]
)
def test_the_rate_budget(tmp_path: Path, setting: str, verdict: str):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "conf_client.yml").write_text(f"instance_id: x\n{setting}\n")
    assert doctor.rate_finding(tmp_path).verdict == verdict


def test_the_plugin_is_asked_of_a_fresh_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    python = tmp_path / "python"  # one in whose site-packages the .pth is missing finds Hummingbot's own
    python.write_text("#!/bin/sh\necho /elsewhere/hummingbot/connector/exchange/backpack/__init__.py\n")
    python.chmod(0o755)
    finding = doctor.plugin_finding(str(python))
    assert finding.verdict == FAILED and "/elsewhere" in finding.seen and "Reinstall" in finding.advice
    monkeypatch.setattr(hook, "connector_folder", lambda: "/elsewhere/hummingbot/connector/exchange/backpack")
    assert doctor.plugin_finding(str(python)).verdict == OK
    monkeypatch.setenv("HUMMINGBOT_BACKPACK", "builtin")
    assert doctor.plugin_finding(str(python)).verdict == NOTE


@pytest.mark.parametrize(("version", "verdict"), [((3, 12), OK), ((3, 11), OK), ((3, 13), NOTE)])
def test_python_versions(version: tuple[int, int], verdict: str):
    assert doctor.python_finding(version).verdict == verdict


def test_hummingbot_from_a_checkout_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert doctor.hummingbot_finding().verdict == OK
    monkeypatch.setattr(doctor, "_version_of", lambda name: None)
    (tmp_path / "hummingbot").mkdir()
    (tmp_path / "hummingbot" / "VERSION").write_text("2.99.0\n")
    origin = str(tmp_path / "hummingbot" / "__init__.py")
    monkeypatch.setattr(doctor, "find_spec", lambda name: ModuleSpec(name, None, origin=origin))
    assert doctor.hummingbot_finding().seen == f"2.99.0, a source checkout: {tmp_path}"
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    assert doctor.hummingbot_finding().verdict == FAILED


class TestKeysInTheInstanceFolder:
    """Encrypted by Hummingbot, as ``connect backpack_local`` leaves them."""

    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        from hummingbot.client import settings
        from hummingbot.client.config import config_crypt, security
        from hummingbot.client.config.config_helpers import ClientConfigAdapter, save_to_yml
        from hummingbot.connector.exchange.backpack.backpack_utils import BackpackLocalConfigMap

        folder = instance.prepare(tmp_path)
        verification = folder / "conf" / ".password_verification"
        for module in (settings, config_crypt, security):
            monkeypatch.setattr(module, "PASSWORD_VERIFICATION_PATH", verification, raising=False)
        manager = config_crypt.ETHKeyFileSecretManger("right")
        config_crypt.store_password_verification(manager)
        monkeypatch.setattr(security.Security, "secrets_manager", manager)
        config = BackpackLocalConfigMap(backpack_local_api_key="the key", backpack_local_api_secret="the secret")
        save_to_yml(folder / "conf" / "connectors" / "backpack_local.yml", ClientConfigAdapter(config))
        return folder

    def test_are_unlocked_by_the_password(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("HBOT_PASSWORD", "right")
        keys, finding = doctor.find_keys(folder, "backpack_local", pytest.fail)
        assert finding is None and keys is not None and (keys.api_key, keys.api_secret) == ("the key", "the secret")

    def test_stay_locked_to_another(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("HBOT_PASSWORD", "wrong")
        keys, finding = doctor.find_keys(folder, "backpack_local", pytest.fail)
        assert keys is None and finding is not None and finding.verdict == FAILED
        assert "not the password" in finding.seen

    def test_are_left_out_where_nobody_can_be_asked(self, folder: Path):
        keys, finding = doctor.find_keys(folder, "backpack_local", pytest.fail)
        assert (
            keys is None and finding is not None and finding.verdict == LEFT_OUT and "HBOT_PASSWORD" in finding.advice
        )

    def test_are_asked_for_on_a_terminal(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
        assert doctor.find_keys(folder, "backpack_local", lambda prompt: "right")[0] is not None
        assert doctor.find_keys(folder, "backpack_local", lambda prompt: "")[0] is None
