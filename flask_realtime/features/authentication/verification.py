"""Verification of a connection's token, by Flask-JWT-Extended's own rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

import jwt
from flask import Flask
from flask_jwt_extended.exceptions import JWTExtendedException, RevokedTokenError, UserLookupError, WrongTokenError
from jwt.utils import base64url_decode

from flask_realtime.contract.ids import parse_id
from flask_realtime.errors import ConfigError, ConnectionRefused, InvalidId
from flask_realtime.features.authentication.events import LATEST
from flask_realtime.features.authentication.tokens import EXTENSION, verify_in_request
from flask_realtime.identity import Identity

try:
    from flask_realtime.features.authentication.quick_tokens import verify
except ImportError:
    verify = verify_in_request

_BEARER = "bearer "
_MAX_TOKEN_LENGTH = 8192

# The first class that fits counts: PyJWT's InvalidSignatureError, for one, is a DecodeError.
_REFUSALS: Final[tuple[tuple[type[Exception], str, str], ...]] = (
    (jwt.ExpiredSignatureError, "token_expired", "The token has expired; log in again or refresh it"),
    (jwt.ImmatureSignatureError, "token_not_yet_valid", "The token is not valid yet"),
    (jwt.InvalidSignatureError, "token_invalid", "The token's signature is wrong"),
    (jwt.DecodeError, "token_malformed", "The token is not a JSON Web Token"),
    (jwt.PyJWTError, "token_invalid", "The token is not one that this server accepts"),
    (RevokedTokenError, "token_revoked", "The token has been revoked; log in again"),
    (WrongTokenError, "token_not_access", "The token is not an access token"),
    (UserLookupError, "user_unknown", "The token's user is not known"),
    (JWTExtendedException, "token_invalid", "The token is not one that this server accepts"),
)

_REFUSED: Final = tuple(kind for kind, _, _ in _REFUSALS)


def find_token(auth: object, environ: Mapping[str, Any]) -> str:
    """Return the token that a client sent: in `auth.token`, else in the `Authorization` header.

    Args:
        auth: The payload of the CONNECT packet; anything.
        environ: The WSGI environment of the handshake.

    Raises:
        ConnectionRefused: There is no token, or it is malformed.
    """
    if auth is not None and not isinstance(auth, Mapping):
        raise malformed("auth must be an object with the token in it: { token: '...' }")
    token = auth.get("token") if auth is not None else None
    if token is None or token == "":
        return _header_token(str(environ.get("HTTP_AUTHORIZATION", "")).strip())
    if not isinstance(token, str):
        raise malformed("auth.token must be a string")
    if token.lower().startswith(_BEARER):
        raise malformed("auth.token must be just the token: leave out the 'Bearer ' before it")
    return _plausible(token)


def _header_token(header: str) -> str:
    if header.lower().startswith(_BEARER):
        header = header[len(_BEARER) :].strip()
    if not header:
        msg = "No token was sent; pass it as auth: { token } or in the Authorization header"
        raise ConnectionRefused(msg, code="token_missing")
    return _plausible(header)


def _plausible(token: str) -> str:
    # White space and commas would change how the header is split further on.
    if len(token) > _MAX_TOKEN_LENGTH or not token.isascii() or not token.isprintable() or " " in token or "," in token:
        raise malformed("The token is not a JSON Web Token")
    return token


def malformed(message: str) -> ConnectionRefused:
    """Return the refusal of a malformed token."""
    return ConnectionRefused(message, code="token_malformed")


class Authenticated(NamedTuple):
    """The result of authentication.

    Args:
        identity: The identity of the user.
        token_header: Its header; tokens with the same header share it.
    """

    identity: Identity
    token_header: Mapping[str, Any]


def authenticate(app: Flask, auth: object, environ: Mapping[str, Any]) -> Authenticated:
    """Return the identity behind a connection attempt.

    Flask-JWT-Extended verifies the token, so that its whole configuration applies: algorithms, issuer, audience, leeway, the
    blocklist loader and the user lookup loader.

    Args:
        app: The Flask application.
        auth: The payload of the CONNECT packet.
        environ: The WSGI environment of the handshake.

    Raises:
        ConnectionRefused: The token is not accepted; the code says why.
    """
    token = find_token(auth, environ)
    if EXTENSION not in app.extensions:
        msg = "Flask-JWT-Extended is not set up on this application. Did you forget JWTManager(app)?"
        raise ConfigError(msg)
    try:
        claims, user = verify(app, token, environ)
    except _REFUSED as error:
        raise _refused(error) from error
    end = expires_at(claims, app.config["JWT_DECODE_LEEWAY"])
    return Authenticated(Identity(_user_id(app, claims), claims, user, end), _header(token.partition(".")[0]))


def expires_at(claims: Mapping[str, Any], leeway: float | timedelta) -> float | None:
    """Return the Unix time from which Flask-JWT-Extended refuses a token, or None if it does not expire.

    Args:
        claims: The token's claims, accepted.
        leeway: The setting `JWT_DECODE_LEEWAY`.
    """
    claim = claims.get("exp")
    if claim is None:
        return None
    return min(int(claim), LATEST) + (leeway.total_seconds() if isinstance(leeway, timedelta) else leeway)


@lru_cache(maxsize=64)
def _header(encoded: str) -> Mapping[str, Any]:
    header: dict[str, Any] = json.loads(base64url_decode(encoded))
    return header


def _refused(error: Exception) -> ConnectionRefused:
    code, message = next((code, message) for kind, code, message in _REFUSALS if isinstance(error, kind))
    return ConnectionRefused(message, code=code)


def _user_id(app: Flask, claims: Mapping[str, Any]) -> str:
    try:
        return parse_id(claims[app.config["JWT_IDENTITY_CLAIM"]], "the token's subject")
    except InvalidId as error:
        raise ConnectionRefused(str(error), code="token_invalid") from None
