"""Requests on a server in this process: what is read, what is refused, and when a connection ends."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import gevent
import gevent.socket
import pytest
from gevent.pywsgi import WSGIHandler, WSGIServer

from flask_realtime.engine.handler import MAX_REQUEST_LINE
from flask_realtime.engine.installing import before
from flask_realtime.engine.limits import EngineLimits
from flask_realtime.engine.takeover import UPGRADE

SECONDS = 10.0
AHEAD = 2500
GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
SHAKE = (
    b"Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Door:
    """A server, and one connection to it.

    Args:
        limits: What a connection may cost.
    """

    def __init__(self, **limits: Any) -> None:
        self.kind = before(WSGIHandler, EngineLimits(**{"connect_timeout": SECONDS, "keep_alive": SECONDS, **limits}))
        self.kind.engine_paths = ("/engine/",)
        self.log = io.StringIO()
        self.seen: list[dict[str, Any]] = []
        self.body: Callable[[dict[str, Any]], bytes] = lambda environ: environ["wsgi.input"].read()
        self.server: Any = WSGIServer(("127.0.0.1", 0), self.application, handler_class=self.kind, log=self.log, error_log=self.log)
        self.server.start()
        self.client = self.connect()

    def connect(self) -> Any:
        """Open a connection."""
        client: Any = gevent.socket.create_connection(("127.0.0.1", self.server.server_port))
        client.settimeout(SECONDS)
        return client

    def application(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Answer with the body."""
        self.seen.append(environ)
        if UPGRADE in environ and environ["PATH_INFO"].startswith("/taken"):
            taken = environ[UPGRADE].take(environ)
            with gevent.socket.socket(fileno=taken.fd) as sock:
                sock.sendall(taken.answer)
            return []
        data = self.body(environ)
        start_response("200 OK", [("Content-Length", str(len(data))), ("Connection", "x")])
        return [data]

    def ask(self, data: bytes) -> tuple[bytes, bytes]:
        """Send something, and return the head and the body of one answer."""
        self.client.sendall(data)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = self.client.recv(1)
            assert piece, head
            head += piece
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        body = b""
        while len(body) < size:
            body += self.client.recv(size - len(body))
        return head, body

    def ends(self) -> bool:
        """Say whether the server ends the connection, without another word."""
        return bool(self.client.recv(1) == b"")

    def again(self) -> None:
        """Open the connection anew."""
        self.client.close()
        self.client = self.connect()

    def close(self) -> None:
        """Stop."""
        self.client.close()
        self.server.stop(timeout=1)


@pytest.fixture
def doors() -> Iterator[Callable[..., Door]]:
    made: list[Door] = []

    def make(**limits: Any) -> Door:
        made.append(Door(**limits))
        return made[-1]

    yield make
    for door in made:
        door.close()


@pytest.fixture
def door(doors: Callable[..., Door]) -> Door:
    return doors()


def test_requests_follow_each_other_on_one_connection(door: Door) -> None:
    for body in (b"", b"one", b"two"):
        post = b"POST /p?q HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
        head, answer = door.ask(post + body)
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Keep-Alive: timeout=10\r\n" in head
        assert b"Connection: close" not in head
        assert answer == body
        assert (door.seen[-1]["REQUEST_METHOD"], door.seen[-1]["PATH_INFO"], door.seen[-1]["QUERY_STRING"]) == ("POST", "/p", "q")
    assert door.ask(b"\r\n" + GET)[0].startswith(b"HTTP/1.1 200")
    assert door.log.getvalue().count('"POST /p?q HTTP/1.1" 200') == 3


def test_requests_that_are_sent_ahead_let_others_have_theirs_in_between(door: Door) -> None:
    door.client.sendall(GET * AHEAD)
    door.body = lambda environ: environ["PATH_INFO"].encode()
    with closing(door.connect()) as other:
        other.settimeout(SECONDS)
        other.sendall(GET.replace(b"/a", b"/b"))
        assert other.recv(100).startswith(b"HTTP/1.1 200")
    assert len(door.seen) < AHEAD, "gevent runs a thousand of what waits for nothing before it looks at its sockets"


def test_who_gives_way_is_not_answered_what_was_sent_ahead(door: Door) -> None:
    places: Any = door.kind.places

    def hang_up(_environ: dict[str, Any]) -> bytes:
        places.is_leaving = lambda _connection: True
        return b"answer"

    door.body = hang_up
    door.client.sendall(GET * 50)
    received = b""
    with suppress(ConnectionResetError):
        while data := door.client.recv(65_536):
            received += data
    assert received.count(b"HTTP/1.1 200") < 5


def test_a_chunked_body_ends_by_itself(door: Door) -> None:
    post = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    assert door.ask(post)[1] == b"abc"
    assert door.seen[-1]["wsgi.input_terminated"] is True
    assert door.ask(GET)[1] == b""


@pytest.mark.parametrize("bad", [b"3\r\nabcd\r\n", b"x\r\n"])
def test_a_malformed_body_is_answered_and_ends_the_connection(door: Door, bad: bytes) -> None:
    head, _ = door.ask(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + bad)
    assert head.startswith(b"HTTP/1.1 400 ")
    assert door.ends()


@pytest.mark.parametrize("request_", [b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"GET /a HTTP/1.0\r\n\r\n"])
def test_the_last_request_ends_the_connection(door: Door, request_: bytes) -> None:
    head, _ = door.ask(request_)
    assert head.count(b"Connection: ") == 1
    assert b"Connection: close\r\n" in head
    assert b"Keep-Alive" not in head
    assert door.ends()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET a HTTP/1.1\r\nHost: x\r\n\r\n", b"400 Bad Request"),
        (b"GET /a HTTP/1.1\r\n\r\n", b"400 Bad Request"),
        (b"GET /a HTTP/1.1\r\nHost : x\r\n\r\n", b"400 Bad Request"),
        (b"GET /" + b"a" * MAX_REQUEST_LINE, b"414 URI Too Long"),
        (b"GET /a HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 33_000 + b"\r\n\r\n", b"431 Request Header Fields Too Large"),
    ],
)
def test_what_cannot_be_read_is_refused_and_logged(door: Door, request_: bytes, status: bytes) -> None:
    door.ask(GET)
    head, _ = door.ask(request_)
    assert head == b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    gevent.sleep(0.005)
    line = door.log.getvalue().splitlines()[-1]
    assert len(door.seen) == 1
    assert line.startswith("127.0.0.1 - - ")
    assert f'"" {status[:3].decode()} - ' in line, "nothing of the request before"


def test_a_first_line_and_a_head_may_have_so_many_bytes(doors: Callable[..., Door]) -> None:
    door = doors(max_head=9000)
    line = b"GET /%b HTTP/1.1\r\n"
    longest = line % (b"a" * (MAX_REQUEST_LINE - len(line % b"") - 1))
    assert len(longest) == 8191
    assert door.ask(longest + b"Host: x\r\n\r\n")[0].startswith(b"HTTP/1.1 200")
    head = GET[:-2] + b"X: %b\r\n\r\n"
    assert door.ask(head % (b"y" * (9000 - len(head % b""))))[0].startswith(b"HTTP/1.1 200")
    assert door.ask(head % (b"y" * (9001 - len(head % b""))))[0].startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize("sent", [b"", b"GET", b"GET /a HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_that_does_not_come_ends_the_connection(doors: Callable[..., Door], sent: bytes) -> None:
    door = doors(connect_timeout=0.05, keep_alive=100 * SECONDS)
    door.client.sendall(sent)
    assert door.ends()
    door.again()
    door.ask(GET)
    if sent:
        door.client.sendall(sent)
        assert door.ends()


def test_an_idle_connection_ends_and_a_request_under_way_does_not(doors: Callable[..., Door]) -> None:
    door = doors(keep_alive=0.05, connect_timeout=0.05)

    def body(_environ: object) -> bytes:
        gevent.sleep(0.15)
        return b"late"

    door.body = body
    assert door.ask(GET)[1] == b"late"
    assert door.ends()


def test_places_are_given_back_with_the_connection(door: Door) -> None:
    door.ask(GET)
    places = door.kind.places
    assert len(places._idle) == 1
    door.client.close()
    with gevent.Timeout(SECONDS):
        while places._waiting or places._idle:
            gevent.sleep(0.001)


def test_a_request_under_way_does_not_count_as_idle(door: Door) -> None:
    waiting: list[int] = []

    def body(_environ: object) -> bytes:
        waiting.append(len(door.kind.places._waiting))
        return b""

    door.body = body
    door.ask(GET)
    assert waiting == [0]


@pytest.mark.parametrize(("votes", "is_let_go"), [([True], True), ([True, False], False), ([False], False), ([], False)])
def test_a_process_that_is_to_stop_lets_go_where_all_agree(door: Door, votes: list[bool], is_let_go: bool) -> None:  # noqa: FBT001
    door.kind.let_go.extend(lambda environ, vote=vote: vote and environ["PATH_INFO"] == "/a" for vote in votes)  # type: ignore[misc]
    head, _ = door.ask(GET)
    assert (b"Connection: close" in head, b"Keep-Alive" in head) == (is_let_go, not is_let_go)
    if is_let_go:
        assert door.ends()


# WebSockets ----------------------------------------------------------------------------------------------


def test_a_websocket_is_taken_over_and_not_logged(door: Door) -> None:
    head, _ = door.ask(b"GET /taken HTTP/1.1\r\n" + SHAKE)
    assert head.startswith(b"HTTP/1.1 101 ")
    assert door.ends()
    gevent.sleep(0.005)
    assert "/taken" not in door.log.getvalue()


def test_a_websocket_that_nobody_takes_is_answered_as_any_request(door: Door) -> None:
    door.body = lambda _environ: b""
    head, _ = door.ask(b"GET /other HTTP/1.1\r\n" + SHAKE)
    assert head.startswith(b"HTTP/1.1 200 ")
    gevent.sleep(0.005)
    assert '"GET /other HTTP/1.1" 200' in door.log.getvalue()


@pytest.mark.parametrize(
    ("request_", "start"),
    [
        (b"GET /own HTTP/1.1\r\n" + SHAKE.replace(b": 13", b": 12"), b"HTTP/1.1 400 Bad Request\r\n"),
        (b"PUT /own HTTP/1.1\r\n" + SHAKE, b"HTTP/1.1 405 Method Not Allowed\r\n"),
        (b"GET /engine/ HTTP/1.1\r\nContent-Length: 1\r\n" + SHAKE + b"x", b"HTTP/1.1 400 Bad Request\r\n"),
        (b"GET /engine/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + SHAKE + b"0\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n"),
    ],
)
def test_a_handshake_with_a_fault_is_refused_before_the_application(door: Door, request_: bytes, start: bytes) -> None:
    head, body = door.ask(request_)
    assert head.startswith(start)
    assert head.count(b"Connection: close") == 1
    assert body
    assert door.seen == []


def test_the_engine_looks_at_faults_itself(door: Door) -> None:
    door.body = lambda _environ: b""
    assert door.ask(b"GET /engine/ HTTP/1.1\r\n" + SHAKE.replace(b": 13", b": 12"))[0].startswith(b"HTTP/1.1 200 ")
    assert len(door.seen) == 1
