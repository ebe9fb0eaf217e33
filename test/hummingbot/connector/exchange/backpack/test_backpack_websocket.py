"""One websocket, against servers that do what servers do: frames in parts, silence, all ways to end, none to begin."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import WSMsgType, web

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack.backpack_websocket import Arrival, BackpackWebSocket, Pong
from hummingbot.connector.exchange.backpack.errors import StreamLost
from test.hummingbot.connector.exchange.backpack.support import eventually

Serve = Callable[[web.WebSocketResponse], Awaitable[None]]


@asynccontextmanager
async def venue(serve: Serve, *, autoping: bool = True) -> AsyncIterator[str]:
    """The address of one that serves each socket so, then closes it."""

    async def handler(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=autoping)
        await socket.prepare(request)
        await serve(socket)
        return socket

    application = web.Application()
    application.router.add_get("/ws", handler)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"ws://127.0.0.1:{runner.addresses[0][1]}/ws"
    await runner.cleanup()


async def until_closed(socket: web.WebSocketResponse) -> None:
    async for _ in socket:
        pass


class Heard:
    """A socket, and what has arrived on it."""

    def __init__(self, websocket: BackpackWebSocket):
        self.websocket = websocket
        self.arrivals: list[Arrival] = []
        websocket.listen(self.arrivals.append)

    @property
    def frames(self) -> list[bytes]:
        return [arrival for arrival in self.arrivals if isinstance(arrival, bytes)]

    @property
    def end(self) -> str | None:
        return next((str(arrival) for arrival in self.arrivals if isinstance(arrival, ConnectionError)), None)


async def test_frames_and_pongs_arrive_in_their_order():
    async def serve(socket: web.WebSocketResponse) -> None:
        asked = await socket.receive_json()
        await socket.send_str(f"you asked for {asked['params']}")
        await until_closed(socket)

    async with venue(serve) as url:
        heard = Heard(await BackpackWebSocket.connect(url))
        heard.websocket.send({"method": "SUBSCRIBE", "params": "ü"})
        await heard.websocket.ping(b"name")
        await eventually(lambda: len(heard.arrivals) == 2)
        assert heard.arrivals == ["you asked for ü".encode(), Pong(b"name")]
        assert heard.websocket.last_recv_time > 1.7e9, "seconds since the epoch"
        await heard.websocket.disconnect()


async def test_what_came_before_anybody_listened_comes_first():
    async def serve(socket: web.WebSocketResponse) -> None:
        await socket.send_str("early")
        await socket.receive()
        await socket.send_str("late")
        await until_closed(socket)

    async with venue(serve) as url:
        websocket = await BackpackWebSocket.connect(url)
        await eventually(lambda: websocket.last_recv_time)
        heard = Heard(websocket)
        websocket.send({})
        await eventually(lambda: len(heard.frames) == 2)
        assert heard.frames == [b"early", b"late"]
        await websocket.disconnect()


async def test_a_frame_in_parts_and_one_that_is_binary():
    async def serve(socket: web.WebSocketResponse) -> None:
        transport = socket._req.transport
        transport.write(bytes([0x01, 2]) + b"ab" + bytes([0x00, 1]) + b"c")  # text, begun and continued
        transport.write(bytes([0x89, 0]))  # a ping in between
        transport.write(bytes([0x80, 2]) + b"de")  # its last part
        await socket.send_bytes(b"\xff")
        await until_closed(socket)

    async with venue(serve) as url:
        heard = Heard(await BackpackWebSocket.connect(url))
        await eventually(lambda: len(heard.frames) == 2)
        assert heard.frames == [b"abcde", b"\xff"]
        await heard.websocket.disconnect()


@pytest.mark.parametrize("in_parts", [False, True])
async def test_a_frame_that_is_too_long_ends_it(monkeypatch, in_parts):
    monkeypatch.setattr(CONSTANTS, "MAX_FRAME_BYTES", 100_000)

    async def serve(socket: web.WebSocketResponse) -> None:
        if in_parts:
            socket._req.transport.write(bytes([0x01, 100]) + bytes(100))
            for _ in range(2_000):
                socket._req.transport.write(bytes([0x00, 100]) + bytes(100))
        else:
            await socket.send_str("x" * 200_000)
        await until_closed(socket)

    async with venue(serve) as url:
        heard = Heard(await BackpackWebSocket.connect(url))
        await eventually(lambda: heard.end)
        assert "closed by this side" in str(heard.end)
        await heard.websocket.disconnect()


@pytest.mark.parametrize("code, words", [(1000, "1000 so long"), (1001, "1001 so long"), (4000, "4000 so long")])
async def test_a_close_frame_is_told_with_its_code(code, words):
    async def serve(socket: web.WebSocketResponse) -> None:
        await socket.send_str("last words")
        await socket.close(code=code, message=b"so long")

    async with venue(serve) as url:
        heard = Heard(await BackpackWebSocket.connect(url))
        await eventually(lambda: heard.end)
        assert heard.frames == [b"last words"]
        assert heard.end == f"closed by the other side ({words})"
        with pytest.raises(StreamLost, match="the connection is closed"):
            heard.websocket.send({})
        with pytest.raises(StreamLost, match="the connection is closed"):
            await heard.websocket.ping()


async def test_a_connection_that_breaks():
    async def serve(socket: web.WebSocketResponse) -> None:
        socket._req.transport.abort()

    async with venue(serve) as url:
        heard = Heard(await BackpackWebSocket.connect(url))
        await eventually(lambda: heard.end)
        assert heard.end == "the connection broke"


async def test_a_dead_one_is_noticed_by_its_silence(monkeypatch):
    monkeypatch.setattr(CONSTANTS, "HEARTBEAT_S", 0.2)
    pings = []

    async def serve(socket: web.WebSocketResponse) -> None:
        async for message in socket:
            pings.append(message.type)  # and answers none

    async with venue(serve, autoping=False) as url:
        heard = Heard(await BackpackWebSocket.connect(url))
        await eventually(lambda: heard.end)
        assert pings[0] is WSMsgType.PING
        assert "has not replied to ping" in str(heard.end)


async def test_one_that_answers_or_speaks_is_alive(monkeypatch):
    """Also if it speaks and answers no ping."""
    monkeypatch.setattr(CONSTANTS, "HEARTBEAT_S", 0.2)

    async def answer(socket: web.WebSocketResponse) -> None:
        await until_closed(socket)

    async def speak(socket: web.WebSocketResponse) -> None:
        async for _ in socket:
            await socket.send_str("I am here")

    for serve, autoping in ((answer, True), (speak, False)):
        async with venue(serve, autoping=autoping) as url:
            heard = Heard(await BackpackWebSocket.connect(url))
            await asyncio.sleep(1.0)
            assert heard.end is None
            await heard.websocket.disconnect()


async def test_good_bye_is_said_and_not_waited_for_long(monkeypatch):
    monkeypatch.setattr(CONSTANTS, "CLOSE_TIMEOUT_S", 0.2)
    codes = []

    async def polite(socket: web.WebSocketResponse) -> None:
        await until_closed(socket)
        codes.append(socket.close_code)

    async def deaf(socket: web.WebSocketResponse) -> None:
        await asyncio.sleep(30)

    for serve in (polite, deaf):
        async with venue(serve) as url:
            heard = Heard(await BackpackWebSocket.connect(url))
            async with asyncio.timeout(2):
                await heard.websocket.disconnect()
            assert heard.end == "closed by this side" and len(heard.arrivals) == 1
            await heard.websocket.disconnect()  # again does nothing
    assert codes == [1000]


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/ws\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"220 mail.example.com ESMTP\r\n\r\n",
    b"",
], ids=["502", "redirect", "no websocket", "no http", "cut"])  # fmt: skip
async def test_whoever_is_no_websocket_is_no_connection(answer):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(OSError, match=r".+"):
        async with asyncio.timeout(5):
            await BackpackWebSocket.connect(f"ws://127.0.0.1:{port}/ws")
    server.close()


async def test_nobody_there():
    with pytest.raises(OSError, match=r".+"):
        await BackpackWebSocket.connect("ws://127.0.0.1:1/ws")


async def test_one_that_never_answers(monkeypatch):
    monkeypatch.setattr(CONSTANTS, "CONNECT_TIMEOUT_S", 0.3)
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    with pytest.raises(OSError):  # noqa: PT011  a TimeoutError has no words
        await BackpackWebSocket.connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws")
    server.close()
