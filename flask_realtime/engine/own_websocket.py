"""An application's own WebSockets, which gevent-websocket serves.

gevent-websocket shakes hands before the application is asked, whatever the path. Here it does when the application uses the
WebSocket: an application that has none at a path answers there as it answers any request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gevent.pywsgi import WSGIHandler


class OwnWebSocket:
    """What an application finds as `wsgi.websocket`: gevent-websocket's object, once anything of it is used.

    Args:
        handler: The request's WSGI handler, one of gevent-websocket's.
    """

    def __init__(self, handler: Any) -> None:
        self.handler = handler
        self._application: Callable[..., Iterable[bytes]] = handler.application
        self._opened: Any = None

    def __getattr__(self, name: str) -> Any:
        """Shake hands, if that has not been done, and return what gevent-websocket's object has."""
        if self._opened is None:
            self.handler.application = self._application  # It looks there for subprotocols.
            self.handler.upgrade_websocket()
            self.handler.write(b"")
            self._opened = self.handler.websocket
        return getattr(self._opened, name)

    def serve(self, environ: dict[str, Any], _start_response: Any) -> Iterable[bytes]:
        """Call the application, in its place: after a handshake there is no answer but that."""
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
            # Not gevent-websocket's, which takes any answer for that to a handshake where there is a WebSocket.
            return WSGIHandler.start_response(self.handler, status, headers, exc_info)
        return lambda _data: None


def _nothing_to_close() -> None:
    """Do nothing."""
