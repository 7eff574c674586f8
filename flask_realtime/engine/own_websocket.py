"""WebSockets of the application's own, served by gevent-websocket.

gevent-websocket completes the handshake before it calls the application, whatever the path. Here it does so when the application
uses the WebSocket: at a path without one, the application answers as it answers any request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gevent.pywsgi import WSGIHandler


class OwnWebSocket:
    """The `wsgi.websocket` of a request: gevent-websocket's object, opened on first use.

    Args:
        handler: The request's WSGI handler, one of gevent-websocket's.
    """

    def __init__(self, handler: Any) -> None:
        self.handler = handler
        self._application: Callable[..., Iterable[bytes]] = handler.application
        self._opened: Any = None

    def __getattr__(self, name: str) -> Any:
        """Complete the handshake if necessary, and return the attribute of gevent-websocket's object."""
        if self._opened is None:
            self.handler.application = self._application  # gevent-websocket looks for subprotocols there.
            self.handler.upgrade_websocket()
            self.handler.write(b"")
            self._opened = self.handler.websocket
        return getattr(self._opened, name)

    def serve(self, environ: dict[str, Any], _start_response: Any) -> Iterable[bytes]:
        """Call the application; after a handshake its response is discarded, since the handshake was the response."""
        environ["wsgi.websocket"] = self
        try:
            answer = self._application(environ, self._start_response)
            if self._opened is None:
                return answer
            close: Callable[[], None] = getattr(answer, "close", _nothing_to_close)
            try:
                return [b"" for _ in answer]
            finally:
                close()
        finally:
            if self._opened is not None:
                self._opened.close()

    def _start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        if self._opened is None:
            # Not gevent-websocket's, which takes any response for that of a handshake once there is a WebSocket.
            return WSGIHandler.start_response(self.handler, status, headers, exc_info)
        return lambda _data: None


def _nothing_to_close() -> None:
    """Do nothing."""
