"""What is changed about gevent's WSGI handler, in a server that a request has come from.

gevent-websocket shakes hands before the application is asked, so that a refusal could only follow as the end of a connection that
was accepted. Here a request for one of the engine's WebSockets takes the way of all other requests, and the engine answers it.

gevent waits for the rest of a request's head, and of a TLS handshake, for ever. Here it has to come in time, whatever it is for.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from http import HTTPStatus
from types import FrameType
from typing import Any, ClassVar
from urllib.parse import unquote

import gevent
from gevent.pywsgi import WSGIHandler

from flask_realtime.engine.handshake import asks_for_websocket
from flask_realtime.engine.headers import read_plain_headers
from flask_realtime.engine.takeover import UPGRADE, Upgrade

_END_OF_HEAD = b"\r\n\r\n"


class _TooSlow(gevent.Timeout):
    """A request's head did not come in time."""


class EngineHandler(WSGIHandler):
    """Goes before the handler class that a server has; see `change_handler`."""

    engine_paths: ClassVar[tuple[str, ...]] = ()
    has_stock_parser: ClassVar[bool]
    head_timeout: ClassVar[float]
    let_go: ClassVar[list[Callable[[Mapping[str, Any]], bool]]]
    """Where this process is to stop: each says of a request's environment whether the connection may be closed after the answer."""

    idle: ClassVar[set[EngineHandler]]

    is_read_to_the_end = False
    """Whether nothing has been read that comes after the request's head."""

    _is_kept_alive = False
    _is_taken = False
    _patience: _TooSlow | None = None

    def handle_one_request(self) -> Any:
        """Handle a request, or end the connection where the request's head does not come in time."""
        try:
            return super().handle_one_request()
        except _TooSlow:
            return None
        finally:
            self._head_is_over()

    def read_requestline(self) -> Any:
        """Read the first line. The time for it begins with its first byte, on a new connection at once."""
        self.idle.add(self)
        try:
            if not self._is_kept_alive or _END_OF_HEAD not in self.rfile.peek():
                self._patience = _TooSlow(self.head_timeout)
                self._patience.start()
            self._is_kept_alive = True
            return super().read_requestline()
        finally:
            self.idle.discard(self)

    def read_request(self, raw_requestline: str) -> Any:
        """Read the headers."""
        is_valid = super().read_request(raw_requestline)
        self._head_is_over()
        return is_valid

    def MessageClass(self, *args: Any) -> Any:  # noqa: N802 - gevent's name
        """Parse the headers."""
        headers, self.is_read_to_the_end = read_plain_headers(self.rfile) if self.has_stock_parser else (None, False)
        return super().MessageClass(*args) if headers is None else headers

    def _head_is_over(self) -> None:
        if self._patience is not None:
            self._patience.close()
            self._patience = None

    def finalize_headers(self) -> None:
        """Have the client open another connection for its next request where this process is to stop: it comes to another one."""
        may_close = self.let_go and not self.close_connection and self.code != HTTPStatus.SWITCHING_PROTOCOLS
        if may_close and all(lets_go(self.environ or {}) for lets_go in self.let_go):
            self.close_connection = True
            headers: Any = self.response_headers  # Bytes, whatever gevent's annotations say.
            headers.append((b"Connection", b"close"))
        super().finalize_headers()

    @classmethod
    def hang_up_idle(cls) -> None:
        """End the connections on which no request is under way."""
        for handler in list(cls.idle):
            # Of the descriptor, whatever is on it: a TLS socket's own way would leave its reader with an error to log.
            with suppress(OSError), closing(socket.socket(fileno=os.dup(handler.socket.fileno()))) as connection:
                connection.shutdown(socket.SHUT_RD)

    def run_application(self) -> None:
        """Let the engine answer where it is asked for a WebSocket."""
        environ = self.environ
        if environ is None or not asks_for_websocket(environ) or not environ["PATH_INFO"].startswith(self.engine_paths):
            super().run_application()
            return
        upgrade = environ[UPGRADE] = Upgrade(self)
        try:
            WSGIHandler.run_application(self)
        finally:
            self._is_taken = upgrade.is_taken
            upgrade.forget()

    def log_request(self) -> None:
        """Log a request, unless it goes on as a WebSocket."""
        if not self._is_taken:
            super().log_request()


def change_handler(handler: WSGIHandler, path_info: str, path: str, head_timeout: float) -> type[EngineHandler]:
    """Give the server behind a request a handler class that goes before the one it has.

    The request's own connection and those that come later get it.

    Args:
        handler: The request's handler.
        path_info: The request's path as the application sees it.
        path: Where the application serves the engine.
        head_timeout: Seconds in which a request's head has to come, and a TLS handshake to be over.

    Returns:
        That class.
    """
    server: Any = handler.server
    requested = unquote((handler.path or "").partition("?")[0], "latin-1")
    kind = server.handler_class
    if not issubclass(kind, EngineHandler):
        kind = server.handler_class = _before(kind, head_timeout)
        if server.ssl_enabled:
            server.wrap_socket = _in_time(server.wrap_socket, head_timeout)
    changed: type[EngineHandler] = kind
    if not isinstance(handler, EngineHandler) and issubclass(kind, type(handler)):
        handler.__class__ = kind  # Its connection was there before, and may last as long as the process.
    if requested.endswith(path_info):  # The application may be mounted somewhere.
        changed.engine_paths = tuple({*changed.engine_paths, requested.removesuffix(path_info) + path})
    return changed


def handler_of(environ: Mapping[str, Any], start_response: Any) -> WSGIHandler | None:
    """Return the WSGI handler that a request came through, or None where the server is not gevent's.

    Args:
        environ: The request's environment.
        start_response: What begins the answer; a middleware may have put its own in the place of the handler's.
    """
    handler = getattr(environ.get("wsgi.websocket"), "handler", None) or getattr(start_response, "__self__", None)
    return handler if isinstance(handler, WSGIHandler) else _calling_handler()


def _calling_handler() -> WSGIHandler | None:
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - inspect.currentframe is this, and may return None
    while frame is not None:
        if frame.f_code is WSGIHandler.run_application.__code__:
            handler: WSGIHandler = frame.f_locals["self"]
            return handler
        frame = frame.f_back
    return None


def _before(kind: type[WSGIHandler], head_timeout: float) -> type[EngineHandler]:
    has_stock_parser = kind.MessageClass is WSGIHandler.MessageClass
    members = {"has_stock_parser": has_stock_parser, "head_timeout": head_timeout, "idle": set(), "let_go": []}
    return type(kind.__name__, (EngineHandler, kind), members)


def _in_time(wrap_socket: Callable[..., Any], seconds: float) -> Callable[..., Any]:
    def wrap(*args: Any, **options: Any) -> Any:
        try:
            with gevent.Timeout(seconds, TimeoutError):
                return wrap_socket(*args, **options)
        except TimeoutError:
            raise gevent.GreenletExit from None  # Nobody needs to read about it.

    return wrap


class FirstRequest:
    """Shows the first of an application's requests to somebody, and is out of the way then.

    Args:
        wsgi_app: The application.
        show: Gets the request's environment and its `start_response`.
    """

    def __init__(self, wsgi_app: Any, show: Callable[[Mapping[str, Any], Any], None]) -> None:
        self._wsgi_app = wsgi_app
        self._show: Callable[[Mapping[str, Any], Any], None] | None = show

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Hand a request on to the application."""
        if self._show is not None:
            self._show(environ, start_response)
            self._show = None
        answer: Iterable[bytes] = self._wsgi_app(environ, start_response)
        return answer
