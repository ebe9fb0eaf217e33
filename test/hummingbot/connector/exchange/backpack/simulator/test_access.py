"""Signatures, timestamps and windows, as rows."""

import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.simulator.access import (
    BadSecret,
    Credentials,
    Keyring,
    SimAccount,
    canonical,
    derived_secret,
    public_key_of,
)
from hummingbot.connector.exchange.backpack.simulator.answers import Refused
from test.hummingbot.connector.exchange.backpack.simulator.trader import INSTRUCTIONS, Trader, signature, signed_text

# Vectors made with `cryptography` and verified with PyNaCl: the seed is the bytes 0 to 31.
SECRET = base64.b64encode(bytes(range(32))).decode()
API_KEY = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
AT_MS = 1_750_793_021_519

VECTORS = [
    pytest.param(
        "balanceQuery", {}, 5_000,
        "a4gmR8Xzxq4kesPQPh+39Xb0N8FwQHErhW0+IqFZwB16ABD3p1x0BQdEvhLGYJ5A22WNBDqY0y+j7dyg1MURBw==",
        id="no parameters",
    ),
    pytest.param(
        "fillHistoryQueryAll",
        {"to": "1750793021519", "from": "1750000000000", "limit": "100", "offset": "0", "sortDirection": "Desc",
         "symbol": "SOL_USDC_PERP"}, 5_000,
        "jnng8cQ8nDJEXMn4UMoyUsnsbZZbCWUcE3CbaBqiuS80ffGEgTuf4Bhv2KiRuGIm5Z/zMDXlNGbxp6OvQcrKCg==",
        id="a query, out of order",
    ),
    pytest.param(
        "orderExecute",
        {"symbol": "SOL_USDC_PERP", "side": "Bid", "orderType": "Limit", "price": "141.25", "quantity": "12",
         "clientId": 4294967295, "postOnly": True, "reduceOnly": False, "selfTradePrevention": "RejectTaker",
         "timeInForce": "GTC"}, 60_000,
        "aIKl+j19ZnGsxQCbU5HkFwLFQydKNfSkJsLc1ITuWjjzyHAxoQ3kOXYIq2QnBO8fB2vQESKfJaA10TKH40EyCQ==",
        id="a body with a number and booleans",
    ),
    pytest.param(
        "orderCancel", {"orderId": "8284661092", "symbol": "SOL_USDC"}, 5_000,
        "g3a1jSCoO3uuAggiXP0ILrm7qX7CE75zcru9L0kmGULQ7Tt4NRP6RoLeJoqiusqLHGf7Fv4e4AzHgmUGN+jzDg==",
        id="the body of a DELETE",
    ),
    pytest.param(
        "orderExecute",
        [{"orderType": "Limit", "price": "141", "quantity": "12", "side": "Bid", "symbol": "SOL_USDC_PERP"},
         {"orderType": "Limit", "price": "140", "quantity": "11", "side": "Bid", "symbol": "SOL_USDC_PERP"}], 5_000,
        "/RiVIEmATq6bDKSR8I9tEY3qY/MRt45Y5/Wi4mKYjt3SaqoLFfOiYrYNRddqSXfrcDdY/b0n3duPew5JKrn/CA==",
        id="a batch",
    ),
    pytest.param(
        "subscribe", {}, 5_000,
        "DEytVjBPUJPNGqMWhoFrRnsyaD9AgpeWqvS9jRrnNbGUKyTLfEas10Q5EZ3KjJWU9PxVsfKDqd+oM0GEuFiCAA==",
        id="a websocket subscription",
    ),
    pytest.param(
        "accountUpdate", {"leverageLimit": "10"}, 5_000,
        "CszOXP2FXwzeA29ACr9fX5kMGDg9EJOmMaNIljbKcHV4Grq8IxK4AsycH4uTn2U2tBi4fMuPfxznrWLPsaZWAQ==",
        id="the body of a PATCH",
    ),
]  # fmt: skip


@pytest.fixture
def keyring() -> Keyring:
    keyring = Keyring()
    keyring.add(SimAccount("vectors", API_KEY, SECRET))
    return keyring


def test_the_key_belongs_to_the_seed() -> None:
    assert public_key_of(SECRET) == API_KEY


@pytest.mark.parametrize("instruction, values, window_ms, signed", VECTORS)
def test_vectors_verify(keyring: Keyring, instruction, values, window_ms, signed) -> None:
    credentials = Credentials(API_KEY, signed, AT_MS, window_ms)
    assert keyring.verify(credentials, canonical(instruction, values), AT_MS).name == "vectors"


@pytest.mark.parametrize("instruction, values, window_ms, signed", VECTORS)
def test_vectors_fail_for_another_instruction(keyring: Keyring, instruction, values, window_ms, signed) -> None:
    with pytest.raises(Refused, match="Invalid signature"):
        keyring.verify(Credentials(API_KEY, signed, AT_MS, window_ms), canonical("orderCancelAll", values), AT_MS)


@pytest.mark.parametrize(
    "now_ms, window_ms, complaint",
    [
        pytest.param(AT_MS + 5_000, 5_000, None, id="at the end of the window"),
        pytest.param(AT_MS + 5_001, 5_000, "Request has expired", id="a millisecond late"),
        pytest.param(AT_MS - 5_001, 5_000, "Request has expired", id="from the future"),
        pytest.param(AT_MS + 59_000, 60_000, None, id="a long window"),
        pytest.param(
            AT_MS + 600_001, 60_000, "Invalid timestamp: must be within 10 minutes of current time", id="far off"
        ),
        pytest.param(AT_MS, 60_001, "Invalid window: must be at most 60000", id="window too long"),
        pytest.param(AT_MS, 0, "Invalid window: must be at most 60000", id="no window"),
    ],
)
def test_timestamps(keyring: Keyring, now_ms: int, window_ms: int, complaint: str | None) -> None:
    text = f"{canonical('balanceQuery', {})}&timestamp={AT_MS}&window={window_ms}"
    credentials = Credentials(API_KEY, signature(SECRET, text), AT_MS, window_ms)
    if complaint is None:
        keyring.verify(credentials, "instruction=balanceQuery", now_ms)
    else:
        with pytest.raises(Refused) as refused:
            keyring.verify(credentials, "instruction=balanceQuery", now_ms)
        assert refused.value.answer.status == 400
        assert complaint in refused.value.answer.body.decode()


values = st.dictionaries(
    st.text("abcdefghXYZ", min_size=1, max_size=8),
    st.booleans() | st.integers(0, 2**32 - 1) | st.text("abc0123456789._%&= é", max_size=12),
    max_size=6,
)


@given(values | st.lists(values, min_size=1, max_size=3))
def test_both_sides_write_the_same_text(values) -> None:
    """The test client and the exchange build the text apart from each other."""
    assert canonical("orderExecute", values) == signed_text("orderExecute", values)


def test_absent_values_are_not_signed() -> None:
    assert canonical("orderExecute", {"price": None, "side": "Bid"}) == "instruction=orderExecute&side=Bid"


@pytest.mark.parametrize(
    "secret, complaint",
    [
        pytest.param("not base64!", "expected a secret in base64", id="not base64"),
        pytest.param(base64.b64encode(bytes(31)).decode(), "was 31 bytes", id="too short"),
        pytest.param(base64.b64encode(bytes(64)).decode(), "was 64 bytes", id="seed and public key together"),
    ],
)
def test_bad_secrets(secret: str, complaint: str) -> None:
    with pytest.raises(BadSecret, match=complaint):
        public_key_of(secret)


def test_derived_secrets_differ_by_seed_and_name_and_stay() -> None:
    assert derived_secret(7, "alice") == derived_secret(7, "alice")
    assert len({derived_secret(7, "alice"), derived_secret(8, "alice"), derived_secret(7, "bob")}) == 3


def test_a_secret_is_not_shown_by_accident() -> None:
    assert SECRET not in repr(SimAccount("a", API_KEY, SECRET))


# Over HTTP


async def test_headers_and_their_complaints(alice: Trader) -> None:
    good = alice.headers("balanceQuery", {})
    junk = base64.b64encode(os.urandom(64)).decode()
    rows = [
        ({"X-Signature": junk}, 400, "Invalid signature"),
        ({"X-Signature": "junk"}, 400, "Invalid X-Signature header"),
        ({"X-API-Key": "junk"}, 400, "Invalid X-API-Key header"),
        ({"X-API-Key": API_KEY}, 400, "Invalid signature"),
        ({"X-Timestamp": str(int(good["X-Timestamp"]) - 6_000)}, 400, "Request has expired"),
    ]
    for change, status, message in rows:
        reply = await alice.send("GET", "/api/v1/capital", headers=good | change)
        assert reply.error == (status, "INVALID_CLIENT_REQUEST", message), change
    reply = await alice.send("GET", "/api/v1/capital", headers=good | {"X-Timestamp": "soon"})
    assert (reply.status, reply.text.split(":")[0]) == (400, "failed to parse parameter `X-TIMESTAMP`")
    assert reply.headers["Content-Type"].startswith("text/plain")


async def test_without_headers(alice: Trader) -> None:
    reply = await alice.send("GET", "/api/v1/capital")
    assert (reply.status, reply.text) == (
        400, 'failed to parse parameter `X-API-KEY`: Type "string" expects an input value.',
    )  # fmt: skip
    assert (await alice.send("GET", "/wapi/v1/history/fills")).error == (401, "UNAUTHORIZED", "Unauthorized")


async def test_the_window_header_may_be_left_out_but_is_signed(alice: Trader) -> None:
    headers = alice.headers("balanceQuery", {})
    del headers["X-Window"]
    assert (await alice.send("GET", "/api/v1/capital", headers=headers)).status == 200


async def test_every_private_call_wants_a_signature(alice: Trader) -> None:
    for method, path in INSTRUCTIONS:
        body = "[]" if path == "/api/v1/orders" and method == "POST" else "{}"
        headers = alice.headers("anotherInstruction", {})
        reply = await alice.send(method, path, headers=headers, raw=None if method == "GET" else body)
        assert reply.error == (400, "INVALID_CLIENT_REQUEST", "Invalid signature"), (method, path)


async def test_both_ids_together_do_not_verify(alice: Trader) -> None:
    order = (await alice.order("Bid", "100", "1", clientId=9)).json
    both = {"symbol": "SOL_USDC", "orderId": order["id"], "clientId": 9}
    assert (await alice.get("/api/v1/order", **both)).error == (400, "INVALID_CLIENT_REQUEST", "Invalid signature")
    assert (await alice.delete("/api/v1/order", **both)).error[2] == "Invalid signature"


async def test_the_skewed_clock_judges(alice: Trader) -> None:
    headers = alice.headers("balanceQuery", {})
    alice.sim.clock.skew_us = 30_000_000
    reply = await alice.send("GET", "/api/v1/capital", headers=headers)
    assert reply.error == (400, "INVALID_CLIENT_REQUEST", "Request has expired")
    assert (await alice.get("/api/v1/capital")).status == 200, "signed by the time that /time tells"
