"""Figures: sums by interval, metric and kind, and their table as the servers see it. The store implements it.

::

    interval   starts at   metric              kind           amount
    minute     12:07       messages                           31
    minute     12:07       received            message:send   31
    minute     12:07       delivery            24             7         of 31 messages, 7 took about 87 ms
    minute     12:07       connection_time                    1260000   21 connections for a minute, in milliseconds
    minute     12:07       connection_peak                    25        on all servers together
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Final, NamedTuple, Protocol

CONNECTION_TIME: Final = "connection_time"
"""Milliseconds of all connections together: a mean once it is divided by those of the interval."""

CONNECTION_PEAK: Final = "connection_peak"
"""The most connections that each server had in a minute, added up; of longer intervals, the greatest of their minutes."""

MESSAGES: Final = "messages"
RECEIVED: Final = "received"
SENT: Final = "sent"
DELIVERY: Final = "delivery"
READING: Final = "reading"
DAILY_USERS: Final = "daily_users"
MONTHLY_USERS: Final = "monthly_users"

USER_METRICS: Final = (DAILY_USERS, MONTHLY_USERS)
"""Metrics that only days have, which are counted anew rather than added up."""

LATE: Final = timedelta(hours=2)
"""Time for which minutes may still come in, from a server that could not write them before: hours in it are read as minutes."""

MONTH: Final = timedelta(days=30)
"""Time of the monthly active users of a day, which is the last one of it."""


class Interval(NamedTuple):
    """A length of intervals, which begin at its multiples since 1970 in UTC.

    Args:
        name: Its name.
        length: The length.
    """

    name: str
    length: timedelta

    def start_of(self, moment: datetime) -> datetime:
        """Return the beginning of the interval that a moment is in."""
        seconds = self.length.total_seconds()
        return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, timezone.utc)

    def end_of(self, moment: datetime) -> datetime:
        """Return the first beginning of an interval that is not before a moment."""
        start = self.start_of(moment)
        return start if start == moment else start + self.length


MINUTE: Final = Interval("minute", timedelta(minutes=1))
HOUR: Final = Interval("hour", timedelta(hours=1))
DAY: Final = Interval("day", timedelta(days=1))
INTERVALS: Final = (MINUTE, HOUR, DAY)


def interval_of(name: object) -> Interval | None:
    """Return the interval with a name, or None."""
    return next((interval for interval in INTERVALS if interval.name == name), None)


class Figure(NamedTuple):
    """Key of a figure.

    Args:
        starts_at: The beginning of its interval.
        metric: The metric.
        kind: The event's name, or a histogram's bucket; empty for a metric that has no kinds.
    """

    starts_at: datetime
    metric: str
    kind: str = ""


Amounts = Mapping[Figure, int]


class ActiveUser(NamedTuple):
    """A user who was connected on a day.

    Args:
        day: The day, in UTC.
        user_id: The user.
    """

    day: date
    user_id: str


class FigureTable(Protocol):
    """The figures and active users in the database. Every method needs an application context, and commits what it writes."""

    def add(self, amounts: Amounts) -> None:
        """Add to the figures of minutes."""

    def add_users(self, users: Collection[ActiveUser]) -> None:
        """Record active users who are not recorded yet."""

    def roll_up(self, starts_at: datetime, interval: Interval) -> None:
        """Make the figures of an hour from those of its minutes, or of a day from those of its hours, in place of earlier ones."""

    def count_users(self, day: datetime) -> None:
        """Make the figures of a day's active users, in place of earlier ones."""

    def days_without_users(self, days: Sequence[datetime]) -> list[datetime]:
        """Return those of some days whose active users were not counted yet."""

    def trim(self, interval: Interval, before: datetime) -> bool:
        """Delete some figures of intervals that begin before a time, and return whether there may be more of them."""

    def trim_users(self, before: date) -> bool:
        """Delete some active users of days before one, and return whether there may be more of them."""

    def read(self, interval: Interval, since: datetime, until: datetime) -> Iterable[tuple[Figure, int]]:
        """Return the figures of the intervals that begin in a time."""

    def add_up(self, interval: Interval, since: datetime, until: datetime) -> Mapping[tuple[str, str], int]:
        """Map each metric and kind to its amount over the intervals that begin in a time, without metrics of users."""

    def active_users(self, day: datetime) -> tuple[int, int]:
        """Count the users who are active on a day, and those within the month that ends with it."""
