"""One way to the venue: where it is, how a request is sent, and what its answer or silence means."""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from os import environ
from typing import Any

import aiohttp
import msgspec

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack.backpack_clock import VenueClock
from hummingbot.connector.exchange.backpack.backpack_connections import BackpackConnectionsFactory
from hummingbot.connector.exchange.backpack.backpack_constants import Endpoint
from hummingbot.connector.exchange.backpack.backpack_throttler import BackpackThrottler
from hummingbot.connector.exchange.backpack.errors import (
    BackpackError,
    ClockSkew,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    WireFormatError,
    error_of,
)
from hummingbot.connector.exchange.backpack.wire import decode
from hummingbot.connector.time_synchronizer import TimeSynchronizer
from hummingbot.core.web_assistant.auth import AuthBase
from hummingbot.core.web_assistant.connections.data_types import (
    RESTMethod,
    RESTRequest,
    RESTResponse,
)
from hummingbot.core.web_assistant.connections.rest_connection import RESTConnection
from hummingbot.core.web_assistant.rest_assistant import RESTAssistant
from hummingbot.core.web_assistant.web_assistants_factory import WebAssistantsFactory

# Calls that may be sent again after a 429: repeating them changes nothing.
_REPEATABLE = frozenset({RESTMethod.GET, RESTMethod.DELETE})
_TRIES_WHEN_RATE_LIMITED = 3


@dataclass(frozen=True, slots=True)
class Venue:
    """Where an exchange listens, without a slash at the end."""

    rest_url: str
    ws_url: str


def venue_of(domain: str) -> Venue:
    """The real exchange, or a local one at the address (http://host:port) in the variable of its name, like
    BACKPACK_LOCAL_URL."""
    if domain == CONSTANTS.DEFAULT_DOMAIN:
        return Venue(CONSTANTS.REST_URL, CONSTANTS.WS_URL)
    if domain not in CONSTANTS.LOCAL_URLS:
        known = ", ".join(map(repr, [CONSTANTS.DEFAULT_DOMAIN, *CONSTANTS.LOCAL_URLS]))
        raise ValueError(f"Unknown domain {domain!r}: expected one of {known}.")
    variable, default = f"{domain.upper()}_URL", CONSTANTS.LOCAL_URLS[domain]
    rest_url = environ.get(variable, default).rstrip("/")
    if not rest_url.startswith(("http://", "https://")):
        raise ValueError(f"{variable} should be like {default}, was {rest_url!r}.")
    return Venue(rest_url, f"ws{rest_url.removeprefix('http')}/ws")


def public_rest_url(path_url: str, domain: str = CONSTANTS.DEFAULT_DOMAIN) -> str:
    return venue_of(domain).rest_url + path_url


private_rest_url = public_rest_url


def create_throttler(share_pct: Decimal = Decimal(100)) -> BackpackThrottler:
    """``share_pct``: how much of the account's limits is for this bot."""
    return BackpackThrottler(CONSTANTS.RATE_LIMITS, limits_share_percentage=share_pct)


async def get_current_server_time(
    throttler: BackpackThrottler | None = None, domain: str = CONSTANTS.DEFAULT_DOMAIN
) -> float:
    """The venue's clock in milliseconds."""
    return await build_api_factory(throttler, domain=domain).server_time_ms()


def build_api_factory(
    throttler: BackpackThrottler | None = None,
    time_synchronizer: TimeSynchronizer | None = None,
    domain: str = CONSTANTS.DEFAULT_DOMAIN,
    auth: AuthBase | None = None,
) -> "BackpackAPIFactory":
    return BackpackAPIFactory(
        throttler or create_throttler(), time_synchronizer or VenueClock(), venue_of(domain), auth
    )


Body = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class BackpackAPIFactory(WebAssistantsFactory):
    """Hummingbot's factory of assistants, plus ``request``: the only function that sends a REST call to the venue."""

    def __init__(
        self,
        throttler: BackpackThrottler,
        time_synchronizer: TimeSynchronizer,
        venue: Venue,
        auth: AuthBase | None = None,
    ):
        super().__init__(throttler=throttler, auth=auth, connections_factory=BackpackConnectionsFactory())
        self.venue = venue
        self._time_synchronizer = time_synchronizer
        self._answered_s = -math.inf

    async def get_rest_assistant(self) -> RESTAssistant:
        session = await self._connections_factory.session()
        return RESTAssistant(BackpackRESTConnection(session), self._throttler, auth=self._auth)

    async def request(
        self,
        endpoint: Endpoint,
        params: Mapping[str, str] | None = None,
        body: Body | None = None,
        read: Callable[[bytes, str], Any] = decode,
    ) -> Any:
        """Send one call and return its answer, None if it has no body; ``read`` makes it of the text and the call's
        name: by default JSON as it is.

        Raises what ``errors`` lists: NotSent, OutcomeUnknown, RateLimited, Rejected, NotFound, WireFormatError; a
        ClockSkew only if it comes again after the clock was corrected.
        """
        if endpoint.is_private and not self._time_synchronizer._time_offset_ms:
            await self._time_synchronizer.update_server_time_if_not_initialized(self.server_time_ms())
        tries = 0
        clock_corrected = False
        while True:
            try:
                return await self._request_once(endpoint, params, body, read)
            except ClockSkew:
                if clock_corrected:
                    raise
                clock_corrected = True
                await self.correct_clock()
            except RateLimited:
                tries += 1
                if endpoint.method not in _REPEATABLE or tries == _TRIES_WHEN_RATE_LIMITED:
                    raise

    def is_pausing(self, endpoint: Endpoint) -> bool:
        """Whether calls of this class wait because the venue, which does answer, has had too many."""
        return self._throttler.paused_s(endpoint.pool) > 0

    def has_answered_within(self, seconds: float) -> bool:
        """Whether the venue has, and has not failed to since."""
        return time.monotonic() - self._answered_s < seconds

    async def correct_clock(self) -> None:
        """Forget what was known of the venue's clock and ask it anew."""
        self._time_synchronizer.clear_time_offset_ms_samples()
        await self._time_synchronizer.update_server_time_offset_with_time_provider(self.server_time_ms())

    async def server_time_ms(self) -> float:
        answer = await self._request_once(CONSTANTS.TIME)
        if isinstance(answer, bool) or not isinstance(answer, int):
            raise WireFormatError(f"server time: expected milliseconds, was {type(answer).__name__}")
        return float(answer)

    async def _request_once(
        self,
        endpoint: Endpoint,
        params: Mapping[str, str] | None = None,
        body: Body | None = None,
        read: Callable[[bytes, str], Any] = decode,
    ) -> Any:
        name, is_order = endpoint.limit_id, endpoint.pool == CONSTANTS.ORDERS
        if paused_s := self._throttler.paused_s(endpoint.pool):
            if is_order:  # one that waited would go out at a price that was right a minute ago
                raise NotSent(f"{name}: the venue's rate limit was hit, no orders for another {paused_s:.0f} s")
            await asyncio.sleep(paused_s)
        session = await self._connections_factory.session()
        slot = self._connections_factory.slots[endpoint.pool]
        if slot.locked() or not self._throttler.admit(name):
            try:
                async with asyncio.timeout(CONSTANTS.LONGEST_WAIT_OF_AN_ORDER_S if is_order else None):
                    await self._throttler.acquire(name)
                    await slot.acquire()
            except TimeoutError:
                waited_s = CONSTANTS.LONGEST_WAIT_OF_AN_ORDER_S
                raise NotSent(f"{name}: it waited {waited_s:.0f} s for its turn, its price is old by now") from None
        else:
            await slot.acquire()  # is free
        try:
            status, answer = await self._answer(session, endpoint, params, body)
        except BackpackError:
            self._answered_s = -math.inf
            raise
        finally:
            slot.release()
        refusal = error_of(status, answer.decode(errors="replace"), name) if status >= 300 else None
        if isinstance(refusal, RateLimited):
            self._throttler.refused(endpoint.pool)
        elif isinstance(refusal, OutcomeUnknown):
            self._answered_s = -math.inf
            raise refusal
        else:
            self._throttler.answered(endpoint.pool)
        self._answered_s = time.monotonic()
        if refusal is not None:
            raise refusal
        return read(answer, name) if answer else None

    async def _answer(
        self, session: aiohttp.ClientSession, endpoint: Endpoint, params: Mapping[str, str] | None, body: Body | None
    ) -> tuple[int, bytes]:
        """Sign, send and read; the very bytes that are signed are sent."""
        request = RESTRequest(
            method=endpoint.method,
            url=self.venue.rest_url + endpoint.path,
            params=params,
            data=None if body is None else msgspec.json.encode(body),
            headers=None if body is None else {"Content-Type": "application/json; charset=utf-8"},
            is_auth_required=endpoint.is_private,
        )
        if self._auth is not None and endpoint.is_private:
            request = await self._auth.rest_authenticate(request)
        name = endpoint.limit_id
        try:
            async with (
                asyncio.timeout(CONSTANTS.REQUEST_TIMEOUT_S),
                session.request(
                    endpoint.method.value,
                    request.url,
                    params=request.params,
                    data=request.data,
                    headers=request.headers,
                    allow_redirects=False,
                ) as response,
            ):
                return response.status, await _body(response, name)
        except aiohttp.ConnectionTimeoutError:
            raise NotSent(f"{name}: no connection to {self.venue.rest_url} in time") from None
        except TimeoutError:
            raise OutcomeUnknown(f"{name}: no answer within {CONSTANTS.REQUEST_TIMEOUT_S:.0f} s") from None
        except aiohttp.ClientConnectorError as error:
            raise NotSent(f"{name}: no connection to {self.venue.rest_url} ({_reason(error)})") from None
        except (aiohttp.ClientError, ConnectionError) as error:
            raise OutcomeUnknown(f"{name}: the connection broke before an answer came ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):  # its text repeats the address
        return error.os_error.strerror or str(error.os_error)
    return str(error) or type(error).__name__


async def _body(response: aiohttp.ClientResponse, name: str) -> bytes:
    """The answer's bytes, unless they are absurdly many."""
    chunks: list[bytes] = []
    size = 0
    while not response.content.at_eof():
        chunks.append(await response.content.readany())
        size += len(chunks[-1])
        if size > CONSTANTS.MAX_BODY_BYTES:
            response.close()
            raise WireFormatError(f"{name}: the answer is longer than {CONSTANTS.MAX_BODY_BYTES} bytes")
    return b"".join(chunks)


class BackpackRESTConnection(RESTConnection):
    """Follows no redirect: signed headers are for the venue, and aiohttp would take them along to any other host."""

    async def call(self, request: RESTRequest) -> RESTResponse:
        return RESTResponse(
            await self._client_session.request(
                method=request.method.value,
                url=request.url,
                params=request.params,
                data=request.data,
                headers=request.headers,
                allow_redirects=False,
            )
        )
