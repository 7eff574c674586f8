"""Connections live no longer than their access tokens, unless they get new ones in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from heapq import heapify, heappop, heappush
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from flask import Flask

from flask_realtime.contract import events
from flask_realtime.contract.payloads import Expiry, Refreshed, expiry, refreshed
from flask_realtime.errors import ConnectionRefused, Forbidden, RateLimited, TokenRefused
from flask_realtime.features.effects import Send
from flask_realtime.gateway.auth import Authenticated, authenticate
from flask_realtime.gateway.connection import Connection
from flask_realtime.gateway.locks import native_lock
from flask_realtime.gateway.packets import DEFAULT_NAMESPACE
from flask_realtime.gateway.parts import Parts
from flask_realtime.gateway.timer import DeadlineTimer
from flask_realtime.identity import Identity

TOKEN_EXPIRED: Final = "token expired"  # noqa: S105 - no password
"""What the `on_disconnect` hooks and the log are told."""

_LATEST: Final = 253_402_214_400
"""Unix time of the last day that a date can say."""

_STALE: Final = 64
"""Entries of connections that are gone, or have new tokens, that may wait for their time, besides as many as there are others."""


class Watched(Protocol):
    """What a schedule knows of a connection."""

    id: str
    due: float


WatchedT = TypeVar("WatchedT", bound=Watched)


class Due(NamedTuple):
    """What is due.

    Args:
        connection_id: The connection.
        expires_at: When its token expires, as Unix time.
        is_over: Whether the connection is to end, rather than to be warned.
    """

    connection_id: str
    expires_at: float
    is_over: bool


class ExpirySchedule:
    """When which connection is warned, and ended.

    It keeps one entry for each connection, and on the connection the time for which that entry stands: another entry of the same
    connection does not count.

    Args:
        warning: Seconds between the warning and the token's expiry.
        grace: Seconds between the token's expiry and the end.
        clock: Returns Unix time: the tokens are measured by it too.
        find: Returns the connection with an id, or None.
        expires_at: Returns when a connection's token expires, or None.
    """

    def __init__(
        self,
        warning: float,
        grace: float,
        clock: Callable[[], float],
        find: Callable[[str], WatchedT | None],
        expires_at: Callable[[WatchedT], float | None],
    ) -> None:
        self._warning = warning
        self._grace = grace
        self._clock = clock
        self._find: Callable[[str], Any] = find
        self._expires_at: Callable[[Any], float | None] = expires_at
        self._lock = native_lock()
        self._entries: list[tuple[float, str]] = []
        self._tolerated = _STALE

    def watch(self, connection: Watched, *, is_renewed: bool = False) -> float | None:
        """Note when a connection's token expires, in place of what was noted before.

        Args:
            connection: The connection.
            is_renewed: Whether it has just got the token. Then half of what the token lives goes by before the warning: the answer
                to a warning would bring the next one at once otherwise, where tokens live no longer than it comes before their end.

        Returns:
            When it is due for the first time; None where the token does not expire.
        """
        expires_at = self._expires_at(connection)
        with self._lock:
            if expires_at is None:
                connection.due = 0.0
                return None
            now = self._clock()
            earliest = (now + expires_at) / 2 if is_renewed and expires_at > now else now
            return self._plan(connection, max(expires_at - self._warning, earliest))

    def next_deadline(self) -> float | None:
        """Return the clock's time at which something may be due, or None."""
        with self._lock:
            return self._entries[0][0] if self._entries else None

    def take(self) -> Due | None:
        """Return the first connection that is due, or None; one that is warned is due again at its end."""
        now = self._clock()
        with self._lock:
            while self._entries and self._entries[0][0] <= now:
                due = self._take(*heappop(self._entries), now)
                if due is not None:
                    return due
        return None

    def _take(self, due: float, connection_id: str, now: float) -> Due | None:
        connection = self._find(connection_id)
        expires_at = self._expires_at(connection) if connection is not None and connection.due == due else None
        if expires_at is None:
            return None
        end = expires_at + self._grace
        if now < end:
            self._plan(connection, end)
        return Due(connection_id, expires_at, now >= end)

    def _plan(self, connection: Watched, due: float) -> float:
        if len(self._entries) >= self._tolerated:
            self._forget_stale()
        connection.due = due
        heappush(self._entries, (due, connection.id))
        return due

    def _forget_stale(self) -> None:
        self._entries = [entry for entry in self._entries if getattr(self._find(entry[1]), "due", None) == entry[0]]
        heapify(self._entries)
        self._tolerated = 2 * len(self._entries) + _STALE


class TokenExpiry:
    """Warns the clients whose tokens expire, takes new tokens, and ends the connections that get none.

    Args:
        app: The application.
        parts: The gateway's parts.
        end: Ends a connection, for a reason.
    """

    def __init__(self, app: Flask, parts: Parts, end: Callable[[Connection, str], None]) -> None:
        self._app = app
        self._parts = parts
        self._end = end
        self._find = parts.registry.get
        config, server = parts.config, parts.server
        self._ends_connections = config.expiry_grace is not None
        self._schedule = ExpirySchedule(config.expiry_warning, config.expiry_grace or 0, time.time, self._find, self._expires_at)
        self._timer = DeadlineTimer(server, server.new_event, time.time, self._schedule.next_deadline, self._handle_due)

    def watch(self, connection: Connection, *, is_renewed: bool = False) -> None:
        """Begin to watch the token with which a connection was admitted, or which it has got since."""
        due = self._schedule.watch(connection, is_renewed=is_renewed) if self._ends_connections else None
        if due is not None:
            self._timer.wake_by(due)

    def refresh(self, connection: Connection, token: str) -> Refreshed:
        """Let a connection go on with a new token.

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
        for each in (connection, *connection.session.open_connections()):
            if each.user_id == connection.user_id and each.identity is not identity:
                self._renew(each, identity, token_header)
        return refreshed(self._expires_at(connection))

    def _renew(self, connection: Connection, identity: Identity, token_header: Mapping[str, Any]) -> None:
        with connection.lock:
            connection.identity = identity
            connection.token_header = token_header
            if not connection.closed:
                self.watch(connection, is_renewed=True)

    def _authenticated(self, connection: Connection, token: str) -> Authenticated:
        try:
            with self._parts.limiter.attempt(connection.address):
                return authenticate(self._app, {"token": token}, connection.session.environ)
        except ConnectionRefused as error:
            if error.retry_after is not None:
                raise RateLimited(error.message, retry_after=error.retry_after) from None
            raise TokenRefused(error.message, error.code) from None

    def _expires_at(self, connection: Connection) -> float | None:
        return expires_at(connection.identity.claims, self._app.config.get("JWT_DECODE_LEEWAY", 0))

    def _tell(self, connection: Connection, event: str, payload: Expiry) -> None:
        if connection.namespace == DEFAULT_NAMESPACE:
            self._parts.delivery.send_here(Send(event, (payload,), (connection.id,)))
        else:
            self._parts.server.send_to(connection.id, connection.namespace, event, payload)

    def _handle_due(self) -> None:
        """Do one thing that is due; the timer comes back for the next one."""
        due = self._schedule.take()
        connection = self._find(due.connection_id) if due is not None else None
        if due is None or connection is None:
            return
        event = events.AUTH_EXPIRED if due.is_over else events.AUTH_EXPIRING
        try:
            self._tell(connection, event, expiry(due.expires_at))
        finally:
            if due.is_over:
                self._end(connection, TOKEN_EXPIRED)
        self._parts.server.sleep(0)  # Many tokens may expire at once.


def expires_at(claims: Mapping[str, Any], leeway: float | timedelta) -> float | None:
    """Return the Unix time from which Flask-JWT-Extended refuses a token, or None where there is none.

    Args:
        claims: The token's claims, accepted.
        leeway: The setting `JWT_DECODE_LEEWAY`.
    """
    claim = claims.get("exp")
    if claim is None:
        return None
    return min(int(claim), _LATEST) + (leeway.total_seconds() if isinstance(leeway, timedelta) else leeway)
