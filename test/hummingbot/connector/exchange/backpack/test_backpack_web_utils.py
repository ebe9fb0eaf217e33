"""What a request, answered in every way a server can, tells its caller. The server is a script, no exchange."""

import asyncio
import base64
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack import backpack_web_utils as web_utils
from hummingbot.connector.exchange.backpack import throttling
from hummingbot.connector.exchange.backpack.backpack_auth import BackpackAuth, canonical_text
from hummingbot.connector.exchange.backpack.backpack_clock import VenueClock
from hummingbot.connector.exchange.backpack.backpack_web_utils import BackpackAPIFactory, Venue
from hummingbot.connector.exchange.backpack.errors import (
    BackpackError,
    ClockSkew,
    NotFound,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    WireFormatError,
)
from test.hummingbot.connector.exchange.backpack.support import eventually

KEY = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
ORDER = {"symbol": "SOL_USDC", "clientId": 7}

pytestmark = pytest.mark.usefixtures("fresh_connections")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Script:
    """A server that answers each path with the next of its handlers, the last one for ever."""

    def __init__(self) -> None:
        self.clock_ahead_s = 0.0
        self.requests: list[web.Request] = []
        self._handlers: dict[str, list[Handler]] = {"/api/v1/time": [self._time]}
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._serve)
        self.server = TestServer(application)

    def on(self, path: str, *handlers: Handler) -> None:
        self._handlers[path] = list(handlers)

    def requests_to(self, path: str) -> list[web.Request]:
        return [request for request in self.requests if request.path == path]

    @property
    def now_ms(self) -> int:
        return int((time.time() + self.clock_ahead_s) * 1000)

    async def _time(self, request: web.Request) -> web.Response:
        return web.json_response(self.now_ms)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self.requests.append(request)
        handlers = self._handlers[request.path]
        return await (handlers.pop(0) if len(handlers) > 1 else handlers[0])(request)


def answer(status: int = 200, body: str = "", **headers: str) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body.encode(), headers=headers)

    return handler


def refusal(status: int, code: str, message: str) -> Handler:
    return answer(status, json.dumps({"code": code, "message": message}))


TOO_MANY = answer(429, "")
PLACED = answer(200, '{"id": "1"}')


@pytest_asyncio.fixture
async def script() -> AsyncIterator[Script]:
    script = Script()
    await script.server.start_server()
    yield script
    await script.server.close()


@pytest.fixture
def api(script: Script) -> BackpackAPIFactory:
    return factory(str(script.server.make_url("")).rstrip("/"))


def factory(rest_url: str) -> BackpackAPIFactory:
    clock = VenueClock()
    auth = BackpackAuth(KEY, SECRET, clock)
    return BackpackAPIFactory(web_utils.create_throttler(), clock, Venue(rest_url, "ws://unused"), auth)


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "backoff", lambda chance: itertools.repeat(0.2))


# -- where the venue is -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable, rest_url, ws_url", [
    pytest.param(None, "http://127.0.0.1:8787", "ws://127.0.0.1:8787/ws", id="loopback by default"),
    pytest.param("http://10.0.0.5:9000", "http://10.0.0.5:9000", "ws://10.0.0.5:9000/ws", id="elsewhere"),
    pytest.param("http://10.0.0.5:9000/", "http://10.0.0.5:9000", "ws://10.0.0.5:9000/ws", id="a slash too many"),
    pytest.param("https://sim.example", "https://sim.example", "wss://sim.example/ws", id="over TLS"),
])  # fmt: skip
def test_the_local_exchange(monkeypatch, variable, rest_url, ws_url):
    monkeypatch.delenv("BACKPACK_LOCAL_URL", raising=False)
    if variable is not None:
        monkeypatch.setenv("BACKPACK_LOCAL_URL", variable)
    assert web_utils.venue_of("backpack_local") == Venue(rest_url, ws_url)


def test_the_real_exchange(monkeypatch):
    monkeypatch.setenv("BACKPACK_LOCAL_URL", "http://10.0.0.5:9000")
    assert web_utils.venue_of("backpack") == Venue("https://api.backpack.exchange", "wss://ws.backpack.exchange")
    assert web_utils.public_rest_url("/api/v1/time") == "https://api.backpack.exchange/api/v1/time"
    assert web_utils.private_rest_url("/api/v1/capital") == "https://api.backpack.exchange/api/v1/capital"


def test_the_second_local_exchange(monkeypatch):
    monkeypatch.setenv("BACKPACK_LOCAL_URL", "http://10.0.0.5:9000")
    monkeypatch.delenv("BACKPACK_LOCAL_2_URL", raising=False)
    assert web_utils.venue_of("backpack_local_2") == Venue("http://127.0.0.1:8788", "ws://127.0.0.1:8788/ws")
    monkeypatch.setenv("BACKPACK_LOCAL_2_URL", "http://10.0.0.6:9000")
    assert web_utils.venue_of("backpack_local_2") == Venue("http://10.0.0.6:9000", "ws://10.0.0.6:9000/ws")


def test_an_unknown_domain():
    with pytest.raises(ValueError, match="Unknown domain 'backpack_moon'"):
        web_utils.venue_of("backpack_moon")


@pytest.mark.parametrize("variable", ["127.0.0.1:8787", "ws://127.0.0.1:8787", ""])
def test_a_local_address_that_is_none(monkeypatch, variable):
    monkeypatch.setenv("BACKPACK_LOCAL_URL", variable)
    with pytest.raises(ValueError, match="BACKPACK_LOCAL_URL should be like http://127.0.0.1:8787, was"):
        web_utils.venue_of("backpack_local")


# -- what is sent -----------------------------------------------------------------------------------------------------


async def test_a_public_request_is_not_signed(script, api):
    script.on("/api/v1/depth", answer(200, '{"a": 1}'))
    assert await api.request(CONSTANTS.DEPTH, params={"symbol": "SOL_USDC"}) == {"a": 1}
    [request] = script.requests
    assert dict(request.query) == {"symbol": "SOL_USDC"}
    assert not [name for name in request.headers if name.startswith("X-")]


async def test_a_private_request_is_signed_by_the_venues_clock(script, api):
    script.clock_ahead_s = 3600
    script.on("/api/v1/capital", answer(200, "{}"))
    await api.request(CONSTANTS.CAPITAL)
    [request] = script.requests_to("/api/v1/capital")
    assert request.headers["X-API-Key"] == KEY
    assert abs(int(request.headers["X-Timestamp"]) - script.now_ms) < 1000


async def test_an_order_goes_out_as_json(script, api):
    script.on("/api/v1/order", PLACED)
    assert await api.request(CONSTANTS.PLACE_ORDER, body=ORDER) == {"id": "1"}
    [request] = script.requests_to("/api/v1/order")
    assert (request.method, await request.json()) == ("POST", ORDER)
    assert request.headers["Content-Type"] == "application/json; charset=utf-8"


async def test_the_very_bytes_that_were_signed_are_sent(script, api):
    bodies: list[bytes] = []

    async def note(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        return web.json_response({"id": "1"})

    script.on("/api/v1/order", note)
    order = {**ORDER, "price": "1e-7", "text": "größer & 100 %", "postOnly": True, "nothing": None}
    await api.request(CONSTANTS.PLACE_ORDER, body=order)
    await api.request(CONSTANTS.PLACE_ORDER, body=[order, order])
    for request, body in zip(script.requests_to("/api/v1/order"), bodies, strict=True):
        at_ms = int(request.headers["X-Timestamp"])
        text = canonical_text("orderExecute", json.loads(body), at_ms, int(request.headers["X-Window"]))
        signature = base64.b64decode(request.headers["X-Signature"])
        Ed25519PublicKey.from_public_bytes(base64.b64decode(KEY)).verify(signature, text.encode())


# -- what comes back --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_an_empty_answer(script, api, status):
    script.on("/api/v1/order", answer(status))
    assert await api.request(CONSTANTS.CANCEL_ORDER, body=ORDER) is None


async def stall(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(1)  # longer than a caller waits here
    return web.Response()


async def stall_in_the_middle(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"id": ')
    await asyncio.sleep(1)  # longer than a caller waits here
    return response


async def reset(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def reset_in_the_middle(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"id": ')
    return await reset(request)


HTML = "<html><body><h1>Bad gateway</h1></body></html>"


# fmt: off
@pytest.mark.parametrize("handler, meaning, told", [
    pytest.param(stall, OutcomeUnknown, "no answer within", id="no answer"),
    pytest.param(stall_in_the_middle, OutcomeUnknown, "no answer within", id="half an answer, then nothing"),
    pytest.param(reset, OutcomeUnknown, "connection broke before an answer", id="connection reset"),
    pytest.param(reset_in_the_middle, OutcomeUnknown, "connection broke before an answer", id="reset in the middle"),
    pytest.param(answer(502, HTML), OutcomeUnknown, "answered 502: an HTML page", id="bad gateway"),
    pytest.param(refusal(503, "MAINTENANCE", "Busy"), OutcomeUnknown, "MAINTENANCE: Busy", id="maintenance"),
    pytest.param(answer(307, Location="/api/v1/time"), OutcomeUnknown, "307", id="redirect: not followed"),
    pytest.param(TOO_MANY, RateLimited, "answered 429: nothing", id="rate limit"),
    pytest.param(refusal(400, "INVALID_PRICE", "Too far"), Rejected, "INVALID_PRICE: Too far", id="refused"),
    pytest.param(answer(400, "parse request payload error"), Rejected, "parse request payload", id="refused in text"),
    pytest.param(refusal(404, "RESOURCE_NOT_FOUND", "Not Found"), NotFound, "Not Found", id="not found"),
    pytest.param(answer(200, HTML), WireFormatError, "not JSON", id="a page instead of an answer"),
    pytest.param(answer(200, '{"id": '), WireFormatError, "not JSON", id="truncated JSON"),
    pytest.param(answer(200, "x" * 2000), WireFormatError, "longer than 1000 bytes", id="an absurdly long answer"),
    pytest.param(answer(200, "garbage", **{"Content-Encoding": "gzip"}), OutcomeUnknown, "broke", id="gzip garbage"),
])
# fmt: on
async def test_an_order_ends_in(script, api, monkeypatch, handler, meaning, told):
    monkeypatch.setattr(CONSTANTS, "REQUEST_TIMEOUT_S", 0.3)
    monkeypatch.setattr(CONSTANTS, "MAX_BODY_BYTES", 1000)
    script.on("/api/v1/order", handler)
    with pytest.raises(BackpackError, match=told) as error:
        await api.request(CONSTANTS.PLACE_ORDER, body=ORDER)
    assert type(error.value) is meaning
    assert len(script.requests_to("/api/v1/order")) == 1, "an order is never sent twice"
    assert KEY not in str(error.value) and SECRET not in str(error.value)


async def test_an_order_on_a_connection_that_died_unnoticed_is_not_sent_again(script, api):
    """The venue closes idle connections, and its word may be on the way while an order goes out on one."""
    script.on("/api/v1/order", PLACED, reset)
    await api.request(CONSTANTS.PLACE_ORDER, body=ORDER)
    with pytest.raises(OutcomeUnknown, match="connection broke before an answer"):
        await api.request(CONSTANTS.PLACE_ORDER, body=ORDER)
    first, second = script.requests_to("/api/v1/order")
    assert first.protocol is second.protocol, "the same connection"


async def test_a_connection_that_does_not_come_about_has_sent_nothing(monkeypatch):
    """A server that accepts, and then says nothing to a TLS client."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    monkeypatch.setattr(CONSTANTS, "REACH_TIMEOUT_S", 0.2)
    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server:
        address = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(NotSent, match=f"no connection to {address} in time"):
            await factory(address).request(CONSTANTS.DEPTH)


@pytest.mark.parametrize("handler, answered", [
    pytest.param(answer(200, "[]"), True, id="an answer"),
    pytest.param(refusal(400, "INVALID_PRICE", "Too far"), True, id="a refusal"),
    pytest.param(TOO_MANY, True, id="too many requests"),
    pytest.param(answer(200, "{"), True, id="nonsense, but an answer"),
    pytest.param(answer(502, HTML), False, id="a proxy's page"),
    pytest.param(refusal(503, "MAINTENANCE", "Busy"), False, id="maintenance"),
    pytest.param(reset, False, id="connection reset"),
])  # fmt: skip
async def test_whether_the_venue_can_be_reached(script, api, handler, answered):
    assert not api.has_answered_within(10)
    script.on("/api/v1/depth", answer())
    await api.request(CONSTANTS.DEPTH)
    assert api.has_answered_within(10) and not api.has_answered_within(0)
    script.on("/api/v1/order", handler)
    with suppress(BackpackError):
        await api.request(CONSTANTS.PLACE_ORDER, body=ORDER)
    assert api.has_answered_within(10) is answered


@pytest.mark.parametrize("address", [f"http://127.0.0.1:{unused_port()}", "http://nowhere.invalid"])
async def test_a_venue_that_is_not_there(address):
    with pytest.raises(NotSent, match=f"no connection to {address}"):
        await factory(address).request(CONSTANTS.DEPTH)


@pytest.mark.parametrize("body", ["true", '"1790133798064"', "17.5", '{"serverTime": 1}', "null"])
async def test_a_clock_that_tells_no_time(script, api, body):
    script.on("/api/v1/time", answer(200, body))
    with pytest.raises(WireFormatError, match="server time: expected milliseconds"):
        await api.server_time_ms()


async def test_the_venues_time(script, monkeypatch):
    monkeypatch.setenv("BACKPACK_LOCAL_URL", str(script.server.make_url("")))
    now_ms = await web_utils.get_current_server_time(domain="backpack_local")
    assert abs(now_ms - script.now_ms) < 1000


# -- the clock --------------------------------------------------------------------------------------------------------

EXPIRED = refusal(400, "INVALID_CLIENT_REQUEST", "Request has expired")


async def test_a_wrong_clock_is_corrected_and_the_request_sent_once_more(script, api):
    script.on("/api/v1/order", PLACED)
    await api.request(CONSTANTS.PLACE_ORDER, body=ORDER)
    script.clock_ahead_s = 3600  # jumps
    script.on("/api/v1/order", EXPIRED, PLACED)
    assert await api.request(CONSTANTS.PLACE_ORDER, body=ORDER) == {"id": "1"}
    _, refused, accepted = script.requests_to("/api/v1/order")
    assert int(accepted.headers["X-Timestamp"]) - int(refused.headers["X-Timestamp"]) > 3_500_000
    assert refused.headers["X-Signature"] != accepted.headers["X-Signature"]


async def test_a_clock_that_stays_wrong_is_told(script, api):
    script.on("/api/v1/order", EXPIRED)
    with pytest.raises(ClockSkew, match="Request has expired"):
        await api.request(CONSTANTS.PLACE_ORDER, body=ORDER)
    assert len(script.requests_to("/api/v1/order")) == 2


# -- rate limits ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("short_pauses")
async def test_a_query_waits_and_is_asked_again(script, api):
    script.on("/api/v1/orders", TOO_MANY, answer(200, "[]"))
    before_s = time.monotonic()
    assert await api.request(CONSTANTS.OPEN_ORDERS) == []
    assert time.monotonic() - before_s >= 0.2
    assert len(script.requests_to("/api/v1/orders")) == 2


@pytest.mark.usefixtures("short_pauses")
async def test_a_query_gives_up_after_three_tries(script, api):
    script.on("/api/v1/orders", TOO_MANY)
    with pytest.raises(RateLimited):
        await api.request(CONSTANTS.OPEN_ORDERS)
    assert len(script.requests_to("/api/v1/orders")) == 3


@pytest.mark.usefixtures("short_pauses")
async def test_one_429_quiets_its_whole_class_of_calls_and_no_other(script, api):
    script.on("/api/v1/orders", TOO_MANY, answer(200, "[]"))
    script.on("/api/v1/capital", answer(200, "{}"))
    script.on("/api/v1/order", PLACED)
    await api.correct_clock()
    asked = asyncio.create_task(api.request(CONSTANTS.OPEN_ORDERS))
    await eventually(lambda: api.is_pausing(CONSTANTS.OPEN_ORDERS))
    before_s = time.monotonic()
    await api.request(CONSTANTS.PLACE_ORDER, body=ORDER)
    await api.request(CONSTANTS.CANCEL_ORDER, body=ORDER)
    assert time.monotonic() - before_s < 0.1, "orders and cancels go on"
    await api.request(CONSTANTS.CAPITAL)
    assert time.monotonic() - before_s > 0.1, "queries keep still"
    await asked


@pytest.mark.usefixtures("short_pauses")
async def test_while_orders_are_limited_none_goes_out_late(script, api):
    script.on("/api/v1/order", TOO_MANY, PLACED)
    with pytest.raises(RateLimited):
        await api.request(CONSTANTS.PLACE_ORDER, body=ORDER)
    with pytest.raises(NotSent, match="rate limit was hit, no orders for another"):
        await api.request(CONSTANTS.PLACE_ORDER, body=ORDER)
    assert len(script.requests_to("/api/v1/order")) == 1
    await eventually(lambda: not api.is_pausing(CONSTANTS.PLACE_ORDER))
    assert await api.request(CONSTANTS.PLACE_ORDER, body=ORDER) == {"id": "1"}


async def test_an_order_that_waited_for_the_rate_budget_is_not_sent(script, api, monkeypatch):
    monkeypatch.setattr(CONSTANTS, "LONGEST_WAIT_OF_AN_ORDER_S", 0.2)
    while api.throttler._throttle.admit(CONSTANTS.PLACE_ORDER.limit_id, time.monotonic()):
        pass
    await api.correct_clock()
    with pytest.raises(NotSent, match="waited 0 s for its turn"):
        await api.request(CONSTANTS.PLACE_ORDER, body=ORDER)
    assert not script.requests_to("/api/v1/order") and not api.throttler._throttle.waiting
    script.on("/api/v1/order", answer())
    await api.request(CONSTANTS.CANCEL_ORDER, body=ORDER)


async def test_stalled_orders_do_not_hold_up_cancels_and_queries(script, api, monkeypatch):
    monkeypatch.setattr(CONSTANTS, "LONGEST_WAIT_OF_AN_ORDER_S", 0.2)
    script.on("/api/v1/order", stall)
    script.on("/api/v1/orders", answer(200, "[]"))
    await api.correct_clock()
    stalled = [
        asyncio.create_task(api.request(CONSTANTS.PLACE_ORDER, body=ORDER))
        for _ in range(CONSTANTS.CONNECTIONS[CONSTANTS.ORDERS])
    ]
    await eventually(lambda: len(script.requests_to("/api/v1/order")) == len(stalled))
    with pytest.raises(NotSent, match="waited 0 s for its turn"):
        await api.request(CONSTANTS.PLACE_ORDER, body=ORDER)
    before_s = time.monotonic()
    await api.request(CONSTANTS.OPEN_ORDERS)
    await api.request(CONSTANTS.CANCEL_ORDERS, body=ORDER)
    assert time.monotonic() - before_s < 0.3
    await asyncio.gather(*stalled)
    script.on("/api/v1/order", PLACED)
    assert await api.request(CONSTANTS.PLACE_ORDER, body=ORDER) == {"id": "1"}, "their connections are free again"
