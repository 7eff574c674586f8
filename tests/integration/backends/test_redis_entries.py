"""A server's entries, with a real Redis: what is written at once, and what is left to the housekeeping."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from redis import Redis

from flask_realtime.backends.redis import answers, scripts
from flask_realtime.backends.redis.answers import Answer
from flask_realtime.backends.redis.scripts import State
from flask_realtime.backends.redis.tracker import RedisTracker
from tests.redis_fleet import FleetServer
from tests.redis_server import RedisServer


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[Redis]:
    with Redis.from_url(redis_server.url) as client:
        yield client


@pytest.fixture
def channel() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def server(redis_server: RedisServer, channel: str) -> Iterator[FleetServer]:
    server = FleetServer(redis_server.url, "here", channel=channel)
    yield server
    server.close()


def left(server: FleetServer) -> dict[str, str]:
    return server.entries.pending_writes.take(100, lambda _: 1)


def calls_of_on_left(server: FleetServer) -> list[str]:
    calls: list[str] = []
    server.entries.on_left(lambda: calls.append("left"))
    return calls


def test_what_redis_answered_is_left_to_nobody(server: FleetServer) -> None:
    calls = calls_of_on_left(server)
    assert server.presence.add("ann", "c1").status_changed
    server.entries.lease.needs_renewal = True
    assert not server.presence.add("ann", "c2").status_changed
    assert (calls, server.entries.pending_writes.is_clear) == ([], True)


def test_a_connection_that_is_being_written_is_left_to_the_housekeeping(server: FleetServer) -> None:
    calls = calls_of_on_left(server)
    server.entries.pending_writes.begin("c1")
    server.presence.add("ann", "c1")
    assert (calls, left(server)) == (["left"], {}), "the one that writes it has not ended"
    server.entries.pending_writes.end("c1")
    assert left(server) == {"c1": "ann"}
    assert server.presence.users() == ["ann"]


def test_while_redis_is_away_the_housekeeping_is_not_woken() -> None:
    server = FleetServer("redis://127.0.0.1:1", "here")
    calls = calls_of_on_left(server)
    assert server.presence.add("ann", "c1").status_changed
    assert (calls, left(server)) == ([], {"c1": "ann"})
    server.close()


def test_where_redis_has_forgotten_the_lease_the_housekeeping_is_woken(server: FleetServer, client: Redis, channel: str) -> None:
    server.presence.add("ann", "c1")
    calls = calls_of_on_left(server)
    client.delete(*client.keys(f"{{{channel}}}*"))
    assert server.presence.add("bob", "c2").status_changed
    assert (calls, left(server)) == (["left"], {"c2": "bob"})


def test_where_nothing_changes_nothing_is_written(server: FleetServer) -> None:
    assert server.entries.write("ann", "c1", lambda: None, scripts.add("ann", "c1", "0 ")) == (None, None)
    assert server.entries.pending_writes.is_clear
    assert server.presence.users() == []


def test_an_answer_has_the_number_of_connections_where_one_was_added(server: FleetServer) -> None:
    server.presence.add("ann", "c1")
    _, added = server.entries.write("ann", "c2", lambda: True, scripts.add("ann", "c2", "0 "))
    _, removed = server.entries.write("ann", "c2", lambda: True, scripts.remove("ann", "c2", told_online=0, joined=[]))
    assert added is not None
    assert (added.code, added.connections) == (answers.STAYS, 2)
    assert removed == Answer(answers.STAYS, removed.version if removed else 0, 0, 0)


def test_a_connections_state_is_its_own(server: FleetServer) -> None:
    server.presence.add("ann", "c1", "phone")
    server.conversations.join("1", "ann", "c1")
    server.conversations.join("2", "ann", "c1")
    since = server.entries.connected_users.connections("ann")[0].since
    topics = ["conversations:members:1", "conversations:members:2"]
    assert server.entries.state("ann", "c1") == State("c1", "ann", f"{since} phone", topics, 0, is_repeated=False, is_unheard=False)
    assert (server.entries.joined("c1"), server.entries.weight("c1"), server.entries.weight("c9")) == (topics, 3, 1)
    outage = server.entries.outage_journal
    outage.told_online["ann"] = 7
    outage.unanswered_removals.add("c1")
    outage.unanswered_arrivals.add("c2")
    assert server.entries.state("ann", "c1")[4:] == (7, True, False)
    assert server.entries.state("bob", "c2") == State("c2", "bob", "", [], 0, is_repeated=False, is_unheard=True)


def test_every_connection_is_left_whether_it_is_present_or_has_joined(server: FleetServer) -> None:
    server.presence.add("ann", "c1")
    server.conversations.join("1", "bob", "c2")
    server.entries.leave_all_to_be_written()
    assert left(server) == {"c1": "ann", "c2": "bob"}


def test_what_is_removed_from_presence_leaves_the_topics_of_every_tracker(
    server: FleetServer, redis_server: RedisServer, channel: str
) -> None:
    there = FleetServer(redis_server.url, "there", channel=channel)
    names = ("conversations:members", "polls:voters")
    trackers = [RedisTracker(server.entries, name) for name in names]
    server.presence.add("ann", "c1")
    for tracker in trackers:
        tracker.join("1", "ann", "c1")
    assert [RedisTracker(there.entries, name).users("1") for name in names] == [["ann"], ["ann"]]
    server.presence.remove("ann", "c1")
    assert [RedisTracker(there.entries, name).users("1") for name in names] == [[], []]
    assert [tracker.leave_all("c1") for tracker in trackers] == [[], []]
    there.close()


def test_the_connections_of_others_are_those_of_live_servers(server: FleetServer, redis_server: RedisServer, channel: str) -> None:
    there = FleetServer(redis_server.url, "there.too", channel=channel)
    server.presence.add("ann", "c1")
    there.presence.add("ann", "c2", "a b")
    ((connection_id, server_id, note),) = server.entries.elsewhere("user:ann")
    assert (connection_id, server_id) == ("c2", "there.too")
    assert note.endswith(" a b")
    there.close()


def test_what_another_server_noted_of_a_connection_is_read(server: FleetServer, redis_server: RedisServer, channel: str) -> None:
    there = FleetServer(redis_server.url, "there", channel=channel)
    there.presence.add("ann", "c2", "a phone")
    (own,) = there.presence.connections("ann")
    assert (own.connection_id, own.server_id, own.device) == ("c2", "there", "a phone")
    assert server.presence.connections("ann") == [own]
    there.close()
