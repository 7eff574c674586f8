"""Report: the figures of a time, by interval and as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from flask_realtime.errors import BadRequest
from flask_realtime.features.analytics.figures import (
    CONNECTION_PEAK,
    CONNECTION_TIME,
    DAILY_USERS,
    DAY,
    DELIVERY,
    HOUR,
    LATE,
    MESSAGES,
    MINUTE,
    MONTHLY_USERS,
    READING,
    RECEIVED,
    SENT,
    USER_METRICS,
    FigureTable,
    Interval,
)
from flask_realtime.features.analytics.histogram import percentile

MAX_POINTS: Final = 750
"""Intervals that a report may have: a month of hours, two years of days."""

DEFAULT_POINTS: Final = {MINUTE: 60, HOUR: 48, DAY: 30}
"""Intervals of a report whose beginning is not given."""

_Amounts = Mapping[tuple[str, str], int]
_Figures = dict[datetime, dict[tuple[str, str], int]]


class AnalyticsRequest(NamedTuple):
    """A request for a report.

    Args:
        since: The time at which it begins, or None for some intervals before its end.
        until: The time at which it ends, or None for now.
        interval: The length of its intervals.
    """

    since: datetime | None
    until: datetime | None
    interval: Interval


class Users(NamedTuple):
    """The active users of a day.

    Args:
        daily: Those who were connected on it.
        monthly: Those who were connected within the thirty days of which it is the last.
    """

    daily: int
    monthly: int


@dataclass(frozen=True)
class Times:
    """Durations from the sending of messages to their delivery, or reading.

    Args:
        count: How many times it was measured.
        median_ms: The milliseconds within which half of them were, or None if there were none.
        p95_ms: The milliseconds within which 95 % of them were.
    """

    count: int
    median_ms: float | None
    p95_ms: float | None


class Point(NamedTuple):
    """The figures of a time.

    Args:
        start: Its beginning.
        peak: The most connections at once.
        mean: The mean number of connections.
        users: The active users, if it is a day; of several days those of the last one.
        messages: New messages.
        received: Events from clients, by name.
        sent: Events to clients, by name.
        delivery: How long after its sending a message was delivered to somebody.
        reading: How long after its sending a message was read by somebody.
    """

    start: datetime
    peak: int
    mean: float
    users: Users | None
    messages: int
    received: dict[str, int]
    sent: dict[str, int]
    delivery: Times
    reading: Times


class Report(NamedTuple):
    """The figures of a time.

    Args:
        start: Its beginning.
        end: Its end.
        interval: The length of its intervals.
        total: The figures of all of it.
        points: The figures of each interval.
    """

    start: datetime
    end: datetime
    interval: Interval
    total: Point
    points: tuple[Point, ...]


def report(table: FigureTable, request: AnalyticsRequest, now: datetime) -> Report:
    """Return the figures of a time.

    Args:
        table: The figures.
        request: What is asked for.
        now: The present time.

    Raises:
        BadRequest: There are too many intervals, or none.
    """
    start, end = _range(request, now)
    interval = request.interval
    amounts = _read(table, interval, start, end, now)
    if interval is DAY and start <= DAY.start_of(now) < end:
        today = amounts.setdefault(DAY.start_of(now), {})
        today[DAILY_USERS, ""], today[MONTHLY_USERS, ""] = table.active_users(now)
    written_until = MINUTE.start_of(now)
    starts = _starts(start, end, interval)
    points = tuple(_point(each, min(each + interval.length, written_until), interval, amounts.get(each, {})) for each in starts)
    users = points[-1].users
    for point in points:  # The end may be a day that has not come yet.
        users = point.users if point.users is not None and point.start <= now else users
    total = _point(start, min(end, written_until), interval, _sum(amounts.values()))._replace(users=users)
    return Report(start, end, interval, total, points)


def _read(table: FigureTable, interval: Interval, start: datetime, end: datetime, now: datetime) -> _Figures:
    amounts: _Figures = {}
    for figure, amount in table.read(interval, start, end):
        amounts.setdefault(figure.starts_at, {})[figure.metric, figure.kind] = amount
    if interval is MINUTE:
        return amounts
    recent = HOUR.start_of(now - LATE)
    for each in _starts(max(start, interval.start_of(recent)), min(end, now), interval):
        users = {key: amount for key, amount in amounts.get(each, {}).items() if key[0] in USER_METRICS}
        amounts[each] = {**_add_up_recent(table, each, each + interval.length, recent), **users}
    return amounts


def _add_up_recent(table: FigureTable, start: datetime, end: datetime, recent: datetime) -> dict[tuple[str, str], int]:
    """Return what an hour or a day has so far: minutes since a time, to which more may still be added, and whole hours before it.

    Each minute counts once, whether or not it is rolled up.
    """
    parts = [table.add_up(MINUTE, max(start, recent), end)]
    if start < recent:
        parts.append(table.add_up(HOUR, start, min(end, recent)))
    return _sum(parts)


def _starts(start: datetime, end: datetime, interval: Interval) -> Iterator[datetime]:
    while start < end:
        yield start
        start += interval.length


def _range(request: AnalyticsRequest, now: datetime) -> tuple[datetime, datetime]:
    interval = request.interval
    try:
        # The present minute is not written yet.
        end = MINUTE.start_of(now) if request.until is None and interval is MINUTE else interval.end_of(request.until or now)
        start = interval.start_of(request.since) if request.since is not None else end - DEFAULT_POINTS[interval] * interval.length
    except (OverflowError, ValueError, OSError):
        msg = "from and to must be times that a calendar has"
        raise BadRequest(msg) from None
    count = (end - start) // interval.length
    if not 1 <= count <= MAX_POINTS:
        msg = f"from must be before to, by at most {MAX_POINTS} intervals, not {count}; choose another from, to or interval"

        raise BadRequest(msg)
    return start, end


def _sum(amounts: Iterable[_Amounts]) -> dict[tuple[str, str], int]:
    total: Counter[tuple[str, str]] = Counter()
    for each in amounts:
        for key, amount in each.items():
            total[key] = max(total[key], amount) if key[0] == CONNECTION_PEAK else total[key] + amount
    return total


def _point(start: datetime, end: datetime, interval: Interval, amounts: _Amounts) -> Point:
    milliseconds = (end - start).total_seconds() * 1000
    connection_time = amounts.get((CONNECTION_TIME, ""), 0)
    users = Users(amounts.get((DAILY_USERS, ""), 0), amounts.get((MONTHLY_USERS, ""), 0))
    return Point(
        start=start,
        peak=amounts.get((CONNECTION_PEAK, ""), 0),
        mean=connection_time / milliseconds if milliseconds > 0 else 0.0,
        users=users if interval is DAY else None,
        messages=amounts.get((MESSAGES, ""), 0),
        received=_kinds(amounts, RECEIVED),
        sent=_kinds(amounts, SENT),
        delivery=_times(amounts, DELIVERY),
        reading=_times(amounts, READING),
    )


def _kinds(amounts: _Amounts, metric: str) -> dict[str, int]:
    return {kind: amount for (of, kind), amount in sorted(amounts.items()) if of == metric}


def _times(amounts: _Amounts, metric: str) -> Times:
    buckets = {int(kind): amount for (of, kind), amount in amounts.items() if of == metric}
    return Times(sum(buckets.values()), percentile(buckets, 0.5), percentile(buckets, 0.95))
