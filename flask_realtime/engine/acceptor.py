"""Acceptor of WebSocket requests for the engine, in the event loop's callback that accepts their connections.

gevent starts a greenlet of its own for each connection, which waits for the request, and the connection occupies a slot of the
server's pool until it is a WebSocket. Where the whole head has arrived by the time the connection is accepted, as it has in a
storm of clients that come back, nothing has to wait: a greenlet that is used again hands the request to the application.

Everything else is left to gevent's handler with all its bytes unread, above all what is malformed, incomplete or too large, so
that there is one place that refuses it.
"""

from __future__ import annotations

import _socket
import sys
from contextlib import suppress
from typing import Any, Final

import gevent

from flask_realtime.engine.accepted import AcceptedSocket
from flask_realtime.engine.concurrency import Greenlets
from flask_realtime.engine.handler import EngineHandler
from flask_realtime.engine.headers import Fields, RequestLine, read_upgrade

_PEEKED: Final = 8192
"""Bytes of a head that is looked at; a larger one is left to gevent's handler."""


class UpgradeAcceptor:
    """Accepts WebSocket requests that have arrived with their connections.

    Args:
        server: The WSGI server, whose handler class is the engine's.
    """

    def __init__(self, server: Any) -> None:
        self._server = server
        self._greenlets = Greenlets()
        self._in_progress = 0

    def take(self, sock: _socket.socket, address: Any) -> bool:
        """Handle a request, if a new connection brought one for a WebSocket of the engine.

        Args:
            sock: The connection, which does not block.
            address: The client's address.

        Returns:
            Whether it did; if not, nothing has been read.
        """
        kind: type[EngineHandler] = self._server.handler_class
        if not kind.engine_paths or not kind.has_stock_parser or not self._has_space():
            return False
        received = _received(sock)
        head = read_upgrade(received, kind.limits.max_head) if received else None
        if head is None or head[0].target.partition("?")[0] not in kind.engine_paths:
            return False
        with suppress(OSError):  # Whoever answers finds out that the client has gone.
            sock.recv(len(received))
        self._greenlets.run(self._handle, kind, AcceptedSocket(sock), address, head)
        return True

    def _has_space(self) -> bool:
        # What the application waits for in between would have waited in the pool.
        pool = self._server.pool
        return pool is None or self._in_progress < pool.free_count()

    def _handle(self, kind: type[EngineHandler], sock: Any, address: Any, head: tuple[RequestLine, Fields]) -> None:
        self._in_progress += 1
        try:
            kind(sock, address, self._server).handle_upgrade(head)
        except BaseException:  # noqa: BLE001 - what gevent does with whatever ends a handler's greenlet
            gevent.get_hub().handle_error(kind, *sys.exc_info())
        finally:
            self._in_progress -= 1
            sock.close()


def _received(sock: _socket.socket) -> bytes:
    try:
        return sock.recv(_PEEKED, _socket.MSG_PEEK)
    except OSError:
        return b""  # Nothing yet; what is wrong with the connection, its handler finds.
