"""Users who went offline and are waited for: whatever server is asked says the same, and one of them tells the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count

import pytest
from redis import Redis

from flask_realtime.backends.base import Awaited, BackendUnavailable
from flask_realtime.backends.redis.maintenance import Reap
from tests.redis_fleet import FleetServer
from tests.redis_server import RedisServer, wait_until

DEPARTED = "{flask_realtime}:departed"
DELAY = 60.0

NewServer = Callable[..., FleetServer]


@pytest.fixture
def new_server(redis: RedisServer) -> Iterator[NewServer]:
    """Makes servers; they end with the test."""
    with ExitStack() as stack:
        names = count()

        def make(offline_delay: float = DELAY) -> FleetServer:
            server = FleetServer(redis.url, f"server-{next(names)}", offline_delay=offline_delay)
            stack.callback(server.close)
            return server

        yield make


def leave(server: FleetServer, user: str = "ann") -> int:
    """Have a user come and go, and return the version of the departure."""
    server.presence.add(user, "gone")
    return server.presence.remove(user, "gone").version


def let_go_by(client: Redis, seconds: float, user: str = "ann") -> None:
    """Make it so many seconds later for a user who is waited for."""
    client.zincrby(DEPARTED, -seconds * 1e6, user)


def seen(server: FleetServer) -> tuple[bool, bool, int]:
    """What a server says of ann in three ways."""
    presence = server.presence
    return presence.is_online("ann"), "ann" in presence.users(), presence.count()


def test_whoever_is_waited_for_is_online_on_every_server(new_server: NewServer, client: Redis) -> None:
    here = new_server()
    here.presence.add("bob", "c1")
    leave(here)
    assert {seen(server) for server in (here, new_server(), new_server(0.0))} == {(True, True, 2)}
    let_go_by(client, DELAY + 1)
    assert seen(here) == (True, True, 2), "it is not announced yet"
    let_go_by(client, 10)
    assert seen(here) == (False, False, 1), "nobody is left who would announce it"


def test_without_a_delay_nobody_is_waited_for(new_server: NewServer, client: Redis) -> None:
    server = new_server(0.0)
    leave(server)
    assert seen(server) == (False, False, 0)
    assert not client.exists(DEPARTED)
    assert server.presence.add("ann", "c2").is_back is None


def test_whoever_is_back_in_time_is_not_waited_for(new_server: NewServer, client: Redis) -> None:
    here, there = new_server(), new_server()
    assert there.presence.add("ann", "c1").is_back is False
    version = there.presence.remove("ann", "c1").version
    change = there.presence.add("ann", "c2")
    assert (change.status_changed, change.is_back) == (True, True)
    assert there.presence.add("ann", "c3").is_back is False
    assert not client.exists(DEPARTED)
    assert here.presence.take_departure("ann", version) is False


def test_whoever_is_back_too_late_came_online(new_server: NewServer, client: Redis) -> None:
    server = new_server()
    version = leave(server)
    let_go_by(client, DELAY)
    assert server.presence.add("ann", "c2").is_back is False
    assert server.presence.take_departure("ann", version) is False
    version = server.presence.remove("ann", "c2").version
    assert server.presence.take_departure("ann", version)
    assert server.presence.add("ann", "c3").is_back is False


def test_who_was_waited_for_has_used_no_announcement(new_server: NewServer) -> None:
    server = new_server()
    leave(server)
    changes = []
    for number in range(20):
        changes.append(server.presence.add("ann", f"c{number}"))
        server.presence.remove("ann", f"c{number}")
    assert {(change.is_back, change.hold) for change in changes} == {(True, 0.0)}


def test_one_server_announces_a_departure(new_server: NewServer) -> None:
    servers = [new_server() for _ in range(3)]
    version = leave(servers[0])
    assert [server.presence.take_departure("ann", version) for server in servers] == [True, None, None]
    assert seen(servers[1]) == (False, False, 0)


def test_the_last_departure_is_the_one_that_is_announced(new_server: NewServer) -> None:
    here, there = new_server(), new_server()
    first, last = leave(here), leave(there)
    assert here.presence.take_departure("ann", first) is False
    assert here.presence.take_departure("ann", last)


def test_users_of_a_dead_server_are_waited_for_too(new_server: NewServer) -> None:
    here, dead = new_server(), new_server()
    dead.presence.add("ann", "c1")
    reports = Reap(here.lease, dead.lease.name).perform()
    assert reports is not None
    ((user, _, version),) = reports
    assert (user, seen(here)) == ("ann", (True, True, 1))
    assert here.presence.take_departure("ann", version)


def test_a_server_finds_what_others_have_left(new_server: NewServer, client: Redis) -> None:
    here = new_server()
    versions = {user: leave(here, user) for user in ("ann", "bob", "carol")}
    let_go_by(client, DELAY + 10, "bob")
    let_go_by(client, DELAY + 301, "carol")
    found = {awaited.user_id: awaited for awaited in new_server().presence.departures()}
    assert sorted(found) == ["ann", "bob"], "that of carol is as old as whatever was noted about it"
    assert found["ann"] == Awaited("ann", versions["ann"], found["ann"].seconds)
    assert 0 < found["ann"].seconds <= DELAY
    assert -70 < found["bob"].seconds <= -10
    assert client.zcard(DEPARTED) == 2


def test_a_server_finds_what_is_overdue(new_server: NewServer, client: Redis) -> None:
    here = new_server()
    for user, seconds in (("ann", 0), ("bob", DELAY + 9), ("carol", DELAY + 11)):
        leave(here, user)
        let_go_by(client, seconds, user)
    assert [awaited.user_id for awaited in here.presence.departures(overdue=10.0)] == ["carol"]


def test_without_redis_each_server_announces_what_it_knows(new_server: NewServer, redis: RedisServer) -> None:
    server = new_server()
    server.presence.add("bob", "c1")
    version = leave(server)
    redis.stop()
    wait_until(lambda: not server.link.is_up or server.presence.is_online("ann") is False)
    assert server.presence.take_departure("ann", version)
    assert server.presence.take_departure("bob", version) is False
    with pytest.raises(BackendUnavailable):
        server.presence.departures()
