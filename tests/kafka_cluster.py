"""A Kafka broker for tests: the one that librdkafka has inside."""

from collections.abc import Iterator
from contextlib import contextmanager

import confluent_kafka


@contextmanager
def kafka_cluster() -> Iterator[str]:
    """Run a broker in this process, for any process to talk to; returns its URL."""
    cluster = confluent_kafka.Producer({"bootstrap.servers": "", "test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = cluster.list_topics(timeout=10).brokers.values()
    yield f"kafka://{broker.host}:{broker.port}"
    del cluster  # The broker ends with it.
