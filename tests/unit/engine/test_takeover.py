"""What is taken along with a connection that becomes a WebSocket, and what its handler is left with."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gevent.socket
import pytest

from flask_realtime.engine.takeover import UPGRADE, Upgrade, take_connection

ENVIRON = {"HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ=="}
ACCEPTED = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"


class TlsSocket(ssl.SSLSocket):
    """A connection that passes for one over TLS."""

    def __init__(self) -> None:
        self.timeouts: list[Any] = []

    def settimeout(self, value: Any) -> None:
        """Note a timeout."""
        self.timeouts.append(value)

    def close(self) -> None:
        """It has nothing to close."""


class Resumed(gevent.socket.socket):
    """A connection that another process has handed over."""

    is_answered = True


@pytest.fixture
def ends() -> Iterator[Any]:
    client, server = gevent.socket.socketpair()
    yield client, server
    client.close()
    server.close()


def handler_of(sock: Any, reader: Any, **more: Any) -> Any:
    options: dict[str, Any] = {"server": SimpleNamespace(pool="the pool"), "close_connection": False, **more}
    return SimpleNamespace(socket=sock, rfile=reader, **options)


def closed(fd: int | None) -> Any:
    """Close a descriptor, and return whether there was one."""
    assert fd is not None
    gevent.socket.socket(fileno=fd).close()
    return True


def test_a_connection_goes_with_what_was_read_and_what_is_to_be_answered(ends: Any) -> None:
    client, sock = ends
    reader, number = sock.makefile("rb"), sock.fileno()
    client.sendall(b"early")
    handler = handler_of(sock, reader)
    upgrade = Upgrade(handler)
    assert not upgrade.is_taken
    taken = take_connection({**ENVIRON, UPGRADE: upgrade})
    assert taken is not None
    assert (taken.fd, taken.tls, taken.received, taken.pool) == (number, None, b"early", "the pool")
    assert taken.answer.startswith(b"HTTP/1.1 101 ")
    assert ACCEPTED in taken.answer
    assert (upgrade.is_taken, handler.close_connection, handler.socket) == (True, True, None)
    reader.close()
    client.sendall(b"late")
    mine = gevent.socket.socket(fileno=taken.fd)
    assert mine.recv(100) in {b"late", b"earlylate"}
    mine.close()
    upgrade.forget()
    with pytest.raises(AttributeError):
        upgrade.take(ENVIRON)


def test_nothing_is_waited_for_where_nothing_came(ends: Any) -> None:
    with gevent.Timeout(10), ends[1].makefile("rb") as reader:
        taken = Upgrade(handler_of(ends[1], reader, server=SimpleNamespace())).take(ENVIRON)
    assert (taken.received, taken.pool) == (b"", None)
    assert closed(taken.fd)


def test_where_all_was_read_the_reader_is_not_asked(ends: Any) -> None:
    taken = Upgrade(handler_of(ends[1], None, is_read_to_the_end=True)).take(ENVIRON)
    assert taken.received == b""
    assert closed(taken.fd)


def test_what_another_process_has_answered_is_not_answered_twice(ends: Any) -> None:
    sock = Resumed(fileno=ends[1].detach())
    taken = Upgrade(handler_of(sock, None, is_read_to_the_end=True)).take(ENVIRON)
    assert taken.answer == b""
    assert closed(taken.fd)


def test_over_tls_the_socket_itself_goes_and_waits_again() -> None:
    sock: Any = TlsSocket()
    handler = handler_of(sock, SimpleNamespace(peek=lambda: b"early"))
    taken = Upgrade(handler).take(ENVIRON)
    assert (taken.fd, taken.tls, taken.received, taken.pool) == (None, sock, b"early", "the pool")
    assert (sock.timeouts, handler.socket) == ([0, None], sock)


def test_a_connection_of_gevent_websockets_is_kept_from_it(ends: Any) -> None:
    sock = ends[1]
    websocket: Any = SimpleNamespace(closed=False, stream="a stream")
    websocket.handler = handler_of(sock, None, is_read_to_the_end=True)
    taken = take_connection({"wsgi.websocket": websocket})
    assert taken is not None
    assert (taken.answer, taken.received, taken.pool) == (b"", b"", "the pool")
    assert (websocket.closed, websocket.stream, websocket.handler.socket) == (True, None, None)
    assert closed(taken.fd)


@pytest.mark.parametrize(
    "websocket", [None, SimpleNamespace(), SimpleNamespace(handler=None), SimpleNamespace(handler=SimpleNamespace(socket=None))]
)
def test_where_there_is_no_connection_none_is_taken(websocket: Any) -> None:
    assert take_connection({"wsgi.websocket": websocket}) is None
