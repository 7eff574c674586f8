"""Lifecycle of connections: admission, refusal and disconnects."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any, Final, Protocol

from flask_realtime.backends.base import Change
from flask_realtime.contract.answers import Refusal, refusal
from flask_realtime.contract.reasons import CloseReason, leaves_entries
from flask_realtime.contract.rooms import user_room
from flask_realtime.errors import ConnectionRefused, EventError, InternalError
from flask_realtime.gateway.admission.handshake import for_application, for_authentication
from flask_realtime.gateway.connection import Connection, Session, find_device, too_many_connections
from flask_realtime.gateway.dispatch.packets import DEFAULT_NAMESPACE
from flask_realtime.gateway.features import Departure, Features
from flask_realtime.gateway.limits.peer_log import user_peer
from flask_realtime.gateway.parts import Parts
from flask_realtime.hooks import ON_CONNECT, ON_DISCONNECT
from flask_realtime.identity import Identity
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

SERVER_DISCONNECT: Final = CloseReason.SERVER_DISCONNECT.value
CLIENT_DISCONNECT: Final = CloseReason.CLIENT_DISCONNECT.value
TOO_MANY_CONNECTIONS: Final = CloseReason.TOO_MANY_CONNECTIONS.value

MAX_REFUSED: Final = 5
"""Refused attempts to connect after which a session ends."""

_ANONYMOUS: Final[tuple[Identity, Mapping[str, Any]]] = (Identity("", {}), {})
"""The identity in an open namespace."""

DISCONNECT_GRACE = 5.0
"""Seconds in which a disconnected client can fetch the DISCONNECT packet."""

_LOOK_AGAIN = 0.25
"""Seconds between two checks of whether servers are alive, while a client that may be one too many waits."""

_CONNECT = "connect"
_DISCONNECT = "disconnect"


class StatusNotifier(Protocol):
    """Announces users' status changes."""

    def changed(self, user_id: str, *, online: bool, version: int, hold: float = 0.0) -> None:
        """Announce that a user came online or went offline, unless that exceeds the rate."""

    def in_turn(self, user_id: str, task: Callable[[], None]) -> None:
        """Run a task about a user after all earlier ones about the same user."""

    @property
    def is_idle(self) -> bool:
        """Return whether there is nothing left to announce."""


class PresenceState(Protocol):
    """Keeps count of users' connections, on all servers."""

    @property
    def notifier(self) -> StatusNotifier:
        """The announcements of status changes."""

    def connected(self, connection_id: str, user_id: str, device: str = "") -> Change:
        """Record a connection."""

    def disconnected(self, connection_id: str, user_id: str) -> Change:
        """Forget a connection."""

    def exceeds_limit(self, number: int, user_id: str, within: float) -> bool | None:
        """Return whether a user has more than a number of connections; None if the caller has to ask again."""


class AuthenticationState(Protocol):
    """Authenticates connection attempts."""

    @property
    def asks_application(self) -> bool:
        """Return whether the application authenticates connections itself, for which it may need any header."""

    def authenticate(self, auth: object, environ: Mapping[str, Any]) -> tuple[Identity, Mapping[str, Any]]:
        """Return the identity behind a connection attempt, and the header of the token; or raise `ConnectionRefused`."""


_NOTHING_LEFT: Final = Departure((), ())


class Lifecycle:
    """Accepts and closes connections; cleaning up is idempotent.

    Args:
        parts: The gateway's parts.
        features: The features, which are notified of connections.
        presence: Keeps count of users' connections.
        authentication: Authenticates connection attempts.
    """

    def __init__(self, parts: Parts, features: Features, presence: PresenceState, authentication: AuthenticationState) -> None:
        self._parts = parts
        self._features = features
        self._presence = presence
        self._notifier = presence.notifier
        self._authentication = authentication

    # Coming -------------------------------------------------------------------------------------------------------------------

    @cached_property
    def _asks_application(self) -> bool:
        return self._authentication.asks_application  # No hook comes after the first session.

    def kept_of(self, environ: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the part of a handshake's environment that is kept to authenticate its client."""
        if self._asks_application:
            return for_application(environ, any_origin=self._parts.server.allows_any_origin)
        return for_authentication(environ)

    def connect(self, session: Session, namespace: str, auth: object) -> None:
        """Handle a CONNECT packet: admit the client, or refuse with the reason. Any failure refuses."""
        connection = session.connection_in(namespace)
        try:
            if session.closed:
                return
            if connection is not None and not connection.closed:
                self._parts.server.close(session.id)  # Connected twice: Node's server closes such a connection too.
                return
            self._admit(session, namespace, auth)
        except ConnectionRefused as error:
            self.refuse(session, namespace, error)
        except InternalError:
            self.refuse(session, namespace, _internal_error())  # Logged where it was raised.
        except EventError as error:
            self.refuse(session, namespace, ConnectionRefused(error.message))
        except Exception as error:  # noqa: BLE001 - a client must never be admitted by accident
            self._parts.application.report(error, None, _CONNECT, session.address)
            self.refuse(session, namespace, _internal_error())
        finally:
            session.connecting -= 1

    def _admit(self, session: Session, namespace: str, auth: object) -> None:
        identity, token_header = self._identify(session, namespace, auth)
        if identity.user_id:
            self._parts.limiter.check_connects(identity.user_id)
        connection = self._reserve(session, namespace, identity)
        connection.token_header = token_header
        connection.device = find_device(auth)
        try:
            self._ask_application(connection, auth)
        except BaseException:
            self._forget(connection)
            raise
        self._complete(connection)

    def _identify(self, session: Session, namespace: str, auth: object) -> tuple[Identity, Mapping[str, Any]]:
        if namespace in self._parts.config.open_namespaces:
            return _ANONYMOUS
        with self._parts.limiter.attempt(session.address):
            return self._authentication.authenticate(auth, session.environ)

    def _reserve(self, session: Session, namespace: str, identity: Identity) -> Connection:
        server = self._parts.server
        rooms = (user_room(identity.user_id),) if namespace == DEFAULT_NAMESPACE else ()
        connection = Connection(server.reserve(session.id, namespace, *rooms), identity, session, namespace)
        try:
            self._parts.registry.add(connection)
        except ConnectionRefused:
            server.discard(connection.id, namespace)
            raise
        return connection

    def _ask_application(self, connection: Connection, auth: object) -> None:
        application, existing = self._parts.application, self._parts.server.existing
        for hook in application.hooks.functions(ON_CONNECT) if connection.user_id else ():
            if not application.decide(hook, connection.identity, connection=connection, event=_CONNECT, default=True):
                raise ConnectionRefused
        if existing.has_socketio_handler(_CONNECT, connection.namespace):
            where = (connection.session.id, connection.namespace, connection.id)
            application.call(existing.call_socketio_connect_handler, *where, auth, connection=connection, event=_CONNECT)

    def _complete(self, connection: Connection) -> None:
        if connection.namespace == DEFAULT_NAMESPACE:
            self._complete_present(connection)
            return
        with connection.lock:
            if not connection.closed and not connection.session.closed:
                self._let_in(connection)
                return
            connection.closed = True
        self._forget(connection)
        self._tell_gone(connection, CLIENT_DISCONNECT, _NOTHING_LEFT)
        raise ConnectionRefused

    def _complete_present(self, connection: Connection) -> None:
        # Before the client hears that it is connected: whoever it tells can ask for its user's status anywhere. Outside the lock:
        # where several servers share it, this takes a moment.
        change = self._presence.connected(connection.id, connection.user_id, connection.device)
        is_one_too_many = self._is_one_too_many(connection, change)
        with connection.lock:
            connection.closed = connection.closed or connection.session.closed or is_one_too_many
            if not connection.closed:
                self._let_in(connection)
                self._announce(connection.user_id, change, online=True)
                return
        # The application was asked before that, has heard of it, and so hears of its end.
        self._announce(connection.user_id, change, online=True)
        self._end_presence(connection, _NOTHING_LEFT)
        self._forget(connection)
        self._tell_gone(connection, TOO_MANY_CONNECTIONS if is_one_too_many else CLIENT_DISCONNECT, _NOTHING_LEFT)
        raise too_many_connections(retry_after=self._parts.config.retry_after) if is_one_too_many else ConnectionRefused

    def _let_in(self, connection: Connection) -> None:
        session = connection.session
        session.add(connection)
        if not self._asks_application:
            session.keep_essentials()
        connection.admitted = True
        self._parts.server.admit(session.id, connection.namespace, connection.id)
        if connection.user_id:
            self._parts.limiter.connected(connection.user_id)
            self._features.connected(connection)
        told = (connection.user_id, connection.id, connection.transport, connection.address, connection.namespace)
        self._log_of(connection, "connected: user=%s id=%s transport=%s address=%s namespace=%s", *told)

    def _log_of(self, connection: Connection, message: str, *args: object) -> None:
        peer = user_peer(connection.user_id, connection.address)
        self._parts.peer_log.write(logger, logging.INFO, peer, message, *args)

    def _is_one_too_many(self, connection: Connection, change: Change) -> bool:
        """Return whether its user has too many connections with it, on all servers.

        A crashed server's connections must not block a reconnect: a client that may be one too many waits until the other servers
        have renewed their leases, or are known to be dead.
        """
        parts, began = self._parts, time.monotonic()
        limit = parts.config.max_connections_per_user
        exceeds: bool | None = None if change.connections > limit else False
        while exceeds is None and not (connection.closed or connection.session.closed or parts.backend.leaves_entries):
            exceeds = self._presence.exceeds_limit(limit, connection.user_id, time.monotonic() - began)
            if exceeds is None:
                parts.server.sleep(_LOOK_AGAIN)
        return bool(exceeds)

    def _announce(self, user_id: str, change: Change, *, online: bool) -> None:
        if change.status_changed:
            self._notifier.changed(user_id, online=online, version=change.version, hold=change.hold)

    def _end_presence(self, connection: Connection, departure: Departure) -> None:
        change = self._presence.disconnected(connection.id, connection.user_id)
        for share in departure.changes:
            share()
        self._announce(connection.user_id, change, online=False)

    def _forget(self, connection: Connection) -> None:
        self._parts.server.discard(connection.id, connection.namespace)
        self._parts.registry.remove(connection)

    def refuse(self, session: Session, namespace: str, error: ConnectionRefused) -> None:
        """Refuse a client, with the reason; a session with too many refusals ends."""
        told = (error.code, session.address, namespace, error.message)
        text = "refused: code=%s address=%s namespace=%s reason=%s"
        self._parts.peer_log.write(logger, logging.WARNING, session.address, text, *told)
        self._tell_refused(session, namespace, refusal(error))

    def refuse_namespace(self, session: Session, namespace: str) -> None:
        """Refuse an unknown namespace, in the words of Node's server."""
        self._tell_refused(session, namespace, {"message": "Invalid namespace"})

    def _tell_refused(self, session: Session, namespace: str, answer: Refusal | dict[str, str]) -> None:
        if session.closed:
            return
        server = self._parts.server
        server.refuse(session.id, namespace, answer)
        session.refused += 1
        if session.refused >= MAX_REFUSED:
            session.closed = True  # Nothing more that it sends is looked at.
            server.close_in_turn(session.id, DISCONNECT_GRACE)

    # Going --------------------------------------------------------------------------------------------------------------------

    def disconnected(self, connection: Connection, reason: str, *, socketio_handler_called: bool = False) -> None:
        """Clean up after a closed connection; later calls for it do nothing.

        It has left its rooms, and the other users are notified, before this returns. The application's hooks run in the
        connection's mailbox, after the events that it sent before.
        """
        with connection.lock:
            if connection.closed:
                return
            connection.closed = True
            self._parts.server.remove(connection.id, connection.namespace)
            is_present = connection.namespace == DEFAULT_NAMESPACE
            departure = self._features.disconnected(connection) if is_present else _NOTHING_LEFT
            self._parts.registry.remove(connection)
            self._parts.limiter.release(connection)
        if is_present:
            self._end_presence_in_turn(connection, reason, departure)
        if not connection.session.open_connections():
            self._parts.server.await_connect(connection.session.id)
        told = (connection.user_id, connection.id, reason, connection.namespace)
        self._log_of(connection, "disconnected: user=%s id=%s reason=%s namespace=%s", *told)
        hooks = self._parts.application.hooks
        has_socketio_handler = not socketio_handler_called and self._parts.server.existing.has_socketio_handler(
            _DISCONNECT, connection.namespace
        )
        if has_socketio_handler or hooks.functions(ON_DISCONNECT) or departure.announcements:
            tell = self._tell_own_handler if has_socketio_handler else self._tell_gone
            connection.session.mailbox.post(partial(tell, connection, reason, departure))

    def _end_presence_in_turn(self, connection: Connection, reason: str, departure: Departure) -> None:
        if self._parts.backend.is_local:
            self._end_presence(connection, departure)
        elif not leaves_entries(reason) or not self._parts.backend.leaves_entries:
            # Whoever calls this may be the event loop, which cannot wait for other servers.
            self._notifier.in_turn(connection.user_id, lambda: self._end_presence(connection, departure))

    def _tell_gone(self, connection: Connection, reason: str, departure: Departure) -> None:
        application = self._parts.application
        for told in departure.announcements:
            application.announce(application.hooks.functions(told.hook), *told.args, connection=connection)
        hooks = application.hooks.functions(ON_DISCONNECT) if connection.user_id else []
        application.announce(hooks, connection.identity, reason, connection=connection)

    def _tell_own_handler(self, connection: Connection, reason: str, departure: Departure) -> None:
        handler = self._parts.server.existing.call_socketio_disconnect_handler
        where = (connection.session.id, connection.namespace, connection.id)
        self._parts.application.announce([handler], *where, reason, connection=connection)
        self._tell_gone(connection, reason, departure)

    def disconnect(self, connection: Connection, reason: str) -> None:
        """End a connection from the server's side.

        Args:
            connection: The connection.
            reason: The reason for the `on_disconnect` hooks and the log.
        """
        with connection.lock:
            if connection.closed or not connection.admitted:
                connection.closed = True  # One that is still being admitted is refused then.
                return
            self._parts.server.send_disconnect(connection.session.id, connection.namespace)
            self.disconnected(connection, reason)
        if not connection.session.open_connections():
            self._parts.server.close_later(connection.session.id, DISCONNECT_GRACE)


def _internal_error() -> ConnectionRefused:
    return ConnectionRefused("The server failed to handle the connection", code="internal_error")
