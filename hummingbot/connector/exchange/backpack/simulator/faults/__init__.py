"""Misbehaviour on demand: the catalogue. How faults are armed and where they can act is told in ``hooks``.

``sim.faults.arm(Duplicate(times=3), stream="depth.", count=2)`` in process; the same over the control plane is ``POST
/_sim/faults`` with ``{"fault": "duplicate", "parameters": {"times": 3}, "match": {"stream": "depth."}, "count": 2}``;
scenario files (``scenario``) arm by the clock. Everything else that fits the match is not disturbed, and clearing a
fault takes it back and lets go of what it holds.

What the count counts is in brackets. A client of aiohttp sends a GET or a handshake that was cut once more by itself,
so that cutting one of them takes a count of 2 to be noticed.

Single calls [calls]

``reject`` Reject(code, message="Rejected by a fault", status=400)
    refused with this error, nothing is changed
``unknown_error_code`` UnknownErrorCode(code="SOLAR_FLARE", status=400)
    refused with a code that no documentation knows
``server_error`` ServerError(status=500)
    fails inside the venue, nothing is changed
``rate_limited`` RateLimited()
    429 TOO_MANY_REQUESTS, no headers
``html_error`` HtmlError(status=502)
    a page of HTML from the CDN, nothing is changed
``accept_then_drop_response`` AcceptThenDropResponse()
    carried out, then the connection is cut instead of an answer
``accept_then_5xx`` AcceptThen5xx(status=503)
    carried out, and the answer says it failed
``gzip_garbage`` GzipGarbage()
    carried out, and the answer claims to be gzip and is not
``empty_ticker`` EmptyTicker()
    ``GET /ticker`` answers 204
``cancel_202`` Cancel202(seconds=0.0)
    cancels are answered 202 without a body; carried out before that, or this much later (inside the request's window)
``reject_duplicate_client_ids`` DuplicateClientIds()
    an order with the client id of an open one is refused; whether Backpack does so is not known
``cancel_unknown_not_found`` UnknownOrderNotFound()
    cancelling what is not open is 404 RESOURCE_NOT_FOUND instead of 400 "Order not found"; both have been reported

Connections [calls, handshakes, sockets that are open or opening, frames: wherever the fault acts]

``latency`` Latency(seconds)
    calls reach the exchange late, frames leave it late and in order, heartbeats included
``reset_connection`` ResetConnection()
    TCP reset: open sockets at once, later ones on opening or instead of a frame, calls before they are read
``refuse_connection`` RefuseConnection(rest=True, websocket=True)
    calls and handshakes are cut unread; open sockets live on
``close_frame`` CloseFrame(code=1001, reason="")
    a Close frame: to open sockets at once, to later ones on opening or instead of a frame
``half_open`` HalfOpen()
    no byte in either direction and nothing closed: open sockets die silently, calls and handshakes hang unread;
    when cleared, the dead connections are reset
``silence`` Silence(reconnect_heals=False)
    data is withheld, pings and pongs go on; for good, or only on the sockets that are open when it is armed
``subscribe_refused`` SubscribeRefused(code=4006, message="Invalid stream")
    a SUBSCRIBE is answered with an error frame, stream by stream

Frames [frames with data; ``truncated``, ``huge`` and ``deep`` also calls, which are carried out]

``drop_update`` DropUpdate()
    lost
``duplicate`` Duplicate(times=2)
    sent several times
``reorder`` Reorder()
    sent after the next frame of the socket; the count counts those sent late
``garbage_frame`` GarbageFrame(text="upstream connect error {")
    replaced by text that is not JSON
``not_an_object`` NotAnObject(inside=False)
    replaced by a JSON list, whole or only its ``data``
``truncated`` Truncated()
    broken off in the middle
``huge`` Huge(megabytes=6)
    replaced by JSON of absurd size
``deep`` Deep(levels=100000)
    replaced by JSON nested absurdly deep
``unknown_event`` UnknownEvent(word="orderTeleported")
    order frames with an event that nobody knows [order frames]
``unknown_status`` UnknownStatus(word="Pondering")
    order frames with a status that nobody knows [order frames]

Time between REST and streams

``late_answer`` LateAnswer(event="orderFill", at_most_s=10.0)
    calls are carried out and answered after a frame with this event has left [calls]
``late_frame`` LateFrame(event="orderFill", until_method="DELETE", until_path="/api/v1/order", at_most_s=10.0)
    frames with this event leave after such a call has been answered [frames with the event]
``stale_snapshot`` StaleSnapshot()
    ``GET /depth`` answers the whole book as it was when the fault was armed [snapshots]
``future_snapshot`` FutureSnapshot()
    from arming on depth frames are held back until a snapshot of their market has been answered [snapshots]
``history_lag`` HistoryLag(seconds)
    orders and fills are in the history only this long after their last change [history calls]

A limit [calls that are refused]

``request_budget`` RequestBudget(requests=2000, seconds=60.0)
    an account has so many requests in any so many seconds, further ones are answered 429 TOO_MANY_REQUESTS and do not
    count; calls without a key are not limited. ``--rate-limit`` arms it from the start

The exchange as a whole

``clock_skew`` ClockSkew(seconds)
    ``/time`` and the judgement of timestamps are ahead (behind, if negative) while it is armed
``clock_jump`` ClockJump(seconds)
    the same, beginning at a call [calls, each jumps]
``maintenance`` Maintenance(message="System under maintenance", reads_too=False)
    ``/status`` says so; orders and cancels, or everything, are answered 503 [calls]
``restart`` Restart(seconds=5.0)
    sockets are closed (1001), answers under way are lost, nobody gets in for so long; orders stay, ids go on
``system_fill`` SystemFill(part=1.0)
    the venue fills resting orders itself: no trade id, on the stream and in the history [orders, present and later]
"""

from .budget import RequestBudget
from .calls import (
    AcceptThen5xx,
    AcceptThenDropResponse,
    Cancel202,
    DuplicateClientIds,
    EmptyTicker,
    GzipGarbage,
    HtmlError,
    RateLimited,
    Reject,
    ServerError,
    UnknownErrorCode,
    UnknownOrderNotFound,
)
from .catalogue import CATALOGUE, FaultOrder, described, fault_of, fault_order_of
from .connections import (
    CloseFrame,
    HalfOpen,
    Latency,
    RefuseConnection,
    ResetConnection,
    Silence,
    SubscribeRefused,
)
from .frames import (
    Deep,
    DropUpdate,
    Duplicate,
    GarbageFrame,
    Huge,
    NotAnObject,
    Reorder,
    Truncated,
    UnknownEvent,
    UnknownStatus,
)
from .hooks import (
    ArmedFault,
    BadFault,
    Call,
    Disconnect,
    Fault,
    Faults,
    Frame,
    FrameKind,
    Handler,
    Match,
    RefuseSubscription,
    Socket,
    Venue,
)
from .timing import FutureSnapshot, HistoryLag, LateAnswer, LateFrame, StaleSnapshot
from .venue import ClockJump, ClockSkew, Maintenance, Restart, SystemFill

__all__ = [
    "CATALOGUE",
    "AcceptThen5xx",
    "AcceptThenDropResponse",
    "ArmedFault",
    "BadFault",
    "Call",
    "Cancel202",
    "ClockJump",
    "ClockSkew",
    "CloseFrame",
    "Deep",
    "Disconnect",
    "DropUpdate",
    "Duplicate",
    "DuplicateClientIds",
    "EmptyTicker",
    "Fault",
    "FaultOrder",
    "Faults",
    "Frame",
    "FrameKind",
    "FutureSnapshot",
    "GarbageFrame",
    "GzipGarbage",
    "HalfOpen",
    "Handler",
    "HistoryLag",
    "HtmlError",
    "Huge",
    "LateAnswer",
    "LateFrame",
    "Latency",
    "Maintenance",
    "Match",
    "NotAnObject",
    "RateLimited",
    "RefuseConnection",
    "RefuseSubscription",
    "Reject",
    "Reorder",
    "RequestBudget",
    "ResetConnection",
    "Restart",
    "ServerError",
    "Silence",
    "Socket",
    "StaleSnapshot",
    "SubscribeRefused",
    "SystemFill",
    "Truncated",
    "UnknownErrorCode",
    "UnknownEvent",
    "UnknownOrderNotFound",
    "UnknownStatus",
    "Venue",
    "described",
    "fault_of",
    "fault_order_of",
]
