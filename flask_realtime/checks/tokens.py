"""Checks of authentication: keys, algorithms and managers that would keep everyone out, or let anyone in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flask import Flask
from flask_jwt_extended.config import config
from flask_jwt_extended.default_callbacks import default_decode_key_callback

from flask_realtime.checks.findings import Finding
from flask_realtime.features.authentication import AUTHENTICATE, EXTENSION
from flask_realtime.gateway.gateway import Gateway

MIN_KEY_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
"""RFC 7518, section 3.2: as many bytes as the hash has."""


def check_authentication(app: Flask, gateway: Gateway) -> Iterator[Finding]:
    """Check that clients can authenticate, and that nobody can forge a token."""
    if not gateway.parts.application.hooks.functions(AUTHENTICATE):
        yield from check_tokens(app)


def check_tokens(app: Flask) -> Iterator[Finding]:
    """Check that Flask-JWT-Extended is set up with a usable key."""
    if EXTENSION not in app.extensions:
        yield Finding(
            "jwt_manager_missing",
            "Flask-JWT-Extended is not set up on this application, so that every connection is refused.",
            "Call JWTManager(app) before the application serves.",
        )
        return
    # The application's own loader may get its keys from anywhere.
    if getattr(app.extensions[EXTENSION], "_decode_key_callback", None) is default_decode_key_callback:
        yield from _check_key(app)


def _check_key(app: Flask) -> Iterator[Finding]:
    with app.app_context():
        algorithm = config.algorithm
        try:
            key: object = config.decode_key
        except RuntimeError as error:
            yield Finding(
                "jwt_key_missing", f"No token can be verified: {error}.", "Set it to a value that stays the same after a restart."
            )
            return
    wanted = MIN_KEY_BYTES.get(algorithm, 0)
    length = len(str(key).encode() if not isinstance(key, bytes) else key)
    if length < wanted:
        yield Finding(
            "jwt_key_short",
            f"The secret that signs tokens has {length} bytes, and {algorithm} wants {wanted} or more: it can be guessed.",
            f"Set JWT_SECRET_KEY to the output of: python -c 'import secrets; print(secrets.token_hex({wanted}))'",
        )
