"""The launcher's own part: instance folders and the command line. Starting the client is in ``test_installs.py``."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from hummingbot_backpack import __main__ as launcher
from hummingbot_backpack import __version__, instance
from hummingbot_backpack.problem import Problem

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HBOT_PREFIX", str(tmp_path))  # so that it is restored
    return tmp_path / "instance"


def test_a_new_instance_folder_is_ready(folder: Path):
    assert instance.prepare(folder) == folder
    assert (folder / "conf" / "strategies" / "conf_pmm_backpack_local.yml").exists()
    assert (folder / "scripts" / "v2_with_controllers.py").exists()
    assert (folder / "controllers" / "market_making" / "backpack_pmm.py").exists()
    assert "rate_oracle_source" in (folder / "conf" / "conf_client.yml").read_text()
    assert os.environ["HBOT_PREFIX"] == str(folder)


def test_an_instance_folder_keeps_what_is_in_it(folder: Path):
    instance.prepare(folder)
    config = folder / "conf" / "conf_client.yml"
    config.write_text("instance_id: mine\n")
    instance.prepare(folder)
    assert config.read_text() == "instance_id: mine\n"


def test_a_hummingbot_without_backpacks_rate_source_is_not_told_to_use_it(folder: Path, monkeypatch):
    monkeypatch.setattr(instance, "_in_hummingbot", lambda file: False)
    instance.prepare(folder)
    text = (folder / "conf" / "conf_client.yml").read_text()
    assert "rate_oracle_source" not in text and "global_token" in text


def test_a_folder_that_cannot_be_made_is_a_problem(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Problem, match="cannot be used: Not a directory"):
        instance.prepare(tmp_path / "file" / "instance")


@pytest.mark.parametrize("arguments", [[], ["fly"], ["practice", "--port", "0"], ["practice", "--port", "port"]])
def test_bad_arguments_are_refused_in_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ending:
        launcher.main(arguments)
    assert ending.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


Run = subprocess.CompletedProcess[str]


def launch(folder: Path, *arguments: str, given: str = "", password: str = "secret") -> Run:
    return subprocess.run(
        [sys.executable, "-m", "hummingbot_backpack", "--instance", folder, *arguments],
        input=given,
        env=os.environ | {"HBOT_PASSWORD": password, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_hbot_works_in_the_instance_folder_and_the_client_knows_its_password(tmp_path: Path):
    fields = launch(tmp_path, "hbot", "connect", "backpack_local", "--fields").stdout
    assert "backpack_local_api_key" in fields and "backpack_local_api_secret" in fields
    keys = '{"backpack_api_key": "", "backpack_api_secret": ""}'
    assert launch(tmp_path, "hbot", "connect", "backpack", "--keys-stdin", given=keys).returncode == 0
    assert (tmp_path / "conf" / "connectors" / "backpack.yml").exists()

    refused = launch(tmp_path, "client", password="wrong")
    assert refused.returncode == 2
    assert refused.stderr == "HBOT_PASSWORD is not the password of this instance folder.\n"


@pytest.mark.slow
def test_the_key_file_is_the_one_of_hummingbots_own_connector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Keys saved by either are read by the other: before this plugin came, and after it has gone."""
    seed = bytes(range(32))
    pair = {"key": bytes(SigningKey(seed).verify_key), "secret": seed}
    keys = json.dumps({f"backpack_api_{name}": base64.b64encode(value).decode() for name, value in pair.items()})
    connect = ("hbot", "connect", "backpack", "--keys-stdin", "--replace")

    with monkeypatch.context() as builtin:
        builtin.setenv("HUMMINGBOT_BACKPACK", "builtin")
        assert launch(tmp_path, *connect, given=keys).returncode == 0
    # A key of nobody, or no network: either way it was read, and the exchange asked.
    assert "Error: backpack: The exchange" in launch(tmp_path, "hbot", "balance", "backpack", "--units-only").stderr

    assert launch(tmp_path, *connect, given=keys).returncode == 0
    monkeypatch.setenv("HUMMINGBOT_BACKPACK", "builtin")
    listed = launch(tmp_path, "hbot", "connect")
    assert listed.returncode == 0 and "| backpack " in listed.stdout


def test_the_demo_account_is_reset(tmp_path: Path):
    account = tmp_path / "data" / "backpack_demo.json"
    account.parent.mkdir()
    account.write_text("{}")
    told = launch(tmp_path, "demo", "reset").stdout
    assert told.startswith("Demo account forgotten") and not account.exists()
    assert launch(tmp_path, "demo", "reset").stdout.startswith("No demo account is kept")


def test_version(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        launcher.main(["--version"])
    assert capsys.readouterr().out == f"hummingbot-backpack {__version__}\n"
