"""`flask realtime admin`: the log-in that it makes works, and what it prints says where."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import ScriptInfo

from flask_realtime import Realtime
from flask_realtime.cli import commands
from tests.integration.conftest import MakeApp
from tests.integration.wire import Wire

PASSWORD = "correct horse battery"


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    app = make_app()
    Realtime(app)
    return app


def run(app: Flask, *options: str, typed: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(commands, ["admin", *options], obj=ScriptInfo(create_app=lambda: app), input=typed)


@pytest.mark.parametrize(
    ("options", "typed"), [((), f"{PASSWORD}\n{PASSWORD}\n"), (("--password-stdin",), f"{PASSWORD}\n")], ids=["asked", "stdin"]
)
def test_the_setting_that_it_prints_lets_the_administrator_in(
    app: Flask, make_app: MakeApp, options: tuple[str, ...], typed: str
) -> None:
    done = run(app, *options, "--username", "root", typed=typed)
    assert done.exit_code == 0, done.output
    assert PASSWORD not in done.output
    printed = re.search(r"REALTIME_ADMIN='(.*)'", done.output)
    assert printed is not None
    server = make_app(REALTIME_ADMIN=json.loads(printed[1]))
    Realtime(server)
    wire = Wire(server)
    wire.send("0/admin," + json.dumps({"username": "root", "password": PASSWORD}))
    assert wire.receive_until("0", "4").startswith("0/admin,")


def test_it_says_where_the_page_is_and_what_to_type_there(app: Flask) -> None:
    app.config.update(SERVER_NAME="chat.example.org", PREFERRED_URL_SCHEME="https")
    done = run(app, "--password-stdin", "--development", "--read-only", typed=f"{PASSWORD}\n")
    assert "'mode': 'development', 'read_only': True}" in done.output
    for line in ("https://chat.example.org", "/admin", "/socket.io/", "https://admin.socket.io", "REALTIME_CORS_ALLOWED_ORIGINS"):
        assert line in done.output
    assert (
        "https://other.example.org\n"
        in run(app, "--password-stdin", "--server", "https://other.example.org", typed=f"{PASSWORD}\n").output
    )


def test_an_origin_that_is_allowed_is_not_asked_for(make_app: MakeApp) -> None:
    app = make_app(REALTIME_CORS_ALLOWED_ORIGINS=["https://admin.socket.io"])
    Realtime(app)
    done = run(app, "--password-stdin", typed=f"{PASSWORD}\n")
    assert "http://127.0.0.1:3000\n" in done.output
    assert "REALTIME_CORS_ALLOWED_ORIGINS" not in done.output


def test_a_short_password_is_refused(app: Flask) -> None:
    done = run(app, "--password-stdin", typed="short\n")
    assert (done.exit_code, done.output) == (1, "Error: The password must have 12 characters or more.\n")


def test_the_log_in_comes_as_json_for_other_programs(app: Flask) -> None:
    done = run(app, "--password-stdin", "--development", "--server", "https://chat.example.org", "--json", typed=f"{PASSWORD}\n")
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    assert (printed["setting"]["username"], printed["setting"]["mode"]) == ("admin", "development")
    assert (printed["server"], printed["namespace"], printed["path"]) == ("https://chat.example.org", "/admin", "/socket.io/")
