"""A client that hangs up during its request is noticed; one that sends the next one early is not taken for that."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import gevent.socket
import pytest

from flask_realtime.engine.hangup import hang_up, watch_for_hangup

SECONDS = 10.0


class Connection:
    """A request's connection."""

    def __init__(self) -> None:
        with gevent.socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(1)
            self.client: Any = gevent.socket.socket()
            self.client.connect(listener.getsockname())
            self.server, _ = listener.accept()
        self.reader = self.server.makefile("rb")
        self.environ = {"wsgi.input": SimpleNamespace(rfile=self.reader)}
        self.calls: list[str] = []

    def watch(self) -> Any:
        """Watch it."""
        return watch_for_hangup(self.environ, lambda: self.calls.append("hung up"))

    def close(self) -> None:
        """Close everything."""
        for item in (self.client, self.reader, self.server):
            item.close()


@pytest.fixture
def connection() -> Iterator[Connection]:
    connection = Connection()
    yield connection
    connection.close()


def settle() -> None:
    """Let the event loop see what there is."""
    for _ in range(5):
        gevent.sleep(0.002)


def until_called(connection: Connection) -> None:
    with gevent.Timeout(SECONDS):
        while not connection.calls:
            gevent.sleep(0.001)


def test_a_client_that_closes_is_noticed_once(connection: Connection) -> None:
    with connection.watch():
        settle()
        assert connection.calls == []
        connection.client.close()
        until_called(connection)
        settle()
    assert connection.calls == ["hung up"]


def test_a_client_that_resets_is_noticed(connection: Connection) -> None:
    with connection.watch():
        linger = struct.pack("ii", 1, 0)
        connection.client.setsockopt(gevent.socket.SOL_SOCKET, gevent.socket.SO_LINGER, linger)
        connection.client.close()
        until_called(connection)
    assert connection.calls == ["hung up"]


def test_a_client_that_sends_is_still_there_and_what_it_sent_too(connection: Connection) -> None:
    with connection.watch():
        connection.client.sendall(b"next")
        settle()
    assert connection.calls == []
    assert connection.reader.read(4) == b"next"


def test_nobody_watches_behind_the_request(connection: Connection) -> None:
    with connection.watch():
        pass
    with pytest.raises(ZeroDivisionError), connection.watch():
        raise ZeroDivisionError
    connection.client.close()
    settle()
    assert connection.calls == []


@pytest.mark.parametrize("environ", [{}, {"wsgi.input": None}, {"wsgi.input": SimpleNamespace(rfile=SimpleNamespace(raw=None))}])
def test_where_there_is_no_plain_socket_nothing_is_watched(environ: Any) -> None:
    entered = []
    with watch_for_hangup(environ, lambda: None):
        entered.append(True)
    hang_up(environ)
    assert entered == [True]


def test_who_reads_from_a_connection_that_is_cut_finds_its_end(connection: Connection) -> None:
    reading = gevent.spawn(connection.reader.read, 1)
    gevent.sleep(0)
    hang_up(connection.environ)
    assert reading.get(timeout=SECONDS) == b""
    connection.client.settimeout(SECONDS)
    assert connection.client.recv(1) == b""
    connection.client.close()
    settle()
    hang_up(connection.environ)
