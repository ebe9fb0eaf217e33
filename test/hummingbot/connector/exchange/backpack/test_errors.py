"""What an answer of the venue, or of a proxy before it, means for the caller."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.errors import (
    BackpackError,
    ClockSkew,
    NotFound,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    StreamLost,
    WireFormatError,
    advice,
    error_of,
)

CALL = "POST /api/v1/order"
HTML = "<!DOCTYPE html>\n<html><head><title>ERROR: The request could not be satisfied</title></head></html>"


def venue(code: str, message: str) -> str:
    return json.dumps({"code": code, "message": message})


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_no_error_below_300(status):
    assert error_of(status, "whatever", CALL) is None


# fmt: off
@pytest.mark.parametrize("status, body, meaning", [
    # the venue's refusals, in its own JSON
    pytest.param(400, venue("INVALID_CLIENT_REQUEST", "Invalid market symbol"), Rejected, id="unknown symbol"),
    pytest.param(400, venue("INVALID_CLIENT_REQUEST", "Invalid signature"), Rejected, id="bad signature"),
    pytest.param(400, venue("INVALID_CLIENT_REQUEST", "Invalid X-Signature header"), Rejected, id="bad header"),
    pytest.param(400, venue("INVALID_CLIENT_REQUEST", "Quantity decimal too long"), Rejected, id="too many decimals"),
    pytest.param(400, venue("INVALID_ORDER", "Order would immediately match and take"), Rejected, id="crosses"),
    pytest.param(400, venue("INVALID_ORDER", "Fill or kill order would not complete fill immediately"),
                 Rejected, id="fill or kill"),
    pytest.param(400, venue("INVALID_PRICE", "Price is too far from the last active price"), Rejected, id="price band"),
    pytest.param(400, venue("INSUFFICIENT_FUNDS", "Insufficient funds"), Rejected, id="funds"),
    pytest.param(401, venue("UNAUTHORIZED", "Unauthorized"), Rejected, id="unauthorized"),
    pytest.param(403, venue("FORBIDDEN", "Forbidden"), Rejected, id="forbidden"),
    pytest.param(400, venue("A_CODE_OF_NEXT_YEAR", "New words"), Rejected, id="unknown code, still the venue's no"),
    # its refusals in plain text
    pytest.param(400, 'failed to parse parameter `limit`: failed to parse "DepthLimit"', Rejected, id="parameter text"),
    pytest.param(400, '"parse request payload error: Expected input type"', Rejected, id="quoted text"),
    pytest.param(404, "not found", Rejected, id="unknown path: says nothing about an order"),
    pytest.param(400, "", Rejected, id="a 400 without a word"),
    # not (or no longer) there
    pytest.param(404, venue("RESOURCE_NOT_FOUND", "Not Found"), NotFound, id="not found, 404"),
    pytest.param(400, venue("RESOURCE_NOT_FOUND", "Not Found"), NotFound, id="not found, 400"),
    pytest.param(400, venue("INVALID_CLIENT_REQUEST", "Order not found"), NotFound, id="cancel of a finished order"),
    # the clock
    pytest.param(400, venue("INVALID_CLIENT_REQUEST", "Request has expired"), ClockSkew, id="outside its window"),
    pytest.param(400, venue("INVALID_CLIENT_REQUEST", "Invalid timestamp: must be within 10 minutes of current time"),
                 ClockSkew, id="clock far off"),
    # slow down; whether the venue acted is not known
    pytest.param(429, "", RateLimited, id="429 without a body"),
    pytest.param(429, venue("TOO_MANY_REQUESTS", "Too many requests"), RateLimited, id="429 in JSON"),
    pytest.param(429, HTML, RateLimited, id="429 of the CDN"),
    pytest.param(400, venue("TOO_MANY_REQUESTS", "Too many requests"), RateLimited, id="the code without the status"),
    # nobody can tell
    pytest.param(500, venue("SERVER_ERROR", "Internal error"), OutcomeUnknown, id="500"),
    pytest.param(500, "", OutcomeUnknown, id="500 without a body"),
    pytest.param(502, HTML, OutcomeUnknown, id="502 of the CDN"),
    pytest.param(503, venue("MAINTENANCE", "System under maintenance"), OutcomeUnknown, id="maintenance"),
    pytest.param(503, "Unknown error, please check your request or try again later.", OutcomeUnknown, id="503 text"),
    pytest.param(504, "", OutcomeUnknown, id="gateway timeout"),
    pytest.param(500, venue("RESOURCE_NOT_FOUND", "Not Found"), OutcomeUnknown, id="its words do not count"),
    pytest.param(500, venue("INVALID_CLIENT_REQUEST", "Order not found"), OutcomeUnknown, id="neither do these"),
    pytest.param(400, venue("TIMEOUT", "Timed out"), OutcomeUnknown, id="the venue's own timeout"),
    pytest.param(400, venue("SERVER_ERROR", "Internal error"), OutcomeUnknown, id="the venue's own trouble as a 400"),
    pytest.param(400, venue("MAINTENANCE", "Under maintenance"), OutcomeUnknown, id="maintenance as a 400"),
    pytest.param(307, "", OutcomeUnknown, id="redirect: not followed"),
    pytest.param(302, HTML, OutcomeUnknown, id="redirect of the CDN"),
    pytest.param(408, "", OutcomeUnknown, id="request timeout"),
    pytest.param(425, "", OutcomeUnknown, id="too early"),
    pytest.param(403, HTML, OutcomeUnknown, id="a page is not the venue's voice"),
    pytest.param(404, "<html><body>Not Found</body></html>", OutcomeUnknown, id="not even a 404 page"),
])
# fmt: on
def test_an_answer_means(status, body, meaning):
    assert type(error_of(status, body, CALL)) is meaning


def test_a_refusal_keeps_the_venues_words():
    refusal = error_of(400, venue("INSUFFICIENT_FUNDS", "Insufficient funds"), CALL)
    assert isinstance(refusal, Rejected)
    assert (refusal.code, refusal.text, str(refusal)) == (
        "INSUFFICIENT_FUNDS", "Insufficient funds", "INSUFFICIENT_FUNDS: Insufficient funds",
    )  # fmt: skip


def test_a_refusal_in_plain_text_has_no_code():
    refusal = error_of(400, "failed to parse parameter `limit`\n", CALL)
    assert isinstance(refusal, Rejected)
    assert (refusal.code, refusal.text) == ("", "failed to parse parameter `limit`")


@pytest.mark.parametrize("body", ["{}", '{"code": null, "message": null}', ""])
def test_a_refusal_without_a_reason_names_the_call(body):
    assert str(error_of(400, body, CALL)) == "POST /api/v1/order answered 400 without a reason"


@pytest.mark.parametrize("body, told", [
    (HTML, "POST /api/v1/order answered 502: an HTML page"),
    ("", "POST /api/v1/order answered 502: nothing"),
    (venue("SERVER_ERROR", "Oops"), "POST /api/v1/order answered 502: SERVER_ERROR: Oops"),
])  # fmt: skip
def test_an_unknown_outcome_tells_what_came(body, told):
    assert str(error_of(502, body, CALL)) == told


@pytest.mark.parametrize("status", [400, 500])
def test_a_very_long_answer_makes_a_short_message(status):
    assert len(str(error_of(status, "x" * 1_000_000, CALL))) < 1000


@pytest.mark.parametrize("body", ["[1, 2]", "17", "null", '"text"', "[" * 100_000, '{"code": 4000}', "\x00\ufffd"])
def test_any_body_of_a_400_is_a_refusal(body):
    assert isinstance(error_of(400, body, CALL), Rejected)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["code", "message", "x"]), inner),
    max_leaves=10,
)


@given(st.integers(400, 599), st.text() | JSON.map(json.dumps))
def test_every_error_answer_has_a_meaning(status, body):
    error = error_of(status, body, CALL)
    assert isinstance(error, BackpackError) and str(error)
    if status >= 500:
        assert isinstance(error, OutcomeUnknown), "whatever it says, a broken venue proves nothing"


@pytest.mark.parametrize("error, told", [
    (ClockSkew("INVALID_CLIENT_REQUEST", "Request has expired"), "clock and the exchange's differ"),
    (Rejected("FORBIDDEN", "Forbidden"), "has no permission"),
    (Rejected("INVALID_CLIENT_REQUEST", "Invalid signature"), "does not accept this key"),
    (NotSent("no connection to https://x"), "cannot be reached"),
    (OutcomeUnknown("no answer within 10 s"), "did not answer as it should"),
    (WireFormatError("capital: not JSON"), "did not answer as it should"),
])  # fmt: skip
def test_advice_for_the_person_who_entered_the_keys(error, told):
    """One sentence that says what to do, with the cause behind it."""
    sentence = advice(error)
    assert told in sentence and sentence.endswith(f"({error}).")
    assert ": " in sentence.removesuffix(f"({error}).") or ", " in sentence


@pytest.mark.parametrize(
    "kind", [NotSent, OutcomeUnknown, RateLimited, Rejected, NotFound, ClockSkew, StreamLost, WireFormatError]
)
def test_hummingbots_request_loop_lets_only_ioerrors_through(kind):
    assert issubclass(kind, IOError)


def test_a_refusal_is_not_an_unknown_outcome():
    assert not issubclass(Rejected, OutcomeUnknown) and not issubclass(OutcomeUnknown, Rejected)
    assert not issubclass(NotSent, (Rejected, OutcomeUnknown))


def test_a_lost_stream_is_a_connection_error_for_hummingbots_loops():
    assert issubclass(StreamLost, ConnectionError)
