"""Connections to Redis with bounded waits, whatever happens to the server."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from socket import socket
from typing import Any, Final

from redis import Connection, ConnectionPool, Redis, SSLConnection
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection, UnixDomainSocketConnection, parse_url
from redis.exceptions import BusyLoadingError, ConnectionError, RedisError, ResponseError, TimeoutError  # noqa: A004 - redis-py's names
from redis.retry import Retry

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.errors import ConfigError

LOST: Final = (ConnectionError, TimeoutError, BusyLoadingError, OSError)
"""Errors that mean that Redis cannot be reached, or is not ready yet."""

Command = tuple[str | bytes | int, ...]

_CREDENTIALS = re.compile(r"//.*@")
_OPTIONS = re.compile(r"[?#].*")


class Address:
    """The address and connection options of a Redis server.

    Args:
        url: A `redis://`, `rediss://` or `unix://` URL.
        timeout: Seconds in which a connection has to be made, and in which each command has to be answered.

    Raises:
        ConfigError: It is not such a URL, or has an unknown option.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self._text = _OPTIONS.sub("", _CREDENTIALS.sub("//***@", url))
        self._timeout = timeout
        try:
            self._options: dict[str, Any] = parse_url(url)
            self._class = _CLASSES[self._options.pop("connection_class", Connection)]
            self._options.pop("max_connections", None)
            self._options |= {
                "socket_connect_timeout": timeout,
                "retry": Retry(NoBackoff(), 0),  # A retry would double the wait, and repeat what may have been done.
                "protocol": 2,
                "decode_responses": False,
            }
            self._class(**self._options)
        except (KeyError, TypeError, ValueError, RedisError):
            # Without the cause, whose text may contain part of the password.
            msg = f"{self._text!r} is no URL of a Redis server: use redis://host:6379/0, rediss://host:6379/0 or unix:///path/to/socket"
            raise ConfigError(msg) from None

    def __str__(self) -> str:
        """Return the URL without the password and options."""
        return self._text

    def client(self, max_connections: int) -> Redis:
        """Return a client with an empty pool of connections."""
        options = self._options | {"socket_timeout": self._timeout, "max_connections": max_connections}
        return Redis(connection_pool=ConnectionPool(connection_class=self._class, **options))

    def connect(self, patience: float, on_lost: Callable[[Exception], BackendUnavailable]) -> OwnConnection:
        """Make a connection outside any pool.

        Args:
            patience: Seconds by which blocking commands on it may exceed the time-out.
            on_lost: Called with errors that mean that Redis cannot be reached; returns the exception to raise.
        """
        connection = self._class(**self._options, socket_timeout=self._timeout + patience)
        try:
            connection.connect()
        except LOST as error:
            raise on_lost(error) from error
        return OwnConnection(connection, on_lost)


class OwnConnection:
    """A connection for one thread, outside any pool.

    Args:
        connection: The open connection.
        on_lost: As in `Address.connect`.
    """

    def __init__(self, connection: AbstractConnection, on_lost: Callable[[Exception], BackendUnavailable]) -> None:
        self._connection = connection
        self._on_lost = on_lost
        self._is_closed = False

    def ask(self, *commands: Command) -> list[Any]:
        """Send commands in one batch.

        Returns:
            The replies; the error for each command that Redis refused.

        Raises:
            BackendUnavailable: The connection was lost. Whether the commands were carried out is unknown.
        """
        try:
            self._connection.send_packed_command(self._connection.pack_commands(commands))
            return [self._reply() for _ in commands]
        except LOST as error:
            self.close()
            raise self._on_lost(error) from error

    @property
    def is_open(self) -> bool:
        """Return whether the connection is still open, as far as this side knows."""
        try:
            return not (self._is_closed or self._connection.can_read(0))
        except LOST:
            return False

    def close(self) -> None:
        """Close the connection."""
        self._is_closed = True
        self._connection.disconnect()

    def _reply(self) -> Any:
        try:
            return self._connection.read_response()
        except ResponseError as error:
            return error


class _BoundedConnection(Connection):
    def _connect(self) -> socket:
        return _within(self.socket_connect_timeout, super()._connect)


class _BoundedSSLConnection(SSLConnection):
    def _connect(self) -> socket:
        return _within(self.socket_connect_timeout, super()._connect)


_CLASSES: Final[dict[type, Callable[..., AbstractConnection]]] = {
    Connection: _BoundedConnection,
    SSLConnection: _BoundedSSLConnection,
    UnixDomainSocketConnection: UnixDomainSocketConnection,
}


def _within(timeout: float | None, connect: Callable[[], socket]) -> socket:
    """Limit the time of the name look-up too: the system's own limit is many seconds.

    Raises:
        OSError: The connection was not made, or not in time.
    """
    attempt: Future[socket] = Future()
    try:
        threading.Thread(target=_settle, args=(attempt, connect), name="redis-connect", daemon=True).start()
    except RuntimeError:  # The interpreter is shutting down and starts no more threads.
        return connect()
    try:
        return attempt.result(timeout)
    except FutureTimeoutError:
        if not attempt.cancel():
            return attempt.result()
        msg = "the connection was not made in time"
        raise OSError(msg) from None


def _settle(attempt: Future[socket], connect: Callable[[], socket]) -> None:
    try:
        made = connect()
    except Exception as error:  # noqa: BLE001 - re-raised in the waiting thread
        with suppress(InvalidStateError):
            attempt.set_exception(error)
        return
    try:
        attempt.set_result(made)
    except InvalidStateError:  # The waiting thread has timed out.
        made.close()
