"""Analytics: what a server counts in which minute, when it writes that, and what a report makes of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from datetime import date, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.memory import MemoryRecord
from flask_realtime.config import RealtimeConfig
from flask_realtime.errors import BadRequest, ConfigError, Forbidden, UnknownEvent
from flask_realtime.feature.connections import Caller
from flask_realtime.feature.context import FeatureContext
from flask_realtime.feature.hook import Hook
from flask_realtime.features.analytics import Analytics, AnalyticsRequest, Report
from flask_realtime.features.analytics.figures import (
    CONNECTION_PEAK,
    CONNECTION_TIME,
    DAY,
    DELIVERY,
    HOUR,
    MESSAGES,
    MINUTE,
    READING,
    RECEIVED,
    SENT,
    USER_METRICS,
    ActiveUser,
    Amounts,
    Figure,
    Interval,
    interval_of,
)
from flask_realtime.features.analytics.histogram import GROWTH, LAST_BUCKET, bucket_of, percentile
from flask_realtime.features.analytics.hooks import FIGURE_TABLE
from flask_realtime.features.analytics.recorder import MOST_MINUTES
from flask_realtime.features.analytics.report import MAX_POINTS, Users
from flask_realtime.features.analytics.state import LATEST_WRITE
from flask_realtime.features.analytics.upkeep import LEASE
from flask_realtime.features.analytics.views import parse_analytics
from tests.clock import Clock

NOON = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
TODAY = NOON.date()
MONTH_OF_MS = 30 * 86_400_000


class Table:
    """The figures in the database, which servers share."""

    def __init__(self) -> None:
        self.amounts: dict[Figure, int] = {}
        self.users: list[ActiveUser] = []
        self.rolled_up: list[tuple[str, datetime]] = []
        self.counted: list[datetime] = []
        self.trimmed: list[tuple[str, datetime]] = []
        self.uncounted: list[datetime] = []
        self.is_away = self.refuses_users = False
        self.left_to_trim = 0

    def add(self, amounts: Amounts) -> None:
        if self.is_away:
            msg = "the database is away"
            raise OSError(msg)
        for figure, amount in amounts.items():
            self.amounts[figure] = self.amounts.get(figure, 0) + amount

    def add_users(self, users: Collection[ActiveUser]) -> None:
        if self.refuses_users:
            msg = "the table of users is away"
            raise OSError(msg)
        self.users += sorted(users)

    def roll_up(self, starts_at: datetime, interval: Interval) -> None:
        self.rolled_up.append((interval.name, starts_at))

    def count_users(self, day: datetime) -> None:
        self.counted.append(day)

    def days_without_users(self, days: Sequence[datetime]) -> list[datetime]:
        return [day for day in days if day in self.uncounted]

    def trim(self, interval: Interval, before: datetime) -> bool:
        self.trimmed.append((interval.name, before))
        self.left_to_trim -= 1
        return self.left_to_trim > 0

    def trim_users(self, before: date) -> bool:
        self.trimmed.append(("user", datetime.combine(before, datetime.min.time(), timezone.utc)))
        return False

    def read(self, _interval: Interval, since: datetime, until: datetime) -> Iterable[tuple[Figure, int]]:
        return [(figure, amount) for figure, amount in self.amounts.items() if since <= figure.starts_at < until]

    def add_up(self, interval: Interval, since: datetime, until: datetime) -> Mapping[tuple[str, str], int]:
        added: dict[tuple[str, str], int] = {}
        for figure, amount in self.read(interval, since, until):
            key = (figure.metric, figure.kind)
            if figure.metric not in USER_METRICS:
                added[key] = max(added.get(key, 0), amount) if figure.metric == CONNECTION_PEAK else added.get(key, 0) + amount
        return added

    def active_users(self, day: datetime) -> tuple[int, int]:
        assert day.date() == TODAY
        return 3, 7

    def of(self, metric: str, kind: str = "") -> dict[str, int]:
        """Map minutes to a metric's amounts."""
        return {
            f"{figure.starts_at:%H:%M}": amount
            for figure, amount in self.amounts.items()
            if (figure.metric, figure.kind) == (metric, kind)
        }


class Server:
    """One server, whose timer runs when a test lets time pass.

    Args:
        table: The table; None if the application keeps no figures.
        at: The time at which it begins to serve.
        lease: The record that it shares with others.
        config: Its settings.
    """

    def __init__(self, table: Table | None, at: datetime = NOON, lease: Any = None, **config: Any) -> None:
        self.clock, self._wall = Clock(), at.timestamp() - Clock().now
        self.config = RealtimeConfig.from_mapping(config)
        self._table, self._lease = table, lease
        self.events: dict[str, dict[str, int]] = {RECEIVED: {}, SENT: {}}
        self.users: list[str] = []
        self.is_administrator: bool | None = None
        self.finish: Callable[[], bool] = lambda: True
        self._next_deadline: Callable[[], float | None] = lambda: None
        self.analytics = Analytics(cast("FeatureContext", self), self.now)
        self.analytics.serve()

    def now(self) -> float:
        return self._wall + self.clock()

    def set_clock(self, by: float) -> None:
        """Somebody sets the clock of the machine."""
        self._wall += by

    def lock(self) -> Any:
        return nullcontext()

    def functions(self, hook: Hook) -> list[Any]:
        assert hook is FIGURE_TABLE
        return [] if self._table is None else [lambda: self._table]

    def is_registered(self, hook: Hook) -> bool:
        return bool(self.functions(hook))

    def decide(self, hook: Hook, identity: object, *, caller: object, event: str) -> bool:
        assert (identity, caller.identity, event) == ("ann", "ann", "/admin/analytics")  # type: ignore[attr-defined]
        return bool(hook.default) if self.is_administrator is None else self.is_administrator

    def timer(self, next_deadline: Callable[[], float | None], expire: Callable[[], Iterable[Any]]) -> Any:
        self._next_deadline, self._expire = next_deadline, expire
        return SimpleNamespace(wake=lambda: None, wake_by=lambda _deadline: None)

    def record(self, _kind: str, *, ttl: float) -> Any:
        return self._lease if self._lease is not None else MemoryRecord(ttl, None, self.clock)

    def before_stop(self, finish: Callable[[], bool]) -> None:
        self.finish = finish

    def in_app_context(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    def let_others_run(self) -> None:
        pass

    def count_events(self) -> Mapping[str, Mapping[str, int]]:
        return self.events

    def count_connections(self) -> int:
        return len(self.users)

    def connections(self) -> list[Any]:
        return [SimpleNamespace(user_id=user) for user in self.users]

    def connect(self, user: str) -> None:
        self.users.append(user)
        self.analytics.connected(user)

    def disconnect(self, user: str) -> None:
        self.users.remove(user)
        self.analytics.disconnected()

    def pass_time(self, seconds: float) -> None:
        """Let the timer run until so much time has passed."""
        end = self.clock.now + seconds
        while (deadline := self._next_deadline()) is not None and deadline <= end:
            self.clock.now = max(self.clock.now, deadline)
            assert list(self._expire()) == []
        self.clock.now = end

    def run_timer(self) -> None:
        """Let the timer do what is due now."""
        deadline = self._next_deadline()
        assert deadline is not None
        assert deadline <= self.clock.now
        self._expire()

    def report(self, interval: str = "minute", since: datetime | None = None, until: datetime | None = None) -> Report:
        return self.analytics.report(AnalyticsRequest(since, until, named(interval)))


def named(interval: str) -> Interval:
    found = interval_of(interval)
    assert found is not None
    return found


@pytest.fixture
def table() -> Table:
    return Table()


def test_connections_have_a_peak_and_a_mean_that_add_up_over_servers(table: Table) -> None:
    first, second = Server(table), Server(table)
    for user in ("ann", "ben"):
        first.connect(user)
    second.connect("ann")
    for server in (first, second):
        server.pass_time(30)
    first.disconnect("ben")
    for server in (first, second):
        server.pass_time(95)
    assert table.of(CONNECTION_PEAK) == {"12:00": 3, "12:01": 2}
    assert table.of(CONNECTION_TIME) == {"12:00": 150_000, "12:01": 120_000}
    point = first.report().points[-2]
    assert (point.start, point.peak, point.mean) == (NOON, 3, 2.5)


def test_each_minute_has_what_was_counted_in_it_and_is_written_soon_after_its_end(table: Table) -> None:
    server = Server(table)
    server.pass_time(59)
    server.analytics.message_stored()
    server.events[RECEIVED]["message:send"] = 2
    server.pass_time(1.2)
    server.analytics.message_stored()
    server.analytics.message_stored()
    server.events[RECEIVED]["message:send"] = 5
    server.pass_time(LATEST_WRITE)
    assert table.of(MESSAGES) == {"12:00": 1}
    assert table.of(RECEIVED, "message:send") == {"12:00": 2}
    server.pass_time(60)
    assert table.of(MESSAGES) == {"12:00": 1, "12:01": 2}
    assert table.of(RECEIVED, "message:send") == {"12:00": 2, "12:01": 3}


def test_a_quiet_minute_has_no_rows(table: Table) -> None:
    Server(table).pass_time(300)
    assert table.amounts == {}


def test_only_events_since_the_server_began_to_count_are_counted(table: Table) -> None:
    server = Server(table)
    server.events[SENT] = {"message:new": 7, "other": 0}
    server.pass_time(70)
    server.pass_time(60)
    assert table.of(SENT, "message:new") == {"12:00": 7}
    assert table.of(SENT, "other") == {}


def test_a_user_is_written_once_a_day_and_who_stays_connected_is_active_on_the_next_one(table: Table) -> None:
    server = Server(table, NOON + timedelta(hours=11, minutes=58))
    for user in ("ann", "ann", "", "ben"):
        server.connect(user)
    server.disconnect("ben")
    server.pass_time(60)
    server.connect("ann")
    server.pass_time(240)
    tomorrow = TODAY + timedelta(days=1)
    assert table.users == [ActiveUser(TODAY, "ann"), ActiveUser(TODAY, "ben"), ActiveUser(tomorrow, "ann")]


def test_who_comes_in_the_first_moment_of_a_day_is_active_on_that_day_alone(table: Table) -> None:
    server = Server(table, NOON + timedelta(hours=11, minutes=59, seconds=59.9))
    server.pass_time(0.2)
    server.connect("ann")
    server.pass_time(70)
    assert table.users == [ActiveUser(TODAY + timedelta(days=1), "ann")]


def test_what_could_not_be_written_is_written_later_in_its_own_minute(table: Table, caplog: pytest.LogCaptureFixture) -> None:
    server = Server(table)
    table.is_away = True
    server.connect("ann")
    server.analytics.message_stored()
    server.pass_time(130)
    server.analytics.message_stored()
    table.is_away = False
    server.pass_time(60)
    assert table.of(MESSAGES) == {"12:00": 1, "12:02": 1}
    assert table.users == [ActiveUser(TODAY, "ann")]
    assert [record.message for record in caplog.records] == ["Figures could not be written; trying again each minute"]


def test_figures_that_were_written_are_not_written_again_with_the_users(table: Table) -> None:
    server = Server(table)
    table.refuses_users = True
    server.connect("ann")
    server.analytics.message_stored()
    server.pass_time(130)
    table.refuses_users = False
    server.pass_time(60)
    assert table.of(MESSAGES) == {"12:00": 1}
    assert table.users == [ActiveUser(TODAY, "ann")]


def test_what_waits_for_the_database_is_bounded(table: Table, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    server = Server(table)
    table.is_away = True
    server.connect("ann")
    server.pass_time(60 * (MOST_MINUTES + 3) + LATEST_WRITE)
    table.is_away = False
    server.pass_time(60)
    assert len(table.of(CONNECTION_PEAK)) == MOST_MINUTES + 1
    assert "12:02" not in table.of(CONNECTION_PEAK)
    assert "12:04" in table.of(CONNECTION_PEAK)
    assert "Figures from before" in caplog.text


@pytest.mark.parametrize("by", [-3600.0, 100_000.0])
def test_after_the_clock_was_set_counting_goes_on_in_the_new_time(table: Table, by: float) -> None:
    server = Server(table)
    server.connect("ann")
    server.analytics.message_stored()
    server.set_clock(by)
    server.analytics.message_stored()
    server.pass_time(130)
    later = NOON + timedelta(seconds=by)
    assert table.of(MESSAGES) == {"12:00": 1, f"{later:%H:%M}": 1}
    assert sum(table.of(CONNECTION_TIME).values()) <= 130_000


def test_a_server_that_stops_writes_the_minute_that_is_not_over(table: Table) -> None:
    server = Server(table)
    server.connect("ann")
    server.pass_time(20)
    server.analytics.message_stored()
    server.events[SENT]["message:new"] = 1
    server.disconnect("ann")
    assert not server.finish()
    server.run_timer()
    assert server.finish()
    assert (table.of(MESSAGES), table.of(SENT, "message:new")) == ({"12:00": 1}, {"12:00": 1})
    assert table.of(CONNECTION_TIME) == {"12:00": 20_000}
    assert table.users == [ActiveUser(TODAY, "ann")]
    server.pass_time(300)
    assert table.of(MESSAGES) == {"12:00": 1}


def test_a_server_that_stops_tries_once(table: Table) -> None:
    server = Server(table)
    table.is_away = True
    server.analytics.message_stored()
    assert not server.finish()
    server.run_timer()
    assert server.finish()


def test_without_a_table_nothing_is_counted_and_nothing_is_reported() -> None:
    server = Server(None)
    server.connect("ann")
    server.analytics.message_stored()
    server.analytics.receipts_stored(DELIVERY, [1.0])
    server.disconnect("ann")
    assert server.finish()
    with pytest.raises(UnknownEvent, match="define_models"):
        server.report()


def test_one_server_does_the_upkeep_until_it_renews_its_lease_no_more(table: Table) -> None:
    lease_clock = Clock()
    lease = MemoryRecord(LEASE, None, lease_clock)
    first, second = Server(table, lease=lease), Server(table, lease=lease)
    first.pass_time(70)
    done = len(table.rolled_up)
    assert done > 0
    second.pass_time(70)
    assert len(table.rolled_up) == done
    lease_clock.now += LEASE + 1
    second.pass_time(60)
    assert len(table.rolled_up) > done


class _NoRecord:
    def get(self, _key: str) -> Any:
        raise BackendUnavailable


def test_without_the_message_queue_each_server_does_the_upkeep(table: Table) -> None:
    Server(table, lease=_NoRecord()).pass_time(70)
    assert table.rolled_up


def test_hours_are_made_of_whole_minutes_and_days_of_whole_hours_and_old_ones_are_deleted(table: Table) -> None:
    at = NOON + timedelta(minutes=30)
    server = Server(table, at, REALTIME_ANALYTICS_RETENTION={"minute": 6 * 3600, "hour": 3 * 86_400})
    server.pass_time(70)
    hours = [start for name, start in table.rolled_up if name == "hour"]
    assert hours == [NOON + timedelta(hours=number) for number in range(-5, 1)]
    assert [start for name, start in table.rolled_up if name == "day"] == [DAY.start_of(NOON)]
    assert dict(table.trimmed) == {
        "minute": NOON - timedelta(hours=6),
        "hour": NOON - timedelta(days=3),
        "day": DAY.start_of(NOON - timedelta(seconds=63_244_800)),
        "user": DAY.start_of(NOON) - timedelta(days=60),
    }
    table.rolled_up.clear()
    server.pass_time(60)
    # Minutes that come late, from a server that could not write for a while, are in their hours.
    assert [start for name, start in table.rolled_up if name == "hour"] == [NOON + timedelta(hours=each) for each in (-2, -1, 0)]


def test_users_are_counted_once_an_hour_and_on_days_when_nobody_did(table: Table) -> None:
    today = DAY.start_of(NOON)
    table.uncounted = [today - timedelta(days=5)]
    server = Server(table, NOON)
    server.pass_time(30 * 60)
    assert table.counted == [today - timedelta(days=5), today - timedelta(days=1)]
    server.pass_time(35 * 60)
    assert table.counted[2:] == [today - timedelta(days=5), today - timedelta(days=1)]


def test_what_is_old_is_deleted_bit_by_bit(table: Table) -> None:
    table.left_to_trim = 1000
    Server(table).pass_time(70)
    assert [name for name, _ in table.trimmed] == ["minute"] * 20 + ["hour"] * 20 + ["day"] * 20 + ["user"]


@pytest.mark.parametrize(
    "retention",
    [{"minute": 3600}, {"hour": 86_400}, {"day": 86_400}, {"week": 1}, {"minute": "48h"}, {"day": 10**12}, 5],
)
def test_a_retention_that_loses_figures_is_refused(retention: Any) -> None:
    with pytest.raises(ConfigError, match="REALTIME_ANALYTICS_RETENTION"):
        RealtimeConfig.from_mapping({"REALTIME_ANALYTICS_RETENTION": retention})


@given(st.floats(min_value=1.2, max_value=MONTH_OF_MS))
def test_a_percentile_is_at_most_ten_percent_off(milliseconds: float) -> None:
    value = percentile({bucket_of(milliseconds / 1000): 1}, 0.5)
    assert value is not None
    assert abs(value - milliseconds) <= milliseconds * 0.1


def test_buckets_are_from_a_millisecond_to_a_month() -> None:
    assert [bucket_of(seconds) for seconds in (-5.0, 0.0, 0.001, 0.0013)] == [0, 0, 0, 1]
    assert (bucket_of(86_400 * 29.0), bucket_of(1e12)) == (LAST_BUCKET - 1, LAST_BUCKET)
    assert percentile({}, 0.5) is None
    assert percentile({1: 95, 7: 5}, 0.95) == pytest.approx(GROWTH**1.5)
    assert percentile({1: 94, 7: 6}, 0.95) == pytest.approx(GROWTH**7.5)


def test_times_of_several_servers_are_one_histogram(table: Table) -> None:
    first, second = Server(table), Server(table)
    first.analytics.receipts_stored(DELIVERY, [0.1] * 9)
    second.analytics.receipts_stored(DELIVERY, [3.0])
    second.analytics.receipts_stored(READING, [60.0])
    for server in (first, second):
        server.pass_time(70)
    point = first.report().total
    assert (point.delivery.count, point.reading.count) == (10, 1)
    assert point.delivery.median_ms == pytest.approx(100, rel=0.1)
    assert point.delivery.p95_ms == pytest.approx(3000, rel=0.1)
    assert point.reading.median_ms == point.reading.p95_ms == pytest.approx(60_000, rel=0.1)


def test_a_report_has_each_interval_and_their_total(table: Table) -> None:
    hour = timedelta(hours=1)
    table.amounts = {
        Figure(NOON - hour, CONNECTION_PEAK): 9,
        Figure(NOON - hour, CONNECTION_TIME): 7_200_000,
        Figure(NOON - hour, RECEIVED, "typing:start"): 4,
        Figure(NOON, CONNECTION_PEAK): 5,
        Figure(NOON, CONNECTION_TIME): 1_800_000,
        Figure(NOON, MESSAGES): 2,
        Figure(NOON, RECEIVED, "typing:start"): 1,
    }
    server = Server(table, NOON + timedelta(minutes=30, seconds=20))
    report = server.report("hour", NOON - timedelta(minutes=50), NOON + timedelta(minutes=10))
    assert (report.start, report.end, report.interval) == (NOON - hour, NOON + hour, HOUR)
    assert [(point.peak, point.mean, point.messages, point.received) for point in report.points] == [
        (9, 2.0, 0, {"typing:start": 4}),
        (5, 1.0, 2, {"typing:start": 1}),  # The hour has half an hour so far.
    ]
    total = report.total
    assert (total.peak, total.messages, total.received) == (9, 2, {"typing:start": 5})
    assert total.mean == pytest.approx(9000 / 5400)
    assert {point.users for point in (*report.points, total)} == {None}


def test_what_was_not_rolled_up_yet_is_in_its_hour_and_day_once(table: Table) -> None:
    night = DAY.start_of(NOON)
    table.amounts = {
        Figure(night - MINUTE.length, MESSAGES): 1,
        Figure(night - DAY.length, "daily_users"): 5,
        Figure(night - DAY.length, "monthly_users"): 9,
        Figure(night, MESSAGES): 2,
        Figure(night + MINUTE.length, MESSAGES): 4,
        Figure(night, CONNECTION_PEAK): 3,
        Figure(night + MINUTE.length, CONNECTION_PEAK): 2,
    }
    server = Server(table, night + timedelta(minutes=3))
    hours, days = server.report("hour", night - HOUR.length), server.report("day", night - DAY.length)
    assert [(point.messages, point.peak) for point in hours.points] == [(1, 0), (6, 3)]
    assert [(point.messages, point.peak) for point in days.points] == [(1, 0), (6, 3)]
    assert [point.users for point in days.points] == [Users(5, 9), Users(3, 7)]


def test_days_have_their_users_and_today_has_those_of_now(table: Table) -> None:
    yesterday = DAY.start_of(NOON) - DAY.length
    table.amounts = {Figure(yesterday, "daily_users"): 5, Figure(yesterday, "monthly_users"): 9}
    report = Server(table).report("day", yesterday, NOON + timedelta(days=2))
    assert [point.users for point in report.points] == [Users(5, 9), Users(3, 7), Users(0, 0), Users(0, 0)][: len(report.points)]
    assert report.total.users == Users(3, 7)


@pytest.mark.parametrize(("interval", "points"), [("minute", 60), ("hour", 48), ("day", 30)])
def test_without_a_beginning_a_report_has_the_last_intervals(table: Table, interval: str, points: int) -> None:
    at = NOON + timedelta(seconds=30)
    report = Server(table, at).report(interval)
    assert len(report.points) == points
    assert report.points[-1].start == (NOON - MINUTE.length if interval == "minute" else named(interval).start_of(at))


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (NOON, NOON),
        (NOON, NOON - timedelta(hours=3)),
        (NOON - timedelta(hours=MAX_POINTS + 1), NOON),
        (datetime(1, 1, 1, tzinfo=timezone.utc), None),
    ],
)
def test_a_report_that_is_empty_or_too_long_is_refused(table: Table, since: datetime, until: datetime | None) -> None:
    with pytest.raises(BadRequest, match="from"):
        Server(table).report("hour", since, until)


def test_a_request_is_read_and_what_is_wrong_in_it_is_named() -> None:
    request = parse_analytics([{"from": "2026-11-29T12:00:00Z", "to": "2026-11-29T14:00:00+01:00", "interval": "minute"}], None)
    assert request == AnalyticsRequest(NOON, NOON + timedelta(hours=1), MINUTE)
    assert parse_analytics([{}], None) == AnalyticsRequest(None, None, HOUR)
    with pytest.raises(BadRequest) as refused:
        parse_analytics([{"from": "yesterday", "to": "2026-11-29T12:00:00", "interval": "week"}], None)
    assert [name in str(refused.value) for name in ("from must", "to must", "minute, hour or day")] == [True, True, True]


def test_only_administrators_get_figures(table: Table) -> None:
    server, request = Server(table), AnalyticsRequest(None, None, HOUR)
    caller = cast("Caller", SimpleNamespace(identity="ann"))
    for answer in (None, False):
        server.is_administrator = answer
        with pytest.raises(Forbidden):
            server.analytics.report_for(caller, request, "/admin/analytics")
    server.is_administrator = True
    assert server.analytics.report_for(caller, request, "/admin/analytics").interval is HOUR
