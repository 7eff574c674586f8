"""Times at which users were last seen, written in batches: when many leave at once, the place is not asked for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import islice
from typing import Any, Final

BATCH: Final = 500
DELAY: Final = 1.0
"""Seconds for which a time waits for others."""

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

    def waiting(self, user_id: str) -> datetime | None:
        """Return the time of a user that is not written yet, or None."""
        return self._waiting.get(user_id)

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
