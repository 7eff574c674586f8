"""Expiry of connections with their identities, unless they get new ones in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from flask_realtime.contract.effects import Emit
from flask_realtime.errors import ConnectionRefused, Forbidden, RateLimited, TokenRefused
from flask_realtime.feature.connections import Connection
from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.authentication.events import AUTH_EXPIRED, AUTH_EXPIRING, Refreshed, expiry, refreshed
from flask_realtime.features.authentication.schedule import ExpirySchedule
from flask_realtime.features.authentication.verification import Authenticated
from flask_realtime.identity import Identity

TOKEN_EXPIRED: Final = "token expired"  # noqa: S105 - no password
"""The reason for the `on_disconnect` hooks and the log."""

Authenticate = Callable[[object, Mapping[str, Any], Connection], Authenticated]


class TokenExpiry:
    """Warns clients before their tokens expire, accepts new tokens, and ends the connections that get none.

    Args:
        context: The surroundings of the feature.
        authenticate: Returns the identity behind a new token, or raises `ConnectionRefused`.
    """

    def __init__(self, context: FeatureContext, authenticate: Authenticate) -> None:
        self._context = context
        self._authenticate = authenticate
        config = context.config
        self._ends_connections = config.expiry_grace is not None
        self._schedule = ExpirySchedule(
            config.expiry_warning, config.expiry_grace or 0, time.time, context.find, _expires_at, context.lock()
        )
        self._timer = context.timer(self._schedule.next_deadline, self._handle_due, clock=time.time)

    def watch(self, connection: Connection, *, is_renewed: bool = False) -> None:
        """Watch the expiry of a connection's current token."""
        due = self._schedule.watch(connection, is_renewed=is_renewed) if self._ends_connections else None
        if due is not None:
            self._timer.wake_by(due)

    def refresh(self, connection: Connection, token: str) -> Refreshed:
        """Renew a connection with a new token.

        Args:
            connection: The connection; if the token is refused, it stays as it was.
            token: The token.

        Raises:
            TokenRefused: Connecting with this token would be refused.
            Forbidden: It is another user's.
            RateLimited: Too many tokens from the client's address were refused.
        """
        identity, token_header = self._authenticated(connection, token)
        if identity.user_id != connection.user_id:
            msg = "The token is another user's"
            raise Forbidden(msg)
        # The same session's connections to other namespaces go on with it too.
        for each in (connection, *connection.of_session()):
            if each.user_id == connection.user_id and each.identity is not identity:
                self._renew(each, identity, token_header)
        return refreshed(identity.expires_at)

    def _renew(self, connection: Connection, identity: Identity, token_header: Mapping[str, Any]) -> None:
        with connection.lock:
            connection.identity = identity
            connection.token_header = token_header
            if not connection.closed:
                self.watch(connection, is_renewed=True)

    def _authenticated(self, connection: Connection, token: str) -> Authenticated:
        try:
            with self._context.attempt(connection.address):
                return self._authenticate({"token": token}, connection.environ, connection)
        except ConnectionRefused as error:
            if error.retry_after is not None:
                raise RateLimited(error.message, retry_after=error.retry_after) from None
            raise TokenRefused(error.message, error.code) from None

    def _handle_due(self) -> Iterable[Emit]:
        """Handle one due item; the timer calls again for the next one."""
        due = self._schedule.take()
        connection = self._context.find(due.connection_id) if due is not None else None
        if due is None or connection is None:
            return ()
        event = AUTH_EXPIRED if due.is_over else AUTH_EXPIRING
        try:
            self._context.send_to(connection, event.name, expiry(due.expires_at))
        finally:
            if due.is_over:
                self._context.disconnect(connection, TOKEN_EXPIRED)
        self._context.let_others_run()  # Many tokens may expire at once.
        return ()


def _expires_at(connection: Connection) -> float | None:
    return connection.identity.expires_at
