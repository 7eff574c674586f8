"""The example's start: its settings, its first rows, restarts, and several processes at once."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import event, func, select, text

from example_app.extensions import db
from example_app.models import User, models
from example_app.settings import configure, read_or_create_secret, realtime_settings, with_driver
from tests.integration.example_support import Caller, Example, on_sqlite, running
from tests.postgresql_server import PostgresqlServer
from tests.redis_server import wait_until
from tests.scripts import ROOT
from tests.warm_python import WarmPython

PROCESSES = 4
PATIENCE_SECONDS = 60.0
START = "import example_app; assert example_app.app is example_app.app"
# Processes that have imported everything, so that they do their first work at the same moment: when the pipe is closed.
TOGETHER = """
import os
import sys
import example_app.factory
from example_app.settings import read_or_create_secret

waiting, closed = os.pipe()
children = []
for _ in range({processes}):
    child = os.fork()
    if not child:
        os.close(closed)
        os.read(waiting, 1)
        {work}
        sys.exit()
    children.append(child)
os.close(closed)
sys.exit(any(os.waitpid(child, 0)[1] for child in children))
"""
LOG_IN = {"username": "alice", "password": "demo"}


def log_in(app: Flask) -> Caller:
    answer = Caller(app).post("/api/auth/login", LOG_IN)
    return Caller(app, "1", answer.json["accessToken"])


def environment_of(database_url: str, **variables: str) -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": database_url, "JWT_SECRET_KEY": "long enough for HS256, surely it is", **variables}


def start_process(database_url: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", START]
    return subprocess.Popen(command, env=environment_of(database_url), stderr=subprocess.PIPE, text=True)


def start_together(work: str, folder: Path, database_url: str = "sqlite://") -> str:
    """Have several processes do the same in a folder at the same moment; return what they printed."""
    command = [sys.executable, "-W", "error", "-c", TOGETHER.format(processes=PROCESSES, work=work)]
    environment = environment_of(database_url, PYTHONPATH=str(ROOT))
    return subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def assert_started(start: subprocess.Popen[str]) -> None:
    _, errors = start.communicate()
    assert start.returncode == 0, errors


@pytest.fixture(scope="module")
def warm_python() -> Iterator[WarmPython]:
    with WarmPython(imported=["example_app.factory"]) as warm:
        yield warm


def rows(app: Flask) -> list[int | None]:
    """How many users, conversations and participants there are."""
    with app.app_context():
        return [
            db.session.scalar(select(func.count()).select_from(model)) for model in (User, models.conversation, models.participant)
        ]


def test_restart_keeps_data_and_tokens(database_url: str, tmp_path: Path) -> None:
    with running(database_url, tmp_path, {"JWT_SECRET_KEY": None}) as app:
        token = log_in(app).token
        message_id = Example(app).message(Caller(app, "1", token), "1")
    with running(database_url, tmp_path, {"JWT_SECRET_KEY": None}) as app:
        alice = Caller(app, "1", token)
        assert [item["id"] for item in alice.get("/api/conversations/1/messages").json["messages"]] == [message_id]
        assert len(alice.get("/api/users").json) == 3
        assert len(alice.get("/api/conversations").json) == 1


def test_a_database_of_an_earlier_version_is_refused_with_what_to_do(database_url: str, tmp_path: Path) -> None:
    with running(database_url, tmp_path) as app, app.app_context(), db.engine.begin() as connection:
        connection.execute(text("ALTER TABLE realtime_participant DROP COLUMN role"))
    told = "realtime_participant has no column role: .* docs/how-to/migrating.md"
    with pytest.raises(RuntimeError, match=told), running(database_url, tmp_path):
        pass


def test_every_connection_to_sqlite_keeps_references_and_waits_for_writers(tmp_path: Path) -> None:
    with running(f"sqlite:///{tmp_path / 'own.sqlite3'}", tmp_path) as app, app.app_context():
        pragmas = ("foreign_keys", "journal_mode", "busy_timeout", "synchronous")
        assert [db.session.scalar(text(f"PRAGMA {pragma}")) for pragma in pragmas] == [1, "wal", 5000, 1]


def test_the_first_of_the_demo_users_is_an_administrator(database_url: str, tmp_path: Path) -> None:
    with running(database_url, tmp_path) as app, app.app_context():
        users = db.session.execute(select(User.username, User.is_administrator).order_by(User.id)).all()
    assert [tuple(user) for user in users] == [("alice", True), ("bob", False), ("carol", False)]


def test_demo_users_are_not_added_to_a_database_that_is_not_new(database_url: str, tmp_path: Path) -> None:
    with running(database_url, tmp_path) as app, app.app_context():
        db.session.execute(db.delete(User))
        db.session.commit()
    with running(database_url, tmp_path) as app, app.app_context():
        assert db.session.scalar(select(func.count()).select_from(User)) == 0


@on_sqlite
def test_processes_that_start_together_share_one_beginning(database_url: str, tmp_path: Path) -> None:
    assert start_together("example_app.app", tmp_path, database_url) == ""
    with running(database_url, tmp_path) as app:
        assert rows(app) == [3, 1, 3]


def test_a_process_waits_for_the_one_that_makes_the_tables_on_postgresql(
    postgresql_server: PostgresqlServer, tmp_path: Path
) -> None:
    started = []

    def start_another(*_: object, **__: object) -> None:
        started.append(start_process(database_url))
        wait_until(lambda: postgresql_server.waiting() == 1, PATIENCE_SECONDS)

    with postgresql_server.new_database() as database_url:
        event.listen(db.metadata, "after_create", start_another, once=True)  # The tables are there, for this process alone.
        with running(database_url, tmp_path) as app:
            assert_started(*started)
            assert rows(app) == [3, 1, 3]


def test_importing_the_package_makes_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path / 'new.sqlite3'}"}
    code = "import example_app, example_app.factory, sys; sys.exit('app' in vars(example_app))"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []


def test_package_can_be_imported_before_gevent_patches() -> None:
    code = "import example_app, gevent.monkey; gevent.monkey.patch_all(); import example_app.factory"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_unknown_attribute_is_an_error() -> None:
    code = "import example_app, sys; sys.exit(hasattr(example_app, 'application'))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_secret_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "jwt.key"
    secret = read_or_create_secret(path)
    assert len(secret) == 64
    assert read_or_create_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_processes_that_start_together_share_one_secret(tmp_path: Path) -> None:
    work = r"from pathlib import Path; os.write(1, read_or_create_secret(Path('jwt.key')).encode() + b'\n')"
    secrets = start_together(work, tmp_path).splitlines()
    assert len(secrets) == PROCESSES
    assert len(set(secrets)) == 1
    assert len(secrets[0]) == 64


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("postgres://u:p@host/name", "postgresql+psycopg://u:p@host/name"),
        ("postgresql://u:p@host/name", "postgresql+psycopg://u:p@host/name"),
        ("postgresql+psycopg2://host/name", "postgresql+psycopg2://host/name"),
        ("sqlite:///example.sqlite3", "sqlite:///example.sqlite3"),
    ],
)
def test_database_addresses_name_a_driver(given: str, expected: str) -> None:
    assert with_driver(given) == expected


def test_a_request_finds_postgresql_there_or_is_told_soon(tmp_path: Path) -> None:
    app = Flask("example_app", instance_path=str(tmp_path))
    configure(app, {"SQLALCHEMY_DATABASE_URI": "postgresql://host/chat"})
    options = app.config["SQLALCHEMY_ENGINE_OPTIONS"]
    assert options["pool_pre_ping"] is True, "a connection that the server has dropped is replaced"
    assert (options["pool_timeout"], options["connect_args"]) == (10, {"connect_timeout": 5})
    assert options["pool_size"] + options["max_overflow"] == 20


def test_environment_is_read(monkeypatch: pytest.MonkeyPatch, database_url: str, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("JWT_SECRET_KEY", "a key from the environment, long enough")
    from example_app import create_app  # noqa: PLC0415

    app = create_app(instance_path=str(tmp_path / "instance"))
    assert app.config["JWT_SECRET_KEY"] == "a key from the environment, long enough"
    assert log_in(app).get("/api/users").status_code == 200
    assert not (tmp_path / "instance" / "jwt.key").exists()
    with app.app_context():
        db.engine.dispose()


def test_settings_of_the_environment_are_json_where_they_parse() -> None:
    environment = {
        "REALTIME_MAX_ROOMS": "7",
        "REALTIME_TYPING_TIMEOUT": "2.5",
        "REALTIME_MAX_CONNECTIONS": "null",
        "REALTIME_CORS_ALLOWED_ORIGINS": '["https://a.example", "https://b.example"]',
        "REALTIME_PATH": "/realtime/",
        "REALTIME_MESSAGE_QUEUE_CHANNEL": "{broken",
        "OTHER": "1",
    }
    assert realtime_settings(environment) == {
        "REALTIME_MAX_ROOMS": 7,
        "REALTIME_TYPING_TIMEOUT": 2.5,
        "REALTIME_MAX_CONNECTIONS": None,
        "REALTIME_CORS_ALLOWED_ORIGINS": ["https://a.example", "https://b.example"],
        "REALTIME_PATH": "/realtime/",
        "REALTIME_MESSAGE_QUEUE_CHANNEL": "{broken",
    }


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("REALTIME_MAX_ROOMS", "many", "REALTIME_MAX_ROOMS must be an integer above 0, not 'many'"),
        ("REALTIME_ROOMS", "7", "REALTIME_ROOMS is not a setting of flask_realtime. Did you mean REALTIME_MAX_ROOMS?"),
    ],
)
def test_a_setting_of_the_environment_that_cannot_work_stops_the_start(
    warm_python: WarmPython, tmp_path: Path, name: str, value: str, told: str
) -> None:
    environment = environment_of(f"sqlite:///{tmp_path}/chat.db", **{name: value})
    done = warm_python.run("-c", START, folder=ROOT, environment=environment)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"flask_realtime.errors.ConfigError: {told}"
