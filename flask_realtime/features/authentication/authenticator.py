"""Authentication of connection attempts by a function of the application's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from time import time
from typing import Any, Final

from werkzeug.local import LocalProxy

from flask_realtime.contract.ids import parse_id
from flask_realtime.errors import ConnectionRefused, EventError, InternalError, InvalidId
from flask_realtime.feature.connections import Connection
from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.authentication.events import AUTH_REFRESH, LATEST
from flask_realtime.features.authentication.hooks import AUTHENTICATE, Authenticate
from flask_realtime.features.authentication.verification import malformed
from flask_realtime.identity import Identity
from flask_realtime.signatures import describe

_CONNECT: Final = "connect"


def ask_application(
    context: FeatureContext, hook: Authenticate, auth: object, environ: Mapping[str, Any], connection: Connection | None
) -> Identity:
    """Return the identity behind a connection attempt, or behind a new token.

    Args:
        context: The surroundings of the feature.
        hook: The application's function.
        auth: The payload of the CONNECT packet; anything.
        environ: The kept part of the WSGI environment of the handshake.
        connection: The connection that sent the new token, or None for an attempt to connect.

    Raises:
        ConnectionRefused: The application refused, or its identity has expired.
        InternalError: Its function failed, or did not return an identity; that has been logged.
    """
    if auth is not None and not isinstance(auth, Mapping):
        msg = "auth must be an object"
        raise malformed(msg)
    identity: Identity | None
    event = _CONNECT if connection is None else AUTH_REFRESH
    try:
        identity = context.call_in_request(
            partial(_checked, hook), environ, auth, dict(environ), caller=connection, event=event, timed=hook
        )
    except InternalError:
        raise
    except EventError as error:
        code = error.code if error.retry_after is not None else "connection_refused"
        raise ConnectionRefused(error.message, code=code, retry_after=error.retry_after) from None
    if identity is None:
        raise _nobody(auth, environ)
    if identity.expires_at is not None and identity.expires_at <= time():
        msg = "What was sent has expired; log in again"
        raise ConnectionRefused(msg, code="token_expired")
    return identity


def _nobody(auth: object, environ: Mapping[str, Any]) -> ConnectionRefused:
    if auth or environ.get("HTTP_AUTHORIZATION") or environ.get("HTTP_COOKIE"):
        return ConnectionRefused("The server does not accept what was sent; log in again", code="token_invalid")
    msg = "Nothing was found in auth, the Authorization header or a cookie that says who connects"
    return ConnectionRefused(msg, code="token_missing")


def _checked(hook: Authenticate, auth: Mapping[str, Any] | None, environ: Mapping[str, Any]) -> Identity | None:
    identity = hook(auth, environ)
    if identity is None:
        return None
    fault = _fault(identity)
    if fault is not None:
        msg = f"{AUTHENTICATE.name} ({describe(hook)}) must return {fault}"
        raise TypeError(msg)
    if type(identity.user) is LocalProxy:
        # Flask-Login's `current_user`, for one, is somebody in this request alone.
        return replace(identity, user=identity.user._get_current_object())  # noqa: SLF001 - the documented way
    return identity


def _fault(identity: object) -> str | None:
    """Return a description of a wrong result, expected and actual, or None if it is right."""
    if not isinstance(identity, Identity):
        return f"an Identity, or None to refuse, not {type(identity).__name__}"
    if not _is_user_id(identity.user_id):
        return f"an Identity whose user_id is text of 1 to 128 characters, as of str(user.id), not {identity.user_id!r}"
    if not _is_time(identity.expires_at):
        return f"an Identity whose expires_at is Unix time in seconds, as of datetime.timestamp(), not {identity.expires_at!r}"
    if not isinstance(identity.claims, Mapping):
        return f"an Identity whose claims are a mapping, not {type(identity.claims).__name__}"
    return None


def _is_user_id(value: object) -> bool:
    try:
        return parse_id(value, "user_id") == value
    except InvalidId:
        return False


def _is_time(value: object) -> bool:
    # Milliseconds, the likely mistake, are later than any date.
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and value <= LATEST)
