"""Schedule of expiry: when each connection is warned and ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from heapq import heapify, heappop, heappush
from typing import Any, Final, NamedTuple, Protocol, TypeVar

_STALE: Final = 64
"""Outdated entries, of closed connections or old tokens, that may stay until due, in excess of the number of current ones."""


class Watched(Protocol):
    """A connection, as the schedule sees it."""

    due: float

    @property
    def id(self) -> str:
        """Return its id."""


WatchedT = TypeVar("WatchedT", bound=Watched)


class Due(NamedTuple):
    """A due warning or end.

    Args:
        connection_id: The connection.
        expires_at: When its token expires, as Unix time.
        is_over: Whether the connection has to end, rather than be warned.
    """

    connection_id: str
    expires_at: float
    is_over: bool


class ExpirySchedule:
    """The times at which connections are warned and ended.

    It keeps one current entry for each connection, whose time is stored on the connection: other entries of the same
    connection are ignored.

    Args:
        warning: Seconds between the warning and the token's expiry.
        grace: Seconds between the token's expiry and the end.
        clock: Returns Unix time: the tokens are measured by it too.
        find: Returns the connection with an id, or None.
        expires_at: Returns when a connection's token expires, or None.
        lock: Serialises access from several threads.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - all that it works with is handed in
        self,
        warning: float,
        grace: float,
        clock: Callable[[], float],
        find: Callable[[str], WatchedT | None],
        expires_at: Callable[[WatchedT], float | None],
        lock: AbstractContextManager[Any] | None = None,
    ) -> None:
        self._warning = warning
        self._grace = grace
        self._clock = clock
        self._find: Callable[[str], Any] = find
        self._expires_at: Callable[[Any], float | None] = expires_at
        self._lock = lock or threading.Lock()
        self._entries: list[tuple[float, str]] = []
        self._tolerated = _STALE

    def watch(self, connection: Watched, *, is_renewed: bool = False) -> float | None:
        """Schedule the expiry of a connection's token, replacing any earlier entry.

        Args:
            connection: The connection.
            is_renewed: Whether it has just got the token. Then the warning waits for at least half of its remaining lifetime:
                otherwise each refresh would cause the next warning at once, if tokens live no longer than the warning time.

        Returns:
            When it is first due; None if the token does not expire.
        """
        expires_at = self._expires_at(connection)
        with self._lock:
            if expires_at is None:
                connection.due = 0.0
                return None
            now = self._clock()
            earliest = (now + expires_at) / 2 if is_renewed and expires_at > now else now
            return self._plan(connection, max(expires_at - self._warning, earliest))

    def next_deadline(self) -> float | None:
        """Return the clock's time at which something may be due, or None."""
        with self._lock:
            return self._entries[0][0] if self._entries else None

    def take(self) -> Due | None:
        """Return the first due connection, or None; after its warning, a connection is due again at its end."""
        now = self._clock()
        with self._lock:
            while self._entries and self._entries[0][0] <= now:
                due = self._take(*heappop(self._entries), now)
                if due is not None:
                    return due
        return None

    def _take(self, due: float, connection_id: str, now: float) -> Due | None:
        connection = self._find(connection_id)
        expires_at = self._expires_at(connection) if connection is not None and connection.due == due else None
        if expires_at is None:
            return None
        end = expires_at + self._grace
        if now < end:
            self._plan(connection, end)
        return Due(connection_id, expires_at, now >= end)

    def _plan(self, connection: Watched, due: float) -> float:
        if len(self._entries) >= self._tolerated:
            self._forget_stale()
        connection.due = due
        heappush(self._entries, (due, connection.id))
        return due

    def _forget_stale(self) -> None:
        self._entries = [entry for entry in self._entries if getattr(self._find(entry[1]), "due", None) == entry[0]]
        heapify(self._entries)
        self._tolerated = 2 * len(self._entries) + _STALE
