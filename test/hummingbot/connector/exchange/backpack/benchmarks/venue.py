"""The venue's process: local exchanges, opened and closed on request, that can also send a flood of depth frames.

A measurement opens one of its own (``POST /open`` at the address printed on standard output) and steers it by
``/_bench/`` beside the exchange's own ``/_sim/``:

====================  =============================================================================================
``POST counters``     requests by "METHOD path", HTTP connections, CPU seconds of this process, all since the last call
``POST orders``       {account, symbol, prices, clientIds}: bids of one whole, placed past the API; their ids
``POST open_orders``  {account}: what is open, as ``GET /orders`` tells it
``POST flood``        {messages, afterSeconds}: over all feeds, as fast as the sockets take them; the ids they end at
``POST pace``         {rate, seconds, afterSeconds}: so many messages a second over all feeds; the ids they end at
``POST sent``         waits until flood or pace is over; ``sender.Sent``
``POST book``         {symbol}: a feed's book and id
``POST spoil``        {what}: for the benchmarks' own test, see ``Bench._spoil``
====================  =============================================================================================
"""

import asyncio
import gc
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from decimal import Decimal
from typing import Any

from aiohttp import web

from hummingbot.connector.exchange.backpack.simulator import SimulatedBackpack
from hummingbot.connector.exchange.backpack.simulator import rest_bodies as bodies
from hummingbot.connector.exchange.backpack.simulator.answers import Answer, json_answer
from hummingbot.connector.exchange.backpack.simulator.faults import Call
from hummingbot.connector.exchange.backpack.simulator.listing import SOL_USDC
from hummingbot.connector.exchange.backpack.simulator.model import Market, Order, OrderRequest, OrderType, Side
from hummingbot.connector.exchange.backpack.simulator.rest import Request
from test.hummingbot.connector.exchange.backpack.benchmarks.feed import Feed, Shape
from test.hummingbot.connector.exchange.backpack.benchmarks.light_rest import LightRest
from test.hummingbot.connector.exchange.backpack.benchmarks.sender import NobodyListens, Sender

PREFIX = "/_bench/"
MID = Decimal(150)
BOT, STREET = "bot", "street"


class Bench(SimulatedBackpack):
    """A local exchange with ``markets`` markets of one kind, a bot's account and the street's.

    With ``feeds`` (one shape for all markets, or one each) its books are the feeds'. ``light``: orders are kept, not
    matched.
    """

    def __init__(self, *, markets: int = 1, feeds: list[dict[str, Any]] | None = None, light: bool = False) -> None:
        listed = list(_markets(markets))
        super().__init__(seed=1, markets=listed, taker_delay_s=0.0)
        if light:
            self.rest = LightRest(self.exchange, self.clock, self._keyring, 0.0, tell=self._tell)
        assets = {market.base: "1000000" for market in listed} | {"USDC": "1000000000"}
        self.bot = self.add_account(assets, name=BOT)
        self.add_account(assets, name=STREET)
        shapes = [Shape(**{**one, "levels": tuple(one["levels"])}) for one in feeds or ()]
        self.feeds = {
            market.symbol: Feed(market.symbol, shapes[number % len(shapes)])
            for number, market in enumerate(listed)
            if shapes
        }
        for market in listed:
            self._trade_once(market.symbol)
            if not shapes:
                self._quote(market.symbol)
        self._requests: Counter[str] = Counter()
        self._peers: set[Any] = set()
        self._known_peers: set[Any] = set()
        self._cpu_s = time.process_time()
        self._sender = Sender(self.feeds, lambda symbol: self._sockets(f"depth.{symbol}"))
        self._commands: dict[str, Callable[[dict[str, Any]], Any]] = {
            "counters": self._counters,
            "orders": self._orders,
            "open_orders": self._open_orders,
            "book": self._book,
            "flood": lambda body: self._sender.flood(body["messages"], body["afterSeconds"]),
            "pace": lambda body: self._sender.pace(body["rate"], body["seconds"], body["afterSeconds"]),
            "spoil": self._spoil,
        }

    def _trade_once(self, symbol: str) -> None:
        """So that the market has a ticker, as any market has that was ever traded."""
        self._submit(STREET, symbol, Side.BID, MID, 1)
        self._submit(BOT, symbol, Side.ASK, MID, 1)

    def _quote(self, symbol: str) -> None:
        """Far from the middle, so that whoever measures orders has the best ones."""
        for step in range(21, 26):
            self._submit(STREET, symbol, Side.BID, MID - step, 100)
            self._submit(STREET, symbol, Side.ASK, MID + step, 100)

    def _submit(
        self, account: str, symbol: str, side: Side, price: Decimal, quantity: int, client_id: int | None = None
    ) -> Order:
        request = OrderRequest(
            account=account,
            symbol=symbol,
            side=side,
            order_type=OrderType.LIMIT,
            quantity=Decimal(quantity),
            price=price,
            client_id=client_id,
        )
        return self.rest.execute(request)

    # -- what comes in -------------------------------------------------------------------------------------------------

    async def _serve_rest(self, request: web.Request) -> web.StreamResponse:
        if not request.path.startswith(("/_bench/", "/_sim/")):
            self._requests[f"{request.method} {request.path}"] += 1
            self._peers.add(request.transport and request.transport.get_extra_info("peername"))
        return await super()._serve_rest(request)

    async def _answer(self, call: Request, seen: Call | None) -> Answer:
        if call.path.startswith(PREFIX):
            return await self._carry_out(call.path.removeprefix(PREFIX), json.loads(call.raw_body or b"{}"))
        symbol = call.query.get("symbol", [""])[-1]
        if call.path == "/api/v1/depth" and symbol in self.feeds:
            return json_answer(self._depth(symbol, call.query.get("limit", [None])[-1]))
        return await super()._answer(call, seen)

    def _depth(self, symbol: str, limit: str | None) -> dict[str, Any]:
        book = self.feeds[symbol].book(None if limit is None else int(limit))
        now_us = self.clock.now_us()
        return {"asks": book.asks, "bids": book.bids, "lastUpdateId": str(book.last_id), "timestamp": now_us}

    async def stop(self) -> None:
        self._sender.stop()
        await super().stop()

    # -- commands ------------------------------------------------------------------------------------------------------

    async def _carry_out(self, name: str, body: dict[str, Any]) -> Answer:
        if name == "sent":
            return json_answer(asdict(await self._sender.sent()))
        try:
            return json_answer(self._commands[name](body))
        except NobodyListens as error:
            return json_answer({"error": str(error)}, 409)

    def _counters(self, body: dict[str, Any]) -> Any:
        told = {
            "requests": dict(self._requests),
            "connections": len(self._peers - self._known_peers),
            "cpuSeconds": time.process_time() - self._cpu_s,
        }
        self._requests.clear()
        self._known_peers |= self._peers
        self._peers.clear()
        self._cpu_s = time.process_time()
        return told

    def _orders(self, body: dict[str, Any]) -> Any:
        account, symbol = body["account"], body["symbol"]
        wanted = list(zip(body["prices"], body["clientIds"], strict=True))
        if isinstance(self.rest, LightRest):
            form = {"orderType": "Limit", "side": "Bid", "symbol": symbol, "quantity": "1"}
            orders = self.rest.place(account, [form | {"price": price, "clientId": key} for price, key in wanted])
        else:
            orders = [self._submit(account, symbol, Side.BID, Decimal(price), 1, key) for price, key in wanted]
        return [str(order.id) for order in orders]

    def _open_orders(self, body: dict[str, Any]) -> Any:
        if isinstance(self.rest, LightRest):
            return [json.loads(order.answer()) for order in self.rest.open_orders(body["account"])]
        return [bodies.order(order) for order in self.exchange.open_orders(body["account"])]

    def _book(self, body: dict[str, Any]) -> Any:
        if body["symbol"] in self.feeds:
            book = self.feeds[body["symbol"]].book()
            return {"id": book.last_id, "bids": book.bids, "asks": book.asks}
        depth = bodies.depth(self.exchange.depth(body["symbol"]), 0)
        return {"id": int(depth["lastUpdateId"]), "bids": depth["bids"], "asks": depth["asks"]}

    def _spoil(self, body: dict[str, Any]) -> Any:
        """Do something wrong, which a check has to notice: "frame", the next depth frame is not sent; "order", the next
        order is acknowledged and lost."""
        self._sender.loses_next = body["what"] == "frame"
        if isinstance(self.rest, LightRest):
            self.rest.loses_next_order = body["what"] == "order"
        return {}

    # -- frames that bypass the exchange's own queues ------------------------------------------------------------------

    def _sockets(self, stream: str, account: str | None = None) -> list[asyncio.Transport]:
        listeners = self._streams._listeners.get((account, stream), ())
        return [session._transport for session in listeners if session._transport is not None]

    def _tell(self, account: str, stream: str, frames: bytes) -> None:
        for transport in self._sockets(stream, account):
            transport.write(frames)


def _markets(number: int) -> Iterable[Market]:
    """SOL_USDC and others like it but for the name."""
    yield SOL_USDC
    for other in range(1, number):
        yield replace(SOL_USDC, symbol=f"M{other:03d}_USDC", base=f"M{other:03d}")


class Office:
    """Opens and closes exchanges, each on a port of its own."""

    def __init__(self) -> None:
        self._open: dict[str, Bench] = {}

    async def open(self, request: web.Request) -> web.Response:
        venue = Bench(**await request.json())
        await venue.start()
        self._open[venue.rest_url] = venue
        about = {
            "restUrl": venue.rest_url,
            "wsUrl": venue.ws_url,
            "apiKey": venue.bot.api_key,
            "apiSecret": venue.bot.api_secret,
            "symbols": list(venue.exchange.markets),
        }
        return web.json_response(about)

    async def close(self, request: web.Request) -> web.Response:
        await self._open.pop((await request.json())["restUrl"]).stop()
        gc.collect()
        return web.json_response({})


async def serve() -> None:
    """Until standard input is closed: whoever started this process has then ended."""
    office = Office()
    application = web.Application()
    application.router.add_post("/open", office.open)
    application.router.add_post("/close", office.close)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


def main() -> int:
    asyncio.run(serve())
    return 0
