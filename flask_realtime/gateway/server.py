"""The Socket.IO server of one application: made here, or taken over from a Flask-SocketIO object that the application has.

In the gateway, nothing outside this module and `rooms` touches what python-socketio and python-engineio keep to themselves.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple, Protocol

from flask import Flask
from flask_socketio import SocketIO
from socketio import packet as sio
from socketio.exceptions import ConnectionRefusedError as SocketIOConnectionRefused
from socketio.manager import Manager

from flask_realtime.config import RealtimeConfig
from flask_realtime.contract.answers import Refusal
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.engine.polling import receive_post
from flask_realtime.engine.server import EngineLimits, EngineServer
from flask_realtime.engine.socket import EngineSocket, deliver_to_all, find_websockets
from flask_realtime.errors import ConfigError, ConnectionRefused
from flask_realtime.gateway.encoding import EventEncoder
from flask_realtime.gateway.mailbox import Concurrency, Event, Mailbox, Task
from flask_realtime.gateway.packets import DEFAULT_NAMESPACE
from flask_realtime.gateway.rooms import Receiver, RoomManager, deliver_to_each, find_no_websockets


class EngineEvents(Protocol):
    """What the engine tells the gateway. Messages of one session come in order, from one greenlet or thread at a time."""

    def on_open(self, engine_id: str, environ: Mapping[str, Any]) -> Callable[[object], None]:
        """Note that a session was opened, and return what handles its messages; `on_message` does so too, by the session's id."""

    def on_message(self, engine_id: str, data: object) -> None:
        """Handle a message: text, or bytes of an attachment."""

    def on_close(self, engine_id: str, reason: str) -> None:
        """Note that a session is gone."""

    def on_disconnected(self, connection_id: str) -> None:
        """Note that a connection left the default namespace."""

    def begin_drain(self) -> None:
        """Note that sessions are ended bit by bit from now on."""

    def when_done(self, engine_id: str, callback: Callable[[], None]) -> None:
        """Have a function called as soon as everything that a session has sent is done."""

    def settle(self) -> None:
        """Return when everything has been done that follows from the end of the sessions, or it takes too long."""


class _Quiet(logging.Filter):
    """Keeps back what the libraries say about every packet: it holds tokens and messages."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING


def _library_logger(name: str) -> logging.Logger:
    logger = logging.getLogger(f"flask_realtime.{name}")
    if not any(isinstance(item, _Quiet) for item in logger.filters):
        logger.addFilter(_Quiet())
    return logger


def _same_origin(origin: str | None, environ: Mapping[str, Any]) -> bool:
    """Allow the server's own origin: python-engineio would also believe an `X-Forwarded-Host` that the client sent."""
    return origin == f"{environ.get('wsgi.url_scheme')}://{environ.get('HTTP_HOST')}"


def create_socketio(config: RealtimeConfig) -> SocketIO:
    """Return a Flask-SocketIO object with an application's settings, not initialised yet."""
    return SocketIO(
        async_mode=config.async_mode or _usual_async_mode(),
        path=config.path.strip("/"),
        cors_allowed_origins=_engine_origins(config),
        transports=list(config.transports),
        ping_interval=config.ping_interval,
        ping_timeout=config.ping_timeout,
        max_http_buffer_size=config.max_http_buffer_size,
        logger=_library_logger("socketio"),
        engineio_logger=_library_logger("engineio"),
    )


def _usual_async_mode() -> str:
    # Left to itself, python-engineio would take eventlet where that happens to be installed.
    return "threading" if os.environ.get("FLASK_RUN_FROM_CLI") else "gevent"


def _engine_origins(config: RealtimeConfig) -> Any:
    origins = config.cors_allowed_origins
    if origins is None:
        return _same_origin
    return list(origins) if isinstance(origins, tuple) else origins


class SocketIOServer:
    """What the gateway asks of the Socket.IO server.

    Args:
        app: The application.
        socketio: Its Flask-SocketIO object, initialised.
        config: Its settings.
        events: Who is told what comes in.
    """

    def __init__(self, app: Flask, socketio: SocketIO, config: RealtimeConfig, events: EngineEvents) -> None:
        self.socketio = socketio
        self._server = socketio.server
        self._engine = self._server.eio
        check_adoptable(self._server)
        self._events = events
        self._has_own_engine = config.engine == "gevent" and self._engine.async_mode == "gevent"
        if self._has_own_engine:
            limits = EngineLimits(config.max_backlog_bytes, config.connect_timeout, config.drain_time)
            EngineServer.take_over(self._engine, self.socketio.sockio_mw, limits, events)
        ways = (deliver_to_all, find_websockets) if self._has_own_engine else (deliver_to_each, find_no_websockets)
        encoder = EventEncoder(app.json)
        self._encode = encoder.encode
        self._server.packet_class = encoder.packet_class
        self._rooms = RoomManager(encoder.encode, self._receiver, events.on_disconnected, *ways)
        self.deliver_again = self._rooms.send_again
        """Delivers a message that `deliver` has delivered before, with the same arguments; see `RoomManager.send_again`."""
        self._rooms.set_server(self._server)
        self._server.manager = self._rooms
        if self._engine.cors_allowed_origins is None:
            self._engine.cors_allowed_origins = _same_origin
        self._connecting: ContextVar[bool] = ContextVar("connecting", default=False)
        socketio.exception_handlers = _HandlersExceptWhileConnecting(socketio.exception_handlers, self._connecting)
        self._take_over()

    def _take_over(self) -> None:
        handlers: tuple[tuple[str, Callable[..., None]], ...] = (
            ("connect", self._on_open),
            ("message", self._events.on_message),
            ("disconnect", self._on_close),
        )
        for event, handler in handlers:
            self._engine.on(event, handler)
            # Flask-SocketIO's test client calls these directly.
            setattr(self._server, f"_handle_eio_{event}", handler)
        self._stock_message = type(self._server)._handle_eio_message.__get__(self._server)  # noqa: SLF001
        self._stock_open = type(self._server)._handle_eio_connect.__get__(self._server)  # noqa: SLF001

    # Sessions -----------------------------------------------------------------------------------------------------------------

    @property
    def concurrency(self) -> Concurrency:
        """The greenlets or threads that the server uses."""
        if self._has_own_engine:
            greenlets: Concurrency = self._engine.greenlets
            return greenlets
        concurrency: Concurrency = self._server
        return concurrency

    @property
    def allows_any_origin(self) -> bool:
        """Whether any web page may connect; an empty list switches python-engineio's check off."""
        origins = self._engine.cors_allowed_origins
        return origins == "*" or (isinstance(origins, list | tuple) and (not origins or "*" in origins))

    @property
    def path(self) -> str:
        """Where clients connect."""
        path: str = self.socketio.sockio_mw.engineio_path
        return path

    def new_event(self) -> Event:
        """Return an event of the server's kind."""
        event: Event = self._engine.create_event()
        return event

    def _receiver(self, engine_id: str) -> Receiver:
        if self._has_own_engine:
            socket: EngineSocket = self._engine.sockets[engine_id]
            return socket
        return _StockSession(engine_id, self._server._send_eio_packet)  # noqa: SLF001

    def _on_open(self, engine_id: str, environ: Mapping[str, Any]) -> None:
        self._stock_open(engine_id, environ)
        socket = self._engine.sockets.get(engine_id)
        on_message = self._events.on_open(engine_id, environ)
        if self._has_own_engine:
            socket.on_message = on_message
        elif socket is not None:
            socket.handle_post_request = partial(receive_post, socket)

    def _on_close(self, engine_id: str, reason: str) -> None:
        for namespace in list(self._rooms.get_namespaces()):
            if namespace != DEFAULT_NAMESPACE:
                self._server._handle_disconnect(engine_id, namespace, reason)  # noqa: SLF001
        self._events.on_close(engine_id, reason)

    def transport(self, engine_id: str) -> str:
        """Return the transport that a session uses now."""
        socket = self._engine.sockets.get(engine_id)
        return "websocket" if socket is not None and socket.upgraded else "polling"

    def forget(self, engine_id: str) -> None:
        """Forget what was kept for a session that is gone."""
        self._server.environ.pop(engine_id, None)
        self._server._binary_packet.pop(engine_id, None)  # noqa: SLF001

    def close(self, engine_id: str) -> None:
        """Close a session."""
        socket = self._engine.sockets.get(engine_id)
        if socket is not None and not socket.closed:
            # Waiting, which is the default, would last until a long-polling client asks again.
            socket.close(wait=False, reason=self._server.reason.SERVER_DISCONNECT)

    def post(self, engine_id: str, mailbox: Mailbox, task: Task) -> None:
        """Post what a session sent to its mailbox, and read no further from it while that is full."""
        mailbox.post(task)
        if not mailbox.is_full:
            return
        socket = self._engine.sockets.get(engine_id)
        if self._has_own_engine and socket is not None:
            socket.hold(mailbox.when_space, mailbox.wait_for_space)
        else:
            mailbox.wait_for_space()

    def close_later(self, engine_id: str, delay: float) -> None:
        """Close a session after a delay in seconds, in which a long-polling client can fetch what was sent to it."""

        def close() -> None:
            self._server.sleep(delay)
            self.close(engine_id)

        self._server.start_background_task(close)

    # The default namespace ----------------------------------------------------------------------------------------------------

    def reserve(self, engine_id: str, *rooms: str) -> str:
        """Make an id for a connection that may be admitted; see `RoomManager.reserve`."""
        return self._rooms.reserve(engine_id, *rooms)

    def discard(self, connection_id: str) -> None:
        """Forget a connection that is not admitted."""
        self._rooms.discard(connection_id)

    def admit(self, engine_id: str, connection_id: str) -> None:
        """Tell a client that it is connected, and let it into its rooms."""
        if self._has_own_engine:
            self._engine.claim(engine_id)
        self._send_packet(engine_id, sio.CONNECT, {"sid": connection_id})
        self._rooms.admit(connection_id)
        if not self._server.handlers and not self._server.namespace_handlers:
            # Only handlers registered through Flask-SocketIO need the handshake's environment; it weighs more than all the rest.
            self._server.environ.pop(engine_id, None)

    def refuse(self, engine_id: str, namespace: str, refusal: Refusal | Mapping[str, str]) -> None:
        """Tell a client that it may not connect to a namespace."""
        self._send_packet(engine_id, sio.CONNECT_ERROR, refusal, namespace=namespace)

    def reply(self, engine_id: str, packet_id: int, args: list[Any]) -> None:
        """Answer an event's callback.

        Raises:
            PayloadNotSerializable: The arguments are not JSON.
        """
        self._send_packet(engine_id, sio.ACK, args, id=packet_id)

    def send_disconnect(self, engine_id: str) -> None:
        """Tell a client that the server disconnected it; it does not come back by itself then."""
        self._send_packet(engine_id, sio.DISCONNECT, None)

    def remove(self, connection_id: str) -> None:
        """Take a connection out of all rooms."""
        self._rooms.disconnect(connection_id, DEFAULT_NAMESPACE)

    def enter(self, connection_id: str, room: str) -> None:
        """Put a connection in a room."""
        self._rooms.enter_room(connection_id, DEFAULT_NAMESPACE, room)

    def leave(self, connection_id: str, room: str) -> None:
        """Take a connection out of a room."""
        self._rooms.leave_room(connection_id, DEFAULT_NAMESPACE, room)

    def encode(self, event: str, args: Iterable[Any], *, volatile: bool) -> OutboundMessage:
        """Encode an event that wants no answer, once for all that get it.

        Args:
            event: The event's name.
            args: Its arguments.
            volatile: Whether a receiver that is behind may do without it.

        Raises:
            PayloadNotSerializable: The arguments are not JSON.
        """
        return OutboundMessage(self._encode([event, *args]), volatile=volatile)

    def deliver(
        self, message: OutboundMessage, rooms: Sequence[str] | None, skip_rooms: Iterable[str], skip_connection: str | None
    ) -> None:
        """Send a message to this server's connections.

        Args:
            message: The message.
            rooms: The rooms whose connections get it, each connection once; None for everyone.
            skip_rooms: Rooms whose connections do not get it.
            skip_connection: A connection that does not get it, or None.
        """
        # One room, the usual case, needs no union.
        self._rooms.send(message, rooms[0] if rooms is not None and len(rooms) == 1 else rooms, skip_rooms, skip_connection)

    def acknowledge(self, connection_id: str, packet_id: int | None, args: list[Any]) -> None:
        """Pass on a client's acknowledgement of an event that the application sent with a callback."""
        # The entry 0 is python-socketio's own counter.
        if packet_id and packet_id in self._rooms.callbacks.get(connection_id, ()):
            # Not in the mailbox: a handler may be waiting there for just this, in `call`.
            self._server.start_background_task(self._rooms.trigger_callback, connection_id, packet_id, args)

    def _send_packet(self, engine_id: str, packet_type: int, data: Any, **fields: Any) -> None:
        self._server._send_packet(engine_id, self._server.packet_class(packet_type, data=data, **fields))  # noqa: SLF001

    # What an adopted Flask-SocketIO object handles itself ---------------------------------------------------------------------

    def has_namespace(self, namespace: str) -> bool:
        """Say whether the application's own handlers serve a namespace."""
        server = self._server
        return namespace in server.handlers or namespace in server.namespace_handlers or namespace in server.namespaces

    @property
    def collecting_elsewhere(self) -> Mapping[str, Any]:
        """The sessions whose attachments the stock server waits for, for another namespace."""
        waiting: Mapping[str, Any] = self._server._binary_packet  # noqa: SLF001
        return waiting

    def pass_on(self, engine_id: str, data: object) -> None:
        """Let the stock server handle a message for another namespace."""
        if self._has_own_engine:
            self._engine.claim(engine_id)
        self._stock_message(engine_id, data)

    def has_own_handler(self, event: str) -> bool:
        """Say whether the application handles an event of the default namespace through Flask-SocketIO itself."""
        return (
            self._server._get_event_handler(event, DEFAULT_NAMESPACE, ())[0] is not None  # noqa: SLF001
            or DEFAULT_NAMESPACE in self._server.namespace_handlers
        )

    def call_own_handler(self, event: str, connection_id: str, *args: Any) -> Any:
        """Call the application's own handler of an event."""
        return self._server._trigger_event(event, DEFAULT_NAMESPACE, connection_id, *args)  # noqa: SLF001

    def call_own_connect_handler(self, engine_id: str, connection_id: str, auth: object) -> None:
        """Call the application's own connect handler.

        Raises:
            ConnectionRefused: It refused.
        """
        token = self._connecting.set(True)
        try:
            accepted = self.call_own_handler("connect", connection_id, self._server.environ[engine_id], auth)
        except (SocketIOConnectionRefused, ConnectionRefusedError) as error:
            raise ConnectionRefused(*(str(argument) for argument in error.args[:1])) from error
        finally:
            self._connecting.reset(token)
        if accepted is False:
            raise ConnectionRefused

    def call_own_disconnect_handler(self, engine_id: str, connection_id: str, reason: str) -> None:
        """Call the application's own disconnect handler, which may still ask for the connection's session."""
        with self._rooms.resolving(connection_id, engine_id):
            self.call_own_handler("disconnect", connection_id, reason)


class _StockSession(NamedTuple):
    """A session of python-engineio's own, to which messages go packet by packet."""

    engine_id: str
    send_packet: Callable[[str, Any], None]

    def deliver(self, message: OutboundMessage) -> None:
        for packet in message.packets:
            self.send_packet(self.engine_id, packet)


class _HandlersExceptWhileConnecting(dict[str, Any]):
    """Flask-SocketIO's error handlers, absent while a connect handler runs.

    They would turn its exception into a return value, and any value but False admits the client.
    """

    def __init__(self, handlers: Mapping[str, Any], connecting: ContextVar[bool]) -> None:
        super().__init__(handlers)
        self._connecting = connecting

    def get(self, key: str, default: Any = None) -> Any:
        return None if self._connecting.get() else super().get(key, default)


def check_adoptable(server: Any) -> None:
    """Check that a Socket.IO server can be taken over.

    Raises:
        ConfigError: It cannot.
    """
    if server.packet_class is not sio.Packet:
        msg = "The SocketIO object has a serializer of its own; flask_realtime speaks Socket.IO's default one only."
        raise ConfigError(msg)
    if type(server.manager) is not Manager:
        msg = "The SocketIO object has a message queue or a client manager; flask_realtime needs one without."
        raise ConfigError(msg)
