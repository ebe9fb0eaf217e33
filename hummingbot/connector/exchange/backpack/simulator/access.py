"""Who may call: API keys, the canonical text of a request, and the check of its signature.

Written against the venue's rules with ``cryptography`` and nothing else of this project, so that a mistake in the
connector's signing cannot cancel itself out here.
"""

import base64
import binascii
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from .answers import Refused, client_error, error_answer, unparsable_parameter

DEFAULT_WINDOW_MS = 5_000
MAX_WINDOW_MS = 60_000
MAX_CLOCK_DIFFERENCE_MS = 600_000

logger = logging.getLogger(__name__)


class BadSecret(ValueError):
    """A secret that was given for an account is not the base64 text of a 32-byte seed."""


@dataclass(frozen=True, slots=True)
class SimAccount:
    """One trading account with its only API key. ``api_secret`` is the base64 text of the ED25519 seed."""

    name: str
    api_key: str
    api_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request claims: from the X- headers, or from the signature array of a SUBSCRIBE frame."""

    api_key: str
    signature: str
    timestamp_ms: int
    window_ms: int


def derived_secret(seed: int, name: str) -> str:
    """The secret of an account that was given none: the same for the same seed and name, so that a client's
    configuration survives a restart of the exchange. It guards play money only."""
    return base64.b64encode(hashlib.sha256(f"backpack simulator {seed} {name}".encode()).digest()).decode()


def public_key_of(api_secret: str) -> str:
    """The API key that belongs to a secret; raises BadSecret."""
    try:
        seed = base64.b64decode(api_secret, validate=True)
    except (binascii.Error, ValueError):
        raise BadSecret("expected a secret in base64, was other text") from None
    if len(seed) != 32:
        raise BadSecret(f"expected a secret of 32 bytes (44 characters of base64), was {len(seed)} bytes")
    return base64.b64encode(Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()).decode()


class Keyring:
    """All accounts, looked up by API key, and the verdict on a signed text."""

    def __init__(self) -> None:
        self._accounts: dict[str, SimAccount] = {}
        self._keys: dict[str, Ed25519PublicKey] = {}

    def add(self, account: SimAccount) -> None:
        self._keys[account.api_key] = Ed25519PublicKey.from_public_bytes(base64.b64decode(account.api_key))
        self._accounts[account.api_key] = account

    def account_of(self, api_key: str | None) -> SimAccount | None:
        """The owner of a key, nothing verified."""
        return self._accounts.get(api_key) if api_key is not None else None

    def verify(self, credentials: Credentials, signed_parts: str, now_ms: int) -> SimAccount:
        """The account that signed ``signed_parts`` just now; raises Refused as the venue words it.

        ``signed_parts`` is the canonical text up to, and without, the timestamp and window.
        """
        if not 0 < credentials.window_ms <= MAX_WINDOW_MS:
            raise client_error(f"Invalid window: must be at most {MAX_WINDOW_MS}")
        difference_ms = abs(now_ms - credentials.timestamp_ms)
        if difference_ms > MAX_CLOCK_DIFFERENCE_MS:
            raise client_error("Invalid timestamp: must be within 10 minutes of current time")
        if difference_ms > credentials.window_ms:
            raise client_error("Request has expired")
        _decoded(credentials.api_key, 32, "X-API-Key")
        signature = _decoded(credentials.signature, 64, "X-Signature")
        account = self.account_of(credentials.api_key)
        if account is None:
            logger.warning(
                "request with an unknown API key %s...; the venue calls this a bad signature", credentials.api_key[:6]
            )
            raise client_error("Invalid signature")
        text = f"{signed_parts}&timestamp={credentials.timestamp_ms}&window={credentials.window_ms}"
        try:
            self._keys[credentials.api_key].verify(signature, text.encode())
        except InvalidSignature:
            raise client_error("Invalid signature") from None
        return account


def credentials_of(headers: Mapping[str, str], *, optional: bool) -> Credentials:
    """Read the four headers. ``optional`` marks the calls that a web session may make too: without headers they answer
    401, the others complain about the parameter."""
    if optional and "X-API-Key" not in headers:
        raise Refused(error_answer(401, "UNAUTHORIZED", "Unauthorized"))
    values = []
    for name in ("X-API-Key", "X-Signature", "X-Timestamp"):
        value = headers.get(name)
        if value is None:
            raise unparsable_parameter(name.upper(), 'Type "string" expects an input value.')
        values.append(value)
    return Credentials(
        api_key=values[0],
        signature=values[1],
        timestamp_ms=_integer("X-TIMESTAMP", values[2]),
        window_ms=_integer("X-WINDOW", headers.get("X-Window", str(DEFAULT_WINDOW_MS))),
    )


def canonical(instruction: str, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str:
    """The signed text of a parsed request, without timestamp and window.

    ``parameters`` are the query or the top-level body keys; a sequence of them is a batch, where each element repeats
    the instruction.
    """
    if not isinstance(parameters, Mapping):
        return "&".join(canonical(instruction, element) for element in parameters)
    given = {key: value for key, value in parameters.items() if value is not None}
    if "orderId" in given:
        # The venue reads one id and lets orderId win, so whoever signed both does not match (api-doc/NOTES.md).
        given.pop("clientId", None)
    return "&".join([f"instruction={instruction}", *(f"{key}={_as_signed(given[key])}" for key in sorted(given))])


def _as_signed(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _decoded(text: str, length: int, header: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != length:
        raise client_error(f"Invalid {header} header")
    return raw


def _integer(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise unparsable_parameter(name, 'failed to parse "integer": invalid digit found in string') from None
