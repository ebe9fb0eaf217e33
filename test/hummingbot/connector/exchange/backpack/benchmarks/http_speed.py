"""Orders per second over HTTP, to the local exchange in a process of its own. Run: python http_speed.py [orders]

Signatures are made beforehand, so that the figure is the exchange's (verification included) and not the client's.
Then the same orders in batches of 20, and the depth stream with a listener while it happens. Nothing is asserted here.
"""

import asyncio
import base64
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

CHECKOUT = Path(__file__).resolve().parents[6]
RUN = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); import conftest; "
    "from hummingbot.connector.exchange.backpack.simulator.__main__ import main; sys.exit(main())"
)
CONNECTIONS = 16
BATCH = 20


def orders(number: int) -> list[dict[str, Any]]:
    """Limit orders around one price; sent by turns from two accounts that buy and sell, most of them trade."""
    return [
        {
            "orderType": "Limit",
            "price": f"{150 + (i * 7 % 11 - 5) / 100:.2f}",
            "quantity": "0.01",
            "side": "Bid" if i % 40 < BATCH else "Ask",
            "symbol": "SOL_USDC",
        }
        for i in range(number)
    ]


def signed(account: dict[str, str], batch: list[dict[str, Any]]) -> dict[str, str]:
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(account["apiSecret"]))
    at_ms = int(time.time() * 1000)
    texts = ["&".join(["instruction=orderExecute", *(f"{name}={one[name]}" for name in sorted(one))]) for one in batch]
    text = "&".join(texts) + f"&timestamp={at_ms}&window=60000"
    return {
        "Content-Type": "application/json",
        "X-API-Key": account["apiKey"],
        "X-Signature": base64.b64encode(key.sign(text.encode())).decode(),
        "X-Timestamp": str(at_ms),
        "X-Window": "60000",
    }


async def post_all(
    session: aiohttp.ClientSession, url: str, requests: list[tuple[bytes, dict[str, str]]]
) -> list[float]:
    """Send the requests over the connections; the seconds that each took."""
    waiting, took = iter(requests), []

    async def worker() -> None:
        for body, headers in waiting:
            begun = time.perf_counter()
            async with session.post(url, data=body, headers=headers) as answer:
                text = await answer.text()
                assert answer.status == 200, text
            took.append(time.perf_counter() - begun)

    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
    return took


async def measure(about: dict[str, Any], number: int) -> None:
    buyer, seller = about["accounts"]
    connector = aiohttp.TCPConnector(limit=CONNECTIONS + 1)
    async with aiohttp.ClientSession(connector=connector) as session:
        rows = (
            ("POST /order", 1, False),
            ("POST /order, one depth listener", 1, True),
            (f"POST /orders of {BATCH}", BATCH, False),
        )
        for name, size, listening in rows:
            every = orders(number)
            batches = [every[i : i + size] for i in range(0, len(every), size)]
            requests = [
                (
                    json.dumps(batch[0] if size == 1 else batch).encode(),
                    signed(buyer if batch[0]["side"] == "Bid" else seller, batch),
                )
                for batch in batches
            ]
            path = "/api/v1/order" if size == 1 else "/api/v1/orders"
            frames, listener = 0, None
            if listening:
                socket = await session.ws_connect(about["wsUrl"])
                await socket.send_json({"method": "SUBSCRIBE", "params": ["depth.SOL_USDC"]})

                async def count() -> None:
                    nonlocal frames
                    async for _ in socket:  # noqa: B023 - ends before the next row
                        frames += 1

                listener = asyncio.create_task(count())
            begun = time.perf_counter()
            took = await post_all(session, about["restUrl"] + path, requests)
            seconds = time.perf_counter() - begun
            if listener is not None:
                await asyncio.sleep(0.2)
                listener.cancel()
                await socket.close()
            took.sort()
            print(
                f"{name}: {number / seconds:,.0f} orders/s, {len(requests) / seconds:,.0f} requests/s, "
                f"p50 {statistics.median(took) * 1000:.1f} ms, p99 {took[int(len(took) * 0.99)] * 1000:.1f} ms"
                + (f", {frames:,} depth frames" if listening else "")
            )


def main(number: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "accounts.json"
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(CHECKOUT), "--port", "0", "--market", "none", "--taker-delay", "0",
             "--account", "buyer:USDC=100000000", "--account", "seller:SOL=1000000", "--accounts-file", str(file)],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            while not file.exists():
                if process.poll() is not None:
                    sys.exit("the exchange did not start")
                time.sleep(0.05)
            asyncio.run(measure(json.loads(file.read_text()), number))
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
