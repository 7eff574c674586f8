"""Messages, notifications and presence, without Flask or sockets."""

from typing import Any

import pytest

from flask_realtime.backends.memory import MemoryConversations, MemoryPresence
from flask_realtime.errors import InvalidId
from flask_realtime.features import messages, notifications
from flask_realtime.features.conversations import Conversations
from flask_realtime.features.presence import Presence


def test_messages_go_to_their_conversation_with_the_ids_as_they_were_spelt() -> None:
    assert messages.new_message(7, {"id": 1}).rooms == messages.new_message("7", {}).rooms == ("conversation:7",)
    assert messages.messages_read(7, [1, "2"], "ann").args == ({"conversationId": 7, "messageIds": [1, "2"], "userId": "ann"},)
    assert messages.messages_read("7", [1], None).args == ({"conversationId": "7", "messageIds": [1]},)
    assert messages.message_deleted("7", 1).args == ({"conversationId": "7", "messageId": 1},)


@pytest.mark.parametrize("bad", ["", None, True, [], "x" * 129])
def test_a_message_for_no_conversation_is_an_error(bad: Any) -> None:
    with pytest.raises(InvalidId):
        messages.new_message(bad, {})


def test_notifications_reach_all_of_a_users_devices() -> None:
    sends = [
        notifications.new_notification("7", {}),
        notifications.notification_read("7", 3),
        notifications.all_notifications_read("7"),
        notifications.order_update("7", {}),
    ]
    assert {send.rooms for send in sends} == {("user:7",)}
    assert all(send.skip_connection is None and not send.skip_rooms for send in sends)


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
