"""Selection of the presence changes to announce, and when: a user who keeps reconnecting is not announced each time."""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple

from flask_realtime.allowances import TokenBucket
from flask_realtime.jitter import jitter
from flask_realtime.rates import parse_rate

RATE: Final = parse_rate("6/minute, burst 6")
"""Rate of one user's announcements: at most 12 in any minute, and none is delayed by more than 10 seconds."""

_PATIENCE: Final = 1.0
"""Seconds that the server of a change has to announce it; then another one does, since that server may have died."""


class Announcement(NamedTuple):
    """A user's status to announce.

    Args:
        user_id: The user.
        online: Whether the user is online.
        version: The change's sequence number among the changes of this user, on all servers.
    """

    user_id: str
    online: bool
    version: int


class _Record:
    """The known state of one user's changes, here and on other servers."""

    __slots__ = ("bucket", "due", "latest", "told", "told_version", "version")

    def __init__(self) -> None:
        self.bucket = TokenBucket(RATE)
        self.told: bool | None = None
        self.told_version = -1
        self.latest: bool | None = None
        self.version = -1
        self.due = math.inf

    def is_idle(self, now: float) -> bool:
        return self.due == math.inf and self.bucket.full_at <= now

    def note(self, version: int, *, online: bool) -> None:
        if version > self.version:
            self.version, self.latest = version, online

    def announced(self, version: int, *, online: bool) -> None:
        if version > self.told_version:
            self.told_version, self.told = version, online


class Announcements:
    """Decides which changes are announced: the last one always, a return to the last announced status never.

    Args:
        clock: Returns the time in seconds; it never goes back.
        lock: Serialises access from several threads.
    """

    def __init__(self, clock: Callable[[], float], lock: AbstractContextManager[Any]) -> None:
        self._clock = clock
        self._lock = lock
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._queue: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._records)

    def changed(self, user_id: str, *, online: bool, version: int, hold: float = 0.0) -> bool:
        """Record a change, and return whether to announce it now. If not, it may be due later.

        Args:
            user_id: The user.
            online: Whether the user is online now.
            version: The change's place among the changes of this user, on all servers.
            hold: Seconds until all servers together may announce this user again.
        """
        with self._lock:
            now = self._clock()
            record = self._record(user_id, now)
            is_back = record.latest != record.told == online
            if version < record.version:
                return False
            record.note(version, online=online)
            if is_back:
                record.due = math.inf
                return False
            if not hold and record.bucket.take(now):
                record.announced(version, online=online)
                record.due = math.inf
                return True
            self._schedule(user_id, record, now + max(hold, record.bucket.wait(now)))
            return False

    def heard(self, user_id: str, *, online: bool, version: int, announced: bool) -> None:
        """Record a change reported by another server.

        Args:
            user_id: The user.
            online: Whether the user is online then.
            version: The change's place among the changes of this user, on all servers.
            announced: Whether it was announced, or delayed.
        """
        with self._lock:
            now = self._clock()
            record = self._record(user_id, now)
            is_news = version > record.version
            record.note(version, online=online)
            if announced:
                record.bucket.take(now)
                record.announced(version, online=online)
            if record.latest == record.told:
                record.due = math.inf
            else:
                patience = _PATIENCE * jitter.uniform(1, 2) if is_news else 0.0  # Not all servers at once.
                self._schedule(user_id, record, now + record.bucket.wait(now) + patience)

    def take_due(self) -> list[str]:
        """Return users with an announcement due; call `release` or `hold` for each."""
        with self._lock:
            now, due = self._clock(), []
            while self._queue and self._queue[0][0] <= now:
                at, user_id = heapq.heappop(self._queue)
                record = self._records.get(user_id)
                if record is not None and record.due == at:  # Otherwise it was announced meanwhile, or reversed.
                    record.due = now
                    due.append(user_id)
            return due

    def release(self, user_id: str) -> Announcement | None:
        """Return a user's announcement to make now; None if it is not due any more."""
        with self._lock:
            record, now = self._records[user_id], self._clock()
            if record.due > now or record.latest is None or record.latest == record.told:
                return None
            if not record.bucket.take(now):
                self._schedule(user_id, record, now + record.bucket.wait(now))
                return None
            record.due = math.inf
            record.announced(record.version, online=record.latest)
            return Announcement(user_id, record.latest, record.version)

    def hold(self, user_id: str, seconds: float) -> None:
        """Delay a user's announcement further."""
        with self._lock:
            record, now = self._records[user_id], self._clock()
            if record.due <= now:
                self._schedule(user_id, record, now + seconds)

    def next_deadline(self) -> float | None:
        """Return the time at which something may be due, or None."""
        with self._lock:
            return self._queue[0][0] if self._queue else None

    def _record(self, user_id: str, now: float) -> _Record:
        record = self._records.get(user_id)
        if record is None:
            record = self._records[user_id] = _Record()
        self._records.move_to_end(user_id)
        while (oldest := next(iter(self._records))) != user_id and self._records[oldest].is_idle(now):
            del self._records[oldest]
        return record

    def _schedule(self, user_id: str, record: _Record, at: float) -> None:
        record.due = at
        heapq.heappush(self._queue, (at, user_id))
