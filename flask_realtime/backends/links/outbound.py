"""Outbound links: each carries this server's envelopes to one other server."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Final

from flask_realtime.backends.links.greeting import INTEREST, Greeting, split_acknowledgements
from flask_realtime.backends.links.interest import InterestElsewhere
from flask_realtime.socket_folder import is_own_user

MAX_BACKLOG: Final = 1024 * 1024
"""Maximum bytes that wait for a server that does not read, beyond what the kernel keeps."""

MAX_STALL: Final = 1.0
"""Maximum seconds in which it does not read anything of them."""

MAX_POSTPONED: Final = 256
"""Maximum bytes of frames that pass over envelopes and wait for others: the message queue has these envelopes soon, too."""

_CHUNK: Final = 512
_LONG: Final = 3600.0


class Outbound:
    """A link to one server. One thread sends; a thread of its own waits for acknowledgements and for the end.

    Args:
        path: The socket on which the server listens.
        greeting: What it is told first.
        on_change: Called in a thread when the server has acknowledged something, and when the link ends.

    Raises:
        OSError: The server cannot be reached, or is not this user's.
    """

    def __init__(self, path: Path, greeting: Greeting, on_change: Callable[[], object]) -> None:
        self.is_synchronised = False
        """Whether the server gets what is sent to it in turn, so that it need not wait for the message queue."""
        self.interest: InterestElsewhere | None = None
        """In which rooms the server has somebody; None until it has said so."""
        self.acknowledged = 0
        """The highest number of a mark up to which the server has passed on everything."""
        self.is_open = True
        """Whether it can be sent to."""
        self.has_stalled = False
        """Whether it was ended because the server did not read."""
        self._on_change = on_change
        self._backlog = bytearray()
        self._postponed = b""
        self._moved_at = 0.0
        self._socket = _connect(path, greeting)
        self._reading = self._socket.dup()  # An object of its own has a time-out of its own.
        threading.Thread(target=self._watch, name="realtime-link", daemon=True).start()

    @property
    def has_backlog(self) -> bool:
        """Return whether something waits to be sent."""
        return bool(self._backlog)

    def postpone(self, data: bytes) -> None:
        """Send frames for which the server need not be woken with the next ones, or once there are many."""
        self._postponed += data
        if len(self._postponed) > MAX_POSTPONED:
            self.send(b"")

    def send(self, data: bytes) -> None:
        """Send frames; what the server does not read at once waits for `flush`, within bounds."""
        if self._postponed:
            data, self._postponed = self._postponed + data, b""
        if not self._backlog:
            self._moved_at = monotonic()
            data = data[self._write(data) :]
        if data:
            self._backlog += data
            if len(self._backlog) > MAX_BACKLOG:
                self._give_up()

    def flush(self) -> None:
        """Send what waits, as far as the server reads it, and end the link if it has not read anything for too long."""
        sent = self._write(self._backlog)
        if sent:
            self._moved_at = monotonic()
            del self._backlog[:sent]
        elif monotonic() - self._moved_at > MAX_STALL:
            self._give_up()

    def close(self) -> None:
        """End the link; what waits is dropped."""
        self.is_open = self.is_synchronised = False
        self._backlog.clear()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # Ends the wait of the watching thread, which closes it.

    def abandon(self) -> None:
        """Close the socket in a forked child, without a word to the server, whose link it is not."""
        self.is_open = False
        for end in (self._socket, self._reading):
            with suppress(OSError):  # It may have been closed already.
                os.close(end.detach())

    def _give_up(self) -> None:
        self.has_stalled = True
        self.close()

    def _write(self, data: bytes | bytearray) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self.close()
            return len(data)

    def _watch(self) -> None:
        self._reading.settimeout(_LONG)  # Not None: without a time-out, sending would block too.
        self._take_interest()
        rest = b""
        while received := self._receive():
            numbers, rest = split_acknowledgements(rest + received)
            self.acknowledged = max(self.acknowledged, *numbers, 0)
            self.is_synchronised = self.is_open
            self._on_change()
        self.close()
        self._socket.close()
        self._reading.close()
        self._on_change()

    def _take_interest(self) -> None:
        descriptors: list[int] = []

        def read() -> bytes:
            data, found, _, _ = socket.recv_fds(self._reading, len(INTEREST), 1)
            descriptors.extend(found)
            return data

        if self._receive(read) == INTEREST and descriptors:
            with suppress(OSError, ValueError):  # Without it the server gets everything.
                self.interest = InterestElsewhere(descriptors[0])

    def _receive(self, read: Callable[[], bytes] | None = None) -> bytes:
        while self.is_open:
            with suppress(TimeoutError):
                try:
                    return self._reading.recv(_CHUNK) if read is None else read()
                except ConnectionError:
                    return b""
        return b""


def _connect(path: Path, greeting: Greeting) -> socket.socket:
    link = socket.socket(socket.AF_UNIX)
    try:
        link.setblocking(False)  # noqa: FBT003 - Python's own function
        link.connect(os.fspath(path))  # On this machine it succeeds or fails at once.
        _check_owner(link)
        link.sendall(greeting.encode())
    except BaseException:
        link.close()
        raise
    return link


def _check_owner(link: socket.socket) -> None:
    if not is_own_user(link):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
