"""Events in other namespaces than the default one: those that the application registered handlers for, and those of features.

They are treated like the default namespace's events: bounds, rates, order, and an answer to every failure.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from flask_realtime.config import RealtimeConfig
from flask_realtime.contract.answers import REALTIME_ERROR, error_answer, error_event
from flask_realtime.counts import OTHER, Counts
from flask_realtime.errors import EventError, InternalError, UnknownEvent
from flask_realtime.feature.serving import ServedNamespace
from flask_realtime.gateway.application import Application
from flask_realtime.gateway.connection import Connection, Session
from flask_realtime.gateway.dispatch.dispatcher import Dispatcher, answer_arguments
from flask_realtime.gateway.dispatch.packets import Packet
from flask_realtime.gateway.features import BoundEvent
from flask_realtime.gateway.limits.event_limiter import EventLimiter
from flask_realtime.gateway.limits.peer_log import PeerLog, user_peer
from flask_realtime.gateway.serving.connections import SocketIOConnections
from flask_realtime.gateway.serving.existing import ExistingHandlers
from flask_realtime.gateway.serving.sessions import EngineSessions
from flask_realtime.logs import get_logger

logger = get_logger(__name__)


class NamespaceEvents:
    """Handles the events of connections to other namespaces than the default one.

    Args:
        config: The application's settings.
        events: The events of features, some of which exist in every namespace.
        application: Calls the application's code.
        existing: The handlers that it registered through Flask-SocketIO.
        limiter: Knows the limit of each event.
        dispatcher: Opens packets and counts them.
        sessions: The engine's sessions.
        connections: The connections of the Socket.IO server.
        peer_log: Logs lines that a client can provoke.
        served: The namespaces of features.
        counts: Counts what happens.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the stages of an event
        self,
        config: RealtimeConfig,
        events: Mapping[str, BoundEvent],
        application: Application,
        existing: ExistingHandlers,
        limiter: EventLimiter,
        dispatcher: Dispatcher,
        sessions: EngineSessions,
        connections: SocketIOConnections,
        peer_log: PeerLog,
        served: Mapping[str, ServedNamespace],
        counts: Counts,
    ) -> None:
        self._served = served
        self._counts = counts
        self._config = config
        self._events = events
        self._application = application
        self._existing = existing
        self._limiter = limiter
        self._dispatcher = dispatcher
        self._sessions = sessions
        self._connections = connections
        self._peer_log = peer_log

    def receive(self, connection: Connection, packet: Packet) -> None:
        """Handle an event, after those that the session sent before."""
        session = connection.session
        read = self._read(connection, packet)
        call = partial(self._handle, connection, packet, *read)
        is_sampled = self._count(read[0], packet, connection.namespace)
        self._sessions.post(session.id, session.mailbox, self._counts.timed(call) if is_sampled else call)

    def receive_early(self, session: Session, packet: Packet) -> None:
        """Handle an event that arrived before its CONNECT was answered, once that is."""

        def handle() -> None:
            connection = session.connection_in(packet.namespace)
            if connection is None or not connection.admitted:
                self._sessions.close(session.id)
            elif not connection.closed:
                read = self._read(connection, packet)
                self._count(read[0], packet, connection.namespace)
                self._handle(connection, packet, *read)

        self._sessions.post(session.id, session.mailbox, handle)

    def _count(self, name: str, packet: Packet, namespace: str) -> bool:
        """Count an event, and return whether it is one of those that are timed."""
        received, event = self._counts.received, self._events.get(name)
        is_known = (event is not None and event.in_every_namespace) or self._existing.names(name, namespace)
        if is_known:
            tally = received[name]
        elif namespace in self._counts.left_out:  # Asked here alone, where the events of the application's handlers do not come.
            return False
        else:
            tally = received[OTHER]
        tally.sizes.append(len(packet.body))
        is_timed = len(tally.sizes) >= tally.due
        if is_timed:
            tally.add_up()
        return is_timed

    def _read(self, connection: Connection, packet: Packet) -> tuple[str, list[Any], EventError | None]:
        """Read an event, and count it."""
        name, failure = "", None
        args: list[Any] = []
        try:
            name, args = self._dispatcher.open(packet)
        except EventError as error:
            failure = error
        refusal = self._dispatcher.charge(connection, self._limiter.group(name))
        return name, args, refusal or failure

    def _handle(self, connection: Connection, packet: Packet, name: str, args: list[Any], failure: EventError | None) -> None:
        if failure is not None:
            self._fail(connection, packet, name, failure)
            return
        try:
            answer = self._call(connection, name, args)
            if packet.id is not None:
                self._answer(connection, packet.id, answer)
                self._counts.answered += 1
        except EventError as error:
            self._fail(connection, packet, name, error)
        except Exception as error:  # noqa: BLE001 - a client must always get its answer
            self._application.report(error, connection, name)
            self._fail(connection, packet, name, InternalError())

    def _call(self, connection: Connection, name: str, args: list[Any]) -> list[Any]:
        served = self._served.get(connection.namespace)
        if served is not None:
            return [served.receive(connection, name, args)]
        event = self._events.get(name)
        if event is not None and event.in_every_namespace and connection.user_id:
            return [event.work(connection, event.parse(args, self._config))]
        if not self._existing.has_socketio_handler(name, connection.namespace):
            msg = f"The server does not know the event {name}"
            raise UnknownEvent(msg)
        where = (name, connection.namespace, connection.id)
        handler = self._existing.call_socketio_handler
        return answer_arguments(self._application.handle(handler, *where, *args, connection=connection, event=name))

    def _answer(self, connection: Connection, packet_id: int, args: list[Any]) -> None:
        if not connection.closed:
            self._connections.reply(connection.session.id, packet_id, args, connection.namespace)

    def _fail(self, connection: Connection, packet: Packet, name: str, error: EventError) -> None:
        if connection.namespace not in self._counts.left_out:
            self._counts.failures.add(error.code)
        told = (name, error.code, connection.user_id, connection.id, connection.namespace)
        peer, text = user_peer(connection.user_id, connection.address), "failed: event=%s code=%s user=%s id=%s namespace=%s"
        self._peer_log.write(logger, logging.INFO, peer, text, *told)
        if packet.id is not None:
            self._answer(connection, packet.id, [error_answer(error)])
        elif not connection.closed:
            self._connections.send_to(connection.id, connection.namespace, REALTIME_ERROR, error_event(error, name))
