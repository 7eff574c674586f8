"""Conversations and presence, without Flask or sockets."""

from flask_realtime.backends.memory import MemoryConversations, MemoryPresence
from flask_realtime.features.conversations import Conversations
from flask_realtime.features.presence import Presence


def test_a_second_tab_neither_comes_nor_goes() -> None:
    presence = Presence(MemoryPresence())
    assert presence.connected("c1", "ann")
    assert not presence.connected("c2", "ann")
    assert not presence.disconnected("c1", "ann")
    assert presence.is_online("ann")
    assert presence.disconnected("c2", "ann")
    assert not presence.disconnected("c2", "ann")
    assert presence.count() == 0


def test_statuses_come_in_the_order_asked_for() -> None:
    presence = Presence(MemoryPresence())
    presence.connected("c1", "ann")
    assert presence.statuses(["zed", "ann", "zed"]) == [
        {"userId": "zed", "status": "offline"},
        {"userId": "ann", "status": "online"},
        {"userId": "zed", "status": "offline"},
    ]


def test_a_status_is_told_to_everyone_or_to_an_audience() -> None:
    assert Presence.status_changed("ann", online=True, audience=None, version=1).rooms is None
    assert Presence.status_changed("ann", online=True, audience=["bob"], version=1).rooms == ("user:bob",)
    assert Presence.status_changed("ann", online=True, audience=[], version=1).rooms == ()


def test_joining_is_remembered_until_the_connection_leaves_or_goes() -> None:
    conversations = Conversations(MemoryConversations())
    assert conversations.join("c1", "1")
    assert not conversations.join("c1", "1")
    assert conversations.is_joined("c1", "1")
    assert conversations.leave("c1", "1")
    assert not conversations.is_joined("c1", "1")
    conversations.join("c1", "2")
    assert conversations.disconnected("c1") == ["2"]
    assert not conversations.is_joined("c1", "2")
