"""Closing of connections, whether their client, their session or the server ends them; cleaning up is idempotent."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from time import time
from typing import Final

from flask_realtime.counts import Counts
from flask_realtime.gateway.admission.connection_hooks import ConnectionHooks
from flask_realtime.gateway.admission.user_presence import UserPresence
from flask_realtime.gateway.connection import Connection, Registry
from flask_realtime.gateway.dispatch.packets import DEFAULT_NAMESPACE
from flask_realtime.gateway.features import Departure, Features
from flask_realtime.gateway.limits.event_limiter import EventLimiter
from flask_realtime.gateway.limits.peer_log import PeerLog, user_peer
from flask_realtime.gateway.recovery.recovery import Recovery
from flask_realtime.gateway.serving.connections import SocketIOConnections
from flask_realtime.gateway.serving.sessions import EngineSessions
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

DISCONNECT_GRACE: Final = 5.0
"""Seconds in which a disconnected client can fetch the DISCONNECT packet."""

_NOTHING_LEFT: Final = Departure((), ())


class ConnectionCloser:
    """Closes connections, and cleans up after closed ones.

    Args:
        sessions: The engine's sessions.
        connections: The connections of the Socket.IO server.
        registry: The connections of this server.
        limiter: Counts their events.
        features: The features, which are notified of closed connections.
        presence: Counts users' connections on all servers.
        hooks: The application's hooks of connections.
        peer_log: Logs lines that a client can provoke.
        recovery: Lets clients come back; None if nobody may.
        counts: Counts what happens.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - everything that holds state of a connection
        self,
        sessions: EngineSessions,
        connections: SocketIOConnections,
        registry: Registry,
        limiter: EventLimiter,
        features: Features,
        presence: UserPresence,
        hooks: ConnectionHooks,
        peer_log: PeerLog,
        recovery: Recovery | None,
        counts: Counts,
    ) -> None:
        self._counts = counts
        self._sessions = sessions
        self._connections = connections
        self._registry = registry
        self._limiter = limiter
        self._features = features
        self._presence = presence
        self._hooks = hooks
        self._peer_log = peer_log
        self._recovery = recovery

    def disconnect(self, connection: Connection, reason: str) -> None:
        """End a connection from the server's side.

        Args:
            connection: The connection.
            reason: The reason for the `on_disconnect` hooks and the log.
        """
        with connection.lock:
            if connection.closed or not connection.admitted:
                connection.closed = True  # `Admission` refuses a connection closed before it is let in.
                return
            self._connections.send_disconnect(connection.session.id, connection.namespace)
            self.disconnected(connection, reason)
        if not connection.session.open_connections():
            self._sessions.close_later(connection.session.id, DISCONNECT_GRACE)

    def disconnected(
        self, connection: Connection, reason: str, *, socketio_handler_called: bool = False, is_lost: bool = False
    ) -> None:
        """Clean up after a closed connection; later calls for it do nothing.

        It has left its rooms, and the other users are notified, before this returns. The application's hooks run in the
        connection's mailbox, after the events that it sent before.

        Args:
            connection: The connection.
            reason: The reason for the `on_disconnect` hooks and the log.
            socketio_handler_called: Whether python-socketio has called the application's own handler.
            is_lost: Whether the session ended, rather than the connection: the client may come back.
        """
        with connection.lock:
            if connection.closed:
                return
            connection.closed = True
            shared = () if connection.lease is None else self._end_lease(connection, is_lost=is_lost)
            self._connections.remove(connection.id, connection.namespace)
            is_present = connection.namespace == DEFAULT_NAMESPACE
            departure = self._features.disconnected(connection) if is_present else _NOTHING_LEFT
            self._registry.remove(connection)
            self._limiter.release(connection)
            self._features.closed(connection, reason)
        if connection.namespace not in self._counts.left_out:
            self._counts.closed.add(reason)
        if is_present:
            self._presence.disconnected_in_turn(connection, reason, (*departure.changes, *shared))
        if not connection.session.closed and not connection.session.open_connections():
            self._connections.await_connect(connection.session.id)
        if logger.isEnabledFor(logging.INFO):
            peer = user_peer(connection.user_id, connection.address)
            told = (connection.user_id, connection.id, reason, connection.namespace, max(time() - connection.opened_at, 0.0))
            text = "disconnected: user=%s id=%s reason=%s namespace=%s seconds=%.1f"
            self._peer_log.write(logger, logging.INFO, peer, text, *told)
        self._hooks.post_disconnected(connection, reason, departure.announcements, socketio_handler_called=socketio_handler_called)

    def _end_lease(self, connection: Connection, *, is_lost: bool) -> tuple[Callable[[], None], ...]:
        """End the client's right to come back, or let it be used, and return what is to be called once all servers know."""
        if self._recovery is None:
            return ()
        if not is_lost:
            self._recovery.ended(connection)
            return ()
        self._recovery.lost(connection)
        return (partial(self._recovery.told, connection),)
