"""The rooms of a namespace: who is in them, and who receives what is sent to them.

python-socketio's own manager searches every room when a connection leaves, and puts a connection in its rooms before
it is admitted. Here a connection knows its rooms, and is in none of them until it is admitted: events sent to it while the
application's connect hook runs are held, and follow the CONNECT packet that clients expect first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, Protocol

from flask_realtime.backends.bus import Envelope
from flask_realtime.counts import Counts
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.engine.websocket import WebSocket
from flask_realtime.gateway.delivery.members import Member, NoInterest, Pending, PendingConnections, Receiver, Room, RoomInterest
from flask_realtime.gateway.locks import native_lock
from flask_realtime.gateway.recovery.journal import Journal
from flask_realtime.gateway.recovery.leases import Lease
from flask_realtime.small_sets import with_name, without_name

Encode = Callable[..., Sequence["str | bytes"]]
DeliverToAll = Callable[[Iterable[Any], OutboundMessage], int]
"""Sends one message to many receivers of one kind, and returns its size."""

FindWebSockets = Callable[[Iterable[Any]], "tuple[WebSocket, ...] | None"]
"""Returns the WebSocket connections of receivers, or None if they have none that can be written to directly."""


def deliver_to_each(receivers: Iterable[Receiver], message: OutboundMessage) -> int:
    """Send a message to receivers one by one, without a fast path, and return its size."""
    for receiver in tuple(receivers):  # A copy: a receiver that has gone leaves its rooms meanwhile.
        receiver.deliver(message)
    return message.size


def find_no_websockets(_receivers: Iterable[Receiver]) -> None:
    """Return None: the stock engine's receivers have no direct connections."""


class RoomObserver(Protocol):
    """Told of changes to the rooms of a namespace."""

    def entered(self, room: str, sid: str) -> None:
        """Record that a connection entered a room."""

    def left(self, room: str, sid: str) -> None:
        """Record that a connection left a room."""


class Rooms:
    """The connections of one server in a namespace, and the rooms they are in.

    Args:
        encode: Encodes an event: its name and arguments, and the number of its callback.
        find_receiver: Returns an engine session.
        new_id: Makes a connection's id.
        await_answer: Notes what waits for a connection's acknowledgement, and returns its number.
        deliver_to_all: Sends one message to many of the sessions.
        find_websockets: Returns the WebSocket connections of sessions.
        journal: Numbers events, for clients that may come back; None if there are none in this namespace.
        counts: Counts the events that are sent; None if nobody asks.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - independent collaborators
        self,
        encode: Encode,
        find_receiver: Callable[[str], Receiver],
        new_id: Callable[[], str],
        await_answer: Callable[[str, Callable[..., None]], int],
        deliver_to_all: DeliverToAll,
        find_websockets: FindWebSockets,
        journal: Journal | None = None,
        counts: Counts | None = None,
    ) -> None:
        self.counts = Counts() if counts is None else counts
        """Counts the events that are sent."""
        self._sent = self.counts.sent
        self._encode = encode
        self._find_receiver = find_receiver
        self._new_id = new_id
        self._await_answer = await_answer
        self._deliver_to_all = deliver_to_all
        self.find_websockets = find_websockets
        self.pending = PendingConnections()
        """Connections that are still being admitted."""
        self._members: dict[str, Member] = {}
        self._ids: dict[str, str] = {}
        self._rooms: dict[str, Room] = {}
        self._resolving: dict[str, str] = {}
        self._lock = native_lock()
        self._journal = journal
        self.turn: AbstractContextManager[Any] = nullcontext() if journal is None else journal.turn
        """Held while an event is numbered and sent; see `Journal.turn`."""
        self.changes = 0
        """How often any room has changed."""
        self._interest: RoomInterest = NoInterest()
        self.observer: RoomObserver | None = None
        """Told of who enters and leaves; None while nobody wants to know."""

    def deliver_through(self, deliver_to_all: DeliverToAll, find_websockets: FindWebSockets) -> None:
        """Set an engine's functions for delivery, before anybody is connected.

        Args:
            deliver_to_all: Sends one message to many of the sessions.
            find_websockets: Returns the WebSocket connections of sessions.
        """
        self._deliver_to_all = deliver_to_all
        self.find_websockets = find_websockets

    def tell(self, interest: RoomInterest | None) -> None:
        """Have somebody told in which rooms there is anybody, before anybody is connected; nobody with None."""
        self._interest = self.pending.interest = NoInterest() if interest is None else interest

    def reserve(self, eio_sid: str, *rooms: str) -> str:
        """Make an id for a connection that may be admitted, and hold events that are sent to it.

        Args:
            eio_sid: The engine session that carries it.
            rooms: Rooms that it enters when it is admitted.

        Raises:
            ConnectionRefused: The session has ended.
        """
        sid = self._new_id()
        since = self._last()
        pending = Pending(eio_sid, self._find_receiver(eio_sid), tuple(dict.fromkeys(rooms)), since=since)
        pending.place = "" if self._journal is None else self._journal.place
        pending.entered = dict.fromkeys(rooms, since)
        self.pending.add(sid, pending)
        return sid

    def reserve_again(self, eio_sid: str, lease: Lease) -> None:
        """Prepare for the return of a connection, which is in its rooms until then if it was not known to be lost.

        Raises:
            ConnectionRefused: The session has ended.
        """
        self.pending.add(lease.sid, Pending(eio_sid, self._find_receiver(eio_sid), lease=lease, since=self._last()))

    def reserved_at(self, sid: str) -> tuple[int, str]:
        """Return the number of the last event before a connection was reserved, and the place of then."""
        pending = self.pending[sid]
        return pending.since, pending.place

    def discard(self, sid: str) -> None:
        """Forget a connection that is not admitted, and what was held for it."""
        if sid in self.pending:
            self.pending.take(sid)
        self._tidy()

    def admit(self, sid: str) -> None:
        """Let a connection into its rooms, and send what was held for it."""
        coming = self._interest_in(sid)
        pending = self.pending.take(sid)
        if self._journal is not None:
            pending.receiver.takes_offsets = False
            self._tidy()
        self._add_member(sid, Member(pending.eio_sid, pending.receiver))
        for room in pending.rooms:
            self._enter(sid, room)
        self._interest.discard(coming)
        for send in pending.held:
            send()

    def admit_with_lease(self, sid: str, lease: Lease, greeting: OutboundMessage) -> None:
        """Let a connection that may come back into its rooms, behind a greeting; see `admit`."""
        coming = self._interest_in(sid)
        pending = self.pending.take(sid)
        receiver = lease.receiver = pending.receiver
        receiver.takes_offsets = True
        if lease.user_session is not None and receiver.user_session is None:
            receiver.user_session = lease.user_session
        receiver.deliver(greeting)
        self._add_member(sid, Member(pending.eio_sid, receiver, lease=lease))
        for room in pending.rooms:
            lease.enter(room, pending.entered.get(room, self._last()))
        for room in lease.entered():
            self._enter(sid, room)
        self._interest.discard(coming)
        for send in pending.held:
            send()

    def _interest_in(self, sid: str) -> tuple[str, ...]:
        """Keep up the interest in what a connection waits for: on its way to its rooms it is nowhere for a moment."""
        coming = (sid, *self.pending[sid].rooms)
        self._interest.add(coming)
        return coming

    def _add_member(self, sid: str, member: Member) -> None:
        if sid not in self._members:
            self._interest.add((sid,))
        self._members[sid] = member
        self._ids[member.eio_sid] = sid

    @contextmanager
    def resolving(self, sid: str, eio_sid: str) -> Iterator[None]:
        """Keep the engine session of a closed connection findable while the context lasts."""
        self._resolving[sid] = eio_sid
        try:
            yield
        finally:
            del self._resolving[sid]

    def emit_event(  # noqa: PLR0913 - what a message is made of
        self,
        event: str,
        args: list[Any],
        room: Any,
        skipped: Iterable[str],
        callback: Callable[..., None] | None,
        *,
        volatile: bool = False,
    ) -> None:
        """Encode an event and send it.

        Args:
            event: Its name.
            args: Its arguments.
            room: A room, several, or None for everyone.
            skipped: Connections that do not get it.
            callback: Called with the answer of each receiver, or None.
            volatile: Whether it may be dropped for a receiver that is behind; not with a callback.
        """
        if callback is None:
            # A connection to skip can be passed as a room: its id names one with it alone.
            message = OutboundMessage(self._encode([event, *args]), self._sent[event], volatile)
            self.send(message, room, skipped)
            self.keep(message, room, skipped, None)
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
        journal = self._journal
        if journal is None or not (journal.demand or self.pending):
            if journal is not None and journal.publish is not None:
                journal.count(message)
            self._send(message, room, except_rooms, except_sid)
            return
        with journal.turn:
            journal.record(message, room, except_rooms, except_sid)
            self._send(message, room, except_rooms, except_sid)

    def receive(self, message: OutboundMessage, room: Any, envelope: Envelope) -> None:
        """Send what another server has sent; see `send`."""
        journal, header = self._journal, envelope.header
        except_rooms, except_sid = header["except_rooms"], header["except_sid"]
        if journal is None or not envelope.origin:
            self.send(message, room, except_rooms, except_sid)
            return
        with journal.turn:
            journal.place = envelope.place or journal.place
            if has := journal.who_has(envelope.origin, header.get("number")):
                except_rooms = (*except_rooms, *has)  # A connection's id is the name of a room with it alone.
            self.send(message, room, except_rooms, except_sid)

    def keep(self, message: OutboundMessage, room: Any, except_rooms: Iterable[str], except_sid: str | None) -> None:
        """Keep what was sent here and on no other server, for connections that come back elsewhere; see `send`."""
        if self._journal is not None:
            self._journal.keep(message, room, except_rooms, except_sid)

    def _send(self, message: OutboundMessage, room: Any, except_rooms: Iterable[str], except_sid: str | None) -> None:
        receivers = self._receivers(room)
        if except_rooms or except_sid is not None:
            receivers = self._without(receivers, except_rooms, except_sid)
        if receivers:
            size = self._deliver_to_all(receivers.values(), message)
            number, tally = len(receivers), message.tally
            # `OutboundMessage.count` inlined: the call would be half of what counting costs.
            tally.events += number
            tally.bytes += number * size
        if self.pending:
            self.hold(message, room, except_rooms, except_sid)

    def receivers(self, room: Any, except_rooms: Iterable[str] = (), except_sid: str | None = None) -> Mapping[str, Receiver]:
        """Return who receives what is sent with the same arguments, those that are still being admitted left out."""
        return self._without(self._receivers(room), except_rooms, except_sid)

    def deliver(self, message: OutboundMessage, receivers: Mapping[str, Receiver]) -> None:
        """Send a message to receivers."""
        if receivers:
            self._deliver_to_all(receivers.values(), message)
            message.count(len(receivers))

    def is_always_the_same(self, message: OutboundMessage) -> bool:
        """Return whether a message can be sent again as it is."""
        return self._journal is None or not self._journal.gives_offset(message)

    def find_room(self, name: str) -> Room | None:
        """Return a room, or None where it is empty."""
        return self._rooms.get(name)

    def hold(self, message: OutboundMessage, room: Any, except_rooms: Iterable[str], except_sid: str | None) -> None:
        """Have a message wait for those who are still being admitted; see `send`."""
        for sid, pending in self._waiting(room, except_rooms):
            # Who comes back gets what has a number from the history, and an older number behind that would be a step back.
            if sid != except_sid and (pending.lease is None or message.offset is None):
                pending.held.append(partial(pending.receiver.deliver, message))
                message.count(1)

    def _call(self, event: str, args: list[Any], room: Any, skipped: Iterable[str], callback: Any) -> None:
        for sid, pending in self._waiting(room, skipped):
            pending.held.append(partial(self._call, event, args, sid, (), callback))
        for sid, receiver in list(self._receivers(room).items()):
            if sid not in skipped:
                packet_id = self._await_answer(sid, callback)
                message = OutboundMessage(self._encode([event, *args], packet_id), self._sent[event])
                receiver.deliver(message)
                message.count(1)

    def _waiting(self, room: Any, skipped: Iterable[str]) -> list[tuple[str, Pending]]:
        return [(sid, pending) for sid, pending in self.pending.among(room) if not pending.is_in(sid, skipped)]

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
        member = self._members.get(room)  # A connection's id is also the name of a room with it alone.
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

    @property
    def size(self) -> int:
        """The number of connections."""
        return len(self._members)

    @property
    def is_empty(self) -> bool:
        """True if there are no connections."""
        return not self._members

    @property
    def count(self) -> int:
        """Return the number of rooms that somebody is in, without the connections' own."""
        return len(self._rooms)

    def participants(self, room: Any) -> list[tuple[str, str]]:
        """Return the connections in a room, each with its engine session."""
        return [(sid, self._members[sid].eio_sid) for sid in self._receivers(room)]

    def has(self, sid: str) -> bool:
        """Return whether an id is that of an admitted connection, and so the name of its own room."""
        return sid in self._members

    def is_staying(self, sid: str) -> bool:
        """Return whether a connection is admitted and not about to leave."""
        member = self._members.get(sid)
        return member is not None and not member.leaving

    def find(self, eio_sid: str) -> str | None:
        """Return the connection on an engine session."""
        return self._ids.get(eio_sid)

    def find_session(self, sid: str) -> str | None:
        """Return the engine session of a connection, one that is still being admitted or that just left too."""
        member = self._members.get(sid) or self.pending.get(sid)
        return self._resolving.get(sid) if member is None else member.eio_sid

    def begin_to_leave(self, sid: str) -> str:
        """Begin a connection's departure from its namespace, and return its engine session."""
        member = self._members[sid]
        member.leaving = True
        return member.eio_sid

    def enter(self, sid: str, room: str) -> None:
        """Enter a room; a connection that is still being admitted enters it then.

        Raises:
            ValueError: There is no such connection, or the room is another connection's own.
        """
        pending = self.pending.get(sid)
        if pending is not None:
            self._note(pending, room)
            self.pending.enter(sid, room)
            pending.entered.setdefault(room, self._last())
            if sid in self._members:  # It is about to take the place of itself.
                self._enter(sid, room)
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
            self._interest.add((room,))
            members = self._rooms[room] = Room()
        is_new = sid not in members
        members[sid] = member.receiver
        members.version += 1
        self.changes += 1
        if member.lease is not None:
            member.lease.enter(room, self._last())
        if self.observer is not None and is_new:
            self.observer.entered(room, sid)

    def leave(self, sid: str, room: str) -> None:
        """Leave a room."""
        if sid in self.pending:
            pending = self.pending[sid]
            self._strike(pending, room)
            self.pending.leave(sid, room)
            if pending.lease is not None:
                pending.lease.leave_room(room)
        member = self._members.get(sid)
        if member is not None:
            self._strike(member, room)
            self._leave(sid, room)
            if member.lease is not None:
                member.lease.leave_room(room)

    def _tidy(self) -> None:
        """Forget the events that were kept for those who were being admitted, if none of them may come back."""
        if self._journal is not None and not self.pending:
            self._journal.tidy()

    def _last(self) -> int:
        return 0 if self._journal is None else self._journal.last

    def _note(self, member: Member, room: str) -> None:
        with self._lock:  # Two threads may add one connection to rooms at the same time.
            if room not in member.rooms:
                member.rooms = with_name(member.rooms, room)

    def _strike(self, member: Member, room: str) -> None:
        with self._lock:
            member.rooms = without_name(member.rooms, room)

    def _leave(self, sid: str, room: str) -> None:
        members = self._rooms.get(room)
        if members is None:
            return
        was_in = members.pop(sid, None) is not None
        members.version += 1
        self.changes += 1
        if not members:
            del self._rooms[room]
            self._interest.discard((room,))
        if self.observer is not None and was_in:
            self.observer.left(room, sid)

    def close(self, room: str) -> None:
        """Take every connection out of a room."""
        for sid in list(self._rooms.get(room, ())):
            self.leave(sid, room)
        for lease in () if self._journal is None else self._journal.leases.lost():
            lease.leave_room(room)

    def rooms_of(self, sid: str) -> list[str]:
        """Return the rooms that a connection is in, its own too."""
        member = self._members.get(sid)
        return [] if member is None else [sid, *member.rooms]

    def remove(self, sid: str) -> None:
        """Take a connection out of its rooms and the namespace."""
        member = self._members.pop(sid, None)
        if member is not None:
            self._interest.discard((sid,))
            if member.lease is not None:
                member.lease.user_session = member.receiver.user_session
            self._ids.pop(member.eio_sid, None)
            for room in tuple(member.rooms):
                self._leave(sid, room)
