"""The body of a request: what is read of it, in which pieces, and when a client is given up that does not go on."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import gevent.socket
import pytest
from gevent import pywsgi

from flask_realtime.engine import body as module
from flask_realtime.engine.body import BadBody, BodyEnded, RequestBody, SteadyReader

SECONDS = 10.0
NEXT = b"GET /next HTTP/1.1\r\n\r\n"


class Places:
    """Notes who waits."""

    def __init__(self) -> None:
        self.noted: list[Any] = []

    def wait(self, *connection: Any, is_idle: bool = True) -> None:
        """Note that the client has the next word."""
        self.noted.append(("wait", *connection, is_idle))

    def touch(self, connection: Any) -> None:
        """Note that it had."""
        self.noted.append(("go on", connection))


class Request:
    """A request whose head has been read, and its client."""

    def __init__(self) -> None:
        self.client, self.socket = gevent.socket.socketpair()
        self.client.settimeout(SECONDS)
        self.rfile: Any = self.socket.makefile("rb")
        self.server = "server"
        self.places = Places()
        self.close_connection = False
        self.transmit = self.socket.sendall

    def body(self, data: bytes, length: int | None = None, *, is_expected: bool = False, patience: float = SECONDS) -> Any:
        """Send a body, chunked where it has no length, and return it as an application sees it."""
        self.client.sendall(data)
        self.wsgi_input = pywsgi.Input(self.rfile, length, self.socket if is_expected else None, chunked_input=length is None)
        return RequestBody(self, patience)


@pytest.fixture
def request_() -> Iterator[Request]:
    request = Request()
    yield request
    request.rfile.close()
    request.socket.close()
    request.client.close()


CHUNKED = b"3\r\nabc\r\n5;name=value\r\nd\nefg\r\nA\r\nhijklm\nopq\r\n0\r\n\r\n"
CONTENT = b"abcd\nefghijklm\nopq"


def test_a_body_with_a_length_is_read_to_its_end_and_no_further(request_: Request) -> None:
    body = request_.body(CONTENT + NEXT, len(CONTENT))
    assert body.read(2) + body.readline() + body.read() == CONTENT
    assert (body.read(), body.read(5)) == (b"", b"")
    assert request_.rfile.read(len(NEXT)) == NEXT
    assert not request_.close_connection


@pytest.mark.parametrize("size", [1, 2, 3, 4, 8, 9, 18, 100])
def test_chunks_are_read_in_pieces_of_any_size(request_: Request, size: int) -> None:
    body = request_.body(CHUNKED + NEXT)
    pieces = list(iter(lambda: body.read(size), b""))
    assert b"".join(pieces) == CONTENT
    assert [len(piece) for piece in pieces[:-1]] == [size] * (len(pieces) - 1)
    assert body.read() == b""
    assert request_.rfile.read(len(NEXT)) == NEXT


@pytest.mark.parametrize(("size", "count"), [(b"f", 15), (b"10", 16), (b"1F", 31), (b"00fF", 255), (b"100", 256)])
def test_a_chunk_has_as_many_bytes_as_its_hexadecimal_size(request_: Request, size: bytes, count: int) -> None:
    assert request_.body(size + b"\r\n" + b"x" * count + b"\r\n0\r\n\r\n" + NEXT).read() == b"x" * count
    assert request_.rfile.read(len(NEXT)) == NEXT


def test_chunks_are_read_at_once_or_by_lines(request_: Request) -> None:
    assert request_.body(CHUNKED).read() == CONTENT
    body = request_.body(CHUNKED)
    assert [body.readline(), body.readline(3), body.readline(), body.readline(), body.readline()] == [
        b"abcd\n", b"efg", b"hijklm\n", b"opq", b"",
    ]  # fmt: skip
    assert request_.body(CHUNKED + NEXT).readlines() == CONTENT.splitlines(keepends=True)
    assert request_.rfile.read(len(NEXT)) == NEXT


def test_a_line_that_comes_in_pieces_has_no_more_than_was_asked_for(request_: Request) -> None:
    body = request_.body(b"abc", 13)
    sending = gevent.spawn(request_.client.sendall, b"defgh\nrest")
    assert [body.readline(5), body.readline(), body.readline()] == [b"abcde", b"fgh\n", b"rest"]
    sending.join()


def test_a_client_that_waits_is_told_once_to_go_on(request_: Request) -> None:
    for body in (request_.body(CHUNKED, is_expected=True), request_.body(b"abcdef", 6, is_expected=True)):
        assert len(body.read(2) + body.read(2)) == 4
        assert request_.client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        body.read()
    request_.socket.sendall(b"answer")
    assert request_.client.recv(100) == b"answer"


@pytest.mark.parametrize("count", [0, 1, 63])
def test_trailers_are_thrown_away(request_: Request, count: int) -> None:
    body = request_.body(b"1\r\na\r\n0\r\n" + b"X-1:\t y\xe9\r\n" * count + b"\r\n" + NEXT)
    assert body.read() == b"a"
    assert request_.rfile.read(len(NEXT)) == NEXT


BAD = {
    "too many trailers": b"1\r\na\r\n0\r\n" + b"X: y\r\n" * 64 + b"\r\n",
    "no trailer": b"1\r\na\r\n0\r\nX y\r\n\r\n",
    "no size": b"\r\na\r\n",
    "no number": b"x\r\n",
    "a sign": b"+1\r\na\r\n0\r\n\r\n",
    "a space": b"1 \r\na\r\n0\r\n\r\n",
    "too many digits": b"0" * 16 + b"1\r\na\r\n0\r\n\r\n",
    "a bare newline": b"1\na\r\n0\r\n\r\n",
    "more than its size": b"1\r\nab\r\n0\r\n\r\n",
    "less than its size": b"3\r\na\r\n0\r\n\r\n",
    "an endless extension": b"1;" + b"x" * 1022 + b"\r\na\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD)
def test_malformed_chunks_end_the_connection_and_nothing_else_is_read(request_: Request, name: str) -> None:
    body = request_.body(BAD[name])
    with pytest.raises(BadBody, match="malformed"):
        body.read()
    assert request_.close_connection
    body._discard()


def test_an_extension_may_be_long(request_: Request) -> None:
    assert request_.body(b"1;" + b"x" * 1020 + b"\r\na\r\n0\r\n\r\n").read() == b"a"
    assert request_.body(b"0" * 15 + b"1\r\na\r\n0\r\n\r\n").read() == b"a"


@pytest.mark.parametrize(("data", "length"), [(b"abc", 4), (b"", 1), (b"3\r\nab", None), (b"3", None), (b"1\r\na\r\n0\r\n", None)])
def test_a_body_that_ends_too_soon_is_none(request_: Request, data: bytes, length: int | None) -> None:
    body = request_.body(data, length)
    request_.client.shutdown(gevent.socket.SHUT_WR)
    with pytest.raises(BodyEnded, match="incomplete") as caught:
        body.read()
    assert caught.value.errno == errno.ECONNRESET or caught.value.args[0] == errno.ECONNRESET
    assert (caught.value.code, request_.close_connection) == (400, True)


@pytest.mark.parametrize(("data", "length"), [(b"abc", 4), (b"3\r\nab", None), (b"3", None)])
def test_a_body_that_stops_is_given_up(request_: Request, data: bytes, length: int | None) -> None:
    body = request_.body(data, length, patience=0.05)
    with gevent.Timeout(SECONDS), pytest.raises(BodyEnded):
        body.read()
    assert request_.close_connection
    assert request_.socket.gettimeout() is None
    assert request_.places.noted[-2:] == [("wait", request_.socket, "server", False), ("go on", request_.socket)]


class SlowReader:
    """A connection on which each piece takes its time, by a clock that nobody waits for.

    Args:
        seconds: How long.
        size: Bytes of a piece.
    """

    raw = None

    def __init__(self, seconds: float, size: int) -> None:
        self.now = 0.0
        self.seconds = seconds
        self.size = size

    def read1(self, size: int) -> bytes:
        """Read a piece."""
        self.now += self.seconds
        return b"x" * min(size, self.size)


def steady(rfile: SlowReader, monkeypatch: pytest.MonkeyPatch, patience: float) -> tuple[SteadyReader, list[Any]]:
    monkeypatch.setattr(module, "monotonic", lambda: rfile.now)
    timeouts: list[Any] = []
    handler = SimpleNamespace(rfile=rfile, places=Places(), socket=SimpleNamespace(settimeout=timeouts.append), server=None)
    return SteadyReader(handler, patience), timeouts


def test_who_sends_little_at_a_time_is_given_up_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, timeouts = steady(SlowReader(1.0, 1), monkeypatch, 2.0)
    assert reader.read(2) == b"xx"
    with pytest.raises(BodyEnded):
        reader.read(1)
    assert timeouts == pytest.approx([2.0, None, 1.002, None, 0.004, None])


def test_who_keeps_the_pace_may_go_on_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    assert module.MIN_RATE == 500
    reader, timeouts = steady(SlowReader(1.0, 600), monkeypatch, 2.0)
    assert reader.read(60_000) == b"x" * 60_000
    assert max(filter(None, timeouts)) == 2.0, "no pause may be longer than at first"


def test_what_kept_the_pace_by_nothing_at_all_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, _ = steady(SlowReader(1.0, 250), monkeypatch, 1.0)
    assert reader.read(250) == b"x" * 250
    with pytest.raises(BodyEnded):
        reader.read(250)
