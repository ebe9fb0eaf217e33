"""Signatures: published vectors, and what a request carries, verified with another library than the one that signs."""

import base64
import json
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack.backpack_auth import (
    BackpackAuth,
    InvalidKeys,
    canonical_text,
    signer,
    signing_key,
)
from hummingbot.connector.exchange.backpack.wire import subscribe
from hummingbot.core.web_assistant.connections.data_types import RESTMethod, RESTRequest, WSJSONRequest

SEED = bytes(range(32))
SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
KEY = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
TIME_MS = 1750793021519
ORDER = {"orderType": "Limit", "side": "Bid", "symbol": "SOL_USDC_PERP"}


def clock(time_s: float = TIME_MS / 1000 + 0.0001) -> Any:
    return SimpleNamespace(time=lambda: time_s)


def verify(signature: str, text: str) -> None:
    Ed25519PublicKey.from_public_bytes(base64.b64decode(KEY)).verify(base64.b64decode(signature), text.encode())


# -- vectors: made with one library, verified with another, from the seed 0..31 ---------------------------------------

VECTORS = {
    "GET capital": (
        "balanceQuery", {}, 5000,
        "instruction=balanceQuery&timestamp=1750793021519&window=5000",
        "a4gmR8Xzxq4kesPQPh+39Xb0N8FwQHErhW0+IqFZwB16ABD3p1x0BQdEvhLGYJ5A22WNBDqY0y+j7dyg1MURBw==",
    ),
    "GET fills": (
        "fillHistoryQueryAll",
        {"to": "1750793021519", "symbol": "SOL_USDC_PERP", "sortDirection": "Desc", "offset": "0", "limit": "100",
         "from": "1750000000000"},
        5000,
        "instruction=fillHistoryQueryAll&from=1750000000000&limit=100&offset=0&sortDirection=Desc"
        "&symbol=SOL_USDC_PERP&to=1750793021519&timestamp=1750793021519&window=5000",
        "jnng8cQ8nDJEXMn4UMoyUsnsbZZbCWUcE3CbaBqiuS80ffGEgTuf4Bhv2KiRuGIm5Z/zMDXlNGbxp6OvQcrKCg==",
    ),
    "POST order": (
        "orderExecute",
        {**ORDER, "timeInForce": "GTC", "quantity": "12", "price": "141.25", "postOnly": True, "reduceOnly": False,
         "clientId": 4294967295, "selfTradePrevention": "RejectTaker"},
        60000,
        "instruction=orderExecute&clientId=4294967295&orderType=Limit&postOnly=true&price=141.25&quantity=12"
        "&reduceOnly=false&selfTradePrevention=RejectTaker&side=Bid&symbol=SOL_USDC_PERP&timeInForce=GTC"
        "&timestamp=1750793021519&window=60000",
        "aIKl+j19ZnGsxQCbU5HkFwLFQydKNfSkJsLc1ITuWjjzyHAxoQ3kOXYIq2QnBO8fB2vQESKfJaA10TKH40EyCQ==",
    ),
    "DELETE order": (
        "orderCancel", {"symbol": "SOL_USDC", "orderId": "8284661092"}, 5000,
        "instruction=orderCancel&orderId=8284661092&symbol=SOL_USDC&timestamp=1750793021519&window=5000",
        "g3a1jSCoO3uuAggiXP0ILrm7qX7CE75zcru9L0kmGULQ7Tt4NRP6RoLeJoqiusqLHGf7Fv4e4AzHgmUGN+jzDg==",
    ),
    "subscribe": (
        "subscribe", {}, 5000,
        "instruction=subscribe&timestamp=1750793021519&window=5000",
        "DEytVjBPUJPNGqMWhoFrRnsyaD9AgpeWqvS9jRrnNbGUKyTLfEas10Q5EZ3KjJWU9PxVsfKDqd+oM0GEuFiCAA==",
    ),
    "PATCH account": (
        "accountUpdate", {"leverageLimit": "10"}, 5000,
        "instruction=accountUpdate&leverageLimit=10&timestamp=1750793021519&window=5000",
        "CszOXP2FXwzeA29ACr9fX5kMGDg9EJOmMaNIljbKcHV4Grq8IxK4AsycH4uTn2U2tBi4fMuPfxznrWLPsaZWAQ==",
    ),
    "POST orders": (
        "orderExecute",
        [{**ORDER, "price": "141", "quantity": "12"}, {**ORDER, "price": "140", "quantity": "11"}],
        5000,
        "instruction=orderExecute&orderType=Limit&price=141&quantity=12&side=Bid&symbol=SOL_USDC_PERP"
        "&instruction=orderExecute&orderType=Limit&price=140&quantity=11&side=Bid&symbol=SOL_USDC_PERP"
        "&timestamp=1750793021519&window=5000",
        "/RiVIEmATq6bDKSR8I9tEY3qY/MRt45Y5/Wi4mKYjt3SaqoLFfOiYrYNRddqSXfrcDdY/b0n3duPew5JKrn/CA==",
    ),
}  # fmt: skip


@pytest.mark.parametrize("instruction, parameters, window_ms, text, signature", VECTORS.values(), ids=VECTORS)
def test_vectors(instruction, parameters, window_ms, text, signature):
    assert canonical_text(instruction, parameters, TIME_MS, window_ms) == text
    assert base64.b64encode(signer(signing_key(KEY, SECRET))(text.encode())).decode() == signature


@pytest.mark.parametrize("parameters, text", [
    pytest.param({"postOnly": True, "autoLend": False}, "autoLend=false&postOnly=true", id="booleans"),
    pytest.param({"a": "True"}, "a=True", id="a text that looks like one"),
    pytest.param({"a": None, "b": 1}, "b=1", id="absent values are left out"),
    pytest.param({"b": "2", "a": "1", "B": "3"}, "B=3&a=1&b=2", id="keys by ASCII"),
    pytest.param({"clientId": 7, "orderId": "7"}, "clientId=7&orderId=7", id="numbers and text look alike"),
])  # fmt: skip
def test_canonical_text(parameters, text):
    assert canonical_text("x", parameters, 1, 2) == f"instruction=x&{text}&timestamp=1&window=2"


@given(st.permutations([*ORDER.items(), ("clientId", 7), ("postOnly", True)]))
def test_the_order_of_keys_does_not_matter(items):
    assert canonical_text("x", dict(items), 1, 2) == canonical_text("x", dict(sorted(items)), 1, 2)


# -- requests ---------------------------------------------------------------------------------------------------------

PRIVATE = [endpoint for endpoint in CONSTANTS.ENDPOINTS if endpoint.is_private]


@pytest.mark.parametrize("endpoint", PRIVATE, ids=lambda endpoint: endpoint.limit_id)
async def test_a_private_request(endpoint):
    """GET signs its query, the others their body, each under the instruction of its call."""
    parameters = {"symbol": "SOL_USDC", "postOnly": True, "clientId": 7}
    text = "clientId=7&postOnly=true&symbol=SOL_USDC"
    if endpoint.method is RESTMethod.GET:
        parameters, text = {"symbol": "SOL_USDC", "limit": "5"}, "limit=5&symbol=SOL_USDC"
        carried = {"params": parameters}
    else:
        carried = {"data": json.dumps(parameters)}
    request = RESTRequest(
        method=endpoint.method, url=f"https://example.com{endpoint.path}", headers={"Content-Type": "x"}, **carried
    )
    headers = (await BackpackAuth(KEY, SECRET, clock()).rest_authenticate(request)).headers
    assert headers["Content-Type"] == "x", "what was there stays"
    assert headers["X-API-Key"] == KEY
    assert (headers["X-Timestamp"], headers["X-Window"]) == (str(TIME_MS), "5000")
    signed = f"instruction={endpoint.instruction}&{text}&timestamp={TIME_MS}&window=5000"
    verify(headers["X-Signature"], signed)


async def test_a_request_without_parameters():
    request = RESTRequest(method=RESTMethod.GET, url="https://example.com/api/v1/capital")
    headers = (await BackpackAuth(KEY, SECRET, clock()).rest_authenticate(request)).headers
    assert headers["X-Signature"] == VECTORS["GET capital"][-1]


async def test_the_private_subscription():
    request = WSJSONRequest(payload=subscribe(["account.orderUpdate"]))
    sent = (await BackpackAuth(KEY, SECRET, clock()).ws_authenticate(request)).payload
    assert sent == {
        "method": "SUBSCRIBE", "params": ["account.orderUpdate"],
        "signature": [KEY, VECTORS["subscribe"][-1], str(TIME_MS), "5000"],
    }  # fmt: skip


async def test_without_keys_nothing_is_signed():
    auth = BackpackAuth("", "", clock())
    with pytest.raises(InvalidKeys, match="enter them with `connect`"):
        await auth.rest_authenticate(RESTRequest(method=RESTMethod.GET, url="https://x/api/v1/capital"))
    with pytest.raises(InvalidKeys, match="enter them with `connect`"):
        await auth.ws_authenticate(WSJSONRequest(payload={}))


# -- keys -------------------------------------------------------------------------------------------------------------

LONG_SECRET = base64.b64encode(SEED + base64.b64decode(KEY)).decode()
OTHER_SEED = bytes(reversed(SEED))
OTHER_KEY = base64.b64encode(Ed25519PrivateKey.from_private_bytes(OTHER_SEED).public_key().public_bytes_raw()).decode()
HALVES_APART = base64.b64encode(SEED + base64.b64decode(OTHER_KEY)).decode()


@pytest.mark.parametrize("key, secret", [
    pytest.param(KEY, SECRET, id="32 bytes each"),
    pytest.param(KEY, LONG_SECRET, id="64 bytes: seed, then key"),
    pytest.param(f" {KEY}\n", f"\t{SECRET} ", id="blanks from copying"),
])  # fmt: skip
def test_good_keys(key, secret):
    assert bytes(signing_key(key, secret).verify_key) == base64.b64decode(KEY)


def in_hex(text: str) -> str:
    return base64.b64decode(text).hex()


BAD_KEYS = {
    "no secret": (KEY, "", "An API key was given without its secret"),
    "no key": ("", SECRET, "An API secret was given without its key"),
    "a blank for a secret": (KEY, "  ", "An API key was given without its secret"),
    "key too short": (KEY[:40], SECRET, "key should have 44 characters, it has 40"),
    "secret too short": (KEY, SECRET[:40], "secret should have 44 characters, it has 40"),
    "secret too long": (KEY, base64.b64encode(SEED + SEED[:1]).decode(), "secret is not base64 text of 32 bytes"),
    "key in hex": (in_hex(KEY), SECRET, "key should have 44 characters, it has 64"),
    "secret in hex": (KEY, in_hex(SECRET), "secret should have 44 characters, it has 64"),
    "key not base64": (KEY[:-1] + "!", SECRET, "key is not base64"),
    "secret not base64": (KEY, SECRET[:-1] + "*", "secret is not base64"),
    "secret without its last character": (KEY, SECRET[:-1], "secret should have 44 characters, it has 43"),
    "letters of another alphabet": (KEY, "ключ" * 11, "secret is not base64"),
    "swapped": (SECRET, KEY, "swapped"),
    "of two pairs": (OTHER_KEY, SECRET, "do not belong to each other"),
    "64 bytes whose halves differ": (KEY, HALVES_APART, "two halves do not belong together"),
    "64 bytes of another pair": (OTHER_KEY, LONG_SECRET, "do not belong to each other"),
}  # fmt: skip


@pytest.mark.parametrize("key, secret, sentence", BAD_KEYS.values(), ids=BAD_KEYS)
def test_bad_keys_are_refused_at_once_in_a_sentence(key, secret, sentence):
    with pytest.raises(InvalidKeys, match=sentence) as refusal:
        BackpackAuth(key, secret, clock())
    assert str(refusal.value).endswith(".") and len(str(refusal.value)) < 120


@pytest.mark.parametrize("key, secret, sentence", BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_refusal_does_not_tell_the_keys(key, secret, sentence):
    with pytest.raises(InvalidKeys) as refusal:
        signing_key(key, secret)
    chain = [refusal.value, refusal.value.__cause__]
    told = " ".join(str(error) for error in chain if error is not None)
    assert no_piece_of(key, told) and no_piece_of(secret, told)
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


def no_piece_of(secret: str, told: str) -> bool:
    return not any(secret[start : start + 10] in told for start in range(len(secret) - 9))


async def test_repr_does_not_tell_the_keys():
    auth = BackpackAuth(KEY, SECRET, clock())
    for told in (repr(auth), str(auth), repr(auth._sign)):
        assert no_piece_of(SECRET, told) and no_piece_of(in_hex(SECRET), told) and no_piece_of(repr(SEED), told)
    assert repr(auth) == "BackpackAuth(with keys)"
    assert repr(BackpackAuth("", "", clock())) == "BackpackAuth(without keys)"
