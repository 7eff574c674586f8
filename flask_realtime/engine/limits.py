"""Bounds on what one connection may cost the engine and its WSGI server."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class EngineLimits:
    """What one connection may cost.

    Args:
        max_backlog: Bytes that may wait for a peer that reads slowly.
        connect_timeout: Seconds in which a request's head has to come, for which a request's body may stop, and in which a new
            session has to connect to a namespace.
        drain_time: Seconds over which sessions are ended when the process is to stop; 0 for all at once.
        keep_alive: Seconds for which an HTTP connection may be idle.
        max_head: Bytes that a request's head may have.
    """

    max_backlog: int = 1_048_576
    connect_timeout: float = 45.0
    drain_time: float = 10.0
    keep_alive: float = 75.0
    max_head: int = 32_768

    @cached_property
    def keep_alive_header(self) -> tuple[bytes, bytes]:
        """What answers say about how long an HTTP connection may be idle."""
        return b"Keep-Alive", b"timeout=%d" % self.keep_alive
