"""Takes the plain socket over from gevent's WSGI handler once gevent-websocket has shaken hands on it.

The handler's greenlet ends, and with it the connection's place in the worker's pool.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any


def take_socket(environ: Mapping[str, Any]) -> tuple[int, bytes] | None:
    """Detach the connection of a WebSocket request from its WSGI handler.

    Args:
        environ: The request's WSGI environment.

    Returns:
        The descriptor, and the bytes that the handler has read already; None where it cannot be done: a TLS socket decrypts in
        the process, so its descriptor alone is of no use.
    """
    websocket = environ.get("wsgi.websocket")
    handler = getattr(websocket, "handler", None)
    sock = getattr(handler, "socket", None)
    if websocket is None or handler is None or sock is None or isinstance(sock, ssl.SSLSocket):
        return None
    received = _buffered(handler, sock)
    # gevent-websocket would otherwise close the connection when the request ends.
    websocket.closed = True
    websocket.stream = None
    fd: int = sock.detach()
    return fd, received


def _buffered(handler: Any, sock: Any) -> bytes:
    sock.settimeout(0)
    try:
        return bytes(handler.rfile.peek())
    except OSError:
        return b""
