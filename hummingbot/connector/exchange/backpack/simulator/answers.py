"""What the local exchange says over HTTP: answers, errors, and the decimal text of both interfaces."""

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from .model import Rejected

JSON = "application/json"
TEXT = "text/plain"


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; faults may replace it before it leaves."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """Carries the answer to a request that goes no further."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status} {answer.body.decode(errors='replace')}")
        self.answer = answer


def json_text(value: Any) -> str:
    """The venue sorts the keys of everything it sends (api-doc/NOTES.md, "Text")."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def json_answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, json_text(value).encode(), JSON, headers or {})


def text_answer(text: str, status: int = 200) -> Answer:
    return Answer(status, text.encode(), TEXT)


def error_answer(status: int, code: str, message: str) -> Answer:
    """A typed error as the venue words it."""
    return json_answer({"code": code, "message": message}, status)


def rejection(rejected: Rejected) -> Answer:
    """The engine's refusal as an HTTP answer; only what is missing is a 404, everything else a 400."""
    return error_answer(404 if rejected.code == "RESOURCE_NOT_FOUND" else 400, rejected.code, rejected.message)


def client_error(message: str) -> Refused:
    return Refused(error_answer(400, "INVALID_CLIENT_REQUEST", message))


def unparsable_parameter(name: str, reason: str) -> Refused:
    """Parameters that cannot be read are answered in plain text, not JSON."""
    return Refused(text_answer(f"failed to parse parameter `{name}`: {reason}", 400))


def unparsable_body(reason: str) -> Refused:
    return Refused(text_answer(f"parse request payload error: {reason}", 400))


def not_imitated(what: str) -> Refused:
    """For what Backpack has and this exchange does not: never a plausible lie."""
    return Refused(error_answer(501, "NOT_IMPLEMENTED", f"{what} is not part of the local exchange"))


def stripped(value: Decimal) -> str:
    """REST writes decimals without trailing zeros and without exponents: 86786, 0.00115."""
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def padded(value: Decimal, decimals: int) -> str:
    """The streams pad decimals to the market's scale: 86786.0, 1.00000."""
    return f"{value:.{decimals}f}"
