"""Takes the connection over from gevent's WSGI handler once gevent-websocket has shaken hands on it."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple


class Taken(NamedTuple):
    """A connection that is ours now.

    Args:
        fd: The descriptor of a plain socket, detached from the handler, whose greenlet ends and with it the connection's place in
            the worker's pool; None for TLS, where the descriptor alone is of no use.
        tls: The TLS socket, or None.
        received: Bytes that the handler has read already.
        pool: The server's greenlet pool, or None where it has none.
    """

    fd: int | None
    tls: Any
    received: bytes
    pool: Any


def take_connection(environ: Mapping[str, Any]) -> Taken | None:
    """Take the connection of a WebSocket request over from its WSGI handler.

    Args:
        environ: The request's WSGI environment.

    Returns:
        The connection; None where the server is not gevent's with gevent-websocket's handler.
    """
    websocket = environ.get("wsgi.websocket")
    handler = getattr(websocket, "handler", None)
    sock = getattr(handler, "socket", None)
    if websocket is None or handler is None or sock is None:
        return None
    received = _buffered(handler, sock)
    # gevent-websocket would otherwise close the connection when the request ends.
    websocket.closed = True
    websocket.stream = None
    pool = getattr(handler.server, "pool", None)
    if isinstance(sock, ssl.SSLSocket):
        sock.settimeout(None)
        return Taken(None, sock, received, pool)
    return Taken(sock.detach(), None, received, pool)


def _buffered(handler: Any, sock: Any) -> bytes:
    sock.settimeout(0)
    try:
        return bytes(handler.rfile.peek())
    except OSError:
        return b""
