"""Whether a Redis takes what servers write, and whether it keeps it."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from redis import Redis

from flask_realtime.backends.backend import Backend
from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.queue import connect
from tests.redis_server import RedisServer, free_port, wait_until


@pytest.fixture
def shared(redis: RedisServer) -> Iterator[Backend]:
    shared = connect(redis.url, channel="test", retention=60)
    yield shared
    shared.stop(1)


def is_well(shared: Backend) -> bool:
    """Whether it can be reached and written to."""
    try:
        shared.check()
    except BackendUnavailable:
        return False
    return True


def writes(client: Redis) -> int:
    """How often something was set."""
    return int(client.info("commandstats").get("cmdstat_set", {"calls": 0})["calls"])


@pytest.mark.parametrize(
    ("ail", "heal", "reason"),
    [
        (lambda client: client.config_set("maxmemory", "1"), lambda client: client.config_set("maxmemory", "0"), "OOM"),
        (
            lambda client: client.replicaof("127.0.0.1", str(free_port())),
            lambda client: client.replicaof("NO", "ONE"),
            "read only replica",
        ),
        (
            lambda client: client.execute_command("ACL", "SETUSER", "default", "-set"),
            lambda client: client.execute_command("ACL", "SETUSER", "default", "+set"),
            "can't run this command|(?i:acl|permission)",
        ),
    ],
    ids=["full", "replica", "forbidden"],
)
def test_a_redis_that_answers_and_refuses_writes_is_not_well(
    shared: Backend, client: Redis, ail: Callable[[Redis], object], heal: Callable[[Redis], object], reason: str
) -> None:
    ail(client)
    assert client.ping()
    with pytest.raises(BackendUnavailable, match=reason):
        shared.check()
    heal(client)
    wait_until(lambda: is_well(shared))


def test_it_is_written_to_once_a_second_however_many_ask(shared: Backend, client: Redis) -> None:
    shared.check()
    before = client.time()
    count = writes(client)
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(lambda _: is_well(shared), range(400)))
    seconds = client.time()[0] - before[0] + 1
    assert writes(client) - count <= seconds
    wait_until(lambda: is_well(shared) and writes(client) > count)


@pytest.mark.parametrize(
    ("policy", "memory", "expected"),
    [("allkeys-lru", "100mb", 1), ("volatile-ttl", "100mb", 1), ("noeviction", "100mb", 0), ("allkeys-lru", "0", 0)],
)
def test_a_redis_that_may_evict_is_warned_about_at_start(
    shared: Backend, client: Redis, caplog: pytest.LogCaptureFixture, policy: str, memory: str, expected: int
) -> None:
    client.config_set("maxmemory-policy", policy)
    client.config_set("maxmemory", memory)
    warnings = shared.warnings()
    assert len(warnings) == expected
    assert all(policy in line and "noeviction" in line for line in warnings)
    with caplog.at_level(logging.WARNING, "flask_realtime"):
        shared.start(lambda _: None, lambda *_: None)
        wait_until(lambda: scripts_run(client) > 3)  # The lease was taken and renewed.
        shared.stop(5)
    assert [record.getMessage() for record in caplog.records] == warnings


def scripts_run(client: Redis) -> int:
    """How many scripts were run, those that Redis did not know yet twice."""
    statistics = client.info("commandstats")
    return sum(statistics.get(f"cmdstat_{command}", {"calls": 0})["calls"] for command in ("eval", "evalsha"))


def test_a_redis_that_does_not_say_whether_it_evicts_is_not_warned_about(redis: RedisServer, client: Redis) -> None:
    client.config_set("maxmemory-policy", "allkeys-lru")
    client.config_set("maxmemory", "100mb")
    client.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", "-info", "-config")
    port = urlsplit(redis.url).port
    shared = connect(f"redis://app:secret@127.0.0.1:{port}/0", channel="test", retention=60)
    with closing(Stopped(shared)):
        shared.check()
        assert shared.warnings() == []


class Stopped:
    """Stops what is shared when it is closed."""

    def __init__(self, shared: Backend) -> None:
        self._shared = shared

    def close(self) -> None:
        self._shared.stop(1)
