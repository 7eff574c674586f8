"""Connections to Redis with bounded waits, whatever happens to the server."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from socket import socket
from typing import Any, Final, TypeVar

from redis import Connection, ConnectionPool, Redis, SSLConnection
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection, UnixDomainSocketConnection, parse_url
from redis.exceptions import BusyLoadingError, ConnectionError, RedisError, ResponseError, TimeoutError  # noqa: A004 - redis-py's names
from redis.retry import Retry

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.errors import ConfigError

LOST: Final = (ConnectionError, TimeoutError, BusyLoadingError, OSError)
"""Errors that mean that Redis cannot be reached, or is not ready yet."""

ResultT = TypeVar("ResultT")

Command = tuple[str | bytes | int, ...]

_OTHER_HOST: Final = {62, 64}
"""OpenSSL's codes for a certificate that is valid, but for another host name or address."""

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
            self._options = self._parse(url)
            self._class = _CLASSES[self._options.pop("connection_class", Connection)]
            self._options.pop("max_connections", None)
            self._options |= {
                "socket_connect_timeout": timeout,
                "retry": Retry(NoBackoff(), 0),  # A retry would double the wait, and repeat what may have been done.
                "protocol": 2,
                "decode_responses": False,
            }
            if self._class is BoundedSSLConnection and self._options.get("ssl_cert_reqs") != "none":
                self._options.setdefault("ssl_check_hostname", True)  # Not the default of redis-py 5.
            self._class(**self._options)
        except (KeyError, TypeError, ValueError, RedisError):
            # Without the cause, whose text may contain part of the password.
            raise self._mistake() from None

    def __str__(self) -> str:
        """Return the URL without the password and options."""
        return self._text

    def ping(self, client: Redis) -> None:
        """Check that the server answers.

        Args:
            client: A client that `client` returned.

        Raises:
            RedisError: It does not, or refuses.
        """
        client.ping()

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

    def _parse(self, url: str) -> dict[str, Any]:
        """Return the options in a URL.

        Raises:
            KeyError, ValueError: It is not one.
        """
        options: dict[str, Any] = parse_url(url)
        return options

    def _mistake(self) -> ConfigError:
        """Return the error for a URL that is not one."""
        return ConfigError(
            f"{self._text!r} is no URL of a Redis server: use redis://host:6379/0, rediss://host:6379/0 or unix:///path/to/socket"
        )


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
        return self._exchange(self._connection.pack_commands(commands), len(commands))

    def ask_packed(self, *commands: bytes) -> list[Any]:
        """Send commands that are in Redis's protocol already; see `ask`."""
        return self._exchange([b"".join(commands)], len(commands))

    def _exchange(self, data: list[Any], count: int) -> list[Any]:
        try:
            self._connection.send_packed_command(data)
            return [self._reply() for _ in range(count)]
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


class BoundedConnection(Connection):
    """Connection that is made within a time."""

    def _connect(self) -> Any:
        return within(self.socket_connect_timeout, super()._connect)


class BoundedSSLConnection(SSLConnection):
    """Connection with TLS that is made within a time, and says why a certificate was refused."""

    def _connect(self) -> Any:
        try:
            return within(self.socket_connect_timeout, super()._connect)
        except ssl.SSLCertVerificationError as error:
            raise ConnectionError(_certificate_complaint(error)) from error


_CLASSES: Final[dict[type, Callable[..., AbstractConnection]]] = {
    Connection: BoundedConnection,
    SSLConnection: BoundedSSLConnection,
    UnixDomainSocketConnection: UnixDomainSocketConnection,
}


def _certificate_complaint(error: ssl.SSLCertVerificationError) -> str:
    remedy = (
        "use a host name that it is valid for, or ?ssl_check_hostname=no"
        if error.verify_code in _OTHER_HOST
        else "name the file of the authority that signed it with ?ssl_ca_certs=/path/to/authority.pem"
    )
    return f"its certificate is not accepted: {error.verify_message.rstrip('.')}; {remedy}"


def within(timeout: float | None, connect: Callable[[], ResultT]) -> ResultT:
    """Limit the time of the name look-up too: the system's own limit is many seconds.

    Args:
        timeout: Seconds.
        connect: Makes a connection, or finds out where to.

    Raises:
        OSError: The connection was not made, or not in time.
    """
    attempt: Future[ResultT] = Future()
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


def _settle(attempt: Future[ResultT], connect: Callable[[], ResultT]) -> None:
    try:
        made = connect()
    except Exception as error:  # noqa: BLE001 - re-raised in the waiting thread
        with suppress(InvalidStateError):
            attempt.set_exception(error)
        return
    try:
        attempt.set_result(made)
    except InvalidStateError:  # The waiting thread has timed out.
        if isinstance(made, socket):
            made.close()
