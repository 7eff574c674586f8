"""Health checks of real servers: while they drain, and while Redis or the database is gone."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import requests

from tests.e2e.example import environment
from tests.e2e.servers import Server, gunicorn, poll
from tests.e2e.wire import Wire
from tests.e2e.workers import Answer, running_workers
from tests.postgresql_server import PostgresqlServer
from tests.redis_server import RedisServer

SECONDS = 30.0
EXAMPLE = "example_app:app"
HEALTH_APP = "tests.e2e.apps.health_app:create_app()"
DRAINING = '{"status":"draining"}\n'
LIVE = '{"status":"ok"}\n'

Health = tuple[int, Any]


def ask(server: Server, path: str) -> Health:
    answer = requests.get(server.url + path, timeout=SECONDS)
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.status_code, answer.json()


def healthy(**failed: str) -> Health:
    checks = {"database": "ok", "messageQueue": "ok", **failed}
    return (503, {"status": "unavailable", "checks": checks}) if failed else (200, {"status": "ok", "checks": checks})


def comes_to(server: Server, expected: Health) -> None:
    """Wait for an answer of what says whether a server takes clients, and compare those of the others."""
    assert poll(lambda: ask(server, "/readyz") == expected, SECONDS), ask(server, "/readyz")
    assert ask(server, "/healthz") == expected
    assert ask(server, "/livez") == (200, {"status": "ok"})


def test_a_server_without_redis_takes_no_clients_and_lives(tmp_path: Path) -> None:
    with RedisServer() as redis:
        with gunicorn(EXAMPLE, {**environment(tmp_path), "MESSAGE_QUEUE_URL": redis.url}, ready="/livez") as server:
            comes_to(server, healthy())
            redis.stop()
            comes_to(server, healthy(messageQueue="failed"))
            redis.start()
            comes_to(server, healthy())
        assert any("Health check 'messageQueue' failed" in line for line in server.lines)


def test_a_server_without_its_database_takes_no_clients_and_lives(tmp_path: Path) -> None:
    with ExitStack() as stack:
        database = PostgresqlServer()
        stack.callback(database.close)
        url = database.start().new_database().__enter__()  # It is gone before the block of it would empty it.
        server = stack.enter_context(gunicorn(EXAMPLE, {**environment(tmp_path), "DATABASE_URL": url}, ready="/livez"))
        comes_to(server, healthy())
        database.close()
        comes_to(server, healthy(database="failed"))


def test_a_worker_that_drains_is_not_ready_while_its_connections_live(tmp_path: Path) -> None:
    with running_workers(tmp_path, application=HEALTH_APP, count=1) as workers, ExitStack() as stack:
        probes = [workers.connection(workers.pids[0]) for _ in range(20)]
        gate = workers.connection(workers.pids[0])
        assert probes[0].ask("/readyz").status == 200
        wire = stack.enter_context(closing(Wire(workers.url)))
        assert wire.enter(workers.api.token("ann")).startswith("40{")
        wire.send('42["app:say","here"]', '42["app:wait","the-end"]', '421["app:echo",1]')
        workers.server.wait_for_line("^said: here$")
        os.kill(workers.pids[0], signal.SIGTERM)
        # Each connection is answered once more, and then closed.
        unused = iter(probes[1:])
        assert poll(lambda: next(unused).ask("/readyz") == Answer(503, DRAINING), SECONDS, 0.1)
        assert next(unused).ask("/livez") == Answer(200, LIVE)
        assert gate.ask("/gates/the-end", "{}").status == 200
        assert wire.receive_until("431") == '431[{"echo":1}]'
        assert wire.close_code() == 1000
