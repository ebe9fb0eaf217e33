"""The process's connections to the venue, kept open through quiet minutes."""

import asyncio

from aiohttp import ClientSession, ClientTimeout, TCPConnector

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory


class BackpackConnectionsFactory(ConnectionsFactory):
    """One session for all connectors of this package, as Hummingbot has one for all of its own.

    How many connections may be busy is counted here, by class of calls, before a request is signed; the session itself
    has no limit.
    """

    _instance = None
    _shared_client: ClientSession | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    # To be held while a call of the class is under way; of the loop of the session that was asked for last.
    slots: dict[str, asyncio.Semaphore] = {}

    async def session(self) -> ClientSession:
        return await self._get_shared_client()

    async def _get_shared_client(self) -> ClientSession:
        """Of the running loop: what an earlier one has left behind would fail at the first use."""
        loop = asyncio.get_running_loop()
        if self._shared_client is None or self._shared_client.closed or self._loop is not loop:
            await self._leave()
            self._loop = loop
            self.slots = {pool: asyncio.Semaphore(number) for pool, number in CONSTANTS.CONNECTIONS.items()}
            self._shared_client = ClientSession(
                connector=TCPConnector(limit=0, keepalive_timeout=CONSTANTS.KEEP_ALIVE_S),
                timeout=ClientTimeout(total=None, connect=CONSTANTS.REACH_TIMEOUT_S),
            )
        return self._shared_client

    async def _leave(self) -> None:
        """Forget a session that is not this loop's. Where its loop is closed, so are its sockets."""
        if self._shared_client is not None and self._loop is not None:
            if self._loop.is_closed():
                await self._shared_client.close()
            else:
                self._shared_client.detach()
