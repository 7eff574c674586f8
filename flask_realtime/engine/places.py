"""The places in a WSGI server's pool of connections, and who gives one up where there is none left.

A connection on which the client has the next word holds a place for nothing: an idle one, half a head, a body that does not come.
Where the pool is full, the one that has waited longest is closed, so that whoever comes next is served.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any


class Places:
    """Connections on which the server waits for the client, the longest wait first."""

    def __init__(self) -> None:
        self._waiting: dict[Any, Any] = {}
        self._idle: set[Any] = set()
        self._leaving: dict[Any, Any] = {}
        self.reserves: list[Callable[[], bool]] = []
        """Ask for further places where nobody waits: each says whether one becomes free."""

    def wait(self, connection: Any, server: Any, *, is_idle: bool = True) -> None:
        """Note that the client has the next word.

        Args:
            connection: The connection's socket.
            server: The server that it came to.
            is_idle: Whether no request is under way.
        """
        self._waiting[connection] = server
        if is_idle:
            self._idle.add(connection)
        if server.pool is not None and server.pool.free_count() < 1 and server not in self._leaving.values():
            self._free_one(connection, server)

    def touch(self, connection: Any) -> None:
        """Note that the client had its word."""
        self._waiting.pop(connection, None)
        self._idle.discard(connection)

    def forget(self, connection: Any) -> None:
        """Note that a connection has ended, or is in use."""
        self.touch(connection)
        self._leaving.pop(connection, None)

    def _free_one(self, newest: Any, server: Any) -> None:
        longest = next(connection for connection, its_server in self._waiting.items() if its_server is server)
        if longest is newest:  # It alone waits, and its client may be about to go on.
            any(free() for free in self.reserves)
            return
        self.touch(longest)
        self._leaving[longest] = server
        hang_up(longest)

    def hang_up_idle(self) -> None:
        """End the connections on which no request is under way."""
        for connection in list(self._idle):
            hang_up(connection)


def hang_up(connection: Any) -> None:
    """Let a connection's reader find its end, behind what has come already."""
    # Of the descriptor, whatever is on it: a TLS socket's own way would leave its reader with an error to log.
    with suppress(OSError), closing(socket.socket(fileno=os.dup(connection.fileno()))) as duplicate:
        duplicate.shutdown(socket.SHUT_RD)
