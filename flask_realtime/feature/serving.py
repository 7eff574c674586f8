"""Serving a namespace and watching a server: what the features for administrators need of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from flask_realtime.feature.connections import ServedConnection
from flask_realtime.identity import Identity


class ServedNamespace(Protocol):
    """A namespace of a feature's own: who may connect to it, and what its clients may send."""

    def authenticate(self, auth: object, address: str) -> Identity:
        """Return the identity of a client that wants to connect, without a user; it may wait.

        Args:
            auth: The payload of the CONNECT packet; anything.
            address: The peer's address.

        Raises:
            ConnectionRefused: It may not connect.
        """

    def connected(self, caller: ServedConnection) -> None:
        """Handle a client's having been told that it is connected; must not wait."""

    def receive(self, caller: ServedConnection, event: str, args: list[Any]) -> object:
        """Handle an event, and return the answer; it may wait.

        Raises:
            EventError: It is refused.
        """

    def disconnected(self, caller: ServedConnection) -> None:
        """Handle a client's end; must not wait."""


class Traffic(NamedTuple):
    """Packets that carried events and answers, without those of uncounted namespaces.

    Args:
        packets_in: Number of events from clients.
        bytes_in: Their characters.
        packets_out: Number of events to clients, one for each receiver, and of answers that are no errors.
        bytes_out: Bytes of the events.
    """

    packets_in: int
    bytes_in: int
    packets_out: int
    bytes_out: int


class Observer(Protocol):
    """Told of what happens on a server while it is registered with `ServerView.observe`. No method may wait."""

    def session_opened(self) -> None:
        """Record a new session."""

    def session_closed(self, reason: str) -> None:
        """Record the end of a session."""

    @property
    def shows_events(self) -> bool:
        """Return whether it is told of events; it is the same all the time."""

    def takes_event(self, namespace: str) -> bool:
        """Return whether it is to be told of one more event in a namespace."""

    def event_received(self, namespace: str, connection_id: str, event: str, args: Sequence[Any]) -> None:
        """Record an event from a client."""

    def event_sent(self, namespace: str, connection_ids: Sequence[str], event: str, args: Sequence[Any]) -> None:
        """Record an event to clients."""

    def connected(self, connection: ServedConnection) -> None:
        """Record an admitted connection, which is in its first rooms."""

    def disconnected(self, connection: ServedConnection, reason: str) -> None:
        """Record the end of a connection, which has left its rooms."""

    def room_joined(self, namespace: str, room: str, connection_id: str) -> None:
        """Record that a connection entered a room; it may not be admitted yet."""

    def room_left(self, namespace: str, room: str, connection_id: str) -> None:
        """Record that a connection left a room, or ends."""


class ServerView(Protocol):
    """This server's sessions, connections and rooms, in every namespace."""

    def observe(self, observer: Observer | None) -> None:
        """Have an observer told of everything from now on, in place of the previous one; with None, nothing is observed."""

    def traffic(self) -> Traffic:
        """Return what went through this server since it started; reading it costs an event nothing."""

    def count_sessions(self) -> tuple[int, int]:
        """Return the number of sessions, and of those that use long polling now."""

    def count_connections(self) -> dict[str, int]:
        """Return the number of connections in each namespace."""

    def connections(self, namespace: str | None = None, room: str | None = None) -> list[ServedConnection]:
        """Return admitted connections.

        Args:
            namespace: Only those in a namespace.
            room: Only those in a room of that namespace; a connection's id is the name of a room with it alone.
        """

    def rooms_of(self, connection: ServedConnection) -> list[str]:
        """Return the rooms that a connection is in, its own too."""

    def enter(self, connection: ServedConnection, room: str) -> None:
        """Add a connection to a room.

        Raises:
            ValueError: It is closed, or the room is another connection's own.
        """

    def leave(self, connection: ServedConnection, room: str) -> None:
        """Remove a connection from a room."""

    def end_session(self, connection: ServedConnection, reason: str) -> None:
        """End a connection, and those of the same client to other namespaces."""

    def send(self, namespace: str, room: str | None, event: str, args: Sequence[Any], *, volatile: bool = False) -> None:
        """Send an event to this server's connections.

        Args:
            namespace: Their namespace.
            room: Their room; None for all of them.
            event: The event's name.
            args: Its arguments.
            volatile: Whether it may be dropped for a client that is far behind.
        """
