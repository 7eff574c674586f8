"""Slots in a WSGI server's connection pool, and which connection gives one up when the pool is full.

A connection that waits for its client occupies a slot uselessly: an idle one, half a head, a body that does not arrive. When the
pool is full, the one that has waited longest is closed, so that the next client is served.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import closing, suppress
from time import monotonic
from typing import Any, Final, NamedTuple

_FIRST_REQUEST_SECONDS: Final = 1.0
"""Time in which a new connection keeps its slot although one that was served before waits for less long."""


class _Wait(NamedTuple):
    server: Any
    first_request_due: float | None
    """When the client should have begun its first request, on the clock; None after it."""


class Places:
    """Connections on which the server waits for the client, the longest wait first.

    Args:
        clock: Returns the current time in seconds; never goes back.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._waiting: dict[Any, _Wait] = {}
        self._idle: set[Any] = set()
        self._leaving: dict[Any, Any] = {}
        self.reserves: list[Callable[[], bool]] = []
        """Further sources of slots when no connection waits: each returns whether one becomes free."""

    def wait(self, connection: Any, server: Any, *, is_idle: bool = True, is_new: bool = False) -> None:
        """Record that the server waits for the client.

        Args:
            connection: The connection's socket.
            server: The server that accepted it.
            is_idle: Whether no request is in progress.
            is_new: Whether the client has not begun a request yet.
        """
        self._waiting[connection] = _Wait(server, self._clock() + _FIRST_REQUEST_SECONDS if is_new else None)
        if is_idle:
            self._idle.add(connection)
        if server.pool is not None and server.pool.free_count() < 1 and server not in self._leaving.values():
            self._free_one(connection, server)

    def touch(self, connection: Any) -> None:
        """Record that the client has sent data."""
        self._waiting.pop(connection, None)
        self._idle.discard(connection)

    def forget(self, connection: Any) -> None:
        """Record that a connection has ended, or is in use."""
        self.touch(connection)
        self._leaving.pop(connection, None)

    def _free_one(self, newest: Any, server: Any) -> None:
        longest = next(connection for connection, wait in self._waiting.items() if wait.server is server)
        if longest is newest:  # It is the only one that waits, and its client may be about to continue.
            any(free() for free in self.reserves)
            return
        leaving = newest if self._is_preferred(longest, newest) else longest
        self.touch(leaving)
        self._leaving[leaving] = server
        hang_up(leaving)

    def _is_preferred(self, longest: Any, newest: Any) -> bool:
        due = self._waiting[longest].first_request_due
        is_served = newest in self._idle and self._waiting[newest].first_request_due is None
        return is_served and due is not None and self._clock() < due

    def hang_up_idle(self) -> None:
        """Close the connections on which no request is in progress."""
        for connection in list(self._idle):
            hang_up(connection)


def hang_up(connection: Any) -> None:
    """Make a connection's reader see its end, after the data that has arrived already."""
    # On the descriptor, even for TLS: a TLS socket's own shutdown would leave its reader with an error to log.
    with suppress(OSError), closing(socket.socket(fileno=os.dup(connection.fileno()))) as duplicate:
        duplicate.shutdown(socket.SHUT_RD)
