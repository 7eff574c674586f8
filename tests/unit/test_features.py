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


def test_presence_knows_everybody_and_each_of_their_connections() -> None:
    presence = Presence(MemoryPresence())
    presence.connected("c1", "ann", "phone")
    presence.connected("c2", "ann")
    presence.connected("c3", "ben")
    assert (sorted(presence.users()), presence.count()) == (["ann", "ben"], 2)
    assert [(entry.connection_id, entry.device) for entry in presence.connections("ann")] == [("c1", "phone"), ("c2", "")]
    assert presence.connections("zed") == []
    assert presence.status("ben") == {"userId": "ben", "status": "online"}
    assert presence.status("zed") == {"userId": "zed", "status": "offline"}
    assert [presence.has_more_than(number, "ann", 1.0) for number in (1, 2, 3)] == [True, False, False]


def test_the_changes_of_a_users_status_are_in_order_and_may_be_dropped() -> None:
    send = Presence.status_changed("ann", online=False, audience=None, version=7)
    assert (send.event, send.args) == ("user:status-changed", ({"userId": "ann", "status": "offline"},))
    assert (send.order, send.volatile) == (("user:ann", 7), True)


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


def test_a_conversation_knows_its_users_and_a_connection_its_conversations() -> None:
    conversations = Conversations(MemoryConversations())
    for connection_id, user_id, conversation_id in (("c1", "ann", "1"), ("c2", "ann", "1"), ("c3", "ben", "1"), ("c3", "ben", "2")):
        conversations.join(connection_id, conversation_id)
        conversations.share_join(connection_id, user_id, conversation_id)
    assert sorted(conversations.online_users("1")) == ["ann", "ben"]
    assert conversations.sizes() == {"1": 2, "2": 1}
    assert [conversations.count_joined(name) for name in ("c1", "c3", "c4")] == [1, 2, 0]
    assert not conversations.leave("c1", "2")
    assert conversations.leave("c3", "1")
    conversations.share_leave("c3", "1")
    assert conversations.online_users("1") == ["ann"]
    assert conversations.is_joined("c3", "2")
    assert conversations.disconnected("c3") == ["2"]
    conversations.share_end("c3")
    assert conversations.sizes() == {"1": 1}
    assert conversations.disconnected("c3") == []


def test_a_join_that_was_overtaken_by_leaving_is_taken_back() -> None:
    conversations = Conversations(MemoryConversations())
    conversations.join("c1", "1")
    conversations.leave("c1", "1")
    conversations.share_leave("c1", "1")
    conversations.share_join("c1", "ann", "1")
    assert conversations.online_users("1") == []


def test_an_applications_own_event_goes_to_the_conversation() -> None:
    send = Conversations.custom("7", "poll:new", ({"id": 1}, "two"))
    assert (send.event, send.args, send.rooms) == ("poll:new", ({"id": 1}, "two"), ("conversation:7",))


@pytest.mark.parametrize("bad", ["", None, True])
def test_each_id_of_a_message_is_checked_and_the_error_names_it(bad: Any) -> None:
    with pytest.raises(InvalidId, match="message_ids"):
        messages.messages_read("7", ["1", bad], "ann")
    with pytest.raises(InvalidId, match="conversation_id"):
        messages.messages_read(bad, ["1"], "ann")
    with pytest.raises(InvalidId, match="message_id"):
        messages.message_deleted("7", bad)
    with pytest.raises(InvalidId, match="conversation_id"):
        messages.message_deleted(bad, "1")


def test_events_have_the_contracts_names() -> None:
    sends = [messages.new_message("7", {}), messages.messages_read("7", [], None), messages.message_deleted("7", "1")]
    assert [send.event for send in sends] == ["message:new", "messages:read", "message:deleted"]
    told = [
        notifications.new_notification("7", {"a": 1}),
        notifications.notification_read("7", 3),
        notifications.order_update("7", 1),
    ]
    assert [(send.event, send.args) for send in told] == [
        ("notification:new", ({"a": 1},)),
        ("notification:read", (3,)),
        ("order:update", (1,)),
    ]
    assert notifications.all_notifications_read("7").args == ()
    assert not any(send.volatile or send.order for send in (*sends, *told)), "nobody may do without these"
    assert notifications.to_user("7", "news", 1, 2).args == (1, 2)
