"""The stream's commands, with a real Redis."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis, ResponseError

from flask_realtime.backends.redis.connections import OwnConnection
from flask_realtime.backends.redis.envelopes import NO_ID, StreamId
from flask_realtime.backends.redis.link import RedisLink
from flask_realtime.backends.redis.stream import Stream
from tests.redis_server import RedisServer, wait_until

RETENTION = 5.0
AT_ONCE = 32


@pytest.fixture(scope="module")
def client(redis_server: RedisServer) -> Iterator[Redis]:
    with Redis.from_url(redis_server.url) as client:
        client.config_set("stream-node-max-entries", 1)  # What is trimmed is exact then.
        yield client


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def stream(key: str) -> Stream:
    return Stream(key, RETENTION)


@pytest.fixture
def link(redis_server: RedisServer) -> Iterator[RedisLink]:
    link = RedisLink(redis_server.url, 2.0)
    yield link
    link.close()


@pytest.fixture
def connection(stream: Stream, link: RedisLink) -> Iterator[OwnConnection]:
    connection, _ = stream.open(link)
    yield connection
    connection.close()


def test_a_connection_tells_what_it_leads_to(stream: Stream, link: RedisLink, client: Redis) -> None:
    (before, microseconds) = client.time()
    connection, place = stream.open(link)
    assert place.run_id == client.info("server")["run_id"].encode()
    assert 1000 * before + microseconds // 1000 <= place.now < 1000 * before + 600_000
    assert place.last == NO_ID
    written = stream.append(connection, ["a", 1])
    other, place = stream.open(link)
    assert place.last == written
    assert abs(place.now - written.milliseconds) < 600_000
    for opened in (connection, other):
        opened.close()


def test_what_was_written_is_read_in_order(stream: Stream, connection: OwnConnection) -> None:
    ids = [stream.append(connection, ["n", number, "p", b"\xff"]) for number in range(3)]
    assert ids == sorted(set(ids))
    entries = [(entry_id, [b"n", str(number).encode(), b"p", b"\xff"]) for number, entry_id in enumerate(ids)]
    assert stream.read(connection, NO_ID, 0.01) == entries
    assert stream.read(connection, ids[0], 0.01) == entries[1:]


@pytest.mark.parametrize("wait", [0.0, 0.0001, 0.05])
def test_where_there_is_nothing_to_read_the_wait_ends(stream: Stream, connection: OwnConnection, wait: float) -> None:
    last = stream.append(connection, ["a", 1])
    assert stream.read(connection, last, wait) == []


def test_a_connection_may_wait_longer_than_its_time_out(stream: Stream, redis_server: RedisServer) -> None:
    link = RedisLink(redis_server.url, 0.3)
    connection, _ = stream.open(link, patience=1.0)
    assert stream.read(connection, NO_ID, 0.6) == []
    connection.close()
    link.close()


def test_so_many_entries_are_read_at_once(stream: Stream, connection: OwnConnection) -> None:
    ids = [stream.append(connection, ["a", 1]) for _ in range(AT_ONCE + 1)]
    assert [entry_id for entry_id, _ in stream.read(connection, NO_ID, 0.01)] == ids[:AT_ONCE]


@pytest.mark.parametrize(
    ("forgotten", "kept"),
    [
        (NO_ID, ["5000-0", "6000-1", "9000-0"]),
        (StreamId(5000), ["5000-0", "6000-1", "9000-0"]),
        (StreamId(6000, 1), ["6000-1", "9000-0"]),
        (StreamId(6000, 2), ["9000-0"]),
        (StreamId(9000), ["5000-0", "6000-1", "9000-0"]),
        (StreamId(99_000), ["5000-0", "6000-1", "9000-0"]),
    ],
)
def test_what_is_too_old_and_what_its_writer_forgot_is_removed(
    stream: Stream, connection: OwnConnection, client: Redis, key: str, forgotten: StreamId, kept: list[str]
) -> None:
    for entry_id in ("1000-0", "3999-0", "5000-0", "6000-1", "9000-0"):
        client.xadd(key, {"a": 1}, id=entry_id)
    stream.trim(connection, StreamId(9000), forgotten)
    entries: Any = client.xrange(key)
    assert [entry_id.decode() for entry_id, _ in entries] == kept


def test_a_stream_that_nobody_writes_is_removed_long_after_the_last_entry_is_too_old(
    connection: OwnConnection, client: Redis, key: str
) -> None:
    stream = Stream(key, 100.0)
    stream.trim(connection, stream.append(connection, ["a", 1]), NO_ID)
    assert 1_000_000 < client.pttl(key) <= 1_060_000


def test_what_redis_refuses_is_raised(stream: Stream, connection: OwnConnection, client: Redis, key: str) -> None:
    client.set(key, "no stream")
    with pytest.raises(ResponseError):
        stream.append(connection, ["a", 1])
    with pytest.raises(ResponseError):
        stream.read(connection, NO_ID, 0.01)
    with pytest.raises(ResponseError):
        stream.trim(connection, StreamId(1), NO_ID)


def test_a_place_that_cannot_be_asked_about_leaves_no_connection(redis_server: RedisServer, client: Redis, stream: Stream) -> None:
    client.acl_setuser("blind", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-info", "-client"])
    link = RedisLink(redis_server.url.replace("redis://", "redis://blind:x@"), 2.0)
    with pytest.raises(ResponseError):
        stream.open(link)
    wait_until(lambda: all(entry["user"] != "blind" for entry in client.client_list()))
    link.close()
