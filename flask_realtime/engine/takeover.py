"""Takes connections over from gevent's WSGI handler for WebSockets."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from flask_realtime.engine.handshake import answer_to

UPGRADE: Final = "flask_realtime.upgrade"
"""Key of a request's `Upgrade` in its WSGI environment."""


class DetachedSocket(NamedTuple):
    """A connection detached from its WSGI handler.

    Args:
        fd: The descriptor of a plain socket, detached from the handler, whose greenlet ends and frees the connection's slot in
            the worker's pool; None for TLS, where the descriptor alone is of no use.
        tls: The TLS socket, or None.
        received: Bytes that the handler has read already.
        pool: The server's greenlet pool, or None if it has none.
        answer: The response to the handshake, to be sent before anything else; empty if it was sent.
    """

    fd: int | None
    tls: Any
    received: bytes
    pool: Any
    answer: bytes = b""


class Upgrade:
    """A WebSocket request that has not been answered yet.

    Args:
        handler: Its WSGI handler.
    """

    __slots__ = ("_handler", "is_taken")

    def __init__(self, handler: Any) -> None:
        self._handler = handler
        self.is_taken = False

    def take(self, environ: Mapping[str, Any]) -> DetachedSocket:
        """Take the connection over.

        Args:
            environ: The request's WSGI environment; its handshake is valid.
        """
        self.is_taken = True
        handler = self._handler
        handler.close_connection = True
        # Another process may have answered before it handed the request over.
        return _take(handler, b"" if getattr(handler.socket, "is_answered", False) else answer_to(environ))

    def forget(self) -> None:
        """Drop the reference to the handler, which refers to this object too."""
        self._handler = None


def take_connection(environ: Mapping[str, Any]) -> DetachedSocket | None:
    """Take the connection of a WebSocket request over from its WSGI handler.

    Args:
        environ: The request's WSGI environment.

    Returns:
        The connection; None if the server is not gevent's with gevent-websocket's handler.
    """
    upgrade: Upgrade | None = environ.get(UPGRADE)
    if upgrade is not None:
        return upgrade.take(environ)
    websocket = environ.get("wsgi.websocket")
    handler = getattr(websocket, "handler", None)
    if websocket is None or handler is None or getattr(handler, "socket", None) is None:
        return None
    # gevent-websocket would otherwise close the connection when the request ends.
    websocket.closed = True
    websocket.stream = None
    return _take(handler)


def _take(handler: Any, answer: bytes = b"") -> DetachedSocket:
    sock = handler.socket
    received = b"" if getattr(handler, "is_read_to_the_end", False) else _buffered(handler, sock)
    pool = getattr(handler.server, "pool", None)
    if isinstance(sock, ssl.SSLSocket):
        sock.settimeout(None)
        return DetachedSocket(None, sock, received, pool, answer)
    handler.socket = None  # It has nothing left to close.
    return DetachedSocket(sock.detach(), None, received, pool, answer)


def _buffered(handler: Any, sock: Any) -> bytes:
    sock.settimeout(0)
    try:
        return bytes(handler.rfile.peek())
    except OSError:
        return b""
