"""Connections as features see them: who sent an event, one that is authenticated, served or lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from flask_realtime.identity import Identity


class Caller(Protocol):
    """The connection that sent an event."""

    @property
    def id(self) -> str:
        """The connection's id: `socket.id` in the client."""

    @property
    def user_id(self) -> str:
        """The id of its user."""

    @property
    def identity(self) -> Identity:
        """The identity of its user."""

    @property
    def device(self) -> str:
        """The client's name for its device, or an empty string."""

    @property
    def address(self) -> str:
        """The peer's address."""

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Held while it is admitted, joins, or leaves, so that none of these overlap."""

    @property
    def closed(self) -> bool:
        """Return whether it is closed."""


class Connection(Caller, Protocol):
    """A connection, with the data that authentication keeps about it."""

    identity: Identity
    token_header: Mapping[str, Any]
    due: float
    opened_at: float
    recovered: bool

    @property
    def environ(self) -> Mapping[str, Any]:
        """The kept part of its handshake's WSGI environment."""

    def of_session(self) -> Iterable[Connection]:
        """Return the connections of the same client to all namespaces."""


class ServedConnection(Caller, Protocol):
    """A connection in any namespace, as those see it that serve a namespace or observe the server."""

    @property
    def namespace(self) -> str:
        """Its namespace."""

    @property
    def transport(self) -> str:
        """The transport in use now, `polling` or `websocket`."""

    @property
    def environ(self) -> Mapping[str, Any]:
        """The kept part of its handshake's WSGI environment."""

    @property
    def opened_at(self) -> float:
        """Time at which it was opened, in seconds since 1970."""

    @property
    def client_id(self) -> str:
        """An id of its session, which nobody can use to act as the client."""

    def of_session(self) -> Iterable[ServedConnection]:
        """Return the open connections of the same client to all namespaces."""


class LostConnection(Protocol):
    """A connection that was lost, and whose client may come back."""

    @property
    def sid(self) -> str:
        """The connection's id, which it has again when it comes back."""

    @property
    def token_id(self) -> object:
        """The `jti` of its token, or None."""

    def leave_room(self, room: str) -> None:
        """Take it out of a room: what was sent there does not reach the client any more."""

    def end(self) -> None:
        """Let it not come back."""
