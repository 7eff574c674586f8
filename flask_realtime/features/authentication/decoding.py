"""Decoder of JSON Web Tokens: PyJWT, without the two checks that it repeats for each token in Python.

PyJWT refuses a secret that is really a public key, a certificate or a JSON Web Key. To find out, it tries to read it as each of
them, for each token; here this is done once for each secret. And it looks at each character of a token by itself; here a regular
expression does. Everything else is PyJWT's own code, and it decides about whatever is not accepted here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import jwt
from jwt.algorithms import HMACAlgorithm
from jwt.api_jws import PyJWS
from jwt.utils import base64url_decode, base64url_encode, force_bytes

_HASHES: Final = {"HS256": HMACAlgorithm.SHA256, "HS384": HMACAlgorithm.SHA384, "HS512": HMACAlgorithm.SHA512}
_SEGMENT: Final = re.compile(rb"[A-Za-z0-9_-]*")
_PROBE: Final = "0" * 64


class _Signatures(PyJWS):
    @staticmethod
    def _decode_base64url_segment(segment: bytes, name: str) -> bytes:
        if _SEGMENT.fullmatch(segment) is not None and len(segment) % 4 != 1:
            decoded = base64url_decode(segment)
            if base64url_encode(decoded) == segment:
                return decoded
        return PyJWS._decode_base64url_segment(segment, name)  # noqa: SLF001 - it says what is wrong


class _Tokens(jwt.PyJWT):
    def __init__(self) -> None:
        super().__init__()
        self._jws = _Signatures(options=self._get_sig_options())


decode: Final = _Tokens().decode
"""Verifies a token and returns its claims, as `jwt.decode` does."""


def checked(secret: Any, algorithms: Sequence[str]) -> Any:
    """Return a secret as a key that is not checked again, or itself if tokens may name another algorithm than one of HMAC.

    Args:
        secret: The secret, or public key.
        algorithms: The algorithms that tokens may name.

    Raises:
        InvalidKeyError: The secret is no secret.
    """
    if len(algorithms) == 1 and algorithms[0] in _HASHES and isinstance(secret, (str, bytes)):
        return _key(secret, algorithms[0])
    return secret


def works() -> bool:
    """Return whether PyJWT is a version that can be used like this."""
    try:
        return decode(jwt.encode({}, _PROBE, "HS256"), _key(_PROBE, "HS256"), algorithms=["HS256"]) == {}
    except Exception:  # noqa: BLE001 - whatever another version makes of it
        return False


class _CheckedHMAC(HMACAlgorithm):
    def prepare_key(self, key: str | bytes) -> bytes:
        return force_bytes(key)


@lru_cache(maxsize=8)
def _key(secret: str | bytes, algorithm: str) -> jwt.PyJWK:
    encoded = base64url_encode(force_bytes(secret)).decode()
    key = jwt.PyJWK({"kty": "oct", "k": encoded}, algorithm)
    key.Algorithm.prepare_key(key.key)
    key.Algorithm = _CheckedHMAC(_HASHES[algorithm])
    return key
