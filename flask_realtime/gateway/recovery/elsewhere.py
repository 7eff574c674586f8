"""Connections that were on another server, which may be dead: their leases are taken, and what they missed is read from the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from secrets import token_hex
from typing import Final, NamedTuple, TypeVar

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.recovery import LeaseRecord, LoggedEvent, RecoveryStore
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.gateway.delivery.envelopes import KEPT, TAKEN
from flask_realtime.gateway.delivery.sent import SentEvents
from flask_realtime.gateway.recovery.journal import Journal
from flask_realtime.gateway.recovery.leases import Lease
from flask_realtime.gateway.recovery.offsets import Offset, parse_offset
from flask_realtime.gateway.recovery.shared import SharedLeases

ResultT = TypeVar("ResultT")

_WAIT_SECONDS: Final = 2.0
"""Seconds in which what this server has sent must be in the log."""

_ATTEMPTS: Final = 3
"""How often a lease, or what a client has missed, is asked for: on a busy machine, Redis may answer late."""

_ATTEMPT_BYTES: Final = 6

_SERVERS_SEEN: Final = 8
"""Servers that a connection was on last, of which is remembered what its client has."""


class Found(NamedTuple):
    """A connection that may come back here.

    Args:
        lease: Its lease, which is this server's now.
        number: The last event of this server before it was.
        missed: What its client missed until then, encoded.
    """

    lease: Lease
    number: int
    missed: tuple[str | bytes, ...]


class Elsewhere:
    """Finds connections on all servers.

    Args:
        shared: The leases of this server, as others find them.
        journal: The events and leases of this server.
        sent: The events of the log that were sent already.
    """

    def __init__(self, shared: SharedLeases, journal: Journal, sent: SentEvents) -> None:
        self.shared = shared
        """The leases of this server."""
        self._store: RecoveryStore = shared.store
        self._journal = journal
        self._sent = sent

    def take(self, key: bytes, user_id: str) -> LeaseRecord | None:
        """Take a lease, which waits for the message queue, and return it as it was; None if there is none, or that is not known.

        Of two servers to which a client comes back, the one that takes the lease last has the client.

        Args:
            key: Its key.
            user_id: Its user.
        """
        attempt = token_hex(_ATTEMPT_BYTES)
        is_here = key in self._journal.leases.by_key
        try:
            return self._patiently(lambda: self._store.take(key.hex(), user_id, attempt), 1 if is_here else _ATTEMPTS)
        except BackendUnavailable:
            return None

    def find(self, key: bytes, user_id: str, offset: object, record: LeaseRecord) -> Found | None:
        """Return a connection whose lease was taken; None if it cannot be made whole.

        Args:
            key: The key of its lease.
            user_id: Its user.
            offset: The offset that its client has; anything.
            record: Its lease.
        """
        given = parse_offset(offset)
        given = None if given is None else given.with_known(parse_offset(record.known))
        lease, number, here = self._adopt(key, user_id, record, given)
        try:
            missed = self._patiently(lambda: self._missed(record, lease, given, here), _ATTEMPTS)
        except BackendUnavailable:
            missed = None
        if missed is None:
            with self._journal.turn:
                self._journal.leases.forget(lease)
            self.tell_owner(record.owner, lease)
            return None
        return Found(lease, number, missed)

    def tell_owner(self, owner: str, lease: Lease) -> None:
        """Let the server that had a lease know that this one has it."""
        if owner != self._store.name:
            self.shared.publish(Envelope(TAKEN, {"owner": owner, "key": lease.key.hex(), "turn": lease.turn}))

    def _patiently(self, call: Callable[[], ResultT], attempts: int) -> ResultT:
        """Call the store, again if it takes too long, unless it was down before: then that may last."""
        was_reachable = self._store.is_reachable
        for _ in range(attempts - 1):
            try:
                return call()
            except BackendUnavailable:
                if not was_reachable:
                    raise
            self.shared.wait_reachable()
        return call()

    def _adopt(self, key: bytes, user_id: str, record: LeaseRecord, offset: Offset | None) -> tuple[Lease, int, Offset | None]:
        journal, seen = self._journal, self._seen(record, offset)
        with journal.turn:
            journal.has_seen(record.sid, seen)
            lease = journal.leases.by_key.get(key)
            if lease is None or lease.is_over:
                lease = Lease(key, record.sid, user_id, since=0, rooms=dict.fromkeys(record.rooms, 0), log=self.shared)
                journal.leases.adopt(lease, record.token_id or None)
            lease.turn = record.turn
            self.shared.see(lease, seen)
            return lease, journal.last, parse_offset(journal.position())

    def _seen(self, record: LeaseRecord, offset: Offset | None) -> dict[str, int]:
        """Return what a client has of servers that may not have written all of it yet."""
        seen = dict(record.seen)
        if offset is not None and (offset.server == record.owner or offset.server in seen):
            seen[offset.server] = max(offset.number, seen.pop(offset.server, 0))
        seen.pop(self._store.name, None)
        return dict([*seen.items()][-_SERVERS_SEEN:])

    def _missed(
        self, record: LeaseRecord, lease: Lease, offset: Offset | None, here: Offset | None
    ) -> tuple[str | bytes, ...] | None:
        if offset is None or not offset.era:
            return None
        if here is None or here.era != offset.era:  # Nobody knows what this server has passed on before the client came.
            return None
        if not self._store.wait_sent(_WAIT_SECONDS):
            return None
        excerpt = self.shared.log.since(offset.place, offset.era, (record.sid, *record.rooms))
        if excerpt is None:
            return None
        missed = _Missed(record, lease, offset, here)
        if any(event.is_uncertain and missed.is_for_client(event) for event in excerpt.events):
            return None  # Nobody knows who had it before Redis forgot it.
        events = self._sent.without_repeats(excerpt.events, excerpt.copies, missed.lacks)
        return tuple(part for event in events for part in missed.parts_of(event))


class _Missed:
    """Picks what one client has missed.

    Args:
        record: Its lease, as its server left it.
        lease: The same lease here, without the rooms that it has lost meanwhile.
        offset: Where its client stands; moves on with each event.
        here: Where this server stood when it took the lease: what comes later, it sends itself.
    """

    def __init__(self, record: LeaseRecord, lease: Lease, offset: Offset, here: Offset) -> None:
        self._sid = record.sid
        self._offset = offset
        self._here = here
        self._since = parse_offset(record.since)
        self._seen = record.seen
        self._entered = {room: parse_offset(at) for room, at in record.rooms.items() if lease.is_in(room)}

    def parts_of(self, event: LoggedEvent) -> Iterator[str | bytes]:
        """Return an event's packet with its offset, or nothing if the client does not lack it."""
        if not self._is_missing(event):
            return
        number = event.header.get("number")
        of_server = number if number is not None and event.origin == self._offset.server else self._offset.number
        number = max(of_server, self._offset.number)
        self._offset = self._offset._replace(number=number, place=event.place, is_brought_forward=True)
        message = OutboundMessage(event.parts)
        message.offset = str(self._offset)
        yield from message.parts_with_offset

    def lacks(self, event: LoggedEvent) -> bool:
        """Return whether an event is behind what the client has of its server."""
        number = event.header.get("number")
        if number is not None and number <= self._seen.get(event.origin, -1):
            return False
        return self._offset.is_before(event.origin, number, event.place)

    def is_for_client(self, event: LoggedEvent) -> bool:
        """Return whether the connection gets an event that is behind what the client has of its server."""
        header, origin, number = event.header, event.origin, event.header.get("number")
        if (event.kind == KEPT and origin != self._offset.server) or not self.lacks(event):
            return False
        if header["except_sid"] == self._sid or any(self._was_in(room, event, number) for room in header["except_rooms"]):
            return False
        if header["rooms"] is None:
            return self._since is not None and self._since.is_before(origin, number, event.place)
        return any(self._was_in(room, event, number) for room in header["rooms"])

    def _is_missing(self, event: LoggedEvent) -> bool:
        return not self._here.is_before(event.origin, event.header.get("number"), event.place) and self.is_for_client(event)

    def _was_in(self, room: str, event: LoggedEvent, number: int | None) -> bool:
        if room == self._sid:
            return True
        entered = self._entered.get(room)
        return entered is not None and entered.is_before(event.origin, number, event.place)
