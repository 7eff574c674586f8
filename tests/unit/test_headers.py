"""Plain headers read at a fifth of the cost, and as gevent reads them."""

import io
from typing import Any

import pytest
from gevent.pywsgi import WSGIHandler
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.engine.headers import read_plain_headers

PLAIN = [
    b"\r\n",
    b"Host: localhost\r\n\r\n",
    b"Host: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\r\n",
    b"Content-Length:5\r\nContent-Type:  text/plain\r\n\r\n",
    b"X: \t spaces around \t \r\n\r\n",
    b"Empty:\r\nEmpty-Too: \r\n\r\n",
    b"Cookie: a=1\r\nCookie: b=2\r\n\r\n",
    b"X: a:b: c\r\n\r\n",
    b"From: somebody\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n",
    b"".join(b"X-%d: %d\r\n" % (number, number) for number in range(99)) + b"\r\n",
]
OTHER = [
    b"X: folded\r\n over two lines\r\n\r\n",
    b"X: caf\xe9\r\n\r\n",
    b"X: \x00\r\n\r\n",
    b"X : space before the colon\r\n\r\n",
    b"no colon\r\n\r\n",
    b"X: bare newlines\n\n",
    b"X: a\rb\r\n\r\n",
    b": no name\r\n\r\n",
    b"".join(b"X-%d: %d\r\n" % (number, number) for number in range(100)) + b"\r\n",
    b"Host: unfinished\r\n",
]


def reader(data: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(data))


def read_by_gevent(rfile: io.BufferedReader) -> Any:
    parse: Any = WSGIHandler.MessageClass
    return parse(None, rfile, 0)


def seen(headers: Any) -> tuple[Any, ...]:
    """All that gevent's handler asks of a request's headers."""
    names = ["Connection", "host", "CONTENT-LENGTH", "transfer-encoding", "nothing"]
    found = [headers.get(name, "") for name in names] + [headers.getheader(name) for name in names]
    return headers.items(), list(headers.headers), headers.typeheader, headers.status, found


@pytest.mark.parametrize("data", PLAIN, ids=repr)
@pytest.mark.parametrize("behind", [b"", b"\x81\x85", b"GET / HTTP/1.1\r\n\r\n"])
def test_plain_headers_are_read_as_gevent_reads_them(data: bytes, behind: bytes) -> None:
    rfile, other = reader(data + behind), reader(data + behind)
    headers, is_the_end = read_plain_headers(rfile)
    assert seen(headers) == seen(read_by_gevent(other))
    assert type(headers) is type(read_by_gevent(reader(data)))
    assert rfile.read() == other.read() == behind
    assert is_the_end is (behind == b"")


@pytest.mark.parametrize("data", OTHER, ids=repr)
def test_others_are_left_for_gevent_to_read(data: bytes) -> None:
    rfile = reader(data)
    assert read_plain_headers(rfile) == (None, False)
    assert rfile.read() == data


def test_a_header_can_be_taken_out() -> None:
    headers, _ = read_plain_headers(reader(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"))
    del headers["content-length"]
    assert headers.items() == [("Transfer-Encoding", "chunked")]


@given(st.lists(st.text(st.sampled_from('aZ0-: \t\r\n\x00\xe9(),"_\x7f'), max_size=12), max_size=6))
def test_whatever_is_read_is_what_gevent_reads(lines: list[str]) -> None:
    data = "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n"
    rfile = reader(data)
    headers, _ = read_plain_headers(rfile)
    if headers is not None:
        other = reader(data)
        assert seen(headers) == seen(read_by_gevent(other))
        assert rfile.read() == other.read()
