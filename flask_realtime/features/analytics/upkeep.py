"""Upkeep of the figures: hours from minutes, days from hours, daily and monthly users, and the end of what is old.

One of all servers that share a Redis does it once a minute; a lease says which. Where the lease cannot be had, several do: each
figure is made anew from those that it consists of, so that doing it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Final
from uuid import uuid4

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.analytics.figures import DAY, HOUR, INTERVALS, LATE, MINUTE, MONTH, FigureTable, Interval

LEASE: Final = 150.0
"""Seconds for which a server is the one that does the upkeep, unless it renews its lease, as it does each minute."""

TRIMS_AT_ONCE: Final = 20
"""Maximum number of deletions of one kind at a time."""

_KEY: Final = "upkeep"


class Upkeep:
    """The upkeep by one server.

    Args:
        context: The surroundings of the feature.
        table: The figures.
        now: Returns the time in seconds since 1970.
    """

    def __init__(self, context: FeatureContext, table: FigureTable, now: Callable[[], float]) -> None:
        self._context = context
        self._table = table
        self._now = now
        self._name = uuid4().hex
        self._lease = context.record(_KEY, ttl=LEASE)
        self._done_until: datetime | None = None
        self._users_counted: datetime | None = None

    def run(self) -> None:
        """Do what is due, unless another server does it."""
        if not self._has_lease():
            self._done_until = None  # What the other one leaves undone is not known.
            return
        now = datetime.fromtimestamp(self._now(), timezone.utc)
        self._roll_up(now)
        self._count_users(now)
        self._trim(now)

    def _has_lease(self) -> bool:
        try:
            stored = self._lease.get(_KEY)
            return stored.value in {None, self._name} and self._lease.put(_KEY, self._name, expected=stored.version) > 0
        except BackendUnavailable:
            return True

    def _roll_up(self, now: datetime) -> None:
        oldest = now - self._kept(MINUTE)
        hours_from = HOUR.end_of(oldest)  # The minutes of the hour before may be gone in part.
        if self._done_until is not None:
            hours_from = max(hours_from, HOUR.start_of(self._done_until - LATE))
        days_from = max(DAY.start_of(hours_from), DAY.end_of(now - self._kept(HOUR)))
        for interval, first in ((HOUR, hours_from), (DAY, days_from)):
            for start in _starts(interval, first, now):
                self._call(self._table.roll_up, start, interval)
        self._done_until = now

    def _count_users(self, now: datetime) -> None:
        """Count the users of yesterday once an hour, and those of earlier days on which no server was there to do it."""
        hour, today = HOUR.start_of(now), DAY.start_of(now)
        if self._users_counted == hour:
            return
        yesterday = today - DAY.length
        earlier = list(_starts(DAY, today - MONTH, yesterday))
        for day in [*self._context.in_app_context(self._table.days_without_users, earlier), yesterday]:
            self._call(self._table.count_users, day)
        self._users_counted = hour

    def _trim(self, now: datetime) -> None:
        for interval in INTERVALS:
            before = max(interval, HOUR, key=lambda each: each.length).start_of(now - self._kept(interval))
            self._trim_some(partial(self._table.trim, interval, before))
        # Each of the last thirty days may still be counted, with the month before it.
        oldest = (DAY.start_of(now) - 2 * MONTH).date()
        self._trim_some(partial(self._table.trim_users, oldest))

    def _trim_some(self, trim: Callable[[], bool]) -> None:
        for _ in range(TRIMS_AT_ONCE):
            if not self._context.in_app_context(trim):
                return
            self._context.let_others_run()

    def _call(self, function: Callable[..., None], *args: object) -> None:
        self._context.in_app_context(function, *args)
        self._context.let_others_run()

    def _kept(self, interval: Interval) -> timedelta:
        return timedelta(seconds=self._context.config.analytics_retention[interval.name])


def _starts(interval: Interval, first: datetime, end: datetime) -> Iterator[datetime]:
    while first < end:
        yield first
        first += interval.length
