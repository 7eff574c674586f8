"""Members of rooms: connections, and those that are still being admitted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.gateway.locks import native_lock
from flask_realtime.gateway.recovery.leases import Lease
from flask_realtime.small_sets import NOTHING, SmallSet


class Receiver(Protocol):
    """An engine session, as far as rooms know it."""

    takes_offsets: bool
    user_session: Any
    """Data that the application stored with python-socketio's `save_session`, or None."""

    @property
    def acknowledged_at(self) -> float:
        """A time; what was sent before has arrived."""

    def deliver(self, message: OutboundMessage) -> None:
        """Send a message that was encoded for many."""


class Room(dict[str, Receiver]):
    """The connections in a room."""

    __slots__ = ("version",)

    def __init__(self) -> None:
        super().__init__()
        self.version = 0
        """Another one after each change."""


@dataclass(slots=True)
class Member:
    """A connection.

    Args:
        eio_sid: The engine session that carries it.
        receiver: That session.
        rooms: The rooms that it is in, or enters when it is admitted.
        leaving: Whether it is about to leave its namespace.
        lease: The right to come back after a loss, or None.
    """

    eio_sid: str
    receiver: Receiver
    rooms: SmallSet = NOTHING
    leaving: bool = False
    lease: Lease | None = None


@dataclass(slots=True)
class Pending(Member):
    """A connection that is still being admitted.

    Args:
        held: Sends what waits for that.
        since: The last event before it was reserved.
        place: How far this server had received then what others sent.
        entered: The rooms, each with the last event before it entered.
    """

    held: list[Callable[[], None]] = field(default_factory=list)
    since: int = 0
    place: str = ""
    entered: dict[str, int] = field(default_factory=dict)

    def is_in(self, sid: str, room: Any) -> bool:
        """Return whether it will be in a room, or in one of several; None stands for everyone."""
        if room is None:
            return True
        rooms = {room} if isinstance(room, str) else set(room)
        return sid in rooms or not rooms.isdisjoint(self.rooms)


class RoomInterest(Protocol):
    """Told in which rooms there is somebody, a connection's own among them."""

    def add(self, rooms: Iterable[str]) -> None:
        """Record that somebody is about to be in rooms."""

    def discard(self, rooms: Iterable[str]) -> None:
        """Record that nobody is in rooms any more; once for each time that they were added."""


class NoInterest:
    """Tells nobody."""

    def add(self, rooms: Iterable[str]) -> None:
        """Do nothing."""

    def discard(self, rooms: Iterable[str]) -> None:
        """Do nothing."""


class PendingConnections(dict[str, Pending]):
    """The connections that are still being admitted, by their ids; who is in a room is found without looking at all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.interest: RoomInterest = NoInterest()
        """Told of the rooms."""
        self._sids: dict[str, set[str]] = {}
        self._lock = native_lock()

    def add(self, sid: str, pending: Pending) -> None:
        """Add a connection, with the rooms that it has by then."""
        self.interest.add((sid,))
        self[sid] = pending
        for room in pending.rooms:
            self.enter(sid, room)

    def take(self, sid: str) -> Pending:
        """Remove a connection, and return it."""
        pending = self.pop(sid)
        for room in pending.rooms:
            self.leave(sid, room)
        self.interest.discard((sid,))
        return pending

    def enter(self, sid: str, room: str) -> None:
        """Record that a connection enters a room when it is admitted."""
        with self._lock:
            if room not in self._sids:
                self.interest.add((room,))
            self._sids.setdefault(room, set()).add(sid)

    def leave(self, sid: str, room: str) -> None:
        """Record that a connection does not enter a room."""
        with self._lock:
            sids = self._sids.get(room)
            if sids is not None:
                sids.discard(sid)
                if not sids:
                    del self._sids[room]
                    self.interest.discard((room,))

    def among(self, room: Any) -> list[tuple[str, Pending]]:
        """Return those that will be in a room, or in one of several; None stands for everyone."""
        if room is None:
            return list(self.items())
        names = (room,) if isinstance(room, str) else room
        with self._lock:
            sids = {sid for name in names for sid in (name, *self._sids.get(name, ()))}
        return [(sid, pending) for sid in sids if (pending := self.get(sid)) is not None]
