"""The example application and its store on a database of their own, for tests that call them in this process."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Barrier
from time import monotonic
from typing import Any
from unittest.mock import patch

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, event, make_url
from werkzeug.datastructures import Headers

from example_app import create_app
from example_app.extensions import db, realtime
from example_app.models import User, find_user_by_name
from example_app.passwords import hash_password
from example_app.tokens import open_session
from flask_realtime.store import Models, Store, define_models
from tests.postgresql_server import server_of

SECRET = "the tests' own key, long enough for HS256"
PATIENCE_SECONDS = 10.0
TICK_SECONDS = 0.005

hash_once = cache(hash_password)
"""The demonstration users' password, which takes a tenth of a second, is the same for every test."""

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For tests to which it makes no difference where the rows are."""


@dataclass(frozen=True)
class Statement:
    """A statement that went to the database, as its driver got it; of several rows at once the first."""

    sql: str
    parameters: Any


@dataclass(frozen=True)
class Answer:
    """What a call was answered."""

    status_code: int
    headers: Headers
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Caller:
    """Calls the example as one user, or as nobody."""

    def __init__(self, app: Flask, user_id: str = "", token: str | None = None) -> None:
        self.user_id = user_id
        self.token = token
        self._client = app.test_client()

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        if body is not None:
            options["json"] = body
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        response = self._client.open(path, method=method, headers=headers, **options)
        return Answer(response.status_code, response.headers, response.text)

    def get(self, path: str, **options: Any) -> Answer:
        return self.call("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.call("POST", path, body, **options)

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path)


class Example:
    """A running example: alice is an administrator, bob and carol are not, conversation 1 is of the three."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.nobody = Caller(app)

    def user(self, username: str) -> Caller:
        """A caller with that user's access token; makes the user if there is none."""
        with self.app.app_context():
            user = find_user_by_name(username)
            if user is None:
                user = User(username=username, password_hash="none")
                db.session.add(user)
                db.session.commit()
            return Caller(self.app, str(user.id), open_session(str(user.id))[0])

    def conversation(self, *callers: Caller) -> str:
        """Make a conversation of these users, the first one creating it."""
        answer = callers[0].post("/api/conversations", {"participantIds": [caller.user_id for caller in callers]})
        assert answer.status_code == 201, answer.text
        return str(answer.json["id"])

    def message(self, caller: Caller, conversation_id: str, content: str = "hello") -> str:
        """Write a message and return its id."""
        answer = caller.post(f"/api/conversations/{conversation_id}/messages", {"content": content})
        assert answer.status_code == 201, answer.text
        return str(answer.json["id"])


@contextmanager
def recorded(app: Flask) -> Iterator[list[Statement]]:
    """Record the statements that reach the application's database meanwhile."""
    statements: list[Statement] = []

    def record(_conn: object, _cursor: object, sql: str, parameters: Any, _context: object, many: object) -> None:
        statements.append(Statement(sql, parameters[0] if many and isinstance(parameters, list) else parameters))

    with app.app_context():
        engine = app.extensions["sqlalchemy"].engine
    event.listen(engine, "before_cursor_execute", record)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", record)


@contextmanager
def running(database_url: str, instance_path: Path, config: Mapping[str, Any] | None = None) -> Iterator[Flask]:
    """Make the application, and close its database connections afterwards."""
    defaults = {"SQLALCHEMY_DATABASE_URI": database_url, "JWT_SECRET_KEY": SECRET, "DEMO_MESSAGES": False}
    settings = {**defaults, **(config or {})}
    with patch("example_app.database.hash_password", hash_once):
        app = create_app(settings, instance_path=str(instance_path))
    try:
        yield app
    finally:
        with app.app_context():
            db.engine.dispose()


def error(answer: Answer) -> tuple[int, str]:
    """The status and the code of an error, which must have the documented form."""
    assert set(answer.json) == {"error"}, answer.text
    keys = {"code", "message", "retryAfter"} if answer.status_code == 429 else {"code", "message"}
    assert set(answer.json["error"]) == keys, answer.text
    assert answer.json["error"]["message"]
    return answer.status_code, answer.json["error"]["code"]


def shared_models(app: Flask, **options: Any) -> tuple[SQLAlchemy, Models]:
    """Set an application up with the models of these options, which others have too: to map them takes longer than most tests."""
    database, models = _mapped(**options)
    database.init_app(app)
    return database, models


@cache
def _mapped(**options: Any) -> tuple[SQLAlchemy, Models]:
    database = SQLAlchemy()
    return database, define_models(database, **options)


_tables: dict[SQLAlchemy, bytes] = {}


def create_tables(database: SQLAlchemy) -> None:
    """Create the tables of models that applications share, in a new database; for each of these after the first it is a copy."""
    engine = database.engine
    assert engine.url.database is not None
    if engine.dialect.name == "postgresql":
        server_of(engine.url).fill(engine.url.database, database, lambda: _create_and_close(database))
        return
    file = Path(engine.url.database)
    if file.exists():
        database.create_all()
    elif database in _tables:
        file.write_bytes(_tables[database])
    else:
        _create_and_close(database)
        _tables[database] = file.read_bytes()


def _create_and_close(database: SQLAlchemy) -> None:
    database.create_all()
    database.engine.dispose()


class StoreApp:
    """An application with nothing but a store, whose user ids refer to no table."""

    def __init__(self, database_url: str, **options: Any) -> None:
        self.app = Flask("store_app")
        self.app.config["SQLALCHEMY_DATABASE_URI"] = database_url
        self.db, self.models = shared_models(self.app, **options)
        self.store = Store(self.db, self.models)

    def in_threads(self, *calls: Callable[[], Any]) -> list[Any]:
        """Make the calls at once; see `in_threads`."""
        return in_threads(self.app, self.db, *calls)


def in_threads(app: Flask, database: SQLAlchemy, *calls: Callable[[], Any]) -> list[Any]:
    """Make the calls at once, each in a thread and an application context of its own."""
    start = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        with app.app_context():
            # Connected beforehand, the threads meet in the database rather than on the way to it.
            database.session.connection()
            start.wait()
            return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@contextmanager
def new_store_app(database_url: str, **options: Any) -> Iterator[StoreApp]:
    """An application with a store on a new database, and `define_models`' options; its application context is open."""
    made = StoreApp(database_url, **options)
    with made.app.app_context():
        if made.db.engine.dialect.name == "sqlite":
            event.listen(made.db.engine, "connect", enforce_foreign_keys)
        create_tables(made.db)
        try:
            yield made
        finally:
            made.db.session.remove()
            made.db.engine.dispose()


def instructions(session: Any, call: Callable[[], object]) -> int:
    """How many instructions of SQLite's machine a call takes; looking a page of the search index up is some of them."""
    driver = session.connection().connection.dbapi_connection
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    driver.set_progress_handler(count, 1)
    call()
    driver.set_progress_handler(None, 0)
    return taken


def enforce_foreign_keys(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA foreign_keys = ON").close()


def eventually(app: Flask, condition: Callable[[], bool]) -> None:
    """Let the application's background tasks run until the condition holds."""
    deadline = monotonic() + PATIENCE_SECONDS
    with app.app_context():
        while not condition():
            assert monotonic() < deadline, "it did not come true in time"
            realtime.socketio.sleep(TICK_SECONDS)


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'test.sqlite3'}"


def full_scans(app: Flask, statements: Sequence[Statement]) -> list[str]:
    """The steps of the database's plans for these statements that read a whole table or index."""
    with app.app_context():
        connection = app.extensions["sqlalchemy"].session.connection()
        scans = _scans_of_sqlite if connection.dialect.name == "sqlite" else _scans_of_postgresql
        return [f"{scan}: {statement.sql}" for statement in statements for scan in scans(connection, statement)]


def _scans_of_sqlite(connection: Connection, statement: Statement) -> list[str]:
    plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement.sql}", statement.parameters)
    steps = [row.detail for row in plan]
    # A batch's own list of ids, or another list, is as short as its limit says; how it is found is a step of its own.
    return [
        step
        for step in steps
        if step.startswith("SCAN ")
        and step not in {"SCAN batch", "SCAN listed"}
        and not re.match(r"SCAN (\d+ )?CONSTANT ROW", step)
    ]


def _scans_of_postgresql(connection: Connection, statement: Statement) -> list[str]:
    for way in ("seqscan", "bitmapscan", "hashjoin", "mergejoin"):
        connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")  # Tables of a few rows it reads as a whole otherwise.
    plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement.sql}", statement.parameters).scalar_one()
    return [f"{step['Node Type']} of {step['Relation Name']}" for step in _steps(plan[0]["Plan"]) if _reads_all(step)]


def _steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _steps(inner)


def _reads_all(step: dict[str, Any]) -> bool:
    return step["Node Type"] == "Seq Scan" or (step["Node Type"].startswith("Index") and "Index Cond" not in step)


@contextmanager
def new_example(database_url: str, folder: Path) -> Iterator[Example]:
    """The example on a new database; on PostgreSQL, on a copy of what its first start makes."""
    address = make_url(database_url)
    if address.get_backend_name() == "postgresql" and address.database is not None:
        server_of(address).fill(address.database, "example", lambda: _start(database_url, folder))
    with running(database_url, folder) as app:
        yield Example(app)


def _start(database_url: str, folder: Path) -> None:
    with running(database_url, folder):
        pass
