"""Verifies tokens with Flask-JWT-Extended's internal functions, at a quarter of the cost of its public one.

`verify_jwt_in_request` decodes a token four times, and needs a request. Here it is decoded once, and there is a request only
if the application has loaders of its own, which may use it. The functions are not public: importing this module
fails if they differ from what it expects, and then `verify_in_request` is used. Plain tokens need not even these; see
`plain_tokens`. Nothing about a token is cached.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from inspect import signature
from typing import Any, Final

import jwt
from flask import Flask
from flask_jwt_extended import JWTManager, __version__
from flask_jwt_extended.config import config
from flask_jwt_extended.default_callbacks import (
    default_blocklist_callback,
    default_decode_key_callback,
    default_token_verification_callback,
)
from flask_jwt_extended.exceptions import JWTDecodeError
from flask_jwt_extended.internal_utils import custom_verification_for_token, verify_token_not_blocklisted, verify_token_type
from flask_jwt_extended.tokens import _decode_jwt
from flask_jwt_extended.view_decorators import _load_user
from jwt.utils import base64url_decode

from flask_realtime.features.authentication.decoding import checked, decode, works
from flask_realtime.features.authentication.plain_tokens import plain_claims
from flask_realtime.features.authentication.tokens import EXTENSION, Verified, request_context, verify_in_request

_KNOWN_VERSIONS: Final = "4.7."
_KNOWN_PARAMETERS: Final = frozenset(
    (
        *("algorithms", "allow_expired", "audience", "csrf_value", "encoded_token", "identity_claim_key"),
        *("issuer", "leeway", "secret", "verify_aud", "verify_sub"),
    )
)
_DEFAULT_CLAIMS: Final = {"type": "access", "fresh": False, "jti": None}
"""The claims that a token may lack, as `_decode_jwt` adds them."""

_DEFAULTS: Final = {
    "_decode_key_callback": default_decode_key_callback,
    "_token_in_blocklist_callback": default_blocklist_callback,
    "_token_verification_callback": default_token_verification_callback,
    "_user_lookup_callback": None,
}

if (
    not __version__.startswith(_KNOWN_VERSIONS)
    or signature(_decode_jwt).parameters.keys() != _KNOWN_PARAMETERS
    or not _DEFAULTS.items() <= vars(JWTManager()).items()
    or not works()
):
    msg = "Flask-JWT-Extended or PyJWT has changed"
    raise ImportError(msg)


def verify(app: Flask, token: str, environ: Mapping[str, Any]) -> Verified:
    """Verify a token, with the same result as `verify_in_request`."""
    manager = app.extensions[EXTENSION]
    if type(manager) is not JWTManager:
        return verify_in_request(app, token, environ)  # A class of the application's own may do anything.
    try:
        return _verify(app, manager, token, environ)
    except jwt.PyJWTError:
        return verify_in_request(app, token, environ)  # Of all that is wrong with a token, it names what it finds first.


def _verify(app: Flask, manager: JWTManager, token: str, environ: Mapping[str, Any]) -> Verified:
    claims = _plain(app, token) if manager._decode_key_callback is default_decode_key_callback else None  # noqa: SLF001 - as below
    if _DEFAULTS.items() <= vars(manager).items():
        if claims is not None:
            return Verified(claims, None)
        with app.app_context():
            return Verified(_decode(manager, token), None)
    with request_context(app, token, environ):
        return _verify_with_loaders(token, _decode(manager, token) if claims is None else claims)


def _plain(app: Flask, token: str) -> dict[str, Any] | None:
    """Verify a token for which only the settings matter that nearly every application has; None for any other."""
    setting = app.config.get
    if setting("JWT_DECODE_ALGORITHMS") or setting("JWT_DECODE_AUDIENCE") is not None or setting("JWT_DECODE_ISSUER") is not None:
        return None
    secret = setting("JWT_SECRET_KEY") or setting("SECRET_KEY")
    claims = plain_claims(token, secret, setting("JWT_ALGORITHM", ""), setting("JWT_DECODE_LEEWAY"))
    return None if claims is None or setting("JWT_IDENTITY_CLAIM") not in claims else {**_DEFAULT_CLAIMS, **claims}


def _verify_with_loaders(token: str, claims: dict[str, Any]) -> Verified:
    header = json.loads(base64url_decode(token.partition(".")[0]))
    verify_token_not_blocklisted(header, claims)
    custom_verification_for_token(header, claims)
    loaded = _load_user(header, claims)
    return Verified(claims, None if loaded is None else loaded["loaded_user"])


def _decode(manager: JWTManager, token: str) -> dict[str, Any]:
    algorithms = config.decode_algorithms
    claims = decode(
        token,
        checked(_key(manager, token), algorithms),
        algorithms=algorithms,
        audience=config.decode_audience,
        issuer=config.decode_issuer,
        leeway=config.leeway,
        options={"verify_aud": config.decode_audience is not None, "verify_sub": config.verify_sub},
    )
    if config.identity_claim_key not in claims:
        msg = f"Missing claim: {config.identity_claim_key}"
        raise JWTDecodeError(msg)
    claims = {**_DEFAULT_CLAIMS, **claims}
    verify_token_type(claims, refresh=False)
    return claims


def _key(manager: JWTManager, token: str) -> Any:
    loader = manager._decode_key_callback  # noqa: SLF001 - there is no other way to it
    if loader is default_decode_key_callback:
        return config.decode_key
    unverified = jwt.decode_complete(token, algorithms=config.decode_algorithms, options={"verify_signature": False})
    return loader(unverified["header"], unverified["payload"])
