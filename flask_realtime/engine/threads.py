"""WebSockets on servers with a thread per request, over simple-websocket."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import simple_websocket

from flask_realtime.engine.patching import callers


class ThreadWebSocket:
    """WebSocket with the interface that python-engineio's server expects of an async mode.

    Args:
        handler: Uses the WebSocket, and returns when it is closed.
        server: The Engine.IO server.
    """

    def __init__(self, handler: Callable[[ThreadWebSocket], object], server: Any) -> None:
        self._handler = handler
        self._max_message_size: int = server.max_http_buffer_size
        self._websocket: Any = None

    def __call__(self, environ: Mapping[str, Any], start_response: Any) -> Iterable[bytes]:
        """Open it, and answer the request once it is closed."""
        self._websocket = accept(environ, self._max_message_size)
        self._handler(self)
        return end_request(self._websocket, start_response)

    def close(self) -> None:
        """Close it, unless it is closed already."""
        if self._websocket.connected:
            self._websocket.close()

    def send(self, message: str | bytes) -> None:
        """Send a message.

        Raises:
            OSError: It is closed.
        """
        try:
            self._websocket.send(message)
        except simple_websocket.ConnectionClosed:
            raise OSError from None

    def wait(self) -> str | bytes | None:
        """Wait for a message, and return it; None at the end."""
        try:
            message: str | bytes | None = self._websocket.receive()
        except simple_websocket.ConnectionClosed:
            return None
        return message


class _Server(simple_websocket.Server):  # type: ignore[misc]  # simple-websocket has no types
    """simple-websocket's WebSocket, which reports its end in every case, such as after a message that is too large."""

    def _thread(self) -> None:
        try:
            super()._thread()
        finally:
            self.connected = False
            self.event.set()


def accept(environ: Mapping[str, Any], max_message_size: int) -> Any:
    """Open the WebSocket that a request asks for.

    Args:
        environ: The request's environment.
        max_message_size: Maximum number of bytes of a message.

    Raises:
        RuntimeError: The server does not expose the request's connection.
    """
    return _Server(environ, max_message_size=max_message_size)


def end_request(websocket: Any, start_response: Any) -> Iterable[bytes]:
    """End a WebSocket's request, so that the server neither writes to its connection nor reads from it.

    Args:
        websocket: The WebSocket, of simple-websocket.
        start_response: The request's `start_response`.
    """
    if websocket.mode == "gunicorn":
        raise StopIteration  # gunicorn's own way to end a request whose socket was taken over.
    handler = _werkzeug_handler()
    if handler is not None:
        start_response("101 Switching Protocols", [])
        _cut_off(handler)
    return ()  # python-engineio would take a list for packets, and send them.


def _cut_off(handler: Any) -> None:
    # An exception would end the request too, but the debugger reports each as an error.
    handler.close_connection = True
    handler.wfile = io.BytesIO()
    handler.rfile.close()
    # The server reads the rest of the request from there; this is empty at once.
    handler.connection, other = socket.socketpair()
    other.close()
    handler.rfile = _Nothing(handler.connection)


class _Nothing(io.BytesIO):
    """Empty file that closes a socket when it is closed."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._connection = connection

    def close(self) -> None:
        """Close both."""
        self._connection.close()
        super().close()


def _werkzeug_handler() -> Any:
    for frame in callers():
        if frame.f_globals.get("__name__") == "werkzeug.serving" and "self" in frame.f_locals:
            return frame.f_locals["self"]
    return None
