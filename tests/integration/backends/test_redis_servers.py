"""The servers that share a Redis, as a process knows them that is none of them."""

from __future__ import annotations

import uuid

import pytest
from redis import Redis

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.redis.backend import RedisBackend
from tests.redis_server import RedisServer, wait_until


def start(backend: RedisBackend) -> None:
    """Let a back end be a server."""
    backend.start(lambda _envelope: None, lambda *_change: None)


def test_the_servers_that_are_alive_are_known_to_others(redis_server: RedisServer) -> None:
    channel = uuid.uuid4().hex
    first, second, asker = (RedisBackend(redis_server.url, channel=channel, retention=60.0) for _ in range(3))
    client = Redis.from_url(redis_server.url, decode_responses=True)
    try:
        assert asker.servers() == []
        start(first)
        start(second)
        wait_until(lambda: asker.servers() == sorted([first.server_id, second.server_id]))
        first.stop(1.0)
        assert asker.servers() == [second.server_id]
        (leases,) = client.keys(f"*{channel}*:servers")
        (lease,) = client.zrange(leases, 0, -1)
        client.zadd(leases, {str(lease): 1})  # As if it had died, and nobody had noticed yet.
        assert asker.servers() == []
    finally:
        for backend in (first, second, asker):
            backend.stop(1.0)
        client.close()


def test_without_redis_the_servers_are_unknown() -> None:
    backend = RedisBackend("redis://127.0.0.1:1", channel="any", retention=60.0)
    with pytest.raises(BackendUnavailable):
        backend.servers()
    backend.stop(1.0)
