"""What records promise on every back end."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from flask_realtime.backends import BackendUnavailable, Record
from flask_realtime.backends.backend import Backend, LocalBackend
from flask_realtime.backends.broker.backend import BrokerBackend
from flask_realtime.backends.broker.carrier import Carrier
from flask_realtime.backends.memory import MemoryConnectedUsers, MemoryRecord, MemoryTracker
from flask_realtime.backends.record import MAX_ATTEMPTS, MAX_BYTES
from flask_realtime.backends.redis.backend import RedisBackend
from flask_realtime.backends.redis.record import RedisRecord
from flask_realtime.backends.redis.turns import Turns
from flask_realtime.contract.records import NOTHING, Stored
from flask_realtime.errors import PayloadNotSerializable, RecordConflict, RecordTooLarge, RegistrationError
from tests.clock import Clock
from tests.contract.increments import increment
from tests.redis_cluster import RedisCluster
from tests.redis_fleet import FleetServer
from tests.redis_server import RedisServer, wait_until

ROOT = Path(__file__).resolve().parents[2]
TTL = 3600.0
ODD_IDS = ("{ann}", "a b", "ann:1", "Zoë ☃", "%s\\", '"', "0", "")
VALUES: tuple[Any, ...] = ({"votes": {"ann": 1}, "closed": False}, [1, 2.5, None, True], "Zoë ☃ \n 1 2", "", 0, None, 2**70, {})


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def channel() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[Redis]:
    with Redis.from_url(redis_server.url) as client:
        yield client


@pytest.fixture
def redis_backend(redis_server: RedisServer, channel: str) -> Iterator[RedisBackend]:
    backend = RedisBackend(redis_server.url, channel=channel, retention=60)
    yield backend
    backend.stop(1.0)


@pytest.fixture(scope="module")
def redis_cluster() -> Iterator[RedisCluster]:
    with RedisCluster() as cluster:
        yield cluster


@pytest.fixture
def cluster_backend(redis_cluster: RedisCluster, channel: str) -> Iterator[RedisBackend]:
    backend = RedisBackend(redis_cluster.url, channel=channel, retention=60)
    yield backend
    backend.stop(1.0)


@pytest.fixture(params=["memory", "redis", "cluster", "broker"])
def backend(request: pytest.FixtureRequest) -> Backend:
    if request.param == "memory":
        return LocalBackend(MemoryConnectedUsers(), MemoryTracker, MemoryRecord)
    if request.param == "broker":
        return BrokerBackend(no_carrier, retention=60)
    backend: Backend = request.getfixturevalue(f"{request.param}_backend")
    return backend


@pytest.fixture
def record(backend: Backend) -> Record:
    return backend.record("polls", "votes", TTL)


def no_carrier() -> Carrier:
    pytest.fail("a record has nothing to send")


def test_what_was_put_is_there_with_its_version(record: Record) -> None:
    assert record.get("lunch") == NOTHING == Stored(None, 0)
    version = record.put("lunch", {"ann": 1}, expected=0)
    assert record.get("lunch") == Stored({"ann": 1}, version)
    assert record.get("dinner") == NOTHING


def test_a_value_is_replaced_only_if_it_is_the_expected_one(record: Record) -> None:
    first = record.put("lunch", "first", expected=0)
    assert record.put("lunch", "not there", expected=0) == 0
    second = record.put("lunch", "second", expected=first)
    assert second > first > 0
    assert record.put("lunch", "too late", expected=first) == 0
    assert record.put("dinner", "gone", expected=first) == 0
    assert (record.get("lunch"), record.get("dinner")) == (Stored("second", second), NOTHING)


def test_versions_rise_also_when_a_value_is_removed_between(record: Record) -> None:
    versions = []
    for _ in range(20):
        versions.append(record.put("lunch", 1, expected=0))
        versions.append(record.put("lunch", 1, expected=versions[-1]))
        assert record.remove("lunch")
    assert versions == sorted(set(versions))
    assert 0 < versions[-1] < 2**53, "JavaScript has no larger integers"


def test_a_removed_value_is_gone(record: Record) -> None:
    record.put("lunch", 1, expected=0)
    record.put("dinner", 2, expected=0)
    assert [record.remove("lunch"), record.remove("lunch"), record.remove("breakfast")] == [True, False, False]
    assert (record.get("lunch"), record.get("dinner").value) == (NOTHING, 2)


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_any_json(record: Record, value: Any) -> None:
    version = record.put("lunch", value, expected=0)
    assert record.get("lunch") == Stored(value, version)
    assert version > 0


def test_ids_may_hold_any_text(record: Record) -> None:
    for name in ODD_IDS:
        assert record.put(name, f"of {name}", expected=0)
    assert [record.get(name).value for name in ODD_IDS] == [f"of {name}" for name in ODD_IDS]
    assert [record.remove(name) for name in ODD_IDS] == [True] * len(ODD_IDS)


def test_a_reader_s_copy_is_its_own(record: Record) -> None:
    value = {"ann": [1]}
    record.put("lunch", value, expected=0)
    value["ann"].append(2)
    record.get("lunch").value["ann"].append(3)
    assert record.get("lunch").value == {"ann": [1]}


def test_a_change_is_based_on_what_is_there(record: Record) -> None:
    assert record.change("lunch", lambda value: [value]).value == [None]
    changed = record.change("lunch", lambda value: (*value, "ann"))
    assert changed == record.get("lunch")
    assert changed.value == [None, "ann"]


def test_a_change_is_made_again_if_another_came_between(record: Record) -> None:
    seen = []

    def add(value: int | None) -> int:
        seen.append(value)
        if len(seen) < 3:
            record.change("n", lambda n: (n or 0) + 10)
        return (value or 0) + 1

    assert record.change("n", add).value == 21
    assert seen == [None, 10, 20]


def test_a_change_is_made_again_if_the_value_was_removed_meanwhile(record: Record) -> None:
    record.put("n", 5, expected=0)

    def add(value: int | None) -> int:
        if value is not None:
            record.remove("n")
        return (value or 0) + 1

    assert record.change("n", add).value == 1


def test_a_change_that_always_comes_too_late_is_an_error(record: Record) -> None:
    calls: list[int] = []

    def interrupted(_value: Any) -> str:
        calls.append(record.put("n", len(calls), expected=record.get("n").version))
        return "never written"

    with pytest.raises(RecordConflict, match="'n'"):
        record.change("n", interrupted)
    assert len(calls) == MAX_ATTEMPTS
    assert record.get("n") == Stored(MAX_ATTEMPTS - 1, calls[-1])


def test_a_change_that_fails_writes_nothing(record: Record) -> None:
    version = record.put("n", 5, expected=0)
    with pytest.raises(ZeroDivisionError):
        record.change("n", lambda n: n / 0)
    assert record.get("n") == Stored(5, version)


def test_nothing_is_lost_among_threads(record: Record) -> None:
    assert sorted(increment(record, 200)) == list(range(1, 201))
    assert record.get("n").value == 200


def test_nothing_is_lost_among_processes(redis_server: RedisServer, redis_backend: RedisBackend, channel: str) -> None:
    command = [sys.executable, "-m", "tests.contract.increments", redis_server.url, channel, "150"]
    record = redis_backend.record("polls", "counts", ttl=60)
    with subprocess.Popen(command, cwd=ROOT) as one, subprocess.Popen(command, cwd=ROOT) as other:
        increment(record, 150)
        assert (one.wait(60), other.wait(60)) == (0, 0)
    assert record.get("n").value == 450


def test_changes_of_one_server_do_not_get_in_each_other_s_way(redis_server: RedisServer, channel: str) -> None:
    server, calls = FleetServer(redis_server.url, "here", channel=channel), list[int]()
    record = RedisRecord(server.lease, "polls:counts", TTL, Turns(patience=60.0))

    def add(value: int | None) -> int:
        calls.append(value or 0)
        return (value or 0) + 1

    with ThreadPoolExecutor(24) as threads:
        list(threads.map(lambda _: record.change("n", add), range(200)))
    assert calls == list(range(200))
    server.close()


def test_values_that_are_not_json_are_named(record: Record) -> None:
    version = record.put("n", 5, expected=0)
    for value, complaint in (({"when": object()}, "when: object"), ([float("nan")], "not a number"), ("\ud800", "surrogate")):
        with pytest.raises(PayloadNotSerializable, match=f"record 'n'.*{complaint}"):
            record.put("n", value, expected=version)
        with pytest.raises(PayloadNotSerializable, match=f"record 'n'.*{complaint}"):
            record.change("n", partial(replaced, value))
    assert record.get("n") == Stored(5, version)


def test_values_are_bounded_in_size(record: Record) -> None:
    largest = "☃" * ((MAX_BYTES - 2) // 3)
    version = record.put("n", largest, expected=0)
    assert record.get("n") == Stored(largest, version)
    with pytest.raises(RecordTooLarge, match=f"'n'.*{MAX_BYTES + 1} bytes.*maximum of {MAX_BYTES}"):
        record.put("n", "x" * (MAX_BYTES - 1), expected=version)
    with pytest.raises(RecordTooLarge):
        record.change("n", lambda value: value + "☃☃")
    assert record.get("n") == Stored(largest, version)


def test_what_one_record_has_no_other_does(backend: Backend) -> None:
    kinds = (("polls", "votes"), ("polls", "owners"), ("quizzes", "votes"))
    for number, kind in enumerate(kinds):
        assert backend.record(*kind, TTL).put("1", number, expected=0)
    assert [backend.record(*kind, TTL).get("1").value for kind in kinds] == [0, 1, 2]


def test_a_name_is_of_one_thing_alone(backend: Backend) -> None:
    backend.tracker("polls", "voters")
    backend.record("polls", "votes", TTL)
    with pytest.raises(RegistrationError, match=r"'polls' has a tracker 'voters'"):
        backend.record("polls", "voters", TTL)
    with pytest.raises(RegistrationError, match=r"'polls' has a record 'votes'"):
        backend.tracker("polls", "votes")
    with pytest.raises(RegistrationError, match=r"'votes'.*3600.0 seconds already"):
        backend.record("polls", "votes", 60.0)


@pytest.mark.parametrize(("feature", "kind"), [("user", "votes"), ("a:b", "c"), ("a", "b:c")])
def test_a_record_has_no_name_of_something_else(backend: Backend, feature: str, kind: str) -> None:
    with pytest.raises(RegistrationError, match="rename it"):
        backend.record(feature, kind, TTL)


@pytest.mark.parametrize("ttl", [0, -1, float("nan"), float("inf"), 1e12])
def test_a_time_to_live_is_a_time(backend: Backend, ttl: float) -> None:
    with pytest.raises(RegistrationError, match="ttl"):
        backend.record("polls", "votes", ttl)


def test_memory_forgets_what_was_not_written_for_long(clock: Clock) -> None:
    record = MemoryRecord(10.0, clock=clock)
    version = record.put("a", 1, expected=0)
    record.put("b", 1, expected=0)
    clock.now += 6
    assert record.put("a", 2, expected=version)
    clock.now += 3.9
    assert [record.get(name).value for name in "ab"] == [2, 1]
    clock.now += 0.1
    assert [record.get(name) for name in "b"] == [NOTHING]
    assert record.get("a").value == 2, "each write gives it its time anew"
    clock.now += 6
    assert record.get("a") == NOTHING
    assert not record.remove("a")
    assert record.put("b", 3, expected=0)


def test_memory_keeps_nothing_that_has_expired(clock: Clock) -> None:
    record = MemoryRecord(10.0, clock=clock)
    tracemalloc.start()
    for number in range(300):
        record.put(str(number), f"{number:>60000}", expected=0)
        clock.now += 1
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 10 * 60_000 <= kept < 20 * 60_000


def test_each_write_gives_a_value_in_redis_its_time_anew(redis_backend: RedisBackend, client: Redis, channel: str) -> None:
    record = redis_backend.record("polls", "votes", TTL)
    key, short = f"{{{channel}}}:polls:votes:lunch", 100_000
    version = record.put("lunch", 1, expected=0)
    assert short < client.pttl(key) <= TTL * 1000
    client.pexpire(key, short)
    assert record.get("lunch").version == version
    assert record.put("lunch", 2, expected=version + 1) == 0
    assert 0 < client.pttl(key) <= short, "it was read, and written by nobody"
    record.put("lunch", 2, expected=version)
    assert short < client.pttl(key) <= TTL * 1000
    client.pexpire(key, short)
    record.change("lunch", lambda value: value)
    assert short < client.pttl(key) <= TTL * 1000


def test_redis_forgets_what_was_not_written_for_long(redis_backend: RedisBackend) -> None:
    record = redis_backend.record("polls", "votes", ttl=0.2)
    version = record.put("lunch", 1, expected=0)
    wait_until(lambda: record.get("lunch") == NOTHING)
    assert not record.remove("lunch")
    assert record.put("lunch", 2, expected=version) == 0
    assert record.put("lunch", 2, expected=0) > version


def test_a_process_that_begins_anew_finds_what_was_written(redis_server: RedisServer, channel: str) -> None:
    for number in range(2):
        backend = RedisBackend(redis_server.url, channel=channel, retention=60)
        record = backend.record("polls", "votes", TTL)
        assert record.get("lunch").value == (0 if number else None)
        record.change("lunch", partial(replaced, number))
        backend.stop(1.0)


def test_while_redis_is_away_a_record_answers_nothing(channel: str) -> None:
    with RedisServer() as server:
        backend = RedisBackend(server.url, channel=channel, retention=60)
        record = backend.record("polls", "votes", TTL)
        version = record.put("lunch", 1, expected=0)
        server.freeze()
        for call in (
            lambda: record.get("lunch"),
            lambda: record.put("lunch", 2, expected=version),
            lambda: record.change("lunch", lambda _value: 2),
            lambda: record.remove("lunch"),
        ):
            with pytest.raises(BackendUnavailable):
                call()
        server.thaw()
        wait_until(lambda: is_there(record))
        assert record.get("lunch") == Stored(1, version)
        assert record.change("lunch", lambda value: value + 1).value == 2
        backend.stop(1.0)


@pytest.mark.parametrize("writes", ["put", "remove"])
def test_what_redis_reaches_too_late_is_not_written(channel: str, writes: str) -> None:
    with RedisServer() as server:
        backend = RedisBackend(server.url, channel=channel, retention=60)
        record = backend.record("polls", "votes", TTL)
        assert not record.remove("lunch"), "Redis has the script from now on"
        version = record.put("lunch", 1, expected=0)
        server.freeze()
        with pytest.raises(BackendUnavailable):
            record.remove("lunch") if writes == "remove" else record.put("lunch", 2, expected=version)
        server.thaw()
        wait_until(lambda: is_there(record))
        assert record.get("lunch") == Stored(1, version)
        backend.stop(1.0)


def replaced(new: Any, _old: Any) -> Any:
    return new


def is_there(record: Record) -> bool:
    try:
        record.get("lunch")
    except BackendUnavailable:
        return False
    return True
