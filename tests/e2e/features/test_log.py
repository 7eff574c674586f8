"""The log: nothing that was committed is lost, whoever dies, and nothing that was rolled back is heard of."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import NullPool, create_engine, text

from tests.e2e.api import Api
from tests.e2e.clients import Client, JSClient, JSDriver
from tests.e2e.conftest import RECONNECTING, ClientFactory
from tests.e2e.example import User, environment
from tests.e2e.servers import ROOT, Server, gunicorn, poll, process_environment
from tests.e2e.several_workers import several_workers
from tests.e2e.test_recovery import told
from tests.postgresql_server import PostgresqlServer
from tests.redis_server import RedisServer

APP = "tests.e2e.apps.log_app:create_app()"
CONVERSATION = "1"
EVENTS = 20
SECONDS = 30.0
WITHIN_SECONDS = 5.0
"""Within which the events of a process that died are delivered."""

ADD_NOTIFICATION = """\
from example_app import create_app
from example_app.models import store
with create_app().app_context():
    store.notifications.add("2", "note", "Title", "Of a process without connections")
"""


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return environment(tmp_path_factory.mktemp("log"))


@pytest.fixture(scope="module")
def one_process(variables: dict[str, str]) -> Iterator[Server]:
    with gunicorn(APP, variables, ready="/healthz") as server:
        yield server


@pytest.fixture(params=["js-polling", "js-websocket", "js-upgrade", "py-websocket"])
def connect(request: pytest.FixtureRequest, driver: JSDriver, one_process: Server) -> Iterator[ClientFactory]:
    factory = ClientFactory(request.param, driver, Api(one_process.url))
    yield factory
    factory.close()


def missed(client: Client, cursor: str | None, limit: int = 100) -> tuple[list[Any], str]:
    """All that a client has missed since a cursor, page by page, and the last cursor."""
    events, more = list[Any](), True
    while more:
        answer = client.call("sync", {"cursor": cursor, "limit": limit})
        events += answer["events"]
        cursor, more = answer["cursor"], answer["more"]
    assert cursor is not None
    return events, cursor


def numbers(events: list[Any], name: str) -> list[Any]:
    return [item["args"][0] for item in events if item["event"] == name]


def wait_until_recorded(database_url: str) -> None:
    """Wait until the log has everything for delivered; what has not come until then does not come any more."""
    undelivered = text("SELECT count(*) FROM realtime_log WHERE delivered_at IS NULL")
    engine = create_engine(database_url, poolclass=NullPool)

    def is_empty() -> bool:
        with engine.connect() as connection:
            return bool(connection.execute(undelivered).scalar_one() == 0)

    assert poll(is_empty, SECONDS)


def ask(url: str, action: str, name: str, count: int, user: User) -> None:
    """Have the application log events for a user; it may die of it."""
    try:
        requests.post(f"{url}/{action}/{name}/{count}/{user.id}", timeout=SECONDS).raise_for_status()
    except requests.ConnectionError:
        assert action.startswith("die")


def test_who_was_away_gets_each_event_once_and_in_order(connect: ClientFactory, one_process: Server) -> None:
    alice, bob = User(one_process.url, "alice"), User(one_process.url, "bob")
    before = connect(token=bob.token)
    events, cursor = missed(before, None)
    assert events == []
    before.disconnect()
    messages = [alice.call("POST", f"/api/conversations/{CONVERSATION}/messages", {"content": str(n)}) for n in range(5)]
    alice.call("DELETE", f"/api/conversations/{CONVERSATION}/messages/{messages[0]['id']}")
    order = alice.call("POST", "/api/orders", {"userId": bob.id, "status": "sent"})
    alice.call("POST", "/api/orders", {"userId": alice.id, "status": "sent"})
    after = connect(token=bob.token)
    events, present = missed(after, cursor, limit=3)
    deleted = {"conversationId": CONVERSATION, "messageId": messages[0]["id"]}
    gone = events[0]["args"][0]["deletedAt"]
    assert gone is not None
    messages[0] |= {"content": "", "deletedAt": gone}
    assert [(item["event"], *item["args"]) for item in events] == [
        *(("message:new", message) for message in messages),
        ("message:deleted", deleted),
        ("order:update", order),
    ]
    assert [item["at"] for item in events] == sorted(item["at"] for item in events)
    over_http = bob.call("GET", f"/api/sync?cursor={cursor}&limit=500")
    assert over_http == {"events": events, "cursor": present, "more": False}
    assert missed(after, present) == ([], present)


def test_what_cannot_be_asked_is_refused(connect: ClientFactory, one_process: Server) -> None:
    bob = User(one_process.url, "bob")
    client = connect(token=bob.token)
    wrong: list[Any] = [{"cursor": "x" * 513}, {"limit": 501}, [], "log-0"]
    for payload in wrong:
        assert client.call("sync", payload)["error"]["code"] == "bad_request"
    assert client.call("sync", {"cursor": "log-999999999"}) == {"reset": True, "cursor": missed(client, None)[1]}
    for query in ("cursor=nonsense", "limit=0", "limit=x"):
        answer = requests.get(f"{one_process.url}/api/sync?{query}", headers={"Authorization": f"Bearer {bob.token}"}, timeout=10)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")
    assert requests.get(f"{one_process.url}/api/sync", timeout=10).status_code == 401


def test_rolled_back_events_are_never_heard_of(connect: ClientFactory, one_process: Server) -> None:
    bob = User(one_process.url, "bob")
    client = connect(token=bob.token)
    cursor = missed(client, None)[1]
    ask(one_process.url, "roll-back", "ghost", 500, bob)
    ask(one_process.url, "log", "real", EVENTS, bob)
    assert [client.wait_for("real").data for _ in range(EVENTS)] == list(range(EVENTS))
    events, _ = missed(client, cursor)
    assert (numbers(events, "real"), numbers(events, "ghost")) == (list(range(EVENTS)), [])
    client.assert_none("ghost")
    client.assert_none("real")


def test_a_process_without_connections_is_heard_of(connect: ClientFactory, one_process: Server, variables: dict[str, str]) -> None:
    client = connect(token=User(one_process.url, "bob").token)
    add_notification(variables)
    found = client.wait_for("notification:new", timeout=WITHIN_SECONDS).data
    assert found["message"] == "Of a process without connections"
    wait_until_recorded(variables["DATABASE_URL"])
    client.assert_none("notification:new")


def add_notification(variables: Mapping[str, str]) -> None:
    """Store a notification for bob in a process of its own."""
    subprocess.run(
        [sys.executable, "-c", ADD_NOTIFICATION], check=True, cwd=ROOT, env=process_environment(variables), timeout=SECONDS
    )


def test_postgresql_tells_the_server_what_another_process_has_written(driver: JSDriver, tmp_path: Path) -> None:
    with PostgresqlServer() as postgresql, postgresql.new_database() as database_url:
        variables = {**environment(tmp_path), "DATABASE_URL": database_url, "RELAY_INTERVAL": str(2 * SECONDS)}
        with gunicorn(APP, variables, ready="/healthz") as server:
            connect = ClientFactory("js-websocket", driver, Api(server.url))
            client = connect(token=User(server.url, "bob").token)
            for _ in range(2):
                add_notification(variables)
                client.wait_for("notification:new", timeout=SECONDS)
            connect.close()


def test_the_successor_of_a_killed_process_delivers(driver: JSDriver, tmp_path: Path) -> None:
    variables = environment(tmp_path)
    with gunicorn(APP, variables, ready="/healthz") as server:
        connect = ClientFactory("js-websocket", driver, Api(server.url))
        bob = User(server.url, "bob")
        client = connect(token=bob.token)
        cursor = missed(client, None)[1]
        ask(server.url, "die", "note", EVENTS, bob)
        client.wait_for_disconnect()
        server.wait_until_ready("/healthz")
        successor = connect(token=bob.token)
        start = time.monotonic()
        assert [successor.wait_for("note", timeout=WITHIN_SECONDS).data for _ in range(EVENTS)] == list(range(EVENTS))
        assert time.monotonic() - start < WITHIN_SECONDS
        wait_until_recorded(variables["DATABASE_URL"])
        successor.assert_none("note")
        assert numbers(missed(successor, cursor)[0], "note") == list(range(EVENTS))
        connect.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_several_workers_write_at_once_arrives_once(driver: JSDriver, tmp_path: Path, kind: str) -> None:
    with several_workers(kind, tmp_path, APP) as (workers, database_url):
        connect = ClientFactory("js-websocket", driver, Api(workers.url))
        bob = User(workers.url, "bob")
        reader = connect(token=bob.token)
        cursor = missed(reader, None)[1]
        names = [f"note:{number}" for number in range(24)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: ask(workers.url, "log", name, 5, bob), names))
        for name in names:
            assert [reader.wait_for(name).data for _ in range(5)] == list(range(5))
        wait_until_recorded(database_url)
        for name in names:
            reader.assert_none(name)
        events, _ = missed(reader, cursor, limit=11)
        assert [numbers(events, name) for name in names] == [list(range(5))] * 24
        connect.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_other_workers_deliver_for_one_that_was_killed(driver: JSDriver, tmp_path: Path, kind: str) -> None:
    with several_workers(kind, tmp_path, APP) as (workers, database_url):
        connect = ClientFactory("js-websocket", driver, Api(workers.url))
        bob = User(workers.url, "bob")
        readers = list[Client]()
        for pid in workers.pids[1:]:
            with workers.only(pid):
                readers.append(connect(token=bob.token))
        cursor = missed(readers[0], None)[1]
        with workers.only(workers.pids[0]):
            ask(workers.url, "die", "note", EVENTS, bob)
        start = time.monotonic()
        for reader in readers:
            assert [reader.wait_for("note", timeout=WITHIN_SECONDS).data for _ in range(EVENTS)] == list(range(EVENTS))
        assert time.monotonic() - start < WITHIN_SECONDS
        ask(workers.url, "log", "note", 1, bob)
        for reader in readers:
            assert reader.wait_for("note").data == 0
        wait_until_recorded(database_url)
        for reader in readers:
            reader.assert_none("note")
        assert numbers(missed(readers[0], cursor, limit=7)[0], "note") == [*range(EVENTS), 0]
        connect.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_a_killed_worker_had_sent_is_not_sent_again(driver: JSDriver, tmp_path: Path, kind: str) -> None:
    with several_workers(kind, tmp_path, APP) as (workers, database_url):
        connect = ClientFactory("js-websocket", driver, Api(workers.url))
        bob = User(workers.url, "bob")
        clients = list[Client]()
        for pid in workers.pids:
            with workers.only(pid):
                clients.append(connect(token=bob.token))
        doomed, *readers = clients
        cursor = missed(readers[0], None)[1]
        with workers.only(workers.pids[0]):
            ask(workers.url, "die-sent", "note", EVENTS, bob)
            assert poll(lambda: not Path(f"/proc/{workers.pids[0]}").exists(), SECONDS)
        assert [doomed.wait_for("note").data for _ in range(EVENTS)] == list(range(EVENTS))
        for reader in readers:
            assert [reader.wait_for("note").data for _ in range(EVENTS)] == list(range(EVENTS))
        wait_until_recorded(database_url)
        for reader in readers:
            reader.assert_none("note")
        assert numbers(missed(readers[0], cursor, limit=7)[0], "note") == list(range(EVENTS))
        connect.close()


@pytest.mark.parametrize("queue", ["redis", ""])
def test_who_recovers_from_a_kill_gets_what_was_sent_before_it_once(driver: JSDriver, tmp_path: Path, queue: str) -> None:
    with ExitStack() as stack:
        variables = environment(tmp_path)
        if queue:
            variables["MESSAGE_QUEUE_URL"] = stack.enter_context(RedisServer()).url
        with gunicorn(APP, variables, ready="/healthz") as server:
            bob = User(server.url, "bob")
            auth = {"token": bob.token, "recovery": True}
            client = JSClient(driver, server.url, {"auth": auth, "transports": ["websocket"], **RECONNECTING})
            ask(server.url, "die-sent", "note", EVENTS, bob)
            client.wait_until_back(1)
            wait_until_recorded(variables["DATABASE_URL"])
            client.settle()
            assert told(client, "note") == list(range(EVENTS))
            assert client.recoveries == [False, True]
            client.disconnect()
