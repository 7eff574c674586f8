"""Figures of what real clients did: written by servers that were told to stop, one process or four workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.e2e.api import Api
from tests.e2e.clients import Client, JSDriver
from tests.e2e.conftest import ClientFactory
from tests.e2e.example import User, environment
from tests.e2e.servers import Server, gunicorn, python_module
from tests.e2e.several_workers import several_workers

MESSAGES = 6
THREADS = ("--worker-class", "gthread", "--threads", "16")
WORKERS_SECONDS = 30.0


def amounts(database_url: str) -> dict[tuple[str, str], int]:
    """The figures in a database, over all minutes."""
    url = database_url.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url)
    query = "SELECT metric, kind, sum(amount) FROM realtime_figure WHERE resolution = 'minute' GROUP BY metric, kind"
    with engine.connect() as connection:
        found = {(metric, kind): int(amount) for metric, kind, amount in connection.execute(text(query))}
    engine.dispose()
    return found


def active_users(database_url: str) -> list[str]:
    """The users who were active, as the database has them."""
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        found = connection.execute(text("SELECT DISTINCT user_id FROM realtime_active_user ORDER BY user_id"))
        users = [str(user_id) for (user_id,) in found]
    engine.dispose()
    return users


def times(found: dict[tuple[str, str], int], metric: str) -> int:
    return sum(amount for (name, _), amount in found.items() if name == metric)


def write_and_read(writer: Client, reader: Client, conversation: str, count: int = MESSAGES) -> None:
    """One user writes messages, and another one reads them all."""
    last: Any = None
    for number in range(count):
        payload = {"conversationId": conversation, "clientId": f"c{number}", "content": str(number)}
        last = writer.call("message:send", payload)["message"]
    assert reader.call("messages:delivered", {"conversationId": conversation, "upTo": last["id"]})["ok"]
    assert reader.call("messages:read", {"conversationId": conversation, "upTo": last["id"]})["ok"]


def end(server: Server) -> None:
    server.terminate()
    server.wait(WORKERS_SECONDS)


def test_a_server_that_is_told_to_stop_has_written_what_its_clients_did(tmp_path: Path, driver: JSDriver) -> None:
    variables = environment(tmp_path)
    with python_module("example_app", variables, ready="/healthz") as server:
        connect = ClientFactory("js-websocket", driver, Api(server.url))
        alice, bob = (User(server.url, name) for name in ("alice", "bob"))
        conversation = str(alice.call("POST", "/api/conversations", {"participantIds": [bob.id]})["id"])
        writer, reader = connect(token=alice.token), connect(token=bob.token)
        assert reader.call("join:conversation", conversation)["ok"]
        write_and_read(writer, reader, conversation)
        assert alice.call("GET", "/api/admin/analytics")["interval"] == "hour"
        with pytest.raises(AssertionError, match="403"):
            bob.call("GET", "/api/admin/analytics")
        end(server)
        connect.close()
    found = amounts(variables["DATABASE_URL"])
    assert found["messages", ""] == times(found, "delivery") == times(found, "reading") == MESSAGES
    assert found["received", "message:send"] == MESSAGES
    assert found["sent", "message:new"] == MESSAGES
    assert found["connection_time", ""] > 0
    assert 1 <= found["connection_peak", ""] <= 2
    assert active_users(variables["DATABASE_URL"]) == sorted([alice.id, bob.id], key=int)


def test_a_server_with_threads_that_ends_has_written_what_its_clients_did(tmp_path: Path, driver: JSDriver) -> None:
    variables = environment(tmp_path)
    with gunicorn("example_app:app", variables, *THREADS, ready="/healthz") as server:
        connect = ClientFactory("js-websocket", driver, Api(server.url))
        alice, bob = (User(server.url, name) for name in ("alice", "bob"))
        conversation = str(alice.call("POST", "/api/conversations", {"participantIds": [bob.id]})["id"])
        writer, reader = connect(token=alice.token), connect(token=bob.token)
        write_and_read(writer, reader, conversation)
        connect.close()
        end(server)
    found = amounts(variables["DATABASE_URL"])
    assert found["messages", ""] == times(found, "delivery") == times(found, "reading") == MESSAGES
    assert found["received", "message:send"] == MESSAGES
    assert active_users(variables["DATABASE_URL"]) == sorted([alice.id, bob.id], key=int)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_four_workers_counted_is_one_sum(tmp_path: Path, driver: JSDriver, kind: str) -> None:
    with several_workers(kind, tmp_path) as (workers, database_url):
        alice, bob = (User(workers.url, name) for name in ("alice", "bob"))
        conversation = str(alice.call("POST", "/api/conversations", {"participantIds": [bob.id]})["id"])
        connect = ClientFactory("js-websocket", driver, Api(workers.url))
        writers: list[Client] = []
        for pid in workers.pids:
            with workers.only(pid):
                writers.append(connect(token=alice.token))
        # Not while the others are stopped, one of which may hold SQLite's lock.
        for number, writer in enumerate(writers):
            writer.call("message:send", {"conversationId": conversation, "clientId": f"w{number}", "content": "hello"})
        write_and_read(writers[0], connect(token=bob.token), conversation)
        end(workers.server)
        connect.close()
        found = amounts(database_url)
        assert found["messages", ""] == MESSAGES + len(writers)
        assert times(found, "delivery") == times(found, "reading") == MESSAGES + len(writers)
        assert found["received", "message:send"] == MESSAGES + len(writers)
        assert active_users(database_url) == sorted([alice.id, bob.id], key=int)
