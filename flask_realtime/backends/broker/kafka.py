"""Carries messages over Kafka, with python-socketio's own manager for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from socketio import KafkaManager, kafka_manager

from flask_realtime.backends.broker.carrier import SEND_SECONDS, WAIT_SECONDS, Carrier
from flask_realtime.errors import ConfigError

_KAFKA: Final = "kafka://"


def require() -> None:
    """Check that Kafka can be used.

    Raises:
        ConfigError: kafka-python is not installed.
    """
    if kafka_manager.kafka is None:
        raise ConfigError("A message queue at kafka:// needs kafka-python: pip install 'flask-realtime[kafka]'")


class KafkaCarrier(Carrier):
    """Sends to a topic that each server reads from its end on, without a consumer group.

    The manager creates a producer and a consumer; the sending thread closes the first, the listening one the second. Its own method
    to send is not used: it does not report whether a message was sent, and names no partition, so that messages could overtake.

    Args:
        url: The broker's URL; several brokers are separated by commas.
        channel: The topic.
    """

    def __init__(self, url: str, channel: str) -> None:
        hosts = url.removeprefix(_KAFKA).rstrip("/").split(",")
        self._urls = [f"{_KAFKA}{host}" for host in hosts]
        self._channel = channel
        self._producer: Any = None

    def send(self, data: bytes, origin: str) -> None:
        """Send a message, and wait until the broker has confirmed it."""
        if self._producer is None:
            manager = KafkaManager(self._urls, self._channel)
            manager.consumer.close()
            self._producer = manager.producer
        # Messages with the same key are in the same partition, and so in order.
        self._producer.send(self._channel, value=data, key=origin.encode()).get(SEND_SECONDS)

    def stop_sending(self) -> None:
        """Close the producer, and drop its unsent messages."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(SEND_SECONDS)

    def listen(self, is_wanted: Callable[[], bool]) -> Iterator[bytes]:
        """Return the values of messages, undecoded."""
        manager = KafkaManager(self._urls, self._channel)
        manager.producer.close()
        try:
            _find_end(manager.consumer)
            while is_wanted():
                yield b""
                yield from _values(manager.consumer)
        finally:
            manager.consumer.close()


def _find_end(consumer: Any) -> None:
    """Wait until the position from which messages are read is known."""
    consumer.poll(timeout_ms=round(1000 * WAIT_SECONDS))
    for partition in consumer.assignment():
        consumer.position(partition)


def _values(consumer: Any) -> Iterator[bytes]:
    partitions = consumer.poll(timeout_ms=round(1000 * WAIT_SECONDS))
    for messages in partitions.values():
        yield from (message.value for message in messages)
