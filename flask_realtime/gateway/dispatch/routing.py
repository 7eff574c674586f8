"""From a session's messages to packets, and from each packet to what handles its kind."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import Any, Final

from socketio import packet as sio

from flask_realtime.allowances import TokenBucket
from flask_realtime.config import RealtimeConfig
from flask_realtime.contract.reasons import CloseReason
from flask_realtime.counts import Counts
from flask_realtime.errors import BadRequest
from flask_realtime.gateway.admission.closing import ConnectionCloser
from flask_realtime.gateway.admission.connecting import ConnectHandler
from flask_realtime.gateway.connection import Session
from flask_realtime.gateway.dispatch.dispatcher import Dispatcher
from flask_realtime.gateway.dispatch.namespaces import NamespaceEvents
from flask_realtime.gateway.dispatch.packets import (
    DEFAULT_NAMESPACE,
    MAX_EARLY_BYTES,
    MalformedPacket,
    Packet,
    list_payload,
    parse,
    split_event,
)
from flask_realtime.gateway.limits.peer_log import PeerLog, user_peer
from flask_realtime.gateway.serving.connections import SocketIOConnections
from flask_realtime.gateway.serving.sessions import EngineSessions
from flask_realtime.logs import get_logger
from flask_realtime.rates import parse_rate

logger = get_logger(__name__)

_EVENTS: Final = (sio.EVENT, sio.BINARY_EVENT)
_ACKNOWLEDGEMENTS: Final = (sio.ACK, sio.BINARY_ACK)

_UNASKED: Final = parse_rate("10/second, burst 50")
"""CONNECT and DISCONNECT packets of one session, and acknowledgements that nothing waits for."""

_CLIENT_DISCONNECT: Final = CloseReason.CLIENT_DISCONNECT.value


class Router:
    """Routes the packets of all sessions.

    Args:
        config: The application's settings.
        sessions: The engine's sessions.
        connections: The connections of the Socket.IO server.
        connects: Handles CONNECT packets.
        closer: Closes connections.
        dispatcher: Handles events in the default namespace.
        namespaces: Handles those in the application's own.
        peer_log: Logs lines that a client can provoke.
        counts: Counts what happens.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the destinations of packets
        self,
        config: RealtimeConfig,
        sessions: EngineSessions,
        connections: SocketIOConnections,
        connects: ConnectHandler,
        closer: ConnectionCloser,
        dispatcher: Dispatcher,
        namespaces: NamespaceEvents,
        peer_log: PeerLog,
        counts: Counts,
    ) -> None:
        self._counts = counts
        self._config = config
        self._sessions = sessions
        self._connections = connections
        self._connects = connects
        self._closer = closer
        self._dispatcher = dispatcher
        self._namespaces = namespaces
        self._peer_log = peer_log

    def receive(self, session: Session, data: object) -> None:
        """Handle a message; one that is malformed ends the session."""
        repeatable = session.repeatable
        # The fast path of `gateway.repeats`. It never waits, so an idle mailbox is enough to keep the order.
        if repeatable is not None and repeatable[0] == data and session.mailbox.is_idle() and repeatable[1]():
            repeatable[2].times += 1
            return
        try:
            if not session.closed:
                self._read(session, data)
        except MalformedPacket as error:
            self._counts.malformed += 1
            self._log_malformed(session, error)
            self._sessions.close(session.id)

    def _log_malformed(self, session: Session, error: MalformedPacket) -> None:
        connection = next(iter(session.open_connections()), session.connection)  # Any: the packet may be in no namespace.
        user_id, connection_id = ("", "") if connection is None else (connection.user_id, connection.id)
        told = (user_id, connection_id, session.address, f"malformed packet: {error}")
        text = "closed: user=%s id=%s address=%s reason=%s"
        self._peer_log.write(logger, logging.WARNING, user_peer(user_id, session.address), text, *told)

    def _read(self, session: Session, data: object) -> None:
        if session.collecting is not None or not isinstance(data, str):
            self._collect(session, data)
            return
        event = split_event(data)
        if event is not None:
            if not self._dispatcher.receive_again(session, *event):
                self._receive_event(session, Packet(sio.EVENT, DEFAULT_NAMESPACE, *event))
            return
        packet = parse(data)
        if packet.is_complete:
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
        packet.attach(bytes(data), MAX_EARLY_BYTES if is_early else self._config.max_payload_bytes)
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
            self._count_unasked(session)
            self._connects.receive(session, packet)
        elif packet.type == sio.DISCONNECT:
            self._disconnect(session, packet)
        elif packet.type in _ACKNOWLEDGEMENTS:
            self._acknowledge(session, packet)
        else:
            msg = "a client sends no CONNECT_ERROR"
            raise MalformedPacket(msg)

    def _receive_event(self, session: Session, packet: Packet) -> None:
        connection = session.connection
        if connection is None:
            self._count_early(session, packet)
        elif connection.closed:
            msg = "an event after the disconnect"
            raise MalformedPacket(msg)
        self._dispatcher.receive(session, packet)

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
        """Let an event wait for the answer to CONNECT, if there is one to come and not too much waits."""
        session.early_bytes += packet.size
        if not session.connecting or packet.is_too_large or session.early_bytes > MAX_EARLY_BYTES:
            msg = "an event before CONNECT" if not session.connecting else "too much before CONNECT was answered"
            raise MalformedPacket(msg)

    def _disconnect(self, session: Session, packet: Packet) -> None:
        self._count_unasked(session)
        connection = session.connection_in(packet.namespace)
        if connection is not None and not connection.closed:
            self._closer.disconnected(connection, _CLIENT_DISCONNECT)
        elif session.connecting:
            session.mailbox.post(partial(self._disconnect_late, session, packet.namespace))
        else:
            msg = "a DISCONNECT without a connection"
            raise MalformedPacket(msg)

    def _disconnect_late(self, session: Session, namespace: str) -> None:
        connection = session.connection_in(namespace)
        if connection is not None and not connection.closed:
            self._closer.disconnected(connection, _CLIENT_DISCONNECT)
        else:
            self._sessions.close(session.id)  # Node's server also closes a session that disconnects after a refusal.

    def _acknowledge(self, session: Session, packet: Packet) -> None:
        connection = session.connection_in(packet.namespace)
        if connection is None:
            msg = "an acknowledgement before CONNECT"
            raise MalformedPacket(msg)
        callback = self._connections.take_callback(connection.id, packet.id)
        if callback is None:
            self._count_unasked(session)
        if packet.is_too_large or packet.size > self._config.max_payload_bytes:
            msg = "an acknowledgement that is too large"
            raise MalformedPacket(msg)
        args = self._arguments(packet)
        if callback is not None:
            self._connections.acknowledge(callback, args)

    def _arguments(self, packet: Packet) -> list[Any]:
        try:
            return list_payload(packet, self._config.max_nesting)
        except BadRequest as error:
            raise MalformedPacket(error.message) from None

    @staticmethod
    def _count_unasked(session: Session) -> None:
        """Count a packet that is no event and answers nothing; a session with too many ends."""
        if session.unasked is None:
            session.unasked = TokenBucket(_UNASKED)
        if not session.unasked.take(time.monotonic()):
            msg = "too many packets that nobody asked for"
            raise MalformedPacket(msg)
