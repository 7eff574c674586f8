"""Plain tokens: signed with one secret, and with no claim that anything depends on but the times.

Nearly everybody sends such tokens, and they are verified here in a quarter of the time that PyJWT takes. Of all others this module
says nothing at all: PyJWT decides, of those too that are refused, since it names what is wrong.
"""

from __future__ import annotations

import hmac
import json
import re
from binascii import a2b_base64, b2a_base64
from functools import lru_cache
from time import time
from typing import Any, Final

import jwt
import orjson

from flask_realtime.features.authentication.decoding import checked

_HASHES: Final = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
_LEAST_KEY_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
"""The lengths of secrets below which PyJWT warns."""

_IS_KNOWN: Final = re.match(r"2\.(?:[89]|1[0-5])\.", jwt.__version__) is not None
"""Whether this is a version of PyJWT that accepts whatever is accepted here; a later one may ask for more."""

_MAX_HEADER_LENGTH: Final = 64
_NEVER: Final = 1 << 62
_NUMBERS: Final = frozenset((int, float))
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")
_PLAIN_VALUES: Final = frozenset((str, int, bool, type(None)))
_read_json: Final[Any] = json.JSONDecoder().decode


def plain_claims(token: str, secret: Any, algorithm: str, leeway: Any) -> dict[str, Any] | None:
    """Verify a plain token and return its claims, or None if it is no plain token, or not a valid one.

    Args:
        token: The token, in ASCII.
        secret: The secret.
        algorithm: The only algorithm that tokens may name.
        leeway: Seconds by which clocks may differ.

    Raises:
        InvalidKeyError: The secret is no secret.
    """
    signed, _, signature = token.rpartition(".")
    header, _, payload = signed.partition(".")
    if not _IS_KNOWN or len(header) > _MAX_HEADER_LENGTH or not _is_plain(header, algorithm) or type(leeway) not in _NUMBERS:
        return None
    key: Any = getattr(checked(secret, (algorithm,)), "key", b"")
    if len(key) < _LEAST_KEY_BYTES[algorithm]:
        return None
    expected = _encoded(hmac.digest(key, signed.encode(), _HASHES[algorithm]))
    if not hmac.compare_digest(expected, signature.encode()):
        return None
    claims = _decoded(payload)
    return claims if claims is not None and _are_plain(claims, time(), leeway) else None


@lru_cache(maxsize=16)
def _is_plain(header: str, algorithm: str) -> bool:
    return algorithm in _HASHES and _decoded(header) == {"alg": algorithm, "typ": "JWT"}


def _are_plain(claims: dict[str, Any], now: float, leeway: float) -> bool:
    get = claims.get
    issued, begins, ends = get("iat", 0), get("nbf", 0), get("exp", _NEVER)
    return (
        type(issued) is type(begins) is type(ends) is int
        and issued <= now + leeway
        and begins <= now + leeway
        and ends > now - leeway
        and type(get("sub", "")) is type(get("jti", "")) is str
        and get("type", "access") == "access"
        and "iss" not in claims
        and "aud" not in claims
    )


def _encoded(data: bytes) -> bytes:
    return b2a_base64(data, newline=False).rstrip(b"=").translate(_TO_URL)


def _decoded(segment: str) -> dict[str, Any] | None:
    """Return the object in a part of a token, or None if it is not written as it should be."""
    try:
        written = segment.encode()
        data = a2b_base64(written.translate(_FROM_URL) + b"=" * (-len(written) % 4))
        # Other bytes may be JSON in UTF-16 or UTF-32.
        if data[:2] != b'{"' or _encoded(data) != written:
            return None
        value: dict[str, Any] = orjson.loads(data)
        # orjson makes a float of an integer of more than 64 bits.
        return value if _PLAIN_VALUES.issuperset(map(type, value.values())) else _read_json(data.decode())
    except (ValueError, RecursionError):
        return None
