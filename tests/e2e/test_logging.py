"""The lines of a server's life as JSON: each with the ids that join it to the others, and no secrets."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clients import PyClient, Refused
from tests.e2e.example import User, environment
from tests.e2e.servers import Server, gunicorn, poll

SECONDS = 30.0
CONTENT = "the price is 4711"

Line = dict[str, Any]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    variables = {**environment(tmp_path), "LOG_FORMAT": "json", "LOG_LEVEL": "DEBUG", "TRACES_FOLDER": str(tmp_path)}
    with gunicorn("example_app:app", variables, ready="/healthz") as running:
        yield running


def lines(server: Server, **fields: Any) -> list[Line]:
    """What the server has logged as JSON, with these values in it."""
    found = [json.loads(line) for line in server.lines if line.startswith("{")]
    return [line for line in found if fields.items() <= line.items()]


def wait_for(server: Server, **fields: Any) -> Line:
    assert poll(lambda: bool(lines(server, **fields)), SECONDS), (fields, server.lines[-30:])
    return lines(server, **fields)[0]


def connect(server: Server, token: str) -> PyClient:
    return PyClient(server.url, {"auth": {"token": token}, "transports": ["websocket"]})


def test_the_lines_of_one_connection_have_its_id_and_none_a_secret(server: Server) -> None:
    wait_for(server, action="serving", path="/socket.io/")
    alice = User(server.url, "alice")
    (conversation,) = alice.call("GET", "/api/conversations")
    client = connect(server, alice.token)
    own = {"connection": client.sid, "user": alice.id}
    assert client.call("join:conversation", conversation["id"]) == {"ok": True}
    message = {"conversationId": conversation["id"], "clientId": "1", "content": CONTENT}
    assert client.call("message:send", message)["ok"] is True
    assert client.call("leave:conversation", conversation["id"]) == {"ok": True}
    assert "error" in client.call("join:conversation", "none")
    alice.call("POST", "/api/auth/logout")
    client.wait_for_disconnect()
    assert wait_for(server, action="connected", **own)["transport"] == "websocket"
    for action in ("joined", "left"):
        assert wait_for(server, action=action, **own)["conversation"] == conversation["id"]
    failed = wait_for(server, action="failed", **own)
    assert (failed["event"], failed["code"], failed["level"]) == ("join:conversation", "forbidden", "INFO")
    assert len(failed["trace_id"]) == 32
    ended = wait_for(server, action="disconnected", **own)
    assert (ended["reason"], ended["namespace"]) == ("server disconnect", "/")
    assert 0 <= ended["seconds"] < SECONDS
    with pytest.raises(Refused):
        connect(server, "nonsense")
    assert wait_for(server, action="refused")["code"] == "token_malformed"
    text = "\n".join(server.lines)
    assert not any(secret in text for secret in (CONTENT, alice.token, alice.token.rpartition(".")[2][:20]))


def test_a_server_s_end_is_logged_step_by_step(server: Server) -> None:
    with ExitStack() as stack:
        alice = User(server.url, "alice")
        client = connect(server, alice.token)
        stack.callback(client.release)
        serving = wait_for(server, action="serving")
        os.kill(serving["process"], signal.SIGTERM)
        assert wait_for(server, action="draining", process=serving["process"])["connections"] == 1
        assert wait_for(server, action="disconnected", user=alice.id)["reason"] == "server shutting down"
        assert wait_for(server, action="stopped", process=serving["process"])["connections"] == 0


def test_what_clients_cause_is_counted_where_it_is_too_much(server: Server) -> None:
    alice = User(server.url, "alice")
    client = connect(server, alice.token)
    for _ in range(40):
        assert "error" in client.call("join:conversation", "none")
    left_out = wait_for(server, action="left out", peer=f"user {alice.id}")
    assert left_out["level"] == "WARNING"
    written = len(lines(server, action="failed")) + len(lines(server, action="connected"))
    assert written + left_out["lines"] >= 40
    assert left_out["lines"] > 0
    client.disconnect()
