"""Departures of users that are not announced yet: who is back in time was never offline."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple


class Departure(NamedTuple):
    """A user's going offline.

    Args:
        user_id: The user.
        version: The change's sequence number among the changes of this user, on all servers.
        hold: Seconds for which it must not be announced, because the user changed too often.
        is_left: Whether it was found in Redis, where other servers that start find it too: one of them is to take it from there.
    """

    user_id: str
    version: int
    hold: float = 0.0
    is_left: bool = False


class Departures:
    """Departures that wait, each for the same time or a little longer.

    Args:
        seconds: The time; 0 if none has to wait.
        clock: Returns the time in seconds; it never goes back.
        lock: Serialises access from several threads.
    """

    def __init__(self, seconds: float, clock: Callable[[], float], lock: AbstractContextManager[Any]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = lock
        self._waiting: dict[str, Departure] = {}
        self._queue: list[tuple[float, Departure]] = []

    @property
    def is_waiting(self) -> bool:
        """Return whether departures have to wait."""
        return self._seconds > 0

    def users(self) -> set[str]:
        """Return the users whose departures wait."""
        with self._lock:
            return set(self._waiting)

    def waits(self, user_id: str) -> bool:
        """Return whether a user's departure waits."""
        return user_id in self._waiting

    def among(self, user_ids: Iterable[str]) -> set[str]:
        """Return those of some users whose departures wait."""
        waiting = self._waiting
        return {user_id for user_id in user_ids if user_id in waiting} if waiting else set()

    def add(self, departure: Departure, patience: float = 0.0) -> None:
        """Let a departure wait.

        Args:
            departure: The departure.
            patience: Seconds for which it waits longer.
        """
        with self._lock:
            known = self._waiting.get(departure.user_id)
            if known is None or known.version < departure.version:
                self._waiting[departure.user_id] = departure
                heapq.heappush(self._queue, (self._clock() + self._seconds + patience, departure))

    def drop(self, user_id: str, version: int) -> bool:
        """Forget a user's departure, and return whether one waited.

        Args:
            user_id: The user.
            version: The version of what happened instead; a later departure stays.
        """
        with self._lock:
            known = self._waiting.get(user_id)
            if known is None or known.version > version:
                return False
            del self._waiting[user_id]
            return True

    def take_due(self) -> list[Departure]:
        """Return the departures that have waited long enough, and forget them."""
        with self._lock:
            now, due = self._clock(), []
            while self._queue and self._queue[0][0] <= now:
                _, departure = heapq.heappop(self._queue)
                if self._waiting.get(departure.user_id) is departure:
                    del self._waiting[departure.user_id]
                    due.append(departure)
            return due

    def end(self) -> list[Departure]:
        """Return all departures that wait, and let none wait any more."""
        with self._lock:
            self._seconds = 0.0
            waiting, self._waiting = self._waiting, {}
            return list(waiting.values())

    def next_deadline(self) -> float | None:
        """Return the time at which something may be due, or None."""
        with self._lock:
            return self._queue[0][0] if self._queue else None
