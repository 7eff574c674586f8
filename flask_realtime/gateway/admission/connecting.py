"""CONNECT packets, each of which is answered: with the connection's id, or with the reason for a refusal."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from functools import partial
from typing import Final

from flask_realtime.contract.answers import Refusal, refusal
from flask_realtime.counts import Counts
from flask_realtime.engine.session import MAX_CONNECT_BYTES
from flask_realtime.errors import ConnectionRefused, EventError, InternalError
from flask_realtime.gateway.admission.admission import Admission
from flask_realtime.gateway.admission.closing import DISCONNECT_GRACE
from flask_realtime.gateway.admission.connection_hooks import CONNECT
from flask_realtime.gateway.application import Application
from flask_realtime.gateway.connection import Session
from flask_realtime.gateway.dispatch.packets import DEFAULT_NAMESPACE, MalformedPacket, Packet, connect_payload
from flask_realtime.gateway.limits.peer_log import PeerLog
from flask_realtime.gateway.serving.connections import SocketIOConnections
from flask_realtime.gateway.serving.existing import ExistingHandlers
from flask_realtime.gateway.serving.sessions import EngineSessions
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

MAX_REFUSED: Final = 5
"""Refused attempts to connect after which a session ends."""

_INVALID_NAMESPACE: Final = "invalid_namespace"
"""What such refusals are counted under; on the wire they have no code."""

_MAX_CONNECTING: Final = 8
"""CONNECT packets of one session that may wait for their answers."""


class ConnectHandler:
    """Handles CONNECT packets.

    Args:
        admission: Admits clients.
        sessions: The engine's sessions.
        connections: The connections of the Socket.IO server.
        existing: The handlers that the application registered through Flask-SocketIO, with their namespaces.
        application: Reports failures to the application.
        peer_log: Logs lines that a client can provoke.
        served: The namespaces of features.
        counts: Counts what happens.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - independent collaborators
        self,
        admission: Admission,
        sessions: EngineSessions,
        connections: SocketIOConnections,
        existing: ExistingHandlers,
        application: Application,
        peer_log: PeerLog,
        served: Collection[str],
        counts: Counts,
    ) -> None:
        self._served = served
        self._counts = counts
        self._admission = admission
        self._sessions = sessions
        self._connections = connections
        self._existing = existing
        self._application = application
        self._peer_log = peer_log

    def receive(self, session: Session, packet: Packet) -> None:
        """Handle a packet, in the session's mailbox unless it can be refused at once.

        Raises:
            MalformedPacket: It is one too many, or its payload is not JSON.
        """
        namespace = packet.namespace
        if session.connecting >= _MAX_CONNECTING:
            msg = "too many CONNECT packets at once"
            raise MalformedPacket(msg)
        if namespace != DEFAULT_NAMESPACE and not self._has_namespace(namespace):
            self._refuse_namespace(session, namespace)
            return
        if packet.size > MAX_CONNECT_BYTES:
            msg = f"auth may have at most {MAX_CONNECT_BYTES} bytes"
            self._refuse(session, namespace, ConnectionRefused(msg, code="token_malformed"))
            return
        session.connecting += 1
        self._sessions.post(session.id, session.mailbox, partial(self._connect, session, namespace, connect_payload(packet)))

    def _has_namespace(self, namespace: str) -> bool:
        return namespace in self._served or self._existing.has_namespace(namespace)

    def _connect(self, session: Session, namespace: str, auth: object) -> None:
        """Admit a client, or refuse it with the reason. Any failure refuses."""
        connection = session.connection_in(namespace)
        try:
            if session.closed:
                return
            if connection is not None and not connection.closed:
                self._sessions.close(session.id)  # Node's server also closes a session that connects twice.
                return
            self._admission.admit(session, namespace, auth)
        except ConnectionRefused as error:
            self._refuse(session, namespace, error)
        except InternalError:
            self._refuse(session, namespace, _internal_error())  # Logged where it was raised.
        except EventError as error:
            self._refuse(session, namespace, ConnectionRefused(error.message))
        except Exception as error:  # noqa: BLE001 - a client must never be admitted by accident
            self._application.report(error, None, CONNECT, session.address)
            self._refuse(session, namespace, _internal_error())
        finally:
            session.connecting -= 1

    def _refuse(self, session: Session, namespace: str, error: ConnectionRefused) -> None:
        self._counts.refusals.add(error.code)
        told = (error.code, session.address, namespace, error.message)
        text = "refused: code=%s address=%s namespace=%s reason=%s"
        self._peer_log.write(logger, logging.WARNING, session.address, text, *told)
        self._send_refusal(session, namespace, refusal(error))

    def _refuse_namespace(self, session: Session, namespace: str) -> None:
        """Refuse an unknown namespace, in the words of Node's server."""
        self._counts.refusals.add(_INVALID_NAMESPACE)
        self._send_refusal(session, namespace, {"message": "Invalid namespace"})

    def _send_refusal(self, session: Session, namespace: str, answer: Refusal | Mapping[str, str]) -> None:
        if session.closed:
            return
        self._connections.refuse(session.id, namespace, answer)
        session.refused += 1
        if session.refused >= MAX_REFUSED:
            session.closed = True  # Ignore what it sends before it ends.
            self._sessions.close_in_turn(session.id, DISCONNECT_GRACE)


def _internal_error() -> ConnectionRefused:
    return ConnectionRefused("The server failed to handle the connection", code="internal_error")
