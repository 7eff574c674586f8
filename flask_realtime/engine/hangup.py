"""Notices that a long-polling client hung up while its poll waits: the server itself would only find out when it answers."""

from __future__ import annotations

import _socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import gevent

_READ = 1


@contextmanager
def watch_for_hangup(environ: Mapping[str, Any], on_hangup: Callable[[], None]) -> Iterator[None]:
    """Watch a request's connection while the context lasts.

    Args:
        environ: The request's WSGI environment; where it does not lead to gevent's plain socket, nothing is watched.
        on_hangup: Called in the event loop when the client has closed the connection; it must not block.
    """
    rfile = getattr(environ.get("wsgi.input"), "rfile", None)
    sock = getattr(getattr(getattr(rfile, "raw", None), "_sock", None), "_sock", None)
    if not isinstance(sock, _socket.socket):
        yield
        return
    watcher = gevent.get_hub().loop.io(sock.fileno(), _READ)

    def on_readable() -> None:
        watcher.stop()  # Once is enough: either the end is there, or the next request.
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
