"""Lines in which a server keeps its leases and events for its successor, and what the successor reads in them.

Each line is a JSON array, whose first item says what the others are. A segment begins with a header and all leases of then; changes
and events follow in the order in which they happened.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.gateway.recovery.leases import Lease

VERSION: Final = 1
"""The version of the form of the lines; a server reads no other."""

_HEADER, _LEASE, _ENTER, _LEAVE, _LOST, _BACK, _END, _TIME, _EVENT = "server", "lease", "+", "-", "lost", "back", "end", "time", "e"


def header_line(server_id: str, run: int, last: int, now: float) -> bytes:
    """Return the first line of a segment.

    Args:
        server_id: The server's unique name.
        run: How many servers had the folder before it.
        last: The number of the last event before it.
        now: The time, in seconds since 1970.
    """
    return orjson.dumps([_HEADER, VERSION, server_id, run, last, now])


def lease_line(lease: Lease, token_id: object, known: int, lost_at: float | None) -> bytes:
    """Return a line with everything about a lease.

    Args:
        lease: The lease.
        token_id: The id of its token.
        known: An event; all before it, and it, have arrived.
        lost_at: When its connection was lost, in seconds since 1970; None if it is there.
    """
    text = token_id if isinstance(token_id, str) else None
    return orjson.dumps([_LEASE, lease.key.hex(), lease.sid, lease.user_id, text, lease.since, known, lease.entered(), lost_at])


def enter_line(lease: Lease, room: str) -> bytes:
    """Return a line that says that a connection entered a room."""
    return orjson.dumps([_ENTER, lease.key.hex(), room, lease.entered_at(room)])


def leave_line(lease: Lease, room: str) -> bytes:
    """Return a line that says that a connection left a room."""
    return orjson.dumps([_LEAVE, lease.key.hex(), room])


def lost_line(lease: Lease, token_id: object, now: float) -> bytes:
    """Return a line that says that a connection is lost."""
    return orjson.dumps([_LOST, lease.key.hex(), token_id if isinstance(token_id, str) else None, now])


def back_line(lease: Lease, token_id: object, known: int) -> bytes:
    """Return a line that says that a connection is back, or has another token; see `lease_line`."""
    return orjson.dumps([_BACK, lease.key.hex(), token_id if isinstance(token_id, str) else None, known])


def end_line(lease: Lease) -> bytes:
    """Return a line that says that a client may not come back."""
    return orjson.dumps([_END, lease.key.hex()])


def time_line(now: float) -> bytes:
    """Return a line that says that the server is alive."""
    return orjson.dumps([_TIME, now])


def event_line(message: OutboundMessage, rooms: Iterable[Any] | None, except_rooms: Sequence[Any], except_sid: str | None) -> bytes:
    """Return a line with an event; see `Entry` for the arguments. Rooms whose names are no text are in no lease that is kept."""
    if rooms is not None:
        rooms = [room for room in rooms if type(room) is str]
    if except_rooms:
        except_rooms = [room for room in except_rooms if type(room) is str]
    parts = message.parts
    if len(parts) == 1:
        return orjson.dumps((_EVENT, message.number, parts[0], rooms, except_rooms, except_sid, message.logged))
    attached = [b64encode(part).decode() for part in parts[1:] if isinstance(part, bytes)]
    return orjson.dumps((_EVENT, message.number, parts[0], rooms, except_rooms, except_sid, message.logged, *attached))


@dataclass(slots=True)
class KeptLease:
    """A lease as it was kept.

    Args:
        sid: The connection's id.
        user_id: Its user.
        token_id: The id of its token, or None.
        since: The last event before it connected.
        known: An event; all before it, and it, have arrived.
        rooms: Its rooms, each with the last event before it entered.
        lost_at: When it was lost, in seconds since 1970; None if it was there to the end.
    """

    sid: str
    user_id: str
    token_id: str | None
    since: int
    known: int
    rooms: dict[str, int]
    lost_at: float | None

    def restore(self, key: bytes) -> Lease:
        """Return it as a lease of this server."""
        lease = Lease(key, self.sid, self.user_id, self.since)
        for room, number in self.rooms.items():
            lease.enter(room, number)
        return lease


class UnreadableState(Exception):
    """The lines are not what a server of this version writes."""


@dataclass
class KeptState:
    """State that earlier servers have left.

    Args:
        servers: Their names.
        run: The greatest number of a server.
        first: The number of the last event before those that are kept.
        alive_at: When they were alive for the last time, in seconds since 1970.
        leases: The leases, by their keys.
        events: The events, as arguments of `History.restore`, in order.
        logged: The names that they have in the log, those of them that are in it.
    """

    servers: set[str] = field(default_factory=set)
    run: int = 0
    first: int | None = None
    alive_at: float = 0.0
    leases: dict[str, KeptLease] = field(default_factory=dict)
    events: list[tuple[int, tuple[str | bytes, ...], tuple[str, ...] | None, tuple[str, ...], str | None]] = field(
        default_factory=list
    )
    logged: list[str] = field(default_factory=list)

    @property
    def last(self) -> int:
        """The number of the last event."""
        return self.events[-1][0] if self.events else self.first or 0

    def _header(self, version: int, server_id: str, run: int, last: int, now: float) -> None:
        if version != VERSION:
            raise UnreadableState(f"version {version}, not {VERSION}")
        self.servers.add(server_id)
        self.run = max(self.run, run)
        self.first = last if self.first is None else self.first
        self.alive_at = now
        self.leases.clear()

    def _lease(self, key: str, *about: Any) -> None:
        self.leases[key] = KeptLease(*about)

    def _enter(self, key: str, room: str, number: int) -> None:
        if key in self.leases:
            self.leases[key].rooms.setdefault(room, number)

    def _leave(self, key: str, room: str) -> None:
        if key in self.leases:
            self.leases[key].rooms.pop(room, None)

    def _lost(self, key: str, token_id: str | None, now: float) -> None:
        self.alive_at = now
        if key in self.leases:
            self.leases[key].token_id, self.leases[key].lost_at = token_id, now

    def _back(self, key: str, token_id: str | None, known: int) -> None:
        if key in self.leases:
            lease = self.leases[key]
            lease.token_id, lease.known, lease.lost_at = token_id, max(lease.known, known), None

    def _end(self, key: str) -> None:
        self.leases.pop(key, None)

    def _time(self, now: float) -> None:
        self.alive_at = now

    def _event(self, number: int, text: str, *about: Any) -> None:
        if number <= self.last:
            raise UnreadableState(f"event {number} behind {self.last}")
        rooms, except_rooms, sid, logged, *more = about
        parts: tuple[str | bytes, ...] = (text, *(b64decode(part, validate=True) for part in more))
        self.events.append((number, parts, None if rooms is None else tuple(rooms), tuple(except_rooms), sid))
        if logged is not None:
            self.logged.append(logged)


_READERS: Final[dict[str, Any]] = {
    _HEADER: KeptState._header,  # noqa: SLF001 - here is what each line means
    _LEASE: KeptState._lease,  # noqa: SLF001
    _ENTER: KeptState._enter,  # noqa: SLF001
    _LEAVE: KeptState._leave,  # noqa: SLF001
    _LOST: KeptState._lost,  # noqa: SLF001
    _BACK: KeptState._back,  # noqa: SLF001
    _END: KeptState._end,  # noqa: SLF001
    _TIME: KeptState._time,  # noqa: SLF001
    _EVENT: KeptState._event,  # noqa: SLF001
}


def read_state(segments: Iterable[Sequence[bytes]]) -> KeptState:
    """Return what earlier servers have left.

    Args:
        segments: The lines of each segment.

    Raises:
        UnreadableState: They are not what a server of this version writes.
    """
    state = KeptState()
    for lines in segments:
        for index, line in enumerate(lines):
            try:
                kind, *about = orjson.loads(line)
                if (kind == _HEADER) != (index == 0):
                    raise UnreadableState("a header is not where one has to be")
                _READERS[kind](state, *about)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise UnreadableState(f"a line cannot be read: {type(error).__name__}") from None
    return state


def next_run(first_lines: Iterable[bytes]) -> int:
    """Return the number of a server that follows those that have written segments.

    Args:
        first_lines: The first line of each segment.

    Raises:
        UnreadableState: They are not what a server of this version writes.
    """
    state = read_state([line.rstrip(b"\n")] for line in first_lines)
    return state.run + 1 if state.servers else 0
