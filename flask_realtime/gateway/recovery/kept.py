"""Kept leases: those of a server that shares nothing, and its events, in files that its successor reads.

An event is in the files before it is sent to anybody, so that no client has, or was promised, what its server's successor does not
know of. A successor numbers its own events far behind those of its predecessor, and needs not wait for its end to admit clients:
only a client that comes back from it waits, until the files are complete.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import Any, Final, Protocol

from flask_realtime.backends.forks import after_fork
from flask_realtime.backends.segments import SegmentFolder
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.gateway.locks import native_lock, native_rlock
from flask_realtime.gateway.recovery import kept_lines as lines
from flask_realtime.gateway.recovery.history import RESTORED_BEFORE
from flask_realtime.gateway.recovery.journal import Journal
from flask_realtime.gateway.recovery.leases import Lease
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

_NUMBERS_PER_SERVER: Final = 10**9
"""Distance between the first numbers of two servers: more events than one sends in its life."""

_TICK_SECONDS: Final = 0.05
"""Seconds between two looks for the end of the predecessor."""

_PATIENCE_SECONDS: Final = 3.0
"""Seconds in which a predecessor has to begin to leave."""

_LEAVING_SECONDS: Final = 35.0
"""Seconds in which it has to be gone; gunicorn's own patience ends after 30."""

_SIGNS_PER_WINDOW: Final = 8
"""How often it is recorded that the server is alive in as long a time as a client has to come back."""


class Timer(Protocol):
    """Calls a function at deadlines."""

    def wake(self) -> None:
        """Announce that there may be a deadline."""


class KeptLeases:
    """Keeps the leases and events of this server, and those of its predecessors; implements `LeaseLog`.

    Args:
        folder: Where they are kept.
        journal: The events and leases of this server.
        window: Seconds in which a client may come back.
        max_age: Seconds for which an event is kept.
        sleep: Lets other greenlets or threads run for a number of seconds.
        new_timer: Makes a timer of a function that returns its next deadline, and one that does what is due.
        note_sent: Called with the name of each event of the log that a predecessor has sent.
        wall_clock: Returns the seconds since 1970.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - independent collaborators
        self,
        folder: SegmentFolder,
        journal: Journal,
        window: float,
        max_age: float,
        sleep: Callable[[float], None],
        new_timer: Callable[[Callable[[], float | None], Callable[[], None]], Timer],
        note_sent: Callable[[str], object],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._journal = journal
        self._window = window
        self._note_sent = note_sent
        self._max_age = max_age
        self._sleep = sleep
        self._timer = new_timer(self._next_deadline, self._tick)
        self._wall_clock = wall_clock
        self._opening = native_lock()
        self._lock = native_rlock()  # Taken behind `Journal.turn`, never before it.
        self._run = self._last = 0
        self._may_write = False
        self._is_open = False
        self._waits_until: float | None = None
        self._next_tick = 0.0
        self._told = False
        after_fork(self._leave_to_parent)

    def begin(self) -> None:
        """Begin to serve: take over what a predecessor has left, or wait for its end."""
        self._may_write = True
        self._journal.begin_to_serve()
        if self._folder.exists:
            self._safely(self._begin)

    def give_up(self) -> None:
        """Keep nothing, and leave nothing that would not be complete."""
        with self._lock:
            self._folder.clear()
            self.release()
        self._journal.stop_waiting()

    def begin_to_leave(self) -> None:
        """Let a successor know that this process will end soon."""
        if self._is_open:
            self._safely(self._folder.begin_to_leave)

    def wait_for_predecessor(self) -> None:
        """Wait until what a predecessor has left is complete, if there is one that still runs."""
        deadline = monotonic() + _LEAVING_SECONDS
        while self._waits_until is not None and monotonic() < deadline:
            self._sleep(_TICK_SECONDS)

    def open(self, lease: Lease, room: str, token_id: object) -> None:
        """Keep the lease of a connection that is about to be admitted.

        Args:
            lease: The lease.
            room: The room that it enters with that.
            token_id: The id of its token.
        """
        lease.enter(room, lease.since)
        lease.log, lease.token_id = self, token_id
        if self._may_write and not self._is_open and self._waits_until is None:
            self._safely(self._open_anew)
        self._append(lines.lease_line(lease, token_id, lease.since, None))

    def resumed(self, lease: Lease, token_id: object, known: int) -> None:
        """Record that a client is back, or has another token.

        Args:
            lease: Its lease.
            token_id: The id of its token.
            known: An event; all before it, and it, have arrived.
        """
        lease.token_id = token_id
        self._append(lines.back_line(lease, token_id, known))

    def lost(self, lease: Lease) -> None:
        """Record that a connection is lost."""
        self._append(lines.lost_line(lease, lease.token_id, self._wall_clock()))

    def entered(self, lease: Lease, room: Any) -> None:
        """Record that a connection entered a room."""
        if type(room) is str:
            self._append(lines.enter_line(lease, room))
        else:  # An application's room with a name that cannot be written.
            self.ended(lease)
            lease.log = None

    def left(self, lease: Lease, room: Any) -> None:
        """Record that a connection left a room."""
        self._append(lines.leave_line(lease, room))

    def ended(self, lease: Lease) -> None:
        """Record that a client may not come back."""
        self._append(lines.end_line(lease))

    def expired(self, lease: Lease) -> None:
        """Record that the time in which a client might come back is over."""
        self.ended(lease)

    def wait(self) -> None:
        """Do nothing: what was recorded is there."""

    def _keep(
        self, message: OutboundMessage, rooms: Iterable[Any] | None, except_rooms: Sequence[Any], except_sid: str | None
    ) -> None:
        self._append(lines.event_line(message, rooms, except_rooms, except_sid), message.number)

    def _begin(self) -> None:
        if self._folder.acquire():
            self._take_over()
            return
        # Its numbers are not known yet, and those of this server have to be greater.
        self._number_behind(lines.next_run(self._folder.first_lines()))
        self._folder.wait_as(self._journal.offsets.server_id)
        self._journal.await_leases()
        self._waits_until = monotonic() + _PATIENCE_SECONDS
        self._timer.wake()

    def _number_behind(self, run: int) -> None:
        self._run = run
        self._journal.history.last = max(self._journal.last, run * _NUMBERS_PER_SERVER)

    def _take_over(self) -> None:
        """Read what was left, and keep this server's own behind it."""
        state = self._read()
        if self._waits_until is None:
            self._number_behind(state.run + 1 if state.servers else 0)
        journal = self._journal
        is_alone = not self._folder.forget_waiting(journal.offsets.server_id)
        with journal.turn:
            own, first = journal.history.since(0), journal.history.last
            if own:
                first = own[0].number - 1
            is_usable = state.last <= first and is_alone and not journal.has_missed_some
            if is_usable:
                self._restore(state)
            else:
                self._folder.clear()
            self._waits_until = None
            self._open(first)
            for entry in own:
                message = OutboundMessage(entry.parts)
                message.number = entry.number
                self._keep(message, entry.rooms, entry.except_rooms, entry.except_sid)
            journal.stop_waiting()

    def _read(self) -> lines.KeptState:
        try:
            return lines.read_state(self._folder.read())
        except lines.UnreadableState as error:
            logger.warning("What was kept in %s for connections to be recovered was dropped: %s.", self._folder.path, error)
            self._folder.clear()
            return lines.KeptState()

    def _restore(self, state: lines.KeptState) -> None:
        journal, now, wall = self._journal, monotonic(), self._wall_clock()
        journal.offsets.earlier |= state.servers
        journal.history.restore(state.events)
        for logged in state.logged:
            self._note_sent(logged)
        forgotten = journal.history.first - 1 if state.events else state.first or 0
        for key, kept in state.leases.items():
            lost_at = state.alive_at + self._window / _SIGNS_PER_WINDOW if kept.lost_at is None else kept.lost_at
            seconds = min(lost_at + self._window - wall, self._window)
            if seconds > 0:
                lease = kept.restore(bytes.fromhex(key))
                lease.log = self
                is_whole = max(kept.known, kept.since) >= forgotten
                lease.known_at = now - RESTORED_BEFORE if is_whole else -math.inf
                journal.leases.restore(lease, kept.token_id, seconds)

    def _open_anew(self) -> None:
        """Open the folder for the first client."""
        with self._opening:
            if self._is_open or not self._may_write:
                return
            if self._folder.acquire():
                self._take_over()
            else:
                self._give_up_waiting()

    def _open(self, last: int) -> None:
        with self._lock:
            self._last = last
            self._begin_segment()
            self._is_open = True
            self._journal.keep_event = self._keep
        self._next_tick = monotonic() + self._window / _SIGNS_PER_WINDOW
        self._timer.wake()

    def _begin_segment(self, space: int = 0) -> None:
        journal, now = self._journal, self._wall_clock()
        arrived = journal.history.arrivals()
        header = lines.header_line(journal.offsets.server_id, self._run, self._last, now)
        kept = [self._line_of(lease, arrived, now) for lease in [*journal.leases.by_key.values()] if lease.log is self]
        self._folder.begin([header, *kept], oldest=now - self._max_age, space=space)

    def _line_of(self, lease: Lease, arrived: Callable[[float], int], now: float) -> bytes:
        lost_for = self._journal.leases.lost_for(lease)
        known = max(lease.since, arrived(lease.arrived_at()))
        return lines.lease_line(lease, lease.token_id, known, None if lost_for is None else now - lost_for)

    def _append(self, line: bytes, number: int | None = None) -> None:
        try:
            with self._lock:
                if self._is_open and not self._folder.append(line):
                    self._begin_segment(space=len(line))
                    self._folder.append(line)
                if number is not None:
                    self._last = number
        except OSError as error:  # Not under the lock, since this takes `Journal.turn`.
            self._fail(error)

    def _next_deadline(self) -> float | None:
        return self._next_tick if self._is_open or self._waits_until is not None else None

    def _tick(self) -> None:
        if self._waits_until is not None:
            self._next_tick = monotonic() + _TICK_SECONDS
            self._safely(self._look_for_the_end)
            return
        self._next_tick = monotonic() + self._window / _SIGNS_PER_WINDOW
        self._append(lines.time_line(self._wall_clock()))
        for lease in [*self._journal.leases.by_key.values()]:
            connection = lease.connection
            token_id = lease.token_id if connection is None else connection.identity.claims.get("jti")
            if token_id != lease.token_id:
                self.resumed(lease, token_id, lease.since)

    def _look_for_the_end(self) -> None:
        if self._folder.acquire():
            self._take_over()
        elif self._waits_until is not None:
            patience = _LEAVING_SECONDS - _PATIENCE_SECONDS if self._folder.is_owner_leaving else 0.0
            if monotonic() >= self._waits_until + patience:
                self._give_up_waiting()

    def _give_up_waiting(self) -> None:
        self._may_write = False
        self._waits_until = None
        self._journal.stop_waiting()
        self._tell("another process keeps its own there")

    def _safely(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            self._fail(error)
        except lines.UnreadableState as error:
            self._fail_with(str(error))
        except Exception:
            logger.exception("The server serves without what was kept in %s", self._folder.path)
            self._fail_with("what was kept there cannot be used")

    def _fail(self, error: OSError) -> None:
        self._fail_with(error.strerror or str(error))

    def _fail_with(self, reason: str) -> None:
        self.give_up()
        self._tell(reason)

    def _tell(self, reason: str) -> None:
        if not self._told:
            self._told = True
            logger.warning(
                "Connections will not be recovered after a restart, since %s cannot be used: %s. Set REALTIME_RECOVERY_FOLDER to a "
                "folder for this process alone, or to None.",
                self._folder.path,
                reason,
            )

    def release(self) -> None:
        """Leave what is kept to a successor, and keep nothing more."""
        with self._lock:
            self._stop()
            self._folder.release()

    def _leave_to_parent(self) -> None:
        self._stop()
        self._folder.leave_to_parent()

    def _stop(self) -> None:
        self._may_write = self._is_open = False
        self._waits_until = None
        self._journal.keep_event = None
