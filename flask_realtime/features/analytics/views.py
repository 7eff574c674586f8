"""Request for the figures of a time, and its answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, TypedDict

from flask_realtime.contract.fields import Fields
from flask_realtime.contract.times import parse_wire_time, wire_time
from flask_realtime.features.analytics.figures import HOUR, interval_of
from flask_realtime.features.analytics.report import AnalyticsRequest, Point, Report, Times

ANALYTICS: Final = "/admin/analytics"

AnalyticsPayload = TypedDict("AnalyticsPayload", {"from": str, "to": str, "interval": str}, total=False)


class ConnectionFigures(TypedDict):
    """The connections at once: the most, and the mean number."""

    peak: int
    mean: float


class UserFigures(TypedDict):
    """The users who were connected on a day, and within the thirty days that end with it."""

    daily: int
    monthly: int


class EventFigures(TypedDict):
    """The numbers of events by name: those that clients sent, and those that were sent to them."""

    received: dict[str, int]
    sent: dict[str, int]


class TimeFigures(TypedDict):
    """The number of durations, and their median and 95th percentile in milliseconds, null without any."""

    count: int
    medianMs: float | None
    p95Ms: float | None


class AnalyticsPoint(TypedDict):
    """The figures of an interval, or of all of them; `users` are null where it is no day."""

    start: str
    connections: ConnectionFigures
    users: UserFigures | None
    messages: int
    events: EventFigures
    delivery: TimeFigures
    reading: TimeFigures


class AnalyticsAnswer(TypedDict):
    """The figures from `start` to `end`: of each interval, and in `total` of all of them."""

    start: str
    end: str
    interval: str
    total: AnalyticsPoint
    points: list[AnalyticsPoint]


def parse_analytics(args: Sequence[Any], _settings: object) -> AnalyticsRequest:
    """Parse a request for the figures of a time."""
    fields = Fields(args, "an object")
    since, until = (_time(fields, name) for name in ("from", "to"))
    interval = HOUR
    if "interval" in fields.payload:
        names = "minute, hour or day"
        interval = fields.value("interval", names, interval_of, HOUR)
    fields.check()
    return AnalyticsRequest(since, until, interval)


def _time(fields: Fields, name: str) -> datetime | None:
    value = fields.payload.get(name)
    time = parse_wire_time(value) if isinstance(value, str) else None
    if value is not None and time is None:
        fields.refuse(f"{name} must be a time in ISO 8601 with its time zone, such as 2026-11-29T12:00:00Z")
    return time


def report_payload(report: Report) -> AnalyticsAnswer:
    """Return a report as clients get it."""
    return {
        "start": wire_time(report.start),
        "end": wire_time(report.end),
        "interval": report.interval.name,
        "total": _point_payload(report.total),
        "points": [_point_payload(point) for point in report.points],
    }


def _point_payload(point: Point) -> AnalyticsPoint:
    users = point.users
    return {
        "start": wire_time(point.start),
        "connections": {"peak": point.peak, "mean": round(point.mean, 2)},
        "users": None if users is None else {"daily": users.daily, "monthly": users.monthly},
        "messages": point.messages,
        "events": {"received": point.received, "sent": point.sent},
        "delivery": _times_payload(point.delivery),
        "reading": _times_payload(point.reading),
    }


def _times_payload(times: Times) -> TimeFigures:
    return {"count": times.count, "medianMs": _rounded(times.median_ms), "p95Ms": _rounded(times.p95_ms)}


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else float(f"{milliseconds:.3g}")
