"""Conversations, without Flask or sockets."""

from flask_realtime.backends.memory import MemoryTracker
from flask_realtime.features.conversations import Conversations


def test_joining_is_remembered_until_the_connection_leaves_or_goes() -> None:
    conversations = Conversations(MemoryTracker())
    assert conversations.join("c1", "1")
    assert not conversations.join("c1", "1")
    assert conversations.is_joined("c1", "1")
    assert conversations.leave("c1", "1")
    assert not conversations.is_joined("c1", "1")
    conversations.join("c1", "2")
    assert conversations.disconnected("c1") == ["2"]
    assert not conversations.is_joined("c1", "2")


def test_a_conversation_knows_its_users_and_a_connection_its_conversations() -> None:
    conversations = Conversations(MemoryTracker())
    for connection_id, user_id, conversation_id in (("c1", "ann", "1"), ("c2", "ann", "1"), ("c3", "ben", "1"), ("c3", "ben", "2")):
        conversations.join(connection_id, conversation_id)
        conversations.share_join(connection_id, user_id, conversation_id)
    assert sorted(conversations.online_users("1")) == ["ann", "ben"]
    assert sorted(conversations.joined_anywhere()) == ["1", "2"]
    assert conversations.members("1") == {"c1": "ann", "c2": "ann", "c3": "ben"}
    assert conversations.members("2") == {"c3": "ben"}
    assert [conversations.count_joined(name) for name in ("c1", "c3", "c4")] == [1, 2, 0]
    assert not conversations.leave("c1", "2")
    assert conversations.leave("c3", "1")
    conversations.share_leave("c3", "1")
    assert conversations.online_users("1") == ["ann"]
    assert conversations.is_joined("c3", "2")
    assert conversations.disconnected("c3") == ["2"]
    conversations.share_end("c3")
    assert conversations.joined_anywhere() == ["1"]
    assert conversations.members("1") == {"c1": "ann", "c2": "ann"}
    assert conversations.disconnected("c3") == []


def test_a_join_that_was_overtaken_by_leaving_is_taken_back() -> None:
    conversations = Conversations(MemoryTracker())
    conversations.join("c1", "1")
    conversations.leave("c1", "1")
    conversations.share_leave("c1", "1")
    conversations.share_join("c1", "ann", "1")
    assert conversations.online_users("1") == []
