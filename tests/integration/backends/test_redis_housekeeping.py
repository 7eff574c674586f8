"""The thread that keeps a server's lease: when it renews, whom it tells, and how it ends."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis

from flask_realtime.backends.redis.housekeeping import Housekeeping
from tests.redis_fleet import FleetServer
from tests.redis_server import RedisServer, wait_until

NewServer = Callable[..., FleetServer]
LONG = 60.0


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[Redis]:
    with Redis.from_url(redis_server.url, decode_responses=True) as client:
        client.flushall()
        yield client


@pytest.fixture
def channel() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def new_server(redis_server: RedisServer, client: Redis, channel: str) -> Iterator[NewServer]:  # noqa: ARG001 - it is empty first
    """Makes servers, not started; they end with the test."""
    servers: list[FleetServer] = []

    def make(server_id: str, **options: float) -> FleetServer:
        servers.append(FleetServer(redis_server.url, server_id, channel=channel, **options))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


class Leases:
    """What Redis knows of leases.

    Args:
        client: A client.
        channel: What the names of all keys begin with.
    """

    def __init__(self, client: Redis, channel: str) -> None:
        self._client = client
        self._base = f"{{{channel}}}"

    def end_of(self, server: FleetServer) -> float:
        """When a server's lease ends; 0 where there is none."""
        name = server.lease.name
        end: Any = self._client.zscore(f"{self._base}:servers", name) if name else None
        return float(end or 0)

    def is_leaving(self, server: FleetServer) -> bool:
        """Whether a server has said that it is about to stop."""
        return bool(self._client.sismember(f"{self._base}:leaving", server.lease.name))

    def wait_for_renewals(self, server: FleetServer, count: int = 1) -> None:
        """Wait until a lease has been renewed so many times."""
        for _ in range(count):
            self.wait_until_after(server, self.end_of(server))

    def start(self, server: FleetServer) -> None:
        """Start a server, and wait until it has renewed its lease."""
        server.lease.renew()
        before = self.end_of(server)
        server.start()
        self.wait_until_after(server, before)

    def wait_until_after(self, server: FleetServer, end: float) -> None:
        """Wait until a lease ends later than that."""
        wait_until(lambda: self.end_of(server) > end)


@pytest.fixture
def leases(client: Redis, channel: str) -> Leases:
    return Leases(client, channel)


def housekeepers() -> int:
    return sum(thread.name == "realtime-housekeeping" for thread in threading.enumerate())


def test_a_lease_is_renewed_as_long_as_its_server_runs(new_server: NewServer, leases: Leases) -> None:
    here, there = (new_server(name, ttl=0.6).start() for name in ("here", "there"))
    here.presence.add("ann", "c1")
    leases.wait_for_renewals(here, 6)
    assert there.told == []
    assert there.presence.users() == ["ann"]


def test_a_third_of_a_lease_and_a_fifth_are_the_intervals_where_nobody_says(new_server: NewServer, leases: Leases) -> None:
    here, dead = new_server("here", ttl=1.2, grace=0.1), new_server("dead", ttl=0.3)
    dead.presence.add("ann", "c1")
    here.housekeeping = Housekeeping(here.entries)
    here.start()
    leases.wait_for_renewals(here)
    first = leases.end_of(here)
    leases.wait_for_renewals(here)
    assert 0.3e6 < leases.end_of(here) - first < 1.2e6
    wait_until(lambda: here.of("offline") == ["ann"], 10)


def test_starting_twice_changes_nothing(new_server: NewServer) -> None:
    here, dead = new_server("here", grace=0.1), new_server("dead", ttl=0.1)
    dead.presence.add("ann", "c1")
    before = housekeepers()
    here.start()
    here.housekeeping.start(lambda *_change: here.told.append(("offline", "told twice", 0)))
    assert housekeepers() == before + 1
    wait_until(lambda: len(here.told) > 0)
    assert here.of("offline") == ["ann"]


def test_a_sign_of_life_is_given_at_once(new_server: NewServer, leases: Leases) -> None:
    here = new_server("here", renew=LONG)
    leases.start(here)
    before = leases.end_of(here)
    here.housekeeping.give_sign_of_life()
    leases.wait_until_after(here, before)


def test_others_are_told_at_once_that_a_server_is_about_to_stop(new_server: NewServer, leases: Leases) -> None:
    here, there = new_server("here", renew=LONG), new_server("there")
    leases.start(here)
    here.presence.add("ann", "c1")
    assert not leases.is_leaving(here)
    here.housekeeping.begin_to_leave()
    wait_until(lambda: leases.is_leaving(here))
    here.housekeeping.stop()
    assert leases.end_of(here) > 0, "its clients have as long as the lease lasts"
    assert there.presence.users() == ["ann"]
    assert here.told == []


def test_a_server_that_stops_removes_what_is_left_of_it(new_server: NewServer, leases: Leases) -> None:
    here, there = new_server("here").start(), new_server("there")
    here.presence.add("ann", "c1")
    here.entries.pending_writes.leave({"c1": "ann"})
    before = housekeepers()
    for _ in range(2):
        here.housekeeping.stop()
        assert (leases.end_of(here), here.of("offline"), housekeepers()) == (0, ["ann"], before - 1)
    assert there.presence.users() == []


def test_what_only_asked_has_nothing_to_end(new_server: NewServer, client: Redis, channel: str) -> None:
    asking = new_server("asking")
    assert asking.presence.users() == []
    asking.housekeeping.stop()
    assert client.keys(f"{{{channel}}}*") == []


def test_a_server_that_stops_without_redis_leaves_the_rest_to_others(caplog: pytest.LogCaptureFixture) -> None:
    with RedisServer() as gone:
        here = FleetServer(gone.url, "here").start()
        here.presence.add("ann", "c1")
        gone.stop()
        here.close()
    assert "Another server has to remove what is left of server here" in caplog.text


def test_who_cannot_be_told_keeps_nobody_else_from_being_told(new_server: NewServer, caplog: pytest.LogCaptureFixture) -> None:
    here, dead = new_server("here", grace=0.1), new_server("dead", ttl=0.3)
    told: list[str] = []

    def tell(user_id: str, _version: int) -> None:
        told.append(user_id)
        if len(told) == 1:
            raise RuntimeError("it is broken")

    for user_id in ("ann", "bob"):
        dead.presence.add(user_id, f"c-{user_id}")
    here.housekeeping.start(tell)
    wait_until(lambda: len(told) == 2)
    assert sorted(told) == ["ann", "bob"]
    assert f"Nobody was told that user {told[0]} is offline" in caplog.text


def test_a_user_who_is_online_after_all_is_told_of_as_such(new_server: NewServer, leases: Leases) -> None:
    here, there = new_server("here", ttl=0.2, renew=LONG), new_server("there", grace=0.1).start()
    here.presence.add("ann", "c1")
    wait_until(lambda: there.of("offline") == ["ann"])
    here.start()
    wait_until(lambda: here.of("online") == ["ann"])
    assert here.of("offline") == []
    assert leases.end_of(here) > 0


def test_nobody_is_reaped_before_others_had_time_to_come_back(new_server: NewServer, leases: Leases) -> None:
    here, dead = new_server("here", grace=LONG), new_server("dead", ttl=0.1)
    dead.presence.add("ann", "c1")
    here.start()
    leases.wait_for_renewals(here, 3)
    assert here.told == []


def test_a_lease_that_redis_forgot_is_taken_anew_and_said_once(
    new_server: NewServer, leases: Leases, client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    here = new_server("here")
    leases.start(here)
    here.presence.add("ann", "c1")
    name = here.lease.name
    client.flushall()
    wait_until(lambda: here.presence.users() == ["ann"] and here.lease.name not in {"", name} and leases.end_of(here) > 0)
    wait_until(lambda: client.keys("*user:ann") != [])
    leases.wait_for_renewals(here, 2)
    assert caplog.text.count("The lease of server here was lost: all its connections are written again") == 1
    assert here.told == []


def test_what_redis_refuses_is_said_once_until_it_works_again(
    new_server: NewServer, leases: Leases, client: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    here = new_server("here")
    leases.start(here)
    noted: list[str] = []

    def is_noted() -> bool:
        return {str(field) for key in client.keys("*user:ann") for field in client.hkeys(key)} == set(noted)

    for times in (1, 2):
        with monkeypatch.context() as late:
            late.setattr(here.lease, "_patience", -1.0)
            noted.append(f"c{times}")
            here.presence.add("ann", noted[-1])
            leases.wait_for_renewals(here, 3)
            told = "What servers share cannot be kept up to date: Redis reached the script after its deadline"
            assert caplog.text.count(told) == times
        wait_until(is_noted)
        leases.wait_for_renewals(here, 2)  # The pass that wrote it has ended, and so has the refusal.


def test_what_fails_is_logged_and_tried_again(
    new_server: NewServer, client: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    here = new_server("here")
    here.entries.connected_users.add("ann", "c1")
    with monkeypatch.context() as broken:
        broken.setattr(here.entries.pending_writes, "take", lambda *_arguments: 1 / 0)
        here.entries.leave_all_to_be_written()
        here.start()
        wait_until(lambda: "Some housekeeping failed" in caplog.text)
        assert client.keys("*user:ann") == []
    wait_until(lambda: client.keys("*user:ann") != [])


def test_a_redis_that_may_evict_is_warned_about_once(
    new_server: NewServer, leases: Leases, client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    client.config_set("maxmemory", 1_000_000_000)
    client.config_set("maxmemory-policy", "allkeys-lru")
    here = new_server("here").start()
    leases.wait_for_renewals(here, 3)
    client.config_set("maxmemory", 0)
    assert caplog.text.count("Redis may evict what servers share: maxmemory-policy is allkeys-lru") == 1
    new_server("there").start()
    leases.wait_for_renewals(here, 2)
    assert caplog.text.count("Redis may evict") == 1


def test_a_server_with_nothing_to_do_lets_redis_be(redis_server: RedisServer, client: Redis) -> None:
    here = FleetServer(redis_server.url, "here", renew=LONG, grace=LONG).start()
    wait_until(lambda: here.lease.name != "")
    wait_until(lambda: all(entry["idle"] != "0" for entry in client.client_list() if entry["id"] != str(client.client_id())))
    here.close()
