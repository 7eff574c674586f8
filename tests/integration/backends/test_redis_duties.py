"""A server's lease, and what is done under it beside operations, step by step with a real Redis."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from redis import Redis

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.redis import answers, scripts
from flask_realtime.backends.redis.lease import HELD, LOST, REAPED, LeaseLost
from flask_realtime.backends.redis.maintenance import Reap, Settle, Verify, WriteLeft
from tests.redis_fleet import FleetServer
from tests.redis_server import RedisServer, wait_until
from tests.scripts import run_script

NewServer = Callable[..., FleetServer]
BATCH = 500


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[Redis]:
    with Redis.from_url(redis_server.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def channel() -> str:
    return f"a[b]*?{uuid.uuid4().hex}"


@pytest.fixture
def new_server(redis_server: RedisServer, client: Redis, channel: str) -> Iterator[NewServer]:  # noqa: ARG001 - it is empty first
    servers = []

    def make(server_id: str, **options: float) -> FleetServer:
        servers.append(FleetServer(redis_server.url, server_id, channel=channel, **options))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def left(server: FleetServer) -> dict[str, str]:
    return server.entries.pending_writes.take(100, lambda _: 1)


def reap(server: FleetServer, victim: FleetServer) -> list[tuple[str, bool]]:
    return [(report.user_id, report.online) for report in Reap(server.lease, victim.lease.name).perform() or []]


def test_a_lease_is_held_until_redis_forgets_it(new_server: NewServer, client: Redis) -> None:
    server = new_server("here")
    assert [server.lease.renew() for _ in range(2)] == [HELD] * 2
    assert server.lease.name.startswith("here.")
    server.lease.needs_renewal = True
    server.lease.renew()
    assert not server.lease.needs_renewal
    client.flushall()
    assert server.lease.renew() == LOST


def test_values_that_are_missing_are_noticed_with_a_renewal(new_server: NewServer, client: Redis, channel: str) -> None:
    server = new_server("here")
    names: list[str] = []
    told: list[str] = []
    server.lease.watch(lambda: names, lambda: told.append("lost"))
    server.lease.watch(lambda: ["polls:counts:there"], lambda: told.append("another one"))
    for name in ("polls:counts:there", "polls:votes:1", "polls:votes:2"):
        client.set(f"{{{channel}}}:{name}", "1 {}")
    assert server.lease.renew() == HELD
    names += ["polls:votes:1", "polls:votes:2"]
    assert server.lease.renew() == HELD
    assert told == []
    client.delete(f"{{{channel}}}:polls:votes:2")
    assert server.lease.renew() == HELD
    assert told == ["lost"]
    names.clear()
    client.flushall()
    assert server.lease.renew() == LOST
    assert told == ["lost", "another one"]


def test_leases_that_redis_forgot_are_adopted_where_it_still_has_their_connections(
    new_server: NewServer, client: Redis, channel: str
) -> None:
    here, there = new_server("here"), new_server("there")
    here.lease.adopt()
    there.presence.add("ann", "c1")
    client.delete(f"{{{channel}}}:servers")
    here.lease.adopt()
    assert client.zrange(f"{{{channel}}}:servers", 0, -1) == [there.lease.name.encode()]
    assert here.presence.users() == ["ann"]


def test_a_redis_that_came_back_from_its_disk_may_have_lost_something() -> None:
    with RedisServer(options=("--appendonly", "yes", "--appendfsync", "always")) as stored:
        server = FleetServer(stored.url, "here")
        told: list[str] = []
        server.lease.watch(lambda: ["polls:votes:1"], lambda: told.append("outdated"))
        with Redis.from_url(stored.url) as client:
            client.set("{flask_realtime}:polls:votes:1", "1 {}")
        assert server.lease.renew() == HELD
        assert told == []
        stored.restart()
        outcomes: list[str] = []

        def renew() -> bool:
            with suppress(BackendUnavailable):
                outcomes.append(server.lease.renew())
            return len(outcomes) == 2

        wait_until(renew)
        assert outcomes == [LOST, HELD]
        assert told == ["outdated"]
        server.close()


def test_a_new_lease_has_another_name_and_knows_what_became_of_the_old_one(new_server: NewServer) -> None:
    server = new_server("here")
    server.lease.renew()
    names = {server.lease.name}
    for has_lost_data in (False, True):
        server.lease.begin_anew(has_lost_data=has_lost_data)
        assert (server.lease.name, server.lease.was_reaped) == ("", not has_lost_data)
        assert server.lease.renew() == HELD
        names.add(server.lease.name)
    assert len(names) == 3


def test_nothing_is_written_under_a_lease_that_has_ended(new_server: NewServer) -> None:
    server, other = new_server("here"), new_server("there")
    server.presence.add("ann", "c1")
    server.lease.end()
    with pytest.raises(BackendUnavailable):
        server.lease.renew()
    server.presence.add("bob", "c2")
    assert other.presence.users() == ["ann"]


def test_a_lease_that_is_lost_is_doubtful_and_says_so(new_server: NewServer, client: Redis) -> None:
    server = new_server("here")
    server.lease.renew()
    client.flushall()
    with pytest.raises(LeaseLost):
        server.lease.run(scripts.leave_all("ann", "c1", "", []))
    assert server.lease.needs_renewal


def test_names_are_those_of_one_kind_in_a_channel_of_any_name(new_server: NewServer, client: Redis, channel: str) -> None:
    server = new_server("here")
    server.presence.add("ann", "c1")
    server.presence.add("bob*", "c2")
    client.set(f"{{{channel.replace('[b]', 'b')}}}:user:zed", "not ours")
    assert sorted(server.lease.names("user")) == ["ann", "bob*"]
    assert server.lease.names("server") == [server.lease.name]
    assert server.lease.names("nothing") == []


def test_connections_on_other_servers_are_counted(new_server: NewServer) -> None:
    here, there = new_server("here"), new_server("there")
    here.presence.add("ann", "c1")
    for number in range(3):
        there.presence.add("ann", f"d{number}")
    assert here.lease.count_connections("ann", 60.0) == (3, 0)
    assert here.lease.count_connections("ann", 0.0) == (0, 3)
    assert there.lease.count_connections("ann", 60.0) == (1, 0)


def test_a_child_forked_while_a_lease_is_taken_takes_one_of_its_own(new_server: NewServer) -> None:
    server = new_server("here")
    server.lease.renew()
    reading, writing = os.pipe()
    with server.lease._lock:
        child = os.fork()
        if child == 0:
            signal.alarm(30)  # A lock of the parent's would never be released here.
            server.lease.renew()
            os.write(writing, server.lease.name.encode())
            os._exit(0)
    os.close(writing)
    name = os.read(reading, 200).decode()
    os.close(reading)
    os.waitpid(child, 0)
    assert name.startswith("here.")
    assert name.count(".") == 2
    assert name != server.lease.name


def test_what_was_left_is_written_in_batches(new_server: NewServer) -> None:
    here, there = new_server("here"), new_server("there")
    here.entries.pending_writes.leave({f"c{number}": "ann" for number in range(BATCH + 1)})
    for number in range(BATCH + 1):
        here.entries.connected_users.add("ann", f"c{number}")
    duty = WriteLeft(here.entries)
    assert duty.perform() == []
    assert len(there.presence.connections("ann")) == BATCH
    assert not here.entries.pending_writes.is_clear
    assert duty.perform() == []
    assert len(there.presence.connections("ann")) == BATCH + 1
    assert (duty.perform(), here.entries.pending_writes.is_clear) == (None, True)


def test_connections_whose_writing_lost_the_lease_are_left_again(new_server: NewServer, client: Redis) -> None:
    server = new_server("here")
    server.presence.add("ann", "c1")
    client.flushall()
    server.entries.leave_all_to_be_written()
    with pytest.raises(LeaseLost):
        WriteLeft(server.entries).perform()
    assert left(server) == {"c1": "ann"}


def test_whose_server_was_taken_for_dead_is_offline_and_online_again(new_server: NewServer) -> None:
    here, there = new_server("here"), new_server("there")
    here.presence.add("ann", "c1")
    here.presence.add("bob", "c2")
    there.presence.add("bob", "d1")
    assert reap(there, here) == [("ann", False)]
    assert there.presence.users() == ["bob"]
    assert here.lease.renew() == REAPED
    here.lease.begin_anew(has_lost_data=False)
    here.entries.leave_all_to_be_written()
    duty = WriteLeft(here.entries)
    assert [(report.user_id, report.online) for report in duty.perform() or []] == [("ann", True)]
    assert here.lease.was_reaped
    assert duty.perform() is None
    assert not here.lease.was_reaped
    assert sorted(there.presence.users()) == ["ann", "bob"]


def test_servers_that_live_are_not_reaped(new_server: NewServer) -> None:
    here, there = new_server("here"), new_server("there")
    for server in (here, there):
        server.presence.add("ann", f"c-{server.lease.server_id}")
    assert Reap(here.lease).perform() is None
    assert there.lease.renew() == HELD


def test_what_redis_lost_of_a_connection_is_left_to_be_written(new_server: NewServer, client: Redis, channel: str) -> None:
    server = new_server("here")
    server.presence.add("ann", "c1")
    server.presence.add("bob", "c2")
    server.conversations.join("1", "bob", "c2")
    duty = Verify(server.entries)
    assert duty.perform() is None
    duty.begin()
    assert (duty.perform(), duty.perform(), left(server)) == ([], None, {})
    client.delete(f"{{{channel}}}:user:ann")
    duty.begin()
    assert (duty.perform(), left(server)) == ([], {"c1": "ann"})


def test_a_connection_that_went_while_it_was_verified_is_not_left(new_server: NewServer, client: Redis, channel: str) -> None:
    server = new_server("here")
    server.presence.add("ann", "c1")
    client.delete(f"{{{channel}}}:user:ann")
    duty = Verify(server.entries)
    duty.begin()
    server.entries.connected_users.remove("ann", "c1")
    assert (duty.perform(), left(server)) == ([], {})


def test_connections_are_verified_in_batches_that_count_what_they_joined(new_server: NewServer) -> None:
    server = new_server("here")
    for number in range(BATCH // 2 + 1):
        server.entries.connected_users.add("ann", f"c{number}")
        server.entries.trackers["conversations:members"].join("1", "ann", f"c{number}")
    duty = Verify(server.entries)
    duty.begin()
    assert duty.perform() == []
    assert len(server.entries.pending_writes.take(10_000, lambda _: 1)) == BATCH // 2
    assert duty.perform() == []
    assert len(server.entries.pending_writes.take(10_000, lambda _: 1)) == 1
    assert duty.perform() is None


def test_users_are_settled_once(new_server: NewServer) -> None:
    server = new_server("here", grace=0.0)
    duty = Settle(server.entries)
    assert duty.perform() is None
    server.entries.outage_journal.written("ann", answers.UNSETTLED, is_there=False)
    assert [(report.user_id, report.online) for report in duty.perform() or []] == [("ann", False)]
    assert duty.perform() is None


MADE_BEFORE_GEVENTS_PATCHES = """
import signal, sys, threading, time, warnings
from tests.redis_fleet import FleetServer

signal.alarm(60)  # Whoever waits for an old lock stops everything.
server = FleetServer(sys.argv[1], "here", ttl=60, renew=20)
from gevent import monkey
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    monkey.patch_all()
from tests.redis_server import wait_until

server.start()
wait_until(lambda: server.lease.name)
server.entries.pending_writes.begin("c1")
server.presence.add("ann", "c1")
server.entries.pending_writes.end("c1")
server.housekeeping.give_sign_of_life()
wait_until(lambda: server.entries.pending_writes.is_clear)
server.close()
"""


def test_a_housekeeping_that_is_older_than_gevents_patches_works(redis_server: RedisServer) -> None:
    run_script(MADE_BEFORE_GEVENTS_PATCHES, redis_server.url)
