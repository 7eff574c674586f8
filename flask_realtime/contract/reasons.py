"""Reasons for which connections end."""

from __future__ import annotations

from enum import Enum


class CloseReason(Enum):
    """A reason that the server knows; its value is what the `on_disconnect` hooks and the log are told.

    An application may end connections for reasons of its own, which are any text.
    """

    CLIENT_DISCONNECT = "client disconnect"
    SERVER_DISCONNECT = "server disconnect"
    SHUTTING_DOWN = "server shutting down"
    TOO_MANY_CONNECTIONS = "too many connections"
    TAKEN_OVER = "taken over"
    RATE_LIMIT = "rate limit"
    TRANSPORT_CLOSE = "transport close"
    TRANSPORT_ERROR = "transport error"
    PARSE_ERROR = "parse error"

    @property
    def leaves_entries(self) -> bool:
        """True if the shared state of a connection may outlive it for a while, because its user is about to come back elsewhere."""
        return self is CloseReason.SHUTTING_DOWN


_KNOWN = {reason.value: reason for reason in CloseReason}


def leaves_entries(reason: str) -> bool:
    """Return whether what servers share of a connection may outlive it; see `CloseReason.leaves_entries`.

    Args:
        reason: Why it ended, an application's reason too.
    """
    known = _KNOWN.get(reason)
    return known is not None and known.leaves_entries
