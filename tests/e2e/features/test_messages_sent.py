"""`message:send`: a message is stored and sent once, on one process and on several workers that share a Redis."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.api import Api
from tests.e2e.clients import Client, JSDriver
from tests.e2e.conftest import ClientFactory
from tests.e2e.example import User, environment
from tests.e2e.servers import Server, gunicorn, python_module
from tests.e2e.several_workers import several_workers
from tests.e2e.workers import WORKERS

CONVERSATION = "1"
"""Of the three demo users."""
SENDERS = 8
ROUNDS = 5
NO_LIMITS = {"REALTIME_LIMITS": '{"messages": null}', "REALTIME_USER_LIMITS": '{"messages": null}'}


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    variables = environment(tmp_path_factory.mktemp("sent")) | NO_LIMITS
    with python_module("example_app", variables, ready="/healthz") as server:
        yield server


@pytest.fixture(params=["js-polling", "js-websocket", "js-upgrade", "py-websocket"])
def connect(request: pytest.FixtureRequest, driver: JSDriver, example: Server) -> Iterator[ClientFactory]:
    factory = ClientFactory(request.param, driver, Api(example.url))
    yield factory
    factory.close()


def joined(connect: ClientFactory, user: User) -> Client:
    """A client of the user in the conversation."""
    client = connect(token=user.token)
    assert client.call("join:conversation", CONVERSATION) == {"ok": True}
    return client


def sent(client_id: str) -> dict[str, Any]:
    return {"conversationId": CONVERSATION, "clientId": client_id, "content": f"the message {client_id}"}


def at_once(clients: list[Client], client_id: str) -> list[Any]:
    """Send the same message from all clients at the same moment, and return the answers."""
    with ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(lambda client: client.call("message:send", sent(client_id)), clients))


def stored(user: User) -> list[Any]:
    """What is in the conversation."""
    found: list[Any] = user.call("GET", f"/api/conversations/{CONVERSATION}/messages?limit=100")["messages"]
    return found


def test_a_message_is_sent_once_however_often(connect: ClientFactory, example: Server, request: pytest.FixtureRequest) -> None:
    alice, bob = User(example.url, "alice"), User(example.url, "bob")
    phone, reader = joined(connect, alice), joined(connect, bob)
    message = sent(request.node.name)
    answers = [phone.call("message:send", message) for _ in range(3)]
    over_http = alice.call("POST", f"/api/conversations/{CONVERSATION}/messages", message)
    assert answers == [{"ok": True, "message": over_http}] * 3
    for client in (phone, reader):
        assert client.wait_for("message:new").data == over_http
        client.assert_none("message:new")
    assert [item for item in stored(bob) if item["id"] == over_http["id"]] == [over_http]
    assert [item["content"] for item in stored(bob)].count(message["content"]) == 1


def test_who_takes_no_part_sends_nothing(connect: ClientFactory, example: Server) -> None:
    alice, bob = User(example.url, "alice"), User(example.url, "bob")
    other = alice.call("POST", "/api/conversations", {"participantIds": [alice.id]})["id"]
    outsider = connect(token=bob.token)
    assert outsider.call("message:send", {**sent("c"), "conversationId": other})["error"]["code"] == "forbidden"
    assert alice.call("GET", f"/api/conversations/{other}/messages")["messages"] == []
    assert outsider.call("message:send", {**sent("c"), "replyTo": "999999"})["error"]["code"] == "bad_request"


def test_without_a_callback_the_message_is_stored_and_a_refusal_is_heard_of(connect: ClientFactory, example: Server) -> None:
    client = joined(connect, User(example.url, "alice"))
    client.emit("message:send", {**sent("no callback"), "content": ""})
    assert client.wait_for("realtime:error").data["event"] == "message:send"
    client.emit("message:send", {**sent("no callback"), "clientId": client.sid})
    assert client.wait_for("message:new").data["content"] == "the message no callback"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_same_message_from_several_workers_at_once_is_one(driver: JSDriver, tmp_path: Path, kind: str) -> None:
    with ExitStack() as stack:
        workers, _ = stack.enter_context(several_workers(kind, tmp_path, settings=NO_LIMITS))
        connect = ClientFactory("js-websocket", driver, Api(workers.url))
        stack.callback(connect.close)
        alice, bob = User(workers.url, "alice"), User(workers.url, "bob")
        devices: list[Client] = []
        for pid in workers.pids:
            with workers.only(pid):
                devices += [connect(token=alice.token) for _ in range(SENDERS // WORKERS)]
        reader = joined(connect, bob)
        for number in range(ROUNDS):
            answers = at_once(devices, f"c{number}")
            assert answers == [answers[0]] * SENDERS
            assert answers[0]["ok"] is True
            assert reader.wait_for("message:new").data == answers[0]["message"]
        marker = alice.call("POST", f"/api/conversations/{CONVERSATION}/messages", {"content": "the last one"})
        assert reader.wait_for("message:new").data == marker
        assert [item["content"] for item in stored(bob)] == [f"the message c{number}" for number in range(ROUNDS)] + [
            "the last one"
        ]


def test_a_message_that_was_stored_before_a_kill_is_stored_once(driver: JSDriver, tmp_path: Path) -> None:
    ids: list[str] = []
    for end in ("kill", "stop"):
        with gunicorn("example_app:app", environment(tmp_path), ready="/healthz") as server:
            factory = ClientFactory("js-websocket", driver, Api(server.url))
            alice = User(server.url, "alice")
            ids.append(factory(token=alice.token).call("message:send", sent("c1"))["message"]["id"])
            assert len(stored(alice)) == 1
            factory.close()
            if end == "kill":
                server.kill()
    assert ids[0] == ids[1]
