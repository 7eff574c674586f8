"""The example, or an application made of it, on four workers that share a Redis and a database."""

from __future__ import annotations

import atexit
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from tests import leaks
from tests.e2e.example import environment
from tests.e2e.workers import Workers, running_workers
from tests.postgresql_server import PostgresqlServer
from tests.redis_server import RedisServer

EXAMPLE = "example_app:app"
IN_TRANSACTIONS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()
"""


class SeveralWorkers(NamedTuple):
    """Workers that run.

    Args:
        workers: They.
        database_url: Where their database is.
    """

    workers: Workers
    database_url: str


@contextmanager
def several_workers(
    kind: str, folder: Path, application: str = EXAMPLE, settings: Mapping[str, str] | None = None
) -> Iterator[SeveralWorkers]:
    """Start four workers.

    Args:
        kind: The kind of database: `sqlite` or `postgresql`.
        folder: Where their files are.
        application: The application.
        settings: Variables of their environment.
    """
    with ExitStack() as stack:
        variables = {**environment(folder), **(settings or {})}
        if kind == "postgresql":
            variables["DATABASE_URL"] = stack.enter_context(_postgresql().new_database())
        variables["MESSAGE_QUEUE_URL"] = stack.enter_context(RedisServer()).url
        workers = stack.enter_context(running_workers(folder, application=application, environment=variables))
        workers.server.wait_until_ready("/healthz")
        workers.hold_up_nobody = partial(has_no_transaction, variables["DATABASE_URL"])
        yield SeveralWorkers(workers, variables["DATABASE_URL"])


def has_no_transaction(database_url: str) -> bool:
    """Return whether nobody has locked anything in a database, be it a worker that is stopped."""
    engine = create_engine(database_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            return not connection.scalar(text(IN_TRANSACTIONS))
        try:
            connection.exec_driver_sql("PRAGMA busy_timeout = 0")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError:
            return False
        connection.exec_driver_sql("ROLLBACK")
        return True


@cache
def _postgresql() -> PostgresqlServer:
    """The server that all tests of a process share: to start one takes as long as some of them."""
    with leaks.lasting("the PostgreSQL of several workers"):
        server = PostgresqlServer().start()
    atexit.register(server.close)
    return server
