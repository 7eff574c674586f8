"""Figures over HTTP and on the command line: for administrators, and nobody else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token
from sqlalchemy import create_engine, text

from flask_realtime import Identity, Realtime
from flask_realtime.chat import Chat
from flask_realtime.cli import commands
from flask_realtime.cli.stats import duration
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
    ActiveUser,
    Figure,
)
from flask_realtime.features.analytics.histogram import bucket_of
from flask_realtime.features.analytics.report import MAX_POINTS
from flask_realtime.store import Store
from tests.integration.conftest import KEY
from tests.integration.example_support import create_tables, shared_models, sqlite_url
from tests.unit.test_layout import ROOT

NOON = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
THREE_HOURS = {"from": "2026-11-28T11:00:00Z", "to": "2026-11-28T14:00:00Z"}


class World:
    """An application with a chat, whose administrator is ann.

    Args:
        url: The address of its database.
        analytics: Whether it has the tables of analytics.
        administrator: The user whom its hook lets see the figures; None for an application without the hook.
    """

    def __init__(self, url: str, *, analytics: bool = True, administrator: str | None = "ann") -> None:
        self.app = Flask("analytics_app")
        self.app.config.update(JWT_SECRET_KEY=KEY, SQLALCHEMY_DATABASE_URI=url, REALTIME_ASYNC_MODE="threading")
        JWTManager(self.app)
        self.db, models = shared_models(self.app, analytics=analytics)
        self.store = Store(self.db, models)
        realtime = Realtime()
        if administrator is not None:

            @realtime.may_see_analytics
            def is_administrator(identity: Identity) -> bool:
                return identity.user_id == administrator

        self.app.register_blueprint(Chat(realtime, self.store, users=known).blueprint)
        realtime.init_app(self.app)
        with self.app.app_context():
            create_tables(self.db)
            self.tokens = {user: create_access_token(user) for user in ("ann", "eve")}

    def fill(self) -> None:
        """Write figures of two hours, as a server would have."""
        analytics = self.store.analytics
        assert analytics is not None
        with self.app.app_context():
            analytics.add(
                {
                    Figure(NOON, CONNECTION_PEAK): 3,
                    Figure(NOON, CONNECTION_TIME): 2 * 3_600_000,
                    Figure(NOON, MESSAGES): 4,
                    Figure(NOON, RECEIVED, "message:send"): 4,
                    Figure(NOON, SENT, "message:new"): 12,
                    Figure(NOON, DELIVERY, str(bucket_of(0.05))): 4,
                    Figure(NOON, READING, str(bucket_of(90.0))): 2,
                    Figure(NOON + HOUR.length, MESSAGES): 1,
                }
            )
            for hour in (NOON, NOON + HOUR.length):
                analytics.roll_up(hour, HOUR)
            analytics.roll_up(DAY.start_of(NOON), DAY)
            analytics.add_users([ActiveUser(NOON.date(), "ann"), ActiveUser(NOON.date() - timedelta(days=2), "ben")])
            analytics.count_users(DAY.start_of(NOON))

    def ask(self, user: str | None, **query: str) -> tuple[int, Any]:
        headers = {} if user is None else {"Authorization": f"Bearer {self.tokens[user]}"}
        answer = self.app.test_client().get("/api/admin/analytics", query_string=query, headers=headers)
        return answer.status_code, answer.json

    def command(self, *args: str) -> tuple[int, str]:
        result = self.app.test_cli_runner().invoke(commands, ["stats", *args])
        return result.exit_code, result.output

    def close(self) -> None:
        with self.app.app_context():
            self.db.engine.dispose()


def known(user_ids: Collection[str]) -> dict[str, dict[str, str]]:
    return {user_id: {"id": user_id} for user_id in user_ids}


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    made = World(database_url)
    made.fill()
    yield made
    made.close()


def test_an_administrator_gets_the_figures_of_each_hour_and_of_all(world: World) -> None:
    status, answer = world.ask("ann", **THREE_HOURS)
    assert status == 200
    assert (answer["start"], answer["end"], answer["interval"]) == ("2026-11-28T11:00:00.000Z", "2026-11-28T14:00:00.000Z", "hour")
    assert [point["messages"] for point in answer["points"]] == [0, 4, 1]
    assert answer["points"][1] == {
        "start": "2026-11-28T12:00:00.000Z",
        "connections": {"peak": 3, "mean": 2.0},
        "users": None,
        "messages": 4,
        "events": {"received": {"message:send": 4}, "sent": {"message:new": 12}},
        "delivery": {"count": 4, "medianMs": 50.4, "p95Ms": 50.4},
        "reading": {"count": 2, "medianMs": 88900.0, "p95Ms": 88900.0},
    }
    assert answer["total"]["messages"] == 5
    assert answer["points"][0]["delivery"] == {"count": 0, "medianMs": None, "p95Ms": None}


def test_the_present_hour_and_day_have_the_minutes_that_are_not_rolled_up(world: World) -> None:
    minute = MINUTE.start_of(datetime.now(timezone.utc))
    assert world.store.analytics is not None
    with world.app.app_context():
        world.store.analytics.add({Figure(minute, MESSAGES): 3})
    for interval in (HOUR, DAY):
        status, answer = world.ask("ann", interval=interval.name, **{"from": minute.isoformat()})
        assert (status, answer["points"][0]["messages"], answer["total"]["messages"]) == (200, 3, 3)
    code, output = world.command("--from", minute.isoformat(), "--interval", "hour", "--json")
    assert (code, json.loads(output)["total"]["messages"]) == (0, 3)


def test_days_have_their_users(world: World) -> None:
    status, answer = world.ask("ann", interval="day", **{"from": "2026-11-27T00:00:00Z", "to": "2026-11-29T00:00:00Z"})
    assert status == 200
    assert [point["users"] for point in answer["points"]] == [{"daily": 0, "monthly": 0}, {"daily": 1, "monthly": 2}]
    assert answer["total"]["users"] == {"daily": 1, "monthly": 2}


def test_who_is_no_administrator_gets_none(world: World, database_url: str) -> None:
    assert (world.ask("eve")[0], world.ask("eve")[1]["error"]["code"]) == (403, "forbidden")
    assert world.ask(None)[0] == 401
    other = World(database_url, administrator=None)
    assert other.ask("ann")[0] == 403
    other.close()


def test_a_request_that_is_too_long_or_no_time_is_told_what_is_allowed(world: World) -> None:
    status, answer = world.ask("ann", **{"from": "2020-01-01T00:00:00Z"})
    assert (status, answer["error"]["code"]) == (400, "bad_request")
    assert f"at most {MAX_POINTS} intervals" in answer["error"]["message"]
    status, answer = world.ask("ann", interval="week", **{"from": "yesterday"})
    assert status == 400
    assert "minute, hour or day" in answer["error"]["message"]
    assert "2026-11-29T12:00:00Z" in answer["error"]["message"]


def test_an_application_without_analytics_says_so(database_url: str) -> None:
    world = World(database_url, analytics=False)
    status, answer = world.ask("ann")
    assert (status, answer["error"]["code"]) == (404, "unknown_event")
    assert "analytics=True" in answer["error"]["message"]
    code, output = world.command()
    assert (code, output.startswith("Error: "), "analytics=True" in output) == (1, True, True)
    world.close()


def test_the_command_prints_a_table_and_sparklines(world: World) -> None:
    code, output = world.command("--from", "2026-11-28T11:00:00Z", "--to", "2026-11-28T14:00:00Z")
    assert code == 0
    assert [line.split("\t") for line in output.splitlines()] == [
        ["2026-11-28T11:00:00+00:00 to 2026-11-28T14:00:00+00:00, by hour"],
        ["connections", "peak 3, mean 0.7", "▁█▁"],
        ["messages", "5", "▁█▃"],
        ["received", "4 events", "▁█▁"],
        ["sent", "12 events", "▁█▁"],
        ["delivery", "median 50.4 ms, 95 % 50.4 ms (of 4)", "▁█▁"],
        ["reading", "median 1.48 min, 95 % 1.48 min (of 2)", "▁█▁"],
        [""],
        ["message:new", "0", "12"],
        ["message:send", "4", "0"],
    ]


def test_the_command_prints_json_as_the_request_has_it(world: World) -> None:
    code, output = world.command("--from", "2026-11-28T11:00:00Z", "--to", "2026-11-28T14:00:00Z", "--json")
    assert (code, json.loads(output)) == (0, world.ask("ann", **THREE_HOURS)[1])


def test_the_command_shows_the_users_of_days_and_has_nothing_to_say_of_quiet_ones(world: World) -> None:
    code, output = world.command("--from", "2026-11-27T00:00:00Z", "--to", "2026-11-29T00:00:00Z", "--interval", "day")
    assert code == 0
    assert "users\t1 daily, 2 monthly active" in output
    code, output = world.command("--from", "2020-11-27T00:00:00Z", "--to", "2020-11-28T00:00:00Z")
    assert (code, "none measured" in output, len(output.splitlines())) == (0, True, 7)


def test_the_command_refuses_what_is_no_time(world: World) -> None:
    code, output = world.command("--from", "yesterday")
    assert (code, "2026-11-29T12:00:00Z" in output) == (2, True)
    code, output = world.command("--from", "2020-01-01T00:00:00Z")
    assert (code, "at most" in output) == (1, True)


def test_the_command_says_when_there_are_no_tables(world: World) -> None:
    with world.app.app_context():
        world.db.drop_all()
    code, output = world.command()
    assert (code, output.startswith("Error: The database cannot be used"), len(output.splitlines())) == (1, True, 1)


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(0.5, "0.5 ms"), (999.0, "999 ms"), (1500.0, "1.5 s"), (90_000.0, "1.5 min"), (7.2e6, "2 h")]
)
def test_durations_are_in_the_unit_that_people_read(milliseconds: float, text: str) -> None:
    assert duration(milliseconds) == text


def test_many_intervals_fit_into_a_line(world: World) -> None:
    _, output = world.command("--from", "2026-11-01T00:00:00Z", "--to", "2026-12-01T00:00:00Z")
    (messages,) = (line.split("\t")[2] for line in output.splitlines() if line.startswith("messages"))
    assert (len(messages), messages.count("▁"), "█" in messages) == (60, 59, True)


PROCESS = """
import sys
from flask_realtime.extension import gateway_of
from flask_realtime.testing import RealtimeTestClient
from tests.integration.test_analytics_requests import World

world = World(sys.argv[1])
gateway_of(world.app).on_serving()
client = RealtimeTestClient(world.app, world.tokens["ann"])
client.call("users:get-status", ["eve"])
"""


def test_a_process_with_threads_that_ends_has_written_what_it_counted(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    done = subprocess.run([sys.executable, "-c", PROCESS, url], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT kind, amount FROM realtime_figure WHERE metric = 'received'"))
        found = {kind: amount for kind, amount in rows}  # noqa: C416 - rows are no tuples to the type checker
        users = connection.execute(text("SELECT user_id FROM realtime_active_user")).scalars().all()
    engine.dispose()
    assert (found, users) == ({"users:get-status": 1}, ["ann"])
