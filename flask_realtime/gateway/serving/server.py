"""The Socket.IO server of one application, as the gateway works with it.

In the gateway, nothing outside this module, `existing` and `delivery.manager` touches what python-socketio and python-engineio
keep to themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple, Protocol

import gevent
from flask import Flask
from flask_socketio import SocketIO
from socketio import packet as sio

from flask_realtime.config import PREFIX, RealtimeConfig
from flask_realtime.contract.answers import Refusal
from flask_realtime.engine.fan_out import deliver_to_all, find_websockets
from flask_realtime.engine.installing import install_in_server, install_where_loaded
from flask_realtime.engine.limits import EngineLimits
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.engine.polling import receive_post
from flask_realtime.engine.server import EngineServer
from flask_realtime.engine.socket import EngineSocket
from flask_realtime.engine.threads import ThreadWebSocket
from flask_realtime.gateway.admission.origin_check import OriginCheck, allow_any, same_origin
from flask_realtime.gateway.delivery.encoding import EventEncoder
from flask_realtime.gateway.delivery.manager import RoomManager
from flask_realtime.gateway.delivery.members import Receiver
from flask_realtime.gateway.delivery.rooms import Rooms
from flask_realtime.gateway.dispatch.mailbox import Concurrency, Event, Mailbox, Task
from flask_realtime.gateway.dispatch.packets import DEFAULT_NAMESPACE
from flask_realtime.gateway.serving.development import announce, warn_unpatched
from flask_realtime.gateway.serving.existing import ExistingHandlers, check_existing
from flask_realtime.gateway.serving.factory import choice_of
from flask_realtime.gateway.serving.serving import Serving
from flask_realtime.gateway.serving.suitability import GEVENT, THREADING
from flask_realtime.logs import protect


class EngineEvents(Protocol):
    """The engine's events for the gateway. Messages of one session arrive in order, from one greenlet or thread at a time."""

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
    """The gateway's interface to the Socket.IO server.

    Args:
        app: The application.
        socketio: Its Flask-SocketIO object, initialised.
        config: Its settings.
        events: The receiver of the engine's events.
    """

    def __init__(self, app: Flask, socketio: SocketIO, config: RealtimeConfig, events: EngineEvents) -> None:
        self.socketio = socketio
        self._server = socketio.server
        protect(self._server.logger)
        protect(self._server.eio.logger)
        self._engine = self._server.eio
        check_existing(self._server)
        self._events = events
        self._config = config
        self._has_own_engine = False
        limits = self._limits = EngineLimits(
            max_backlog=config.max_backlog_bytes,
            connect_timeout=config.connect_timeout,
            drain_time=config.drain_time,
            keep_alive=config.keep_alive,
            max_head=config.max_head_bytes,
        )
        if config.engine == GEVENT:
            # Before there is a request, so that the first one is looked at too.
            install_where_loaded(limits, self.path)
        encoder = EventEncoder(app.json)
        self._encode = encoder.encode
        self._server.packet_class = encoder.packet_class
        self._rooms = RoomManager(encoder.encode, self._receiver, events.on_disconnected)
        self._rooms.set_server(self._server)
        self._server.manager = self._rooms
        self._check_origins(config)
        self.existing = ExistingHandlers(socketio, self._rooms)
        self._take_over()
        choice = choice_of(socketio, config)
        if choice is not None:
            self._work(choice.mode)
        self._serving = Serving(app, socketio, choice, self._work, self._engine._cors_headers)  # noqa: SLF001

    def _work(self, mode: str) -> None:
        """Set the engine's async mode, before anybody has connected."""
        if mode != self._engine.async_mode:
            self._engine._async = import_module(f"engineio.async_drivers.{mode}")._async  # noqa: SLF001
        if mode == THREADING:
            self._engine._async = {**self._engine._async, "websocket": ThreadWebSocket}  # noqa: SLF001
        self._engine.async_mode = self._server.async_mode = self.socketio.async_mode = mode
        if mode == GEVENT and self._config.engine == "gevent" and not self._has_own_engine:
            self._has_own_engine = True
            EngineServer.take_over(self._engine, self.socketio.sockio_mw, self._limits, self._events)
            self._rooms.deliver_through(deliver_to_all, find_websockets)

    def run(self, app: Flask, host: str, port: int, options: Mapping[str, Any]) -> None:
        """Serve the application with the development server of the async mode.

        Args:
            app: The application.
            host: The address to listen on.
            port: The port to listen on.
            options: Passed on to `SocketIO.run`.
        """
        if self._engine.async_mode == GEVENT:  # Werkzeug's server says where it listens.
            warn_unpatched()
            announce(self.socketio)
            # Runs when the server waits for its first connection.
            gevent.spawn(self._install_handler)
        self.socketio.run(app, host=host, port=port, **options)

    def _install_handler(self) -> None:
        if self._config.engine == GEVENT and self.socketio.wsgi_server is not None:
            install_in_server(self.socketio.wsgi_server, self._limits)

    def _check_origins(self, config: RealtimeConfig) -> None:
        origins = self._engine.cors_allowed_origins
        is_configured_here = origins is same_origin or config.cors_allowed_origins is not None
        setting = f"{PREFIX}CORS_ALLOWED_ORIGINS" if is_configured_here else "cors_allowed_origins of the SocketIO object"
        if not allow_any(origins):
            origins = same_origin if origins is None else origins
            self._engine.cors_allowed_origins = OriginCheck(origins, setting)
            self._engine.log_message_keys.add("bad-origin")  # python-engineio would log it too, unescaped.

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

    # Sessions -----------------------------------------------------------------------------------------------------------------

    @property
    def concurrency(self) -> Concurrency:
        """Return the greenlets or threads that the server uses."""
        if self._has_own_engine:
            greenlets: Concurrency = self._engine.greenlets
            return greenlets
        concurrency: Concurrency = self._server
        return concurrency

    def start_background_task(self, target: Callable[..., None], *args: Any) -> None:
        """Run a function in a greenlet or thread, as the server uses by then."""
        self.concurrency.start_background_task(target, *args)

    def sleep(self, seconds: float = 0) -> None:
        """Let other greenlets or threads run."""
        self.concurrency.sleep(seconds)

    @property
    def allows_any_origin(self) -> bool:
        """Return whether any web page may connect."""
        return allow_any(self._engine.cors_allowed_origins)

    @property
    def path(self) -> str:
        """Return the path at which clients connect."""
        path: str = self.socketio.sockio_mw.engineio_path
        return path

    @property
    def rooms(self) -> Rooms:
        """The rooms of the default namespace."""
        return self._rooms

    def new_event(self) -> Event:
        """Return an event of the server's kind."""
        event: Event = self._engine.create_event()
        return event

    def _receiver(self, eio_sid: str) -> Receiver:
        if self._has_own_engine:
            socket: EngineSocket = self._engine.sockets[eio_sid]
            return socket
        return _StockSession(eio_sid, self._server._send_eio_packet)  # noqa: SLF001

    def _on_open(self, eio_sid: str, environ: Mapping[str, Any]) -> None:
        self._stock_open(eio_sid, environ)
        if self.existing.is_empty:
            # Only handlers registered through Flask-SocketIO need the handshake's environment; it weighs more than all the rest.
            self._server.environ.pop(eio_sid, None)
        socket = self._engine.sockets.get(eio_sid)
        on_message = self._events.on_open(eio_sid, environ)
        if self._has_own_engine:
            socket.on_message = on_message
        elif socket is not None:
            socket.handle_post_request = partial(receive_post, socket)

    def transport(self, eio_sid: str) -> str:
        """Return the transport that a session uses now."""
        socket = self._engine.sockets.get(eio_sid)
        return "websocket" if socket is not None and socket.upgraded else "polling"

    def forget(self, eio_sid: str) -> None:
        """Forget the data of a closed session."""
        self._server.environ.pop(eio_sid, None)

    def close(self, eio_sid: str) -> None:
        """Close a session."""
        socket = self._engine.sockets.get(eio_sid)
        if socket is not None and not socket.closed:
            # Waiting, which is the default, would last until a long-polling client asks again.
            socket.close(wait=False, reason=self._server.reason.SERVER_DISCONNECT)

    def post(self, eio_sid: str, mailbox: Mailbox, task: Task) -> None:
        """Post a session's message to its mailbox, and pause reading from it while that is full."""
        mailbox.post(task)
        if not mailbox.is_full:
            return
        socket = self._engine.sockets.get(eio_sid)
        if self._has_own_engine and socket is not None:
            socket.pause_reading(mailbox.on_drain, mailbox.wait_for_space)
        else:
            mailbox.wait_for_space()

    def close_in_turn(self, eio_sid: str, delay: float) -> None:
        """Close a session after its pending data: at once on WebSocket, after a delay if a client has to fetch it."""
        if self.transport(eio_sid) == "websocket":
            self.close(eio_sid)
        else:
            self.close_later(eio_sid, delay)

    def close_later(self, eio_sid: str, delay: float) -> None:
        """Close a session after a delay in seconds, in which a long-polling client can fetch its pending data."""

        def close() -> None:
            self._server.sleep(delay)
            self.close(eio_sid)

        self._server.start_background_task(close)

    # Connections ----------------------------------------------------------------------------------------------------

    def reserve(self, eio_sid: str, namespace: str, *rooms: str) -> str:
        """Make an id for a connection that may be admitted; see `RoomManager.reserve`."""
        return self._rooms.of(namespace).reserve(eio_sid, *rooms)

    def discard(self, connection_id: str, namespace: str) -> None:
        """Forget a connection that is not admitted."""
        self._rooms.of(namespace).discard(connection_id)

    def admit(self, eio_sid: str, namespace: str, connection_id: str) -> None:
        """Tell a client that it is connected, and enter it in its rooms."""
        if self._has_own_engine:
            self._engine.mark_connected(eio_sid)
        self._send_packet(eio_sid, sio.CONNECT, {"sid": connection_id}, namespace=namespace)
        self._rooms.of(namespace).admit(connection_id)

    def await_connect(self, eio_sid: str) -> None:
        """Restart the connect time-out of a session that has no connection left."""
        if self._has_own_engine:
            self._engine.mark_disconnected(eio_sid)

    def refuse(self, eio_sid: str, namespace: str, refusal: Refusal | Mapping[str, str]) -> None:
        """Tell a client that it may not connect to a namespace."""
        self._send_packet(eio_sid, sio.CONNECT_ERROR, refusal, namespace=namespace)

    def reply(self, eio_sid: str, packet_id: int, args: list[Any], namespace: str | None = None) -> None:
        """Answer an event's callback.

        Raises:
            PayloadNotSerializable: The arguments are not JSON.
        """
        self._send_packet(eio_sid, sio.ACK, args, id=packet_id, namespace=namespace)

    def send_disconnect(self, eio_sid: str, namespace: str) -> None:
        """Tell a client that the server disconnected it; it does not reconnect by itself then."""
        self._send_packet(eio_sid, sio.DISCONNECT, None, namespace=namespace)

    def remove(self, connection_id: str, namespace: str) -> None:
        """Remove a connection from all rooms."""
        self._rooms.disconnect(connection_id, namespace)

    def send_to(self, connection_id: str, namespace: str, event: str, *args: Any) -> None:
        """Send an event to one connection, in whatever namespace it is."""
        self._rooms.emit(event, args, namespace, room=connection_id)

    def enter(self, connection_id: str, room: str) -> None:
        """Add a connection to a room."""
        self._rooms.enter_room(connection_id, DEFAULT_NAMESPACE, room)

    def leave(self, connection_id: str, room: str) -> None:
        """Remove a connection from a room."""
        self._rooms.leave_room(connection_id, DEFAULT_NAMESPACE, room)

    def encode(self, event: str, args: Iterable[Any], *, volatile: bool) -> OutboundMessage:
        """Encode an event without a callback, once for all receivers.

        Args:
            event: The event's name.
            args: Its arguments.
            volatile: Whether it may be dropped for a receiver that is behind.

        Raises:
            PayloadNotSerializable: The arguments are not JSON.
        """
        return OutboundMessage(self._encode([event, *args]), volatile=volatile)

    def deliver(
        self, message: OutboundMessage, rooms: Sequence[str] | None, except_rooms: Iterable[str], except_sid: str | None
    ) -> None:
        """Send a message to this server's connections.

        Args:
            message: The message.
            rooms: The rooms whose connections get it, each connection once; None for everyone.
            except_rooms: Rooms whose connections do not get it.
            except_sid: A connection that does not get it, or None.
        """
        # One room, the usual case, needs no union.
        self._rooms.send(message, rooms[0] if rooms is not None and len(rooms) == 1 else rooms, except_rooms, except_sid)

    def take_callback(self, connection_id: str, packet_id: int | None) -> Callable[..., None] | None:
        """Take out what waits for a client's acknowledgement of an event that the application sent, or return None."""
        return self._rooms.take_callback(connection_id, packet_id)

    def acknowledge(self, callback: Callable[..., None], args: list[Any]) -> None:
        """Pass on a client's acknowledgement."""
        # Not in the mailbox: a handler may be waiting there for just this, in `call`.
        self._server.start_background_task(callback, *args)

    def _send_packet(self, eio_sid: str, packet_type: int, data: Any, **fields: Any) -> None:
        self._server._send_packet(eio_sid, self._server.packet_class(packet_type, data=data, **fields))  # noqa: SLF001


class _StockSession(NamedTuple):
    """A session of python-engineio's own, which gets messages packet by packet."""

    eio_sid: str
    send_packet: Callable[[str, Any], None]

    def deliver(self, message: OutboundMessage) -> None:
        for packet in message.packets:
            self.send_packet(self.eio_sid, packet)
