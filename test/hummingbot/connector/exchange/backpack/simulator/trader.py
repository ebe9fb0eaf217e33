"""A client of the local exchange for its tests: signs with ``cryptography`` by the venue's rules, keeps what it gets.

Not the connector: the two must be able to disagree.
"""

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hummingbot.connector.exchange.backpack.simulator import SimulatedBackpack
from hummingbot.connector.exchange.backpack.simulator.access import SimAccount

INSTRUCTIONS = {
    ("GET", "/api/v1/account"): "accountQuery",
    ("GET", "/api/v1/account/limits/order"): "maxOrderQuantity",
    ("GET", "/api/v1/capital"): "balanceQuery",
    ("GET", "/api/v1/capital/collateral"): "collateralQuery",
    ("GET", "/api/v1/borrowLend/positions"): "borrowLendPositionQuery",
    ("GET", "/api/v1/order"): "orderQuery",
    ("GET", "/api/v1/orders"): "orderQueryAll",
    ("POST", "/api/v1/order"): "orderExecute",
    ("POST", "/api/v1/orders"): "orderExecute",
    ("DELETE", "/api/v1/order"): "orderCancel",
    ("DELETE", "/api/v1/orders"): "orderCancelAll",
    ("GET", "/wapi/v1/history/orders"): "orderHistoryQueryAll",
    ("GET", "/wapi/v1/history/fills"): "fillHistoryQueryAll",
}


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; ``json`` is only there when the body is JSON."""

    method: str
    path: str
    status: int
    text: str
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def error(self) -> tuple[int, str, str]:
        return self.status, self.json["code"], self.json["message"]


async def until(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    """Wait for what nobody announces."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - the state is somebody else's and has no event
            await asyncio.sleep(0.005)


def shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def signed_text(instruction: str, values: Any) -> str:
    if isinstance(values, list):
        return "&".join(signed_text(instruction, one) for one in values)
    return "&".join([f"instruction={instruction}", *(f"{key}={shown(values[key])}" for key in sorted(values))])


def signature(secret: str, text: str) -> str:
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret))
    return base64.b64encode(key.sign(text.encode())).decode()


class Trader:
    """Calls of one account. ``replies`` keeps everything that was answered, to be checked against the contract."""

    def __init__(self, sim: SimulatedBackpack, session: aiohttp.ClientSession, account: SimAccount | None) -> None:
        self.sim = sim
        self.session = session
        self.account = account
        self.replies: list[Reply] = []

    def headers(
        self, instruction: str, values: Any, *, at_ms: int | None = None, window_ms: int = 5_000
    ) -> dict[str, str]:
        assert self.account is not None
        at_ms = self.sim.clock.judged_ms() if at_ms is None else at_ms
        text = f"{signed_text(instruction, values)}&timestamp={at_ms}&window={window_ms}"
        return {
            "X-API-Key": self.account.api_key,
            "X-Signature": signature(self.account.api_secret, text),
            "X-Timestamp": str(at_ms),
            "X-Window": str(window_ms),
        }

    async def send(self, method: str, path: str, *, headers: dict[str, str] | None = None, query: Any = None,
                   raw: str | None = None) -> Reply:  # fmt: skip
        """One request as it is, nothing added."""
        async with self.session.request(
            method, self.sim.rest_url + path, params=query, data=raw, headers=headers or {}
        ) as response:
            reply = Reply(method, path, response.status, await response.text(), dict(response.headers))
        self.replies.append(reply)
        return reply

    async def get(self, path: str, **query: Any) -> Reply:
        """A GET, signed if the call needs it."""
        instruction = INSTRUCTIONS.get(("GET", path))
        headers = self.headers(instruction, query) if instruction else None
        return await self.send("GET", path, headers=headers, query={key: shown(value) for key, value in query.items()})

    async def post(self, path: str, body: Any) -> Reply:
        return await self._with_body("POST", path, body)

    async def delete(self, path: str, **body: Any) -> Reply:
        return await self._with_body("DELETE", path, body)

    async def _with_body(self, method: str, path: str, body: Any) -> Reply:
        headers = self.headers(INSTRUCTIONS[method, path], body) | {"Content-Type": "application/json"}
        return await self.send(method, path, headers=headers, raw=json.dumps(body))

    async def order(self, side: str, price: str, quantity: str, /, **more: Any) -> Reply:
        """Submit a limit order on SOL_USDC, post-only unless told otherwise so that no taker delay applies."""
        body = {"symbol": "SOL_USDC", "side": side, "orderType": "Limit", "price": price, "quantity": quantity}
        return await self.post("/api/v1/order", {"postOnly": True} | body | more)

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """A control-plane call that must succeed."""
        reply = await self.send(method, f"/_sim/{path}", raw=None if body is None else json.dumps(body))
        assert reply.status == 200, reply.text
        return reply.json


class Listener:
    """One websocket with everything that came over it."""

    def __init__(self, sim: SimulatedBackpack, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.sim = sim
        self.socket = socket
        self.frames: list[Any] = []
        self._arrived = asyncio.Event()
        self.ended = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self.socket:
            self.frames.append(json.loads(message.data))
            self._arrived.set()
        self.ended.set()
        self._arrived.set()

    async def subscribe(self, *streams: str, trader: Trader | None = None) -> None:
        """SUBSCRIBE, and wait until the exchange has read it (it never says so itself)."""
        await self.command("SUBSCRIBE", *streams, trader=trader)

    async def unsubscribe(self, *streams: str) -> None:
        await self.command("UNSUBSCRIBE", *streams)

    async def command(self, method: str, *streams: str, trader: Trader | None = None) -> None:
        command: dict[str, Any] = {"method": method, "params": list(streams)}
        if trader is not None and trader.account is not None:
            headers = trader.headers("subscribe", {})
            command["signature"] = [
                headers["X-API-Key"], headers["X-Signature"], headers["X-Timestamp"], headers["X-Window"]
            ]  # fmt: skip
        await self.socket.send_json(command)
        await self.barrier()

    async def barrier(self) -> None:
        """Return when everything sent so far has been answered: an invalid stream is, at once and in order."""
        before = len(self.errors)
        await self.socket.send_json({"method": "SUBSCRIBE", "params": ["barrier"]})
        await self.until(lambda: len(self.errors) > before and self.errors[-1]["code"] == 4006)
        self.frames.pop(max(number for number, frame in enumerate(self.frames) if "error" in frame))

    async def until(self, condition: Callable[[], bool], within_s: float = 5.0) -> None:
        async with asyncio.timeout(within_s):
            while not condition():
                self._arrived.clear()
                await self._arrived.wait()

    async def count(self, stream: str, number: int, within_s: float = 5.0) -> list[Any]:
        """The payloads of a stream, once there are at least this many."""
        await self.until(lambda: len(self.of(stream)) >= number, within_s)
        return self.of(stream)

    def of(self, stream: str) -> list[Any]:
        return [frame["data"] for frame in self.frames if frame.get("stream") == stream]

    @property
    def errors(self) -> list[Any]:
        return [frame["error"] for frame in self.frames if "error" in frame]

    async def close(self) -> None:
        self._reader.cancel()
        await self.socket.close()
