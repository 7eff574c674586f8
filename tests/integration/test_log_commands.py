"""`flask realtime log`: what an operator sees of the log, and deletes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager
from sqlalchemy import update

from flask_realtime import Realtime
from flask_realtime.cli import commands
from flask_realtime.features.log import log
from flask_realtime.store import Store, utc_now
from tests.integration.conftest import KEY
from tests.integration.example_support import shared_models, sqlite_url


class Logged:
    """An application with a log that nobody is connected to.

    Args:
        database_url: Its database.
    """

    def __init__(self, database_url: str) -> None:
        self.app = Flask("logged")
        self.app.config.update(
            SQLALCHEMY_DATABASE_URI=database_url,
            JWT_SECRET_KEY=KEY,
            REALTIME_ASYNC_MODE="threading",
            REALTIME_LOG_RETENTION=86400.0,
        )
        JWTManager(self.app)
        self.db, self.models = shared_models(self.app, log=True)
        self.realtime = Realtime()
        Store(self.db, self.models).register(self.realtime)
        self.realtime.init_app(self.app)

    def log(self, *args: Any, **receivers: Any) -> None:
        """Log an event, and commit."""
        with self.app.app_context():
            self.realtime.log(*args, **receivers)
            self.db.session.commit()

    def deliver(self, age: timedelta) -> None:
        """Let all events be delivered, and older."""
        assert self.models.log_entry is not None
        with self.app.app_context():
            numbers = list(self.db.session.scalars(self.db.select(self.models.log_entry.id)))
            self.realtime.state_of(log).table().finish(numbers)
            self.db.session.execute(update(self.models.log_entry).values(created_at=utc_now() - age))
            self.db.session.commit()


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[Logged]:
    made = Logged(sqlite_url(tmp_path))
    with made.app.app_context():
        made.db.create_all()
    yield made
    with made.app.app_context():
        made.db.engine.dispose()


def run(app: Flask, *arguments: str, code: int = 0) -> str:
    """Run a command, and return what it prints."""
    result = app.test_cli_runner().invoke(commands, ["log", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def test_the_size_of_the_log_is_shown_and_what_waits(logged: Logged) -> None:
    assert run(logged.app, "status").splitlines()[0] == "rows\t0"
    logged.log("note", 1, user_id="ann")
    lines = dict(line.partition("\t")[::2] for line in run(logged.app, "status").splitlines())
    assert (lines["rows"], lines["undelivered"], lines["position"]) == ("1", "1", "0")
    assert lines["oldest"] == lines["newest"] == lines["waiting since"] != ""
    logged.deliver(timedelta(days=2))
    found = json.loads(run(logged.app, "status", "--json"))
    assert (found["rows"], found["undelivered"], found["waiting_since"], found["position"]) == (1, 0, None, 1)
    assert found["oldest"].endswith("+00:00")


def test_what_was_logged_last_is_shown_for_whom_one_asks(logged: Logged) -> None:
    logged.log("notice", {"text": "hi\x1b[2J"}, everyone=True)
    logged.log("note", 1, "two", user_id="ann")
    logged.log("note", 2, conversation_id="7")
    lines = [line.split("\t") for line in run(logged.app, "show").splitlines()]
    assert [line[:1] + line[2:] for line in lines] == [
        ["1", "", "everyone", "notice", r'{"text":"hi\u001b[2J"}'],
        ["2", "", "user:ann", "note", '1,"two"'],
        ["3", "", "conversation:7", "note", "2"],
    ]
    assert [len(run(logged.app, "show", *options).splitlines()) for options in (["--limit", "2"], ["--undelivered"])] == [2, 3]
    for options, number in ((["--everyone"], 1), (["--user", "ann"], 2), (["--conversation", "7"], 3)):
        (event,) = json.loads(run(logged.app, "show", "--json", *options))["events"]
        assert event["number"] == number
    assert (event["room"], event["event"], event["arguments"], event["delivered_at"]) == ("conversation:7", "note", [2], None)
    logged.deliver(timedelta())
    assert run(logged.app, "show", "--undelivered") == ""


def test_what_to_show_is_said_in_one_way(logged: Logged) -> None:
    assert "Choose one of" in run(logged.app, "show", "--user", "ann", "--everyone", code=2)
    assert run(logged.app, "show", "--user", "", code=1).startswith("Error: ")


def test_old_events_are_deleted_and_the_last_one_stays(logged: Logged) -> None:
    for number in range(3):
        logged.log("note", number, user_id="ann")
    logged.deliver(timedelta(days=2))
    assert run(logged.app, "prune", "--days", "3") == "0 events deleted\n"
    assert run(logged.app, "prune") == "2 events deleted, 1 kept\n"
    logged.log("note", 3, user_id="ann")
    logged.deliver(timedelta(hours=1))
    assert run(logged.app, "prune") == "0 events deleted\n"
    found = json.loads(run(logged.app, "prune", "--days", "0", "--json"))
    assert (found["deleted"], found["kept"]) == (1, 1)
    assert found["before"].endswith("+00:00")


def test_more_are_deleted_than_one_step_takes(logged: Logged) -> None:
    with logged.app.app_context():
        for number in range(1201):
            logged.realtime.log("note", number, user_id="ann")
        logged.db.session.commit()
    logged.deliver(timedelta(days=2))
    assert run(logged.app, "prune") == "1200 events deleted, 1 kept\n"


@pytest.mark.parametrize("command", ["status", "show", "prune"])
def test_what_is_missing_is_an_error_in_one_line(make_app: Any, tmp_path: Path, command: str) -> None:
    app = make_app()
    Realtime(app)
    assert run(app, command, code=1).startswith("Error: The application has no log. Give the store a model of it")
    without_tables = Logged(sqlite_url(tmp_path))
    output = run(without_tables.app, command, code=1)
    assert output.startswith("Error: The database cannot be used: ")
    assert output.count("\n") == 1
