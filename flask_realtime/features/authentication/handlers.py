"""Handlers of authentication, for events and new connections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_realtime.feature.connections import Connection
from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.authentication.authenticator import ask_application
from flask_realtime.features.authentication.events import NewToken, Refreshed
from flask_realtime.features.authentication.expiry import TokenExpiry
from flask_realtime.features.authentication.hooks import AUTHENTICATE
from flask_realtime.features.authentication.revocation import RevocationCheck
from flask_realtime.features.authentication.verification import Authenticated, authenticate

_NO_HEADER: Mapping[str, Any] = {}


class Authentication:
    """The state of authentication in one application: identities, and their expiry.

    Args:
        context: The surroundings of the feature.
    """

    def __init__(self, context: FeatureContext) -> None:
        self.context = context
        self.expiry = TokenExpiry(context, self.authenticate)
        self.revocation = RevocationCheck(context)

    @property
    def asks_application(self) -> bool:
        """Return whether the application authenticates connections itself, for which it may need any header."""
        return self.context.is_registered(AUTHENTICATE)

    def authenticate(self, auth: object, environ: Mapping[str, Any], connection: Connection | None = None) -> Authenticated:
        """Return the identity behind a connection attempt, or behind a new token.

        Args:
            auth: The payload of the CONNECT packet; anything.
            environ: The kept part of the WSGI environment of the handshake.
            connection: The connection that sent the new token, or None for an attempt to connect.

        Raises:
            ConnectionRefused: Nobody who may connect; the code says why.
            InternalError: The application's function failed, which has been logged.
        """
        hooks = self.context.functions(AUTHENTICATE)
        if not hooks:
            return authenticate(self.context.app, auth, environ)
        return Authenticated(ask_application(self.context, hooks[0], auth, environ, connection), _NO_HEADER)


def refresh(state: Authentication, connection: Connection, request: NewToken) -> Refreshed:
    """Handle `auth:refresh`."""
    return state.expiry.refresh(connection, request.token)


def admitted(state: Authentication, connection: Connection) -> None:
    """Watch the token of an admitted connection."""
    state.expiry.watch(connection)
    state.revocation.watch()


def disconnect_user(state: Authentication, user_id: str, reason: str) -> int:
    """End a user's connections on this server, lost ones first: they may come back meanwhile."""
    for lost in state.context.lost_connections(user_id):
        lost.end()
    return _disconnect(state.context, state.context.connections_of(user_id), reason)


def disconnect_connection(state: Authentication, connection_id: str, reason: str) -> int:
    """End a connection if it is on this server, in whatever namespace; a lost one cannot come back."""
    for lost in state.context.lost_connections():
        if lost.sid == connection_id:
            lost.end()
    connection = state.context.find(connection_id)
    return _disconnect(state.context, [] if connection is None else [connection], reason)


def disconnect_token(state: Authentication, jti: str, reason: str) -> int:
    """End the connections on this server that were opened with a token."""
    for lost in state.context.lost_connections(token_id=jti):
        lost.end()
    with_token = [connection for connection in state.context.connections() if connection.identity.claims.get("jti") == jti]
    return _disconnect(state.context, with_token, reason)


def _disconnect(context: FeatureContext, connections: list[Connection], reason: str) -> int:
    for connection in connections:
        context.disconnect(connection, reason)
    return len(connections)
