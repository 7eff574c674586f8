"""The figures of analytics in the database: several servers add to them, and one makes hours and days of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from functools import partial

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event, func, insert, select

from flask_realtime.features.analytics.figures import (
    CONNECTION_PEAK,
    DAY,
    HOUR,
    MESSAGES,
    MINUTE,
    RECEIVED,
    ActiveUser,
    Amounts,
    Figure,
    Interval,
)
from flask_realtime.features.analytics.report import AnalyticsRequest, report
from flask_realtime.features.analytics.store import TRIMMED_AT_ONCE
from flask_realtime.store import AnalyticsStore, IntegerKey, IntegerUserId, Store, define_models
from tests.e2e.servers import ROOT, process_environment
from tests.integration.example_support import StoreApp, enforce_foreign_keys, new_store_app

NOON = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
TODAY = date(2026, 11, 29)
SERVERS = 8
TIMES = 40
KINDS = 20
ADDING = f"""
import sys
from datetime import datetime, timezone

from flask_realtime.features.analytics.figures import RECEIVED, ActiveUser, Figure
from tests.integration.example_support import StoreApp

made = StoreApp(sys.argv[1], analytics=True)
noon = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
print("ready", flush=True)
sys.stdin.readline()
with made.app.app_context():
    for number in range({TIMES}):
        made.store.analytics.add({{Figure(noon, RECEIVED, str(kind)): kind + 1 for kind in range({KINDS})}})
        made.store.analytics.add_users([ActiveUser(noon.date(), str(number)), ActiveUser(noon.date(), sys.argv[2])])
"""


@pytest.fixture
def made(database_url: str) -> Iterator[StoreApp]:
    with new_store_app(database_url, analytics=True) as made:
        yield made


@pytest.fixture
def analytics(made: StoreApp) -> AnalyticsStore:
    assert made.store.analytics is not None
    return made.store.analytics


def read(analytics: AnalyticsStore, interval: Interval, since: datetime = NOON - timedelta(days=400)) -> Amounts:
    return dict(analytics.read(interval, since, NOON + timedelta(days=2)))


def test_servers_in_processes_of_their_own_add_to_the_same_minute(
    made: StoreApp, analytics: AnalyticsStore, database_url: str
) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ADDING, database_url, f"server {number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=process_environment({}),
            text=True,
        )
        for number in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.communicate("go\n", timeout=120)
    assert [process.returncode for process in processes] == [0, 0]
    assert read(analytics, MINUTE) == {Figure(NOON, RECEIVED, str(kind)): 2 * TIMES * (kind + 1) for kind in range(KINDS)}
    assert analytics.active_users(NOON) == (TIMES + 2, TIMES + 2)
    assert made.store.analytics is analytics


def test_servers_add_to_the_same_minute_in_any_order(made: StoreApp, analytics: AnalyticsStore) -> None:
    figures = [Figure(NOON, RECEIVED, str(kind)) for kind in range(KINDS)]
    orders = (dict.fromkeys(figures[:: 1 if server % 2 else -1], 1) for server in range(SERVERS))
    users = [ActiveUser(TODAY, str(number)) for number in range(KINDS)]
    made.in_threads(
        *(partial(analytics.add, order) for order in orders),
        *(partial(analytics.add_users, users[::step]) for step in (1, -1, 1, -1)),
    )
    assert read(analytics, MINUTE) == dict.fromkeys(figures, SERVERS)
    assert analytics.active_users(NOON) == (KINDS, KINDS)


def test_hours_are_made_of_minutes_and_days_of_hours_however_often(analytics: AnalyticsStore) -> None:
    analytics.add(
        {
            Figure(NOON + timedelta(minutes=minute), metric, kind): amount
            for minute, metric, kind, amount in [
                (-1, MESSAGES, "", 100),
                (0, MESSAGES, "", 1),
                (59, MESSAGES, "", 2),
                (60, MESSAGES, "", 4),
                (0, CONNECTION_PEAK, "", 9),
                (1, CONNECTION_PEAK, "", 5),
                (60, CONNECTION_PEAK, "", 7),
                (0, RECEIVED, "a", 1),
                (5, RECEIVED, "b", 2),
                (6, RECEIVED, "b", 2),
            ]
        }
    )
    hours = [NOON, NOON + HOUR.length]
    for _ in range(2):
        for hour in hours:
            analytics.roll_up(hour, HOUR)
        analytics.roll_up(DAY.start_of(NOON), DAY)
    assert read(analytics, HOUR) == {
        Figure(NOON, MESSAGES): 3,
        Figure(NOON, CONNECTION_PEAK): 9,
        Figure(NOON, RECEIVED, "a"): 1,
        Figure(NOON, RECEIVED, "b"): 4,
        Figure(hours[1], MESSAGES): 4,
        Figure(hours[1], CONNECTION_PEAK): 7,
    }
    day = DAY.start_of(NOON)
    assert read(analytics, DAY) == {
        Figure(day, MESSAGES): 7,
        Figure(day, CONNECTION_PEAK): 9,
        Figure(day, RECEIVED, "a"): 1,
        Figure(day, RECEIVED, "b"): 4,
    }


def test_minutes_that_come_late_are_in_their_hour(analytics: AnalyticsStore) -> None:
    for amount in (1, 5):
        analytics.add({Figure(NOON, MESSAGES): amount})
        analytics.roll_up(NOON, HOUR)
    assert read(analytics, HOUR) == {Figure(NOON, MESSAGES): 6}


def test_an_hour_outlives_its_minutes(analytics: AnalyticsStore) -> None:
    analytics.add({Figure(NOON, MESSAGES): 6})
    analytics.roll_up(NOON, HOUR)
    assert not analytics.trim(MINUTE, NOON + HOUR.length)
    analytics.roll_up(NOON, HOUR)
    assert (read(analytics, MINUTE), read(analytics, HOUR)) == ({}, {Figure(NOON, MESSAGES): 6})


def test_hours_and_days_have_the_minutes_so_far_however_many_of_them_are_rolled_up(analytics: AnalyticsStore) -> None:
    day, now = DAY.start_of(NOON), NOON + timedelta(minutes=30, seconds=5)
    ago = (timedelta(hours=5), timedelta(minutes=150), timedelta(minutes=1), timedelta(0), -timedelta(minutes=29))

    def messages(interval: Interval, since: datetime) -> list[int]:
        told = report(analytics, AnalyticsRequest(since, now, interval), now)
        amounts = [point.messages for point in told.points]
        assert told.total.messages == sum(amounts)
        return [amount for amount in amounts if amount]

    for number, time in enumerate(ago):
        analytics.add({Figure(NOON - time, MESSAGES): 10**number, Figure(NOON - time, CONNECTION_PEAK): number})
    for hour in (NOON - timedelta(hours=5), NOON - timedelta(hours=3)):
        analytics.roll_up(hour, HOUR)  # As long ago as this, each hour was.
    expected = ([1, 10, 100, 11_000], [11_111])
    assert (messages(HOUR, day), messages(DAY, day)) == expected
    analytics.roll_up(NOON, HOUR)
    analytics.roll_up(day, DAY)
    assert (messages(HOUR, day), messages(DAY, day)) == expected
    analytics.add({Figure(NOON - timedelta(hours=1), MESSAGES): 5, Figure(NOON, MESSAGES): 7})
    expected = ([1, 10, 105, 11_007], [11_123])
    assert (messages(HOUR, day), messages(DAY, day), sum(messages(MINUTE, NOON - timedelta(hours=6)))) == (*expected, 11_123)
    for hour in (NOON - timedelta(hours=1), NOON):
        analytics.roll_up(hour, HOUR)
        assert (messages(HOUR, day), messages(DAY, day)) == expected
    analytics.roll_up(day, DAY)
    assert (messages(HOUR, day), messages(DAY, day)) == expected
    assert report(analytics, AnalyticsRequest(day, now, DAY), now).total.peak == 4


def test_no_minute_is_missing_or_counted_twice_while_it_is_rolled_up(made: StoreApp, analytics: AnalyticsStore) -> None:
    day, now = DAY.start_of(NOON), NOON + timedelta(minutes=30, seconds=5)
    begun, done = [0], [0]
    wrong: list[tuple[int, int, int]] = []

    def add() -> None:
        for number in range(TIMES):
            begun[0] = number + 1
            analytics.add({Figure(NOON + timedelta(minutes=number % 30), MESSAGES): 1})
            done[0] = number + 1

    def roll_up() -> None:
        while done[0] < TIMES:
            analytics.roll_up(NOON, HOUR)
            analytics.roll_up(day, DAY)

    def look() -> None:
        while done[0] < TIMES:
            for interval in (HOUR, DAY):
                before = done[0]
                told = report(analytics, AnalyticsRequest(day, now, interval), now).total.messages
                made.db.session.rollback()
                if not before <= told <= begun[0]:
                    wrong.append((before, told, begun[0]))

    made.in_threads(add, roll_up, look)
    assert wrong == []


def test_servers_that_roll_up_at_once_agree(made: StoreApp, analytics: AnalyticsStore) -> None:
    analytics.add({Figure(NOON, RECEIVED, str(kind)): kind + 1 for kind in range(KINDS)})
    made.in_threads(*[partial(analytics.roll_up, NOON, HOUR)] * SERVERS)
    assert read(analytics, HOUR) == {Figure(NOON, RECEIVED, str(kind)): kind + 1 for kind in range(KINDS)}


def test_users_are_counted_by_day_and_by_month(analytics: AnalyticsStore) -> None:
    seen = [(0, "ann"), (0, "ben"), (1, "ann"), (29, "cat"), (30, "dan")]
    analytics.add_users([ActiveUser(TODAY - timedelta(days=days), user) for days, user in seen])
    assert analytics.active_users(NOON) == (2, 3)
    day = DAY.start_of(NOON)
    days = [day - timedelta(days=1), day]
    for _ in range(2):
        analytics.count_users(day)
    counts = {figure.metric: amount for figure, amount in read(analytics, DAY).items()}
    assert counts == {"daily_users": 2, "monthly_users": 3}
    assert analytics.days_without_users(days) == days[:1]
    # What a day counts anew is no sum of its hours.
    analytics.roll_up(day, DAY)
    assert len(read(analytics, DAY)) == 2


def test_old_figures_and_users_are_deleted_in_batches(analytics: AnalyticsStore) -> None:
    old = NOON - timedelta(days=3)
    analytics.add({Figure(old, RECEIVED, str(kind)): 1 for kind in range(TRIMMED_AT_ONCE + 1)})
    analytics.add({Figure(NOON, MESSAGES): 1})
    assert [analytics.trim(MINUTE, NOON) for _ in range(2)] == [True, False]
    assert read(analytics, MINUTE) == {Figure(NOON, MESSAGES): 1}
    analytics.add_users([ActiveUser(old.date(), "ann"), ActiveUser(TODAY, "ann")])
    assert not analytics.trim_users(TODAY)
    assert analytics.active_users(NOON) == (1, 1)


def test_who_does_not_exist_any_more_keeps_nobody_else_from_being_counted(database_url: str) -> None:
    app, db = Flask("users_app"), SQLAlchemy()
    app.config["SQLALCHEMY_DATABASE_URI"] = database_url
    db.init_app(app)
    users = db.Table("users", db.Column("id", IntegerKey, primary_key=True))
    analytics = Store(db, define_models(db, user_key="users.id", user_id_type=IntegerUserId(), analytics=True)).analytics
    assert analytics is not None
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            event.listen(db.engine, "connect", enforce_foreign_keys)
        db.create_all()
        db.session.execute(insert(users), [{"id": 1}, {"id": 3}])
        db.session.commit()
        analytics.add_users([ActiveUser(TODAY, user) for user in ("1", "2", "3", "ann")])
        assert analytics.active_users(NOON) == (2, 2)
        db.session.remove()
        db.engine.dispose()


def test_an_amount_may_be_large(made: StoreApp, analytics: AnalyticsStore) -> None:
    for _ in range(2):
        analytics.add({Figure(NOON, MESSAGES): 2**60})
    analytics.roll_up(NOON, HOUR)
    assert read(analytics, HOUR) == {Figure(NOON, MESSAGES): 2**61}
    assert made.models.figure is not None
    assert made.db.session.scalar(select(func.count()).select_from(made.models.figure)) == 2
