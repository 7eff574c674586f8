"""Selection of the presence changes to announce, and when: a user who keeps reconnecting is not announced each time."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from flask_realtime.features.presence.grace import grace_seconds
from flask_realtime.features.presence.rated_queue import RatedQueue, RatedRecord


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


class _Record(RatedRecord):
    """The known state of one user's changes, here and on other servers."""

    __slots__ = ("latest", "told_version", "version")

    def __init__(self) -> None:
        super().__init__()
        self.told_version = -1
        self.latest: bool | None = None
        self.version = -1

    @property
    def is_told(self) -> bool:
        return self.told_version >= self.version

    def note(self, version: int, *, online: bool) -> None:
        if version > self.version:
            self.version, self.latest = version, online

    def announced(self, version: int) -> None:
        self.told_version = max(self.told_version, version)


class Announcements(RatedQueue[_Record]):
    """Decides which changes are announced: the last one always.

    It is announced even if it is a return to the last announced status: whoever asked meanwhile was told the other one.

    Args:
        clock: Returns the time in seconds; it never goes back.
        lock: Serialises access from several threads.
    """

    def __init__(self, clock: Callable[[], float], lock: AbstractContextManager[Any]) -> None:
        super().__init__(_Record, clock, lock)

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
            if version < record.version:
                return False
            record.version, record.latest = version, online
            if not hold and record.bucket.take(now):
                record.told_version = version
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
                record.announced(version)
            if record.is_told:
                record.due = math.inf
            else:
                self._schedule(user_id, record, now + record.bucket.wait(now) + (grace_seconds() if is_news else 0.0))

    def latest(self, user_id: str) -> tuple[bool | None, int]:
        """Return a user's last known status and its version; None and -1 if nothing has happened for a while."""
        with self._lock:
            record = self._records.get(user_id)
            return (None, -1) if record is None else (record.latest, record.version)

    def is_absence_told(self, user_id: str) -> bool:
        """Return whether a user's last change was to offline, and was announced, or nothing has happened for a while."""
        with self._lock:
            record = self._records.get(user_id)
            return record is None or (record.is_told and not record.latest)

    def take_due(self) -> list[str]:
        """Return users with an announcement due; call `release` or `hold` for each."""
        with self._lock:
            now, due = self._clock(), []
            for user_id, record in self._pop_due(now):
                record.due = now
                due.append(user_id)
            return due

    def release(self, user_id: str) -> Announcement | None:
        """Return a user's announcement to make now; None if it is not due any more."""
        with self._lock:
            record, now = self._records[user_id], self._clock()
            if record.due > now or record.latest is None or record.is_told:
                return None
            if not record.bucket.take(now):
                self._schedule(user_id, record, now + record.bucket.wait(now))
                return None
            record.due = math.inf
            record.announced(record.version)
            return Announcement(user_id, record.latest, record.version)

    def hold(self, user_id: str, seconds: float) -> None:
        """Delay a user's announcement further."""
        with self._lock:
            record, now = self._records[user_id], self._clock()
            if record.due <= now:
                self._schedule(user_id, record, now + seconds)
