"""WebSockets on servers with threads, and the refusal of those where a server keeps none."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import simple_websocket
from gevent.event import Event

from flask_realtime.engine import stateless, threads
from flask_realtime.engine.stateless import StatelessRefusal
from flask_realtime.engine.threads import ThreadWebSocket, accept, end_request
from tests.unit.engine.websocket_client import WebSocketClient

SECONDS = 10.0
HANDSHAKE = {
    "REQUEST_METHOD": "GET",
    "HTTP_UPGRADE": "websocket",
    "HTTP_CONNECTION": "Upgrade",
    "HTTP_SEC_WEBSOCKET_KEY": base64.b64encode(bytes(16)).decode(),
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
    "QUERY_STRING": "EIO=4&transport=websocket",
    "PATH_INFO": "/socket.io/",
    "HTTP_HOST": "localhost",
}


class Client(WebSocketClient):
    """A client that shakes hands on a connection that a server hands out."""

    def __init__(self) -> None:
        super().__init__(*socket.socketpair())
        self.environ: dict[str, Any] = {**HANDSHAKE, "werkzeug.socket": self.server}


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client()
    yield client
    client.close()


def test_messages_go_both_ways_until_the_client_ends_it(client: Client) -> None:
    got: list[Any] = []

    def handle(websocket: ThreadWebSocket) -> None:
        websocket.send("answer")
        websocket.send(b"\x01")
        for opcode, data in ((1, b"text"), (2, b"\x00"), (8, b"\x03\xe8")):
            client.send_frame(opcode, data)
        got.extend(iter(websocket.wait, None))
        with pytest.raises(OSError):  # noqa: PT011 - python-engineio looks for no more than that
            websocket.send("late")
        websocket.close()

    server = SimpleNamespace(max_http_buffer_size=100)
    assert list(ThreadWebSocket(handle, server)(client.environ, None)) == []
    client.expect_handshake()
    assert [client.read_frame(), client.read_frame()] == [(1, b"answer"), (2, b"\x01")]
    assert got == ["text", b"\x00"]


def test_the_server_may_end_it(client: Client) -> None:
    ThreadWebSocket(lambda websocket: websocket.close(), SimpleNamespace(max_http_buffer_size=100))(client.environ, None)
    client.expect_handshake()
    assert client.read_frame()[0] == 8


def test_a_message_that_is_too_large_ends_it_for_its_user_too(client: Client) -> None:
    websocket = accept(client.environ, 10)
    client.send_frame(1, b"x" * 10)
    assert websocket.receive(timeout=SECONDS) == "x" * 10
    websocket.event.clear()
    client.send_frame(1, b"x" * 11)
    assert websocket.event.wait(SECONDS), "whoever waits is woken"
    with pytest.raises(simple_websocket.ConnectionClosed):
        websocket.receive(timeout=SECONDS)
    assert websocket.connected is False


def test_where_no_connection_is_handed_out_none_is_opened() -> None:
    with pytest.raises(RuntimeError):
        accept(HANDSHAKE, 10)


def test_gunicorn_has_a_sign_of_its_own() -> None:
    with pytest.raises(StopIteration):
        end_request(SimpleNamespace(mode="gunicorn"), None)


def test_werkzeugs_handler_writes_and_reads_nothing_more(client: Client) -> None:
    read_file = client.server.makefile("rb")
    handler = SimpleNamespace(close_connection=False, wfile=client.server.makefile("wb"), rfile=read_file, connection=client.server)
    handler.wfile.close()
    started: list[Any] = []
    code = compile("def call(self, function, *args):\n    return function(*args)\n", "serving", "exec")
    module: dict[str, Any] = {"__name__": "werkzeug.serving"}
    exec(code, module)  # noqa: S102 - only the name of its module is different
    answer = module["call"](handler, end_request, SimpleNamespace(mode="werkzeug"), lambda *args: started.append(args))
    assert (answer, started) == ((), [("101 Switching Protocols", [])])
    handler.wfile.write(b"nowhere")
    assert (handler.close_connection, read_file.closed) == (True, True)
    assert handler.connection is not client.server
    assert (handler.connection.recv(1), handler.rfile.read()) == (b"", b"")
    connection = handler.connection
    handler.rfile.close()
    assert connection.fileno() == -1
    assert handler.rfile.closed
    client.sock.settimeout(0)
    with pytest.raises(BlockingIOError):
        client.sock.recv(1)


def test_on_another_server_nothing_is_cut_off() -> None:
    assert end_request(SimpleNamespace(mode="eventlet"), lambda *_: pytest.fail("nothing to answer")) == ()
    assert threads._werkzeug_handler() is None


# Refusals ------------------------------------------------------------------------------------------------

REFUSAL = '44{"message":"no","data":{"code":"wrong_server"}}'
REFUSAL_IN_OWN = '44/own,{"message":"no","data":{"code":"wrong_server"}}'


@pytest.fixture
def refusal() -> StatelessRefusal:
    return StatelessRefusal("no", lambda environ: [("X", environ["PATH_INFO"])], code="wrong_server", namespaces=lambda: ["/own"])


def answer(refusal: StatelessRefusal, **environ: Any) -> tuple[str, dict[str, str], bytes]:
    started: list[Any] = []
    body = b"".join(refusal({"PATH_INFO": "/a", "REQUEST_METHOD": "GET", **environ}, lambda *args: started.append(args)))
    ((status, headers),) = started
    return status, dict(headers), body


def test_a_polling_client_gets_its_session_and_the_refusal_at_once(refusal: StatelessRefusal) -> None:
    status, headers, body = answer(refusal, QUERY_STRING="EIO=4&transport=polling")
    opened, refused = body.decode().split("\x1e")
    assert (status, refused, opened[0]) == ("200 OK", REFUSAL, "0")
    greeting = json.loads(opened[1:])
    sid = greeting.pop("sid")
    assert (len(sid), StatelessRefusal.is_refused(sid), StatelessRefusal.is_refused(sid[8:])) == (40, True, False)
    assert greeting == {"upgrades": [], "pingInterval": 25_000, "pingTimeout": 20_000, "maxPayload": 1_000_000}
    assert headers == {
        "Content-Type": "text/plain; charset=UTF-8", "Content-Length": str(len(body)), "Cache-Control": "no-store", "X": "/a",
    }  # fmt: skip


def test_what_a_refused_client_still_asks_is_agreed_to(refusal: StatelessRefusal) -> None:
    assert answer(refusal, QUERY_STRING="sid=x&transport=polling")[::2] == ("200 OK", f"{REFUSAL_IN_OWN}\x1e1".encode())
    for query in ("transport=polling", "sid=x&transport=polling"):
        assert answer(refusal, QUERY_STRING=query, REQUEST_METHOD="POST")[::2] == ("200 OK", b"ok")


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"QUERY_STRING": "transport=websocket&sid=x"}, "400 Bad Request"),
        ({"HTTP_UPGRADE": ""}, "400 Bad Request"),
        ({"HTTP_SEC_WEBSOCKET_KEY": ""}, "400 Bad Request"),
        ({"QUERY_STRING": "sid=x"}, "400 Bad Request"),
        ({}, "501 Not Implemented"),
    ],
)
def test_a_websocket_that_cannot_be_opened_is_answered(refusal: StatelessRefusal, changed: dict[str, str], status: str) -> None:
    assert answer(refusal, **{**HANDSHAKE, **changed})[::2] == (status, b"no")


def test_what_gevent_websocket_opened_gets_the_packets_and_the_end(refusal: StatelessRefusal) -> None:
    sent: list[str] = []
    received = iter(["40", b"40", "2", "40/own,{}", "40/own", None])
    opened = SimpleNamespace(send=sent.append, close=lambda: sent.append("closed"), receive=received.__next__)
    assert list(refusal({**HANDSHAKE, "wsgi.websocket": opened}, None)) == []
    assert (sent[0][:2], sent[1:]) == ("0{", [REFUSAL, REFUSAL_IN_OWN, REFUSAL_IN_OWN, "closed"])


@pytest.mark.parametrize("receive", [Event().wait, lambda: "2"], ids=["silent", "never silent"])
def test_what_gevent_websocket_opened_is_closed_if_the_client_does_not_go(
    refusal: StatelessRefusal, monkeypatch: pytest.MonkeyPatch, receive: Callable[[], str]
) -> None:
    monkeypatch.setattr(stateless, "_PATIENCE", 0.05)
    closed: list[bool] = []
    opened = SimpleNamespace(send=lambda _packet: None, close=lambda: closed.append(True), receive=receive)
    assert list(refusal({**HANDSHAKE, "wsgi.websocket": opened}, None)) == []
    assert closed == [True]


def refuse(refusal: StatelessRefusal, client: Client) -> threading.Thread:
    """Refuse a client, beside it."""
    thread = threading.Thread(target=refusal, args=(client.environ, lambda *_: None), daemon=True)
    client.send_frame(1, b"40{}")
    thread.start()
    client.expect_handshake()
    assert client.read_frame()[1][:2] == b"0{"
    assert client.read_frame() == (1, REFUSAL.encode())
    client.send_frame(1, b"40/own,{}")
    assert client.read_frame() == (1, REFUSAL_IN_OWN.encode())
    return thread


def test_a_client_is_told_why_and_has_the_time_to_go(
    refusal: StatelessRefusal, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stateless, "_PATIENCE", 100 * SECONDS)
    thread = refuse(refusal, client)
    client.send_frame(8, b"\x03\xe8")
    assert client.read_frame()[0] == 8
    thread.join(SECONDS)
    assert not thread.is_alive()


def test_a_client_that_does_not_go_is_sent_away(refusal: StatelessRefusal, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stateless._PATIENCE == 1.0
    monkeypatch.setattr(stateless, "_PATIENCE", 0.05)
    thread = refuse(refusal, client)
    assert client.read_frame()[0] == 8
    thread.join(SECONDS)
    assert not thread.is_alive()
