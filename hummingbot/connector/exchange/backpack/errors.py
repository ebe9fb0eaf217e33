"""What went wrong, told as what the caller may do next.

::

    BackpackError (IOError)
    ├── NotSent            the venue never saw the request: nothing happened, the caller may send it again
    ├── OutcomeUnknown     the venue may or may not have acted: find out before doing anything else
    │   └── RateLimited    as above, and the whole class of calls has to slow down
    ├── Rejected           the venue refused, in its own words: nothing happened, and repeating it will not help
    │   ├── NotFound       the thing asked for is not (or no longer) there
    │   └── ClockSkew      the timestamp was refused: correct the clock, then send it again
    ├── StreamLost         a websocket is gone, silent or refused a subscription: connect again
    └── WireFormatError    an answer or a frame that cannot be read: never guess what it meant

All are ``IOError`` because Hummingbot's request loop only lets those through to a connector.
"""

import json
import re
from contextlib import suppress
from typing import Any


class BackpackError(IOError):
    """Base of everything this connector raises about the venue."""


class NotSent(BackpackError):
    """The request did not leave this machine, or was stopped here because the venue's published rules forbid it."""


class OutcomeUnknown(BackpackError):
    """No readable answer came: timeout, reset, 5xx, rate limit. The venue may have acted all the same."""


class RateLimited(OutcomeUnknown):
    """429, or the code ``TOO_MANY_REQUESTS``. The venue sends no Retry-After (api-doc/NOTES.md, "Rate limits")."""


class Rejected(BackpackError):
    """The venue's own refusal.

    ``code`` is its error code (``"INSUFFICIENT_FUNDS"``), ``""`` where it answered in plain text; ``text`` its words.
    """

    def __init__(self, code: str, text: str):
        super().__init__(f"{code}: {text}" if code else text)
        self.code = code
        self.text = text


class NotFound(Rejected):
    """The venue positively does not have the order (or other thing) among what it was asked for."""


class ClockSkew(Rejected):
    """The request's timestamp is outside its window."""


class StreamLost(BackpackError, ConnectionError):
    """A websocket has to be connected anew. A ``ConnectionError``, so Hummingbot's loops log one line and go on."""


class WireFormatError(BackpackError):
    """Something arrived that does not read as api-doc says."""


_NOT_FOUND_TEXT = re.compile(r"order not found", re.IGNORECASE)
_CLOCK_TEXT = re.compile(r"request has expired|invalid timestamp", re.IGNORECASE)
_LONGEST_TEXT = 500  # characters of a refusal that a person gets to read
# Codes that speak of the venue's own trouble, not of the request.
_UNKNOWN_OUTCOME_CODES = frozenset({"SERVER_ERROR", "TIMEOUT", "MAINTENANCE"})
# 408 Request Timeout and 425 Too Early come from proxies: they do not say what the venue did.
_UNKNOWN_OUTCOME_STATUSES = frozenset({408, 425})


def error_of(status: int, body: str, request: str) -> BackpackError | None:
    """Read a REST answer as an error; None where ``status`` is below 300 (redirects are not followed).

    ``request`` names the call for the message (``"POST /api/v1/order"``). Reject only on positive evidence: a body that
    is not the venue's (a proxy's HTML page), a redirect, a 5xx or a 429 leaves the outcome unknown.
    Source: api-doc/NOTES.md, "Errors".
    """
    if status < 300:
        return None
    code, text = _code_and_text(body)
    told = f"{request} answered {status}"
    if status == 429:
        return RateLimited(f"{told}: {_shortened(code, text)}")
    is_from_the_venue = 400 <= status < 500 and status not in _UNKNOWN_OUTCOME_STATUSES and not _is_html(text)
    if not is_from_the_venue and code != "TOO_MANY_REQUESTS":
        return OutcomeUnknown(f"{told}: {_shortened(code, text)}")
    return refusal_of(code, text, told)


def refusal_of(code: str, text: str, told: str) -> BackpackError:
    """What the venue's own ``code`` and ``text`` mean; ``told`` says for the message in which answer they came."""
    if code == "TOO_MANY_REQUESTS":
        return RateLimited(f"{told}: {_shortened(code, text)}")
    if code in _UNKNOWN_OUTCOME_CODES:
        return OutcomeUnknown(f"{told}: {_shortened(code, text)}")
    if code == "RESOURCE_NOT_FOUND" or _NOT_FOUND_TEXT.search(text):
        return NotFound(code, text)
    if is_about_the_clock(text):
        return ClockSkew(code, text)
    return Rejected(code, text or f"{told} without a reason")


def is_about_the_clock(text: str) -> bool:
    """Whether a refusal, REST's or the websocket's, speaks of the request's timestamp."""
    return _CLOCK_TEXT.search(text) is not None


def _code_and_text(body: str) -> tuple[str, str]:
    """The venue answers errors of meaning in JSON and errors of form in plain text."""
    parsed: Any = None
    with suppress(ValueError, RecursionError):
        parsed = json.loads(body)
    if isinstance(parsed, dict):
        return str(parsed.get("code") or "")[:_LONGEST_TEXT], str(parsed.get("message") or "")[:_LONGEST_TEXT]
    return "", body.strip()[:_LONGEST_TEXT]


def _is_html(text: str) -> bool:
    return text[:200].lstrip().lower().startswith(("<!doctype", "<html"))


def _shortened(code: str, text: str) -> str:
    words = "an HTML page" if _is_html(text) else text[:200] or "nothing"
    return f"{code}: {words}" if code else words


def advice(error: BackpackError) -> str:
    """One sentence for the person who has just entered keys: what is wrong, and what to do."""
    match error:
        case ClockSkew():
            told = "This computer's clock and the exchange's differ: have it set automatically, then try again"
        case Rejected(code="FORBIDDEN"):
            told = "This key has no permission for that: allow it to read balances and trade, or create another key"
        case Rejected():
            told = "The exchange does not accept this key: see that it is listed there, and enter key and secret again"
        case NotSent():
            told = "The exchange cannot be reached: check the internet connection, then try again"
        case _:
            told = "The exchange did not answer as it should: try again in a minute"
    return f"{told} ({error})."
