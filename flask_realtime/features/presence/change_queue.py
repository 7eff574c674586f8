"""Queue of users whose presence is to be announced with `presence:changed`, each at a bounded rate, and the last state always."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from flask_realtime.features.presence.grace import grace_seconds
from flask_realtime.features.presence.rated_queue import RatedQueue, RatedRecord


class _Record(RatedRecord):
    """One user's changes: how many may be announced, when the next one is due, and whether others are to hear of it."""

    __slots__ = ("for_others",)

    def __init__(self) -> None:
        super().__init__()
        self.for_others = False


class ChangeQueue(RatedQueue[_Record]):
    """Decides when each change is announced. What is announced is the state of then, so that a later change needs no second one.

    Args:
        clock: Returns the time in seconds; it never goes back.
        lock: Serialises access from several threads.
    """

    def __init__(self, clock: Callable[[], float], lock: AbstractContextManager[Any]) -> None:
        super().__init__(_Record, clock, lock)

    def changed(self, user_id: str, *, for_others: bool) -> bool:
        """Record a change, and return whether to announce it now. If not, it is due later.

        Args:
            user_id: The user.
            for_others: Whether others are to hear of it, and not the user's own devices alone.
        """
        with self._lock:
            now = self._clock()
            record = self._record(user_id, now)
            record.for_others = record.for_others or for_others
            if record.due == math.inf and record.bucket.take(now):
                return True
            self._schedule_earlier(user_id, record, now + record.bucket.wait(now))
            return False

    def take(self, user_id: str) -> bool:
        """Take what is to be announced now, and return whether others are to hear of it."""
        with self._lock:
            record = self._records[user_id]
            for_others, record.for_others, record.due = record.for_others, False, math.inf
            return for_others

    def heard(self, user_id: str, *, announced: bool) -> None:
        """Record a change that another server has announced, or delayed."""
        with self._lock:
            now = self._clock()
            record = self._record(user_id, now)
            if announced:
                record.bucket.take(now)
                record.due = math.inf
            else:
                record.for_others = True
                self._schedule_earlier(user_id, record, now + record.bucket.wait(now) + grace_seconds())

    def take_due(self) -> list[str]:
        """Return users whose change is due now; call `take` for each."""
        with self._lock:
            now, due = self._clock(), []
            for user_id, record in self._pop_due(now):
                record.due = math.inf
                if record.bucket.take(now):
                    due.append(user_id)
                else:
                    self._schedule(user_id, record, now + record.bucket.wait(now))
            return due

    def _schedule_earlier(self, user_id: str, record: _Record, at: float) -> None:
        if at < record.due:
            self._schedule(user_id, record, at)
