"""Conversations: joining, leaving, and who is in them."""

from typing import Any

import pytest

from tests.e2e.api import Api
from tests.e2e.clients import Client
from tests.e2e.conftest import ClientFactory, NewId, join

OK = {"ok": True}
FORBIDDEN = "forbidden"


def test_nothing_arrives_after_leaving(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    conversation, other = new_id("conversation"), new_id("conversation")
    (client,) = join(connect, conversation, new_id("ann"))
    for event, of in (("join:conversation", other), ("leave:conversation", conversation)):
        assert client.call(event, of) == OK
    # The second is sent behind the first, and so proves that the first is not merely late.
    api.emit("emit_new_message", conversation, {"id": "m1"})
    api.emit("emit_new_message", other, {"id": "m2"})
    assert client.wait_for("message:new").data == {"id": "m2"}
    assert client.call("join:conversation", conversation) == OK
    api.emit("emit_new_message", conversation, {"id": "m3"})
    assert client.wait_for("message:new").data == {"id": "m3"}


def test_leaving_where_one_is_not_is_no_error(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    user, conversation = new_id("ann"), new_id("conversation")
    client = connect(user)
    assert client.call("leave:conversation", conversation) == OK
    assert client.call("leave:conversation", new_id("private")) == OK
    assert api.hooks("leave", user) == []


def test_joining_twice_is_no_error_and_brings_one_copy(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    user, conversation = new_id("ann"), new_id("conversation")
    (client,) = join(connect, conversation, user)
    assert client.call("join:conversation", conversation) == OK
    api.emit("emit_new_message", conversation, {"id": "m1"})
    client.wait_for("message:new")
    client.assert_none("message:new")
    assert api.hooks("join", user) == [[user, conversation]]


@pytest.mark.parametrize("kind", ["private", "nothing", "closed", "boom"])
def test_nothing_reaches_who_was_not_let_in(connect: ClientFactory, api: Api, new_id: NewId, kind: str) -> None:
    user, conversation = new_id("ann"), new_id(kind)
    client = connect(user)
    assert "error" in client.call("join:conversation", conversation)
    api.emit("emit_new_message", conversation, {"id": "m1"})
    api.emit("send_to_conversation", conversation, "note", 1)
    client.assert_none("message:new")
    client.assert_none("note")
    assert api.hooks("join", user) == []


def test_the_join_hook_gets_the_identity_and_the_id_as_text(connect_js: ClientFactory, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    join(connect_js, 77, user)
    assert api.hooks("authorize_join", user) == [[user, "77"]]
    assert api.hooks("join", user) == [[user, "77"]]


def test_leave_hooks_run_once_for_each_conversation(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    user, first, second = new_id("ann"), new_id("first"), new_id("second")
    (client,) = join(connect, first, user)
    client.call("join:conversation", second)
    client.call("leave:conversation", first)
    assert api.hooks("leave", user) == [[user, first]]
    client.disconnect()
    assert api.wait_for_hook("leave", user, second) == [[user, second]]
    assert len(api.wait_for_hook("disconnect", user)) == 1
    assert len(api.hooks("leave", user)) == 2


def test_online_users_are_the_distinct_users_who_joined(connect: ClientFactory, new_id: NewId) -> None:
    conversation, ann, ben = new_id("conversation"), new_id("ann"), new_id("ben")
    (client, *_others) = join(connect, conversation, ann, ann, ben)
    connect(new_id("carl"))
    assert sorted(client.call("conversation:get-online-users", conversation)) == sorted([ann, ben])


def test_who_could_join_may_ask_too(connect: ClientFactory, new_id: NewId) -> None:
    conversation, ann = new_id("conversation"), new_id("ann")
    join(connect, conversation, ann)
    assert connect(new_id("ben")).call("conversation:get-online-users", conversation) == [ann]


@pytest.mark.parametrize("kind", ["private", "nothing", "closed"])
def test_who_could_not_join_may_not_ask(connect: ClientFactory, new_id: NewId, kind: str) -> None:
    answer = connect(new_id("ann")).call("conversation:get-online-users", new_id(kind))
    assert answer["error"]["code"] == FORBIDDEN


def test_who_left_or_is_gone_is_not_online_there(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    conversation, ann, ben, carl = (new_id(name) for name in ("conversation", "ann", "ben", "carl"))
    client, leaving, going = join(connect, conversation, ann, ben, carl)
    leaving.call("leave:conversation", conversation)
    going.disconnect()
    api.wait_for_hook("disconnect", carl)
    assert client.call("conversation:get-online-users", conversation) == [ann]


def test_a_user_can_be_taken_out_of_a_conversation(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    conversation, ann, ben = new_id("conversation"), new_id("ann"), new_id("ben")
    first_tab, second_tab, other = join(connect, conversation, ann, ann, ben)
    api.emit("remove_from_conversation", conversation, ann)
    api.emit("emit_new_message", conversation, {"id": "m1"})
    assert other.wait_for("message:new").data == {"id": "m1"}
    for removed in (first_tab, second_tab):
        removed.assert_none("message:new")
        assert_not_joined(removed, conversation)
    assert other.call("conversation:get-online-users", conversation) == [ben]
    assert api.hooks("leave", ann) == [[ann, conversation]] * 2


def assert_not_joined(client: Client, conversation: Any) -> None:
    """The server does not count the connection in."""
    answer = client.call("typing:start", {"conversationId": conversation})
    assert answer["error"]["code"] == "not_joined"
