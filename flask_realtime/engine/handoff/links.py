"""Unix connections between one user's server processes: a new one for each client connection that is handed over.

The sender sends everything, and the receiver claims the connection with a byte. If the claim does not arrive in time, the
link is shut down, and no claim can be sent on it any more: exactly one process serves the client, whichever is late.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import gevent
import gevent.socket
from gevent.server import StreamServer

from flask_realtime.engine.handoff.progress import Progress, ResumedSocket
from flask_realtime.socket_folder import KEEP_INTERVAL, is_own_user, keep

PATIENCE: Final = 1.0
"""Seconds in which another process has to claim a connection."""

_RETRY_INTERVAL: Final = 0.02
_BACKLOG: Final = 1024
_CHUNK: Final = 65_536
_CLAIM: Final = b"\x01"


def offer(path: Path, progress: Progress, fd: int | None) -> Any:
    """Hand a client's connection over to another process.

    Args:
        path: The socket on which that process listens.
        progress: The state of this process's handling of the connection.
        fd: The connection's descriptor; None if the link will carry its data.

    Returns:
        The link; the other process has claimed the connection.

    Raises:
        OSError: It has not claimed it, and will not.
    """
    link: Any = gevent.socket.socket(socket.AF_UNIX)
    try:
        _connect(link, os.fspath(path))
        message = progress.encode()
        sent = 0 if fd is None else socket.send_fds(link, [message], [fd])
        if sent < len(message):
            link.sendall(message[sent:])
        _wait_for_claim(link)
    except BaseException:
        link.close()
        raise
    return link


def _connect(link: Any, path: str) -> None:
    deadline = time.monotonic() + PATIENCE
    link.settimeout(0)
    # Linux fails at once if the backlog is full.
    while (error := link.connect_ex(path)) == errno.EAGAIN and time.monotonic() < deadline:
        gevent.sleep(_RETRY_INTERVAL)
    if error:
        raise OSError(error, os.strerror(error))
    if not is_own_user(link):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
    link.settimeout(PATIENCE)


def _wait_for_claim(link: Any) -> None:
    with suppress(TimeoutError):
        gevent.socket.wait_read(link.fileno(), PATIENCE)
    if not _is_claimed(link):
        link.shutdown(socket.SHUT_RDWR)
        if not _is_claimed(link):
            raise TimeoutError


def _is_claimed(link: Any) -> bool:
    link.settimeout(0)
    try:
        return bool(link.recv(1) == _CLAIM)
    except BlockingIOError:
        return False


class Arrival:
    """A client's connection that another process hands over.

    Args:
        link: The link that carries it.
    """

    def __init__(self, link: Any) -> None:
        self._link = link
        self._data = b""
        self._descriptors: list[int] = []

    def take(self, seconds: float) -> tuple[ResumedSocket, Any]:
        """Receive the rest of the message, and claim the connection.

        Args:
            seconds: How long to wait for the other process; with 0, this may be called again.

        Returns:
            The connection, and the client's address.

        Raises:
            BlockingIOError: With 0 seconds: the message is incomplete.
            OSError: The other process gave up, or may not hand anything over.
        """
        if not is_own_user(self._link):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        self._link.settimeout(seconds)
        while (progress := Progress.decode(self._data)) is None:
            self._receive()
        self._link.send(_CLAIM)
        return ResumedSocket(self._descriptor(), progress), progress.address

    def _receive(self) -> None:
        data, descriptors, _, _ = socket.recv_fds(self._link, _CHUNK, 1)
        self._data += data
        self._descriptors += descriptors
        if not data:
            raise ConnectionAbortedError

    def _descriptor(self) -> int:
        if not self._descriptors:
            fd: int = self._link.detach()  # The client's further data arrives on the link.
            return fd
        self._link.close()
        os.set_inheritable(self._descriptors[0], False)  # noqa: FBT003 - Python's own function
        return self._descriptors.pop()

    def close(self) -> None:
        """Close it; the other process keeps the client."""
        self._link.close()
        while self._descriptors:
            os.close(self._descriptors.pop())


class Listener(StreamServer):
    """Accepts clients' connections from other processes.

    The event loop itself claims them, ahead of the greenlets that are waiting to run.

    Args:
        path: The socket to listen on.
        server: The WSGI server that serves them as if it had accepted them. While its pool is full, they are not claimed.
        on_removed: Called by the event loop, with this listener, when somebody has removed the socket.

    Raises:
        OSError: It cannot listen there.
    """

    def __init__(self, path: Path, server: Any, on_removed: Callable[[Listener], None]) -> None:
        self._path = path
        listener: Any = gevent.socket.socket(socket.AF_UNIX)
        listener.bind(os.fspath(path))
        listener.listen(_BACKLOG)
        super().__init__(listener, server.handle, spawn="default" if server.pool is None else server.pool)
        self._on_removed = on_removed
        self._keeping = self.loop.timer(KEEP_INTERVAL, KEEP_INTERVAL, ref=False)
        self._keeping.start(self._keep)
        self.start()

    def _keep(self) -> None:
        if not keep(self._path):
            self._on_removed(self)

    def do_read(self) -> Any:
        """Accept a link, and return its connection with the client's address, if they have arrived already."""
        accepted: Any = super().do_read()
        if accepted is None:
            return None
        arrival = Arrival(accepted[0])
        try:
            return arrival.take(0)
        except BlockingIOError:
            gevent.spawn(self._wait_for, arrival)
        except OSError:
            arrival.close()
        return None

    def _wait_for(self, arrival: Arrival) -> None:
        try:
            sock, address = arrival.take(PATIENCE)
        except OSError:
            arrival.close()
            return
        if self.started:
            self.do_handle(sock, address)
        else:
            sock.close()

    def close(self) -> None:
        """Stop accepting connections."""
        self._keeping.close()
        self._path.unlink(missing_ok=True)
        super().close()
