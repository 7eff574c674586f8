"""Keys that Redis loses, to an eviction or to somebody who deletes them: what servers share is right again within a lease."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from redis import Redis

from tests.redis_fleet import FleetServer, RemoteServer
from tests.redis_server import RedisServer, wait_until

BASE = "{flask_realtime}:"
LEASE = 3.0
"""Seconds; what production has as ten. Servers look twice in each for what is missing."""

PATIENCE = 5 * LEASE
"""Seconds; a machine that has much to do may be late."""

NewServer = Callable[[str], FleetServer]

Facts = dict[str, Any]


@pytest.fixture
def new_server(redis: RedisServer) -> Iterator[NewServer]:
    """Makes servers, started; they end with the test."""
    with ExitStack() as stack:

        def make(server_id: str) -> FleetServer:
            server = FleetServer(redis.url, server_id, ttl=LEASE, grace=0.5, renew=LEASE / 2)
            stack.callback(server.close)
            return server.start()

        yield make


def populate(one: FleetServer, other: FleetServer) -> None:
    """Ann is on both servers, bob on one, cid was there; so there is a key of each kind."""
    one.presence.add("cid", "c0")
    one.presence.remove("cid", "c0")
    one.presence.add("dan", "c5")
    one.presence.remove("dan", "c5")
    one.presence.add("dan", "c6")
    for server, user, connection in ((one, "ann", "c1"), (one, "ann", "c2"), (other, "ann", "c3"), (other, "bob", "c4")):
        server.presence.add(user, connection)
    for server, user, connection, conversation in ((one, "ann", "c1", "7"), (one, "ann", "c1", "8"), (other, "bob", "c4", "7")):
        server.conversations.join(conversation, user, connection)


def facts(server: FleetServer) -> Facts:
    """What a server answers."""
    people = ("ann", "bob", "cid", "dan")
    return {
        "users": sorted(server.presence.users()),
        "count": server.presence.count(),
        "online": server.presence.online(people),
        "connections": {user: sorted(entry.connection_id for entry in server.presence.connections(user)) for user in people},
        "conversations": sorted(server.conversations.topics()),
        "online users": {name: sorted(server.conversations.users(name)) for name in ("7", "8")},
    }


TRUE: Facts = {
    "users": ["ann", "bob", "dan"],
    "count": 3,
    "online": {"ann", "bob", "dan"},
    "connections": {"ann": ["c1", "c2", "c3"], "bob": ["c4"], "cid": [], "dan": ["c6"]},
    "conversations": ["7", "8"],
    "online users": {"7": ["ann", "bob"], "8": ["ann"]},
}

KEYS = (
    "servers",
    "version",
    "online",
    "server:a.",
    "server:b.",
    "user:ann",
    "user:bob",
    "user:dan",
    "joined:c1",
    "joined:c4",
    "conversations:members:7",
    "conversations:members:8",
    "gone:cid",
    "came:dan",
    "announced:dan",
)
"""What the names of all keys begin with that there are while connections are there."""

ANSWERS = "answer:"
"""Those that there are for a minute after a server could not write at once."""


def keys(client: Redis) -> list[str]:
    """The names of all keys, without what they have in common."""
    return sorted(str(key).removeprefix(BASE) for key in client.scan_iter())


def end_all(one: FleetServer, other: FleetServer) -> None:
    for server, user, connection in ((one, "ann", "c1"), (one, "ann", "c2"), (one, "dan", "c6"), (other, "bob", "c4")):
        server.presence.remove(user, connection)
        server.conversations.leave_all(connection)


def is_clean(client: Redis) -> bool:
    """Whether nothing is left of anybody but ann's last connection."""
    kinds = ("user:", "joined:", "conversations:", "server:")
    left = [key for key in keys(client) if key.startswith(kinds)]
    return len(left) == 2 and left[0].startswith("server:b.") and left[1] == "user:ann"


def test_there_are_no_other_keys(new_server: NewServer, client: Redis) -> None:
    one, other = new_server("a"), new_server("b")
    populate(one, other)
    assert [key for key in keys(client) if not key.startswith((*KEYS, ANSWERS))] == []
    assert [prefix for prefix in KEYS if not any(key.startswith(prefix) for key in keys(client))] == []


@pytest.mark.parametrize("prefix", KEYS)
def test_a_key_that_is_lost_is_made_good_within_a_lease(new_server: NewServer, client: Redis, prefix: str) -> None:
    one, other = new_server("a"), new_server("b")
    populate(one, other)
    assert facts(one) == facts(other) == TRUE
    client.delete(*(BASE + key for key in keys(client) if key.startswith(prefix)))
    wait_until(lambda: facts(one) == facts(other) == TRUE, PATIENCE)
    wait_until(lambda: holds_everything(client), PATIENCE)
    assert one.told == other.told == [], "nobody came or went"
    end_all(one, other)
    wait_until(lambda: is_clean(client), PATIENCE)
    assert sorted(other.presence.users()) == ["ann"]


def holds_everything(client: Redis) -> bool:
    """Whether Redis knows each connection from every side, whatever the servers remember for themselves."""
    leases = map(str, client.zrangebyscore(BASE + "servers", 1, "+inf"))
    members = {member for lease in leases for member in client.smembers(f"{BASE}server:{lease}")}
    return (
        client.smembers(BASE + "online") == {"ann", "bob", "dan"}
        and members == {"c1 ann", "c2 ann", "c3 ann", "c4 bob", "c6 dan"}
        and set(client.hkeys(BASE + "user:ann")) == {"c1", "c2", "c3"}
        and client.hkeys(BASE + "user:bob") == ["c4"]
        and client.smembers(BASE + "joined:c1") == {"conversations:members:7", "conversations:members:8"}
        and client.smembers(BASE + "joined:c4") == {"conversations:members:7"}
        and set(client.hkeys(BASE + "conversations:members:7")) == {"c1", "c4"}
        and client.hkeys(BASE + "conversations:members:8") == ["c1"]
    )


@pytest.mark.parametrize("prefix", ["online", "user:ann", "conversations:members:7", "server:a."])
def test_a_key_that_others_have_begun_anew_is_made_good_too(new_server: NewServer, client: Redis, prefix: str) -> None:
    one, other = new_server("a"), new_server("b")
    populate(one, other)
    client.delete(*(BASE + key for key in keys(client) if key.startswith(prefix)))
    one.presence.add("ann", "c9")
    one.presence.add("eve", "c10")
    one.conversations.join("7", "eve", "c10")
    assert any(key.startswith(prefix) for key in keys(client))
    one.presence.remove("ann", "c9")
    one.presence.remove("eve", "c10")
    wait_until(lambda: facts(one) == facts(other) == TRUE and holds_everything(client), PATIENCE)


def test_who_goes_before_it_is_made_good_has_left_every_conversation(new_server: NewServer, client: Redis) -> None:
    one, other = new_server("a"), new_server("b")
    populate(one, other)
    client.delete(f"{BASE}joined:c1")
    one.presence.remove("ann", "c1")
    assert other.conversations.users("7") == ["bob"]
    assert other.conversations.users("8") == []


@pytest.mark.parametrize("prefix", ["online", "server:a.", "user:ann", "joined:c1", "conversations:members:7", "servers"])
def test_a_server_that_dies_after_it_was_made_good_leaves_nothing(
    redis: RedisServer, new_server: NewServer, client: Redis, prefix: str
) -> None:
    other = new_server("b")
    with RemoteServer(redis.url, "a", ttl=LEASE) as dying:
        dying.call("presence", "add", ("ann", "c1"), ("bob", "c2"))
        dying.call("conversations", "join", ("7", "ann", "c1"))
        client.delete(*(BASE + key for key in keys(client) if key.startswith(prefix)))
        wait_until(lambda: other.conversations.users("7") == ["ann"] and sorted(other.presence.users()) == ["ann", "bob"], PATIENCE)
        wait_until(lambda: any(key.startswith(prefix) for key in keys(client)), PATIENCE)
        dying.kill()
    wait_until(lambda: sorted(other.of("offline")) == ["ann", "bob"], 2 * PATIENCE)
    assert [key for key in keys(client) if key.startswith(("user:", "joined:", "conversations:", "server:a."))] == []


def test_a_dead_server_that_is_forgotten_before_it_is_reaped_is_reaped_all_the_same(
    redis: RedisServer, new_server: NewServer, client: Redis
) -> None:
    other = new_server("b")
    other.presence.add("bob", "c2")
    with RemoteServer(redis.url, "a", ttl=LEASE) as dying:
        dying.call("presence", "add", ("ann", "c1"))
        dying.kill()
    client.delete(f"{BASE}servers")
    wait_until(lambda: other.of("offline") == ["ann"], 2 * PATIENCE)
    assert other.presence.users() == ["bob"]


def test_where_nothing_is_lost_nothing_is_written(new_server: NewServer, client: Redis) -> None:
    one, other = new_server("a"), new_server("b")
    populate(one, other)
    ends = [client.zrange(BASE + "servers", 0, -1, withscores=True)]
    began = time.monotonic()
    before = writes(client)
    wait_until(lambda: client.zrange(BASE + "servers", 0, -1, withscores=True) not in ends and time.monotonic() > began + LEASE)
    assert writes(client) == before


def writes(client: Redis) -> int:
    """How often a connection was noted."""
    statistics = client.info("commandstats")
    return int(statistics["cmdstat_hset"]["calls"])
