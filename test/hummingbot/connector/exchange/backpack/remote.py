"""Instances of Hummingbot behind an MQTT broker: a broker, instance folders with a bot in each, and who commands them.

The broker is mosquitto; the commands are those that hummingbot-api sends.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from paho.mqtt import client as mqtt

from test.hummingbot.connector.exchange.backpack.practice_runs import CHECKOUT, free_port

PASSWORD = "secret"
NAMESPACE = "hbot"
ANSWER_S = 40.0  # a bot gives up on its own commands after 30 s


def mosquitto() -> str:
    """Its path; installed from Debian where that is possible."""
    path = os.environ["PATH"] + os.pathsep + "/usr/sbin"
    if shutil.which("mosquitto", path=path) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", "mosquitto"]):
            subprocess.run(command, check=False, capture_output=True)
    found = shutil.which("mosquitto", path=path)
    assert found is not None, "These tests need an MQTT broker: install mosquitto (apt-get install mosquitto)."
    return found


class Broker:
    """``with Broker(folder) as broker:`` a mosquitto of one's own on a free port of this computer."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._command = [mosquitto(), "-c", str(folder / "mosquitto.conf")]
        self._log = folder / "mosquitto.log"
        (folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest stdout\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)

    def __enter__(self) -> "Broker":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stop()


class Commander:
    """Hears everything that goes over the broker, and asks bots by name."""

    def __init__(self, port: int) -> None:
        self._heard: list[tuple[str, Any]] = []
        self._changed = threading.Condition()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.reconnect_delay_set(1, 2)
        self._client.on_connect = lambda client, *_: client.subscribe("#")
        self._client.on_message = self._hear
        self._client.connect_async("127.0.0.1", port)

    def __enter__(self) -> "Commander":
        self._client.loop_start()
        until(self._client.is_connected, 10, "the commander is connected")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _hear(self, client: mqtt.Client, data: object, message: mqtt.MQTTMessage) -> None:
        with self._changed:
            self._heard.append((message.topic, json.loads(message.payload)))
            self._changed.notify_all()

    def heard(self, bot: str, topic: str) -> list[Any]:
        """What the bot has published: ``hb`` heartbeats, ``log``, ``status_updates``."""
        with self._changed:
            return [content for name, content in self._heard if name == f"{NAMESPACE}/{bot}/{topic}"]

    def ask(self, bot: str, command: str, **parameters: Any) -> dict[str, Any]:
        """The bot's answer to a command. ``async_backend`` False: when it is done, not when it is begun."""
        reply_to = f"commander/{uuid.uuid4().hex}"
        request = {"header": {"reply_to": reply_to}, "data": {"async_backend": False, **parameters}}
        self._client.publish(f"{NAMESPACE}/{bot}/{command}", json.dumps(request), qos=1)

        def answers() -> list[dict[str, Any]]:
            return [content["data"] for name, content in self._heard if name == reply_to]

        with self._changed:
            assert self._changed.wait_for(answers, ANSWER_S), f"{bot} did not answer {command} within {ANSWER_S} s"
            return answers()[0]


class Instance:
    """A bot in an instance folder of its own, used by the launcher's commands alone."""

    def __init__(self, folder: Path, exchange_url: str) -> None:
        self.folder = folder
        self.name = folder.name
        self._environment = os.environ | {
            "BACKPACK_LOCAL_URL": exchange_url,
            "BACKPACK_RATE_DOMAIN": "backpack_local",
            "HBOT_PASSWORD": PASSWORD,
            "PYTHONPATH": str(CHECKOUT),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def set(self, **settings: object) -> None:
        """``mqtt_bridge__mqtt_port`` is ``mqtt_bridge.mqtt_port``."""
        for key, value in settings.items():
            self._run("hbot", "config", key.replace("__", "."), str(value))

    def connect(self, keys: dict[str, str]) -> None:
        self._run("hbot", "connect", "backpack_local", "--keys-stdin", given=json.dumps(keys))

    def start(self, config: str) -> None:
        """The strategy of this configuration, without a screen."""
        with (self.folder / "output").open("wb") as output:
            self.process = subprocess.Popen(
                self._command("headless", config),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def terminate(self) -> int:
        """SIGTERM; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "hummingbot_backpack", "--instance", str(self.folder), *arguments]

    def _run(self, *arguments: str, given: str = "") -> None:
        run = subprocess.run(
            self._command(*arguments), env=self._environment, input=given, capture_output=True, text=True, timeout=60
        )
        assert run.returncode == 0, run.stdout + run.stderr


def until(condition: Callable[[], object], within_s: float, what: str) -> None:
    end_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end_s, f"not within {within_s} s: {what}"
        time.sleep(0.1)
