"""Recorder: counts what one server does, in memory, by minute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import date, datetime, timezone
from typing import Any, Final

from flask_realtime.features.analytics.figures import (
    CONNECTION_PEAK,
    CONNECTION_TIME,
    MINUTE,
    RECEIVED,
    SENT,
    ActiveUser,
    Amounts,
    Figure,
)
from flask_realtime.features.analytics.histogram import bucket_of
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

MOST_MINUTES: Final = 120
"""Minutes that are kept while they cannot be written; the oldest are lost then."""

_MINUTE: Final = MINUTE.length.total_seconds()

EventCounts = Callable[[], Mapping[str, Mapping[str, int]]]
"""Returns how many events of each name were `received` and `sent` since the server began."""


class Recorder:
    """The counts of one server that are not yet in the database.

    Args:
        now: Returns the time in seconds since 1970.
        lock: Serialises access from several threads.
        event_counts: Returns how many events there were.
    """

    def __init__(self, now: Callable[[], float], lock: AbstractContextManager[Any], event_counts: EventCounts) -> None:
        self._now = now
        self._lock = lock
        self._event_counts = event_counts
        self._counted = _copy(event_counts())
        self._minute = now() // _MINUTE * _MINUTE
        self._at = now()
        self._open: Counter[tuple[str, str]] = Counter()
        self._closed: dict[Figure, int] = {}
        self._connections = self._peak = 0
        self._connection_time = 0.0
        self._day = _day(now())
        self._active: set[str] = set()
        self._new_users: set[ActiveUser] = set()
        self._is_new_day = False

    def set_connections(self, count: int) -> None:
        """Record that the server has another number of connections now."""
        with self._lock:
            self._advance()
            self._connections = count
            self._peak = max(self._peak, count)

    def see(self, user_ids: Iterable[str]) -> None:
        """Record that users are connected now; each is new once a day."""
        with self._lock:
            self._turn_day()
            for user_id in user_ids:
                if user_id and user_id not in self._active:
                    self._active.add(user_id)
                    self._new_users.add(ActiveUser(self._day, user_id))

    def count(self, metric: str) -> None:
        """Count one more of a metric."""
        with self._lock:
            self._advance()
            self._open[metric, ""] += 1

    def time(self, metric: str, durations: Iterable[float]) -> None:
        """Count some durations, in seconds."""
        with self._lock:
            self._advance()
            for seconds in durations:
                self._open[metric, str(bucket_of(seconds))] += 1

    def close_minute(self, connected: Callable[[], Iterable[str]]) -> None:
        """Close the minute that has just ended, and count the users who are connected when a day begins.

        Args:
            connected: Returns the users who are connected.
        """
        with self._lock:
            self._advance()
            self._turn_day()
            is_new_day, self._is_new_day = self._is_new_day, False
        if is_new_day:
            self.see(connected())

    def take(self, *, everything: bool = False) -> Amounts:
        """Return the figures of the minutes that are over, for the caller to write.

        Args:
            everything: Whether to return those of the present minute too: the server stops.
        """
        with self._lock:
            self._advance()
            if everything:
                self._count_events()
                self._close()
            taken, self._closed = self._closed, {}
        return taken

    def take_users(self) -> set[ActiveUser]:
        """Return the users who are to be recorded, for the caller to write."""
        with self._lock:
            taken, self._new_users = self._new_users, set()
        return taken

    def put_back(self, amounts: Amounts) -> None:
        """Take figures back that could not be written."""
        oldest = None
        with self._lock:
            for figure, amount in amounts.items():
                self._closed[figure] = self._closed.get(figure, 0) + amount
            minutes = sorted({figure.starts_at for figure in self._closed})
            if len(minutes) > MOST_MINUTES:
                oldest = minutes[-MOST_MINUTES]
                self._closed = {figure: amount for figure, amount in self._closed.items() if figure.starts_at >= oldest}
        if oldest is not None:  # Writing a log may switch to another greenlet, which must not find the lock taken.
            logger.warning("Figures from before %s are lost: the database could not be written to for too long", oldest)

    def put_users_back(self, users: Iterable[ActiveUser]) -> None:
        """Take users back that could not be written."""
        with self._lock:
            self._new_users.update(users)

    def _advance(self) -> None:
        """Close the minutes that have ended since the last call."""
        now = self._now()
        if now < self._minute - _MINUTE or now >= self._minute + _MINUTE * (MOST_MINUTES + 1):
            # The clock was set, or the machine slept: nobody knows what was in between.
            self._count_events()
            self._close()
            self._minute, self._at = now // _MINUTE * _MINUTE, now
        if now >= self._minute + _MINUTE:
            self._count_events()
        while now >= self._minute + _MINUTE:
            self._pass_until(self._minute + _MINUTE)
            self._close()
            self._minute += _MINUTE
        self._pass_until(now)

    def _turn_day(self) -> None:
        today = _day(self._now())
        if today != self._day:
            self._day, self._is_new_day = today, True
            self._active.clear()

    def _pass_until(self, moment: float) -> None:
        self._connection_time += self._connections * max(0.0, moment - self._at)
        self._at = moment

    def _close(self) -> None:
        starts_at = datetime.fromtimestamp(self._minute, timezone.utc)
        self._open[CONNECTION_TIME, ""] += round(self._connection_time * 1000)
        self._open[CONNECTION_PEAK, ""] += self._peak
        for (metric, kind), amount in self._open.items():
            if amount:
                figure = Figure(starts_at, metric, kind)
                self._closed[figure] = self._closed.get(figure, 0) + amount
        self._open.clear()
        self._connection_time, self._peak = 0.0, self._connections

    def _count_events(self) -> None:
        """Count the events since the last call, in the minute that is open."""
        counts = _copy(self._event_counts())
        for metric in (RECEIVED, SENT):
            before = self._counted.get(metric, {})
            for name, total in counts.get(metric, {}).items():
                self._open[metric, name] += total - before.get(name, 0)
        self._counted = counts


def _copy(counts: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    return {metric: dict(names) for metric, names in counts.items()}


def _day(moment: float) -> date:
    return datetime.fromtimestamp(moment, timezone.utc).date()
