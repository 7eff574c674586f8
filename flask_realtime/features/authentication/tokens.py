"""Verifies access tokens with Flask-JWT-Extended, as a view with `jwt_required()` does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from flask import Flask
from flask_jwt_extended import get_current_user, verify_jwt_in_request

from flask_realtime.errors import ConfigError

EXTENSION = "flask-jwt-extended"


class Verified(NamedTuple):
    """The content of an accepted token.

    Args:
        claims: Its claims.
        user: The user object from the application's user lookup loader, or None without one.
    """

    claims: dict[str, Any]
    user: Any


def verify_in_request(app: Flask, token: str, environ: Mapping[str, Any]) -> Verified:
    """Verify a token with Flask-JWT-Extended's public function.

    Args:
        app: The Flask application.
        token: The token.
        environ: The WSGI environment of the handshake.

    Raises:
        PyJWTError: The token is not accepted.
        JWTExtendedException: As before.
    """
    with request_context(app, token, environ):
        verified = verify_jwt_in_request(locations=["headers"])
        if verified is None:
            msg = "The handshake's method is exempt from authentication"
            raise ConfigError(msg)
        return Verified(verified[1], _current_user())


@contextmanager
def request_context(app: Flask, token: str, environ: Mapping[str, Any]) -> Iterator[None]:
    """Push the context of a request that carries the token in its `Authorization` header, for Flask-JWT-Extended."""
    name = str(app.config["JWT_HEADER_NAME"]).upper().replace("-", "_")
    value = f"{app.config['JWT_HEADER_TYPE']} {token}".strip()
    with app.request_context({**environ, "REQUEST_METHOD": "GET", f"HTTP_{name}": value}) as context:
        # No view is there for the path. The traceback of that would hold all that is on its way here, in a cycle.
        context.request.routing_exception = None
        yield


def _current_user() -> Any:
    try:
        return get_current_user()
    except RuntimeError:
        return None  # Flask-JWT-Extended's way of saying that the application looks up no user.
