"""Shared leases: those of this server, kept where other servers find them from CONNECT on, so that they survive a kill."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, Final

from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.recovery import LeaseChange, Refusal
from flask_realtime.gateway.connection import Connection
from flask_realtime.gateway.delivery.envelopes import MARK
from flask_realtime.gateway.recovery.journal import Journal
from flask_realtime.gateway.recovery.leases import Lease
from flask_realtime.gateway.recovery.log import EventLog
from flask_realtime.gateway.recovery.offsets import parse_offset

_WAIT_SECONDS: Final = 1.0
"""Seconds for which a client that connects waits until its lease is kept; later it can only be recovered here."""

_WAIT_TICK: Final = 0.005
_MARK_SECONDS: Final = 10.0
"""Seconds between two marks, which let offsets grow that would otherwise be older than what is kept."""

_TOUCHES: Final = 4
"""How often a lease is touched in as long a time as a client has to come back."""

_TOUCH_SECONDS: Final = 5.0
"""Seconds between two looks for leases that are due to be touched."""


class SharedLeases:
    """Writes what happens to this server's leases; implements `LeaseLog`.

    Args:
        log: The events of all servers, with the store of leases.
        journal: The events and the leases of this server.
        window: Seconds in which a client may come back.
        publish: Sends an envelope to the other servers.
        sleep: Lets other greenlets or threads run for a number of seconds.
    """

    def __init__(
        self,
        log: EventLog,
        journal: Journal,
        window: float,
        publish: Callable[[Envelope], bool],
        sleep: Callable[[float], None],
    ) -> None:
        self.store = log.store
        """Keeps the leases."""
        self.log = log
        """The events of all servers."""
        self._journal = journal
        self._window = window
        self.publish = publish
        """Sends an envelope to the other servers."""
        self._sleep = sleep
        self._on_taken: Callable[[Connection], None] = _nothing
        self._samples: deque[tuple[float, str]] = deque()
        self._next_mark = self._next_touch = 0.0

    @staticmethod
    def longest_silence(window: float) -> float:
        """Return the seconds after which it is recorded again that a connection is there.

        Args:
            window: As above.
        """
        return window / _TOUCHES + _TOUCH_SECONDS

    def start(self, on_taken: Callable[[Connection], None]) -> None:
        """Begin to write.

        Args:
            on_taken: Called with each connection that came back to another server while it was open here.
        """
        journal = self._journal
        if journal.offsets.server_id == self.store.name:
            return
        journal.offsets.server_id = self.store.name
        journal.publish = self.publish
        self._on_taken = on_taken
        self.store.start(self._passed, self._refused, self._tick)
        self._mark()

    def wait_for_place(self) -> None:
        """Wait until this server knows its place in the order of all servers: without it an offset is of no use elsewhere."""
        deadline = monotonic() + _WAIT_SECONDS
        while not self._journal.place and self.store.is_reachable and monotonic() < deadline:
            self._sleep(_WAIT_TICK)

    def wait_reachable(self) -> None:
        """Wait until the store can be reached, for a second at most."""
        deadline = monotonic() + _WAIT_SECONDS
        while not self.store.is_reachable and monotonic() < deadline:
            self._sleep(_WAIT_TICK)

    def open(self, lease: Lease, room: str, place: str, token_id: object) -> None:
        """Keep the lease of a connection that is about to be admitted, which may wait.

        Args:
            lease: The lease.
            room: The room that it enters with that.
            place: How far this server had received what others sent when the connection was reserved.
            token_id: The id of its token.
        """
        since = self._journal.offsets.text(lease.since, place)
        lease.enter(room, lease.since)
        lease.touched_at = monotonic()
        lease.log = self
        self._write("open", lease, lease.user_id, lease.sid, _text(token_id), since, since, {room: since})
        self.wait()

    def entered(self, lease: Lease, room: Any) -> None:
        """Record that a connection entered a room."""
        if isinstance(room, str):
            self._write("enter", lease, room, self._journal.position())
        else:  # An application's room with a name that other servers could not read.
            self.ended(lease)
            lease.log = None

    def left(self, lease: Lease, room: Any) -> None:
        """Record that a connection left a room."""
        self._write("leave", lease, room)

    def lost(self, lease: Lease) -> None:
        """Record that a connection is lost."""
        if lease.log is not None:
            self._write("lose", lease, self._known(lease), _text(lease.token_id), round(1000 * self._window))

    def see(self, lease: Lease, seen: Mapping[str, int]) -> None:
        """Record what a client has of what servers sent that its connection was on before."""
        self._write("see", lease, seen)

    def ended(self, lease: Lease) -> None:
        """Record that a client may not come back."""
        self._write("end", lease)

    def expired(self, lease: Lease) -> None:
        """Do nothing: it runs out everywhere."""

    def wait(self) -> None:
        """Wait until other servers would find what was recorded, for a second at most."""
        self.store.wait_written(_WAIT_SECONDS)

    def strike(self, whose: str, room: str = "") -> None:
        """Take a user's or a token's leases out of a room, whatever server has them, or end them.

        Args:
            whose: `user:<id>` or `token:<id>`.
            room: The room; an empty string ends them.
        """
        self.store.write(LeaseChange("strike", whose, (room,)))

    def taken(self, key: str, turn: int) -> None:
        """Give up a lease that another server has taken.

        Args:
            key: Its key, in hexadecimal form.
            turn: How often servers have taken it from each other by then.
        """
        journal = self._journal
        with journal.turn:
            lease = journal.leases.by_key.get(bytes.fromhex(key))
            if lease is None or lease.turn >= turn:
                return
            connection = lease.connection
            journal.leases.drop(lease)
            if connection is not None:
                connection.lease = None
        if connection is not None:
            self._on_taken(connection)

    def _refused(self, change: LeaseChange, refusal: Refusal) -> None:
        journal = self._journal
        with journal.turn:
            lease = journal.leases.by_key.get(bytes.fromhex(change.key))
        if lease is None or lease.log is None or lease.turn != change.turn:
            return
        if refusal is Refusal.TAKEN:
            self.taken(change.key, change.turn + 1)
        elif refusal is Refusal.ENDED:
            lease.log = None
            with journal.turn:
                journal.leases.drop(lease)
        else:
            self._write_again(lease)

    def _write_again(self, lease: Lease) -> None:
        """Write a lease that was forgotten, as if everything that others have sent were new to it: nothing may be missing."""
        era = self._journal.place.partition("-")[0]
        place = f"{era}-0-0-0" if era else ""
        rooms = {room: self._journal.offsets.text(number, place) for room, number in lease.entered().items()}
        since = self._journal.offsets.text(lease.since, place)
        self._write("open", lease, lease.user_id, lease.sid, _token_of(lease), since, since, rooms)

    def _tick(self) -> None:
        self.log.tidy()
        now, journal = monotonic(), self._journal
        if not journal.demand:
            return
        if now >= self._next_mark:
            self._mark()
        with journal.turn:
            self._samples.append((now, journal.position()))
            while len(self._samples) > 1 and self._samples[1][0] < now - 2 * self._window:
                self._samples.popleft()
        if now >= self._next_touch:
            self._next_touch = now + min(_TOUCH_SECONDS, self._window / 8)
            self._touch_all(now)

    def _touch_all(self, now: float) -> None:
        with self._journal.turn:
            leases = list(self._journal.leases.by_key.values())
            self._journal.forget_seen({lease.sid for lease in leases})
        for lease in leases:
            if lease.connection is not None and lease.log is not None and lease.touched_at < now - self._window / _TOUCHES:
                lease.touched_at = now
                self._write("touch", lease, self._known(lease), _token_of(lease))

    def _known(self, lease: Lease) -> str:
        """Return an offset up to which everything has arrived, or an empty string."""
        arrived_at = lease.arrived_at()
        known = ""
        for at, offset in self._samples:
            if at >= arrived_at:
                break
            known = offset
        since = parse_offset(known)
        return "" if since is None or since.number < lease.since else known

    def _mark(self) -> None:
        self._next_mark = monotonic() + _MARK_SECONDS
        self.publish(Envelope(MARK, {}))

    def _passed(self, place: str) -> None:
        self._journal.place = place

    def _write(self, kind: str, lease: Lease, *args: Any) -> None:
        self.store.write(LeaseChange(kind, lease.key.hex(), args, lease.turn))


def _token_of(lease: Lease) -> str:
    return "" if lease.connection is None else _text(lease.connection.identity.claims.get("jti"))


def _text(token_id: object) -> str:
    return token_id if isinstance(token_id, str) else ""


def _nothing(_connection: Connection) -> None:
    """Do nothing."""
