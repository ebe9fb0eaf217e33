"""The exchange as a server: one port for REST, websocket and control plane; in process or stand-alone."""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from types import TracebackType

from aiohttp import web
from aiohttp.typedefs import Handler

from .access import Keyring, SimAccount, derived_secret, public_key_of
from .answers import Answer, text_answer
from .control import PREFIX, Control
from .faults import Call, Disconnect, Faults
from .ledger import MAX_DECIMALS, is_exact
from .listing import DEFAULT_MARKETS
from .market import MarketSource
from .matching import Exchange
from .model import Market
from .rest import Request, Rest
from .streams import Session, StreamHub, reset
from .time_control import ControllableClock

MARKET_STEP_S = 0.1
SHUTDOWN_S = 2.0

PAGE = Path(__file__).with_name("page.html")
# Nothing from anywhere but this exchange.
PAGE_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'"

logger = logging.getLogger(__name__)


class SimulatedBackpack:
    """A Backpack of one's own. ``async with SimulatedBackpack(seed=7) as sim`` serves it on a free loopback port.

    Without a ``market`` nobody else trades, so that a test decides everything that happens.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        market: MarketSource | None = None,
        markets: Iterable[Market] = DEFAULT_MARKETS,
        host: str = "127.0.0.1",
        port: int = 0,
        taker_delay_s: float = 0.1,
        ping_interval_s: float = 60.0,
    ) -> None:
        self.seed = seed
        self.market = market
        self.clock = ControllableClock()
        self.exchange = Exchange(self.clock, markets)
        self.faults = Faults(self)
        self.accounts: list[SimAccount] = []
        self._keyring = Keyring()
        self.rest = Rest(self.exchange, self.clock, self._keyring, taker_delay_s)
        self._streams = StreamHub(self.exchange, self.clock, self._keyring, self.faults, ping_interval_s)
        self._control = Control(self)
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self._market_task: asyncio.Task[None] | None = None
        self._market_may_run = asyncio.Event()
        self._market_may_run.set()

    # Life

    async def __aenter__(self) -> "SimulatedBackpack":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, and let the market begin; raises OSError if the port is taken."""
        if self.market is not None:
            self.market.open(self.exchange)
        application = web.Application(client_max_size=4_000_000, middlewares=[_refuse_other_pages])
        application.router.add_route("GET", "/", self._serve_page)
        application.router.add_route("GET", "/ws", self._serve_websocket)
        application.router.add_route("GET", f"{PREFIX}ws", self._serve_onlooker)
        application.router.add_route("*", "/{path:.*}", self._serve_rest)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_S)
        await self._runner.setup()
        try:
            site = web.TCPSite(self._runner, self._host, self._port)
            await site.start()
        except OSError:
            await self._runner.cleanup()
            raise
        self._port = int(self._runner.addresses[0][1])
        self._streams.start()
        if self.market is not None:
            self._market_task = asyncio.create_task(self._run_market(self.market))

    async def stop(self) -> None:
        """Say good-bye to the sockets and free the port."""
        self.faults.clear()
        if self._market_task is not None:
            self._market_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._market_task
        if self.market is not None:
            await self.market.close()
        if self._runner is not None:
            await self._streams.stop()
            await self._runner.cleanup()
            self._runner = None

    @property
    def rest_url(self) -> str:
        return f"http://{self._host}:{self._port}"

    @property
    def ws_url(self) -> str:
        return f"ws://{self._host}:{self._port}/ws"

    @property
    def sessions(self) -> list[Session]:
        return self._streams.sessions

    # Accounts

    def add_account(
        self,
        balances: Mapping[str, str | Decimal] | None = None,
        *,
        name: str | None = None,
        secret: str | None = None,
        maker_fee_bps: Decimal = Decimal(8),
        taker_fee_bps: Decimal = Decimal(10),
    ) -> SimAccount:
        """Open a funded account with an API key; raises BadSecret, or ValueError for a name that is taken.

        Without ``secret`` the key follows from the seed and the name, so it is the same on every start.
        """
        name = name or f"account-{len(self.accounts) + 1}"
        secret = secret or derived_secret(self.seed, name)
        account = SimAccount(name, public_key_of(secret), secret)
        amounts = {asset: Decimal(amount) for asset, amount in (balances or {}).items()}
        for asset, amount in amounts.items():
            if not is_exact(amount) or amount < 0:
                raise ValueError(f"expected 0 or more {asset} with at most {MAX_DECIMALS} decimals, was {amount}")
        if name in (known.name for known in self.accounts):
            raise ValueError(f"expected a new account, {name!r} exists already")
        if self._keyring.account_of(account.api_key) is not None:
            raise ValueError(f"expected a key of its own for account {name!r}, another account has this one")
        self.exchange.add_account(name, amounts, maker_fee_bps=maker_fee_bps, taker_fee_bps=taker_fee_bps)
        self._keyring.add(account)
        self.accounts.append(account)
        return account

    # The market

    @property
    def market_running(self) -> bool:
        return self._market_task is not None and self._market_may_run.is_set()

    def pause_market(self) -> None:
        """Nobody but the accounts trades until ``resume_market``; the books stay as they are."""
        self._market_may_run.clear()

    def resume_market(self) -> None:
        self._market_may_run.set()

    async def _run_market(self, market: MarketSource) -> None:
        while True:
            await self.clock.sleep(MARKET_STEP_S)
            await self._market_may_run.wait()
            try:
                market.step()
            except Exception:
                logger.exception("the market source failed; it stops, the exchange goes on")
                return

    # Requests

    async def _serve_websocket(self, request: web.Request) -> web.StreamResponse:
        return await self._streams.serve(request)

    async def _serve_onlooker(self, request: web.Request) -> web.StreamResponse:
        return await self._streams.serve(request, onlooker=True)

    async def _serve_page(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGE, headers={"Cache-Control": "no-cache", "Content-Security-Policy": PAGE_POLICY})

    async def _serve_rest(self, request: web.Request) -> web.StreamResponse:
        call = Request(
            request.method,
            request.path,
            {name: request.query.getall(name) for name in request.query},
            request.headers,
            await request.read() if request.body_exists else b"",
        )
        seen = self._seen(call) if self.faults and not call.path.startswith(PREFIX) else None
        try:
            answer = await self._answer(call, seen)
            if self.faults and not call.path.startswith(PREFIX):
                self.faults.answering()
        except Disconnect:
            reset(request.transport)
            return web.Response()  # goes nowhere
        response = web.Response(
            status=answer.status, body=answer.body, headers=answer.headers | {"Content-Type": _content_type(answer)}
        )
        if seen is not None:
            await response.prepare(request)
            await response.write_eof()
            self.faults.answered(seen)
        return response

    def _seen(self, call: Request) -> Call:
        claimed = self._keyring.account_of(call.headers.get("X-API-Key"))
        return Call(call.method, call.path, None if claimed is None else claimed.name, call.symbol, call.raw_body)

    async def _answer(self, call: Request, seen: Call | None) -> Answer:
        """Carry out a call, through the armed faults if it was ``seen`` by them."""
        if call.path.startswith(PREFIX):
            return self._control.answer(call)
        if call.path == "/ws":
            return text_answer("method not allowed", 405)
        if seen is None:
            return await self.rest.answer(call)
        return await self.faults.request(seen, lambda: self.rest.answer(call))


@web.middleware
async def _refuse_other_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The control plane asks for no key, and a page from anywhere in the user's browser can send to loopback; it cannot
    hide its origin, though. Programs send none."""
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != request.host and request.path.startswith(PREFIX):
        return web.json_response({"error": f"expected a page of this exchange, was one of {origin}"}, status=403)
    return await handler(request)


def _content_type(answer: Answer) -> str:
    return f"{answer.content_type}; charset=utf-8"
