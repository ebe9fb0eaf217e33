"""Faults of single REST calls: refused, answered badly, carried out and not answered."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar

from ..answers import TEXT, Answer, error_answer
from .hooks import Call, Disconnect, Fault, Handler
from .values import check_range, check_seconds

HTML = "text/html"


@dataclass
class Reject(Fault):
    """Requests are refused with an error of choice and change nothing."""

    name: ClassVar[str] = "reject"
    code: str
    message: str = "Rejected by a fault"
    status: int = 400

    def __post_init__(self) -> None:
        check_range(self.name, "status", self.status, 400, 599)

    async def request(self, call: Call, handle: Handler) -> Answer:
        return error_answer(self.status, self.code, self.message)


@dataclass
class UnknownErrorCode(Fault):
    """Requests are refused with a code that no documentation knows."""

    name: ClassVar[str] = "unknown_error_code"
    code: str = "SOLAR_FLARE"
    status: int = 400

    def __post_init__(self) -> None:
        check_range(self.name, "status", self.status, 400, 599)

    async def request(self, call: Call, handle: Handler) -> Answer:
        return error_answer(self.status, self.code, "An error that was added yesterday")


@dataclass
class ServerError(Fault):
    """Requests fail inside the venue and change nothing."""

    name: ClassVar[str] = "server_error"
    status: int = 500

    def __post_init__(self) -> None:
        check_range(self.name, "status", self.status, 500, 599)

    async def request(self, call: Call, handle: Handler) -> Answer:
        return error_answer(self.status, "SERVER_ERROR", "Internal server error")


@dataclass
class HtmlError(Fault):
    """The CDN answers in the venue's stead with a page of HTML; nothing is changed."""

    name: ClassVar[str] = "html_error"
    status: int = 502

    def __post_init__(self) -> None:
        check_range(self.name, "status", self.status, 400, 599)

    async def request(self, call: Call, handle: Handler) -> Answer:
        page = f"<html><head><title>{self.status}</title></head><body><h1>Error {self.status}</h1></body></html>\n"
        return Answer(self.status, page.encode(), HTML)


@dataclass
class RateLimited(Fault):
    """Requests are one too many (the venue gives no headers that say for how long)."""

    name: ClassVar[str] = "rate_limited"

    async def request(self, call: Call, handle: Handler) -> Answer:
        return error_answer(429, "TOO_MANY_REQUESTS", "Too many requests")


@dataclass
class AcceptThenDropResponse(Fault):
    """A request is carried out, and the connection is cut before its answer."""

    name: ClassVar[str] = "accept_then_drop_response"

    async def request(self, call: Call, handle: Handler) -> Answer:
        await handle()
        raise Disconnect


@dataclass
class AcceptThen5xx(Fault):
    """A request is carried out, and the answer says that it failed."""

    name: ClassVar[str] = "accept_then_5xx"
    status: int = 503

    def __post_init__(self) -> None:
        check_range(self.name, "status", self.status, 500, 599)

    async def request(self, call: Call, handle: Handler) -> Answer:
        await handle()
        return error_answer(self.status, "SERVER_ERROR", "Internal server error")


@dataclass
class GzipGarbage(Fault):
    """A request is carried out, and the answer claims to be gzip and is not."""

    name: ClassVar[str] = "gzip_garbage"

    async def request(self, call: Call, handle: Handler) -> Answer:
        answer = await handle()
        body = b"\x1f\x8b\x08 this was never compressed"
        return Answer(answer.status, body, answer.content_type, answer.headers | {"Content-Encoding": "gzip"})


@dataclass
class EmptyTicker(Fault):
    """``GET /ticker`` answers 204 without a body, as the venue does for a market without data."""

    name: ClassVar[str] = "empty_ticker"

    def touches_call(self, call: Call) -> bool:
        return call.path == "/api/v1/ticker"

    async def request(self, call: Call, handle: Handler) -> Answer:
        return Answer(204)


@dataclass
class Cancel202(Fault):
    """Cancels are answered 202 without a body and carried out after that; only the stream and queries tell the result.

    ``seconds`` must stay inside the request's own window, or the late request has expired.
    """

    name: ClassVar[str] = "cancel_202"
    seconds: float = 0.0
    _under_way: set[asyncio.Task[None]] = field(default_factory=set, init=False, repr=False)

    def __post_init__(self) -> None:
        check_seconds(self.name, "seconds", self.seconds)

    def touches_call(self, call: Call) -> bool:
        return call.method == "DELETE" and call.path in ("/api/v1/order", "/api/v1/orders")

    async def request(self, call: Call, handle: Handler) -> Answer:
        if not self.seconds:
            answer = await handle()
            return Answer(202, content_type=TEXT) if answer.status == 200 else answer
        cancelling = asyncio.create_task(self._carry_out(handle))
        self._under_way.add(cancelling)
        cancelling.add_done_callback(self._under_way.discard)
        return Answer(202, content_type=TEXT)

    async def _carry_out(self, handle: Handler) -> None:
        await self.venue.clock.sleep(self.seconds)
        with suppress(Disconnect):
            await handle()


@dataclass
class DuplicateClientIds(Fault):
    """A way the venue may have: an order whose client id an open order of the account bears is refused, batches whole.

    Whether Backpack does so is not known; without this fault the local exchange takes them.
    """

    name: ClassVar[str] = "reject_duplicate_client_ids"

    def touches_call(self, call: Call) -> bool:
        return call.method == "POST" and call.path in ("/api/v1/order", "/api/v1/orders")

    async def request(self, call: Call, handle: Handler) -> Answer:
        if call.account is not None and self._client_ids(call) & {
            order.client_id for order in self.venue.exchange.open_orders(call.account)
        }:
            return error_answer(400, "INVALID_CLIENT_REQUEST", "Duplicate client id")
        return await handle()

    def _client_ids(self, call: Call) -> set[int]:
        try:
            body = json.loads(call.raw_body)
        except (ValueError, RecursionError):
            return set()
        orders = body if isinstance(body, list) else [body]
        ids = (order.get("clientId") for order in orders if isinstance(order, dict))
        return {number for number in ids if isinstance(number, int)}


@dataclass
class UnknownOrderNotFound(Fault):
    """A way the venue may have: cancelling an order that is not open is a 404 with RESOURCE_NOT_FOUND.

    Both answers have been reported; without this fault it is a 400 with INVALID_CLIENT_REQUEST "Order not found".
    """

    name: ClassVar[str] = "cancel_unknown_not_found"

    def touches_call(self, call: Call) -> bool:
        return call.method == "DELETE" and call.path == "/api/v1/order"

    async def request(self, call: Call, handle: Handler) -> Answer:
        answer = await handle()
        missing = answer.status == 400 and b"Order not found" in answer.body
        return error_answer(404, "RESOURCE_NOT_FOUND", "Not Found") if missing else answer
