"""Authentication: the identity of a connection, and its expiry."""

from __future__ import annotations

from typing import Final

from flask_realtime.feature.feature import Feature
from flask_realtime.features.authentication import handlers
from flask_realtime.features.authentication.events import AUTH_EXPIRED, AUTH_EXPIRING, AUTH_REFRESH, Refreshed, parse_token
from flask_realtime.features.authentication.handlers import Authentication
from flask_realtime.features.authentication.hooks import AUTHENTICATE, REVOKED_TOKENS
from flask_realtime.features.presence import presence

DISCONNECT_CONNECTION: Final = "disconnect_connection"
DISCONNECT_USER: Final = "disconnect_user"
DISCONNECT_TOKEN: Final = "disconnect_token"  # noqa: S105 - no password

authentication: Final = Feature("authentication", state=Authentication, requires=[presence])

authentication.add_outgoing(AUTH_EXPIRING, AUTH_EXPIRED)
authentication.add_hook(AUTHENTICATE)
authentication.add_hook(REVOKED_TOKENS)

authentication.event(
    AUTH_REFRESH,
    hint="authenticate is the hook that says whose token it is.",
    in_every_namespace=True,
    payload=str,
    parse=parse_token,
    argument="token",
    answer=Refreshed,
    limit="authentication",
    app_context=False,
    summary="Go on with a new access token of the same user, without a reconnect. `expiresAt` is null where the new token does not "
    "expire. A token that is refused leaves the connection as it was; the codes are those of refused connections, and `forbidden` "
    "for another user's token.",
)(handlers.refresh)

authentication.on_admitted(handlers.admitted)
authentication.command(DISCONNECT_CONNECTION)(handlers.disconnect_connection)
authentication.command(DISCONNECT_USER)(handlers.disconnect_user)
authentication.command(DISCONNECT_TOKEN)(handlers.disconnect_token)
