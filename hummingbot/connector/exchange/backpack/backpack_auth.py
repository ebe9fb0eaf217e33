"""Signing: the text the venue wants signed, and the ED25519 key that signs it (api-doc/NOTES.md, "Signatures")."""

import base64
import binascii
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec
from nacl.bindings import crypto_sign
from nacl.signing import SigningKey

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.core.web_assistant.auth import AuthBase
from hummingbot.core.web_assistant.connections.data_types import RESTRequest, WSJSONRequest, WSRequest

_INSTRUCTIONS = {
    (endpoint.method, endpoint.path): endpoint.instruction for endpoint in CONSTANTS.ENDPOINTS if endpoint.is_private
}

COPY_AGAIN = "Copy it again from where the exchange showed it."


class Clock(Protocol):
    def time(self) -> float: ...


class InvalidKeys(ValueError):
    """The API key or secret cannot work; the text says why, and never what they are."""


def signing_key(api_key: str, api_secret: str) -> SigningKey:
    """Read a key pair as Backpack hands it out: base64 of 32 bytes each.

    A secret of 64 bytes (seed, then public key) is accepted if its halves belong together.
    Raises InvalidKeys with a sentence for the person who typed it.
    """
    if not api_key.strip() or not api_secret.strip():
        given, missing = ("secret", "key") if api_secret.strip() else ("key", "secret")
        raise InvalidKeys(f"An API {given} was given without its {missing}. Enter both.")
    public = _decoded(api_key, "key", (32,))
    secret = _decoded(api_secret, "secret", (32, 64))
    key = SigningKey(secret[:32])
    derived = bytes(key.verify_key)
    if len(secret) == 64 and secret[32:] != derived:
        raise InvalidKeys(f"The API secret's two halves do not belong together. {COPY_AGAIN}")
    if derived != public:
        if bytes(SigningKey(public).verify_key) == secret[:32]:
            raise InvalidKeys("The API key and the API secret are swapped. Enter the key first, then the secret.")
        raise InvalidKeys("The API key and the API secret do not belong to each other. Enter both from one key pair.")
    return key


def signer(key: SigningKey) -> Callable[[bytes], bytes]:
    """Makes signatures of 64 bytes. Straight to libsodium: PyNaCl's objects around it are a twentieth of the time."""
    secret = bytes(key) + bytes(key.verify_key)
    return lambda text: crypto_sign(text, secret)[:64]


def _decoded(text: str, what: str, sizes: tuple[int, ...]) -> bytes:
    text = text.strip()
    with suppress(binascii.Error, ValueError):
        decoded = base64.b64decode(text, validate=True)
        if len(decoded) in sizes:
            return decoded
    if len(text) != 44:
        raise InvalidKeys(f"The API {what} should have 44 characters, it has {len(text)}. {COPY_AGAIN}")
    raise InvalidKeys(f"The API {what} is not base64 text of 32 bytes. {COPY_AGAIN}")


Parameters = Mapping[str, Any]


def canonical_text(
    instruction: str, parameters: Parameters | list[Parameters], timestamp_ms: int, window_ms: int
) -> str:
    """``instruction=..&<parameters by name>&timestamp=..&window=..``; booleans in lower case, None left out. A batch
    has the instruction and the parameters of each of its orders, one after the other."""
    fields = []
    for one in parameters if isinstance(parameters, list) else [parameters]:
        fields.append(f"instruction={instruction}")
        for name in sorted(one):
            value = one[name]
            if isinstance(value, bool):
                value = "true" if value else "false"
            if value is not None:
                fields.append(f"{name}={value}")
    return f"{'&'.join(fields)}&timestamp={timestamp_ms}&window={window_ms}"


class _Hidden(str):
    """Text for the wire alone: wherever a request is shown (a log, a traceback's values), it does not show."""

    def __repr__(self) -> str:
        return "'(hidden)'"


class BackpackAuth(AuthBase):
    """Signs private calls and the private subscription. The key is read once; without keys nothing can be signed."""

    def __init__(self, api_key: str, api_secret: str, time_provider: Clock):
        self._api_key = _Hidden(api_key.strip())
        self._sign = signer(signing_key(api_key, api_secret)) if api_key or api_secret else None
        self._clock = time_provider

    def __repr__(self) -> str:
        return f"BackpackAuth({'with' if self._sign else 'without'} keys)"

    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        path = urlsplit(request.url).path
        parameters = msgspec.json.decode(request.data) if request.data else request.params or {}
        timestamp_ms, signature = self._signed(_INSTRUCTIONS[request.method, path], parameters)
        request.headers = {
            **(request.headers or {}),
            "X-Timestamp": timestamp_ms,
            "X-Window": str(CONSTANTS.SIGNATURE_WINDOW_MS),
            "X-API-Key": self._api_key,
            "X-Signature": signature,
        }
        return request

    async def ws_authenticate(self, request: WSRequest) -> WSRequest:
        assert isinstance(request, WSJSONRequest)
        timestamp_ms, signature = self._signed(CONSTANTS.SUBSCRIBE_INSTRUCTION, {})
        window = str(CONSTANTS.SIGNATURE_WINDOW_MS)
        request.payload = {**request.payload, "signature": [self._api_key, signature, timestamp_ms, window]}
        return request

    def _signed(self, instruction: str, parameters: Parameters | list[Parameters]) -> tuple[str, str]:
        """The time in milliseconds, and the signature."""
        if self._sign is None:
            raise InvalidKeys("This needs an API key and secret: enter them with `connect`.")
        timestamp_ms = int(self._clock.time() * 1e3)
        text = canonical_text(instruction, parameters, timestamp_ms, CONSTANTS.SIGNATURE_WINDOW_MS)
        return str(timestamp_ms), _Hidden(base64.b64encode(self._sign(text.encode())).decode())
