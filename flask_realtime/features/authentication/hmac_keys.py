"""HMAC keys whose secret is checked once, rather than for each token.

PyJWT refuses a secret that is really a public key, a certificate or a JSON Web Key. To find out, it tries to read it as each of
them, which is a third of the cost of verifying a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import jwt
from jwt.algorithms import HMACAlgorithm
from jwt.utils import base64url_encode, force_bytes

_HASHES: Final = {"HS256": HMACAlgorithm.SHA256, "HS384": HMACAlgorithm.SHA384, "HS512": HMACAlgorithm.SHA512}
_PROBE: Final = "0" * 64


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


def takes_checked_keys() -> bool:
    """Return whether PyJWT verifies tokens by such keys."""
    try:
        return jwt.decode(jwt.encode({}, _PROBE, "HS256"), _key(_PROBE, "HS256"), algorithms=["HS256"]) == {}
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
