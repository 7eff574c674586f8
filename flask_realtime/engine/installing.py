"""Installs the engine's WSGI handler in an application's servers.

gunicorn's worker is found while it loads the application, and has the
handler before its first connection; any other server is found behind the first request that it hands on.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Mapping
from types import MethodType
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import gevent
from gevent.pywsgi import WSGIHandler
from gevent.server import StreamServer

from flask_realtime.engine.accepted import accept, cooperative
from flask_realtime.engine.acceptor import UpgradeAcceptor
from flask_realtime.engine.handler import EngineHandler
from flask_realtime.engine.handshake import asks_for_websocket
from flask_realtime.engine.limits import EngineLimits
from flask_realtime.engine.patching import callers, change_class, put_before
from flask_realtime.engine.places import Places
from flask_realtime.engine.takeover import UPGRADE, Upgrade

_DEFAULT_OLD: Final = 10
"""Python's own number of collections of the middle generation before a full one."""

_OLD: Final = 50
"""The number here: most of what survives is connections, which stay; with Python's own, 10,000 that come take ten full collections.
Garbage may wait for five times as long, until 350,000 objects more have been made than freed."""


class InstallingServer:
    """Mixin placed before the class of gevent's WSGI server: adds a time-out to TLS handshakes, from the first one on.

    It begins to handle requests for a WebSocket of the engine where it accepts their connections. Each `on_start` is called
    once it accepts connections.
    """

    handler_class: type[EngineHandler]
    on_start: tuple[Callable[[], None], ...] = ()
    socket: Any
    ssl_enabled: bool
    _upgrades: UpgradeAcceptor | None = None

    def start(self) -> None:
        """Start accepting connections."""
        _wrap_in_time(self, self.handler_class)
        accepts_as_gevent = getattr(super(), "do_read", None) == MethodType(StreamServer.do_read, self)
        self._upgrades = UpgradeAcceptor(self) if accepts_as_gevent and not self.ssl_enabled else None
        # What was loaded until now stays for good. To look through all of it again and again takes a tenth of the time of a storm
        # of connections, in pauses of 75 ms and more, and makes the memory that a master shared with this worker its own.
        gc.freeze()
        _collect_fully_less_often()
        super().start()  # type: ignore[misc]
        for started in self.on_start:
            started()

    def close(self) -> None:
        """Stop accepting connections."""
        self._upgrades = None
        super().close()  # type: ignore[misc]

    def do_read(self) -> Any:
        """Accept a connection."""
        return super().do_read() if self._upgrades is None else accept(self.socket)  # type: ignore[misc]

    def do_handle(self, sock: Any, *address: Any) -> None:
        """Handle a connection, in the event loop's callback that accepted it."""
        if self._upgrades is None:
            super().do_handle(sock, *address)  # type: ignore[misc]
        elif not self._upgrades.take(sock, *address):
            super().do_handle(cooperative(sock), *address)  # type: ignore[misc]


def _collect_fully_less_often() -> None:
    young, middle, old = gc.get_threshold()
    if old == _DEFAULT_OLD:  # Else the application has chosen another one, or this Python does not look at it.
        gc.set_threshold(young, middle, _OLD)


def before(kind: Any, limits: EngineLimits | None = None) -> type[EngineHandler]:
    """Return a subclass of a handler class with the engine's in front.

    Args:
        kind: The handler class; returned unchanged if it is the engine's already.
        limits: The limits of a connection; the first application's count.
    """
    if not issubclass(kind, EngineHandler):
        has_stock_parser = kind.MessageClass is WSGIHandler.MessageClass and kind.read_request is WSGIHandler.read_request
        members = {"has_stock_parser": has_stock_parser, "let_go": [], "places": Places(), "limits": EngineLimits()}
        kind = put_before(EngineHandler, kind, members)
    if limits is not None and not kind.engine_paths:
        kind.limits = limits
    changed: type[EngineHandler] = kind
    return changed


def install_in_worker(
    worker: Any, limits: EngineLimits | None = None, path: str = "", on_start: Callable[[], None] | None = None
) -> None:
    """Give a gunicorn worker, or a worker class, the engine's handler.

    Args:
        worker: It has `wsgi_handler` and `server_class`, and has not made a server yet.
        limits: The limits of a connection.
        path: The path at which an application serves the engine.
        on_start: Called once the worker accepts connections.
    """
    kind = worker.wsgi_handler = before(worker.wsgi_handler, limits)
    kind.engine_paths = tuple({*kind.engine_paths, path} - {""})
    if not issubclass(worker.server_class, InstallingServer):
        worker.server_class = put_before(InstallingServer, worker.server_class)
    if on_start is not None:
        worker.server_class.on_start = (*worker.server_class.on_start, on_start)


def install_where_loaded(limits: EngineLimits, path: str, on_start: Callable[[], None]) -> None:
    """Give the worker that is just loading the application the engine's handler, if there is one.

    Args:
        limits: The limits of a connection.
        path: The path at which the application serves the engine.
        on_start: Called once a worker accepts connections.
    """
    for frame in callers():
        owner = frame.f_locals.get("self") if frame.f_code.co_name in {"load_wsgi", "setup"} else None
        # With --preload the master loads the application, before it forks the workers.
        for worker in (owner, getattr(owner, "worker_class", None)):
            kind = getattr(worker, "wsgi_handler", None)
            if isinstance(kind, type) and issubclass(kind, WSGIHandler):
                install_in_worker(worker, limits, path, on_start)


def install_in_server(server: Any, limits: EngineLimits) -> type[EngineHandler]:
    """Put the engine's handler in front of a server's handler class; new connections get it.

    Args:
        server: gevent's WSGI server.
        limits: The limits of a connection.
    """
    kind = server.handler_class = before(server.handler_class, limits)
    if not isinstance(server, InstallingServer):
        _wrap_in_time(server, kind)
    return kind


def change_handler(handler: WSGIHandler, path_info: str, path: str, limits: EngineLimits) -> type[EngineHandler]:
    """Put the engine's handler in front of the handler class of a request's server.

    The request's own connection and new ones get it.

    Args:
        handler: The request's handler.
        path_info: The request's path as the application sees it.
        path: The path at which the application serves the engine.
        limits: The limits of a connection.

    Returns:
        The new class.
    """
    server: Any = handler.server
    requested = unquote((handler.path or "").partition("?")[0], "latin-1")
    changed = install_in_server(server, limits)
    if not isinstance(handler, EngineHandler) and issubclass(changed, type(handler)):
        change_class(handler, changed)  # Its connection is older than the change of the class, and may stay open for long.
    if requested.endswith(path_info):  # The application may be mounted under a prefix.
        changed.engine_paths = tuple({*changed.engine_paths, requested.removesuffix(path_info) + path})
    return changed


def answer_first(environ: dict[str, Any], start_response: Any, answer: Callable[..., Iterable[bytes]]) -> Iterable[bytes]:
    """Answer a server's first request as an `EngineHandler` would, which its handler was not when the request arrived.

    Args:
        environ: The request's environment.
        start_response: The request's `start_response`.
        answer: The WSGI application that answers it.
    """
    handler = handler_of(environ, start_response)
    is_behind_others = UPGRADE in environ or "wsgi.websocket" in environ
    if is_behind_others or not isinstance(handler, EngineHandler) or not asks_for_websocket(environ):
        return answer(environ, start_response)
    upgrade = environ[UPGRADE] = Upgrade(handler)
    try:
        return answer(environ, start_response)
    finally:
        handler.note_upgrade(upgrade)


def handler_of(environ: Mapping[str, Any], start_response: Any) -> WSGIHandler | None:
    """Return a request's WSGI handler, or None if the server is not gevent's.

    Args:
        environ: The request's environment.
        start_response: The request's `start_response`; a middleware may have replaced the handler's.
    """
    handler = getattr(environ.get("wsgi.websocket"), "handler", None) or getattr(start_response, "__self__", None)
    return handler if isinstance(handler, WSGIHandler) else _calling_handler()


def _calling_handler() -> WSGIHandler | None:
    for frame in callers():
        if frame.f_code is WSGIHandler.run_application.__code__:
            handler: WSGIHandler = frame.f_locals["self"]
            return handler
    return None


def _wrap_in_time(server: Any, kind: type[EngineHandler]) -> None:
    if not server.ssl_enabled or hasattr(server.wrap_socket, "is_in_time"):
        return
    wrap_socket = server.wrap_socket

    def wrap(sock: Any, **options: Any) -> Any:
        waiting = _Descriptor(sock.fileno())  # Wrapping in TLS detaches the descriptor from the socket.
        kind.places.wait(waiting, server)
        try:
            with gevent.Timeout(kind.limits.connect_timeout, TimeoutError):
                return wrap_socket(sock, **options)
        except TimeoutError:
            raise gevent.GreenletExit from None  # Not worth a log line.
        finally:
            kind.places.forget(waiting)

    wrap.is_in_time = True  # type: ignore[attr-defined]
    server.wrap_socket = wrap


class _Descriptor(NamedTuple):
    """A connection identified by its descriptor, since its socket object changes."""

    number: int

    def fileno(self) -> int:
        return self.number


class FirstRequest:
    """WSGI middleware that passes an application's first request to a callback, and then removes itself.

    Args:
        wsgi_app: The application.
        show: Called with the request's environment and its `start_response`.
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
