"""What the example tells its connected users, and what they can tell it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from example_app.extensions import db
from flask_realtime.testing import CapturedEvent, RealtimeTestClient, capture_events
from tests.integration.example_support import Caller, Example, error, eventually, new_example, sqlite_url

NOTIFICATION = {"userId": "2", "type": "order", "title": "Shipped", "message": "It is on its way"}


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Example]:
    with new_example(sqlite_url(tmp_path), tmp_path) as example:
        yield example


@pytest.fixture
def sent(example: Example) -> Iterator[list[CapturedEvent]]:
    with capture_events(example.app) as captured:
        yield captured


def connected(example: Example, caller: Caller) -> RealtimeTestClient:
    return RealtimeTestClient(example.app, caller.token)


def test_an_answer_is_kept_by_nobody_and_taken_for_what_it_says(example: Example) -> None:
    for path in ("/api/users", "/api/conversations", "/healthz"):
        headers = example.user("alice").get(path).headers
        assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")


def test_new_message_is_told_to_the_conversation(example: Example, sent: list[CapturedEvent]) -> None:
    answer = example.user("alice").post("/api/conversations/1/messages", {"content": "hello"})
    (event,) = sent
    assert (event.event, event.data, event.skipped) == ("message:new", answer.json, None)
    assert event.is_to_conversation("1")


def test_a_message_that_is_sent_again_is_told_once(example: Example, sent: list[CapturedEvent]) -> None:
    alice, bob = example.user("alice"), example.user("bob")
    path, message = "/api/conversations/1/messages", {"content": "hello", "clientId": "c1"}
    first = alice.post(path, message)
    with connected(example, alice) as client:
        over_socket = client.call("message:send", {**message, "conversationId": 1})
    assert over_socket == {"ok": True, "message": first.json}
    assert [(answer.status_code, answer.json) for answer in (first, alice.post(path, message))] == [(201, first.json)] * 2
    assert bob.post(path, message).json["id"] == "2", "another sender's message"
    assert [event.data["id"] for event in sent if event.event == "message:new"] == ["1", "2"]


def test_a_message_over_the_socket_is_as_one_over_http(example: Example, sent: list[CapturedEvent]) -> None:
    bob = example.user("bob")
    with connected(example, bob) as client:
        answer = client.call("message:send", {"conversationId": "1", "clientId": "c1", "content": "hello"})
        refused = client.call("message:send", {"conversationId": "2", "clientId": "c1", "content": "hello"})
    assert bob.get("/api/conversations/1/messages").json["messages"] == [answer["message"]]
    assert answer["message"]["sender"] == {"id": "2", "username": "bob"}
    assert [event.data for event in sent if event.event == "message:new"] == [answer["message"]]
    assert refused["error"]["code"] == "forbidden"


def test_newly_read_messages_are_told_to_the_conversation(example: Example, sent: list[CapturedEvent]) -> None:
    alice, bob = example.user("alice"), example.user("bob")
    ids = [example.message(alice, "1") for _ in range(2)]
    sent.clear()
    bob.post("/api/conversations/1/read", {"messageIds": ids[:1]})
    bob.post("/api/conversations/1/read", {"messageIds": ids})
    bob.post("/api/conversations/1/read", {"messageIds": ids})
    read, unread = ([event for event in sent if event.event == name] for name in ("messages:read", "unread:changed"))
    told = [{"conversationId": "1", "messageIds": [one], "userId": bob.user_id, "upTo": one} for one in ids]
    assert ([event.data for event in read], len(read) + len(unread)) == (told, len(sent))
    assert all(event.is_to_conversation("1") for event in read)
    assert [event.data["unreadCount"] for event in unread] == [1, 0]
    assert all(event.is_to_user(bob.user_id) for event in unread)


def test_a_new_conversation_is_told_to_each_participant(example: Example, sent: list[CapturedEvent]) -> None:
    bob, carol = example.user("bob"), example.user("carol")
    created = bob.post("/api/conversations", {"title": "Lunch", "participantIds": [carol.user_id]}).json
    assert [(event.event, event.data) for event in sent] == [("conversation:new", created)] * len(sent)
    assert [any(event.is_to_user(user_id) for event in sent) for user_id in ("1", "2", "3")] == [False, True, True]


def test_deleted_message_is_told_to_the_conversation(example: Example, sent: list[CapturedEvent]) -> None:
    alice = example.user("alice")
    _, message_id = (example.message(alice, "1") for _ in range(2))
    sent.clear()
    alice.delete(f"/api/conversations/1/messages/{message_id}")
    alice.delete(f"/api/conversations/1/messages/{message_id}")
    (event,) = sent
    assert (event.event, event.data) == ("message:deleted", {"conversationId": "1", "messageId": message_id})
    assert message_id == "2", "another number than the conversation's"
    assert event.is_to_conversation("1")


def test_notification_and_order_are_told_to_their_user(example: Example, sent: list[CapturedEvent]) -> None:
    alice = example.user("alice")
    notification = alice.post("/api/notifications", NOTIFICATION).json
    order = alice.post("/api/orders", {"userId": 2, "status": "shipped"}).json
    assert [(event.event, event.data) for event in sent] == [("notification:new", notification), ("order:update", order)]
    assert all(event.is_to_user("2") for event in sent)


def test_announcement_is_told_to_everyone(example: Example, sent: list[CapturedEvent]) -> None:
    answer = example.user("alice").post("/api/announcements", {"message": "Closing at six"})
    (event,) = sent
    assert (event.event, event.data) == ("announcement", answer.json)
    assert event.is_to_everyone


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/conversations/1/messages", {"content": ""}),
        ("/api/conversations/99/messages", {"content": "hello"}),
        ("/api/conversations", {"participantIds": ["1", "99"]}),
        ("/api/conversations/1/members", {"userIds": ["1"]}),
        ("/api/conversations/1/read", {"messageIds": ["99"]}),
        ("/api/notifications", {**NOTIFICATION, "userId": "1"}),
        ("/api/orders", {"userId": 2, "status": "shipped"}),
        ("/api/announcements", {"message": "hello"}),
    ],
)
def test_nothing_is_told_of_what_did_not_happen(example: Example, sent: list[CapturedEvent], path: str, body: object) -> None:
    example.user("bob").post(path, body)
    assert sent == []


def test_what_is_not_stored_is_not_told(example: Example, sent: list[CapturedEvent]) -> None:
    alice = example.user("alice")
    with example.app.app_context():
        db.metadata.tables["orders"].drop(db.engine)
    assert error(alice.post("/api/orders", {"userId": 2, "status": "new"})) == (500, "internal_error")
    assert sent == []


def test_participants_join_and_hear(example: Example) -> None:
    alice, bob, carol = map(example.user, ("alice", "bob", "carol"))
    private = example.conversation(alice, bob)
    with connected(example, bob) as listener, connected(example, carol) as stranger:
        assert listener.call("join:conversation", private) == {"ok": True}
        assert stranger.call("join:conversation", private)["error"]["code"] == "forbidden"
        message = alice.post(f"/api/conversations/{private}/messages", {"content": "hello"}).json
        assert listener.wait_for("message:new").data == message


@pytest.mark.parametrize("unknown", ["99", "x", "01", "9" * 100, 2**70])
def test_unknown_conversations_cannot_be_joined(example: Example, unknown: object) -> None:
    with connected(example, example.user("bob")) as client:
        assert client.call("join:conversation", unknown)["error"]["code"] == "forbidden"


def test_reading_a_notification_is_stored(example: Example) -> None:
    bob, alice = example.user("bob"), example.user("alice")
    first, second = (bob.post("/api/notifications", NOTIFICATION).json["id"] for _ in range(2))
    with connected(example, bob) as owner, connected(example, alice) as other:
        assert other.call("notification:read", first)["error"]["code"] == "not_found"
        assert owner.call("notification:read", "x")["error"]["code"] == "not_found"
        assert unread(bob) == 2
        assert owner.call("notification:read", first) == {"ok": True}
        assert unread(bob) == 1
        assert owner.call("notifications:read-all") == {"ok": True}
        assert unread(bob) == 0
    assert second


def unread(caller: Caller) -> Any:
    return caller.get("/api/notifications").json["unreadCount"]


def test_connected_user_is_listed_online(example: Example) -> None:
    bob = example.user("bob")
    with connected(example, bob):
        found = statuses(bob)
    assert found == {"alice": "offline", "bob": "online", "carol": "offline"}


def test_presence_is_for_those_who_share_a_conversation(example: Example) -> None:
    alice, bob, dave = map(example.user, ("alice", "bob", "dave"))
    with connected(example, bob) as client, connected(example, dave) as stranger:
        assert statuses(dave) == {"alice": "offline", "bob": "offline", "carol": "offline", "dave": "online"}
        assert statuses(alice) == {"alice": "offline", "bob": "online", "carol": "offline", "dave": "offline"}
        asked = stranger.call("users:get-status", [bob.user_id, dave.user_id])
        assert asked == [{"userId": bob.user_id, "status": "offline"}, {"userId": dave.user_id, "status": "online"}]
        assert stranger.call("user:get-status", bob.user_id) == {"userId": bob.user_id, "status": "offline"}
        assert client.call("user:get-status", dave.user_id) == {"userId": dave.user_id, "status": "offline"}
        example.conversation(bob, dave)
        assert stranger.call("user:get-status", bob.user_id) == {"userId": bob.user_id, "status": "online"}
        assert statuses(dave)["bob"] == "online"


def statuses(caller: Caller) -> dict[str, str]:
    return {user["username"]: user["status"] for user in caller.get("/api/users").json}


def test_coming_and_going_is_told_to_those_who_share_a_conversation(example: Example, sent: list[CapturedEvent]) -> None:
    alice, dave, eve = map(example.user, ("alice", "dave", "eve"))
    example.conversation(dave, alice)
    sent.clear()
    with connected(example, dave):
        pass
    eventually(example.app, lambda: len(changes(sent)) == 2)
    assert [event.data["status"] for event in changes(sent)] == ["online", "offline"]
    for event in changes(sent):
        assert (event.is_to_user(alice.user_id), event.is_to_user(eve.user_id), event.is_to_everyone) == (True, False, False)


def changes(sent: list[CapturedEvent]) -> list[CapturedEvent]:
    return [event for event in sent if event.event == "user:status-changed"]


def test_logging_out_ends_the_connections_of_the_session(example: Example) -> None:
    tokens = example.nobody.post("/api/auth/login", {"username": "bob", "password": "demo"}).json
    older = Caller(example.app, "2", tokens["accessToken"])
    newer = Caller(
        example.app, "2", Caller(example.app, token=tokens["refreshToken"]).post("/api/auth/refresh").json["accessToken"]
    )
    with connected(example, older) as first, connected(example, newer) as second, connected(example, example.user("bob")) as other:
        newer.post("/api/auth/logout")
        eventually(example.app, lambda: not first.is_connected)
        eventually(example.app, lambda: not second.is_connected)
        assert other.call("user:get-status", "2") == {"userId": "2", "status": "online"}
