"""Writing to the stream and reading from it, turn by turn with a real Redis."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.packing import pack
from flask_realtime.backends.redis.envelopes import NO_ID, Item, StreamId, fields_of, read
from flask_realtime.backends.redis.link import RedisLink
from flask_realtime.backends.redis.options import BusOptions
from flask_realtime.backends.redis.outbox import Outbox
from flask_realtime.backends.redis.publisher import Publisher
from flask_realtime.backends.redis.reader import Reader
from flask_realtime.backends.redis.stream import Place, Stream
from tests.redis_server import RedisServer, wait_until

OPTIONS = BusOptions(block=0.01, linger=0.0)
FUTURE = 2 * 1000 * round(time.time())
"""A time in milliseconds that this machine's clock does not reach."""

Write = Callable[..., None]
"""Writes an entry as another server would: its first number, how many, and more."""


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[Redis]:
    with Redis.from_url(redis_server.url) as client:
        client.config_set("stream-node-max-entries", 1)  # What is trimmed is exact then.
        yield client


@pytest.fixture
def link(redis_server: RedisServer) -> Iterator[RedisLink]:
    link = RedisLink(redis_server.url, 5.0)
    yield link
    link.close()


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def outbox() -> Outbox:
    return Outbox(OPTIONS)


@pytest.fixture
def publisher(link: RedisLink, key: str, outbox: Outbox) -> Iterator[Publisher]:
    publisher = Publisher(link, Stream(key, OPTIONS.retention), outbox, "ann", 0.0)
    yield publisher
    publisher._disconnect()


@pytest.fixture
def received() -> list[Any]:
    return []


@pytest.fixture
def reader(link: RedisLink, key: str, received: list[Any]) -> Iterator[Reader]:
    stream = Stream(key, OPTIONS.retention)
    reader = Reader(link, stream, "here", lambda envelope: received.append(envelope.header["number"]), OPTIONS)
    yield reader
    reader._disconnect()


@pytest.fixture
def write(client: Redis, key: str) -> Write:
    def write(first: int, count: int = 1, origin: str = "there", entry_id: str = "*", written: StreamId | None = None) -> None:
        items = []
        for number in range(first, first + count):
            head, body = pack(Envelope("send", {"number": number}))
            item = Item(0.0, head, body, 0, number)
            items.append(replace(item, written=written) if written else item)
        client.execute_command("XADD", key, entry_id, *fields_of(origin, items))

    return write


def entries(client: Redis, key: str) -> list[tuple[int, int]]:
    """Return each entry's first number, and how many it has."""
    found: Any = client.execute_command("XRANGE", key, "-", "+")
    read_entries = [read(fields) for _, fields in _in_pairs(found)]
    return [(entry.first, len(entry.heads)) for entry in read_entries]


def _in_pairs(found: Any) -> list[tuple[bytes, list[bytes]]]:
    return [(entry_id, [part for pair in fields.items() for part in pair]) for entry_id, fields in found]


def add(outbox: Outbox, count: int) -> None:
    for _ in range(count):
        outbox.add(*pack(Envelope("send", {})))


def read_all(reader: Reader) -> None:
    for _ in range(3):
        reader._go_on()


def test_what_waits_together_is_one_entry(publisher: Publisher, outbox: Outbox, client: Redis, key: str) -> None:
    for count in (2, 3):
        add(outbox, count)
        publisher._go_on()
    assert entries(client, key) == [(1, 2), (3, 3)]
    assert outbox.pending == 0


def test_where_nothing_is_kept_nothing_is_connected(publisher: Publisher, outbox: Outbox) -> None:
    outbox.wake()
    publisher._go_on()
    assert publisher._connection is None
    add(outbox, 1)
    publisher._go_on()
    assert publisher._connection is not None


@pytest.mark.parametrize("change", ["another process", "a stream that is shorter"])
def test_what_redis_may_have_forgotten_is_written_again(
    publisher: Publisher, outbox: Outbox, client: Redis, key: str, change: str
) -> None:
    add(outbox, 2)
    publisher._go_on()
    publisher._disconnect()
    if change == "another process":
        publisher._run_id = b"another"
    else:
        client.delete(key)
    add(outbox, 1)
    publisher._go_on()
    assert entries(client, key)[-1] == (1, 3)


def test_a_new_connection_to_the_same_redis_repeats_nothing(publisher: Publisher, outbox: Outbox, client: Redis, key: str) -> None:
    for _ in range(2):
        add(outbox, 1)
        publisher._go_on()
        publisher._disconnect()
    assert entries(client, key) == [(1, 1), (2, 1)]


def test_an_idle_connection_that_was_cut_is_replaced_when_it_is_looked_after(
    publisher: Publisher, outbox: Outbox, client: Redis, key: str
) -> None:
    add(outbox, 1)
    publisher._go_on()
    client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    wait_until(publisher._is_cut)
    publisher._next_care = 0.0
    add(outbox, 1)
    publisher._go_on()
    assert entries(client, key) == [(1, 1), (2, 1)]


def test_the_stream_is_looked_after_once_a_second(publisher: Publisher, outbox: Outbox, client: Redis, key: str) -> None:
    client.execute_command("XADD", key, "1-0", "a", "b")
    add(outbox, 1)
    publisher._go_on()
    assert (client.xlen(key), client.pttl(key) > 0) == (1, True)
    client.persist(key)
    publisher._next_care = time.monotonic() + 60
    add(outbox, 1)
    publisher._go_on()
    assert client.pttl(key) == -1
    publisher._next_care = time.monotonic()
    outbox.wake()
    publisher._go_on()
    assert client.pttl(key) > 0
    assert 0 < publisher._next_care - time.monotonic() <= 1


def test_a_publisher_that_fails_is_logged_once_and_goes_on(
    publisher: Publisher, outbox: Outbox, client: Redis, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    client.set(key, "no stream")
    add(outbox, 1)
    ended: list[str] = []

    def go_on() -> None:
        if len(ended) == 2:
            client.delete(key)
        ended.append("turn")
        original()
        publisher.end()

    original = publisher._go_on
    publisher._ended.wait = lambda timeout=None: publisher._ended.is_set() and timeout is None  # type: ignore[method-assign]
    publisher._go_on = go_on  # type: ignore[method-assign]
    publisher.run()
    assert caplog.text.count("Events cannot be written to Redis") == 1
    assert (entries(client, key), len(ended), outbox.pending, publisher._connection) == ([(1, 1)], 3, 0, None)


def run_until_written(publisher: Publisher, outbox: Outbox, pause: Callable[[], object]) -> None:
    """Run a publisher until nothing waits, with something else for its pauses."""
    publisher._ended.clear()
    publisher._ended.wait = lambda timeout=None: pause() is None and timeout is None  # type: ignore[method-assign]
    thread = threading.Thread(target=publisher.run)
    thread.start()
    wait_until(lambda: outbox.pending == 0)
    publisher.end()
    thread.join()


def test_a_publisher_that_fails_again_says_so_again(
    publisher: Publisher, outbox: Outbox, client: Redis, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    for outages in (1, 2):
        client.set(key, "no stream")
        add(outbox, 1)
        run_until_written(publisher, outbox, lambda: client.delete(key))
        assert caplog.text.count("Events cannot be written to Redis") == outages


def test_what_could_not_be_written_comes_behind_what_redis_forgot(
    publisher: Publisher, outbox: Outbox, client: Redis, key: str
) -> None:
    add(outbox, 2)
    publisher._go_on()
    client.set(key, "no stream")
    add(outbox, 1)
    run_until_written(publisher, outbox, lambda: client.delete(key))
    assert entries(client, key) == [(1, 3)]


def test_a_publisher_that_is_refused_pauses_before_it_tries_again(
    publisher: Publisher, outbox: Outbox, client: Redis, key: str
) -> None:
    client.set(key, "no stream")
    add(outbox, 1)
    happened: list[object] = []

    def pause(timeout: float | None = None) -> bool:
        happened.append(timeout)
        return False

    def go_on() -> None:
        happened.append("turn")
        if happened.count("turn") == 3:
            publisher.end()
        original()

    original = publisher._go_on
    publisher._ended.wait = pause  # type: ignore[method-assign]
    publisher._go_on = go_on  # type: ignore[method-assign]
    publisher.run()
    assert happened == ["turn", 1.0] * 3
    assert outbox.pending == 1


def test_a_reader_receives_what_others_write_after_it_was_made(reader: Reader, received: list[int], write: Write) -> None:
    assert not reader.is_connected
    write(1, 2)
    write(1, 1, origin="here")
    read_all(reader)
    write(3, 2)
    read_all(reader)
    assert (received, reader.is_connected, reader.lost) == ([1, 2, 3, 4], True, 0)


def test_a_reader_that_has_ended_is_not_connected(reader: Reader) -> None:
    thread = threading.Thread(target=reader.run)
    thread.start()
    wait_until(lambda: reader.is_connected)
    reader.end()
    thread.join()
    assert not reader.is_connected


def microseconds(client: Redis) -> int:
    """Redis's time."""
    seconds, rest = client.time()
    return int(seconds) * 1_000_000 + int(rest)


def test_what_was_written_before_is_not_received(
    link: RedisLink, key: str, received: list[int], write: Write, client: Redis
) -> None:
    write(1)
    written_at = microseconds(client)
    wait_until(lambda: microseconds(client) > written_at + 5000)
    stream = Stream(key, OPTIONS.retention)
    reader = Reader(link, stream, "here", lambda envelope: received.append(envelope.header["number"]), OPTIONS)
    read_all(reader)
    write(2)
    write(1, 1, origin="third", written=StreamId(5))
    read_all(reader)
    assert received == [2]
    reader._disconnect()


@pytest.mark.parametrize("elapsed", [0.0, 0.0491, 0.0494, 0.0496, 0.05])
def test_a_reader_begins_before_the_millisecond_in_which_it_was_made(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, elapsed: float
) -> None:
    monkeypatch.setattr("flask_realtime.backends.redis.reader.monotonic", lambda: elapsed)
    reader._made_at = 0.0
    made = 10_000 - 1000 * elapsed
    assert made - 3 < reader._beginning(Place(b"1", 10_000, NO_ID)).milliseconds < int(made)


def test_what_comes_again_is_received_once_and_what_is_missing_is_counted(
    reader: Reader, received: list[int], write: Write
) -> None:
    for first, count in ((1, 2), (1, 3), (2, 1), (6, 1)):
        write(first, count)
    read_all(reader)
    assert (received, reader.lost) == ([1, 2, 3, 6], 2)


def test_ids_from_a_future_do_no_harm(reader: Reader, received: list[int], write: Write) -> None:
    write(1, entry_id=f"{FUTURE}-0")
    read_all(reader)
    write(2, entry_id=f"{FUTURE}-1")
    read_all(reader)
    assert received == [2]


@pytest.mark.parametrize("change", ["another process", "a stream that is shorter"])
def test_after_redis_forgot_something_it_is_looked_for_again(
    reader: Reader, received: list[int], write: Write, client: Redis, key: str, change: str
) -> None:
    write(1)
    read_all(reader)
    reader._disconnect()
    if change == "another process":
        reader._run_id, reader._position = b"another", StreamId(FUTURE)
    else:
        client.delete(key)
    write(1, 2)
    read_all(reader)
    assert received == [1, 2]


def test_what_another_redis_has_before_the_last_place_is_looked_for(
    reader: Reader, received: list[int], write: Write, client: Redis, key: str
) -> None:
    read_all(reader)
    place = 1000 * client.time()[0] + 5000
    write(1, entry_id=f"{place}-0")
    read_all(reader)
    reader._disconnect()
    client.delete(key)
    reader._run_id = b"another"
    write(1, 2, entry_id=f"{place - 500}-0")
    write(3, entry_id=f"{place + 500}-0")
    read_all(reader)
    assert (received, reader.lost) == ([1, 2, 3], 0)


def test_a_new_connection_to_the_same_redis_goes_on_where_the_old_one_was(
    reader: Reader, received: list[int], write: Write
) -> None:
    write(1, entry_id=f"{FUTURE}-0")
    read_all(reader)
    write(2, entry_id=f"{FUTURE}-1")
    read_all(reader)
    reader._disconnect()
    write(3, entry_id=f"{FUTURE}-2")
    read_all(reader)
    assert received == [2, 3]


def test_where_ids_began_anew_what_is_written_now_is_received(reader: Reader, received: list[int], write: Write) -> None:
    reader._run_id, reader._start, reader._position = b"another", StreamId(FUTURE), StreamId(FUTURE)
    write(1)
    read_all(reader)
    assert received == [1]


def test_what_makes_no_sense_and_what_cannot_be_handled_is_passed_over(
    link: RedisLink, key: str, client: Redis, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    heard = []

    def receive(envelope: Envelope) -> None:
        heard.append(envelope.header["number"])
        raise RuntimeError("it is broken")

    reader = Reader(link, Stream(key, OPTIONS.retention), "here", receive, OPTIONS)
    client.execute_command("XADD", key, "*", "o", "there", "n", "1")
    write(1)
    write(2)
    read_all(reader)
    reader._disconnect()
    assert heard == [1, 2]
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR", "ERROR"]
