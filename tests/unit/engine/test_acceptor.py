"""WebSocket requests that have arrived by the time their connections are accepted, and what is left to gevent's handler."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import gevent.socket
import pytest
from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from flask_realtime.engine import accepted
from flask_realtime.engine.accepted import AcceptedSocket, accept, cooperative
from flask_realtime.engine.acceptor import UpgradeAcceptor
from flask_realtime.engine.installing import install_in_worker
from flask_realtime.engine.limits import EngineLimits
from flask_realtime.engine.takeover import UPGRADE

SECONDS = 10.0
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
SHAKE = b"Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" + KEY
TAKEN = b"GET /engine/?EIO=4 HTTP/1.1\r\n" + SHAKE + b"\r\n"
REFUSED = b"GET /engine/?no HTTP/1.1\r\n" + SHAKE + b"\r\n"
ACCEPTED = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


class Worker:
    """A worker of gunicorn's, as far as it is looked at."""

    wsgi_handler: Any = WSGIHandler
    server_class: Any = WSGIServer


class House:
    """A server that accepts nothing before it is opened, so that what clients send has arrived by then.

    Args:
        size: The slots of its pool.
        handler: The class of its handlers.
        server: Its own class.
        limits: What a connection may cost.
    """

    def __init__(self, size: int = 2, handler: Any = WSGIHandler, server: Any = WSGIServer, **limits: Any) -> None:
        worker = Worker()
        worker.wsgi_handler, worker.server_class = handler, server
        install_in_worker(worker, EngineLimits(**{"connect_timeout": SECONDS, **limits}), "/engine/")
        self.kind = worker.wsgi_handler
        self.log = io.StringIO()
        self.seen: list[dict[str, Any]] = []
        self.free: list[int] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self.pool = Pool(size)
        self.clients: list[Any] = []
        listener = gevent.socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        self.address = listener.getsockname()
        options = {"handler_class": self.kind, "spawn": self.pool, "log": self.log, "error_log": self.log}
        self.server: Any = worker.server_class(listener, self.application, **options)

    def send(self, request: bytes) -> Any:
        """Connect, and send something at once."""
        client: Any = gevent.socket.create_connection(self.address)
        self.clients.append(client)
        client.settimeout(SECONDS)
        client.sendall(request)
        return client

    def open(self) -> None:
        """Begin to accept connections."""
        self.server.start()

    def ask(self, request: bytes) -> bytes:
        """Send a request that arrives with its connection, and return all that is answered."""
        client = self.send(request)
        self.open()
        with client, gevent.Timeout(SECONDS):
            return read_all(client)

    def close(self) -> None:
        """Close what is open."""
        for client in self.clients:
            client.close()
        self.server.stop()

    def application(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Accept what is an upgrade, unless its query says no."""
        self.seen.append(environ)
        self.free.append(self.pool.free_count())
        self.meanwhile()
        if UPGRADE in environ and environ["QUERY_STRING"] != "no":
            taken = environ[UPGRADE].take(environ)
            with gevent.socket.socket(fileno=taken.fd) as sock:
                sock.sendall(taken.answer + taken.received)
            return []
        start_response("403 Forbidden", [("Content-Length", "2")])
        return [b"no"]


def read_all(client: Any) -> bytes:
    return b"".join(iter(lambda: client.recv(65_536), b""))


@pytest.fixture
def new_house() -> Iterator[Callable[..., House]]:
    """Makes servers, and stops them at the end."""
    houses: list[House] = []

    def make(*args: Any, **options: Any) -> House:
        houses.append(House(*args, **options))
        return houses[-1]

    yield make
    for house in houses:
        house.close()


@pytest.fixture
def house(new_house: Callable[..., House]) -> House:
    return new_house()


def test_an_upgrade_that_came_with_its_connection_takes_no_slot(house: House) -> None:
    answer = house.ask(TAKEN)
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert ACCEPTED in answer
    assert house.free == [2]
    assert house.log.getvalue() == ""
    assert house.kind.places._waiting == {}


def test_gevents_socket_is_made_only_for_what_needs_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def noting(plain: Any) -> Any:
        made.append(cooperative(plain))
        return made[-1]

    monkeypatch.setattr(accepted, "cooperative", noting)
    assert ACCEPTED in house.ask(TAKEN)
    assert made == []
    assert b" 403 " in read_all(house.send(REFUSED))
    assert len(made) == 1


def test_what_the_application_is_given_of_the_connection_works_like_gevents(house: House) -> None:
    client, lines = house.send(TAKEN), list[Any]()

    def read() -> None:
        environ = house.seen[-1]
        lines.append(environ["gunicorn.sock"].getpeername() == client.getsockname())
        client.sendall(b"one\ntwo\n")
        lines.append(environ["wsgi.input"].readline())
        lines.append(next(iter(environ["wsgi.input"])))

    house.meanwhile = read
    house.kind.get_environ = with_socket(house.kind.get_environ)
    house.open()
    assert ACCEPTED in read_all(client)
    assert lines == [True, b"one\n", b"two\n"]


def with_socket(get_environ: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    return lambda handler: {**get_environ(handler), "gunicorn.sock": handler.socket}


def test_what_has_become_a_websocket_cannot_be_used_any_more() -> None:
    with gevent.socket.socket() as listener, gevent.socket.socket() as client:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client.connect(listener.getsockname())
        taken = accept(listener)
    assert taken is not None
    sock = AcceptedSocket(taken[0])
    os.close(sock.detach())
    with pytest.raises(OSError, match="Bad file descriptor"):
        sock.getpeername()
    sock.close()


def test_a_server_that_accepts_in_a_way_of_its_own_gets_all_of_them(new_house: Callable[..., House]) -> None:
    class Server(WSGIServer):
        def do_read(self) -> Any:
            return super().do_read()

    house = new_house(server=Server)
    assert ACCEPTED in house.ask(TAKEN)
    assert house.free == [1]


@pytest.mark.parametrize("timeout", [0, 1], ids=["that does not block", "with a time-out"])
def test_a_listener_that_nobody_waits_at(timeout: float) -> None:
    with gevent.socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(timeout)
        if timeout:
            with pytest.raises(BlockingIOError):
                accept(listener)
        else:
            assert accept(listener) is None


def test_one_that_comes_later_is_waited_for_in_a_slot(house: House) -> None:
    house.open()
    client = house.send(TAKEN[:-2])
    with gevent.Timeout(SECONDS):
        while not house.kind.places._waiting:
            gevent.sleep(0.001)
    client.sendall(TAKEN[-2:])
    assert ACCEPTED in read_all(client)
    assert house.free == [1]


def test_the_application_sees_the_same_either_way(new_house: Callable[..., House]) -> None:
    request = (
        TAKEN[:-2]
        + b"Cookie: a=1\r\ncookie: b=2\r\nX-Two: 1\r\nX-Two: 2\r\nX_Bad: 1\r\nX-Latin: \xe9\xa0\r\nContent-Type: a\r\n\r\n"
    )
    quick, slow = new_house(), new_house()
    answers = [quick.ask(request)]
    slow.server._upgrades = None
    slow.server.start = lambda: WSGIServer.start(slow.server)
    answers.append(slow.ask(request))
    assert quick.free != slow.free
    assert answers[0] == answers[1]
    seen = [{name: value for name, value in house.seen[0].items() if type(value) in {str, bool}} for house in (quick, slow)]
    differing = {"REMOTE_PORT", "SERVER_PORT"}
    assert seen[0].keys() == seen[1].keys() >= differing | {"HTTP_COOKIE", "HTTP_X_TWO", "HTTP_X_LATIN", "CONTENT_TYPE"}
    assert {name for name in seen[0] if seen[0][name] != seen[1][name]} <= differing


def test_a_refusal_is_answered_and_logged_and_ends_the_connection(house: House) -> None:
    head, _, body = house.ask(REFUSED).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403 ")
    assert b"\r\nConnection: close" in head
    assert body == b"no"
    assert house.free == [2]
    assert '"GET /engine/?no HTTP/1.1" 403' in house.log.getvalue()


def test_a_failure_is_answered_and_the_next_one_is_served(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        msg = "not today"
        raise ValueError(msg)

    house.meanwhile = fail
    monkeypatch.setattr(gevent.get_hub(), "handle_error", lambda *_: None)
    assert house.ask(TAKEN).startswith(b"HTTP/1.1 500 ")
    house.meanwhile = lambda: None
    assert ACCEPTED in read_all(house.send(TAKEN))


def test_what_ends_the_handler_itself_is_reported_and_closes_the_connection(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[Any] = []
    monkeypatch.setattr(gevent.get_hub(), "handle_error", lambda _context, kind, *_: reported.append(kind))
    monkeypatch.setattr(house.kind, "get_environ", lambda _handler: 1 // 0)
    assert house.ask(TAKEN) == b""
    assert reported == [ZeroDivisionError]


LEFT = {
    "another path": TAKEN.replace(b"/engine/", b"/other/"),
    "a path below": TAKEN.replace(b"/engine/", b"/engine/x"),
    "no upgrade": b"GET /engine/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "a last request": TAKEN.replace(b"Connection: Upgrade", b"Connection: Upgrade, close"),
    "another method": TAKEN.replace(b"GET", b"POST"),
    "an old version": TAKEN.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "a body": TAKEN[:-2] + b"Content-Length: 1\r\n\r\nx",
    "a body in chunks": TAKEN[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a question before the body": TAKEN[:-2] + b"Expect: 100-continue\r\n\r\n",
    "something behind": TAKEN + b"\x81\x80abcd",
    "an empty line before": b"\r\n" + TAKEN,
    "no host": TAKEN.replace(b"Host: x\r\n", b""),
    "two hosts": TAKEN.replace(b"Host: x\r\n", b"Host: x\r\nHost: x\r\n"),
    "a folded line": TAKEN[:-2] + b"X: 1\r\n 2\r\n\r\n",
    "a bare line feed": TAKEN.replace(b"Host: x\r\n", b"Host: x\n"),
    "a zero byte": TAKEN.replace(b"Host: x", b"Host: x\0"),
    "a space before the colon": TAKEN.replace(b"Host: x", b"Host : x"),
    "too many fields": TAKEN[:-2] + b"X: 1\r\n" * 96 + b"\r\n",
    "a large head": TAKEN[:-2] + b"X: " + b"x" * 8192 + b"\r\n\r\n",
}


@pytest.mark.parametrize("kind", LEFT)
def test_everything_else_is_left_to_the_handler_unread(house: House, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[bool] = []
    take = UpgradeAcceptor.take

    def noting(acceptor: UpgradeAcceptor, *accepted: Any) -> bool:
        taken.append(take(acceptor, *accepted))
        return taken[-1]

    monkeypatch.setattr(UpgradeAcceptor, "take", noting)
    client = house.send(LEFT[kind])
    house.open()
    with client, gevent.Timeout(SECONDS):
        assert client.recv(12)[:9] == b"HTTP/1.1 "
    assert taken == [False]
    assert not house.free or house.free == [1]


def test_a_head_that_is_longer_than_allowed_is_left_to_the_handler(new_house: Callable[..., House]) -> None:
    assert new_house(max_head=len(TAKEN) - 1).ask(TAKEN).startswith(b"HTTP/1.1 431 ")
    exact = new_house(max_head=len(TAKEN))
    assert ACCEPTED in exact.ask(TAKEN)
    assert exact.free == [2]


def test_a_connection_without_anything_is_left_to_the_handler(house: House) -> None:
    client = house.send(b"")
    house.open()
    with gevent.Timeout(SECONDS):
        while not house.kind.places._waiting:
            gevent.sleep(0.001)
    client.sendall(TAKEN)
    assert ACCEPTED in read_all(client)


def test_one_that_was_cut_already_disturbs_nobody(house: House) -> None:
    client = house.send(b"")
    client.setsockopt(gevent.socket.SOL_SOCKET, gevent.socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    client.close()
    assert ACCEPTED in house.ask(TAKEN)


def test_a_handler_that_reads_requests_in_a_way_of_its_own_gets_all_of_them(new_house: Callable[..., House]) -> None:
    class Reader(WSGIHandler):
        def read_request(self, raw_requestline: str) -> Any:
            return super().read_request(raw_requestline)

    house = new_house(handler=Reader)
    assert ACCEPTED in house.ask(TAKEN)
    assert house.free == [1]


def test_a_server_without_an_engine_gets_all_of_them(house: House) -> None:
    house.kind.engine_paths = ()
    assert ACCEPTED in house.ask(TAKEN)
    assert house.free == [1]


def test_a_server_with_tls_gets_all_of_them(new_house: Callable[..., House]) -> None:
    house = new_house()
    house.server.ssl_args = {}
    house.server.wrap_socket = lambda sock, **_options: sock
    assert ACCEPTED in house.ask(TAKEN)
    assert house.free == [1]


def test_no_more_are_in_progress_than_the_pool_has_free_slots(new_house: Callable[..., House]) -> None:
    house, go_on = new_house(size=2), Event()
    house.meanwhile = lambda: go_on.wait(SECONDS)
    clients = [house.send(TAKEN) for _ in range(3)]
    house.open()
    with gevent.Timeout(SECONDS):
        while len(house.seen) < 3:
            gevent.sleep(0.001)
    assert house.free == [2, 2, 1], "two beside the pool, and the third in it"
    go_on.set()
    assert all(ACCEPTED in read_all(client) for client in clients)


def test_a_server_without_a_pool_takes_them_too(house: House) -> None:
    house.server.pool = None
    assert ACCEPTED in house.ask(TAKEN)
    assert house.free == [2]
