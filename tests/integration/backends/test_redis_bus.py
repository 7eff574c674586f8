"""The bus of several servers, with a real Redis that is stopped, frozen, cut off and restarted empty."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from flask_realtime.backends.bus import Bus, Envelope, NoBus
from flask_realtime.backends.links.links import DirectLinks
from flask_realtime.backends.redis import reader
from flask_realtime.backends.redis.bus import RedisBus
from flask_realtime.backends.redis.envelopes import StreamId, read
from flask_realtime.backends.redis.link import RedisLink
from flask_realtime.backends.redis.options import BusOptions
from flask_realtime.socket_folder import SocketFolder
from tests.integration.backends.test_redis_link import seconds_of
from tests.redis_server import RedisServer, wait_until
from tests.scripts import run_script
from tests.tcp_proxy import TcpProxy

STREAM = "{flask_realtime}:events"
FUTURE = 2 * 1000 * round(time.time())
"""A time in milliseconds that this machine's clock does not reach."""


class Server:
    """A server as far as the bus is concerned: what it published, and what it received.

    Args:
        name: Its id.
        url: Where it finds Redis.
        options: How its bus works.
        channel: The application that it serves.
    """

    def __init__(
        self, name: str, url: str, channel: str = "flask_realtime", links: DirectLinks | None = None, **options: Any
    ) -> None:
        self.link = RedisLink(url, 0.3, max_pause=0.1, channel=channel)
        self.bus = RedisBus(self.link, name, channel, BusOptions(**{"block": 0.1, **options}), links)
        self.is_linked = links is not None
        self.received: list[Any] = []
        self.may_receive = threading.Event()
        self.may_receive.set()
        self.is_held = threading.Event()
        self.published = 0

    def start(self) -> Server:
        self.bus.start(self._receive)
        return self

    def publish(self, count: int) -> None:
        """Publish the next numbers."""
        for _ in range(count):
            self.published += 1
            self.bus.publish(replace(event(self.published), is_direct=self.is_linked))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Receive nothing more than one event meanwhile."""
        self.may_receive.clear()
        yield
        self.may_receive.set()

    def has_received(self, *events: Any) -> None:
        """Wait until as many events arrived, and compare them."""
        wait_until(lambda: len(self.received) >= len(events))
        assert self.received == list(events)

    def end(self) -> None:
        self.may_receive.set()
        self.link.close()
        self.bus.stop(0)

    def _receive(self, envelope: Envelope) -> None:
        if not self.may_receive.is_set():
            self.is_held.set()
            self.may_receive.wait()
        if envelope.kind == "send":
            self.received.append(envelope.header["event"])


def event(value: Any) -> Envelope:
    return Envelope("send", {"event": value}, (f'2["event",{value}]',))


def numbers(end: int, start: int = 1) -> range:
    return range(start, end + 1)


MakeServer = Callable[..., Server]


@pytest.fixture(params=[False, True], ids=["redis", "links"])
def new_server(
    redis: RedisServer, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeServer]:
    """Makes servers, and ends them; with links they pass to each other directly what they can."""
    servers: list[Server] = []
    folder = SocketFolder(tmp_path_factory.mktemp("s"), os.geteuid())

    def make(name: str, url: str = redis.url, channel: str = "flask_realtime", **options: Any) -> Server:
        ids = [server.bus.origin for server in servers]
        links = DirectLinks(folder, channel, lambda: [*ids, name], 0.002) if request.param else None
        servers.append(Server(name, url, channel, links, **options))
        return servers[-1]

    yield make
    for server in servers:
        server.end()


@pytest.fixture
def two(new_server: MakeServer) -> tuple[Server, Server]:
    """Two servers that have heard of each other."""
    ann, ben = new_server("ann").start(), new_server("ben").start()
    wait_until(lambda: ann.bus.is_connected and ben.bus.is_connected)
    return ann, ben


@pytest.fixture
def ask(redis: RedisServer) -> Iterator[Callable[..., Any]]:
    """Asks Redis for something, as nobody of those tested."""
    with closing(RedisLink(redis.url, 10)) as link:
        yield lambda *command: link.call(lambda client: client.execute_command(*command))


def written(ask: Callable[..., Any]) -> list[int]:
    """The numbers of the envelopes in the stream, in its order."""
    entries = [read([text for field in fields.items() for text in field]) for _, fields in ask("XRANGE", STREAM, "-", "+")]
    return [entry.first + index for entry in entries for index in range(len(entry.heads))]


def milliseconds(time: tuple[int, int]) -> int:
    """Redis's time, as ids of a stream have it."""
    return 1000 * time[0] + time[1] // 1000


def newest(ask: Callable[..., Any]) -> int:
    """When the last entry of the stream was written, in milliseconds."""
    ((entry_id, _),) = ask("XREVRANGE", STREAM, "+", "-", "COUNT", 1)
    return StreamId.parse(entry_id).milliseconds


def test_servers_receive_what_others_publish_in_order_and_once(two: tuple[Server, Server]) -> None:
    ann, ben = two
    threads = [threading.Thread(target=server.publish, args=(2000,)) for server in two]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ann.has_received(*numbers(2000))
    ben.has_received(*numbers(2000))


def test_all_servers_but_the_own_receive_an_event(new_server: MakeServer) -> None:
    servers = [new_server(name).start() for name in "abcd"]
    for server in servers:
        server.bus.publish(event(id(server)))
    for server in servers:
        wait_until(lambda server=server: len(server.received) >= 3)  # type: ignore[misc]
        assert set(server.received) == {id(other) for other in servers} - {id(server)}


def test_an_envelope_arrives_as_it_was(new_server: MakeServer) -> None:
    received: list[Envelope] = []
    ann, ben = new_server("ann"), new_server("ben")
    ben.bus.start(received.append)
    envelopes = [
        Envelope(
            "send", {"room": "ä", "skip": None, "n": [1, 2.5, {"a": True}]}, ('51-["m",{"_placeholder":true}]', b"\0\xff-", b"")
        ),
        Envelope("command", {}, ("", "\U0001f600" * 3)),
        Envelope("command", {"name": "disconnect"}),
        Envelope("send", {}, (b"x" * 1_000_000, "y" * 1_000_000)),
    ]
    for envelope in envelopes:
        ann.bus.publish(envelope)
    wait_until(lambda: len(received) >= len(envelopes))
    assert received == envelopes


def test_applications_with_other_channels_hear_nothing(new_server: MakeServer) -> None:
    ann, ben = new_server("ann", channel="one").start(), new_server("ben", channel="one").start()
    eve = new_server("eve", channel="two").start()
    ann.publish(1)
    ben.has_received(1)
    ben.bus.publish_now(event(2))
    ann.has_received(2)
    assert eve.received == []


def test_a_process_that_only_publishes_needs_no_start(new_server: MakeServer) -> None:
    worker, ben = new_server("worker"), new_server("ben").start()
    assert worker.bus.publish_now(event("now"))
    assert worker.bus.publish(event("later"))
    ben.has_received("now", "later")
    assert worker.received == []


def test_what_is_published_now_has_reached_redis(new_server: MakeServer, ask: Callable[..., Any]) -> None:
    worker = new_server("worker")
    for number in numbers(5):
        worker.publish(1)
        assert worker.bus.publish_now(event("now"))
        assert written(ask) == [*numbers(2 * number)]


def test_publishing_now_fails_in_time_when_redis_does_not_answer(redis: RedisServer, new_server: MakeServer) -> None:
    worker = new_server("worker", linger=0)
    assert worker.bus.publish_now(event(1))
    redis.freeze()
    results: list[bool] = []
    assert seconds_of(lambda: results.append(worker.bus.publish_now(event(2)))) < 1.5
    assert seconds_of(lambda: results.extend(worker.bus.publish_now(event(3)) for _ in range(100))) < 10
    assert not any(results)


def test_a_header_that_is_no_json_is_the_callers_mistake(two: tuple[Server, Server]) -> None:
    ann, ben = two
    with pytest.raises(TypeError):
        ann.bus.publish(Envelope("send", {"event": object()}))
    ann.publish(1)
    ben.has_received(1)


def test_a_receiver_that_fails_misses_nothing_else(new_server: MakeServer, caplog: pytest.LogCaptureFixture) -> None:
    ann, ben = new_server("ann"), new_server("ben")
    seen = []

    def receive(envelope: Envelope) -> None:
        seen.append(envelope.header["event"])
        if envelope.header["event"] == 2:
            raise ValueError("no good")

    ben.bus.start(receive)
    ann.publish(3)
    wait_until(lambda: len(seen) == 3)
    assert [record.exc_info is not None for record in caplog.records] == [True]
    assert "no good" in caplog.text


@pytest.mark.parametrize(
    "fields",
    [
        ("x", "y"),
        ("o", "eve", "n", "1", "h", "[", "p", ""),
        ("o", "eve", "n", "1", "h", '[["send",{},[9]]]', "p", b"\xff"),
        ("o", "eve", "n", "1", "h", '[["send",{},7]]', "p", ""),
        ("o", "eve", "n", "1", "h", "[1]", "p", ""),
        ("o", "eve", "n", "one", "h", "[]", "p", ""),
        ("o", "eve", "n", "1", "h", "[]", "p", "", "w", "1-1"),
    ],
)
def test_entries_that_make_no_sense_are_passed_over(
    two: tuple[Server, Server], ask: Callable[..., Any], fields: tuple[str | bytes, ...], caplog: pytest.LogCaptureFixture
) -> None:
    ann, ben = two
    ask("XADD", STREAM, "*", *fields)
    ann.publish(1)
    ben.has_received(1)
    wait_until(lambda: "An entry of the stream cannot be read" in caplog.text)


def test_a_server_receives_what_is_published_after_its_start_alone(new_server: MakeServer) -> None:
    ann = new_server("ann")
    ann.publish(3)
    assert ann.bus.publish_now(event("old"))
    wait_until_the_next_millisecond()
    ben = new_server("ben").start()
    ann.bus.publish(event("new"))
    ben.has_received("new")


def wait_until_the_next_millisecond() -> None:
    """Redis tells times apart by milliseconds."""
    began = time.time()
    wait_until(lambda: time.time() > began + 0.003)


def test_starting_twice_changes_nothing(two: tuple[Server, Server]) -> None:
    ann, ben = two
    ben.start()
    ann.publish(2)
    ben.has_received(1, 2)


def test_publishing_waits_for_nothing_while_redis_hangs(redis: RedisServer, two: tuple[Server, Server]) -> None:
    ann, ben = two
    ann.publish(10)
    ben.has_received(*numbers(10))
    redis.freeze()
    # If one in ten waited for the time-out, this would take half a minute.
    assert seconds_of(lambda: ann.publish(1000)) < 5
    wait_until(lambda: not ann.bus.is_connected and not ben.bus.is_connected)
    assert not ann.bus.publish(event(1011))
    assert ann.bus.pending > 0
    redis.thaw()
    ben.has_received(*numbers(1011))
    assert (ann.bus.dropped, ben.bus.lost) == (0, 0)
    wait_until(lambda: ann.bus.is_connected and ben.bus.is_connected)


def test_what_is_published_while_redis_restarts_empty_arrives(redis: RedisServer, two: tuple[Server, Server]) -> None:
    ann, ben = two
    ann.publish(10)
    ben.has_received(*numbers(10))
    redis.stop()
    ann.publish(10)
    wait_until(lambda: not ann.bus.is_connected)
    ann.publish(10)
    redis.start()
    ann.publish(10)
    ben.has_received(*numbers(40))
    ben.bus.publish(event("back"))
    ann.has_received("back")
    assert (ann.bus.dropped, ben.bus.lost) == (0, 0)


def test_no_restart_under_load_loses_or_repeats_anything(redis: RedisServer, two: tuple[Server, Server]) -> None:
    ann, ben = two
    ended = threading.Event()

    def publish() -> None:
        while not ended.is_set():
            ann.publish(20)
            ended.wait(0.001)

    publisher = threading.Thread(target=publish)
    publisher.start()
    for _ in range(3):
        count = len(ben.received)
        wait_until(lambda count=count: len(ben.received) > count)  # type: ignore[misc]
        redis.restart()
    ended.set()
    publisher.join()
    ben.has_received(*numbers(ann.published))
    assert (ann.bus.dropped, ben.bus.lost) == (0, 0)


@pytest.mark.parametrize("listens_itself", [True, False])
def test_what_redis_forgot_before_all_had_read_it_arrives(
    redis: RedisServer, new_server: MakeServer, *, listens_itself: bool
) -> None:
    ann, ben = new_server("ann"), new_server("ben").start()
    if listens_itself:
        ann.start()
    ann.publish(1)
    ben.has_received(1)
    with ben.held():
        for _ in range(100):  # More entries than are read at once.
            assert ann.bus.publish_now(event(ann.published + 1))
            ann.published += 1
        assert ben.is_held.wait(20)
        redis.restart()
        # Nothing is published any more: it is for the publisher to notice.
        wait_until(lambda: ann.bus.is_connected and ann.bus.pending == 0)
    ben.has_received(*numbers(101))
    assert ben.bus.lost == 0


def test_what_was_sent_again_is_not_new_for_a_server_that_started_later(redis: RedisServer, new_server: MakeServer) -> None:
    ann = new_server("ann")
    for value in ("old", "older"):
        assert ann.bus.publish_now(event(value))
    wait_until_the_next_millisecond()
    ben = new_server("ben").start()
    ann.bus.publish(event("new"))
    ben.has_received("new")
    redis.restart()
    ann.bus.publish(event("newer"))
    ben.has_received("new", "newer")


def test_a_server_that_starts_while_redis_is_away_receives_from_then_on(redis: RedisServer, new_server: MakeServer) -> None:
    ann = new_server("ann")
    assert ann.bus.publish_now(event("old"))
    redis.stop()
    wait_until(lambda: not ann.bus.publish(event("kept")))
    ben = new_server("ben").start()
    ann.bus.publish(event("new"))
    redis.start()
    wait_until(lambda: "new" in ben.received)
    assert "old" not in ben.received
    assert ben.received[-1] == "new"


def test_a_restart_that_keeps_the_data_repeats_nothing(new_server: MakeServer) -> None:
    with RedisServer(options=("--save", "", "--appendonly", "yes", "--appendfsync", "always")) as redis:
        ann = new_server("ann", redis.url)
        assert ann.bus.publish_now(event("old"))
        wait_until_the_next_millisecond()
        ben = new_server("ben", redis.url).start()
        eve = new_server("eve", redis.url)
        assert eve.bus.publish_now(event(1))
        eve.end()
        ann.bus.publish(event(2))
        wait_until(lambda: len(ben.received) == 2)
        redis.restart()
        ann.bus.publish(event(3))
        ben.has_received(1, 2, 3)


def write(ask: Callable[..., Any], entry_id: str, number: int, value: str) -> None:
    """Write an event as a server called eve, under an id of one's choice."""
    ask("XADD", STREAM, entry_id, "o", "eve", "n", number, "h", f'[["send",{{"event":"{value}"}},[]]]', "p", "")


def test_times_that_lie_in_the_future_do_no_harm(redis: RedisServer, new_server: MakeServer, ask: Callable[..., Any]) -> None:
    """As after the clock was set back: the stream goes on from its last id, until Redis forgets it."""
    write(ask, f"{FUTURE}-0", 1, "old")
    ann, ben = new_server("ann"), new_server("ben").start()
    wait_until(lambda: ben.bus.is_connected)
    ann.publish(1)
    ben.has_received(1)
    redis.restart()
    ann.publish(1)
    ben.has_received(1, 2)


def test_the_age_of_what_was_read_last_says_nothing_for_long(
    new_server: MakeServer, ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ben = new_server("ben").start()
    began = time.time()  # It reads what is written after its start.
    wait_until(lambda: ben.bus.is_connected and time.time() > began + 1)
    assert ben.bus.read_lag == 0
    write(ask, f"{round(1000 * began) + 1}-0", 1, "old")
    ben.has_received("old")
    assert 0.9 < ben.bus.read_lag < time.time() - began
    monkeypatch.setattr(reader, "_LAG_SECONDS", 0.1)
    write(ask, f"{round(1000 * began) + 2}-0", 2, "as old")
    wait_until(lambda: len(ben.received) == 2 and ben.bus.read_lag == 0)


@pytest.mark.parametrize(("is_restarted", "has_newer"), [(False, False), (True, False), (True, True)])
def test_a_server_that_was_away_while_ids_began_anew_misses_nothing(
    redis: RedisServer, new_server: MakeServer, ask: Callable[..., Any], *, is_restarted: bool, has_newer: bool
) -> None:
    write(ask, f"{FUTURE}-0", 1, "old")
    with TcpProxy(redis.port) as proxy:
        ann, ben = new_server("ann"), new_server("ben", f"redis://127.0.0.1:{proxy.port}").start()
        wait_until(lambda: ben.bus.is_connected)
        ann.publish(1)
        ben.has_received(1)
        proxy.cut()
        redis.restart() if is_restarted else ask("DEL", STREAM)
        ann.publish(1)
        wait_until(lambda: 2 in written(ask))
        if has_newer:
            write(ask, f"{FUTURE}-9", 2, "newest")
        proxy.mend()
        wait_until(lambda: 2 in ben.received)
        assert ben.received[:2] == [1, 2]
        ben.end()


def test_what_redis_forgot_is_written_again_although_others_wrote_since(
    redis: RedisServer, new_server: MakeServer, ask: Callable[..., Any]
) -> None:
    with TcpProxy(redis.port) as proxy:
        ann, eve = new_server("ann", f"redis://127.0.0.1:{proxy.port}"), new_server("eve")
        assert ann.bus.publish_now(event(1))
        proxy.cut()
        redis.restart()
        wait_until(lambda: eve.bus.publish_now(event(1)))
        # A server begins a moment early rather than late, so that it misses nothing.
        wait_until(lambda: milliseconds(ask("TIME")) > newest(ask) + 10)
        ben = new_server("ben").start()
        ann.bus.publish(event(2))
        proxy.mend()
        wait_until(lambda: len(written(ask)) >= 3)
        assert written(ask) == [1, 1, 2]
        ben.has_received(2)  # The first is older than itself.
        ann.end()


def test_what_was_deleted_is_written_again_once_that_is_seen(new_server: MakeServer, ask: Callable[..., Any]) -> None:
    ann, ben = new_server("ann"), new_server("ben").start()
    ann.publish(1)
    ben.has_received(1)
    with ben.held():
        ann.publish(1)
        assert ben.is_held.wait(20)
        assert ann.bus.publish_now(event(3))
        ask("DEL", STREAM)
        ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        wait_until(lambda: written(ask) == [1, 2, 3])
    ben.has_received(1, 2, 3)


def test_a_server_that_was_cut_off_catches_up(redis: RedisServer, new_server: MakeServer) -> None:
    with TcpProxy(redis.port) as proxy:
        ann, ben = new_server("ann").start(), new_server("ben", f"redis://127.0.0.1:{proxy.port}").start()
        ann.publish(1)
        ben.has_received(1)
        for end in (300, 600):
            proxy.cut()
            wait_until(lambda: not ben.bus.is_connected)
            while ann.published < end:
                ann.publish(1)
                assert ann.bus.publish_now(event(ann.published + 1))
                ann.published += 1
            ben.publish(10)
            proxy.mend()
            ben.has_received(*numbers(ann.published))
            ann.has_received(*numbers(ben.published))
        ben.end()


def test_a_write_whose_answer_is_lost_is_repeated_and_arrives_once(
    redis: RedisServer, new_server: MakeServer, ask: Callable[..., Any]
) -> None:
    with TcpProxy(redis.port) as proxy:
        ann, ben = new_server("ann", f"redis://127.0.0.1:{proxy.port}"), new_server("ben").start()

        def is_repeated() -> bool:
            proxy.lose_replies()
            ann.publish(5)
            wait_until(lambda: not ann.link.is_up)
            ann.publish(5)
            proxy.lose_replies(lost=False)
            wait_until(lambda: ann.bus.pending == 0)
            return len(written(ask)) > ann.published

        ann.publish(1)
        ben.has_received(1)
        wait_until(is_repeated)
        ben.has_received(*numbers(ann.published))
        ann.end()
    assert ben.bus.lost == 0


def test_a_cut_connection_that_redis_ended_is_replaced(two: tuple[Server, Server], ask: Callable[..., Any]) -> None:
    ann, ben = two
    for end in (50, 100, 150):
        ann.publish(25)
        ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        ann.publish(25)
        ben.has_received(*numbers(end))


def test_an_idle_connection_that_redis_ended_is_no_outage(
    new_server: MakeServer, ask: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    ann = new_server("ann")
    assert ann.bus.publish_now(event(1))
    wait_until(lambda: ask("PTTL", STREAM) > 0)  # It has nothing more to do for a while.
    ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    wait_until(lambda: len(ask("CLIENT", "LIST").splitlines()) == 2)
    assert ann.bus.publish_now(event(2))
    assert caplog.records == []


def test_beyond_the_bound_the_oldest_go_and_are_counted(
    redis: RedisServer, new_server: MakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    ann, ben = new_server("ann", max_items=10), new_server("ben").start()
    for _ in range(2):
        caplog.clear()
        begin = ann.published + 1
        ann.publish(1)
        wait_until(lambda: len(ben.received) > 0 and ben.received[-1] == ann.published)
        redis.stop()
        wait_until(lambda: not ann.link.is_up)
        ann.publish(35)
        wait_until(lambda: ann.bus.pending == 10)
        redis.start()
        wait_until(lambda: ben.received[-1] == ann.published)
        assert ben.received[-11:] == [begin, *range(begin + 26, begin + 36)]
        assert len([record for record in caplog.records if "dropped" in record.getMessage()]) == 1
    assert (ann.bus.dropped, ben.bus.lost) == (50, 50)


def test_the_bytes_kept_are_bounded_too(redis: RedisServer, new_server: MakeServer) -> None:
    ann, ben = new_server("ann", max_bytes=100_000), new_server("ben").start()
    redis.stop()
    wait_until(lambda: not ann.bus.publish(event("probe")))
    for number in numbers(20):
        ann.bus.publish(Envelope("send", {"event": number}, (b"x" * 20_000,)))
    redis.start()
    wait_until(lambda: ben.received != [] and ben.received[-1] == 20)
    assert ben.received == [17, 18, 19, 20]


def test_what_waited_longer_than_it_is_kept_is_dropped(redis: RedisServer, new_server: MakeServer) -> None:
    ann, ben = new_server("ann", retention=0.3), new_server("ben").start()
    redis.stop()
    wait_until(lambda: not ann.bus.publish(event("old")))
    count = ann.bus.pending
    wait_until(lambda: ann.bus.pending == 0)
    assert ann.bus.dropped >= count > 0
    ann.bus.publish(event("new"))
    redis.start()
    wait_until(lambda: ann.link.is_up)
    wait_until(lambda: ann.bus.publish(event("newest")) and ben.received != [])
    assert "old" not in ben.received


def test_the_stream_does_not_grow_for_ever(new_server: MakeServer, ask: Callable[..., Any]) -> None:
    ann = new_server("ann", retention=0.1, linger=0)
    count = 0

    def is_shorter() -> bool:
        nonlocal count
        count += ann.bus.publish_now(Envelope("send", {}, (b"x" * 1000,)))
        return bool(ask("XLEN", STREAM) < count)

    wait_until(is_shorter)
    wait_until(lambda: ask("PTTL", STREAM) > 0)


def test_the_stream_keeps_what_is_younger_than_the_retention(new_server: MakeServer, ask: Callable[..., Any]) -> None:
    ask("CONFIG", "SET", "stream-node-max-entries", "1")  # Redis removes whole blocks alone.
    ann = new_server("ann", retention=1000)
    now = milliseconds(ask("TIME"))
    for age in (1200, 1100, 800, 200):
        ask("XADD", STREAM, f"{now - 1000 * age}-0", "x", "y")
    ann.publish(1)
    wait_until(lambda: ask("XLEN", STREAM) <= 3)
    assert ask("XLEN", STREAM) == 3


def test_what_a_server_may_keep_bounds_the_stream_too(new_server: MakeServer, ask: Callable[..., Any]) -> None:
    ann = new_server("ann", retention=1000, max_items=5, linger=0)
    count = 0

    def is_shorter() -> bool:
        nonlocal count
        count += ann.bus.publish_now(Envelope("send", {}, (b"x" * 1000,)))
        return bool(ask("XLEN", STREAM) < count)

    wait_until(is_shorter)


def test_what_is_published_together_is_written_together(new_server: MakeServer, ask: Callable[..., Any]) -> None:
    ann, ben = new_server("ann", linger=1), new_server("ben").start()
    assert ann.bus.publish_now(event(1))
    ann.published = 1
    for _ in range(20):
        ann.publish(1)
        ask("PING")  # Time enough to write it alone.
    ben.has_received(*numbers(21))
    assert ask("XLEN", STREAM) <= 3


def test_what_one_server_writes_takes_nothing_from_the_others(new_server: MakeServer, ask: Callable[..., Any]) -> None:
    ann, ben = new_server("ann", linger=0), new_server("ben")
    for _ in range(250):
        assert ann.bus.publish_now(Envelope("send", {}, (b"x" * 1000,)))
    ann.end()
    ask("PERSIST", STREAM)
    ben.publish(1)
    wait_until(lambda: ask("PTTL", STREAM) > 0)  # It has removed what is too old.
    assert ask("XLEN", STREAM) == 251


def test_a_stream_that_cannot_be_used_is_reported_once_and_used_when_it_can(
    two: tuple[Server, Server], ask: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    ann, ben = two
    ann.publish(1)
    ben.has_received(1)
    ask("SET", STREAM, "something else")
    ann.publish(1)
    wait_until(lambda: "cannot be written" in caplog.text and "cannot be read" in caplog.text)
    ann.publish(1)
    ask("DEL", STREAM)
    ben.has_received(1, 2, 3)
    assert caplog.text.count("cannot be written") == 1


def test_stopping_sends_what_waits_and_leaves_nothing_running(new_server: MakeServer) -> None:
    before = set(threading.enumerate())
    ann, ben = new_server("ann").start(), new_server("ben").start()
    ann.publish(5000)
    ann.bus.stop(20)
    assert ann.bus.pending == 0
    ben.has_received(*numbers(5000))
    assert not ann.bus.publish(event("late"))
    assert ann.bus.dropped == 1
    ben.bus.stop(20)
    wait_until(lambda: set(threading.enumerate()) <= before)


def test_a_stopped_bus_receives_nothing_more(two: tuple[Server, Server], new_server: MakeServer) -> None:
    ann, ben = two
    cat = new_server("cat").start()
    ben.bus.stop(20)
    ann.publish(1)
    cat.has_received(1)
    assert ben.received == []


def test_stopping_waits_no_longer_than_it_may(redis: RedisServer, two: tuple[Server, Server]) -> None:
    ann, _ = two
    redis.freeze()
    ann.publish(100)
    assert seconds_of(lambda: ann.bus.stop(0.5)) < 5
    assert ann.bus.pending > 0


def test_nothing_is_connected_before_the_first_call(redis: RedisServer, ask: Callable[..., Any]) -> None:
    def connections() -> int:
        return len(ask("CLIENT", "LIST").splitlines())

    count, before = connections(), set(threading.enumerate())
    server = Server("ann", redis.url)
    assert connections() == count
    assert set(threading.enumerate()) <= before
    server.end()


FORKING = """
import os, sys, threading
from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.redis import reader
from flask_realtime.backends.redis.bus import RedisBus
from flask_realtime.backends.redis.link import RedisLink
from tests.redis_server import wait_until

bus = RedisBus(RedisLink(sys.argv[1]), "the server")

def publish(text):
    for number in range(20):
        bus.publish(Envelope("send", {"event": f"{text} {number}"}))

received = []
bus.start(lambda envelope: received.append(envelope.header["event"]))
publish("before")
children = []
for name in ("child", "sibling"):
    child = os.fork()
    if not child:
        assert bus.pending == 0 and not any(thread.name.startswith("realtime") for thread in threading.enumerate())
        heard = []
        bus.start(lambda envelope: heard.append(envelope.header["event"]))
        publish(name)
        wait_until(lambda: "go" in heard)
        bus.stop(20)
        os._exit(0 if not any(text.startswith(name) for text in heard) else 1)
    children.append(child)
wait_until(lambda: len(received) >= 40)
assert sorted(received) == sorted(f"{name} {number}" for name in ("child", "sibling") for number in range(20))
bus.publish(Envelope("send", {"event": "go"}))
assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
bus.stop(20)
"""


def test_forked_children_are_servers_of_their_own(redis: RedisServer, new_server: MakeServer) -> None:
    ben = new_server("ben").start()
    run_script(FORKING, redis.url)
    wait_until(lambda: len(ben.received) >= 61)
    assert len(ben.received) == len(set(ben.received)) == 61


GREENLETS = """
from gevent import monkey
monkey.patch_all()
import sys, threading, time, gevent
from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.redis import reader
from flask_realtime.backends.redis.bus import RedisBus
from flask_realtime.backends.redis.link import RedisLink
from tests.redis_server import RedisServer, wait_until
from tests.scripts import run_script

with RedisServer() as redis:
    buses = [RedisBus(RedisLink(redis.url, 0.3, max_pause=0.1), name) for name in ("ann", "ben")]
    received = []
    buses[0].start(lambda envelope: None)
    buses[1].start(lambda envelope: received.append(envelope.header["event"]))
    turns = 0

    def turn():
        global turns
        while True:
            turns += 1
            gevent.sleep(0.001)

    others = gevent.spawn(turn)

    def publish(first, end):
        for number in range(first, end):
            buses[0].publish(Envelope("send", {"event": number}))

    gevent.get_hub().loop.run_callback(publish, 0, 1000)  # Inside the event loop nothing can wait.
    wait_until(lambda: len(received) >= 1000)
    redis.freeze()
    publish(1000, 2000)
    before = turns
    wait_until(lambda: not buses[0].is_connected)
    assert turns > before
    redis.thaw()
    wait_until(lambda: len(received) >= 2000)
    redis.restart()
    publish(2000, 3000)
    wait_until(lambda: len(received) >= 3000)
    assert buses[0].publish_now(Envelope("send", {"event": 3000}))
    wait_until(lambda: len(received) >= 3001)
    assert received == list(range(3001))
    for bus in buses:
        bus.stop(20)
    others.kill()
"""


def test_it_does_the_same_with_greenlets() -> None:
    run_script(GREENLETS)


MADE_BEFORE_GEVENTS_PATCHES = """
import signal, sys, warnings
from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.redis import reader
from flask_realtime.backends.redis.bus import RedisBus
from flask_realtime.backends.redis.link import RedisLink

signal.alarm(60)  # Whoever waits for an old lock stops everything.
ann, ben = (RedisBus(RedisLink(sys.argv[1]), name) for name in ("ann", "ben"))
from gevent import monkey
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    monkey.patch_all()
import gevent
from tests.redis_server import wait_until

received = []
gevent.joinall([gevent.spawn(ben.start, lambda envelope: received.append(envelope.header["event"])) for _ in range(3)])
wait_until(lambda: ben.is_connected)
gevent.joinall([gevent.spawn(ann.publish, Envelope("send", {"event": number})) for number in range(3)])
wait_until(lambda: len(received) >= 3)
assert ann.publish_now(Envelope("send", {"event": 3}))
wait_until(lambda: len(received) >= 4)
assert sorted(received[:3]) == [0, 1, 2] and received[3:] == [3]
for bus in (ann, ben):
    bus.stop(20)
"""


def test_a_bus_that_is_older_than_gevents_patches_works(redis: RedisServer) -> None:
    run_script(MADE_BEFORE_GEVENTS_PATCHES, redis.url)


def test_a_server_that_is_alone_needs_no_bus() -> None:
    bus: Bus = NoBus()
    bus.start(lambda _: None)
    assert bus.publish(event(1))
    assert bus.publish_now(event(2))
    bus.stop(0)
    assert (bus.is_connected, bus.pending, bus.dropped, bus.lost) == (True, 0, 0, 0)


def test_only_what_matters_is_logged(redis: RedisServer, two: tuple[Server, Server], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "flask_realtime")
    ann, ben = two
    ann.publish(100)
    ben.has_received(*numbers(100))
    assert caplog.records == []
    redis.restart()
    wait_until(lambda: len(caplog.records) >= 4)
    ann.publish(100)
    ben.has_received(*numbers(200))
    wait_until(lambda: len(caplog.records) >= 5)
    # Each link says it once, whichever of its connections notice; only one of the servers had something to send again.
    texts = ("cannot be reached", "is back", "may have forgotten")
    assert [sum(text in record.getMessage() for record in caplog.records) for text in texts] == [2, 2, 1]
