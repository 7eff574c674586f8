"""Slots in a WSGI server's connection pool, and which connection gives one up when the pool is full.

A connection that waits for its client occupies a slot uselessly: an idle one, half a head, a body that does not arrive, a response
that is not read. When the pool is full, the one that has waited longest is closed, so that the next client is served.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from contextlib import closing, suppress
from time import monotonic
from typing import Any, Final, NamedTuple

_FIRST_REQUEST_SECONDS: Final = 1.0
"""Time in which a new connection keeps its slot although one that was served before waits for less long."""


_AT_ONCE: Final = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class _Wait(NamedTuple):
    server: Any
    first_request_due: float | None
    """When the client should have begun its first request, on the clock; None after it."""

    is_sending: bool = False
    """Whether the server waits for the client to read."""


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
        self._make_room(connection, server)

    def wait_to_send(self, connection: Any, server: Any) -> None:
        """Record that the server waits for the client to read its response.

        Args:
            connection: The connection's socket.
            server: The server that accepted it.
        """
        if connection in self._leaving:  # It was hung up on, and would keep its slot until its client reads.
            cut(connection)
            return
        self._waiting[connection] = _Wait(server, None, is_sending=True)
        self._make_room(connection, server)

    def _make_room(self, connection: Any, server: Any) -> None:
        if server.pool is not None and server.pool.free_count() < 1 and server not in self._leaving.values():
            self._free_one(connection, server)

    def touch(self, connection: Any) -> None:
        """Record that the client has sent data, or read some."""
        self._waiting.pop(connection, None)
        self._idle.discard(connection)

    def forget(self, connection: Any) -> None:
        """Record that a connection has ended, or is in use."""
        self.touch(connection)
        self._leaving.pop(connection, None)

    def is_leaving(self, connection: Any) -> bool:
        """Return whether a connection has given up its slot."""
        return connection in self._leaving

    def _free_one(self, newest: Any, server: Any) -> None:
        longest = next(connection for connection, wait in self._waiting.items() if wait.server is server)
        if longest is newest:  # It is the only one that waits, and its client may be about to continue.
            any(free() for free in self.reserves)
            return
        leaving = newest if self._is_preferred(longest, newest) else longest
        end = cut if self._waiting[leaving].is_sending else hang_up
        self.touch(leaving)
        self._leaving[leaving] = server
        end(leaving)

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
    with suppress(OSError), _duplicate(connection) as duplicate:
        duplicate.shutdown(socket.SHUT_RD)


def cut(connection: Any) -> None:
    """End a connection whose client does not read, with all that waits for the client in the system's buffer."""
    with suppress(OSError), _duplicate(connection) as duplicate:
        duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        duplicate.shutdown(socket.SHUT_RDWR)


def _duplicate(connection: Any) -> closing[socket.socket]:
    return closing(socket.socket(fileno=os.dup(connection.fileno())))
