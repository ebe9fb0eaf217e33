"""What must not happen even when somebody means harm, or a bug shows things: secrets told, strangers trusted."""

import asyncio
import base64
import json
import logging
import re
import ssl
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path

import aiohappyeyeballs
import pytest
from aiohttp import WSMsgType, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from nacl.signing import SigningKey

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack.backpack_auth import BackpackAuth
from hummingbot.connector.exchange.backpack.backpack_clock import VenueClock
from hummingbot.connector.exchange.backpack.backpack_stream import BackpackStream
from hummingbot.connector.exchange.backpack.backpack_web_utils import BackpackAPIFactory, build_api_factory
from hummingbot.connector.exchange.backpack.errors import BackpackError, NotSent, OutcomeUnknown, WireFormatError
from hummingbot.connector.exchange.backpack.simulator.access import SimAccount
from hummingbot.connector.exchange.backpack.wire import read_private_frame
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.web_assistant.connections.data_types import RESTMethod, RESTRequest, WSJSONRequest
from test.hummingbot.connector.exchange.backpack.reliability.rig import Pace, Rig, faults
from test.hummingbot.connector.exchange.backpack.support import eventually

LOCAL_URL = "BACKPACK_LOCAL_URL"
SECRET = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk="
KEY = base64.b64encode(bytes(SigningKey(base64.b64decode(SECRET)).verify_key)).decode()
SIGNATURE = re.compile(r"[A-Za-z0-9+/]{86}==")  # 64 bytes in base64

pytestmark = pytest.mark.usefixtures("fresh_connections")


def shows_a_secret(text: str) -> bool:
    return KEY in text or SECRET in text or SIGNATURE.search(text) is not None


def factory() -> BackpackAPIFactory:
    clock = VenueClock()
    clock.add_time_offset_ms_sample(clock.time_offset_ms)
    return build_api_factory(
        time_synchronizer=clock,
        domain=CONSTANTS.LOCAL_DOMAIN,
        auth=BackpackAuth(KEY, SECRET, time_provider=clock),
    )


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def server(handler: Handler, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Something that listens on this machine; its address."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    yield f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


# -- secrets stay where they are ---------------------------------------------------------------------------------------


async def test_a_signed_request_does_not_show_what_it_is_signed_with():
    auth = BackpackAuth(KEY, SECRET, time_provider=VenueClock())
    rest = await auth.rest_authenticate(
        RESTRequest(RESTMethod.GET, CONSTANTS.REST_URL + CONSTANTS.CAPITAL.path, is_auth_required=True)
    )
    ws = await auth.ws_authenticate(WSJSONRequest({"method": "SUBSCRIBE", "params": []}, is_auth_required=True))
    for shown in (repr(rest), str(rest), repr(ws), repr(rest.headers), repr(auth), str(auth)):
        assert not shows_a_secret(shown), shown
    assert shows_a_secret(rest.headers["X-API-Key"]) and shows_a_secret(rest.headers["X-Signature"]), (
        "it is on the wire"
    )
    assert shows_a_secret(json.dumps(ws.payload)), "it is on the wire"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(web.Response(status=400, text="Invalid signature"), id="refused"),
        pytest.param(web.Response(status=502, text="<html>Bad gateway</html>"), id="bad gateway"),
        pytest.param(web.Response(body=b"\x1f\x8bgarbage", headers={"Content-Encoding": "gzip"}), id="bad gzip"),
        pytest.param(web.Response(text="{"), id="not JSON"),
        pytest.param(None, id="dropped"),
    ],
)
async def test_a_failed_request_tells_no_secret(monkeypatch, answer):
    async def handler(request: web.Request) -> web.StreamResponse:
        if answer is None:
            request.transport.abort()
        return answer or web.Response()

    async with server(handler) as url:
        monkeypatch.setenv(LOCAL_URL, url)
        with pytest.raises(BackpackError) as caught:
            await factory().request(CONSTANTS.PLACE_ORDER, body={"symbol": "SOL_USDC"})
    with_values = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    for shown in (repr(caught.value), "".join(traceback.format_exception(caught.value)), "".join(with_values.format())):
        assert not shows_a_secret(shown), shown


async def test_a_connector_at_work_shows_no_secret(caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("aiohttp", "aiohttp.client", "asyncio", "hummingbot"):
        caplog.set_level(logging.DEBUG, logger=name)
    async with Rig(pace=Pace()) as rig:
        rig.sim.faults.arm(faults.ServerError(), account=rig.account.name, count=2)
        order_id = rig.buy("1", "140")
        await rig.until(lambda: rig.told.of("OrderFailure", order_id), 10, "the order failed")
        await rig.resting()
        shown = [repr(rig.connector), str(rig.connector.status_dict), str(rig.connector.tracking_states)]
        secrets = (rig.account.api_key, rig.account.api_secret)
    told = [caplog.text, *shown]
    assert caplog.text
    assert not any(secret in text for text in told for secret in secrets)
    assert not any(SIGNATURE.search(text) for text in told)


async def test_a_key_the_venue_does_not_know_is_told_once_and_never_ready(caplog):
    async with Rig(pace=Pace(), start=False) as rig:
        rig.account = SimAccount("nobody", KEY, SECRET)
        await rig.start_connector(wait=False)
        await rig.until(lambda: len(rig.requests.connects) >= 4, 20, "the private stream was tried three times")
        assert not rig.connector.ready
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len([line for line in told if "Check the API key" in line]) == 1, told


# -- nobody else is spoken to ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("endpoint, body", [(CONSTANTS.CAPITAL, None), (CONSTANTS.PLACE_ORDER, {"symbol": "SOL_USDC"})])
async def test_a_redirect_is_not_followed(monkeypatch, status, endpoint, body):
    visits = []

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        visits.append(dict(request.headers))
        return web.json_response({})

    async with server(elsewhere) as other:

        async def handler(request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, headers={"Location": f"{other}/api/v1/order"})

        async with server(handler) as url:
            monkeypatch.setenv(LOCAL_URL, url)
            with pytest.raises(OutcomeUnknown, match=str(status)):
                await factory().request(endpoint, body=body)
    assert not visits, "signed headers went to another address"


async def test_a_redirected_websocket_is_not_signed_in_to(monkeypatch):
    frames = []

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        async for message in websocket:
            if message.type is WSMsgType.TEXT:
                frames.append(message.data)
        return websocket

    async with server(elsewhere) as other:
        redirects = []

        async def handler(request: web.Request) -> web.StreamResponse:
            redirects.append(request)
            return web.Response(status=302, headers={"Location": f"{other}/ws"})

        async with server(handler) as url:
            monkeypatch.setenv(LOCAL_URL, url)
            stream = BackpackStream("private", factory(), logging.getLogger("test"), read_private_frame)
            connecting = asyncio.create_task(stream.connect())
            await eventually(lambda: redirects)
            await asyncio.sleep(0.2)
            assert not connecting.done(), "a redirected connection was taken for the venue's"
            connecting.cancel()
    assert not frames


async def test_the_local_domain_speaks_to_the_configured_address_alone(monkeypatch):
    """Every socket that a whole session opens goes to the one host and port."""
    opened = []
    start_connection = aiohappyeyeballs.start_connection

    async def noted(addr_infos, **kwargs):
        opened.extend(info[4][:2] for info in addr_infos)
        return await start_connection(addr_infos, **kwargs)

    monkeypatch.setattr("aiohttp.connector.aiohappyeyeballs.start_connection", noted)
    async with Rig(pace=Pace()) as rig:
        order_id = rig.buy("1", "151.5", OrderType.MARKET)
        await rig.until(lambda: rig.told.of("BuyOrderCompleted", order_id), 10, "the order completed")
        address = rig.sim.rest_url.removeprefix("http://")
    assert opened and {f"{host}:{port}" for host, port in opened} == {address}


# -- TLS ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def self_signed(tmp_path: Path) -> ssl.SSLContext:
    """A certificate for this machine that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "both.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    return context


async def test_a_certificate_nobody_vouches_for_is_refused(monkeypatch, self_signed, caplog):
    requests = []

    async def handler(request: web.Request) -> web.StreamResponse:
        requests.append(request)
        return web.json_response({})

    async with server(handler, tls=self_signed) as url:
        monkeypatch.setenv(LOCAL_URL, url)
        with pytest.raises(NotSent, match="(?i)certificate"):
            await factory().request(CONSTANTS.CAPITAL)
        stream = BackpackStream("private", factory(), logging.getLogger("test"), read_private_frame)
        connecting = asyncio.create_task(stream.connect())
        await eventually(lambda: "certificate" in caplog.text.lower())
        connecting.cancel()
    assert not requests, "something was sent to a stranger"


def test_the_real_venue_is_spoken_to_over_tls_alone():
    assert CONSTANTS.REST_URL.startswith("https://") and CONSTANTS.WS_URL.startswith("wss://")


def test_no_option_switches_verification_off():
    """``ssl=`` is what aiohttp takes for that; nothing in the connector passes it, nor an SSL context: what speaks TLS
    is the one context that aiohttp makes for the process, with the system's certificates."""
    folder = Path(CONSTANTS.__file__).parent
    options = re.compile(r"\bssl\w*\s*=|verify_ssl|fingerprint=|CERT_NONE|check_hostname|import ssl")
    for file in folder.glob("*.py"):
        assert not options.search(file.read_text()), file.name


# -- absurd sizes ------------------------------------------------------------------------------------------------------


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(deep(200_000), id="nested 200,000 deep"),
        pytest.param("9" * 1_000_000, id="a number of a million digits"),
        pytest.param('{"a":' * 100_000 + "1" + "}" * 100_000, id="objects in objects"),
    ],
)
async def test_an_answer_of_absurd_depth_is_unreadable_and_no_more(monkeypatch, text):
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(text=text)

    async with server(handler) as url:
        monkeypatch.setenv(LOCAL_URL, url)
        with pytest.raises(WireFormatError) as caught:
            await factory().request(CONSTANTS.MARKETS)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip bomb"])
async def test_an_answer_of_absurd_size_is_cut_off(monkeypatch, compressed):
    monkeypatch.setattr(CONSTANTS, "MAX_BODY_BYTES", 2**20)
    sent = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        if compressed:
            response.enable_compression()
        await response.prepare(request)
        try:
            for _ in range(64):
                await response.write(b" " * 2**20)
                sent += 1
        except ConnectionError:
            pass
        return response

    async with server(handler) as url:
        monkeypatch.setenv(LOCAL_URL, url)
        with pytest.raises(WireFormatError, match="longer than"):
            await factory().request(CONSTANTS.MARKETS)
        assert compressed or sent < 64, "read to the end although it was too long"


async def test_a_refusal_of_absurd_size_is_told_shortly(monkeypatch):
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=400, text="no " * 100_000)

    async with server(handler) as url:
        monkeypatch.setenv(LOCAL_URL, url)
        with pytest.raises(BackpackError) as caught:
            await factory().request(CONSTANTS.PLACE_ORDER, body={})
    assert len(str(caught.value)) < 1000


async def test_frames_of_absurd_size_and_depth_do_no_harm():
    """A deep one is skipped; a huge one costs the connection, which comes back with a fresh book."""
    async with Rig(pace=Pace()) as rig:
        for trouble in (faults.Deep(), faults.Huge(megabytes=6)):
            for stream in ("depth.", "account."):
                rig.sim.faults.arm(trouble, stream=stream, count=1)
            order_id = await rig.resting(price="149.5")
            rig.street_takes(order_id)
            rig.move(2)
            await rig.settled(15)
        assert rig.told.fills and rig.connector.get_balance("SOL") > Decimal(10_000)


async def test_a_frame_with_a_number_no_book_can_hold_is_skipped():
    """An update id beyond 64 bits would break Hummingbot's book, which then stands still for seconds."""
    async with Rig(pace=Pace()) as rig:
        [socket] = [one for one in rig.sim.sessions if "depth.SOL_USDC" in one.streams]
        last_id = rig.sim.exchange.depth("SOL_USDC").last_update_id
        for number in (10**30, last_id + 1):
            frame = {
                "data": {"E": 1, "T": 10**40, "U": last_id + 1, "a": [], "b": [["1", "1"]], "e": "depth",
                         "s": "SOL_USDC", "u": number},
                "stream": "depth.SOL_USDC",
            }  # fmt: skip
            socket.send(faults.Frame(json.dumps(frame), stream="depth.SOL_USDC", symbol="SOL_USDC"))
        rig.move(2)
        await rig.settled(3)
