"""Return of clients that lost their connection: the same id, the same rooms, and what was sent meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from flask_realtime.contract.reasons import CloseReason
from flask_realtime.counts import Counts
from flask_realtime.errors import ConnectionRefused
from flask_realtime.gateway.admission.connection_hooks import ConnectionHooks
from flask_realtime.gateway.admission.credentials import Credentials
from flask_realtime.gateway.admission.user_presence import UserPresence
from flask_realtime.gateway.connection import Connection, Registry, Session, find_device
from flask_realtime.gateway.features import Features
from flask_realtime.gateway.limits.event_limiter import EventLimiter
from flask_realtime.gateway.limits.peer_log import PeerLog, user_peer
from flask_realtime.gateway.recovery.leases import Lease
from flask_realtime.gateway.recovery.recovery import Comeback, Recovery
from flask_realtime.gateway.serving.connections import SocketIOConnections
from flask_realtime.gateway.serving.sessions import EngineSessions
from flask_realtime.identity import Identity
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

_CHANGING_TICK: Final = 0.01
_CHANGING_TICKS: Final = 500
"""Five seconds: what other servers are told of the loss must not arrive after what they are told of the return."""


class ReturnAdmission:
    """Admits clients that come back, in the place of their lost connections.

    A connection whose loss was not noticed is replaced: nobody hears of it but the `on_disconnect` hooks, since `on_connect` was
    asked for the new one.

    Args:
        recovery: Knows what they missed.
        credentials: Counts connects.
        registry: The connections of this server.
        connections: Those of the Socket.IO server.
        sessions: The engine's sessions.
        hooks: The application's hooks of connections.
        presence: Counts users' connections on all servers.
        features: The features, which are notified.
        limiter: Counts events.
        peer_log: Logs lines that a client can provoke.
        sleep: Lets other greenlets or threads run for a number of seconds.
        counts: Counts what happens.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - everything that knows a connection by its id
        self,
        recovery: Recovery,
        credentials: Credentials,
        registry: Registry,
        connections: SocketIOConnections,
        sessions: EngineSessions,
        hooks: ConnectionHooks,
        presence: UserPresence,
        features: Features,
        limiter: EventLimiter,
        peer_log: PeerLog,
        sleep: Callable[[float], None],
        counts: Counts,
    ) -> None:
        self._counts = counts
        self._recovery = recovery
        self._credentials = credentials
        self._registry = registry
        self._connections = connections
        self._sessions = sessions
        self._hooks = hooks
        self._presence = presence
        self._features = features
        self._limiter = limiter
        self._peer_log = peer_log
        self._sleep = sleep

    def admit(
        self, session: Session, identity: Identity, token_header: Mapping[str, Any], auth: object, comeback: Comeback
    ) -> bool:
        """Admit a client in the place of its lost connection.

        Returns:
            Whether that was possible; if not, the client needs a new connection.

        Raises:
            ConnectionRefused: It may not connect, or has left in the meantime.
            EventError: One of the application's hooks raised it, or failed.
        """
        lease = comeback.lease
        connection = Connection(lease.sid, identity, session, lease=lease, recovered=True)
        connection.token_header, connection.device = token_header, find_device(auth)
        try:
            self._connections.reserve_again(session.id, lease)
            lease.claim = connection  # Of two attempts, the later one counts: the client gave up the other.
            self._hooks.authorize(connection, auth)
            return self._admit(connection, comeback)
        except BaseException:
            self._discard(connection, lease)
            raise
        finally:
            self._recovery.settled(comeback)

    def _admit(self, connection: Connection, comeback: Comeback) -> bool:
        refusal = None
        try:
            is_back = self._takes_over(connection, comeback)
        except ConnectionRefused as error:
            is_back, refusal = False, error
        if is_back:
            self._features.recovered(connection)
            return True
        return self._give_up(connection, comeback.lease, refusal)

    def _takes_over(self, connection: Connection, comeback: Comeback) -> bool:
        lease = comeback.lease
        if not self._begins(connection, lease):
            return False
        previous = lease.connection
        if previous is not None:
            return self._replace(connection, previous, comeback)
        try:
            return self._resume(connection, comeback)
        finally:
            if not connection.admitted:
                lease.is_changing = False

    def _begins(self, connection: Connection, lease: Lease) -> bool:
        """Wait until the loss, or another attempt, is known everywhere, and return whether this is the last attempt."""
        for _ in range(_CHANGING_TICKS):
            with self._recovery.turn:
                if lease.claim is not connection:
                    return False
                if not lease.is_changing:
                    lease.is_changing = lease.connection is None
                    return True
            self._sleep(_CHANGING_TICK)
        return False

    def _replace(self, connection: Connection, previous: Connection, comeback: Comeback) -> bool:
        with previous.lock, connection.lock:
            if previous.closed or not self._let_in(connection, previous, comeback):
                return False
        self._hooks.post_disconnected(previous, CloseReason.TAKEN_OVER.value, (), socketio_handler_called=False)
        self._sessions.close(previous.session.id)
        return True

    def _resume(self, connection: Connection, comeback: Comeback) -> bool:
        self._registry.add(connection)
        change, excess = self._presence.connected(connection)
        with connection.lock:
            is_back = excess is None and self._let_in(connection, None, comeback)
            if is_back:
                comeback.lease.is_changing = False
            connection.closed = connection.closed or not is_back
        self._presence.announce(connection.user_id, change, online=True)
        if not is_back:
            self._presence.disconnected(connection)
            self._registry.remove(connection)
        if excess is not None:
            raise excess
        return is_back

    def _let_in(self, connection: Connection, previous: Connection | None, comeback: Comeback) -> bool:
        session, lease = connection.session, comeback.lease
        with self._recovery.turn:
            if lease.claim is not connection or connection.closed or session.closed:
                return False
            greeting = self._recovery.resume(connection, comeback) if lease.connection is previous else None
            if greeting is None:
                return False
            if previous is not None:
                self._take_place(connection, previous)
            session.add(connection)
            connection.admitted = True
            self._connections.admit_with_lease(session.id, lease, greeting)
        self._counts.opened.add(connection.transport)
        self._credentials.admitted(session, connection.user_id, is_counted=False)
        self._features.connected(connection, is_replaced=previous is not None)
        self._features.opened(connection)
        told = (connection.user_id, connection.id, connection.transport, connection.address)
        peer, text = user_peer(connection.user_id, connection.address), "recovered: user=%s id=%s transport=%s address=%s"
        self._peer_log.write(logger, logging.INFO, peer, text, *told)
        return True

    def _take_place(self, connection: Connection, previous: Connection) -> None:
        self._counts.closed.add(CloseReason.TAKEN_OVER.value)
        previous.closed = True
        previous.lease = None
        self._limiter.release(previous)
        self._registry.replace(previous, connection)
        self._connections.hand_over(connection.id)

    def _discard(self, connection: Connection, lease: Lease) -> None:
        if lease.claim is connection or lease.claim is None:
            lease.claim = None
            self._connections.discard(connection.id, connection.namespace)

    def _give_up(self, connection: Connection, lease: Lease, refusal: ConnectionRefused | None) -> bool:
        """Undo an attempt that the hooks have accepted, so that `on_disconnect` must follow."""
        is_gone = connection.session.closed
        is_ended = lease.is_over and lease.claim is connection
        self._discard(connection, lease)
        reason = CloseReason.CLIENT_DISCONNECT if is_gone else CloseReason.SERVER_DISCONNECT
        self._hooks.disconnected(connection, reason.value)
        if refusal is not None or is_gone or is_ended:
            raise refusal or ConnectionRefused
        return False
