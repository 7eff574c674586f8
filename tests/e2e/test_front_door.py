"""The HTTP front door on real servers: what is malformed is refused, and nobody holds a place for nothing.

Node's server, whose parser is llhttp, refuses the same, but for what is listed beside each exception.
"""

import errno
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from pathlib import Path
from subprocess import run
from time import sleep

import pytest
import requests
import trustme
import websocket

from tests.e2e.api import Api
from tests.e2e.clients import JS_FOLDER
from tests.e2e.conftest import ENGINE_APP, NewId, OpenPolling, ServerWith
from tests.e2e.forks import only_new_processes
from tests.e2e.raw import RawPolling
from tests.e2e.servers import GEVENT_WEBSOCKET, REALTIME, Server, gunicorn, poll, python_module
from tests.e2e.test_tls import write_certificate
from tests.e2e.wire import open_tcp, trickle, upgrade_request

SECONDS = 20.0
PLACES = 20
SMALL_BUFFER = 2048
SLOW_PIECES = 20
HANDSHAKE = "/socket.io/?EIO=4&transport=polling"
QUICK = {"REALTIME_CONNECT_TIMEOUT": 0.5}
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def worker(kind: str, *options: str, ready: str | None = "/ready", **config: object) -> AbstractContextManager[Server]:
    """A server of gunicorn's with that class of worker."""
    environment = {"CONTRACT_APP_CONFIG": json.dumps(config)}
    return gunicorn(ENGINE_APP, environment, "--worker-class", kind, *options, ready=ready)


DOORS: dict[str, Callable[[str | None], AbstractContextManager[Server]]] = {
    "gevent-websocket's worker": lambda ready: worker(GEVENT_WEBSOCKET, ready=ready),
    "gevent-websocket's worker, preloaded": lambda ready: worker(GEVENT_WEBSOCKET, "--preload", ready=ready),
    "RealtimeWorker": lambda ready: worker(REALTIME, ready=ready),
    "RealtimeWorker, preloaded": lambda ready: worker(REALTIME, "--preload", ready=ready),
}


@pytest.fixture(scope="module", params=[GEVENT_WEBSOCKET, REALTIME], ids=["GeventWebSocketWorker", "RealtimeWorker"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with worker(request.param, "--access-logfile", "-") as server:
        yield server


def test_nothing_keeps_what_gevent_patches() -> None:
    with only_new_processes(), worker(REALTIME) as server:
        assert [line for line in server.lines if "MonkeyPatchWarning" in line] == []


def test_a_worker_that_has_hardly_begun_ends_when_it_is_told_to(tmp_path: Path) -> None:
    settings = tmp_path / "settings.py"  # Not those of the other tests' servers, which hold the signal back as well.
    settings.touch()
    with worker(REALTIME, "--config", str(settings), "--graceful-timeout", "60", ready=None) as server:
        server.wait_for_line("Booting worker with pid")
    assert not server.alive  # Nor is it killed: the end of the block fails where it outlives SIGTERM.


def read_to_the_end(tcp: socket.socket) -> bytes:
    """Everything that comes until the server closes the connection."""
    tcp.settimeout(SECONDS)
    received = b""
    with suppress(ConnectionResetError):
        while data := tcp.recv(65_536):
            received += data
    return received


def exchange(url: str, request: bytes) -> bytes:
    """Send bytes, and read until the server closes the connection."""
    with closing(open_tcp(url)) as tcp:
        tcp.sendall(request)
        return read_to_the_end(tcp)


def head(*lines: str, target: str = "/ready", method: str = "GET", version: str = "HTTP/1.1") -> bytes:
    """A request's head with a Host."""
    return "".join(f"{line}\r\n" for line in (f"{method} {target} {version}", "Host: localhost", *lines, "")).encode("latin-1")


def answered(tcp: socket.socket, request: bytes, end: bytes = b"ready") -> bytes:
    """Send a request whose answer ends so, on a connection that stays open."""
    tcp.settimeout(SECONDS)
    tcp.sendall(request)
    received = b""
    while not received.endswith(end):
        data = tcp.recv(65_536)
        assert data, f"closed after {received!r}"
        received += data
    return received


# What is malformed ------------------------------------------------------------------------------------

POST = {"method": "POST", "target": "/body"}
MALFORMED = {
    "two lengths": head("Content-Length: 5", "Content-Length: 6", **POST) + b"123456",
    "a length twice": head("Content-Length: 5", "Content-Length: 5", **POST) + b"12345",
    "a list of lengths": head("Content-Length: 5, 5", **POST) + b"12345",
    "a length and chunks": head("Content-Length: 5", "Transfer-Encoding: chunked", **POST) + b"0\r\n\r\n",
    "chunks and a length": head("Transfer-Encoding: chunked", "Content-Length: 5", **POST) + b"0\r\n\r\n",
    "chunked twice": head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", **POST) + b"0\r\n\r\n",
    "chunked, and not last": head("Transfer-Encoding: chunked, identity", **POST) + b"0\r\n\r\n",
    "a coding that is not known": head("Transfer-Encoding: xchunked", **POST) + b"0\r\n\r\n",
    "a coding before chunked": head("Transfer-Encoding: gzip, chunked", **POST) + b"0\r\n\r\n",  # Node hands it on.
    "chunks in HTTP/1.0": head("Transfer-Encoding: chunked", version="HTTP/1.0", **POST) + b"0\r\n\r\n",  # Node closes later.
    "a length of +5": head("Content-Length: +5", **POST) + b"12345",
    "a length of -5": head("Content-Length: -5", **POST),
    "a length of 1_0": head("Content-Length: 1_0", **POST) + b"1234567890",
    "a length of 0x5": head("Content-Length: 0x5", **POST) + b"12345",
    "a length of nothing": head("Content-Length:", **POST),
    "a length in other digits": head("Content-Length: \u00b2", **POST) + b"12",
    "a length without end": head("Content-Length: " + "9" * 30, **POST),
    "a bare line feed": b"GET /ready HTTP/1.1\nHost: localhost\n\n",
    "a bare line feed behind a header": b"GET /ready HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n",
    "a bare carriage return": head("X: a\rb"),
    "NUL in a value": head("X: a\0b"),
    "NUL in a name": head("X\0: a"),
    "a control character": head("X: a\x1bb"),
    "DEL": head("X: a\x7fb"),
    "a blank before the colon": head("X : a"),
    "a tab before the colon": head("X\t: a"),
    "a name with brackets": head("X(y): a"),
    "a name beyond ASCII": head("X\u00e9: a"),
    "no name": head(": a"),
    "no colon": head("X"),
    "a folded header": head("X: a", " b"),
    "a folded coding": head("Transfer-Encoding:", " chunked", **POST) + b"0\r\n\r\n",
    "a blank first header": b"GET /ready HTTP/1.1\r\n Host: localhost\r\n\r\n",
    "no host": b"GET /ready HTTP/1.1\r\n\r\n",
    "two hosts": head("Host: elsewhere"),  # Node takes the first.
    "a host that is none": b"GET /ready HTTP/1.1\r\nHost: a@b/c\r\n\r\n",  # Node does not look at it.
    "HTTP/0.9": b"GET /ready\r\n",  # Node answers.
    "HTTP/0.9 by name": head(version="HTTP/0.9"),  # Node answers.
    "HTTP/1.2": head(version="HTTP/1.2"),
    "HTTP/2.0": head(version="HTTP/2.0"),  # Node answers.
    "HTTP/1_1.1": head(version="HTTP/1_1.1"),
    "a version in small letters": head(version="http/1.1"),
    "two blanks": b"GET  /ready HTTP/1.1\r\nHost: localhost\r\n\r\n",  # Node takes them.
    "a blank behind the version": head(version="HTTP/1.1 "),
    "a blank before the method": b" GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "tabs for blanks": b"GET\t/ready\tHTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no slash": head(target="ready"),
    "a target beyond ASCII": head(target="/\u00e9"),
    "a control character in the target": head(target="/\x1b"),
    "CONNECT": head(method="CONNECT", target="localhost:80"),
    "a method that is none": head(method="G(T"),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "an end too soon": b"GET /ready HTTP/1.1\r\nHost: localhost\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_head_is_refused_and_nothing_behind_it_is_read(server: Server, name: str) -> None:
    with closing(open_tcp(server.url)) as tcp:
        tcp.sendall(MALFORMED[name] + (b"" if name == "an end too soon" else head(target="/smuggled")))
        if name == "an end too soon":
            tcp.shutdown(socket.SHUT_WR)
        assert read_to_the_end(tcp) == BAD_REQUEST


def test_a_malformed_head_is_refused_on_a_connection_that_had_another_before_it(server: Server) -> None:
    with closing(open_tcp(server.url)) as tcp:
        assert answered(tcp, head()).startswith(b"HTTP/1.1 200 OK\r\n")
        tcp.sendall(head("X : a"))
        assert read_to_the_end(tcp) == BAD_REQUEST


@pytest.mark.parametrize("name", ["a blank before the colon", "two lengths", "a folded header"])
def test_it_is_refused_as_soon_as_it_shows(server: Server, name: str) -> None:
    """What is wrong with a head that comes in pieces does not wait for its end."""
    first, _, rest = MALFORMED[name].partition(b"\r\n")
    with closing(open_tcp(server.url)) as tcp:
        tcp.sendall(first + b"\r\n")
        assert requests.get(f"{server.url}/ready", timeout=SECONDS).ok
        tcp.sendall(rest)
        assert read_to_the_end(tcp) == BAD_REQUEST


def test_nobody_reads_of_it_in_the_log(server: Server) -> None:
    before = len(server.lines)
    for request in MALFORMED.values():
        with closing(open_tcp(server.url)) as tcp:
            tcp.sendall(request)
            tcp.shutdown(socket.SHUT_WR)
            assert read_to_the_end(tcp) == BAD_REQUEST
    lines = server.lines[before:]
    assert all('"' in line for line in lines), lines  # The access log's, one for each.
    assert not [line for line in lines if "\x1b" in line or "localhost" in line or "Traceback" in line]


@pytest.mark.parametrize("door", DOORS)
def test_the_very_first_request_is_looked_at_as_any_other(door: str) -> None:
    with DOORS[door](None) as server:
        assert exchange(server.url, head("X : a")) == BAD_REQUEST
        assert exchange(server.url, upgrade_request(server.url, "EIO=4&transport=websocket&sid=nobody")).startswith(
            b"HTTP/1.1 400 Bad Request\r\n"
        )


def test_the_first_request_to_realtime_run_is_looked_at_as_any_other() -> None:
    with python_module("tests.e2e.apps.engine_app", {"CONTRACT_APP_CONFIG": "{}"}, ready=None) as server:
        assert poll(lambda: can_connect(server.url), SECONDS)
        assert exchange(server.url, head("X : a")) == BAD_REQUEST


def can_connect(url: str) -> bool:
    """Whether somebody listens there."""
    with suppress(ConnectionRefusedError), closing(open_tcp(url)):
        return True
    return False


@pytest.mark.parametrize(
    "request_",
    [
        head("X: caf\u00e9\ttab", "Connection: close"),
        b"\r\n" + head("Connection: close"),
        head("connection: CLOSE"),
        head("Connection: keep-alive, close"),
        head(version="HTTP/1.0"),
        b"GET /ready HTTP/1.0\r\n\r\n",
        head("Connection: close", *(f"X-{number}: y" for number in range(98))),
        head("Connection: close", target="/ready?a=[1]|{2}'\"<>^`\\"),
        b"GET /ready HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n",
        b"GET /ready HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n",
        head("Connection: close", "X:"),
        head("Connection: close", "Content-Length: 0 \t"),
    ],
    ids=lambda request: repr(request)[-60:],
)
def test_what_is_well_formed_is_answered_and_the_end_is_told(server: Server, request_: bytes) -> None:
    received = exchange(server.url, request_)
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"\r\n\r\nready")
    assert received.count(b"Connection: close\r\n") == 1
    assert b"Keep-Alive" not in received


# Bodies -----------------------------------------------------------------------------------------------

CHUNKED = head("Transfer-Encoding: chunked", "Connection: close", **POST)


@pytest.mark.parametrize(
    "chunks",
    [
        b"5\r\nhello\r\n0\r\n\r\n",
        b"2\r\nhe\r\n3;name=value\r\nllo\r\n0\r\nX: trailer\r\n\r\n",
        b"005;x\r\nhello\r\n000\r\n\r\n",
    ],
)
def test_chunks_are_read(server: Server, chunks: bytes) -> None:
    assert exchange(server.url, CHUNKED + chunks).endswith(b"\r\n\r\nhello")


@pytest.mark.parametrize(
    "chunks",
    [
        b"5;x\nhello\r\n0\r\n\r\n",
        b"5\nhello\n0\n\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"0_5\r\nhello\r\n0\r\n\r\n",
        b"\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello!\r\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"00000000000000005\r\nhello\r\n0\r\n\r\n",  # 17 digits; Node takes them.
        b"5;" + b"x" * 1100 + b"\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\nX : trailer\r\n\r\n",
        b"5\r\nhello\r\n0\r\nX: a\nY: b\r\n\r\n",
        b"5\r\nhello\r\n0\r\n" + b"X: y\r\n" * 65 + b"\r\n",
    ],
    ids=lambda chunks: repr(chunks)[:40],
)
def test_chunks_that_can_be_understood_in_two_ways_are_refused(server: Server, chunks: bytes) -> None:
    request = head("Transfer-Encoding: chunked", **POST)
    received = exchange(server.url, request + chunks + head(target="/smuggled"))
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.count(b"HTTP/1.1") == 1


def test_what_follows_a_body_is_the_next_request(server: Server) -> None:
    """With an upgrade that is none, gevent would have read the body a second time."""
    first = head("Content-Length: 5", "Upgrade: websocket", **POST) + b"hello"
    received = exchange(server.url, first + head("Connection: close"))
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert received.endswith(b"ready")


def test_an_application_gets_no_half_body_and_no_connection_waits_for_the_rest(engine_with: ServerWith) -> None:
    received = exchange(engine_with(**QUICK).url, head("Content-Length: 1000", **POST) + b"half")
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"Connection: close\r\n" in received


@pytest.mark.parametrize("lines", [["Content-Length: 100000"], ["Transfer-Encoding: chunked"]])
def test_a_body_that_comes_byte_by_byte_is_given_up(engine_with: ServerWith, lines: list[str]) -> None:
    with closing(open_tcp(engine_with(**QUICK).url)) as tcp, suppress(ConnectionError):
        tcp.sendall(head(*lines, **POST) + (b"" if "Content-Length" in lines[0] else b"ffff\r\n"))
        assert trickle(tcp, b"x").startswith(b"HTTP/1.1 400 ")


def test_a_member_who_stops_in_a_post_is_timed_out(open_polling: OpenPolling, engine_with: ServerWith, new_id: NewId) -> None:
    """The time-out of pings holds, also where a POST's body could come for much longer."""
    api = engine_with(REALTIME_PING_INTERVAL=0.3, REALTIME_PING_TIMEOUT=0.4)
    user, polling = new_id("ann"), open_polling(api.url)
    polling.post("40" + json.dumps({"token": api.token(user)}))
    polling.receive_until("40")
    target = f"{HANDSHAKE}&sid={polling.handshake['sid']}"
    with closing(open_tcp(api.url)) as tcp:
        tcp.sendall(head("Content-Length: 1000", method="POST", target=target) + b"4")
        while polling.poll() != ["1"]:  # A pong would be a second POST.
            pass
        assert api.wait_for_hook("disconnect", user)
        assert read_to_the_end(tcp) == b""


# The size of a head -----------------------------------------------------------------------------------


def padded(size: int) -> bytes:
    """A head of that many bytes."""
    return head("Connection: close", "X: " + "x" * (size - len(head("Connection: close", "X: "))))


def test_a_head_has_32_kib_at_most(server: Server) -> None:
    assert exchange(server.url, padded(32_768)).startswith(b"HTTP/1.1 200 OK\r\n")
    assert exchange(server.url, padded(32_769)) == TOO_LARGE
    assert exchange(server.url, padded(60_000)).startswith(TOO_LARGE[:20])


def test_a_head_has_100_fields_at_most(server: Server) -> None:
    assert exchange(server.url, head(*(f"X-{number}: y" for number in range(100)))) == TOO_LARGE


def test_a_target_has_an_end(server: Server) -> None:
    assert exchange(server.url, head(target="/" + "x" * 9000)).startswith(b"HTTP/1.1 414 ")


@pytest.mark.parametrize("kind", [GEVENT_WEBSOCKET, REALTIME])
def test_an_application_may_allow_less(kind: str) -> None:
    with worker(kind, ready=None, REALTIME_MAX_HEAD_BYTES=500) as server:
        assert exchange(server.url, padded(501)) == TOO_LARGE
        assert exchange(server.url, padded(500)).startswith(b"HTTP/1.1 200 OK\r\n")


# How long a connection stays --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/ready"),
        ("GET", "/nowhere"),
        ("GET", HANDSHAKE),
        ("GET", "/socket.io/?EIO=4&transport=polling&sid=nobody"),
        ("OPTIONS", HANDSHAKE),
        ("GET", "/static/nothing"),
    ],
)
@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_an_answer_says_whether_its_connection_ends(server: Server, method: str, target: str, version: str) -> None:
    request = head("Connection: close", method=method, target=target, version=version)
    assert exchange(server.url, request).count(b"Connection: close\r\n") == 1
    with closing(open_tcp(server.url)) as tcp:
        tcp.sendall(head("Connection: keep-alive", method=method, target=target, version=version) + head("Connection: close"))
        first, _, second = read_to_the_end(tcp).partition(b"\r\n\r\n")
    assert b"Keep-Alive: timeout=75" in first
    assert b"Connection: close" not in first
    assert second.count(b"Connection: close\r\n") == 1


FETCH = """
for (let number = 0; number < 10; number += 1) {
  const answer = await fetch(process.argv[1], { headers: { connection: "close" } });
  console.log(answer.status, answer.headers.get("connection"), (await answer.text()).length > 0);
}
"""


@pytest.mark.parametrize("target", ["/ready", HANDSHAKE])
def test_nodes_fetch_goes_on_over_connections_that_close(server: Server, target: str) -> None:
    command = ["node", "--input-type=module", "--eval", FETCH, server.url + target]
    done = run(command, capture_output=True, text=True, timeout=SECONDS, check=False, cwd=JS_FOLDER)
    assert done.stdout.splitlines() == ["200 close true"] * 10, done.stderr


def test_an_idle_connection_is_closed_after_the_time_that_it_was_told(engine_with: ServerWith) -> None:
    api = engine_with(REALTIME_KEEP_ALIVE=1.5)
    with closing(open_tcp(api.url)) as tcp:
        for _ in range(2):
            assert b"Keep-Alive: timeout=1\r\n" in answered(tcp, head())
        assert read_to_the_end(tcp) == b""


# Places -----------------------------------------------------------------------------------------------


def hold_idle(tcp: socket.socket, _url: str) -> None:
    """Send a request, and no other."""
    answered(tcp, head())


def hold_silent(_tcp: socket.socket, _url: str) -> None:
    """Send nothing."""


def hold_half_a_line(tcp: socket.socket, _url: str) -> None:
    """Send half a first line."""
    tcp.sendall(b"GET /rea")


def hold_half_a_head(tcp: socket.socket, _url: str) -> None:
    """Send half a head."""
    tcp.sendall(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n")


def hold_half_a_body(tcp: socket.socket, _url: str) -> None:
    """Send half a body."""
    tcp.sendall(head("Content-Length: 1000", **POST) + b"half")


def hold_half_a_chunk(tcp: socket.socket, _url: str) -> None:
    """Send half a chunk."""
    tcp.sendall(head("Transfer-Encoding: chunked", **POST) + b"ff\r\nhalf")


def hold_poll(tcp: socket.socket, _url: str) -> None:
    """Open a session and poll it, and connect to nothing."""
    tcp.sendall(head(target=f"{HANDSHAKE}&sid={handshake(tcp)}"))


def handshake(tcp: socket.socket) -> str:
    """Open a session."""
    received = answered(tcp, head(target=HANDSHAKE), b"}")
    sid: str = json.loads(received[received.index(b"0{") + 1 :])["sid"]
    return sid


def hold_unread(tcp: socket.socket, _url: str) -> None:
    """Ask again and again, and read no answer."""
    tcp.settimeout(0)
    with suppress(BlockingIOError, ssl.SSLWantWriteError):
        while True:  # Ends as soon as the server, which cannot send, reads no more.
            tcp.send(head() * 1000)


def hold_members_poll(tcp: socket.socket, token: str) -> None:
    """Open a session, connect, and poll until there is nothing."""
    target, connect = f"{HANDSHAKE}&sid={handshake(tcp)}", "40" + json.dumps({"token": token})
    answered(tcp, head(f"Content-Length: {len(connect)}", target=target, method="POST") + connect.encode(), b"ok")
    answered(tcp, head(target=target), b"}")
    tcp.sendall(head(target=target))


HOLDS = [hold_idle, hold_silent, hold_half_a_line, hold_half_a_head, hold_half_a_body, hold_half_a_chunk, hold_poll, hold_unread]


@pytest.fixture(scope="module", params=[GEVENT_WEBSOCKET, REALTIME], ids=["GeventWebSocketWorker", "RealtimeWorker"])
def small_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with worker(request.param, "--worker-connections", str(PLACES)) as server:
        yield server


@pytest.mark.parametrize("hold", HOLDS, ids=lambda hold: hold.__name__)
def test_others_are_served_while_connections_hold_every_place(
    small_server: Server, hold: Callable[[socket.socket, str], None]
) -> None:
    url = small_server.url
    with ExitStack() as stack:
        for _ in range(3 * PLACES):
            hold(stack.enter_context(closing(open_tcp(url, receive_buffer=SMALL_BUFFER))), url)
        for _ in range(5):
            assert requests.get(f"{url}/ready", timeout=SECONDS).text == "ready"
        session = stack.enter_context(closing(RawPolling(url)))
        session.post("40" + json.dumps({"token": Api(url).token()}))
        assert session.receive_until("40")
    assert not any("Traceback" in line for line in small_server.lines)


@pytest.mark.parametrize("kind", [GEVENT_WEBSOCKET, REALTIME])
def test_others_are_served_while_polls_of_members_hold_every_place(kind: str) -> None:
    """The longest is answered with nothing, and its client told to poll on another connection."""
    with worker(kind, "--worker-connections", str(PLACES)) as server, ExitStack() as stack:
        url = server.url
        token, polling = Api(url).token(), []
        for _ in range(PLACES):
            polling.append(stack.enter_context(closing(open_tcp(url))))
            hold_members_poll(polling[-1], token)
        assert requests.get(f"{url}/ready", timeout=SECONDS).text == "ready"
        first = read_to_the_end(polling[0])
        assert first.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Connection: close\r\n" in first
        assert first.endswith(b"\r\n\r\n6")


@pytest.mark.parametrize("kind", [GEVENT_WEBSOCKET, REALTIME])
def test_who_has_just_come_does_not_give_way_to_who_was_served(kind: str) -> None:
    with worker(kind, "--worker-connections", str(PLACES), ready=None) as server, ExitStack() as stack:
        polling = [stack.enter_context(closing(open_tcp(server.url))) for _ in range(PLACES - 1)]
        for tcp in polling:
            hold_poll(tcp, server.url)
        newcomer = stack.enter_context(closing(open_tcp(server.url)))  # Takes the last place, for which a session ends.
        assert b"HTTP/1.1 200" in read_to_the_end(polling[0])
        answered(newcomer, head())


@pytest.mark.parametrize("kind", [GEVENT_WEBSOCKET, REALTIME])
def test_of_idle_connections_the_longest_idle_gives_way(kind: str) -> None:
    with worker(kind, "--worker-connections", str(PLACES), ready=None) as server, ExitStack() as stack:
        idle = [stack.enter_context(closing(open_tcp(server.url))) for _ in range(PLACES - 1)]
        for tcp in [*idle, *idle[1:]]:  # So that the first one has waited longest, and then the second.
            answered(tcp, head())
        for number in range(3):
            answered(stack.enter_context(closing(open_tcp(server.url))), head())
            assert read_to_the_end(idle[number]) == b""
        answered(idle[3], head())


def test_silent_peers_give_way_before_their_tls_handshake_too(tmp_path: Path) -> None:
    options = write_certificate(trustme.CA(), tmp_path)
    environment = {"CONTRACT_APP_CONFIG": "{}"}
    kinds = ["--worker-class", REALTIME, "--worker-connections", str(PLACES)]
    with gunicorn(ENGINE_APP, environment, *kinds, *options, ready=None, scheme="https") as server, ExitStack() as stack:
        assert poll(lambda: can_connect(server.url.replace("https", "http")), SECONDS)
        for _ in range(2 * PLACES):
            stack.enter_context(closing(open_tcp(server.url.replace("https", "http"))))
        with closing(open_tcp(server.url)) as tcp:
            answered(tcp, head())


# Answers ----------------------------------------------------------------------------------------------


def test_who_does_not_read_an_answer_is_given_up(engine_with: ServerWith) -> None:
    with closing(open_tcp(engine_with(**QUICK).url, receive_buffer=SMALL_BUFFER)) as tcp:
        hold_unread(tcp, "")
        assert poll(lambda: is_reset(tcp), SECONDS)


def test_who_does_not_read_over_tls_is_given_up_too(tmp_path: Path) -> None:
    options = write_certificate(trustme.CA(), tmp_path)
    environment = {"CONTRACT_APP_CONFIG": json.dumps(QUICK)}
    with gunicorn(ENGINE_APP, environment, "--worker-class", REALTIME, *options, ready=None, scheme="https") as server:
        assert poll(lambda: can_connect(server.url.replace("https", "http")), SECONDS)
        with closing(open_tcp(server.url)) as tcp:
            answered(tcp, head())  # Until a first request, the server has the time-outs of no application.
        with closing(open_tcp(server.url, receive_buffer=SMALL_BUFFER)) as tcp:
            hold_unread(tcp, "")
            assert poll(lambda: is_reset(tcp), SECONDS)
        assert not any("engine/answer.py" in line for line in server.lines), "an error that nobody handled"


def is_reset(tcp: socket.socket) -> bool:
    """Whether the server has reset the connection."""
    return tcp.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET


def test_who_reads_a_large_answer_slowly_gets_all_of_it(engine_with: ServerWith) -> None:
    body = bytes(4_000_000)
    with closing(open_tcp(engine_with(**QUICK).url, receive_buffer=SMALL_BUFFER)) as tcp:
        tcp.sendall(head(f"Content-Length: {len(body)}", "Connection: close", **POST) + body)
        received, pieces = 0, 0
        while data := tcp.recv(65_536):
            received, pieces = received + len(data), pieces + 1
            if pieces < SLOW_PIECES:
                sleep(QUICK["REALTIME_CONNECT_TIMEOUT"] / 5)
    assert received > len(body)


# Upgrades ---------------------------------------------------------------------------------------------


def upgrade(url: str, target: str, headers: dict[str, str] | None = None, behind: bytes = b"") -> bytes:
    """Ask for a WebSocket at some path, and read until the connection ends."""
    request = upgrade_request(url, "", headers).replace(b"/socket.io/?", target.encode())
    with closing(open_tcp(url)) as tcp:
        tcp.sendall(request + behind)
        tcp.shutdown(socket.SHUT_WR)
        return read_to_the_end(tcp)


@pytest.mark.parametrize(("target", "status"), [("/nowhere", 404), ("/socket.io-of-nobody/", 404), ("/ready", 400)])
def test_an_upgrade_of_another_path_is_answered_by_the_application(server: Server, target: str, status: int) -> None:
    before = len(server.lines)
    received = upgrade(server.url, target)
    assert received.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Content-Length: " in received
    assert "Traceback" not in "\n".join(server.lines[before:])


@pytest.mark.parametrize("target", ["/nowhere", "/ready", "/own-websocket"])
@pytest.mark.parametrize(
    "headers",
    [{"Sec-WebSocket-Key": "?"}, {"Sec-WebSocket-Key": "\u00e9"}, {"Sec-WebSocket-Version": "7"}, {"Sec-WebSocket-Version": ""}],
    ids=str,
)
def test_a_malformed_upgrade_of_another_path_is_refused(server: Server, target: str, headers: dict[str, str]) -> None:
    before = len(server.lines)
    received = upgrade(server.url, target, headers)
    assert received.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"Connection: close\r\n" in received
    assert "Traceback" not in "\n".join(server.lines[before:])


def test_an_upgrade_with_a_body_is_refused(server: Server) -> None:
    for target in ("/own-websocket", "/socket.io/?EIO=4&transport=websocket"):
        assert upgrade(server.url, target, {"Content-Length": "5"}, b"hello").startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_an_applications_own_websocket_may_be_the_first_request(open_polling: OpenPolling) -> None:
    with worker(GEVENT_WEBSOCKET, ready=None) as server:
        own = websocket.create_connection(server.url.replace("http", "ws") + "/own-websocket", timeout=SECONDS)
        own.send("one")
        assert own.recv() == "echo: one"
        own.close()
        assert open_polling(server.url).handshake["sid"]


# The worker -------------------------------------------------------------------------------------------


def test_the_worker_needs_nothing_of_gevent_websocket(tmp_path: Path, open_polling: OpenPolling) -> None:
    (tmp_path / "geventwebsocket.py").write_text("raise ImportError('it is not there')\n")
    environment = {"CONTRACT_APP_CONFIG": "{}", "PYTHONPATH": str(tmp_path)}
    with gunicorn(ENGINE_APP, environment, "--worker-class", REALTIME) as server:
        api, polling = Api(server.url), open_polling(server.url)
        assert polling.handshake["upgrades"] == ["websocket"]
        target = server.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"
        connection = websocket.create_connection(target, timeout=SECONDS)
        assert str(connection.recv()).startswith("0{")
        connection.send("40" + json.dumps({"token": api.token()}))
        assert str(connection.recv()).startswith("40{")
        connection.close()
