"""View of this server for features: its sessions, connections and rooms, and an observer of them while one is wanted.

Nothing here is on the way of an event as long as no observer is shown events. With one that is, the functions that receive and
deliver packets are exchanged for others that tell it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final, NamedTuple

from flask_realtime.contract import json
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.feature.serving import Observer, Traffic
from flask_realtime.gateway.connection import Connection, Registry, Session
from flask_realtime.gateway.delivery.manager import RoomManager
from flask_realtime.gateway.dispatch.packets import DEFAULT_NAMESPACE
from flask_realtime.gateway.serving.sessions import EngineSessions

Receive = Callable[[Session, object], None]

_EVENT_TYPES: Final = ("2", "5")
_MAX_BODY: Final = 16_384
"""Characters of an event that is decoded for an observer; of a longer one it gets the name and the length."""

_HEAD: Final = re.compile("[25](?:[0-9]+-)?(/[^,?]*)")
_NAME: Final = re.compile(r'\["([^"\\]{1,128})"')
_MAX_RECEIVERS: Final = 20
"""Receivers of one event that an observer is told of by their ids."""


class GatewayView:
    """This server, as features see it.

    Args:
        open_sessions: Its sessions by their ids in the engine.
        registry: Its connections.
        rooms: The rooms of all namespaces.
        sessions: The engine's sessions.
        disconnect: Ends a connection, for a reason.
    """

    def __init__(
        self,
        open_sessions: Mapping[str, Session],
        registry: Registry,
        rooms: RoomManager,
        sessions: EngineSessions,
        disconnect: Callable[[Connection, str], None],
    ) -> None:
        self._open_sessions = open_sessions
        self._registry = registry
        self._rooms = rooms
        self._sessions = sessions
        self._disconnect = disconnect
        self._route: Receive = _not_routed
        self.receive: Receive = _not_routed
        """Handles the messages of new sessions."""
        self.observer: Observer | None = None
        """Told of everything; None while nobody wants to know."""

    def route(self, receive: Receive) -> None:
        """Set the function that handles the messages of all sessions."""
        self._route = self.receive = receive

    def observe(self, observer: Observer | None) -> None:
        """Have an observer told of everything; see `ServerView.observe`."""
        before, self.observer = self.observer, observer
        if observer is not None and observer.shows_events:
            self._exchange(partial(_received, self._route, observer))
            self._rooms.observe(partial(_RoomChanges, observer), partial(self._delivered, observer))
        elif before is not None and before.shows_events:
            self._exchange(self._route)
            self._rooms.observe(None, None)

    def _exchange(self, receive: Receive) -> None:
        self.receive = receive
        for eio_sid, session in list(self._open_sessions.items()):
            self._sessions.handle_with(eio_sid, partial(receive, session))

    def _delivered(self, observer: Observer, receivers: Collection[Any], message: OutboundMessage) -> None:
        head = str(message.parts[0])
        if receivers and observer.takes_event(namespace := _namespace_of(head)):
            rooms = self._rooms.of(namespace)
            found = (rooms.find(self._sessions.id_of(receiver)) for receiver in islice(tuple(receivers), _MAX_RECEIVERS))
            event, args = _readable(head)
            observer.event_sent(namespace, [sid for sid in found if sid is not None], event, args)

    def traffic(self) -> Traffic:
        """Return what went through this server since it started; see `ServerView.traffic`."""
        counts = self._rooms.counts
        packets_in, packets_out = sum(counts.events_received.values()), sum(counts.events_sent.values())
        return Traffic(packets_in, counts.bytes_received, packets_out + counts.answered, counts.bytes_sent)

    def count_sessions(self) -> tuple[int, int]:
        """Return the number of sessions, and of those that use long polling now."""
        return self._sessions.count()

    def count_connections(self) -> dict[str, int]:
        """Return the number of connections in each namespace."""
        return self._rooms.sizes()

    def connections(self, namespace: str | None = None, room: str | None = None) -> list[Any]:
        """Return admitted connections; see `ServerView.connections`."""
        if namespace is None or room is None:
            everyone = self._registry.everyone()
            return [item for item in everyone if _is_open(item) and namespace in {None, item.namespace}]
        found = (self._registry.get(sid) for sid, _ in self._rooms.of(namespace).participants(room))
        return [item for item in found if item is not None and _is_open(item)]

    def rooms_of(self, connection: Any) -> list[str]:
        """Return the rooms that a connection is in, its own too."""
        return self._rooms.get_rooms(connection.id, connection.namespace)

    def enter(self, connection: Any, room: str) -> None:
        """Add a connection to a room; see `ServerView.enter`."""
        with connection.lock:
            if not connection.closed:
                self._rooms.enter_room(connection.id, connection.namespace, room)

    def leave(self, connection: Any, room: str) -> None:
        """Remove a connection from a room."""
        self._rooms.leave_room(connection.id, connection.namespace, room)

    def end_session(self, connection: Any, reason: str) -> None:
        """End a connection, and those of the same client to other namespaces."""
        for other in connection.of_session():
            self._disconnect(other, reason)

    def send(self, namespace: str, room: str | None, event: str, args: Sequence[Any], *, volatile: bool = False) -> None:
        """Send an event to this server's connections; see `ServerView.send`."""
        self._rooms.of(namespace).emit_event(event, list(args), room, (), None, volatile=volatile)


class _RoomChanges(NamedTuple):
    """Tells an observer of the changes to the rooms of one namespace."""

    observer: Observer
    namespace: str

    def entered(self, room: str, sid: str) -> None:
        self.observer.room_joined(self.namespace, room, sid)

    def left(self, room: str, sid: str) -> None:
        self.observer.room_left(self.namespace, room, sid)


def _is_open(connection: Connection) -> bool:
    return connection.admitted and not connection.closed


def _received(receive: Receive, observer: Observer, session: Session, data: object) -> None:
    if isinstance(data, str) and data[:1] in _EVENT_TYPES:
        _tell(observer, session, data)
    receive(session, data)


def _tell(observer: Observer, session: Session, data: str) -> None:
    namespace = _namespace_of(data)
    connection = session.connection_in(namespace)
    if connection is not None and not connection.closed and observer.takes_event(namespace):
        event, args = _readable(data)
        observer.event_received(namespace, connection.id, event, args)


def _namespace_of(packet: str) -> str:
    found = _HEAD.match(packet)
    return DEFAULT_NAMESPACE if found is None else found[1]


def _readable(packet: str) -> tuple[str, list[Any]]:
    """Return the name and the arguments of an event, as far as they can be shown; attachments are placeholders."""
    body = packet[packet.find("[") :]
    if len(body) <= _MAX_BODY:
        try:
            payload = json.loads(body)
        except ValueError:
            payload = None
        if isinstance(payload, list) and payload and isinstance(payload[0], str):
            return payload[0], payload[1:]
    name = _NAME.match(body)
    return ("" if name is None else name[1]), [f"({len(body)} characters)"]


def _not_routed(_session: Session, _data: object) -> None:
    """Ignore what comes before the gateway is set up; nothing does."""
