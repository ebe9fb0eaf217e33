"""What several tests of the connector need: recorded payloads, and waiting for something to become true."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parent / "fixtures"


def payload(name: str) -> Any:
    """What the venue sent. Beside it, the file says where and when it was seen, or that it is synthetic."""
    return json.loads((FIXTURES / f"{name}.json").read_text())["payload"]


def data(name: str) -> dict[str, Any]:
    """The inside of a recorded websocket frame."""
    inside: dict[str, Any] = payload(name)["data"]
    return inside


async def eventually(condition: Callable[[], object], timeout: float = 5.0) -> None:
    """Return as soon as ``condition()`` is true; fail if that takes longer than ``timeout`` seconds."""
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110  any condition at all, most have no event to wait for
            await asyncio.sleep(0.01)
