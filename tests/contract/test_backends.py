"""What every back end does; each runs through the same tests."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from flask_realtime.backends import ConnectedUsers, Tracker
from flask_realtime.backends.backend import LocalBackend
from flask_realtime.backends.base import shared_name
from flask_realtime.backends.memory import MemoryConnectedUsers, MemoryRecord, MemoryTracker
from flask_realtime.backends.redis.tracker import RedisTracker
from flask_realtime.errors import RegistrationError
from tests.redis_cluster import RedisCluster
from tests.redis_fleet import FleetServer
from tests.redis_server import RedisServer

BACKENDS = ("memory", "redis", "cluster")
ODD_IDS = ("{ann}", "a b", "ann:1", "Zoë ☃", "%s\\", '"', "0")


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def redis_cluster() -> Iterator[RedisCluster]:
    with RedisCluster() as cluster:
        yield cluster


@pytest.fixture(params=BACKENDS)
def fleet_server(request: pytest.FixtureRequest) -> Iterator[FleetServer | None]:
    """A server on the back end, or None where that is its own memory."""
    if request.param == "memory":
        yield None
        return
    shared: RedisServer | RedisCluster = request.getfixturevalue(f"redis_{'server' if request.param == 'redis' else 'cluster'}")
    server = FleetServer(shared.url, "here", channel=uuid.uuid4().hex)
    yield server
    server.close()


@pytest.fixture
def presence(fleet_server: FleetServer | None) -> ConnectedUsers:
    return MemoryConnectedUsers(server_id="here") if fleet_server is None else fleet_server.presence


@pytest.fixture
def conversations(fleet_server: FleetServer | None) -> Tracker:
    return MemoryTracker() if fleet_server is None else fleet_server.conversations


@pytest.fixture
def trackers(fleet_server: FleetServer | None) -> list[Tracker]:
    """Three trackers, the first and the last of which are the same."""
    kinds = ("voters", "readers", "voters")
    if fleet_server is None:
        backend = LocalBackend(MemoryConnectedUsers(), MemoryTracker, MemoryRecord)
        return [backend.tracker("polls", kind) for kind in kinds]
    return [RedisTracker(fleet_server.entries, shared_name("polls", kind)) for kind in kinds]


def test_only_the_first_and_the_last_connection_of_a_user_count(presence: ConnectedUsers) -> None:
    added = [presence.add("ann", "c1"), presence.add("ann", "c2"), presence.add("ann", "c2")]
    removed = [presence.remove("ann", "c1"), presence.remove("ann", "c1"), presence.remove("ann", "c2")]
    assert [change.status_changed for change in added] == [True, False, False]
    assert [change.status_changed for change in removed] == [False, False, True]


def test_a_users_connections_are_counted(presence: ConnectedUsers) -> None:
    assert [presence.add("ann", connection).connections for connection in ("c1", "c2", "c2", "c3")] == [1, 2, 2, 3]
    presence.add("bob", "c4")
    presence.remove("ann", "c1")
    assert [presence.exceeds_limit(number, "ann", 0) for number in (1, 2)] == [True, False]
    assert presence.exceeds_limit(0, "nobody", 0) is False


def test_a_later_change_of_a_user_has_a_higher_version(presence: ConnectedUsers) -> None:
    versions = []
    for _ in range(20):
        versions += [presence.add("ann", "c1").version, presence.remove("ann", "c1").version]
    assert versions == sorted(set(versions))


def test_a_change_that_is_none_of_connections_has_a_version_among_those_of_the_user(presence: ConnectedUsers) -> None:
    before = presence.add("ann", "c1").version
    versions = [presence.next_version() for _ in range(3)]
    assert versions == sorted(set(versions))
    # Redis's versions are its time in microseconds, and this server knows that a little late.
    slack = 0 if isinstance(presence, MemoryConnectedUsers) else 1_000_000
    assert versions[0] > before - slack
    assert presence.remove("ann", "c1").version > versions[-1] - slack


def test_removing_what_is_not_there_changes_nothing(presence: ConnectedUsers) -> None:
    presence.add("ann", "c1")
    assert not presence.remove("ann", "c2").status_changed
    assert not presence.remove("bob", "c1").status_changed
    assert presence.online(["ann", "bob"]) == {"ann"}
    assert (presence.is_online("ann"), presence.is_online("bob")) == (True, False)


def test_users_are_listed_and_counted(presence: ConnectedUsers) -> None:
    for user, connection in (("ann", "c1"), ("ann", "c2"), ("bob", "c3")):
        presence.add(user, connection)
    assert sorted(presence.users()) == ["ann", "bob"]
    assert presence.count() == 2
    assert presence.online([]) == set()


def test_a_users_connections_tell_where_and_since_when_and_on_what(presence: ConnectedUsers) -> None:
    presence.add("ann", "c1", "Zoë's phone")
    presence.add("ann", "c2")
    presence.add("bob", "c3")
    entries = sorted(presence.connections("ann"))
    assert [(entry.connection_id, entry.server_id, entry.device) for entry in entries] == [
        ("c1", "here", "Zoë's phone"),
        ("c2", "here", ""),
    ]
    assert all(1_600_000_000 < entry.since < 20_000_000_000 for entry in entries)
    assert presence.connections("zed") == []


def test_ids_may_hold_any_text(presence: ConnectedUsers) -> None:
    for user in ODD_IDS:
        assert presence.add(user, f"c-{user}").status_changed
    assert set(presence.users()) == presence.online(ODD_IDS) == set(ODD_IDS)
    for user in ODD_IDS:
        assert presence.remove(user, f"c-{user}").status_changed
    assert presence.count() == 0


def test_one_of_many_that_come_at_once_is_the_first_and_one_the_last(presence: ConnectedUsers) -> None:
    connections = [f"c{number}" for number in range(24)]
    with ThreadPoolExecutor(8) as threads:
        for _ in range(10):
            added = list(threads.map(lambda connection: presence.add("ann", connection).status_changed, connections))
            removed = list(threads.map(lambda connection: presence.remove("ann", connection).status_changed, connections))
            assert (sum(added), sum(removed)) == (1, 1)
    assert presence.count() == 0


def test_a_conversations_users_are_distinct(conversations: Tracker) -> None:
    assert conversations.join("1", "ann", "c1")
    assert not conversations.join("1", "ann", "c1")
    conversations.join("1", "ann", "c2")
    conversations.join("1", "bob", "c3")
    assert sorted(conversations.users("1")) == ["ann", "bob"]
    assert conversations.members("1") == {"c1": "ann", "c2": "ann", "c3": "bob"}
    assert conversations.users("2") == []
    assert conversations.members("2") == {}


def test_a_user_stays_until_the_last_connection_left(conversations: Tracker) -> None:
    conversations.join("1", "ann", "c1")
    conversations.join("1", "ann", "c2")
    assert conversations.leave("1", "c1")
    assert not conversations.leave("1", "c1")
    assert conversations.users("1") == ["ann"]
    assert conversations.leave("1", "c2")
    assert conversations.users("1") == []


def test_a_connection_leaves_everything_at_once(conversations: Tracker) -> None:
    for conversation in ("2", "1"):
        conversations.join(conversation, "ann", "c1")
    conversations.join("1", "bob", "c2")
    assert conversations.leave_all("c1") == ["2", "1"]
    assert conversations.leave_all("c1") == []
    assert conversations.users("1") == ["bob"]
    assert conversations.users("2") == []


def test_conversations_may_have_any_name(conversations: Tracker) -> None:
    for name in ODD_IDS:
        conversations.join(name, f"user of {name}", "c1")
    assert [conversations.users(name) for name in ODD_IDS] == [[f"user of {name}"] for name in ODD_IDS]
    assert conversations.leave_all("c1") == list(ODD_IDS)
    assert [conversations.users(name) for name in ODD_IDS] == [[] for _ in ODD_IDS]


def test_what_one_tracker_knows_no_other_does(trackers: list[Tracker]) -> None:
    voters, readers, same = trackers
    for topic in ("1", "2"):
        assert voters.join(topic, "ann", "c1")
        assert readers.join(topic, "ann", "c1")
        assert not same.join(topic, "ann", "c1")
    voters.join("3", "bob", "c2")
    assert [sorted(tracker.topics()) for tracker in trackers] == [["1", "2", "3"], ["1", "2"], ["1", "2", "3"]]
    assert voters.leave("1", "c1")
    assert [tracker.users("1") for tracker in trackers] == [[], ["ann"], []]
    assert voters.leave_all("c1") == ["2"]
    assert [tracker.users("2") for tracker in trackers] == [[], ["ann"], []]
    assert readers.leave_all("c1") == ["1", "2"]


@pytest.mark.parametrize(("feature", "kind"), [("user", "members"), ("server", "members"), ("a:b", "c"), ("a", "b:c")])
def test_a_tracker_has_no_name_of_something_else(feature: str, kind: str) -> None:
    with pytest.raises(RegistrationError, match="rename it"):
        LocalBackend(MemoryConnectedUsers(), MemoryTracker, MemoryRecord).tracker(feature, kind)


def test_memory_knows_whose_the_connections_are() -> None:
    presence, conversations = MemoryConnectedUsers(server_id="here"), MemoryTracker()
    assert (presence.owners(), conversations.owners(), conversations.owner("c1")) == ({}, {}, None)
    for user, connection in (("ann", "c1"), ("ann", "c2"), ("bob", "c3")):
        presence.add(user, connection)
        conversations.join("1", user, connection)
    conversations.join("2", "bob", "c4")
    assert presence.owners() == {"c1": "ann", "c2": "ann", "c3": "bob"}
    assert conversations.owners() == {"c1": "ann", "c2": "ann", "c3": "bob", "c4": "bob"}
    assert [conversations.owner(connection) for connection in ("c1", "c4", "c9")] == ["ann", "bob", None]
    assert (conversations.topics(), conversations.joined("c4"), conversations.joined("c9")) == (["1", "2"], ["2"], [])
