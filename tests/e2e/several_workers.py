"""The example, or an application made of it, on four workers that share a Redis and a database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.e2e.example import environment
from tests.e2e.workers import Workers, running_workers
from tests.postgresql_server import PostgresqlServer
from tests.redis_server import RedisServer

EXAMPLE = "example_app:app"


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
            server = stack.enter_context(PostgresqlServer())
            variables["DATABASE_URL"] = stack.enter_context(server.new_database())
        variables["MESSAGE_QUEUE_URL"] = stack.enter_context(RedisServer()).url
        workers = stack.enter_context(running_workers(folder, application=application, environment=variables))
        workers.server.wait_until_ready("/healthz")
        yield SeveralWorkers(workers, variables["DATABASE_URL"])
