"""What every back end does; each runs through the same tests."""

import pytest

from flask_realtime.backends import ConversationBackend, PresenceBackend
from flask_realtime.backends.memory import MemoryConversations, MemoryPresence


@pytest.fixture(params=[MemoryPresence])
def presence(request: pytest.FixtureRequest) -> PresenceBackend:
    backend: PresenceBackend = request.param()
    return backend


@pytest.fixture(params=[MemoryConversations])
def conversations(request: pytest.FixtureRequest) -> ConversationBackend:
    backend: ConversationBackend = request.param()
    return backend


def test_only_the_first_and_the_last_connection_of_a_user_count(presence: PresenceBackend) -> None:
    assert [presence.add("ann", connection).happened for connection in ("c1", "c2", "c2")] == [True, False, False]
    assert [presence.remove("ann", connection).happened for connection in ("c1", "c1", "c2")] == [False, False, True]


def test_removing_what_is_not_there_changes_nothing(presence: PresenceBackend) -> None:
    presence.add("ann", "c1")
    assert not presence.remove("ann", "c2")
    assert not presence.remove("bob", "c1")
    assert presence.online(["ann", "bob"]) == {"ann"}


def test_users_are_listed_and_counted(presence: PresenceBackend) -> None:
    for user, connection in (("ann", "c1"), ("ann", "c2"), ("bob", "c3")):
        presence.add(user, connection)
    assert sorted(presence.users()) == ["ann", "bob"]
    assert presence.count() == 2
    assert presence.online([]) == set()


def test_a_conversations_users_are_distinct(conversations: ConversationBackend) -> None:
    assert conversations.join("1", "ann", "c1")
    assert not conversations.join("1", "ann", "c1")
    conversations.join("1", "ann", "c2")
    conversations.join("1", "bob", "c3")
    assert sorted(conversations.users("1")) == ["ann", "bob"]
    assert conversations.users("2") == []


def test_a_user_stays_until_the_last_connection_left(conversations: ConversationBackend) -> None:
    conversations.join("1", "ann", "c1")
    conversations.join("1", "ann", "c2")
    assert conversations.leave("1", "c1")
    assert not conversations.leave("1", "c1")
    assert conversations.users("1") == ["ann"]
    assert conversations.leave("1", "c2")
    assert conversations.users("1") == []


def test_a_connection_leaves_everything_at_once(conversations: ConversationBackend) -> None:
    for conversation in ("2", "1"):
        conversations.join(conversation, "ann", "c1")
    conversations.join("1", "bob", "c2")
    assert conversations.leave_all("c1") == ["2", "1"]
    assert conversations.leave_all("c1") == []
    assert conversations.users("1") == ["bob"]
    assert conversations.users("2") == []
