"""Reads HTTP request bodies: strict about chunks, with a time-out for clients that stop sending."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from gevent import pywsgi
from werkzeug.exceptions import BadRequest

MIN_RATE: Final = 500
"""Minimum average rate in bytes per second, including pauses."""

_MAX_LINE: Final = 1024
_MAX_TRAILERS: Final = 64
_CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[\t\x20-\x7e]*)?\r\n")
_TRAILER: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n")


_Input: Any = pywsgi.Input
_InvalidInput: Any = vars(pywsgi)["_InvalidClientInput"]


class BadBody(BadRequest, _InvalidInput):  # type: ignore[misc]  # gevent's annotations leave it out
    """A request's chunked body is malformed. Flask answers it with status 400, as does gevent."""


class BodyEnded(BadRequest, ConnectionResetError):
    """A request's body ended too soon, or stopped. Flask answers it with status 400; gevent just ends the connection."""

    def __init__(self) -> None:
        super().__init__("The request's body is incomplete.")
        self.args = (errno.ECONNRESET, self.description)


class SteadyReader:
    """A connection's reader with a time-out for the client.

    Args:
        handler: The request's WSGI handler.
        patience: Seconds without a byte after which reading ends; in all, the client has this long beyond what `MIN_RATE` allows.
    """

    def __init__(self, handler: Any, patience: float) -> None:
        self._handler = handler
        self._rfile = handler.rfile
        self._patience = patience
        self._left = patience
        self.raw = self._rfile.raw

    def read(self, size: int) -> bytes:
        """Read a number of bytes."""
        pieces = []
        while size > 0:
            pieces.append(self._step(self._rfile.read1, size))
            size -= len(pieces[-1])
        return b"".join(pieces)

    def readline(self, size: int) -> bytes:
        """Read a line, or up to a number of its bytes."""
        line = b""
        while size > len(line) and not line.endswith(b"\n"):
            seen = self._step(self._rfile.peek, 1)
            line += self._rfile.read(min(seen.find(b"\n") + 1 or len(seen), size - len(line)))
        return line

    def _step(self, read: Callable[[int], bytes], size: int) -> bytes:
        handler = self._handler
        handler.places.wait(handler.socket, handler.server, is_idle=False)
        handler.socket.settimeout(min(self._patience, self._left))
        began = monotonic()
        data = b""
        try:
            data = read(size)
            self._left += len(data) / MIN_RATE - (monotonic() - began)
        except TimeoutError:
            pass
        finally:
            handler.socket.settimeout(None)
            handler.places.touch(handler.socket)
        if not data or self._left <= 0:
            self.give_up()
            raise BodyEnded
        return data

    def give_up(self) -> None:
        """End the connection after the response, since the start of the next request is unknown."""
        self._handler.close_connection = True


class _Sender:
    """Sends `100 Continue` for gevent's body, and waits for the client no longer than any response does.

    Args:
        handler: The request's WSGI handler.
    """

    def __init__(self, handler: Any) -> None:
        self._handler = handler

    def sendall(self, data: bytes) -> None:
        """Send bytes."""
        try:
            self._handler.transmit(data)
        except OSError as error:
            self._handler.close_connection = True
            raise BodyEnded from error


class RequestBody(_Input):  # type: ignore[misc]  # gevent's annotations do not say what may be changed
    """The `wsgi.input` of a request.

    Args:
        handler: The request's WSGI handler, with the body that gevent made.
        patience: See `SteadyReader`.
    """

    def __init__(self, handler: Any, patience: float) -> None:
        made = handler.wsgi_input
        sender = None if made.socket is None else _Sender(handler)
        super().__init__(SteadyReader(handler, patience), made.content_length, sender, made.chunked_input)
        self.chunk_length: int

    def _chunked_read(self, length: int | None = None, use_readline: bool = False) -> bytes:  # noqa: FBT001, FBT002 - gevent's
        self._send_100_continue()
        pieces: list[bytes] = []
        left = length
        while left is None or left > 0:
            if self.position >= self.chunk_length and not self._next_chunk():
                break
            missing = self.chunk_length - self.position
            size = missing if left is None else min(missing, left)
            piece = (self.rfile.readline if use_readline else self.rfile.read)(size)
            self.position += len(piece)
            pieces.append(piece)
            if self.position == self.chunk_length and self._line() != b"\r\n":
                raise self._bad()
            left = None if left is None else left - len(piece)
            if use_readline and piece.endswith(b"\n"):
                break
        return b"".join(pieces)

    def _next_chunk(self) -> bool:
        if self.chunk_length == 0:
            return False
        match = _CHUNK_LINE.fullmatch(self._line())
        if match is None:
            raise self._bad()
        self.chunk_length, self.position = int(match[1], 16), 0
        if self.chunk_length == 0:
            self._skip_trailers()
        return self.chunk_length > 0

    def _skip_trailers(self) -> None:
        for _ in range(_MAX_TRAILERS):
            line = self._line()
            if line == b"\r\n":
                return
            if _TRAILER.fullmatch(line) is None:
                break
        raise self._bad()

    def _line(self) -> bytes:
        line: bytes = self.rfile.readline(_MAX_LINE)
        return line

    def _bad(self) -> BadBody:
        self._chunked_input_error = True  # Do not read the rest just to discard it.
        self.rfile.give_up()
        return BadBody("The request's body is malformed.")
