"""Carries messages over AMQP, with python-socketio's own manager for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from socketio import KombuManager, kombu_manager

from flask_realtime.backends.broker.carrier import SEND_SECONDS, WAIT_SECONDS, Carrier
from flask_realtime.errors import ConfigError

_HEARTBEAT_SECONDS: Final = 10
_TRANSIENT: Final = 1  # Delivery mode: messages are not written to disk.


def require() -> None:
    """Check that AMQP can be used.

    Raises:
        ConfigError: Kombu is not installed.
    """
    if kombu_manager.kombu is None:
        raise ConfigError("A message queue at amqp:// needs Kombu: pip install 'flask-realtime[amqp]'")


class AmqpCarrier(Carrier):
    """Sends to a fan-out exchange, to which each server has bound a queue of its own.

    The manager names and creates these and the connections. Its own methods to send and to receive are not used: they do not report
    whether a message was sent, and decode whatever Kombu's registry of serialisers allows, including pickle if that is enabled.

    Args:
        url: The broker's URL.
        channel: The exchange's name.
        options: Further options of Kombu's connections.
    """

    def __init__(self, url: str, channel: str, options: Mapping[str, Any] | None = None) -> None:
        given = {"transport_options": {"confirm_publish": True}, **(options or {})}
        self._manager: Any = KombuManager(url, channel, connection_options={"connect_timeout": SEND_SECONDS, **given})
        # The same queue after a reconnect, because the broker keeps filling it for some minutes.
        self._queue: Any = self._manager._queue()  # noqa: SLF001 - the manager has no public access to it
        self._exchange: Any = self._queue.exchange
        self._connection: Any = None

    def send(self, data: bytes, origin: str) -> None:  # noqa: ARG002 - an exchange keeps the order of each connection
        """Send a message, and wait until the broker has confirmed it."""
        if self._connection is None:
            # Heartbeats need a reader, and nothing is read from this connection.
            self._connection = self._connected(heartbeat=0)
        self._connection.Producer(exchange=self._exchange).publish(
            data,
            content_type="application/octet-stream",
            content_encoding="binary",
            delivery_mode=_TRANSIENT,
            timeout=SEND_SECONDS,
            confirm_timeout=SEND_SECONDS,
        )

    def stop_sending(self) -> None:
        """Close the connection that is used to send."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.collect(SEND_SECONDS)

    def listen(self, is_wanted: Callable[[], bool]) -> Iterator[bytes]:
        """Return the bodies of messages, undecoded."""
        connection = self._connected(_HEARTBEAT_SECONDS)
        arrived: deque[Any] = deque()
        try:
            # With `on_message`, Kombu does not decode messages.
            with connection.Consumer([self._queue], on_message=arrived.append, no_ack=True):
                while is_wanted():
                    yield b""
                    self._wait(connection)
                    while arrived:
                        yield _bytes(arrived.popleft().body)
        finally:
            connection.collect(SEND_SECONDS)

    def _connected(self, heartbeat: int) -> Any:
        connection = self._manager._connection().clone(heartbeat=heartbeat)  # noqa: SLF001 - as above
        try:
            connection.connect()
        except BaseException:
            connection.collect(SEND_SECONDS)
            raise
        return connection

    @staticmethod
    def _wait(connection: Any) -> None:
        try:
            connection.drain_events(timeout=WAIT_SECONDS)
        except TimeoutError:
            if connection.supports_heartbeats:
                connection.heartbeat_check()


def _bytes(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body)
