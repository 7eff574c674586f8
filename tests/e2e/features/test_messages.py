"""Messages: who receives them, in which order, and what becomes known of them."""

from tests.e2e.api import Api
from tests.e2e.conftest import ClientFactory, NewId, join


def test_a_message_reaches_everyone_who_joined(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    conversation, ann = new_id("conversation"), new_id("ann")
    clients = join(connect, conversation, ann, ann, new_id("ben"))
    stranger = connect(new_id("carl"))
    message = {"id": "m1", "conversationId": conversation, "senderId": ann, "content": "h\u00e9llo \U0001f642", "n": None}
    api.emit("emit_new_message", conversation, message)
    for client in clients:
        assert client.wait_for("message:new").data == message
    stranger.assert_none("message:new")


def test_messages_arrive_in_the_order_sent(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    client = connect(user)
    api.post("/emit-many", {"user": user, "count": 200})
    client.wait_for("number", lambda number: number == 199)
    assert [event.data for event in client.received("number")] == list(range(199))


def test_read_receipts_name_the_reader_when_there_is_one(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    conversation, reader = new_id("conversation"), new_id("ben")
    (client,) = join(connect, conversation, new_id("ann"))
    api.emit("emit_message_read", conversation, ["m1", "m2"])
    assert client.wait_for("messages:read").data == {"conversationId": conversation, "messageIds": ["m1", "m2"]}
    api.emit("emit_message_read", conversation, ["m3"], reader)
    expected = {"conversationId": conversation, "messageIds": ["m3"], "userId": reader}
    assert client.wait_for("messages:read").data == expected


def test_a_deleted_message_is_announced(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    conversation = new_id("conversation")
    (client,) = join(connect, conversation, new_id("ann"))
    stranger = connect(new_id("carl"))
    api.emit("emit_message_deleted", conversation, "m1")
    assert client.wait_for("message:deleted").data == {"conversationId": conversation, "messageId": "m1"}
    stranger.assert_none("message:deleted")
