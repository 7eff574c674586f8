"""Applications made for one test each, servers of Redis, and databases."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token
from redis import Redis
from sqlalchemy import Engine, event

from flask_realtime import Realtime
from flask_realtime.extension import gateway_of
from flask_realtime.testing import RealtimeTestClient
from tests.integration.example_support import sqlite_url
from tests.postgresql_server import PostgresqlServer
from tests.redis_server import RedisServer

KEY = "0123456789abcdef" * 2

MakeApp = Callable[..., Flask]
Connect = Callable[..., RealtimeTestClient]

one_of_each = pytest.mark.parametrize(
    ("database_url", "make_app"), [("sqlite", "threading"), ("postgresql", "gevent")], indirect=True
)
"""For tests to which it makes no difference which database meets which async mode."""


@event.listens_for(Engine, "connect")
def _write_without_waiting(connection: object, _record: object) -> None:
    """Let SQLite not wait for the disk: it would for each table and each index of each test. A killed process loses nothing."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF").close()


@pytest.fixture(params=["gevent", "threading"])
def make_app(request: pytest.FixtureRequest) -> MakeApp:
    """Makes an application with JWTs, for each of the async modes."""

    def make(**config: Any) -> Flask:
        app = Flask(__name__)
        app.config.update({"JWT_SECRET_KEY": KEY, "REALTIME_ASYNC_MODE": request.param, **config})
        JWTManager(app)
        return app

    return make


@pytest.fixture
def connect() -> Connect:
    """Connects to an application as a user."""

    def connect(app: Flask, user_id: str, **claims: Any) -> RealtimeTestClient:
        with app.app_context():
            token = create_access_token(user_id, additional_claims=claims)
        return RealtimeTestClient(app, token)

    return connect


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A server that the test may break."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def client(redis: RedisServer) -> Iterator[Redis]:
    """A client of `redis` that decodes what it reads."""
    with Redis(port=redis.port, decode_responses=True) as client:
        yield client


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    """A server that the tests of a module share."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def make_sharing(redis: RedisServer) -> Iterator[MakeApp]:
    """Makes applications that share a Redis, as those of several servers do; `on` is what is set up on one before it serves."""
    with ExitStack() as stack:

        def make(*, on: Callable[[Realtime], object] = lambda _realtime: None, **config: Any) -> Flask:
            app = Flask(__name__)
            app.config.update(JWT_SECRET_KEY=KEY, REALTIME_ASYNC_MODE="threading", REALTIME_MESSAGE_QUEUE=redis.url, **config)
            JWTManager(app)
            realtime = Realtime()
            on(realtime)
            realtime.init_app(app)
            stack.callback(lambda: gateway_of(app).backend.stop(1.0))
            return app

        yield make


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """A server that all tests of a process share; started when the first one asks for it."""
    with PostgresqlServer() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a new database, on either of those that are supported."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path)
        return
    server: PostgresqlServer = request.getfixturevalue("postgresql_server")
    with server.new_database() as address:
        yield address
