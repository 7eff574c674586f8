"""Traces of real servers: from the request at one of them to the delivery at the other, and with exporters that wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.api import Api
from tests.e2e.clients import PyClient
from tests.e2e.example import User, environment
from tests.e2e.servers import Server, gunicorn, poll
from tests.e2e.spans import SECONDS, Span, read_text, wait_for_span
from tests.redis_server import RedisServer

EXAMPLE = "example_app:app"
CONTENT = "the price is 4711"


class TracedServers:
    """Two servers of the example that share a database and a Redis, and write their spans.

    Args:
        stack: Ends them.
        folder: Where their files are.
    """

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._folder = folder
        redis = stack.enter_context(RedisServer())
        self.urls = []
        for name in ("first", "second"):
            (folder / name).mkdir()
            variables = {**environment(folder), "MESSAGE_QUEUE_URL": redis.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
            variables["TRACES_FOLDER"] = str(folder / name)
            self.urls.append(stack.enter_context(gunicorn(EXAMPLE, variables, ready="/healthz")).url)

    def text(self, name: str) -> str:
        """What a server has written."""
        return read_text(self._folder / name)

    def wait_for(self, server: str, name: str, where: Callable[[Span], bool] = bool) -> Span:
        """Wait for a span of a server."""
        return wait_for_span(self._folder / server, name, where)


@pytest.fixture
def traced(tmp_path: Path) -> Iterator[TracedServers]:
    with ExitStack() as stack:
        yield TracedServers(stack, tmp_path)


def client_of(url: str, token: str) -> PyClient:
    return PyClient(url, {"auth": {"token": token}, "transports": ["websocket"]})


def leads_to(traced: TracedServers, server: str, parent: Span, name: str) -> Span:
    """Wait for the span of that name below another one, in the same trace."""
    own = parent["context"]
    span = traced.wait_for(server, name, lambda span: bool(span["parent_id"] == own["span_id"]))
    assert span["context"]["trace_id"] == own["trace_id"]
    return span


def test_one_trace_leads_from_a_request_to_the_delivery_on_the_other_server(traced: TracedServers) -> None:
    alice, bob = User(traced.urls[0], "alice"), User(traced.urls[1], "bob")
    (conversation,) = alice.call("GET", "/api/conversations")
    client = client_of(traced.urls[1], bob.token)
    assert client.call("join:conversation", conversation["id"]) == {"ok": True}
    alice.call("POST", f"/api/conversations/{conversation['id']}/messages", {"content": CONTENT})
    assert client.wait_for("message:new").data["content"] == CONTENT
    view = traced.wait_for("first", "POST /api/conversations/<conversationId>/messages")
    send = leads_to(traced, "first", view, "send message:new")
    leads_to(traced, "first", send, "deliver message:new")
    deliver = leads_to(traced, "second", send, "deliver message:new")
    assert deliver["attributes"]["flask_realtime.receivers"] == 1
    client.disconnect()


def test_a_clients_event_is_traced_to_the_other_server_and_shows_no_content(traced: TracedServers) -> None:
    alice, bob = User(traced.urls[0], "alice"), User(traced.urls[1], "bob")
    (conversation,) = alice.call("GET", "/api/conversations")
    sender, client = client_of(traced.urls[0], alice.token), client_of(traced.urls[1], bob.token)
    assert client.call("join:conversation", conversation["id"]) == {"ok": True}
    payload = {"conversationId": conversation["id"], "clientId": "1", "content": CONTENT}
    assert sender.call("message:send", payload)["ok"] is True
    assert client.wait_for("message:new").data["content"] == CONTENT
    process = traced.wait_for("first", "process message:send")
    assert process["parent_id"] is None
    send = traced.wait_for("first", "send message:new")
    assert send["context"]["trace_id"] == process["context"]["trace_id"]
    leads_to(traced, "second", send, "deliver message:new")
    sender.disconnect()
    client.disconnect()
    for server in ("first", "second"):
        assert not any(secret in traced.text(server) for secret in (CONTENT, alice.token, bob.token))


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[tuple[Server, Path]]:
    spans = tmp_path / "spans"
    spans.touch()
    with gunicorn("tests.e2e.apps.traced_app:create_app()", {"SPANS": str(spans)}) as server:
        yield server, spans


def test_an_exporter_may_wait_although_events_are_handled_in_the_event_loop(waiting: tuple[Server, Path]) -> None:
    server, spans = waiting
    api = Api(server.url)
    ann, ben = (client_of(server.url, api.token(user_id)) for user_id in ("ann", "ben"))
    for client in (ann, ben):
        assert client.call("join:conversation", "7") == {"ok": True}
    for _ in range(20):
        ann.emit("typing:start", {"conversationId": "7"})
    ben.wait_for_number("typing:start", 20)
    ann.cut()
    ben.wait_for("typing:stop")
    names = ["process typing:start", "send typing:start", "deliver typing:start"]

    def written() -> list[str]:
        return spans.read_text(encoding="utf-8").splitlines()

    assert poll(lambda: [written().count(name) for name in names] == [20] * 3, SECONDS), written()
    assert poll(lambda: "deliver typing:stop" in written(), SECONDS), written()
    ben.disconnect()
    assert not any("Traceback" in line for line in server.lines)
