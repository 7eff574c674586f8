"""Times at which users were last seen, written in batches: when many leave at once, the place is not asked for each.

Who asks before a time is written is told the one that waits; on another server, when that heard of the departure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

BATCH: Final = 500
DELAY: Final = 1.0
"""Seconds for which a time waits for others."""

_KNOWN_FOR: Final = 5.0
"""Seconds for which it is remembered that another server told of a departure, whose time it writes meanwhile."""

_MOST_WAITING: Final = 100_000
"""Times kept while they cannot be written; the oldest are given up."""


class LastSeen:
    """The times that wait to be written.

    Args:
        now: Returns the current time.
        clock: Returns the time in seconds; it never goes back.
        lock: Serialises access from several threads.
    """

    def __init__(self, now: Callable[[], datetime], clock: Callable[[], float], lock: AbstractContextManager[Any]) -> None:
        self._now = now
        self._clock = clock
        self._lock = lock
        self._waiting: dict[str, datetime] = {}
        self._heard: dict[str, tuple[datetime, float]] = {}
        self._due = 0.0
        self._is_writing = False

    @property
    def is_idle(self) -> bool:
        """Return whether everything is written."""
        return not self._waiting and not self._is_writing

    def note(self, user_id: str) -> float:
        """Record that a user was seen until now, and return when that is to be written."""
        with self._lock:
            if not self._waiting:
                self._due = self._clock() + DELAY
            self._waiting.pop(user_id, None)
            self._waiting[user_id] = self._now()
            if len(self._waiting) > _MOST_WAITING:
                del self._waiting[next(iter(self._waiting))]
            return self._due

    def heard(self, user_id: str) -> None:
        """Record that another server, which writes the time, has told of a user's departure."""
        with self._lock:
            self._heard.pop(user_id, None)
            self._heard[user_id] = self._now(), self._clock() + _KNOWN_FOR
            while self._heard and (len(self._heard) > _MOST_WAITING or self._is_over(next(iter(self._heard)))):
                del self._heard[next(iter(self._heard))]

    def _is_over(self, user_id: str) -> bool:
        return self._heard[user_id][1] < self._clock()

    def latest(self, user_id: str, written: datetime | None) -> datetime | None:
        """Return when a user was last seen, or None.

        Args:
            user_id: The user.
            written: The time that is written, or None; the one that this server, or another one, is about to write may be later.
        """
        waiting = self._waiting.get(user_id)
        if waiting is not None:
            return waiting
        heard, until = self._heard.get(user_id, (None, 0.0))
        if heard is None or self._clock() >= until:
            return written
        # Both servers have taken the time: the one that is written counts once it is there.
        return heard if written is None or heard - written > timedelta(seconds=_KNOWN_FOR) else written

    def next_deadline(self) -> float | None:
        """Return the time at which something is to be written, or None."""
        with self._lock:
            return self._due if self._waiting and not self._is_writing else None

    def write(self, write: Callable[[Mapping[str, datetime]], object]) -> None:
        """Write a batch; what cannot be written waits longer.

        Args:
            write: Writes times; it may wait, and raise.
        """
        with self._lock:
            if self._is_writing:
                return
            self._is_writing = True
            batch = dict(islice(self._waiting.items(), BATCH))
        has_written = False
        try:
            if batch:
                write(batch)
            has_written = True
        finally:
            self._end(batch if has_written else {})

    def _end(self, written: Mapping[str, datetime]) -> None:
        with self._lock:
            self._is_writing = False
            for user_id, moment in written.items():
                if self._waiting.get(user_id) == moment:
                    del self._waiting[user_id]
            self._due = self._clock() + (0.0 if written else DELAY)
