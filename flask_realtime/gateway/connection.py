"""Sessions of the engine, their connections, and the registry of these by user."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, cast

from werkzeug.local import LocalProxy

from flask_realtime.allowances import Allowances, TokenBucket, network
from flask_realtime.counts import Alike
from flask_realtime.errors import ConnectionRefused
from flask_realtime.gateway.admission.handshake import Essentials, essentials_of
from flask_realtime.gateway.dispatch.mailbox import Mailbox
from flask_realtime.gateway.dispatch.packets import DEFAULT_NAMESPACE, Packet
from flask_realtime.gateway.locks import native_lock, native_rlock
from flask_realtime.gateway.recovery.leases import Lease
from flask_realtime.identity import Identity


@dataclass(eq=False, slots=True)
class Session:
    """One Engine.IO connection, with at most one connection to each namespace at a time.

    Args:
        id: The engine's id; knowing it is enough to act as the client, so it is never logged.
        address: The peer's address, as the WSGI server or a proxy fix named it.
        handshake: What authentication needs of its WSGI environment.
        mailbox: Runs the application's code for what this session sends.
        transport_of: Returns the transport that a session of the engine uses now.
        connection: The one to the default namespace.
        elsewhere: Those to other namespaces.
        connecting: The number of unanswered CONNECT packets.
        refused: The number of refusals since the last admission.
        early_bytes: Bytes received before the first CONNECT was answered, other than CONNECT packets.
        unasked: Counts unexpected packets.
        repeatable: The text of an event that may be repeated, and a function that handles it again, if it still can; then what
            counts such events, and the bytes of this one.
        is_browser: Whether the client is a browser.
    """

    id: str
    address: str
    handshake: Mapping[str, Any] | Essentials
    mailbox: Mailbox
    transport_of: Callable[[str], str]
    connection: Connection | None = None
    elsewhere: dict[str, Connection] | None = None
    collecting: Packet | None = None
    repeatable: tuple[str, Callable[[], bool], Alike] | None = None
    connecting: int = 0
    refused: int = 0
    early_bytes: int = 0
    unasked: TokenBucket | None = None
    closed: bool = False
    is_browser: bool = False

    @property
    def environ(self) -> Mapping[str, Any]:
        """Kept part of the WSGI environment of the handshake."""
        return self.handshake.environ if isinstance(self.handshake, Essentials) else self.handshake

    def connection_in(self, namespace: str) -> Connection | None:
        """Return the connection to a namespace, the last one if it is closed, or None."""
        if namespace == DEFAULT_NAMESPACE:
            return self.connection
        return None if self.elsewhere is None else self.elsewhere.get(namespace)

    def add(self, connection: Connection) -> None:
        """Add an admitted connection."""
        if connection.namespace == DEFAULT_NAMESPACE:
            self.connection = connection
        else:
            self.elsewhere = {**(self.elsewhere or {}), connection.namespace: connection}
        self.refused = self.early_bytes = 0

    def keep_essentials(self) -> None:
        """Keep of the handshake what it takes to authenticate the same client again, and no more."""
        self.handshake = essentials_of(self.environ)

    def forget_connections(self) -> None:
        """Drop the references to the connections once nothing is left to do: a cycle would wait for the garbage collector."""
        self.connection = self.elsewhere = self.repeatable = None

    def open_connections(self) -> list[Connection]:
        """Return the connections that are not closed."""
        if self.elsewhere is None:
            return [] if self.connection is None or self.connection.closed else [self.connection]
        main = () if self.connection is None else (self.connection,)
        return [connection for connection in (*main, *self.elsewhere.values()) if not connection.closed]


@dataclass(eq=False, slots=True)
class Connection:
    """One client in a namespace, authenticated except in an open one.

    Args:
        id: The Socket.IO id: `socket.id` in the client.
        identity: The identity of its user; in an open namespace its `user_id` is empty.
        session: The engine connection that carries it.
        namespace: The namespace, `/` by default.
        lock: Held while it is admitted, joins, or leaves, so that none of these overlap.
        device: The client's name for its device, or an empty string.
        token_header: The header of the access token.
        due: The Unix time at which the client is warned that its token expires, or the connection ends.
        allowances: Its remaining allowances; None as long as it has sent nothing.
        admitted: Whether the client was told that it is connected.
        closed: Whether it is closed.
        lease: The client's right to come back after a loss, or None.
        recovered: Whether it takes the place of one that its client lost.
        opened_at: When it was made, in seconds since 1970.
    """

    id: str
    identity: Identity
    session: Session
    namespace: str = DEFAULT_NAMESPACE
    lock: AbstractContextManager[Any] = field(default_factory=native_rlock, repr=False)
    user_id: str = field(init=False)
    device: str = ""
    token_header: Mapping[str, Any] = field(default_factory=dict, repr=False)
    due: float = 0.0
    allowances: Allowances | None = field(default=None, repr=False)
    admitted: bool = False
    closed: bool = False
    lease: Lease | None = field(default=None, repr=False)
    recovered: bool = False
    opened_at: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self.user_id = self.identity.user_id

    @property
    def charged_to(self) -> str:
        """Return the key that its events count against: its user or, in an open namespace, its address, unlike any user id."""
        return self.user_id or f"\n{network(self.session.address)}"

    @property
    def address(self) -> str:
        """Return the peer's address."""
        return self.session.address

    @property
    def environ(self) -> Mapping[str, Any]:
        """Return the kept part of its handshake's WSGI environment."""
        return self.session.environ

    def of_session(self) -> list[Connection]:
        """Return the connections of the same client to all namespaces."""
        return self.session.open_connections()

    @property
    def client_id(self) -> str:
        """Return an id of its session, which nobody can use to act as the client."""
        return sha256(self.session.id.encode()).hexdigest()[:12]

    @property
    def transport(self) -> str:
        """Return the transport in use now, `polling` or `websocket`."""
        return self.session.transport_of(self.session.id)


class Registry:
    """The connections of this process, including those that are still being admitted.

    Args:
        max_per_user: Maximum number of connections of one user here.
        max_connections: Maximum number of connections, or None.
        retry_after: Seconds after which a user with too many may try again.
    """

    def __init__(self, max_per_user: int, max_connections: int | None, retry_after: float | None = None) -> None:
        self._retry_after = retry_after
        self._max_per_user = max_per_user
        self._max_connections = max_connections
        self._lock = native_lock()
        self._connections: dict[str, Connection] = {}
        # Lists: most users have one or two connections, for which a dictionary takes three times the memory.
        self._by_user: dict[str, list[Connection]] = {}

    def add(self, connection: Connection) -> None:
        """Record a connection.

        Raises:
            ConnectionRefused: There are too many, or its user has too many.
        """
        with self._lock:
            if self._max_connections is not None and len(self._connections) >= self._max_connections:
                raise too_many_connections("The server has too many connections open; try again later")
            if connection.user_id:
                of_user = self._by_user.get(connection.user_id, [])
                if len(of_user) >= self._max_per_user and self._is_one_more(connection, of_user):
                    raise too_many_connections(retry_after=self._retry_after)
                self._by_user[connection.user_id] = [*of_user, connection]
            self._connections[connection.id] = connection

    def _is_one_more(self, connection: Connection, of_user: list[Connection]) -> bool:
        # A page's connections to several namespaces share one session, and count as one.
        sessions = {other.session.id for other in of_user}
        return connection.session.id not in sessions and len(sessions) >= self._max_per_user

    def replace(self, previous: Connection, connection: Connection) -> None:
        """Record a connection in the place of another one of the same id and user."""
        with self._lock:
            self._connections[connection.id] = connection
            of_user = self._by_user[connection.user_id]
            of_user[of_user.index(previous)] = connection

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def users(self) -> int:
        """Return the number of users with connections here."""
        return len(self._by_user)

    def remove(self, connection: Connection) -> None:
        """Forget a connection."""
        with self._lock:
            if self._connections.pop(connection.id, None) is None or not connection.user_id:
                return
            of_user = self._by_user[connection.user_id]
            of_user.remove(connection)
            if not of_user:
                del self._by_user[connection.user_id]

    def get(self, connection_id: str) -> Connection | None:
        """Return the connection with an id, or None."""
        return self._connections.get(connection_id)

    def of_user(self, user_id: str) -> list[Connection]:
        """Return a user's connections."""
        with self._lock:
            return list(self._by_user.get(user_id, ()))

    def everyone(self) -> list[Connection]:
        """Return all connections."""
        with self._lock:
            return list(self._connections.values())


def too_many_connections(
    message: str = "You have too many connections open", *, retry_after: float | None = None
) -> ConnectionRefused:
    """Return the refusal of a connection over a limit."""
    return ConnectionRefused(message, code="too_many_connections", retry_after=retry_after)


current: ContextVar[Connection] = ContextVar("flask_realtime.current_connection")

current_connection = cast("Connection", LocalProxy(current, unbound_message="This code was not called for a connection."))
"""The connection for which a hook or an event handler was called."""

_MAX_DEVICE_LENGTH = 64


def find_device(auth: object) -> str:
    """Return the client's name for its device: `auth.device`, cut to 64 characters; empty if that is not text.

    Args:
        auth: The payload of the CONNECT packet; anything.
    """
    device = auth.get("device") if isinstance(auth, Mapping) else None
    return device[:_MAX_DEVICE_LENGTH] if isinstance(device, str) and device.isprintable() else ""
