"""Admission of clients: from their credentials to a connection that is in its rooms."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from flask_realtime.contract.reasons import CloseReason
from flask_realtime.contract.rooms import user_room
from flask_realtime.counts import NOT_RECOVERED, RECOVERED, Counts
from flask_realtime.errors import ConnectionRefused
from flask_realtime.gateway.admission.connection_hooks import ConnectionHooks
from flask_realtime.gateway.admission.credentials import Credentials
from flask_realtime.gateway.admission.returning import ReturnAdmission
from flask_realtime.gateway.admission.user_presence import UserPresence
from flask_realtime.gateway.connection import Connection, Registry, Session, find_device
from flask_realtime.gateway.dispatch.packets import DEFAULT_NAMESPACE
from flask_realtime.gateway.features import Features
from flask_realtime.gateway.limits.peer_log import PeerLog, user_peer
from flask_realtime.gateway.recovery.recovery import Offer, Recovery, Request
from flask_realtime.gateway.serving.connections import SocketIOConnections
from flask_realtime.identity import Identity
from flask_realtime.logs import get_logger

logger = get_logger(__name__)


class Admission:
    """Admits clients, or raises the reason why not and leaves nothing behind.

    Args:
        credentials: Verifies credentials.
        registry: The connections of this server.
        connections: Those of the Socket.IO server.
        hooks: The application's hooks of connections.
        presence: Counts users' connections on all servers.
        features: The features, which are notified of admitted connections.
        peer_log: Logs lines that a client can provoke.
        recovery: Gives clients the right to come back after a loss; None if nobody has it.
        returning: Admits those that do; None if nobody may.
        counts: Counts what happens.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the stages of an admission
        self,
        credentials: Credentials,
        registry: Registry,
        connections: SocketIOConnections,
        hooks: ConnectionHooks,
        presence: UserPresence,
        features: Features,
        peer_log: PeerLog,
        recovery: Recovery | None,
        returning: ReturnAdmission | None,
        counts: Counts,
    ) -> None:
        self._counts = counts
        self._credentials = credentials
        self._registry = registry
        self._connections = connections
        self._hooks = hooks
        self._presence = presence
        self._features = features
        self._peer_log = peer_log
        self._recovery = recovery
        self._returning = returning

    def admit(self, session: Session, namespace: str, auth: object) -> None:
        """Admit a client to a namespace.

        Raises:
            ConnectionRefused: It may not connect, or has left in the meantime.
            EventError: One of the application's hooks raised it, or failed.
        """
        identity, token_header = self._credentials.identify(session, namespace, auth)
        request = None
        if self._recovery is not None and namespace == DEFAULT_NAMESPACE:
            request = self._recovery.request(session, identity.user_id, auth)
            if request is not None and self._is_back(session, identity, token_header, auth, request):
                return
        self._credentials.check_rate(identity)
        connection = self._reserve(session, namespace, identity)
        connection.token_header = token_header
        connection.device = find_device(auth)
        try:
            self._hooks.authorize(connection, auth)
        except BaseException:
            self._forget(connection)
            raise
        if namespace == DEFAULT_NAMESPACE:
            self._complete_present(connection, request)
        else:
            self._complete(connection)

    def _is_back(
        self, session: Session, identity: Identity, token_header: Mapping[str, Any], auth: object, request: Request
    ) -> bool:
        is_back = False
        if self._returning is not None and request.comeback is not None:
            is_back = self._returning.admit(session, identity, token_header, auth, request.comeback)
        if request.is_asked:
            self._counts.recoveries.add(RECOVERED if is_back else NOT_RECOVERED)
        return is_back

    def _reserve(self, session: Session, namespace: str, identity: Identity) -> Connection:
        rooms = (user_room(identity.user_id),) if namespace == DEFAULT_NAMESPACE else ()
        connection = Connection(self._connections.reserve(session.id, namespace, *rooms), identity, session, namespace)
        try:
            self._registry.add(connection)
        except ConnectionRefused:
            self._connections.discard(connection.id, namespace)
            raise
        return connection

    def _complete(self, connection: Connection) -> None:
        with connection.lock:
            if not connection.closed and not connection.session.closed:
                self._let_in(connection)
                return
            connection.closed = True
        self._forget(connection)
        self._hooks.disconnected(connection, CloseReason.CLIENT_DISCONNECT.value)
        raise ConnectionRefused

    def _complete_present(self, connection: Connection, request: Request | None) -> None:
        # Before the client is told that it is connected, since others may ask for its user's status at once, on any server.
        # Not under the lock, since this may wait for other servers.
        offer = None
        if self._recovery is not None and request is not None:
            offer = self._recovery.offer(connection, *self._connections.reserved_at(connection.id))
        change, excess = self._presence.connected(connection)
        with connection.lock:
            connection.closed = connection.closed or connection.session.closed or excess is not None
            if not connection.closed:
                self._let_in(connection, request, offer)
                self._presence.announce(connection.user_id, change, online=True)
                return
        if self._recovery is not None and offer is not None:
            self._recovery.withdraw(offer)
        self._presence.announce(connection.user_id, change, online=True)
        self._presence.disconnected(connection)
        self._forget(connection)
        # The on_connect hooks have accepted this connection, so on_disconnect must follow.
        reason = CloseReason.CLIENT_DISCONNECT if excess is None else CloseReason.TOO_MANY_CONNECTIONS
        self._hooks.disconnected(connection, reason.value)
        raise excess or ConnectionRefused

    def _let_in(self, connection: Connection, request: Request | None = None, offer: Offer | None = None) -> None:
        session = connection.session
        session.add(connection)
        connection.admitted = True
        if self._recovery is None or request is None or offer is None:
            self._connections.admit(session.id, connection.namespace, connection.id)
        else:
            with self._recovery.turn:
                greeting = self._recovery.open(connection, offer, is_asked=request.is_asked)
                self._connections.admit_with_lease(session.id, offer.lease, greeting)
        if connection.namespace not in self._counts.left_out:
            self._counts.opened.add(connection.transport)
        self._credentials.admitted(session, connection.user_id)
        if connection.user_id:
            self._features.connected(connection)
        self._features.opened(connection)
        peer, text = (
            user_peer(connection.user_id, connection.address),
            "connected: user=%s id=%s transport=%s address=%s namespace=%s",
        )
        told = (connection.user_id, connection.id, connection.transport, connection.address, connection.namespace)
        self._peer_log.write(logger, logging.INFO, peer, text, *told)

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection.id, connection.namespace)
        self._registry.remove(connection)
