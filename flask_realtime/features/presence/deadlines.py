"""Deadlines by key: what is to be done for users, and when."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any


class Deadlines:
    """Keys with the time at which each is due. They are few: finding the next one looks at all.

    Args:
        lock: Serialises access from several threads.
    """

    def __init__(self, lock: AbstractContextManager[Any]) -> None:
        self._lock = lock
        self._due: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: str, at: float) -> None:
        """Set a key's time, in place of an earlier one."""
        with self._lock:
            self._due[key] = at

    def drop(self, key: str) -> None:
        """Forget a key."""
        with self._lock:
            self._due.pop(key, None)

    def take_due(self, now: float) -> list[str]:
        """Return the keys whose time has come, the first one first, and forget them."""
        with self._lock:
            due = sorted((at, key) for key, at in self._due.items() if at <= now)
            for _, key in due:
                del self._due[key]
            return [key for _, key in due]

    def next_deadline(self) -> float | None:
        """Return the time at which something is due, or None."""
        with self._lock:
            return min(self._due.values(), default=None)
