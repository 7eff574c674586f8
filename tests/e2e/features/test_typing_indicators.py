"""Typing indicators: who sees them, and when they end by themselves."""

from collections.abc import Callable

import pytest

from tests.e2e.api import Api
from tests.e2e.clients import Client
from tests.e2e.conftest import ClientFactory, NewId, ServerWith
from tests.e2e.servers import poll

OK = {"ok": True}
SHORT = 0.4
SECONDS = 10.0


def joined(connect: ClientFactory, conversation: str | int, *users: str, api: Api | None = None) -> list[Client]:
    """Connect a client for each user and have it join."""
    clients = [connect(user, api=api) for user in users]
    assert [client.call("join:conversation", conversation) for client in clients] == [OK] * len(clients)
    return clients


@pytest.mark.parametrize("event", ["typing:start", "typing:stop"])
def test_other_users_see_it_and_not_the_users_own_devices(connect: ClientFactory, new_id: NewId, event: str) -> None:
    conversation, ann, ben = new_id("conversation"), new_id("ann"), new_id("ben")
    typist, own_phone, other, other_phone = joined(connect, conversation, ann, ann, ben, ben)
    stranger = connect(new_id("carl"))
    about = {"conversationId": conversation}
    assert typist.call("typing:start", about) == OK
    assert typist.call("typing:stop", about) == OK
    for client in (other, other_phone):
        assert client.wait_for(event).data == {"conversationId": conversation, "userId": ann}
    for client in (typist, own_phone, stranger):
        client.assert_none(event)


@pytest.mark.parametrize("event", ["typing:start", "typing:stop"])
def test_only_a_joined_connection_may_type(connect: ClientFactory, new_id: NewId, event: str) -> None:
    conversation, ann = new_id("conversation"), new_id("ann")
    _first_tab, other = joined(connect, conversation, ann, new_id("ben"))
    second_tab = connect(ann)
    answer = second_tab.call(event, {"conversationId": conversation})
    assert answer["error"]["code"] == "not_joined"
    second_tab.emit(event, {"conversationId": conversation})
    assert second_tab.wait_for("realtime:error").data["error"]["code"] == "not_joined"
    other.assert_none(event)


def test_a_numeric_conversation_is_named_as_the_client_named_it(connect: ClientFactory, new_id: NewId) -> None:
    ann = new_id("ann")
    number = int(new_id("").strip("-")[:8], 16)
    typist, other = joined(connect, number, ann, new_id("ben"))
    typist.call("typing:start", {"conversationId": number})
    assert other.wait_for("typing:start").data == {"conversationId": number, "userId": ann}


ENDINGS: dict[str, Callable[[Client, str], object]] = {
    "leaving": lambda client, conversation: client.call("leave:conversation", conversation),
    "disconnecting": lambda client, _conversation: client.disconnect(),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_typing_ends_with_the_typists_presence(connect: ClientFactory, new_id: NewId, ending: str) -> None:
    conversation, ann = new_id("conversation"), new_id("ann")
    typist, other = joined(connect, conversation, ann, new_id("ben"))
    typist.call("typing:start", {"conversationId": conversation})
    other.wait_for("typing:start")
    ENDINGS[ending](typist, conversation)
    assert other.wait_for("typing:stop").data == {"conversationId": conversation, "userId": ann}
    other.assert_none("typing:stop")


def test_who_was_not_typing_leaves_without_a_stop(connect_js: ClientFactory, api: Api, new_id: NewId) -> None:
    conversation, ann = new_id("conversation"), new_id("ann")
    quiet, other = joined(connect_js, conversation, ann, new_id("ben"))
    quiet.disconnect()
    api.wait_for_hook("disconnect", ann)
    other.assert_none("typing:stop")


def test_silence_ends_typing(connect: ClientFactory, server_with: ServerWith, new_id: NewId) -> None:
    api = server_with(REALTIME_TYPING_TIMEOUT=SHORT)
    conversation, ann = new_id("conversation"), new_id("ann")
    typist, other = joined(connect, conversation, ann, new_id("ben"), api=api)
    typist.call("typing:start", {"conversationId": conversation})
    other.wait_for("typing:start")
    assert other.wait_for("typing:stop", timeout=SHORT * 5).data == {"conversationId": conversation, "userId": ann}
    typist.assert_none("typing:stop")


def test_a_stop_is_not_followed_by_another(connect_js: ClientFactory, server_with: ServerWith, new_id: NewId) -> None:
    api = server_with(REALTIME_TYPING_TIMEOUT=SHORT)
    conversation, ann = new_id("conversation"), new_id("ann")
    typist, other = joined(connect_js, conversation, ann, new_id("ben"), api=api)
    typist.call("typing:start", {"conversationId": conversation})
    typist.call("typing:stop", {"conversationId": conversation})
    other.wait_for("typing:stop")
    # A later typist's stop proves that the first one's time went by.
    other.call("typing:start", {"conversationId": conversation})
    typist.wait_for("typing:stop", timeout=SHORT * 5)
    other.assert_none("typing:stop")


def test_who_goes_on_typing_is_seen_by_whoever_is_there_by_then(connect: ClientFactory, new_id: NewId) -> None:
    about, ann, ben = {"conversationId": new_id("conversation")}, new_id("ann"), new_id("ben")
    typist, leaver, stayer = joined(connect, about["conversationId"], ann, ben, ben)

    def type_on(times: int) -> None:
        for _ in range(times):
            typist.emit("typing:start", about)
        typist.call("user:get-status", ann)

    def seen(client: Client) -> list[int]:
        return [len(client.received(name)) for name in ("typing:start", "typing:stop")]

    type_on(4)
    assert poll(lambda: seen(leaver) == seen(stayer) == [4, 0], SECONDS)
    assert leaver.call("leave:conversation", about["conversationId"]) == OK
    comer, own_phone = joined(connect, about["conversationId"], new_id("carl"), ann)
    type_on(3)
    typist.call("leave:conversation", about["conversationId"])
    typist.emit("typing:start", about)
    assert typist.wait_for("realtime:error").data["error"]["code"] == "not_joined"
    for client, times, stops in ((leaver, 4, 0), (stayer, 7, 1), (comer, 3, 1), (own_phone, 0, 0)):
        assert poll(lambda c=client, e=[times, stops]: seen(c) == e, SECONDS), seen(client)  # type: ignore[misc]
        client.settle()
        assert seen(client) == [times, stops]
        assert all(event.data == {**about, "userId": ann} for event in client.received("typing:start"))


def test_going_on_typing_puts_the_end_off(connect_js: ClientFactory, server_with: ServerWith, new_id: NewId) -> None:
    api = server_with(REALTIME_TYPING_TIMEOUT=SHORT)
    conversation, ann, ben = new_id("conversation"), new_id("ann"), new_id("ben")
    typist, short_typist, watcher = joined(connect_js, conversation, ann, ben, new_id("carl"), api=api)
    short_typist.call("typing:start", {"conversationId": conversation})
    while not watcher.received("typing:stop"):
        typist.call("typing:start", {"conversationId": conversation})
    assert [event.data["userId"] for event in watcher.received("typing:stop")] == [ben]
    watcher.wait_for("typing:stop", lambda data: data["userId"] == ann, timeout=SHORT * 5)
