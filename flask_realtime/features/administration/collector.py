"""Collector of what happens on this server while somebody watches it, bounded however much that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from flask_realtime.feature.connections import ServedConnection
from flask_realtime.feature.serving import Traffic
from flask_realtime.features.administration.events import (
    BYTES_IN,
    BYTES_OUT,
    EVENT_RECEIVED,
    EVENT_SENT,
    NAMESPACE,
    PACKETS_IN,
    PACKETS_OUT,
    RAW_CONNECTION,
    RAW_DISCONNECTION,
    ROOM_JOINED,
    ROOM_LEFT,
    SOCKET_CONNECTED,
    SOCKET_DISCONNECTED,
    Item,
    SocketDetails,
    event_arguments,
    timestamp,
    updated_item,
)

MAX_CHANGES: Final = 1000
"""Changes of connections and rooms between two reports; beyond it, the page gets all connections anew."""

MAX_EVENTS: Final = 200
"""Events between two reports; more are only counted."""

_TRAFFIC: Final = (PACKETS_IN, BYTES_IN, PACKETS_OUT, BYTES_OUT)

Counts = dict[tuple[int, str, "str | None"], int]


class Collector:
    """Observes this server; see `Observer`.

    Args:
        describe: Describes a connection.
        secret_events: Names of events whose arguments are never shown.
        now: Returns the time in seconds since 1970.
        traffic: Returns what went through this server since it started.
        shows_events: Whether connections, rooms and events are collected, rather than numbers alone.
    """

    def __init__(
        self,
        describe: Callable[[ServedConnection], SocketDetails],
        secret_events: frozenset[str],
        now: Callable[[], float],
        traffic: Callable[[], Traffic],
        *,
        shows_events: bool,
    ) -> None:
        self.shows_events: Final = shows_events
        self._describe = describe
        self._secret_events = secret_events
        self._now = now
        self._counts: Counts = {}
        self._traffic = traffic
        self._traffic_before = traffic()
        self._changes: list[Item] = []
        self._events: list[Item] = []
        self._polling: dict[str, ServedConnection] = {}
        self._has_lost_changes = False

    def session_opened(self) -> None:
        """Count a new session."""
        self._count(RAW_CONNECTION, None)

    def session_closed(self, reason: str) -> None:
        """Count the end of a session."""
        self._count(RAW_DISCONNECTION, reason)

    def _count(self, kind: str, subtype: str | None) -> None:
        key = (int(self._now()), kind, subtype)
        self._counts[key] = self._counts.get(key, 0) + 1

    def takes_event(self, namespace: str) -> bool:
        """Return whether there is space for one more event; the administrators' own are not shown."""
        return namespace != NAMESPACE and len(self._events) < MAX_EVENTS

    def event_received(self, namespace: str, connection_id: str, event: str, args: Sequence[object]) -> None:
        """Collect an event from a client."""
        shown = event_arguments(event, args, is_secret=event in self._secret_events)
        self._events.append((EVENT_RECEIVED, (namespace, connection_id, shown, self._timestamp())))

    def event_sent(self, namespace: str, connection_ids: Sequence[str], event: str, args: Sequence[object]) -> None:
        """Collect an event to clients."""
        shown, at = event_arguments(event, args, is_secret=event in self._secret_events), self._timestamp()
        self._events += [(EVENT_SENT, (namespace, connection_id, shown, at)) for connection_id in connection_ids]

    def connected(self, connection: ServedConnection) -> None:
        """Collect a new connection."""
        if self.shows_events:
            self._add(SOCKET_CONNECTED, self._describe(connection).payload(), self._timestamp())
            self.note_transport(connection)

    def disconnected(self, connection: ServedConnection, reason: str) -> None:
        """Collect the end of a connection."""
        if self.shows_events:
            self._polling.pop(connection.id, None)
            where, at = connection.namespace, self._timestamp()
            self._add(ROOM_LEFT, where, connection.id, connection.id, at)
            self._add(SOCKET_DISCONNECTED, where, connection.id, reason, at)

    def room_joined(self, namespace: str, room: str, connection_id: str) -> None:
        """Collect that a connection entered a room."""
        if self.shows_events:
            self._add(ROOM_JOINED, namespace, room, connection_id, self._timestamp())

    def room_left(self, namespace: str, room: str, connection_id: str) -> None:
        """Collect that a connection left a room."""
        if self.shows_events:
            self._add(ROOM_LEFT, namespace, room, connection_id, self._timestamp())

    def note_transport(self, connection: ServedConnection) -> None:
        """Remember a connection that may yet change over to WebSocket."""
        if connection.transport == "polling":
            self._polling[connection.id] = connection

    def take_items(self) -> list[Item]:
        """Return the changes and events since the last call."""
        changes, self._changes = self._changes, []
        events, self._events = self._events, []
        return [*changes, *self._take_upgrades(), *events]

    def take_counts(self) -> Counts:
        """Return the numbers since the last call; what went through the server counts for the second of this one."""
        counts, self._counts = self._counts, {}
        before, self._traffic_before = self._traffic_before, self._traffic()
        for kind, number, earlier in zip(_TRAFFIC, self._traffic_before, before, strict=True):
            if number != earlier:
                counts[int(self._now()), kind, None] = number - earlier
        return counts

    def take_loss(self) -> bool:
        """Return whether there were more changes than could be kept since the last call."""
        has_lost, self._has_lost_changes = self._has_lost_changes, False
        return has_lost

    def _take_upgrades(self) -> list[Item]:
        upgraded = [connection for connection in list(self._polling.values()) if connection.transport != "polling"]
        for connection in upgraded:
            self._polling.pop(connection.id, None)
        return [updated_item(connection.namespace, connection.id, connection.transport) for connection in upgraded]

    def _add(self, event: str, *args: object) -> None:
        if len(self._changes) < MAX_CHANGES:
            self._changes.append((event, args))
        else:
            self._has_lost_changes = True

    def _timestamp(self) -> str:
        return timestamp(self._now())
