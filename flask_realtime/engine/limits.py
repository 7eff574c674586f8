"""Resource limits of one connection, for the engine and its WSGI server."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class EngineLimits:
    """The limits of one connection.

    Args:
        max_backlog: Maximum number of bytes buffered for a slow peer.
        connect_timeout: Seconds in which a request's head has to arrive, for which a request's body may pause, and its response be
            unread, and in which a new session has to connect to a namespace.
        drain_time: Seconds over which sessions are closed when the process stops; 0 for all at once.
        keep_alive: Seconds for which an HTTP connection may be idle.
        max_head: Maximum number of bytes of a request's head.
    """

    max_backlog: int = 1_048_576
    connect_timeout: float = 45.0
    drain_time: float = 10.0
    keep_alive: float = 75.0
    max_head: int = 32_768

    @cached_property
    def keep_alive_header(self) -> tuple[bytes, bytes]:
        """The `Keep-Alive` header of responses: how long an HTTP connection may be idle."""
        return b"Keep-Alive", b"timeout=%d" % self.keep_alive
