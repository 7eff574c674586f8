"""What servers sent before another one started, as that one reads it from a real Redis."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.redis.backend import RedisBackend
from tests.redis_server import RedisServer

MANY = 250
"""More entries than are read at once."""


@pytest.fixture
def backends(redis_server: RedisServer) -> Iterator[list[RedisBackend]]:
    channel = uuid.uuid4().hex
    backends = [RedisBackend(redis_server.url, channel=channel, retention=60.0) for _ in range(3)]
    yield backends
    for backend in backends:
        backend.stop(1.0)


def test_all_that_servers_sent_is_recalled_in_order_and_without_the_parts(backends: list[RedisBackend]) -> None:
    first, second, later = backends
    assert list(later.recall()) == []
    for number in range(MANY):
        assert (first, second)[number % 2].publish(Envelope("send", {"number": number}, ("a packet",)))
    found = list(later.recall())
    assert found == [Envelope("send", {"number": number}) for number in range(MANY)]
    assert len({envelope.origin for envelope in found}) == 2


def test_without_redis_nothing_can_be_recalled() -> None:
    backend = RedisBackend("redis://127.0.0.1:1", channel="any", retention=60.0)
    with pytest.raises(BackendUnavailable):
        list(backend.recall())
    backend.stop(1.0)
