"""Heads of requests: read as gevent reads them where there is one way to understand them, else refused."""

import io
from types import SimpleNamespace
from typing import Any

import pytest
from gevent.pywsgi import WSGIHandler
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.engine.headers import BadHead, HeadTooLarge, environ_items, read_fields, read_request_line, read_upgrade

MANY = 32_768
PLAIN = [
    b"\r\n",
    b"Host: localhost\r\n\r\n",
    b"Host: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\r\n",
    b"Content-Length:5\r\nContent-Type:  text/plain\r\n\r\n",
    b"X: \t spaces around \t \r\n\r\n",
    b"Empty:\r\nEmpty-Too: \r\n\r\n",
    b"Cookie: a=1\r\nCookie: b=2\r\n\r\n",
    b"X: a:b: c\r\n\r\n",
    b"X: caf\xe9\r\n\r\n",
    b"From: somebody\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n",
    b"".join(b"X-%d: %d\r\n" % (number, number) for number in range(99)) + b"\r\n",
]
MALFORMED = [
    b"X: folded\r\n over two lines\r\n\r\n",
    b"X: \x00\r\n\r\n",
    b"X : space before the colon\r\n\r\n",
    b"no colon\r\n\r\n",
    b"X: bare newlines\n\n",
    b"X: a\rb\r\n\r\n",
    b": no name\r\n\r\n",
    b"Host: unfinished\r\n",
    b"Host: a\r\nHost: a\r\n\r\n",
    b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
    b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"Content-Length: 1_0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n",  # In HTTP/1.0 there is no such thing.
]


class Piecewise(io.RawIOBase):
    """A connection on which each line comes by itself."""

    def __init__(self, data: bytes) -> None:
        self._lines = data.splitlines(keepends=True)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        line = self._lines.pop(0) if self._lines else b""
        buffer[: len(line)] = line
        return len(line)


def reader(data: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(data))


def read_by_gevent(rfile: io.BufferedReader) -> Any:
    parse: Any = WSGIHandler.MessageClass
    return parse(None, rfile, 0)


def seen(headers: Any) -> tuple[Any, ...]:
    """All that gevent's handler asks of a request's headers."""
    names = ["Connection", "host", "CONTENT-LENGTH", "transfer-encoding", "x", "nothing"]
    found = [headers.get(name, "") for name in names] + [headers.getheader(name) for name in names]
    return headers.items(), list(headers.headers), headers.typeheader, headers.status, found


@pytest.mark.parametrize("data", PLAIN, ids=repr)
@pytest.mark.parametrize("behind", [b"", b"\x81\x85", b"GET / HTTP/1.1\r\n\r\n"])
def test_headers_are_read_as_gevent_reads_them(data: bytes, behind: bytes) -> None:
    rfile, other = reader(data + behind), reader(data + behind)
    fields = read_fields(rfile, "HTTP/1.0", MANY)
    assert seen(fields.headers) == seen(read_by_gevent(other))
    assert isinstance(fields.headers, type(read_by_gevent(reader(data))))
    assert rfile.read() == other.read() == behind
    assert fields.is_all is (behind == b"")


@pytest.mark.parametrize("data", PLAIN, ids=repr)
def test_headers_that_come_line_by_line_are_read_the_same(data: bytes) -> None:
    rfile = io.BufferedReader(Piecewise(data))
    fields, whole = read_fields(rfile, "HTTP/1.0", MANY), read_fields(reader(data), "HTTP/1.0", MANY)
    assert seen(fields.headers) == seen(whole.headers)
    assert (fields.length, fields.is_last) == (whole.length, whole.is_last)


@pytest.mark.parametrize("data", MALFORMED, ids=repr)
@pytest.mark.parametrize("is_whole", [True, False])
def test_what_is_malformed_is_refused_however_it_comes(data: bytes, is_whole: bool) -> None:  # noqa: FBT001 - a case
    rfile = reader(data) if is_whole else io.BufferedReader(Piecewise(data))
    with pytest.raises(BadHead):
        read_fields(rfile, "HTTP/1.0", MANY)


def test_a_host_is_needed_in_http_1_1_alone() -> None:
    with pytest.raises(BadHead):
        read_fields(reader(b"\r\n"), "HTTP/1.1", MANY)
    assert read_fields(reader(b"Host:\r\n\r\n"), "HTTP/1.1", MANY).length is None


@pytest.mark.parametrize("size", [14, 15, 16, 17])
@pytest.mark.parametrize("is_whole", [True, False])
def test_a_head_may_have_so_many_bytes_and_no_more(size: int, is_whole: bool) -> None:  # noqa: FBT001 - a case
    data = b"Host: a\r\nX:" + b"y" * 3 + b"\r\n\r\n"
    rfile = reader(data) if is_whole else io.BufferedReader(Piecewise(data))
    assert len(data) == 18
    with pytest.raises(HeadTooLarge):
        read_fields(rfile, "HTTP/1.1", size)
    whole = reader(data) if is_whole else io.BufferedReader(Piecewise(data))
    assert len(read_fields(whole, "HTTP/1.1", 18).headers.items()) == 2


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_head_may_have_a_hundred_fields_and_no_more(is_whole: bool) -> None:  # noqa: FBT001 - a case
    def read(count: int) -> Any:
        data = b"X: y\r\n" * count + b"\r\n"
        return read_fields(reader(data) if is_whole else io.BufferedReader(Piecewise(data)), "HTTP/1.0", MANY)

    assert len(read(100).headers.items()) == 100
    with pytest.raises(HeadTooLarge):
        read(101)


@pytest.mark.parametrize(
    ("lines", "version", "is_last"),
    [
        (b"", "HTTP/1.1", False),
        (b"", "HTTP/1.0", True),
        (b"Connection: Close\r\n", "HTTP/1.1", True),
        (b"Connection: keep-alive\r\nConnection: x , close\r\n", "HTTP/1.1", True),
        (b"Connection: closed\r\n", "HTTP/1.1", False),
        (b"Connection: Keep-Alive\r\n", "HTTP/1.0", False),
    ],
)
def test_a_client_says_which_request_is_its_last(lines: bytes, version: str, is_last: bool) -> None:  # noqa: FBT001 - a case
    assert read_fields(reader(b"Host: a\r\n" + lines + b"\r\n"), version, MANY).is_last is is_last


@pytest.mark.parametrize(("length", "expected"), [(b"0", 0), (b"5 \t", 5), (b"0005", 5), (b"9" * 18, int("9" * 18))])
def test_a_length_is_digits(length: bytes, expected: int) -> None:
    assert read_fields(reader(b"Host: a\r\nContent-Length: " + length + b"\r\n\r\n"), "HTTP/1.1", MANY).length == expected


@pytest.mark.parametrize("line", ["GET / HTTP/1.1\r\n", "X-1 * HTTP/1.0\r\n", "GET http://a/b HTTP/1.1\r\n"])
def test_a_first_line_has_three_parts(line: str) -> None:
    assert " ".join(read_request_line(line)) == line.removesuffix("\r\n")


@pytest.mark.parametrize(
    "line", ["GET /\r\n", "GET / HTTP/1.1\n", "GET / HTTP/1.1 \r\n", "GET a HTTP/1.1\r\n", "", "GET / HTTP/2.0\r\n"]
)
def test_any_other_first_line_is_refused(line: str) -> None:
    with pytest.raises(BadHead):
        read_request_line(line)


@given(st.lists(st.text(st.sampled_from('aZ0-: \t\r\n\x00\xe9(),"_\x7f'), max_size=12), max_size=6))
def test_whatever_is_read_is_what_gevent_reads(lines: list[str]) -> None:
    data = "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n"
    rfile = reader(data)
    try:
        headers = read_fields(rfile, "HTTP/1.0", MANY).headers
    except BadHead:
        return
    other = reader(data)
    assert seen(headers) == seen(read_by_gevent(other))
    assert rfile.read() == other.read()


# Whole heads of upgrades -------------------------------------------------------------------------------

UPGRADE = b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX: \xe9 \r\n\r\n"


def read_slowly(data: bytes) -> tuple[Any, ...]:
    """What the handler comes to, which reads line by line."""
    rfile = reader(data)
    line = read_request_line(rfile.readline().decode("latin-1"))
    headers, *others = read_fields(rfile, line.version, MANY)
    assert rfile.read() == b""
    return line, seen(headers), others


def test_the_head_of_an_upgrade_is_read_as_the_handler_reads_it() -> None:
    head = read_upgrade(UPGRADE, len(UPGRADE))
    assert head is not None
    assert (head[0], seen(head[1].headers), list(head[1][1:])) == read_slowly(UPGRADE)
    assert read_upgrade(UPGRADE, len(UPGRADE) - 1) is None


@given(st.data())
def test_whatever_is_read_at_once_is_what_the_handler_reads(data: st.DataObject) -> None:
    lines = UPGRADE.split(b"\r\n")
    pieces = [
        *lines,
        b"Content-Length: 1",
        b"Transfer-Encoding: chunked",
        b"Expect: 100-continue",
        b"Connection: close",
        b" x",
        b"Y:",
    ]
    chosen = data.draw(st.lists(st.sampled_from(pieces), max_size=8))
    whole = lines[: data.draw(st.integers(0, 4))] + chosen + [b"", data.draw(st.sampled_from([b"", b"", b"\x00", b"\r\n"]))]
    text = b"\r\n".join(whole)
    head = read_upgrade(text, MANY)
    if head is not None:
        assert (head[0], seen(head[1].headers), list(head[1][1:])) == read_slowly(text)
        assert (head[1].length, head[1].is_last, head[1].is_all) == (None, False, True)
        assert "upgrade" in head[1].headers.by_name


@pytest.mark.parametrize("at", range(len(UPGRADE)))
def test_part_of_a_head_is_none(at: int) -> None:
    assert read_upgrade(UPGRADE[:at], MANY) is None


def test_a_head_with_more_behind_it_is_none() -> None:
    assert read_upgrade(UPGRADE + b"\x81\x80abcd", MANY) is None


@pytest.mark.parametrize(
    "line",
    [b"Content-Length: 0", b"Transfer-Encoding: chunked", b"Expect: x", b"Connection: close", b"Host: x", b"X : 1", b" x", b"x"],
)
def test_a_head_of_anything_else_is_none(line: bytes) -> None:
    assert read_upgrade(UPGRADE[:-2] + b"Y: 1\r\n\r\n", MANY) is not None
    assert read_upgrade(UPGRADE[:-2] + line + b"\r\n\r\n", MANY) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"GET", b"POST"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"/a", b"http://x/a"),
        (b"Upgrade: w", b"X-Upgrade: w"),
        (b"Host: x\r\n", b""),
    ],
)
def test_a_head_of_another_request_is_none(before: bytes, after: bytes) -> None:
    assert read_upgrade(UPGRADE.replace(before, after, 1), MANY) is None


# The environment ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", PLAIN[:-1])
def test_the_environment_has_what_gevent_would_make_of_the_fields(data: bytes) -> None:
    data = b"X_Y: 1\r\ncontent-type: a\r\nContent_Length: 7\r\nx-forwarded-for: 1\r\nUser-Agent: \xa0b \xa0\r\n" + data
    handler: Any = SimpleNamespace(headers=read_by_gevent(reader(data)))
    expected = list(WSGIHandler._headers(handler))  # type: ignore[attr-defined]
    assert list(environ_items(read_fields(reader(data), "HTTP/1.0", MANY).headers)) == expected
