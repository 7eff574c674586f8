"""What authentication does on an event, and with connections as they come."""

from __future__ import annotations

from flask_realtime.feature.context import Connection, FeatureContext
from flask_realtime.features.authentication.events import NewToken, Refreshed
from flask_realtime.features.authentication.expiry import TokenExpiry
from flask_realtime.features.authentication.revocation import RevocationCheck


class Authentication:
    """The state of authentication in one application: whose tokens end when.

    Args:
        context: The surroundings of the feature.
    """

    def __init__(self, context: FeatureContext) -> None:
        self.context = context
        self.expiry = TokenExpiry(context)
        self.revocation = RevocationCheck(context)


def refresh(state: Authentication, connection: Connection, request: NewToken) -> Refreshed:
    """Handle `auth:refresh`."""
    return state.expiry.refresh(connection, request.token)


def admitted(state: Authentication, connection: Connection) -> None:
    """Begin to watch the token of a connection that was admitted."""
    state.expiry.watch(connection)
    state.revocation.watch()


def disconnect_user(state: Authentication, user_id: str, reason: str) -> int:
    """End a user's connections on this server."""
    return _disconnect(state.context, state.context.connections_of(user_id), reason)


def disconnect_token(state: Authentication, jti: str, reason: str) -> int:
    """End the connections on this server that were opened with a token."""
    with_token = [connection for connection in state.context.connections() if connection.identity.claims.get("jti") == jti]
    return _disconnect(state.context, with_token, reason)


def _disconnect(context: FeatureContext, connections: list[Connection], reason: str) -> int:
    for connection in connections:
        context.disconnect(connection, reason)
    return len(connections)
