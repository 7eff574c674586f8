"""Socket.IO server of one application, set up for the gateway: its engine, its mode, its origins, its handlers.

In the gateway, nothing outside this package and `delivery.manager` touches private parts of python-socketio and python-engineio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from selectors import EVENT_READ, DefaultSelector
from typing import Any, Protocol

import gevent
from flask import Flask
from flask_socketio import SocketIO
from gevent.select import select

from flask_realtime.config import PREFIX, RealtimeConfig
from flask_realtime.counts import Counts
from flask_realtime.engine.fan_out import deliver_to_all, find_websockets
from flask_realtime.engine.installing import install_in_server, install_where_loaded
from flask_realtime.engine.limits import EngineLimits
from flask_realtime.engine.polling import OneAtATime
from flask_realtime.engine.server import EngineServer
from flask_realtime.engine.stateless import StatelessRefusal
from flask_realtime.engine.threads import ThreadWebSocket
from flask_realtime.gateway.admission.handshake import for_handlers
from flask_realtime.gateway.admission.origin_check import OriginCheck, allow_any, same_origin
from flask_realtime.gateway.delivery.encoding import EventEncoder
from flask_realtime.gateway.delivery.local import LocalDelivery
from flask_realtime.gateway.delivery.manager import RoomManager
from flask_realtime.gateway.dispatch.mailbox import Concurrency, Event, Mailbox
from flask_realtime.gateway.dispatch.packets import DEFAULT_NAMESPACE
from flask_realtime.gateway.recovery.journal import Journal
from flask_realtime.gateway.serving.connections import SocketIOConnections
from flask_realtime.gateway.serving.development import announce, cannot_listen, warn_unpatched
from flask_realtime.gateway.serving.existing import ExistingHandlers, check_existing
from flask_realtime.gateway.serving.factory import choice_of
from flask_realtime.gateway.serving.serving import Serving
from flask_realtime.gateway.serving.sessions import EngineSessions
from flask_realtime.gateway.serving.suitability import GEVENT, THREADING
from flask_realtime.logs import protect


class EngineEvents(Protocol):
    """The engine's events for the gateway. Messages of one session arrive in order, from one greenlet or thread at a time."""

    @property
    def namespaces(self) -> Iterable[str]:
        """The namespaces that features serve."""

    def on_serving(self) -> None:
        """Handle the beginning of serving in this process; it may be called more than once."""

    def on_open(self, eio_sid: str, environ: Mapping[str, Any]) -> Callable[[object], None]:
        """Register a new session, and return the function that handles its messages, as `on_message` does by the session's id."""

    def on_message(self, eio_sid: str, data: object) -> None:
        """Handle a message: text, or bytes of an attachment."""

    def on_close(self, eio_sid: str, reason: str) -> None:
        """Handle the end of a session."""

    def on_disconnected(self, connection_id: str) -> None:
        """Handle a connection's leaving its namespace."""

    def begin_drain(self) -> None:
        """Handle the start of a drain: sessions are ended in batches from now on."""

    def when_done(self, eio_sid: str, callback: Callable[[], None]) -> None:
        """Call a function once all messages of a session have been handled."""

    def wait_idle(self) -> None:
        """Wait until all consequences of the sessions' ends are handled, or until a time-out."""

    def on_failure(self, eio_sid: str, error: BaseException) -> None:
        """Handle the failure of a session's message."""


class SocketIOServer:
    """The Socket.IO server, set up for the gateway, which is handed its `sessions`, `connections` and `local` delivery.

    Args:
        app: The application.
        socketio: Its Flask-SocketIO object, initialised.
        config: Its settings.
        events: The receiver of the engine's events.
        counts: Counts what happens.
        journal: Numbers the events of the default namespace, or None.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - independent collaborators
        self,
        app: Flask,
        socketio: SocketIO,
        config: RealtimeConfig,
        events: EngineEvents,
        counts: Counts,
        journal: Journal | None = None,
    ) -> None:
        self._counts = counts
        self.socketio = socketio
        self._server = socketio.server
        protect(self._server.logger)
        protect(self._server.eio.logger)
        self._engine = self._server.eio
        check_existing(self._server)
        self._events = events
        self._config = config
        limits = self._limits = EngineLimits(
            max_backlog=config.max_backlog_bytes,
            connect_timeout=config.connect_timeout,
            drain_time=config.drain_time,
            keep_alive=config.keep_alive,
            max_head=config.max_head_bytes,
        )
        if config.engine == GEVENT:
            # Before the first request, so that its head is checked too.
            install_where_loaded(limits, self.path, events.on_serving)
        encoder = EventEncoder(app.json)
        self._server.packet_class = encoder.packet_class
        self.sessions = EngineSessions(self._server)
        self._rooms = RoomManager(encoder.encode, self.sessions.receiver, events.on_disconnected, journal=journal, counts=counts)
        self._rooms.set_server(self._server)
        self._server.manager = self._rooms
        self.connections = SocketIOConnections(self._server, self._rooms, encoder.packet_text)
        self.local = LocalDelivery(encoder.encode, self._rooms)
        self._check_origins(config)
        self.existing = ExistingHandlers(socketio, self._rooms)
        self._take_over()
        choice = choice_of(socketio, config)
        if choice is not None:
            self._work(choice.mode)
        cors_headers = self._engine._cors_headers  # noqa: SLF001
        refuse = partial(StatelessRefusal, cors_headers=cors_headers, namespaces=self._other_namespaces)
        self._serving = Serving(app, socketio, choice, self._work, refuse, events.on_serving)

    def _other_namespaces(self) -> list[str]:
        return sorted({*self.existing.namespaces, *self._events.namespaces} - {DEFAULT_NAMESPACE})

    def _work(self, mode: str) -> None:
        """Set the engine's async mode, before anybody has connected."""
        if mode != self._engine.async_mode:
            self._engine._async = import_module(f"engineio.async_drivers.{mode}")._async  # noqa: SLF001
        if mode == THREADING:
            self._engine._async = {**self._engine._async, "websocket": ThreadWebSocket}  # noqa: SLF001
        self._engine.async_mode = self._server.async_mode = self.socketio.async_mode = mode
        if mode == GEVENT and self._config.engine == GEVENT and not isinstance(self._engine, EngineServer):
            EngineServer.take_over(self._engine, self.socketio.sockio_mw, self._limits, self._events, self._counts)
            self._rooms.deliver_through(deliver_to_all, find_websockets)

    def run(self, app: Flask, host: str, port: int, options: Mapping[str, Any]) -> None:
        """Serve the application with the development server of the async mode.

        Args:
            app: The application.
            host: The address to listen on.
            port: The port to listen on.
            options: Passed on to `SocketIO.run`.

        Raises:
            SystemExit: It cannot listen there; the message says why.
        """
        if self._engine.async_mode == GEVENT:  # Werkzeug's server prints its address itself.
            warn_unpatched()
            announce(self.socketio)
            # Spawned, because `socketio.run` makes the server and does not return.
            gevent.spawn(self._install_handler)
        try:
            self.socketio.run(app, host=host, port=port, **options)
        except OSError as error:
            if told := cannot_listen(error, host, port):
                raise SystemExit(told) from None
            raise

    def _install_handler(self) -> None:
        if self._config.engine == GEVENT and self.socketio.wsgi_server is not None:
            install_in_server(self.socketio.wsgi_server, self._limits)

    def _check_origins(self, config: RealtimeConfig) -> None:
        origins = self._engine.cors_allowed_origins
        is_configured_here = origins is same_origin or config.cors_allowed_origins is not None
        setting = f"{PREFIX}CORS_ALLOWED_ORIGINS" if is_configured_here else "cors_allowed_origins of the SocketIO object"
        if not allow_any(origins):
            origins = same_origin if origins is None else origins
            self._engine.cors_allowed_origins = OriginCheck(origins, setting, self._counts)
            self._engine.log_message_keys.add("bad-origin")  # Keeps python-engineio from logging it again, unescaped.

    def _take_over(self) -> None:
        handlers: tuple[tuple[str, Callable[..., None]], ...] = (
            ("connect", self._on_open),
            ("message", self._events.on_message),
            ("disconnect", self._events.on_close),
        )
        for event, handler in handlers:
            self._engine.on(event, handler)
            # Flask-SocketIO's test client calls these directly.
            setattr(self._server, f"_handle_eio_{event}", handler)
        self._stock_open = type(self._server)._handle_eio_connect.__get__(self._server)  # noqa: SLF001

    @property
    def all_rooms(self) -> RoomManager:
        """Return the rooms of all namespaces."""
        return self._rooms

    def compute(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function that takes long and waits for nothing, without blocking other connections, and return its result."""
        if self._engine.async_mode == GEVENT:
            return gevent.get_hub().threadpool.apply(function, args)
        return function(*args)

    @property
    def concurrency(self) -> Concurrency:
        """Return the greenlets or threads that the server uses."""
        if isinstance(self._engine, EngineServer):
            greenlets: Concurrency = self._engine.greenlets
            return greenlets
        concurrency: Concurrency = self._server
        return concurrency

    def start_background_task(self, target: Callable[..., None], *args: Any) -> None:
        """Run a function in a greenlet or thread, as the server uses by then."""
        engine = self._engine
        (engine.greenlets if isinstance(engine, EngineServer) else self._server).start_background_task(target, *args)

    def sleep(self, seconds: float = 0) -> None:
        """Let other greenlets or threads run."""
        self.concurrency.sleep(seconds)

    @property
    def allows_any_origin(self) -> bool:
        """Return whether any web page may connect."""
        return allow_any(self._engine.cors_allowed_origins)

    @property
    def is_draining(self) -> bool:
        """Return whether the engine ends its sessions, since the process is told to stop."""
        return isinstance(self._engine, EngineServer) and self._engine.is_draining

    @property
    def path(self) -> str:
        """Return the path at which clients connect."""
        path: str = self.socketio.sockio_mw.engineio_path
        return path

    @property
    def rooms(self) -> int:
        """Return the number of rooms in the default namespace."""
        return self._rooms.count

    @property
    def engine(self) -> EngineServer | None:
        """Return the engine, or None where python-engineio's own server is used."""
        return self._engine if isinstance(self._engine, EngineServer) else None

    def new_event(self) -> Event:
        """Return an event of the server's kind."""
        event: Event = self._engine.create_event()
        return event

    def wait_readable(self, fileno: int, seconds: float) -> bool:
        """Wait until a file can be read, for some seconds at most, and return whether it can; others run meanwhile."""
        if self._engine.async_mode == GEVENT:
            return bool(select([fileno], [], [], seconds)[0])
        with DefaultSelector() as selector:  # `select` takes no files with large numbers.
            selector.register(fileno, EVENT_READ)
            return bool(selector.select(seconds))

    def new_mailbox(self) -> Mailbox:
        """Return a mailbox whose tasks run in the server's greenlets or threads."""
        return Mailbox(self.concurrency, self.new_event, self._config.max_pending_events)

    def _on_open(self, eio_sid: str, environ: Mapping[str, Any]) -> None:
        self._stock_open(eio_sid, environ)
        # Only handlers registered through Flask-SocketIO need the handshake's environment, the largest part of a session.
        if self.existing.is_empty:
            self._server.environ.pop(eio_sid, None)
        else:
            self._server.environ[eio_sid] = for_handlers(environ)
        socket = self._engine.sockets.get(eio_sid)
        on_message = self._events.on_open(eio_sid, environ)
        if isinstance(self._engine, EngineServer):
            socket.on_message = on_message
        elif socket is not None:
            OneAtATime(socket)
