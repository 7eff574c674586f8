"""The command that shows figures of analytics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import click
from flask.cli import with_appcontext

from flask_realtime import functions
from flask_realtime.cli.database import database_needed
from flask_realtime.contract.times import parse_wire_time
from flask_realtime.errors import EventError
from flask_realtime.features.analytics import AnalyticsRequest, Point, Report, Times, analytics, interval_of, report_payload
from flask_realtime.terminal import Column, CommandFailed, format_time, json_option, print_json, print_line, print_table, sparkline

MOST_COLUMNS: Final = 60
"""Width of a sparkline; where there are more intervals, a column is the mean of several."""

_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_SUMMARY: Final = (Column("METRIC"), Column("ALL INTERVALS"), Column("EACH"))
_EVENTS: Final = (Column("EVENT", may_be_cut=True), Column("RECEIVED", is_number=True), Column("SENT", is_number=True))


class _Time(click.ParamType[Any]):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> datetime | None:
        """Return the time, or fail."""
        time = parse_wire_time(value)
        if time is None:
            self.fail(f"{value!r} is no time in ISO 8601 with its time zone, such as 2026-11-29T12:00:00Z", param, context)
        return time


@click.command("stats")
@click.option("--from", "since", type=_Time(), help="The beginning, such as 2026-11-29T12:00:00Z; by default, some intervals ago.")
@click.option("--to", "until", type=_Time(), help="The end; by default, now.")
@click.option("--interval", type=click.Choice(["minute", "hour", "day"]), default="hour", show_default=True, help="In UTC.")
@json_option
@with_appcontext
def stats(since: datetime | None, until: datetime | None, interval: str, *, as_json: bool) -> None:
    """Show connections, users, messages, events, and the time that messages took."""
    length = interval_of(interval)
    assert length is not None  # noqa: S101 - click has checked it
    try:
        with database_needed():
            report = functions.state_of(analytics).report(AnalyticsRequest(since, until, length))
    except EventError as error:
        raise CommandFailed(str(error)) from None
    if as_json:
        print_json(report_payload(report))
    else:
        _print(report)


def _print(report: Report) -> None:
    print_line(f"{format_time(report.start)} to {format_time(report.end)}, by {report.interval.name}")
    print_table(_SUMMARY, _summary(report))
    events = _events(report.total)
    if events:
        print_line()
        print_table(_EVENTS, events)


def _summary(report: Report) -> list[tuple[str, str, str]]:
    total, points = report.total, report.points
    rows = [
        ("connections", f"peak {total.peak:,}, mean {total.mean:,.1f}", _bars([point.peak for point in points])),
        ("messages", f"{total.messages:,}", _bars([point.messages for point in points])),
        ("received", f"{sum(total.received.values()):,} events", _bars([sum(point.received.values()) for point in points])),
        ("sent", f"{sum(total.sent.values()):,} events", _bars([sum(point.sent.values()) for point in points])),
        ("delivery", _times(total.delivery), _bars([point.delivery.median_ms or 0 for point in points])),
        ("reading", _times(total.reading), _bars([point.reading.median_ms or 0 for point in points])),
    ]
    if total.users is not None:
        daily = _bars([0 if point.users is None else point.users.daily for point in points])
        rows.insert(1, ("users", f"{total.users.daily:,} daily, {total.users.monthly:,} monthly active", daily))
    return rows


def _events(total: Point) -> list[tuple[str, int, int]]:
    names = Counter(total.received) + Counter(total.sent)
    ordered = sorted(names, key=lambda name: (-names[name], name))
    return [(name, total.received.get(name, 0), total.sent.get(name, 0)) for name in ordered]


def _times(times: Times) -> str:
    if times.median_ms is None or times.p95_ms is None:
        return "none measured"
    return f"median {duration(times.median_ms)}, 95 % {duration(times.p95_ms)} (of {times.count:,})"


def duration(milliseconds: float) -> str:
    """Return a duration as people read it."""
    seconds = milliseconds / 1000
    for unit, length in (("h", _HOUR), ("min", _MINUTE), ("s", 1.0)):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{milliseconds:.3g} ms"


def _bars(values: Sequence[float]) -> str:
    """Return a bar for each value, or for the mean of some neighbours if there are many."""
    size = -(-len(values) // MOST_COLUMNS)
    return sparkline(sum(part) / len(part) for part in (values[at : at + size] for at in range(0, len(values), size)))
