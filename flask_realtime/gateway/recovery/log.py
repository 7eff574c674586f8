"""Log of the events of all servers, as clients read it that come back: many at once when a server was killed."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from time import monotonic
from typing import Any, Final, NamedTuple

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.recovery import LoggedEvent, Place, Reading, RecoveryStore
from flask_realtime.gateway.delivery.envelopes import KEPT, LOGGED, SEND

_KEPT_SECONDS: Final = 5.0
"""Seconds after its last use for which what was read is kept for the next client."""

_OVERHEAD: Final = 1200
"""Bytes of memory of an event beside its packet."""


class Excerpt(NamedTuple):
    """Events behind a place.

    Args:
        events: The events, in order.
        copies: The copies of each that is in the application's log, by its name there: where two servers sent it, one may be from
            before the place.
    """

    events: list[LoggedEvent]
    copies: Mapping[str, Sequence[LoggedEvent]]


class EventLog:
    """The events behind a place, read once for all who ask at about the same time.

    Args:
        store: Where they are read.
        max_bytes: Maximum bytes of memory.
    """

    def __init__(self, store: RecoveryStore, max_bytes: int) -> None:
        self.store = store
        """Where they are read."""
        self._max_bytes = max_bytes
        self._lock: threading.Lock | None = None
        self._used_at = 0.0
        self._events: list[LoggedEvent] = []
        self._by_room: dict[Any, list[int]] = {}
        self._copies: dict[str, list[LoggedEvent]] = {}
        self._bytes = 0
        self._era = ""
        self._start = Place(0, 0, 0)
        self._reading: Reading | None = None

    def since(self, after: Place, era: str, rooms: Iterable[str]) -> Excerpt | None:
        """Return the events for rooms behind a place, those for everyone too, in order; None if not all of them are kept.

        Args:
            after: The place.
            era: What the places were numbered in.
            rooms: The rooms.

        Raises:
            BackendUnavailable: They cannot be read now.
        """
        if self._lock is None:
            self._lock = threading.Lock()  # Not before gevent has patched it: who holds it waits for the store.
        with self._lock:
            if not self._read_on(after, era):
                self._forget()
                return None
            numbers = {number for room in (None, *rooms) for number in self._by_room.get(room, ())}
            events, copies = [self._events[number] for number in sorted(numbers)], self._copies
        return Excerpt([event for event in events if event.place > after], copies)

    def tidy(self) -> None:
        """Forget what nobody has asked for lately."""
        if self._lock is not None and self._events and not self._lock.locked() and monotonic() - self._used_at > _KEPT_SECONDS:
            self._forget()

    def _read_on(self, after: Place, era: str) -> bool:
        is_outdated = monotonic() - self._used_at > _KEPT_SECONDS
        is_usable = self._reading is not None and self._era == era and after >= self._start and not is_outdated
        if is_usable and self._go_on() and self._bytes <= self._max_bytes:
            return True
        # Anew also where it has grown while many asked: perhaps less is needed by now.
        self._forget()
        reading = self.store.reading(after, era)
        self._start, self._era, self._reading = after, era, reading
        is_whole = self._go_on() and self._bytes <= self._max_bytes
        for event in reading.earlier:
            self._note_copy(event)
        return is_whole

    def _go_on(self) -> bool:
        if self._reading is None:
            return False
        try:
            events = self._reading.go_on()
        except BackendUnavailable:
            self._forget()  # It may have read some, and would not return them again.
            raise
        self._used_at = monotonic()
        for event in events or ():
            self._add(event)
        return events is not None

    def _add(self, event: LoggedEvent) -> None:
        if event.kind not in {SEND, KEPT} or event.header["volatile"]:
            return
        rooms = event.header["rooms"]
        for room in (None,) if rooms is None else rooms:
            self._by_room.setdefault(room, []).append(len(self._events))
        self._events.append(event)
        self._note_copy(event)
        self._bytes += _OVERHEAD + sum(map(len, event.parts))

    def _note_copy(self, event: LoggedEvent) -> None:
        if LOGGED in event.header:
            self._copies.setdefault(event.header[LOGGED], []).append(event)

    def _forget(self) -> None:
        self._events, self._by_room, self._copies, self._bytes, self._reading = [], {}, {}, 0, None
