"""Gateway of one application: routes the engine's messages."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from flask import Flask
from flask_socketio import SocketIO
from socketio import packet as sio

from flask_realtime.allowances import TokenBucket
from flask_realtime.backends.backend import Backend
from flask_realtime.backends.bus import Envelope
from flask_realtime.config import RealtimeConfig
from flask_realtime.engine.socket import MAX_CONNECT_BYTES
from flask_realtime.errors import BadRequest, ConnectionRefused
from flask_realtime.feature.feature import Feature
from flask_realtime.gateway.admission.lifecycle import CLIENT_DISCONNECT, SERVER_DISCONNECT, Lifecycle
from flask_realtime.gateway.application import Application
from flask_realtime.gateway.connection import Connection, Registry, Session
from flask_realtime.gateway.delivery.control import COMMAND, Control
from flask_realtime.gateway.delivery.delivery import SEND, Delivery
from flask_realtime.gateway.dispatch.dispatcher import Dispatcher
from flask_realtime.gateway.dispatch.mailbox import Mailbox
from flask_realtime.gateway.dispatch.namespaces import NamespaceEvents
from flask_realtime.gateway.dispatch.packets import (
    DEFAULT_NAMESPACE,
    MAX_EARLY_BYTES,
    MalformedPacket,
    Packet,
    connect_payload,
    list_payload,
    parse,
)
from flask_realtime.gateway.features import Features, Surroundings
from flask_realtime.gateway.limits.limiter import Limiter
from flask_realtime.gateway.limits.peer_log import PeerLog
from flask_realtime.gateway.parts import Parts
from flask_realtime.gateway.serving.server import SocketIOServer
from flask_realtime.hooks import Hooks
from flask_realtime.logs import get_logger
from flask_realtime.rates import parse_rate

logger = get_logger(__name__)

_EVENTS = (sio.EVENT, sio.BINARY_EVENT)
_ACKNOWLEDGEMENTS = (sio.ACK, sio.BINARY_ACK)

_UNASKED: Final = parse_rate("10/second, burst 50")
"""Rate of CONNECT and DISCONNECT packets of one session, and of unexpected acknowledgements."""

_MAX_CONNECTING: Final = 8
"""Maximum number of unanswered CONNECT packets of one session."""

_IDLE_TIMEOUT = 25.0
"""Seconds to wait for the hooks when stopping; gunicorn waits for 30."""

_IDLE_TICK = 0.02


class Essential(NamedTuple):
    """The features that a gateway requires.

    Args:
        presence: The feature that keeps count of users' connections.
        authentication: The feature that authenticates connections.
    """

    presence: Feature[Any]
    authentication: Feature[Any]


class Gateway:
    """Everything between one application's Socket.IO server and the features.

    Args:
        app: The Flask application.
        socketio: Its Flask-SocketIO object, initialised.
        config: Its settings.
        hooks: Its hooks.
        backend: The state that it shares with other servers.
        essential: The features that it requires.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - it is what joins these
        self,
        app: Flask,
        socketio: SocketIO,
        config: RealtimeConfig,
        hooks: Hooks,
        backend: Backend,
        essential: Essential,
    ) -> None:
        self._hooks = hooks
        self._sessions: dict[str, Session] = {}
        self._ending: set[Session] = set()
        self._stop_by = 0.0
        server = SocketIOServer(app, socketio, config, self)
        peer_log = PeerLog(server.concurrency, server.new_event)
        self.parts = Parts(
            config=config,
            application=Application(app, hooks, peer_log),
            registry=Registry(config.max_connections_per_user, config.max_connections, config.retry_after),
            limiter=Limiter(config, hooks),
            backend=backend,
            server=server,
            delivery=Delivery(app, server, None if backend.is_local else backend.publish),
            peer_log=peer_log,
        )
        self.features = Features(app, hooks.features)
        self.control = Control(self.parts, self.features, backend.publish)
        self.features.bind(self.parts, Surroundings(self._end, self.control, self._new_mailbox))
        presence = self.features.state_of(essential.presence)
        self._notifier = presence.notifier
        authentication = self.features.state_of(essential.authentication)
        self.lifecycle = Lifecycle(self.parts, self.features, presence, authentication)
        self._dispatcher = Dispatcher(self.parts, self.features, self.lifecycle.disconnect)
        self._namespaces = NamespaceEvents(self.parts, self._dispatcher, self.features.events)

    def _new_mailbox(self) -> Mailbox:
        server = self.parts.server
        return Mailbox(server.concurrency, server.new_event, self.parts.config.max_pending_events)

    def _end(self, connection: Connection, reason: str) -> None:
        self.lifecycle.disconnect(connection, reason)

    # What other servers tell ---------------------------------------------------------------------------------------------------

    def _receive_from_others(self, envelope: Envelope) -> None:
        if envelope.kind == SEND:
            self.parts.delivery.receive(envelope)
            note = envelope.header.get("note")
            if note is not None:
                self.features.run_command(note[0], note[1], *note[2])
        elif envelope.kind == COMMAND:
            self.control.perform(envelope)

    def _changed_meanwhile(self, user_id: str, online: bool, version: int) -> None:  # noqa: FBT001 - what shares has no names for it
        self._notifier.changed(user_id, online=online, version=version)

    # What the engine delivers -------------------------------------------------------------------------------------------------

    def on_open(self, eio_sid: str, environ: Mapping[str, Any]) -> Callable[[object], None]:
        """Register a new session, and return the function that handles its messages."""
        if not self._hooks.sealed:
            self._hooks.sealed = True
            self._warn_without_queue(environ)
        self.parts.backend.start(self._receive_from_others, self._changed_meanwhile)
        session = self._sessions[eio_sid] = Session(
            eio_sid,
            str(environ.get("REMOTE_ADDR", "")),
            self.lifecycle.kept_of(environ),
            self._new_mailbox(),
            self.parts.server.transport,
        )
        return partial(self._on_message, session)

    def _warn_without_queue(self, environ: Mapping[str, Any]) -> None:
        if environ.get("wsgi.multiprocess") and self.parts.config.message_queue is None:
            logger.warning(
                "There are several workers, and no REALTIME_MESSAGE_QUEUE: each knows its own clients only. What one sends does "
                "not reach the clients of the others, and users who are connected to another one appear offline."
            )

    def on_close(self, eio_sid: str, reason: str) -> None:
        """Handle the end of a session."""
        session = self._sessions.pop(eio_sid, None)
        if session is None:
            return
        session.closed = True
        for connection in session.open_connections():
            self.lifecycle.disconnected(connection, reason)
        if session.mailbox.begin_turn():
            self.parts.server.forget(eio_sid)
            session.forget_connections()
            session.mailbox.end_turn()
        else:
            self._ending.add(session)
            session.mailbox.post(partial(self._forget, session))

    def _forget(self, session: Session) -> None:
        self.parts.server.forget(session.id)
        session.forget_connections()
        self._ending.discard(session)

    def begin_drain(self) -> None:
        """Handle the start of a drain: sessions are ended in batches from now on."""
        self._stop_by = time.monotonic() + _IDLE_TIMEOUT
        self.parts.backend.begin_to_leave()

    def when_done(self, eio_sid: str, callback: Callable[[], None]) -> None:
        """Call a function once all messages of a session have been handled."""
        session = self._sessions.get(eio_sid)
        if session is None:
            callback()
        else:
            session.mailbox.post(callback)

    def wait_idle(self) -> None:
        """Wait until the application's hooks have been called for every end, or until a time-out."""
        deadline = self._stop_by or time.monotonic() + _IDLE_TIMEOUT
        while (self._ending or not self._notifier.is_idle) and time.monotonic() < deadline:
            self.parts.server.sleep(_IDLE_TICK)
        self.parts.backend.stop(max(deadline - time.monotonic(), _IDLE_TICK))

    def on_failure(self, eio_sid: str, error: BaseException) -> None:
        """Log that a session's message could not be handled."""
        session = self._sessions.get(eio_sid)
        peer = session.address if session is not None else ""
        text = "A message could not be handled: address=%s"
        self.parts.peer_log.write(logger, logging.ERROR, peer, text, peer, error=error)

    def on_disconnected(self, connection_id: str) -> None:
        """Handle a connection's leaving its namespace."""
        connection = self.parts.registry.get(connection_id)
        if connection is not None:
            self.lifecycle.disconnected(connection, SERVER_DISCONNECT, socketio_handler_called=True)

    def on_message(self, eio_sid: str, data: object) -> None:
        """Handle a message of a session."""
        session = self._sessions.get(eio_sid)
        if session is not None:
            self._on_message(session, data)

    # Packets ------------------------------------------------------------------------------------------------------------------

    def _on_message(self, session: Session, data: object) -> None:
        """Handle a message; a malformed one ends the session."""
        repeatable = session.repeatable
        # Nothing here can wait, so it is enough that nothing of the same session waits.
        if repeatable is not None and repeatable[0] == data and session.mailbox.is_idle() and repeatable[1]():
            return
        try:
            if not session.closed:
                self._receive(session, data)
        except MalformedPacket as error:
            text = "closed: malformed packet address=%s reason=%s"
            self.parts.peer_log.write(logger, logging.WARNING, session.address, text, session.address, error)
            self.parts.server.close(session.id)

    def _receive(self, session: Session, data: object) -> None:
        if session.collecting is not None or not isinstance(data, str):
            self._collect(session, data)
            return
        if self._dispatcher.receive_again(session, data):
            return
        packet = parse(data)
        if packet.type == sio.EVENT and packet.namespace == DEFAULT_NAMESPACE:
            self._receive_event(session, packet, data)
        elif packet.is_complete:
            self._route(session, packet)
        else:
            self._begin_to_collect(session, packet)

    def _begin_to_collect(self, session: Session, packet: Packet) -> None:
        if session.connection_in(packet.namespace) is None and not session.connecting:
            msg = "a packet before CONNECT"
            raise MalformedPacket(msg)
        session.collecting = packet

    def _collect(self, session: Session, data: object) -> None:
        packet = session.collecting
        if packet is None or not isinstance(data, bytes | bytearray):
            msg = "binary data where none was announced, or none where it was"
            raise MalformedPacket(msg)
        is_early = session.connection_in(packet.namespace) is None
        packet.attach(bytes(data), MAX_EARLY_BYTES if is_early else self.parts.config.max_payload_bytes)
        if packet.is_complete:
            session.collecting = None
            self._route(session, packet)

    def _route(self, session: Session, packet: Packet) -> None:
        if packet.type in _EVENTS:
            if packet.namespace == DEFAULT_NAMESPACE:
                self._receive_event(session, packet)
            else:
                self._receive_event_elsewhere(session, packet)
            return
        if packet.type == sio.CONNECT:
            self._connect(session, packet)
        elif packet.type == sio.DISCONNECT:
            self._disconnect(session, packet)
        elif packet.type in _ACKNOWLEDGEMENTS:
            self._acknowledge(session, packet)
        else:
            msg = "a client sends no CONNECT_ERROR"
            raise MalformedPacket(msg)

    def _receive_event(self, session: Session, packet: Packet, text: str | None = None) -> None:
        connection = session.connection
        if connection is None:
            self._count_early(session, packet)
        elif connection.closed:
            msg = "an event after the disconnect"
            raise MalformedPacket(msg)
        self._dispatcher.receive(session, packet, text)

    def _receive_event_elsewhere(self, session: Session, packet: Packet) -> None:
        connection = session.connection_in(packet.namespace)
        if connection is None:
            self._count_early(session, packet)
            self._namespaces.receive_early(session, packet)
        elif connection.closed:
            msg = "an event after the disconnect"
            raise MalformedPacket(msg)
        else:
            self._namespaces.receive(connection, packet)

    @staticmethod
    def _count_early(session: Session, packet: Packet) -> None:
        """Count an event that waits for the answer to CONNECT; without one pending, or over the limit, the session ends."""
        session.early_bytes += packet.size
        if not session.connecting or packet.is_too_large or session.early_bytes > MAX_EARLY_BYTES:
            msg = "an event before CONNECT" if not session.connecting else "too much before CONNECT was answered"
            raise MalformedPacket(msg)

    def _connect(self, session: Session, packet: Packet) -> None:
        self._count_unasked(session)
        server, namespace = self.parts.server, packet.namespace
        if session.connecting >= _MAX_CONNECTING:
            msg = "too many CONNECT packets at once"
            raise MalformedPacket(msg)
        if namespace != DEFAULT_NAMESPACE and not server.has_namespace(namespace):
            self.lifecycle.refuse_namespace(session, namespace)
            return
        if packet.size > MAX_CONNECT_BYTES:
            msg = f"auth may have at most {MAX_CONNECT_BYTES} bytes"
            self.lifecycle.refuse(session, namespace, ConnectionRefused(msg, code="token_malformed"))
            return
        session.connecting += 1
        server.post(session.id, session.mailbox, partial(self.lifecycle.connect, session, namespace, connect_payload(packet)))

    def _disconnect(self, session: Session, packet: Packet) -> None:
        self._count_unasked(session)
        connection = session.connection_in(packet.namespace)
        if connection is not None and not connection.closed:
            self.lifecycle.disconnected(connection, CLIENT_DISCONNECT)
        elif session.connecting:
            session.mailbox.post(partial(self._disconnect_late, session, packet.namespace))
        else:
            msg = "a DISCONNECT without a connection"
            raise MalformedPacket(msg)

    def _disconnect_late(self, session: Session, namespace: str) -> None:
        connection = session.connection_in(namespace)
        if connection is not None and not connection.closed:
            self.lifecycle.disconnected(connection, CLIENT_DISCONNECT)
        else:
            self.parts.server.close(session.id)  # As Node's server does after a refusal.

    def _acknowledge(self, session: Session, packet: Packet) -> None:
        connection = session.connection_in(packet.namespace)
        if connection is None:
            msg = "an acknowledgement before CONNECT"
            raise MalformedPacket(msg)
        callback = self.parts.server.take_callback(connection.id, connection.namespace, packet.id)
        if callback is None:
            self._count_unasked(session)
        if packet.is_too_large or packet.size > self.parts.config.max_payload_bytes:
            msg = "an acknowledgement that is too large"
            raise MalformedPacket(msg)
        args = self._arguments(packet)
        if callback is not None:
            self.parts.server.acknowledge(callback, args)

    def _arguments(self, packet: Packet) -> list[Any]:
        try:
            return list_payload(packet, self.parts.config.max_nesting)
        except BadRequest as error:
            raise MalformedPacket(error.message) from None

    @staticmethod
    def _count_unasked(session: Session) -> None:
        """Count an unexpected packet; a session with too many ends."""
        if session.unasked is None:
            session.unasked = TokenBucket(_UNASKED)
        if not session.unasked.take(time.monotonic()):
            msg = "too many packets that nobody asked for"
            raise MalformedPacket(msg)
