"""Rooms in the form of a manager that python-socketio works with: what it asks of all namespaces, each of which has its rooms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from socketio.manager import Manager

from flask_realtime.counts import Counts
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.gateway.delivery.members import Receiver
from flask_realtime.gateway.delivery.rooms import (
    DeliverToAll,
    Encode,
    FindWebSockets,
    RoomObserver,
    Rooms,
    deliver_to_each,
    find_no_websockets,
)
from flask_realtime.gateway.dispatch.packets import DEFAULT_NAMESPACE
from flask_realtime.gateway.recovery.journal import Journal

ObserverOf = Callable[[str], RoomObserver | None]
Delivered = Callable[[Iterable[Any], OutboundMessage], None]
"""Told of a message that was sent to many receivers of one kind."""


class RoomManager(Rooms, Manager):  # type: ignore[misc]  # python-socketio has no types
    """The rooms of the default namespace, and the way to those of the others.

    Args:
        encode: Encodes an event: its name and arguments, the number of its callback, and its namespace.
        find_receiver: Returns an engine session.
        on_disconnected: Told the id of each connection that leaves its namespace, whoever made it leave.
        deliver_to_all: Sends one message to many of the sessions.
        find_websockets: Returns the WebSocket connections of sessions.
        journal: Numbers the events of the default namespace, or None.
        counts: Counts the events that are sent; None if nobody asks.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - as `Rooms`
        self,
        encode: Encode,
        find_receiver: Callable[[str], Receiver],
        on_disconnected: Callable[[str], None],
        deliver_to_all: DeliverToAll = deliver_to_each,
        find_websockets: FindWebSockets = find_no_websockets,
        journal: Journal | None = None,
        counts: Counts | None = None,
    ) -> None:
        Manager.__init__(self)
        ids = (self._new_connection_id, self._generate_ack_id)
        Rooms.__init__(self, encode, find_receiver, *ids, deliver_to_all, find_websockets, journal, counts)
        self._on_disconnected = on_disconnected
        self._others: dict[str, Rooms] = {}
        self._observer_of: ObserverOf = _nobody
        self._plain_delivery: DeliverToAll | None = None

    def _new_connection_id(self) -> str:
        sid: str = self.server.eio.generate_id()
        return sid

    def deliver_through(self, deliver_to_all: DeliverToAll, find_websockets: FindWebSockets) -> None:
        """Deliver in the way of an engine in every namespace, before anybody is connected; see `Rooms.deliver_through`."""
        super().deliver_through(deliver_to_all, find_websockets)
        for rooms in self._others.values():
            rooms.deliver_through(deliver_to_all, find_websockets)

    def of(self, namespace: str) -> Rooms:
        """Return the rooms of a namespace, which the application names."""
        if namespace == DEFAULT_NAMESPACE:
            return self
        rooms = self._others.get(namespace)
        if rooms is None:
            encode = partial(self._encode, namespace=namespace)
            ids = (self._new_id, self._await_answer)
            ways = (self._deliver_to_all, self.find_websockets)
            counts = None if namespace in self.counts.left_out else self.counts
            rooms = self._others[namespace] = Rooms(encode, self._find_receiver, *ids, *ways, counts=counts)
            rooms.observer = self._observer_of(namespace)
        return rooms

    def observe(self, observer_of: ObserverOf | None, delivered: Delivered | None) -> None:
        """Have somebody told of every change and every delivery in every namespace; with None, nobody.

        Args:
            observer_of: Returns who is told of changes to the rooms of a namespace.
            delivered: Called after each delivery, with what that was called with.
        """
        self._observer_of = observer_of or _nobody
        self.observer = self._observer_of(DEFAULT_NAMESPACE)
        for namespace, rooms in self._others.items():
            rooms.observer = self._observer_of(namespace)
        plain = self._plain_delivery = self._plain_delivery or self._deliver_to_all
        self.deliver_through(plain if delivered is None else partial(_deliver_and_tell, plain, delivered), self.find_websockets)
        if delivered is None:
            self._plain_delivery = None

    def take_callback(self, sid: str, packet_id: int | None) -> Callable[..., None] | None:
        """Take out what waits for a client's acknowledgement, or return None: nobody asked for it, or it came already."""
        # Never 0: python-socketio keeps its counter there.
        callback: Callable[..., None] | None = self.callbacks.get(sid, {}).pop(packet_id, None) if packet_id else None
        return callback

    def emit(  # noqa: PLR0913, PLR0917 - python-socketio's signature
        self,
        event: str,
        data: Any,
        namespace: str,
        room: Any = None,
        skip_sid: Any = None,
        callback: Any = None,
        to: Any = None,
        **_options: Any,
    ) -> None:
        """Send an event to a room, to some, or to everyone in the namespace."""
        args = list(data) if isinstance(data, tuple) else [] if data is None else [data]
        skipped = [skip_sid] if isinstance(skip_sid, str) else skip_sid or ()
        self.of(namespace).emit_event(event, args, to or room, skipped, callback)

    def get_namespaces(self) -> list[str]:
        """Return the namespaces that have connections."""
        others = [namespace for namespace, rooms in self._others.items() if not rooms.is_empty]
        return [*others, *([] if self.is_empty else [DEFAULT_NAMESPACE])]

    def sizes(self) -> dict[str, int]:
        """Return the number of connections in each namespace that has been used."""
        return {DEFAULT_NAMESPACE: self.size, **{namespace: rooms.size for namespace, rooms in self._others.items()}}

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        """Return the connections in a room, each with its engine session."""
        yield from self.of(namespace).participants(room)

    def is_connected(self, sid: str, namespace: str) -> bool:
        """Return whether a connection is admitted and not about to leave."""
        return self.of(namespace).is_staying(sid)

    def sid_from_eio_sid(self, eio_sid: str, namespace: str) -> str | None:
        """Return the connection on an engine session."""
        return self.of(namespace).find(eio_sid)

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        """Return the engine session of a connection, one that is still being admitted or that just left too."""
        return self.of(namespace).find_session(sid)

    def pre_disconnect(self, sid: str, namespace: str) -> str:
        """Begin a connection's departure."""
        return self.of(namespace).begin_to_leave(sid)

    def is_sid_room(self, namespace: str, room: str) -> bool:
        """Return whether a room's name is a connection's id."""
        return self.of(namespace).has(room)

    def enter_room(self, sid: str, namespace: str, room: str, eio_sid: str | None = None) -> None:  # noqa: ARG002 - python-socketio's signature
        """Enter a room; see `Rooms.enter`.

        Raises:
            ValueError: There is no such connection, or the room is another connection's own.
        """
        self.of(namespace).enter(sid, room)

    def leave_room(self, sid: str, namespace: str, room: str) -> None:
        """Leave a room."""
        self.of(namespace).leave(sid, room)

    def close_room(self, room: str, namespace: str) -> None:
        """Take every connection out of a room."""
        self.of(namespace).close(room)

    def get_rooms(self, sid: str, namespace: str) -> list[str]:
        """Return the rooms that a connection is in, its own too."""
        return self.of(namespace).rooms_of(sid)

    def forget(self, sid: str, namespace: str = DEFAULT_NAMESPACE) -> None:
        """Take a connection out of its rooms whose end, or whose successor of the same id, is known already."""
        (self if namespace == DEFAULT_NAMESPACE else self.of(namespace)).remove(sid)
        self.callbacks.pop(sid, None)

    def disconnect(self, sid: str, namespace: str, **_options: Any) -> None:
        """Take a connection out of its rooms, and say so."""
        self.forget(sid, namespace)
        self._on_disconnected(sid)


def _nobody(_namespace: str) -> None:
    return None


def _deliver_and_tell(deliver: DeliverToAll, delivered: Delivered, receivers: Iterable[Any], message: OutboundMessage) -> int:
    receivers = tuple(receivers)
    size = deliver(receivers, message)
    delivered(receivers, message)
    return size
