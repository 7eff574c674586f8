"""Rooms of a namespace, as a manager for python-socketio.

python-socketio's own manager searches every room when a connection leaves, and puts a connection in its rooms before
it is admitted. Here a connection knows its rooms, and is in none of them until it is admitted: events sent to it while the
application's connect hook runs are held, and follow the CONNECT packet that clients expect first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol

from socketio.manager import Manager

from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.engine.websocket import WebSocket, write_to_all
from flask_realtime.gateway.dispatch.packets import DEFAULT_NAMESPACE
from flask_realtime.gateway.locks import native_lock
from flask_realtime.small_sets import NOTHING, SmallSet, with_name, without_name


class Receiver(Protocol):
    """An engine session, as rooms see it."""

    def deliver(self, message: OutboundMessage) -> None:
        """Send a message that was encoded for many receivers."""


Encode = Callable[..., Sequence["str | bytes"]]
DeliverToAll = Callable[[Iterable[Any], OutboundMessage], None]
"""Sends one message to many receivers of one kind."""

FindWebSockets = Callable[[Iterable[Any]], "tuple[WebSocket, ...] | None"]
"""Returns the WebSocket connections of receivers, or None if they have none that can be written to directly."""


def deliver_to_each(receivers: Iterable[Receiver], message: OutboundMessage) -> None:
    """Send a message to receivers one by one, without a fast path."""
    for receiver in tuple(receivers):  # One that turns out to be gone leaves its rooms at once.
        receiver.deliver(message)


def find_no_websockets(_receivers: Iterable[Receiver]) -> None:
    """Return None: the stock engine's receivers have no direct connections."""


class _Room(dict[str, Receiver]):
    """The connections in a room."""

    __slots__ = ("version",)

    def __init__(self) -> None:
        super().__init__()
        self.version = 0
        """Differs after each change."""


_ROUTE_SIZE: Final = 64
"""Maximum number of receivers cached with a message; with more, the look-up is a small part of the cost."""


@dataclass(slots=True)
class _Route:
    """The cached receivers of a message, valid as long as the rooms do not change.

    Args:
        websockets: The connections that get it.
        rooms: The rooms that this depends on, each with its version.
        changes: The count of all rooms' changes at the last check.
    """

    websockets: tuple[WebSocket, ...]
    rooms: tuple[tuple[_Room, int], ...]
    changes: int


@dataclass(slots=True)
class _Member:
    eio_sid: str
    receiver: Receiver
    rooms: SmallSet = NOTHING
    leaving: bool = False


@dataclass(slots=True)
class _Pending(_Member):
    held: list[Callable[[], None]] = field(default_factory=list)

    def is_in(self, sid: str, room: Any) -> bool:
        if room is None:
            return True
        rooms = {room} if isinstance(room, str) else set(room)
        return sid in rooms or not rooms.isdisjoint(self.rooms)


class RoomManager(Manager):  # type: ignore[misc]  # python-socketio has no types
    """The connections of one server in a namespace, and their rooms; each further namespace has its own manager.

    Args:
        encode: Encodes an event: its name and arguments, and the number of its callback.
        find_receiver: Returns an engine session.
        on_disconnected: Called with the id of each connection that leaves its namespace, for whatever reason.
        deliver_to_all: Sends one message to many of the sessions.
        find_websockets: Returns the WebSocket connections of sessions.
        namespace: The namespace; the default one's manager is the one that python-socketio uses.
    """

    def __init__(  # noqa: PLR0913 - most have defaults
        self,
        encode: Encode,
        find_receiver: Callable[[str], Receiver],
        on_disconnected: Callable[[str], None],
        deliver_to_all: DeliverToAll = deliver_to_each,
        find_websockets: FindWebSockets = find_no_websockets,
        *,
        namespace: str = DEFAULT_NAMESPACE,
    ) -> None:
        super().__init__()
        self._namespace = namespace
        self._others: dict[str, RoomManager] = {}
        self._encode = encode
        self._find_receiver = find_receiver
        self.deliver_through(deliver_to_all, find_websockets)
        self._on_disconnected = on_disconnected
        self._pending: dict[str, _Pending] = {}
        self._members: dict[str, _Member] = {}
        self._ids: dict[str, str] = {}
        self._rooms: dict[str, _Room] = {}
        self._resolving: dict[str, str] = {}
        self._lock = native_lock()
        self._changes = 0

    def deliver_through(self, deliver_to_all: DeliverToAll, find_websockets: FindWebSockets) -> None:
        """Set an engine's functions for delivery, before anybody is connected.

        Args:
            deliver_to_all: Sends one message to many of the sessions.
            find_websockets: Returns the WebSocket connections of sessions.
        """
        self._deliver_to_all = deliver_to_all
        self._find_websockets = find_websockets
        for manager in self._others.values():
            manager.deliver_through(deliver_to_all, find_websockets)

    def of(self, namespace: str) -> RoomManager:
        """Return the manager of a namespace, which the application names."""
        if namespace == self._namespace:
            return self
        manager = self._others.get(namespace)
        if manager is None:
            encode = partial(self._encode, namespace=namespace)
            collaborators = (encode, self._find_receiver, self._on_disconnected, self._deliver_to_all, self._find_websockets)
            manager = self._others[namespace] = RoomManager(*collaborators, namespace=namespace)
            manager.set_server(self.server)
        return manager

    # Admission ----------------------------------------------------------------------------------------------------------------

    def reserve(self, eio_sid: str, *rooms: str) -> str:
        """Make an id for a connection that may be admitted, and hold events that are sent to it.

        Args:
            eio_sid: The engine session that carries it.
            rooms: Rooms that it enters when it is admitted.
        """
        sid: str = self.server.eio.generate_id()
        self._pending[sid] = _Pending(eio_sid, self._find_receiver(eio_sid), tuple(dict.fromkeys(rooms)))
        return sid

    def discard(self, sid: str) -> None:
        """Forget a connection that is not admitted, and its held events."""
        self._pending.pop(sid, None)

    def admit(self, sid: str) -> None:
        """Enter a connection in its rooms, and send its held events."""
        pending = self._pending.pop(sid)
        self._members[sid] = _Member(pending.eio_sid, pending.receiver)
        self._ids[pending.eio_sid] = sid
        for room in pending.rooms:
            self._enter(sid, room)
        for send in pending.held:
            send()

    @contextmanager
    def resolving(self, sid: str, eio_sid: str) -> Iterator[None]:
        """Keep the engine session of a closed connection findable while the context lasts."""
        self._resolving[sid] = eio_sid
        try:
            yield
        finally:
            del self._resolving[sid]

    # Sending ------------------------------------------------------------------------------------------------------------------

    def emit(  # noqa: PLR0913, PLR0917 - python-socketio's signature
        self,
        event: str,
        data: Any,
        namespace: str,
        room: Any = None,
        skip_sid: Any = None,
        callback: Any = None,
        to: Any = None,
        **kwargs: Any,
    ) -> None:
        """Send an event to a room, to some, or to everyone in the namespace."""
        room = to or room
        if namespace != self._namespace:
            self.of(namespace).emit(event, data, namespace, room=room, skip_sid=skip_sid, callback=callback, **kwargs)
            return
        args = list(data) if isinstance(data, tuple) else [] if data is None else [data]
        skipped = [skip_sid] if isinstance(skip_sid, str) else skip_sid or ()
        if callback is None:
            self.send(
                OutboundMessage(self._encode([event, *args])), room, skipped
            )  # A connection is alone in the room of its own name.
        else:
            self._call(event, args, room, skipped, callback)

    def send(self, message: OutboundMessage, room: Any, except_rooms: Iterable[str] = (), except_sid: str | None = None) -> None:
        """Send a message to every connection in a room, each once.

        Args:
            message: The message.
            room: A room, several, or None for everyone.
            except_rooms: Rooms whose connections do not get it.
            except_sid: A connection that does not get it, or None.
        """
        self._send(message, self._without(self._receivers(room), except_rooms, except_sid))
        if self._pending:
            self._hold(message, room, except_rooms, except_sid)

    def _send(self, message: OutboundMessage, receivers: Mapping[str, Receiver]) -> None:
        if receivers:
            self._deliver_to_all(receivers.values(), message)

    def send_again(
        self, message: OutboundMessage, rooms: Sequence[str] | None, except_rooms: Iterable[str], except_sid: str | None
    ) -> None:
        """Send a message again, to the same rooms except the same ones; receivers are looked up again only if a room has changed.

        Args:
            message: The message.
            rooms: The rooms, or None for everyone.
            except_rooms: Rooms whose connections do not get it.
            except_sid: A connection that does not get it, or None.
        """
        route: _Route | None = message.route
        if route is not None and (route.changes == self._changes or self._still_holds(route)):
            write_to_all(route.websockets, message.frames, message.volatile)
        else:
            receivers = self._without(self._receivers(rooms), except_rooms, except_sid)
            message.route = self._find_route(receivers, rooms, except_rooms)
            self._send(message, receivers)
        if self._pending:
            self._hold(message, rooms, except_rooms, except_sid)

    def _still_holds(self, route: _Route) -> bool:
        route.changes = self._changes
        return all(room.version == version for room, version in route.rooms)

    def _find_route(
        self, receivers: Mapping[str, Receiver], rooms: Sequence[str] | None, except_rooms: Iterable[str]
    ) -> _Route | None:
        websockets = self._find_websockets(receivers.values()) if len(receivers) <= _ROUTE_SIZE else None
        if websockets is None or rooms is None:
            return None
        known = [self._rooms.get(name) for name in (*rooms, *except_rooms)]
        versions = tuple((room, room.version) for room in known if room is not None)
        # A room that there is not yet cannot be seen to change.
        return _Route(websockets, versions, self._changes) if len(versions) == len(known) else None

    def _hold(self, message: OutboundMessage, room: Any, except_rooms: Iterable[str], except_sid: str | None) -> None:
        for sid, pending in self._waiting(room, except_rooms):
            if sid != except_sid:
                pending.held.append(partial(pending.receiver.deliver, message))

    def _call(self, event: str, args: list[Any], room: Any, skipped: Iterable[str], callback: Any) -> None:
        for sid, pending in self._waiting(room, skipped):
            pending.held.append(partial(self._call, event, args, sid, (), callback))
        for sid, receiver in list(self._receivers(room).items()):
            if sid not in skipped:
                packet_id = self._generate_ack_id(sid, callback)
                receiver.deliver(OutboundMessage(self._encode([event, *args], packet_id)))

    def _waiting(self, room: Any, skipped: Iterable[str]) -> list[tuple[str, _Pending]]:
        waiting = list(self._pending.items())
        return [(sid, pending) for sid, pending in waiting if pending.is_in(sid, room) and not pending.is_in(sid, skipped)]

    def _receivers(self, room: Any) -> Mapping[str, Receiver]:
        if room is None:
            return {sid: member.receiver for sid, member in self._members.items()}
        if isinstance(room, str):
            return self._in_room(room)
        receivers: dict[str, Receiver] = {}
        for name in room:
            receivers.update(self._in_room(name))
        return receivers

    def _in_room(self, room: str) -> Mapping[str, Receiver]:
        receivers = self._rooms.get(room)
        if receivers is not None:
            return receivers
        member = self._members.get(room)  # Each connection is alone in a room of its own name.
        return {} if member is None else {room: member.receiver}

    def _without(
        self, receivers: Mapping[str, Receiver], except_rooms: Iterable[str], except_sid: str | None
    ) -> Mapping[str, Receiver]:
        if not except_rooms and except_sid is None:
            return receivers
        remaining = dict(receivers)
        for name in except_rooms:
            for sid in self._in_room(name):
                remaining.pop(sid, None)
        if except_sid is not None:
            remaining.pop(except_sid, None)
        return remaining

    def take_callback(self, sid: str, packet_id: int | None) -> Callable[..., None] | None:
        """Take the callback that waits for a client's acknowledgement, or return None if there is none, or it was taken already."""
        # The entry 0 is python-socketio's own counter.
        callback: Callable[..., None] | None = self.callbacks.get(sid, {}).pop(packet_id, None) if packet_id else None
        return callback

    # What python-socketio asks ------------------------------------------------------------------------------------------------

    def get_namespaces(self) -> list[str]:
        """Return the namespaces that have connections."""
        others = [namespace for manager in self._others.values() for namespace in manager.get_namespaces()]
        return [*others, *([self._namespace] if self._members else [])]

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        """Return the connections in a room, each with its engine session."""
        if namespace != self._namespace:
            yield from self.of(namespace).get_participants(namespace, room)
        else:
            yield from [(sid, self._members[sid].eio_sid) for sid in self._receivers(room)]

    def is_connected(self, sid: str, namespace: str) -> bool:
        """Return whether a connection is admitted and not about to leave."""
        if namespace != self._namespace:
            return self.of(namespace).is_connected(sid, namespace)
        member = self._members.get(sid)
        return member is not None and not member.leaving

    def sid_from_eio_sid(self, eio_sid: str, namespace: str) -> str | None:
        """Return the connection on an engine session."""
        return self.of(namespace)._ids.get(eio_sid)  # noqa: SLF001 - another one of this class

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        """Return the engine session of a connection, even if it is still being admitted or has just left."""
        if namespace != self._namespace:
            return self.of(namespace).eio_sid_from_sid(sid, namespace)
        member = self._members.get(sid) or self._pending.get(sid)
        return self._resolving.get(sid) if member is None else member.eio_sid

    def pre_disconnect(self, sid: str, namespace: str) -> str | None:
        """Record that a connection is about to leave."""
        if namespace != self._namespace:
            return self.of(namespace).pre_disconnect(sid, namespace)
        member = self._members[sid]
        member.leaving = True
        return member.eio_sid

    def is_sid_room(self, namespace: str, room: str) -> bool:
        """Return whether a room's name is a connection's id."""
        return room in self.of(namespace)._members  # noqa: SLF001 - as above

    def enter_room(self, sid: str, namespace: str, room: str, eio_sid: str | None = None) -> None:
        """Enter a room; a connection that is still being admitted enters it on admission.

        Raises:
            ValueError: There is no such connection, or the room is another connection's own.
        """
        if namespace != self._namespace:
            self.of(namespace).enter_room(sid, namespace, room, eio_sid=eio_sid)
        elif sid in self._pending:
            self._note(self._pending[sid], room)
        elif sid not in self._members:
            msg = "sid is not connected to requested namespace"
            raise ValueError(msg)
        elif room in self._members and room != sid:
            msg = "cannot enter a sid room"
            raise ValueError(msg)
        else:
            self._enter(sid, room)

    def _enter(self, sid: str, room: str) -> None:
        member = self._members[sid]
        self._note(member, room)
        members = self._rooms.get(room)
        if members is None:
            members = self._rooms[room] = _Room()
        members[sid] = member.receiver
        members.version += 1
        self._changes += 1

    def leave_room(self, sid: str, namespace: str, room: str) -> None:
        """Leave a room."""
        if namespace != self._namespace:
            self.of(namespace).leave_room(sid, namespace, room)
        elif sid in self._pending:
            self._strike(self._pending[sid], room)
        elif sid in self._members:
            self._strike(self._members[sid], room)
            self._leave(sid, room)

    def _note(self, member: _Member, room: str) -> None:
        with self._lock:  # An application's threads may have one connection enter two rooms at once.
            if room not in member.rooms:
                member.rooms = with_name(member.rooms, room)

    def _strike(self, member: _Member, room: str) -> None:
        with self._lock:
            member.rooms = without_name(member.rooms, room)

    def _leave(self, sid: str, room: str) -> None:
        members = self._rooms.get(room)
        if members is None:
            return
        members.pop(sid, None)
        members.version += 1
        self._changes += 1
        if not members:
            del self._rooms[room]

    def close_room(self, room: str, namespace: str) -> None:
        """Remove every connection from a room."""
        if namespace != self._namespace:
            self.of(namespace).close_room(room, namespace)
            return
        for sid in list(self._rooms.get(room, ())):
            self.leave_room(sid, namespace, room)

    def get_rooms(self, sid: str, namespace: str) -> list[str]:
        """Return the rooms of a connection, including its own."""
        if namespace != self._namespace:
            return self.of(namespace).get_rooms(sid, namespace)
        member = self._members.get(sid)
        return [] if member is None else [sid, *member.rooms]

    def disconnect(self, sid: str, namespace: str, **kwargs: Any) -> None:
        """Remove a connection from its rooms, and call `on_disconnected`."""
        if namespace != self._namespace:
            self.of(namespace).disconnect(sid, namespace, **kwargs)
            return
        member = self._members.pop(sid, None)
        if member is not None:
            self._ids.pop(member.eio_sid, None)
            for room in tuple(member.rooms):
                self._leave(sid, room)
        self.callbacks.pop(sid, None)
        self._on_disconnected(sid)
