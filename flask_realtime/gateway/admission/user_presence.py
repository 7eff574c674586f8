"""Presence of users whose connections come and go: counted on all servers, limited, and announced."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Protocol

from flask_realtime.backends.backend import Backend
from flask_realtime.backends.base import Change
from flask_realtime.contract.reasons import leaves_entries
from flask_realtime.errors import ConnectionRefused
from flask_realtime.gateway.connection import Connection, too_many_connections

_RECHECK_DELAY = 0.25
"""Seconds between two checks of whether servers are alive, while a client that may be one too many waits."""


class StatusNotifier(Protocol):
    """Announces users' status changes."""

    def changed(self, user_id: str, *, online: bool, version: int, hold: float = 0.0) -> None:
        """Announce that a user came online or went offline, unless that exceeds the rate."""

    def end_waiting(self) -> None:
        """Announce at once what waits to be announced, and let nothing wait any more."""

    def in_turn(self, user_id: str, task: Callable[[], None]) -> None:
        """Run a task about a user after all earlier ones about the same user."""

    @property
    def is_idle(self) -> bool:
        """Return whether there is nothing left to announce."""


class PresenceState(Protocol):
    """Keeps count of users' connections, on all servers."""

    @property
    def notifier(self) -> StatusNotifier:
        """The announcements of status changes."""

    def connected(self, connection_id: str, user_id: str, device: str = "") -> Change:
        """Record a connection."""

    def disconnected(self, connection_id: str, user_id: str) -> Change:
        """Forget a connection."""

    def exceeds_limit(self, number: int, user_id: str, within: float) -> bool | None:
        """Return whether a user has more than a number of connections; None if the caller has to ask again."""


class UserPresence:
    """Records users' connections, and announces the status changes that follow.

    Args:
        state: Keeps count of users' connections.
        backend: What servers share.
        max_connections: Maximum number of connections of one user, on all servers.
        retry_after: Seconds after which a user with too many may try again, or None.
        sleep: Lets other greenlets or threads run for a number of seconds.
    """

    def __init__(
        self,
        state: PresenceState,
        backend: Backend,
        max_connections: int,
        retry_after: float | None,
        sleep: Callable[[float], None],
    ) -> None:
        self._state = state
        self._notifier = state.notifier
        self._backend = backend
        self._max_connections = max_connections
        self._retry_after = retry_after
        self._sleep = sleep

    def connected(self, connection: Connection) -> tuple[Change, ConnectionRefused | None]:
        """Record a connection, which may wait for the other servers.

        Returns:
            The change of its user's status, which the caller announces, and the refusal if the user has too many connections now.
        """
        change = self._state.connected(connection.id, connection.user_id, connection.device)
        if change.connections <= self._max_connections or not self._is_one_too_many(connection):
            return change, None
        return change, too_many_connections(retry_after=self._retry_after)

    def _is_one_too_many(self, connection: Connection) -> bool:
        """Return whether its user really has too many connections with it.

        A crashed server's connections must not block a reconnect: the client waits until the other servers have renewed their
        leases, or are known to be dead.
        """
        began = time.monotonic()
        exceeds: bool | None = None
        while exceeds is None and not (connection.closed or connection.session.closed or self._backend.leaves_entries):
            exceeds = self._state.exceeds_limit(self._max_connections, connection.user_id, time.monotonic() - began)
            if exceeds is None:
                self._sleep(_RECHECK_DELAY)
        return bool(exceeds)

    def announce(self, user_id: str, change: Change, *, online: bool) -> None:
        """Announce a change, if the user's status is another one since."""
        if change.status_changed:
            self._notifier.changed(user_id, online=online, version=change.version, hold=change.hold)

    def disconnected(self, connection: Connection, changes: Iterable[Callable[[], object]] = ()) -> None:
        """Forget a connection, and announce that its user went offline with it.

        Args:
            connection: The connection.
            changes: Further changes to what servers share, made before the announcement.
        """
        change = self._state.disconnected(connection.id, connection.user_id)
        for share in changes:
            share()
        self.announce(connection.user_id, change, online=False)

    def disconnected_in_turn(self, connection: Connection, reason: str, changes: Iterable[Callable[[], object]]) -> None:
        """Forget a connection as `disconnected` does, without blocking the caller, unless its entries are to outlive it."""
        if self._backend.is_local:
            self.disconnected(connection, changes)
        elif not leaves_entries(reason) or not self._backend.leaves_entries:
            # The caller may be the event loop, which cannot wait for other servers.
            self._notifier.in_turn(connection.user_id, lambda: self.disconnected(connection, changes))
