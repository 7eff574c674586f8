"""Leases of connections: the right to come back after a loss, with the same id and in the same rooms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any, Final, Protocol

from flask_realtime.gateway.recovery.history import Entry

_SECRET_BYTES: Final = 18
_MAX_PID_LENGTH: Final = 64


class Arrivals(Protocol):
    """A client's receiver, as far as it knows what has arrived."""

    @property
    def acknowledged_at(self) -> float:
        """A time; what was sent before has arrived."""


class LeaseLog(Protocol):
    """Keeps leases where other servers, or the next one, find them."""

    def entered(self, lease: Lease, room: Any) -> None:
        """Record that a connection entered a room."""

    def left(self, lease: Lease, room: Any) -> None:
        """Record that a connection left a room."""

    def ended(self, lease: Lease) -> None:
        """Record that a client may not come back."""

    def expired(self, lease: Lease) -> None:
        """Record that the time in which a client might come back is over."""

    def wait(self) -> None:
        """Wait until other servers would find what was recorded, for a second at most."""


class Claimant(Protocol):
    """A connection of a client that comes back, not admitted yet."""

    closed: bool


@dataclass(slots=True, eq=False)
class Lease:
    """One client's right to come back.

    Args:
        key: What it is found by: a digest of the secret that the client has.
        sid: The connection's id.
        user_id: Its user.
        since: The last event before it connected.
        room: The first of the rooms that it is in, its user's as a rule; kept apart, since a dictionary of one is large.
        room_since: The last event before it entered that.
        rooms: The others, each with the last event before it entered; None for none.
        connection: The connection; None while it is lost.
        receiver: Its engine session.
        claim: A connection that is about to take its place.
        known_at: A time; what was sent before had arrived when the connection was lost.
        token_id: The id of the token that it had then.
        is_changing: Whether other servers are still to be told that the connection is lost, or is back.
        is_over: Whether the client may not come back.
        log: Where other servers find it; None if they do not.
        turn: How often servers have taken it from each other.
        touched_at: When it was last recorded there that the connection is alive.
        user_session: What the application stored with python-socketio's `save_session`, once the connection is lost; or None.
    """

    key: bytes
    sid: str
    user_id: str
    since: int
    room: Any = None
    room_since: int = 0
    rooms: dict[Any, int] | None = None
    connection: Any = None
    receiver: Arrivals | None = None
    claim: Claimant | None = None
    known_at: float = 0.0
    token_id: object = None
    is_changing: bool = False
    is_over: bool = False
    log: LeaseLog | None = None
    turn: int = 0
    touched_at: float = 0.0
    user_session: Any = None

    def enter(self, room: Any, number: int) -> None:
        """Record a room that the connection enters, unless it is in it already."""
        if self.is_in(room):
            return
        if self.room is None:
            self.room, self.room_since = room, number
        elif self.rooms is None:
            self.rooms = {room: number}
        else:
            self.rooms[room] = number
        if self.log is not None:
            self.log.entered(self, room)

    def is_in(self, room: Any) -> bool:
        """Return whether the connection is in a room."""
        return room == self.room or (self.rooms is not None and room in self.rooms)

    def entered(self) -> dict[Any, int]:
        """Return the rooms that it is in, each with the last event before it entered."""
        first = {} if self.room is None else {self.room: self.room_since}
        return first | (self.rooms or {})

    def entered_at(self, room: Any) -> int:
        """Return the last event before it entered a room that it is in."""
        return self.room_since if room == self.room or self.rooms is None else self.rooms[room]

    def leave_room(self, room: Any) -> None:
        """Record that the connection left a room, or lost the right to be in it."""
        if not self.is_in(room):
            return
        if room == self.room:
            self.room = None
        elif self.rooms is not None:
            del self.rooms[room]
        if self.log is not None:
            self.log.left(self, room)

    def end(self) -> None:
        """Withdraw the right to come back, of a client too that is about to."""
        if self.log is not None:
            self.log.ended(self)
        self.give_up()

    def give_up(self) -> None:
        """Keep the client from coming back here."""
        self.is_over = True
        self.log = None
        if self.claim is not None:
            self.claim.closed = True

    def arrived_at(self) -> float:
        """Return a time; what was sent before has arrived."""
        return self.known_at if self.receiver is None else max(self.known_at, self.receiver.acknowledged_at)

    def gets(self, entry: Entry) -> bool:
        """Return whether an event was for this connection."""
        if entry.except_sid == self.sid or any(self._was_in(room, entry.number) for room in entry.except_rooms):
            return False
        if entry.rooms is None:
            return entry.number > self.since
        return any(self._was_in(room, entry.number) for room in entry.rooms)

    def _was_in(self, room: Any, number: int) -> bool:
        if room in {self.sid, self.room}:
            return bool(room == self.sid) or self.room_since < number
        return self.rooms is not None and self.rooms.get(room, number) < number


class Leases:
    """The leases of one server: those of its connections, and for a while those of lost ones.

    The secrets themselves are not kept.

    Args:
        window: Seconds in which a client may come back.
        max_per_user: Maximum number of one user's lost connections; the oldest are forgotten.
        clock: Returns the time in seconds; it never goes back.
    """

    def __init__(self, window: float, max_per_user: int, clock: Callable[[], float]) -> None:
        self._window = window
        self._max_per_user = max_per_user
        self._clock = clock
        self.by_key: dict[bytes, Lease] = {}
        """All of them, by their keys."""
        self._ends: dict[Lease, float] = {}
        self._lost: dict[str, list[Lease]] = {}

    def __len__(self) -> int:
        return len(self.by_key)

    @property
    def lost_count(self) -> int:
        """Return how many connections are lost, and may come back."""
        return len(self._ends)

    def add(self, lease: Lease) -> None:
        """Add the lease of a new connection."""
        self.by_key[lease.key] = lease

    def adopt(self, lease: Lease, token_id: object) -> None:
        """Add the lease of a connection that another server lost."""
        self.add(lease)
        self.lose(lease, token_id)

    def find(self, pid: object, user_id: str) -> Lease | None:
        """Return a user's lease with a secret, or None.

        Args:
            pid: Anything that a client sent.
            user_id: The user.
        """
        key = key_of(pid)  # A digest, so that the time of the search tells nothing about other secrets.
        lease = None if key is None else self.by_key.get(key)
        if lease is None or lease.user_id != user_id or lease.is_over:
            return None
        end = self._ends.get(lease)
        return None if end is not None and end < self._clock() else lease

    def lose(self, lease: Lease, token_id: object) -> None:
        """Record that a connection is lost.

        Args:
            lease: Its lease.
            token_id: The id of its token.
        """
        if not lease.is_over:
            self._lose(lease, token_id, self._clock() + self._window)

    def restore(self, lease: Lease, token_id: object, seconds: float) -> None:
        """Add the lease of a connection that an earlier server lost.

        Args:
            lease: The lease.
            token_id: The id of its token.
            seconds: The seconds in which its client may come back.
        """
        self.add(lease)
        self._lose(lease, token_id, self._clock() + seconds)

    def _lose(self, lease: Lease, token_id: object, end: float) -> None:
        lease.known_at, lease.receiver, lease.connection = lease.arrived_at(), None, None
        lease.token_id = token_id
        self._ends[lease] = end
        lost = self._lost.setdefault(lease.user_id, [])
        lost.append(lease)
        if len(lost) > self._max_per_user:
            self.forget(lost[0])

    def resume(self, lease: Lease, connection: object) -> None:
        """Record that the client is back, on a connection."""
        self._found(lease)
        lease.known_at, lease.receiver = lease.arrived_at(), None
        lease.connection, lease.claim = connection, None

    def forget(self, lease: Lease) -> None:
        """End a lease."""
        lease.end()
        self.drop(lease)

    def drop(self, lease: Lease) -> None:
        """Forget a lease, which is no longer this server's or has run out everywhere."""
        lease.give_up()
        self._found(lease)
        if self.by_key.get(lease.key) is lease:
            del self.by_key[lease.key]

    def lost_for(self, lease: Lease) -> float | None:
        """Return the seconds since the loss of a connection, or None if it is there."""
        end = self._ends.get(lease)
        return None if end is None else self._clock() - (end - self._window)

    def lost(self, user_id: str | None = None) -> list[Lease]:
        """Return the leases of lost connections, of one user or of everybody."""
        return list(self._ends) if user_id is None else list(self._lost.get(user_id, ()))

    def next_deadline(self) -> float | None:
        """Return the time at which the next lease ends, or None."""
        return next(iter(self._ends.values()), None)

    def expire(self) -> None:
        """Forget the leases that have ended."""
        now = self._clock()
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            self._forget_expired(next(iter(self._ends)))

    def _forget_expired(self, lease: Lease) -> None:
        # A client that is being admitted is not refused for that; it gets a new session.
        lease.claim = None
        if lease.log is not None:
            lease.log.expired(lease)
        self.drop(lease)

    def _found(self, lease: Lease) -> None:
        if self._ends.pop(lease, None) is None:
            return
        lost = self._lost[lease.user_id]
        lost.remove(lease)
        if not lost:
            del self._lost[lease.user_id]


def new_lease(sid: str, user_id: str, since: int) -> tuple[Lease, str]:
    """Make the lease of a connection that is about to be admitted, and return it with its secret; see `Lease`."""
    pid = token_urlsafe(_SECRET_BYTES)
    return Lease(_digest(pid), sid, user_id, since), pid


def key_of(pid: object) -> bytes | None:
    """Return the key of the lease with a secret, or None for what is none.

    Args:
        pid: Anything that a client sent.
    """
    return _digest(pid) if isinstance(pid, str) and len(pid) <= _MAX_PID_LENGTH else None


def _digest(pid: str) -> bytes:
    return sha256(pid.encode("utf-8", "surrogatepass")).digest()[:_SECRET_BYTES]
