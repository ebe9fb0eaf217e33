"""One session for the process, of the loop that runs."""

import asyncio
import warnings
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest_asyncio
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack.backpack_connections import BackpackConnectionsFactory
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory
from test.hummingbot.connector.exchange.backpack.support import eventually


class Server(TestServer):
    """Answers everything, and notes from which of its connections it was asked."""

    def __init__(self) -> None:
        self.peers: list[Any] = []
        application = web.Application()
        application.router.add_get("/", self._answer)
        super().__init__(application)

    async def _answer(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        self.peers.append(request.transport.get_extra_info("peername"))
        return web.Response()


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as server:
        yield server
    await BackpackConnectionsFactory().close()


async def ask(server: Server, session: ClientSession) -> None:
    async with session.get(server.make_url("/")) as response:
        await response.read()


async def test_there_is_one_beside_hummingbots_own():
    assert BackpackConnectionsFactory() is BackpackConnectionsFactory()
    assert BackpackConnectionsFactory() is not ConnectionsFactory()
    session = await BackpackConnectionsFactory().session()
    assert await BackpackConnectionsFactory().session() is session
    assert ConnectionsFactory()._shared_client is not session
    await BackpackConnectionsFactory().close()
    assert session.closed


async def test_one_that_was_closed_is_replaced(server):
    session = await BackpackConnectionsFactory().session()
    await session.close()
    await ask(server, await BackpackConnectionsFactory().session())
    await BackpackConnectionsFactory().close()
    await ask(server, await BackpackConnectionsFactory().session())


async def test_a_connection_is_used_again(server):
    factory = BackpackConnectionsFactory()
    for _ in range(3):
        await ask(server, await factory.session())
    assert len(set(server.peers)) == 1
    connector = (await factory.session()).connector
    assert connector is not None and connector._keepalive_timeout == CONSTANTS.KEEP_ALIVE_S


def test_a_session_of_an_earlier_loop_is_not_used(caplog):
    """Whether its loop was closed, as it is at the end of a program, or only left; and without complaint."""

    async def visit() -> tuple[ClientSession, asyncio.Semaphore]:
        async with Server() as server:
            session = await BackpackConnectionsFactory().session()
            await ask(server, session)
            return session, BackpackConnectionsFactory().slots[CONSTANTS.ORDERS]

    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        first, slot = in_a_loop(visit())
        second, other_slot = in_a_loop(visit())
    assert first is not second and slot is not other_slot
    assert first.closed
    left = asyncio.new_event_loop()
    third, _ = left.run_until_complete(visit())
    fourth, _ = in_a_loop(visit())
    assert third is not fourth
    left.close()
    in_a_loop(BackpackConnectionsFactory().close())
    assert "Unclosed client session" not in caplog.text


def in_a_loop(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


async def test_hummingbots_own_ways_lead_to_the_same_session():
    factory = BackpackConnectionsFactory()
    session = await factory.session()
    assert (await factory.get_rest_connection())._client_session is session
    assert (await factory.get_ws_connection())._client_session is session
    await factory.close()


async def test_slots_are_counted_by_class():
    factory = BackpackConnectionsFactory()
    await factory.session()
    slot = factory.slots[CONSTANTS.ORDERS]
    for _ in range(CONSTANTS.CONNECTIONS[CONSTANTS.ORDERS]):
        await slot.acquire()
    assert slot.locked() and not factory.slots[CONSTANTS.CANCELS].locked()
    waiting = asyncio.create_task(slot.acquire())
    slot.release()
    await eventually(waiting.done)
    await factory.close()
