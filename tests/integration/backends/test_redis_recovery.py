"""Leases and events in a real Redis, as servers see them that recover each other's connections."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from redis import Redis

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.packing import pack
from flask_realtime.backends.recovery import LeaseChange, LeaseRecord, Place, RecoveryOptions, RecoveryStore, Refusal
from flask_realtime.backends.redis.backend import RedisBackend
from flask_realtime.backends.redis.envelopes import NO_ID, Item, StreamId, fields_of
from flask_realtime.backends.redis.stream import Stream
from tests.redis_server import RedisServer, wait_until

OPTIONS = RecoveryOptions(60.0, 1_000_000)
KEY = "ab" * 18


class Server:
    """A server, and what it hears.

    Args:
        url: Its Redis.
        channel: Its channel.
        options: Its settings.
    """

    def __init__(self, url: str, channel: str, options: RecoveryOptions = OPTIONS) -> None:
        self.url = url
        self.backend = RedisBackend(url, channel=channel, retention=10, recovery=options)
        assert self.backend.recovery is not None
        self.store: RecoveryStore = self.backend.recovery
        self.base = f"{{{channel}}}:recovery"
        self.places: list[str] = []
        self.refused: list[tuple[str, Refusal]] = []
        self.received: list[Envelope] = []
        self.backend.start(self.received.append, lambda *_: None)
        self.store.start(self.places.append, lambda change, reason: self.refused.append((change.key, reason)), lambda: None)

    def write(self, kind: str, *args: Any, key: str = KEY) -> None:
        self.store.write(LeaseChange(kind, key, args))
        assert self.store.wait_written(5.0)

    def take(self, key: str, user_id: str) -> LeaseRecord | None:
        return self.store.take(key, user_id, uuid.uuid4().hex)

    def open(self, *rooms: str, jti: str = "jti", key: str = KEY, user: str = "ann") -> None:
        self.write("open", user, "c1", jti, "a.1", "a.1", dict.fromkeys(rooms, "a.1"), key=key)

    def send(self, *names: str) -> Place:
        """Send something, and return the place behind it."""
        for name in names:
            self.backend.publish(Envelope("send", {"name": name}, (name,)))
        self.backend.publish(Envelope("mark", {}))
        assert self.store.wait_sent(5.0)
        with Redis.from_url(self.url, decode_responses=True) as client:
            ((last, _),) = client.xrevrange(self.stream, count=1)
        wait_until(lambda: any(place.split("-")[1:3] == last.split("-") for place in self.places), 5.0)
        return Place(*map(int, self.places[-1].split("-")[1:]))

    @property
    def era(self) -> str:
        return self.places[-1].split("-")[0]

    @property
    def stream(self) -> str:
        return self.backend._bus.stream_key

    def missed(self, after: Place) -> list[str] | None:
        events = self.store.reading(after, self.era).go_on()
        return None if events is None else [str(event.parts[0]) for event in events if event.kind == "send" and event.parts]


@pytest.fixture
def new_server(redis_server: RedisServer) -> Iterator[Callable[..., Server]]:
    """Makes servers that share a channel."""
    channel, servers = uuid.uuid4().hex, []

    def make(options: RecoveryOptions = OPTIONS) -> Server:
        servers.append(Server(redis_server.url, channel, options))
        return servers[-1]

    yield make
    for server in servers:
        server.backend.stop(2.0)


@pytest.fixture
def here(new_server: Callable[..., Server]) -> Server:
    return new_server()


@pytest.fixture
def there(new_server: Callable[..., Server]) -> Server:
    return new_server()


def test_a_lease_is_taken_with_what_was_written_of_it(here: Server, there: Server) -> None:
    here.open("blue", "red")
    here.write("enter", "green", "a.5")
    here.write("enter", "blue", "a.6")  # It is in it already.
    here.write("leave", "red")
    here.write("touch", "a.7", "newer")
    expected = LeaseRecord("c1", here.store.name, 1, "newer", "a.1", "a.7", {"blue": "a.1", "green": "a.5"})
    assert there.take(KEY, "ann") == expected
    assert here.take(KEY, "ann") == LeaseRecord("c1", there.store.name, 2, "newer", "a.1", "a.7", expected.rooms)


def test_an_attempt_to_take_a_lease_whose_answer_was_lost_is_answered_alike_the_second_time(here: Server, there: Server) -> None:
    here.open("blue")
    first = there.store.take(KEY, "ann", "attempt-1")
    assert first == there.store.take(KEY, "ann", "attempt-1")
    assert first is not None
    assert (first.owner, first.turn) == (here.store.name, 1)
    again = here.store.take(KEY, "ann", "attempt-2")
    assert again is not None
    assert (again.owner, again.turn) == (there.store.name, 2)
    here.write("enter", "red", "a.2", key=KEY)
    assert here.refused == []


def test_what_is_written_of_a_lease_that_is_touched_without_news_stays(here: Server, there: Server) -> None:
    here.open("blue")
    here.write("touch", "", "")
    assert there.take(KEY, "ann") == LeaseRecord("c1", here.store.name, 1, "jti", "a.1", "a.1", {"blue": "a.1"})


def test_there_is_no_lease_of_another_user_or_key(here: Server, there: Server) -> None:
    here.open()
    assert there.take(KEY, "ben") is None
    assert there.take("cd" * 18, "ann") is None
    here.write("end")
    assert there.take(KEY, "ann") is None


def test_a_lost_connection_may_come_back_for_so_long_and_no_longer(here: Server, there: Server, redis_server: RedisServer) -> None:
    here.open()
    here.write("lose", "a.9", "jti", 60_000)
    taken = there.take(KEY, "ann")
    assert taken is not None
    assert taken.known == "a.9"
    there.write("lose", "a.9", "jti", 1)
    with Redis.from_url(redis_server.url) as client:
        wait_until(lambda: not client.exists(f"{here.base}:lease:{KEY}"), 5.0)
    assert here.take(KEY, "ann") is None


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (lambda _here, there: there.take(KEY, "ann"), Refusal.TAKEN),
        (lambda _here, there: there.write("strike", "", key="user:ann"), Refusal.ENDED),
        (lambda here, _there: here.write("end"), Refusal.FORGOTTEN),
    ],
)
@pytest.mark.parametrize(
    "change", [("enter", "red", "a.2"), ("leave", "blue"), ("touch", "a.2", ""), ("lose", "a.2", "", 1), ("end",)]
)
def test_who_does_not_have_a_lease_hears_it(
    here: Server, there: Server, before: Callable[[Server, Server], object], reason: Refusal, change: tuple[Any, ...]
) -> None:
    here.open("blue")
    before(here, there)
    here.write(*change)
    wait_until(lambda: here.refused == [(KEY, reason)], 5.0)
    assert there.refused == []


def test_a_strike_reaches_the_leases_of_a_user_or_a_token_and_no_others(here: Server, there: Server) -> None:
    keys = [f"{number:02}" * 18 for number in range(4)]
    for key, user, token in zip(keys, ("ann", "ann", "ben", "ben"), ("one", "two", "two", "three"), strict=True):
        here.open("blue", "red", user=user, jti=token, key=key)
    there.write("strike", "blue", key="user:ann")
    there.write("strike", "", key="token:two")
    taken = [there.take(key, user) for key, user in zip(keys, ("ann", "ann", "ben", "ben"), strict=True)]
    assert [None if record is None else sorted(record.rooms) for record in taken] == [["red"], None, None, ["blue", "red"]]


def test_a_token_that_was_replaced_does_not_end_a_lease_any_more(here: Server, there: Server) -> None:
    here.open(jti="old")
    here.write("touch", "", "new")
    there.write("strike", "", key="token:old")
    assert there.take(KEY, "ann") is not None
    there.write("strike", "", key="token:new")
    assert there.take(KEY, "ann") is None


def test_leases_that_have_run_out_are_forgotten_in_the_lists_of_a_user(here: Server, redis_server: RedisServer) -> None:
    for number in range(200):
        here.store.write(LeaseChange("open", f"{number:04x}", ("ann", "c", "", "a.1", "a.1", {})))
        here.store.write(LeaseChange("end", f"{number:04x}"))
    assert here.store.wait_written(5.0)
    with Redis.from_url(redis_server.url) as client:
        assert client.scard(f"{here.base}:user:ann") <= 20


def test_what_all_servers_sent_is_read_in_one_order_behind_a_place(here: Server, there: Server) -> None:
    begin = here.send("a")
    there.send("b")
    between = here.send("c")
    there.send("d", "e")
    assert here.missed(begin) == there.missed(begin) == ["b", "c", "d", "e"]
    assert there.missed(between) == ["d", "e"]


def test_a_reading_goes_on_where_it_was(here: Server, there: Server) -> None:
    begin = here.send("a")
    reading = there.store.reading(begin, here.era)
    for name in ("b", "c"):
        here.send(name)
        events = reading.go_on()
        assert events is not None
        assert [event.parts for event in events if event.kind == "send"] == [(name,)]
        assert {event.origin for event in events} == {here.store.name}


def test_many_pages_are_read(here: Server, there: Server) -> None:
    begin = there.send()
    for number in range(250):
        here.backend.publish(Envelope("send", {}, (str(number),)))
        assert here.store.wait_sent(5.0)
    assert there.missed(begin) == [str(number) for number in range(250)]


def test_in_another_era_nothing_is_known(here: Server) -> None:
    begin = here.send("a")
    assert here.store.reading(begin, "another").go_on() is None


def test_what_is_written_again_after_a_restart_of_redis_is_behind_no_place_that_was_told() -> None:
    with RedisServer() as own, ExitStack() as stack:
        server = Server(own.url, uuid.uuid4().hex)
        stack.callback(server.backend.stop, 2.0)
        server.send("a")
        era, told, item = server.era, len(server.places), _item()
        add_entry(own, server, fields_of("other", [item]))
        wait_until(lambda: any(envelope.parts == ("z",) for envelope in server.received), 5.0)
        own.restart()
        wait_until(lambda: server.store.is_reachable and written(server), 10.0)
        add_entry(own, server, fields_of("third", [_item()]))  # A new one, before the other server writes again.
        wait_until(lambda: len(server.received) > 1, 5.0)
        add_entry(own, server, fields_of("other", [item]))
        wait_until(lambda: written(server) and not server.places[-1].startswith(era), 20.0)
        received = [envelope.place for envelope in server.received if envelope.place]
        new = [place for place in [*received, *server.places[told:]] if not place.startswith(era)]
        assert server.missed(Place(*map(int, new[0].split("-")[1:]))) == []


def add_entry(redis: RedisServer, server: Server, fields: list[Any]) -> None:
    """Write an entry as another server does."""
    with Redis.from_url(redis.url) as client:
        client.execute_command("XADD", server.stream, "*", *fields)


def written(server: Server) -> bool:
    """Have a server write something of its own, and return whether that is in the stream."""
    server.backend.publish(Envelope("mark", {}))
    return server.store.wait_sent(5.0)


def test_what_is_not_kept_any_more_is_not_taken_for_nothing(here: Server, there: Server, redis_server: RedisServer) -> None:
    begin = here.send("a")
    place = there.send("b")
    with Redis.from_url(redis_server.url) as client:
        stream = here.stream
        client.xtrim(stream, minid=f"{place.milliseconds}-{place.number}", approximate=False)
    assert here.missed(begin) is None
    assert here.missed(place) == []


def test_what_was_written_twice_since_no_answer_came_is_read_once(here: Server, there: Server, redis_server: RedisServer) -> None:
    begin = here.send("a")
    with Redis.from_url(redis_server.url) as client:
        stream = here.stream
        ((_, first), *_) = client.xrange(stream)
        client.xadd(stream, first)
    there.send("b")
    assert here.missed(begin) == ["b"]


def test_what_was_written_again_after_a_long_time_is_read_once(here: Server, redis_server: RedisServer) -> None:
    now = here.send().milliseconds
    first, item = fields_of("other", [_item()]), _item()
    item.age = 59_000
    again = fields_of("other", [item])
    with Redis.from_url(redis_server.url) as client:
        client.delete(here.stream)
        for number in range(250):
            client.execute_command("XADD", here.stream, f"{now - 60_000 + number}", *first)
        client.execute_command("XADD", here.stream, f"{now - 1_000}", *again)
    assert here.missed(Place(now - 10_000, 0, 0)) == []


def test_what_was_written_in_the_seconds_before_the_place_is_read_apart(here: Server) -> None:
    here.send("a")
    place = here.send("b")
    here.send("c")
    reading = here.store.reading(place, here.era)
    assert reading.go_on() is not None
    assert [event.parts for event in reading.earlier if event.kind == "send"] == [("a",), ("b",)]
    assert here.missed(place) == ["c"]


def test_what_was_first_written_long_ago_is_read_once(here: Server, redis_server: RedisServer) -> None:
    now = here.send().milliseconds
    first = [_item()]
    again = [_item(number=1, written=now - 60_000), _item(number=2, written=now - 59_900)]
    with Redis.from_url(redis_server.url) as client:
        client.delete(here.stream)
        for milliseconds, items in ((now - 60_000, first), (now - 1_000, again)):
            client.execute_command("XADD", here.stream, f"{milliseconds}", *fields_of("other", items))
    reading = here.store.reading(Place(now - 10_000, 0, 0), here.era)
    events = reading.go_on()
    assert events is not None
    assert reading.earlier == []
    # Of the second one nobody can tell who received it then: Redis has lost that entry.
    assert [(event.place.event, event.is_uncertain) for event in events] == [(1, True)]


def test_a_process_with_a_shorter_retention_removes_nothing_that_servers_keep(here: Server, redis_server: RedisServer) -> None:
    begin = here.send("a")
    with Redis.from_url(redis_server.url) as client:
        wait_until(lambda: bool(client.exists(f"{here.stream}:retention")), 5.0)  # They say how long they keep it.
    here.send("b")
    short = Stream(here.stream, 0.0)
    connection, _ = short.open(here.backend._link)
    for _ in range(300):  # Redis removes whole blocks.
        last = short.append(connection, fields_of("other", [_item()]))
    short.trim(connection, last, NO_ID)
    connection.close()
    missed = here.missed(begin)
    assert missed is not None
    assert missed[0] == "b"


def test_a_servers_events_have_a_bound(new_server: Callable[..., Server], redis_server: RedisServer) -> None:
    server = new_server(RecoveryOptions(60.0, 50_000))
    begin = server.send("a")
    with Redis.from_url(redis_server.url) as client:
        # A block of one entry, so that what is too much can go; fewer than the 100 blocks that Redis removes at a time.
        client.config_set("stream-node-max-entries", 1)
        server.send(*["x" * 10_000] * 60)

        def is_bounded() -> bool:
            server.send("y")
            return server.missed(begin) is None and client.memory_usage(server.stream) < 400_000

        wait_until(is_bounded, 20.0)


def test_without_redis_nothing_is_taken() -> None:
    with RedisServer() as own:
        server = Server(own.url, uuid.uuid4().hex)
        server.open()
        own.stop()
        with pytest.raises(BackendUnavailable):
            server.take(KEY, "ann")
        server.store.write(LeaseChange("touch", KEY, ("", "")))
        assert not server.store.is_reachable
        assert not server.store.wait_written(60.0)  # Nobody waits for a Redis that is known to be away.
        server.backend.publish(Envelope("send", {}))
        assert not server.store.wait_sent(60.0)
        server.backend.stop(0.5)


def _item(number: int = 1, written: int = 0) -> Any:
    head, body = pack(Envelope("send", {}, ("z",)))
    return Item(0.0, head, body, len(head) + len(body), number, StreamId(written) if written else NO_ID)
