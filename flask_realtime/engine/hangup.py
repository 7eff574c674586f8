"""Detects that the client of a waiting long-polling request has closed its connection.

The server itself would only notice when it answers.
"""

from __future__ import annotations

import _socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import gevent

_READ = 1


@contextmanager
def watch_for_hangup(environ: Mapping[str, Any], on_hangup: Callable[[], None]) -> Iterator[None]:
    """Watch a request's connection while the context lasts.

    Args:
        environ: The request's WSGI environment; if it does not lead to gevent's plain socket, nothing is watched.
        on_hangup: Called in the event loop when the client has closed the connection; it must not block.
    """
    sock = _connection_of(environ)
    if sock is None:
        yield
        return
    watcher = gevent.get_hub().loop.io(sock.fileno(), _READ)

    def on_readable() -> None:
        watcher.stop()  # The data is either the end or the next request; neither needs watching.
        try:
            if not sock.recv(1, _socket.MSG_PEEK | _socket.MSG_DONTWAIT):
                on_hangup()
        except BlockingIOError:
            pass
        except OSError:
            on_hangup()

    watcher.start(on_readable)
    try:
        yield
    finally:
        watcher.stop()
        watcher.close()


def hang_up(environ: Mapping[str, Any]) -> None:
    """Cut a request's connection, so that its reader stops; do nothing if it cannot be found."""
    sock = _connection_of(environ)
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(_socket.SHUT_RDWR)


def _connection_of(environ: Mapping[str, Any]) -> _socket.socket | None:
    rfile = getattr(environ.get("wsgi.input"), "rfile", None)
    sock = getattr(getattr(getattr(rfile, "raw", None), "_sock", None), "_sock", None)
    return sock if isinstance(sock, _socket.socket) else None
