"""Sends HTTP responses to clients that read slowly, and gives up on those that do not read."""

from __future__ import annotations

import errno
import sys
from time import monotonic
from typing import Any, Final

from flask_realtime.engine.body import MIN_RATE
from flask_realtime.engine.places import cut

try:
    import fcntl
    import termios
except ImportError:  # On Windows, which does not tell what a client has received.
    fcntl = termios = None  # type: ignore[assignment]

_LOOK: Final = 2.0
"""Seconds after which a connection that takes no more is looked at: its client may read, and too little for the next send."""

_MAX_PAUSE: Final = 65_536 / MIN_RATE
"""Seconds that a client may have saved by having read quickly: a system tells of what is read in pieces of up to 64 KiB."""


class AnswerUnread(ConnectionResetError):
    """The client does not read its response."""

    def __init__(self) -> None:
        super().__init__(errno.ECONNRESET, "The client does not read its response.")


class SteadyWriter:
    """Sends a response, as slowly as its client reads it.

    The kernel's send buffer takes megabytes, and takes more only once a third of it is free. So the client's progress is what its
    system has acknowledged, not what could be sent.

    Args:
        handler: The request's WSGI handler.
        patience: Seconds that the client has beyond what `MIN_RATE` allows.
        sent: Number of the response's bytes that have been sent.
    """

    def __init__(self, handler: Any, patience: float, sent: int) -> None:
        self._handler = handler
        self._left = patience
        self._most = patience + _MAX_PAUSE
        self._sent = sent
        self._received = min(0, sent - _queued(handler.socket))  # Less than 0: responses before this one are in the buffer.

    def send(self, data: memoryview) -> None:
        """Send bytes.

        Raises:
            AnswerUnread: The client does not read, or was too slow, or had to give its slot to another one.
        """
        handler, sock = self._handler, self._handler.socket
        handler.places.wait_to_send(sock, handler.server)
        try:
            while data:
                sock.settimeout(max(0.0, min(_LOOK, self._left)))
                data = data[self._step(sock, data) :]
        except OSError as error:
            cut(sock)
            raise AnswerUnread from error
        finally:
            sock.settimeout(None)
            handler.places.touch(sock)

    def _step(self, sock: Any, data: memoryview) -> int:
        began = monotonic()
        sent = _send(sock, data)
        self._sent += sent
        received = self._sent - _queued(sock)
        self._left -= monotonic() - began
        if received > self._received:
            self._left = min(self._left + (received - self._received) / MIN_RATE, self._most)
            self._received = received
            self._handler.places.touch(sock)  # From now on, others have waited longer for theirs.
            self._handler.places.wait_to_send(sock, self._handler.server)
        if self._left <= 0:
            raise AnswerUnread
        return sent


def send_at_once(sock: Any, data: Any) -> int:
    """Send what the kernel takes without waiting, and return how many bytes those are.

    Args:
        sock: gevent's socket, or its TLS socket; it is left without a time-out.
        data: The bytes; some at least.
    """
    sock.settimeout(0)
    try:
        sent: int = sock.send(data)
    except BlockingIOError:
        sent = 0
    finally:
        sock.settimeout(None)
    return sent


def _send(sock: Any, data: memoryview) -> int:
    try:
        sent: int = sock.send(data)
    except (TimeoutError, BlockingIOError):
        sent = 0
    return sent


def _queued(sock: Any) -> int:
    """Return how many bytes were sent that the client's system has not acknowledged; 0 if this one does not tell."""
    if fcntl is None:
        return 0
    try:
        return int.from_bytes(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:
        return 0
