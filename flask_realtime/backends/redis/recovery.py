"""Leases of connections, and the events of all servers, in Redis."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from flask_realtime.backends.forks import after_fork
from flask_realtime.backends.recovery import (
    LeaseChange,
    LeaseRecord,
    LoggedEvent,
    OnRefused,
    Place,
    Reading,
    RecoveryStore,
    Refusal,
)
from flask_realtime.backends.redis import scripts
from flask_realtime.backends.redis.bus import RedisBus
from flask_realtime.backends.redis.envelopes import StreamId, read, server_name
from flask_realtime.backends.redis.lease import Lease
from flask_realtime.backends.redis.lease_writer import LeaseWriter
from flask_realtime.backends.redis.link import RedisLink
from flask_realtime.backends.sequences import SequenceTracker

_PAGE: Final = 100
_RETRIED_WITHIN: Final = 5_000
"""Milliseconds in which a server writes a batch again whose first writing was uncertain."""


class RedisRecovery(RecoveryStore):
    """Leases and events of all servers that share a Redis.

    Args:
        server: This server's lease on its other entries, through which scripts run.
        bus: The bus.
        ttl: Seconds for which a lease is kept after its server last touched it.
    """

    def __init__(self, server: Lease, bus: RedisBus, ttl: float) -> None:
        self._server = server
        self._bus = bus
        self._ttl = ttl
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._on_refused: OnRefused = _ignore
        self._begin()
        after_fork(self._begin)

    @property
    def name(self) -> str:
        """Return the unique name of this server."""
        return server_name(self._bus.origin)

    @property
    def is_reachable(self) -> bool:
        """Return whether Redis can be reached, as far as is known."""
        return self._server.link.is_up

    def start(self, on_passed: Callable[[str], None], on_refused: OnRefused, on_tick: Callable[[], None]) -> None:
        """Begin to write changes; starting twice changes nothing."""
        with self._lock:
            if self._thread is not None:
                return
            self._on_refused = on_refused
            self._bus.on_passed(on_passed)
            thread = self._thread = threading.Thread(target=self._writer.run, args=(on_tick,), name="realtime-leases", daemon=True)
        thread.start()

    def write(self, change: LeaseChange) -> None:
        """Queue a change."""
        self._writer.add(change)

    def wait_written(self, timeout: float) -> bool:
        """Wait until the changes queued so far are made."""
        return self._writer.wait_written(timeout)

    def wait_sent(self, timeout: float) -> bool:
        """Wait until the events published so far are in the stream."""
        return self._bus.wait_sent(timeout)

    def take(self, key: str, user_id: str, attempt: str) -> LeaseRecord | None:
        """Become the owner of a lease; see `RecoveryStore.take`."""
        return self._server.run_by_deadline(scripts.take_recovery(key, user_id, self.name, attempt, ttl=self._ttl))

    def reading(self, after: Place, era: str) -> Reading:
        """Return a reading of the events behind a place."""
        return _Reading(self._server.link, self._bus, after, era)

    def stop(self, timeout: float) -> None:
        """Write what waits, for `timeout` seconds at most, and stop."""
        self._writer.end()
        if self._thread is not None:
            self._thread.join(timeout)

    def _begin(self) -> None:
        self._writer = LeaseWriter(self._write, lambda: self.is_reachable)
        self._thread = None

    def _write(self, changes: list[LeaseChange]) -> Callable[[], None]:
        refused = self._server.run_by_deadline(scripts.write_recovery(self.name, changes, ttl=self._ttl))

        def follow_up() -> None:
            for index, reason in refused:
                self._on_refused(changes[index], Refusal(reason))

        return follow_up


class _Reading(Reading):
    """A reading of the stream.

    Args:
        link: The link to Redis.
        bus: The bus.
        after: The place behind which it begins.
        era: What the places were numbered in.
    """

    def __init__(self, link: RedisLink, bus: RedisBus, after: Place, era: str) -> None:
        self._link = link
        self._bus = bus
        self._after = after
        self._era = era
        # It begins a little earlier, so that the sequence numbers tell which envelopes had been written before, without an answer.
        self._start = self._known_from = StreamId(max(0, after.milliseconds - _RETRIED_WITHIN))
        self._sequences = SequenceTracker(math.inf)
        self.earlier: list[LoggedEvent] = []

    def go_on(self) -> list[LoggedEvent] | None:
        events: list[LoggedEvent] = []
        if self._era != self._bus.era:
            return None
        began = self._start
        while page := self._range(f"{self._start}", _PAGE):
            for entry_id, fields in page:
                for event in self._events_of(entry_id, fields):
                    (events if event.place > self._after else self.earlier).append(event)
            last, _ = page[-1]
            self._start = StreamId(last.milliseconds, last.number + 1)
            if len(page) < _PAGE:
                break
        first = self._range("-", 1)
        needed = max(began, StreamId(self._after.milliseconds, self._after.number))
        return events if first and first[0][0] <= needed else None

    def _learn(self, start: StreamId) -> None:
        """Record the sequence numbers from an earlier entry on, where what was written again was written first."""
        end, self._known_from = self._known_from, min(start, self._known_from)
        while start < end and (page := self._range(f"{start}", _PAGE)):
            for entry_id, fields in page:
                if entry_id < end:
                    entry = read(fields)
                    self._sequences.receive(entry.origin, entry.first, len(entry.heads))
            last, _ = page[-1]
            start = StreamId(last.milliseconds, last.number + 1)

    def _range(self, start: str, count: int) -> list[tuple[StreamId, list[bytes]]]:
        entries: Any = self._link.call(lambda client: client.xrange(self._bus.stream_key, start, "+", count))
        return [(StreamId.parse(entry_id), [part for field in fields.items() for part in field]) for entry_id, fields in entries]

    def _events_of(self, entry_id: StreamId, fields: Sequence[bytes]) -> list[LoggedEvent]:
        entry = read(fields)
        if entry.age:
            self._learn(StreamId(max(0, entry_id.milliseconds - entry.age - _RETRIED_WITHIN)))
        if entry.written:
            self._learn(min(entry.first_written(index, entry_id) for index in range(len(entry.heads))))
        known = self._sequences.receive(entry.origin, entry.first, len(entry.heads))
        return [
            LoggedEvent(
                *(Place(*entry_id, index), envelope.origin, envelope.kind, envelope.header, envelope.parts),
                is_uncertain=entry.is_repeated(index),
            )
            for index, envelope in enumerate(entry.envelopes())
            if index >= known
        ]


def _ignore(_change: LeaseChange, _refusal: Refusal) -> None:
    """Do nothing."""
