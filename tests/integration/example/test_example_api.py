"""The example's calls, row by row as the contract has them."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import delete, select

from example_app.extensions import db, realtime
from example_app.health import CHECKS
from example_app.models import HealthCheck, Order, User, store
from flask_realtime.store import utc_now
from flask_realtime.testing import RealtimeTestClient
from tests.integration.example_support import Answer, Caller, Example, error, new_example, on_sqlite, recorded

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
UNKNOWN_IDS = ["99", "0", "01", "-1", "x", "1.0", "\u0667", "%FF", str(2**63), "9" * 128]
IMPOSSIBLE_IDS = ["9" * 129, "1%00", "%20"]
FORBIDDEN = (403, "forbidden")
HELLO = {"content": "hello"}
NOTIFICATION = {"userId": "2", "type": "order", "title": "Shipped", "message": "It is on its way"}


@pytest.fixture
def example(database_url: str, tmp_path: Path) -> Iterator[Example]:
    with new_example(database_url, tmp_path) as example:
        yield example


def is_bad_request(answer: Answer, field: str) -> bool:
    """Whether the example refused a field of its own requests."""
    return error(answer) == (400, "bad_request") and answer.json["error"]["message"].startswith(f"{field}: ")


def is_refused(answer: Answer, *fields: str) -> bool:
    """Whether the chat refused these fields, and named them all."""
    message = answer.json["error"]["message"]
    return error(answer) == (400, "bad_request") and all(
        f"{field} must be " in f"{message} " or f"{field} is missing" in message for field in fields
    )


def conversation(conversation_id: str, title: str | None, *people: tuple[str, str, str]) -> dict[str, Any]:
    """A conversation in which nothing has been written, but for its time; each of its people has an id, a name and a role."""
    return {
        "id": conversation_id,
        "type": "group",
        "title": title,
        "participants": [{"id": user_id, "username": username, "role": role} for user_id, username, role in people],
        "participantCount": len(people),
        "lastMessage": None,
        "lastSeq": 0,
        "pinned": [],
        "unreadCount": 0,
        "mentionCount": 0,
        "muted": False,
    }


def test_users_are_listed_with_their_status(example: Example) -> None:
    assert example.user("bob").get("/api/users").json == [
        {"id": "1", "username": "alice", "status": "offline"},
        {"id": "2", "username": "bob", "status": "offline"},
        {"id": "3", "username": "carol", "status": "offline"},
    ]


def test_users_who_are_invisible_see_themselves_in_the_list(example: Example) -> None:
    with RealtimeTestClient(example.app, example.user("bob").token) as client:
        assert client.call("presence:set", {"state": "invisible"}) == {"ok": True}
        listed = {caller: [user["status"] for user in example.user(caller).get("/api/users").json] for caller in ("alice", "bob")}
    assert listed == {"alice": ["offline"] * 3, "bob": ["offline", "online", "offline"]}


def test_users_are_listed_in_pages(example: Example) -> None:
    with example.app.app_context():
        db.session.add_all(User(username=f"user{number}", password_hash="none") for number in range(150))
        db.session.commit()
    bob = example.user("bob")
    first = [user["id"] for user in bob.get("/api/users").json]
    second = [user["id"] for user in bob.get(f"/api/users?after={first[-1]}").json]
    assert (len(first), len(second)) == (100, 53)
    assert first + second == [str(number) for number in range(1, 154)]
    assert [user["id"] for user in bob.get("/api/users?after=2&limit=2").json] == ["3", "4"]
    assert is_bad_request(bob.get("/api/users?limit=101"), "limit")


@on_sqlite
def test_no_database_connection_is_held_while_presence_is_asked_for(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    ask, held = realtime.get_presence, []

    def asked(user_ids: Any, viewer_id: str) -> Any:
        held.append(db.engine.pool.checkedout())  # type: ignore[attr-defined]  # Its kind of pool has it.
        return ask(user_ids, viewer_id)

    bob = example.user("bob")
    monkeypatch.setattr(realtime, "get_presence", asked)
    assert bob.get("/api/users").status_code == 200
    assert held == [0]


def test_who_asks_is_told_of_themselves(example: Example) -> None:
    alice, bob = example.user("alice"), example.user("bob")
    of_bob = {"id": "2", "username": "bob", "isAdministrator": False, "sendTyping": True, "sendReceipts": True}
    assert bob.get("/api/me").json == of_bob
    assert alice.get("/api/me").json == {**of_bob, "id": "1", "username": "alice", "isAdministrator": True}
    assert error(example.nobody.get("/api/me")) == (401, "unauthorized")


def test_what_a_user_keeps_to_themselves_is_theirs_alone(example: Example) -> None:
    alice, bob = example.user("alice"), example.user("bob")
    assert bob.call("PATCH", "/api/me", {"sendTyping": False}).json == {"sendTyping": False, "sendReceipts": True}
    assert bob.call("PATCH", "/api/me", {"sendReceipts": False}).json == {"sendTyping": False, "sendReceipts": False}
    assert [bob.get("/api/me").json[name] for name in ("sendTyping", "sendReceipts")] == [False, False]
    assert [alice.get("/api/me").json[name] for name in ("sendTyping", "sendReceipts")] == [True, True]
    assert is_refused(bob.call("PATCH", "/api/me", {"sendTyping": "no", "sendReceipts": 0}), "sendTyping", "sendReceipts")


@on_sqlite
@pytest.mark.parametrize("model", [User, Order])
def test_an_id_is_not_used_again_after_its_row_is_gone(example: Example, model: type[User | Order]) -> None:
    rows: dict[type[User | Order], dict[str, str]] = {
        User: {"username": "dave", "password_hash": "none"},
        Order: {"user_id": "2", "status": "new"},
    }
    ids = []
    with example.app.app_context():
        for _ in range(2):
            row = model(**rows[model])
            db.session.add(row)
            db.session.commit()
            ids.append(row.id)
            db.session.delete(row)
            db.session.commit()
    assert ids[0] < ids[1]


def test_conversations_are_listed_in_pages_newest_first(example: Example) -> None:
    bob = example.user("bob")
    with example.app.app_context():
        for number in range(120):
            store.conversations.create(["2", "3"] if number % 2 else ["1", "2"])
    first = bob.get("/api/conversations").json
    second = bob.get(f"/api/conversations?before={first[-1]['id']}&limit=100").json
    assert (len(first), len(second)) == (50, 71)
    assert [item["id"] for item in first + second] == [str(number) for number in range(121, 0, -1)]
    assert [len(item["participants"]) for item in first + second] == [2] * 120 + [3]
    assert bob.get("/api/conversations?before=1").json == []


@on_sqlite
@pytest.mark.parametrize(
    ("query", "field"),
    [("limit=201", "limit"), ("limit=0", "limit"), ("before=", "before"), ("before=%00", "before"), ("order=oldest", "order")],
)
def test_a_page_that_cannot_be_is_a_bad_request(example: Example, query: str, field: str) -> None:
    assert is_refused(example.user("bob").get(f"/api/conversations?{query}"), field)


def test_new_database_has_one_conversation_of_the_three(example: Example) -> None:
    people = (("1", "alice", "owner"), ("2", "bob", "member"), ("3", "carol", "member"))
    for username in ("alice", "bob", "carol"):
        (found,) = example.user(username).get("/api/conversations").json
        assert TIME.fullmatch(found.pop("createdAt"))
        assert found == conversation("1", "Everybody", *people)


def test_conversation_includes_its_creator_who_owns_it(example: Example) -> None:
    bob, carol = example.user("bob"), example.user("carol")
    answer = bob.post("/api/conversations", {"title": "Lunch", "participantIds": ["3", 3]})
    assert answer.status_code == 201
    created = dict(answer.json)
    assert TIME.fullmatch(created.pop("createdAt"))
    assert created == conversation("2", "Lunch", ("2", "bob", "owner"), ("3", "carol", "member"))
    for caller in (bob, carol):
        assert caller.get("/api/conversations").json[0] == answer.json
        assert caller.get("/api/conversations/2").json == answer.json
    assert len(example.user("alice").get("/api/conversations").json) == 1


def test_title_is_optional(example: Example) -> None:
    answer = example.user("bob").post("/api/conversations", {"participantIds": ["3"], "title": None})
    assert answer.json["title"] is None


def test_unknown_participants_are_named(example: Example) -> None:
    bob = example.user("bob")
    answer = bob.post("/api/conversations", {"participantIds": ["3", "99", "x", str(2**80)]})
    assert error(answer) == (400, "bad_request")
    assert answer.json["error"]["message"] == f"participantIds: no user 99, x, {2**80}"
    assert len(bob.get("/api/conversations").json) == 1


@on_sqlite
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("participantIds", "3"),
        ("participantIds", ["3"] * 101),
        ("participantIds[0]", [True]),
        ("participantIds[0]", [None]),
        ("participantIds[0]", [1.0]),
        ("participantIds[0]", [""]),
        ("participantIds[0]", ["x" * 129]),
        ("participantIds[0]", ["nul\0"]),
        ("participantIds[0]", [10**128]),
        ("title", ""),
        ("title", "x" * 201),
        ("title", "nul\0"),
        ("title", 7),
        ("type", "secret"),
        ("type", ["group"]),
    ],
)
def test_conversation_names_the_wrong_field(example: Example, field: str, value: object) -> None:
    body = {"participantIds": ["3"], field.partition("[")[0]: value}
    assert is_refused(example.user("bob").post("/api/conversations", body), field)


@on_sqlite
def test_every_wrong_field_is_named(example: Example) -> None:
    bob = example.user("bob")
    wrong = bob.post("/api/conversations", {"participantIds": 3, "title": 7, "type": 7})
    assert is_refused(wrong, "participantIds", "title", "type")
    assert is_refused(bob.post("/api/conversations/1/messages", {"clientId": [], "replyTo": {}}), "clientId", "content", "replyTo")
    assert is_refused(bob.get("/api/conversations/1/messages?limit=x&before="), "limit", "before")


def test_a_conversation_may_be_of_its_creator_alone(example: Example) -> None:
    bob = example.user("bob")
    bodies: tuple[dict[str, Any], ...] = ({}, {"participantIds": []}, {"participantIds": None}, {"participantIds": ["2"]})
    for body in bodies:
        answer = bob.post("/api/conversations", body)
        assert (answer.status_code, [one["id"] for one in answer.json["participants"]]) == (201, ["2"])


def test_message_is_stored_and_returned(example: Example) -> None:
    bob = example.user("bob")
    answer = bob.post("/api/conversations/1/messages", {"content": "  hello\nworld 👋 "})
    assert answer.status_code == 201
    message = dict(answer.json)
    assert TIME.fullmatch(message.pop("createdAt"))
    assert message.pop("clientId")
    assert message == {
        "id": "1",
        "conversationId": "1",
        "seq": 1,
        "senderId": "2",
        "sender": {"id": "2", "username": "bob"},
        "content": "  hello\nworld 👋 ",
        "editedAt": None,
        "deletedAt": None,
        "replyTo": None,
        "threadId": None,
        "thread": None,
        "mentions": [],
        "reactions": [],
        "attachments": [],
        "kind": "text",
        "isRead": False,
        "status": "sent",
    }
    page = example.user("alice").get("/api/conversations/1/messages")
    assert page.json == {"messages": [answer.json], "nextBefore": None, "nextAfter": None}


def test_a_message_is_found_by_its_id_in_a_thread_or_not(example: Example) -> None:
    alice, bob = example.user("alice"), example.user("bob")
    root = bob.post("/api/conversations/1/messages", HELLO).json
    reply = bob.post("/api/conversations/1/messages", {**HELLO, "threadId": root["id"]}).json
    assert alice.get(f"/api/conversations/1/messages/{reply['id']}").json == reply
    assert alice.get(f"/api/conversations/1/messages/{root['id']}").json["thread"]["count"] == 1
    bob.delete(f"/api/conversations/1/messages/{reply['id']}")
    assert alice.get(f"/api/conversations/1/messages/{reply['id']}").json["deletedAt"] is not None


def test_a_message_is_found_in_its_conversation_alone_and_by_those_who_take_part(example: Example) -> None:
    bob, carol = example.user("bob"), example.user("carol")
    message = example.message(bob, "1")
    elsewhere = example.conversation(bob, carol)
    path = f"/api/conversations/{elsewhere}/messages/{example.message(carol, elsewhere)}"
    assert bob.get(path).status_code == 200
    for caller, asked in ((example.user("alice"), path), (bob, f"/api/conversations/{elsewhere}/messages/{message}")):
        assert error(caller.get(asked)) == (404, "not_found")
    for unknown in UNKNOWN_IDS:
        assert error(bob.get(f"/api/conversations/1/messages/{unknown}")) == (404, "not_found")
    assert example.app.test_client().get(path).status_code == 401


def test_messages_without_a_client_id_are_messages_each(example: Example) -> None:
    bob = example.user("bob")
    sent = [bob.post("/api/conversations/1/messages", body).json for body in (HELLO, HELLO, {**HELLO, "clientId": None})]
    assert [message["id"] for message in sent] == ["1", "2", "3"]
    assert len({message["clientId"] for message in sent}) == 3


def test_time_of_a_message_does_not_change(example: Example) -> None:
    alice = example.user("alice")
    posted = alice.post("/api/conversations/1/messages", HELLO).json
    assert alice.get("/api/conversations/1/messages").json["messages"] == [posted]


@on_sqlite
@pytest.mark.parametrize("content", ["", " \n ", "x" * 4001, "nul\0", 7, None, ["hello"]])
def test_bad_content_is_refused(example: Example, content: object) -> None:
    answer = example.user("bob").post("/api/conversations/1/messages", {"content": content})
    assert is_refused(answer, "content")


@on_sqlite
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("clientId", ""),
        ("clientId", " "),
        ("clientId", "x" * 129),
        ("clientId", "nul\0"),
        ("clientId", ["c1"]),
        ("replyTo", ["1"]),
        ("threadId", ""),
        ("mentions", "2"),
        ("mentions", ["2"] * 51),
    ],
)
def test_what_is_no_id_is_refused(example: Example, field: str, value: object) -> None:
    answer = example.user("bob").post("/api/conversations/1/messages", {**HELLO, field: value})
    assert is_refused(answer, field)


@on_sqlite
@pytest.mark.parametrize("field", ["replyTo", "threadId"])
@pytest.mark.parametrize("unknown", ["99", "x", str(2**63)])
def test_a_message_refers_to_those_of_its_conversation(example: Example, field: str, unknown: str) -> None:
    bob = example.user("bob")
    elsewhere = example.message(bob, example.conversation(bob, example.user("carol")))
    for message_id in (unknown, elsewhere):
        refused = bob.post("/api/conversations/1/messages", {**HELLO, field: message_id})
        assert error(refused) == (400, "bad_request")
        assert field in refused.json["error"]["message"]
    assert bob.get("/api/conversations/1/messages").json["messages"] == []


@on_sqlite
@pytest.mark.parametrize("mentioned", ["99", "x", str(2**63)])
def test_only_participants_are_mentioned(example: Example, mentioned: str) -> None:
    refused = example.user("bob").post("/api/conversations/1/messages", {**HELLO, "mentions": ["1", mentioned]})
    assert error(refused) == (400, "bad_request")
    assert "mentions" in refused.json["error"]["message"]
    assert example.user("alice").get("/api/notifications").json == {"notifications": [], "unreadCount": 0}


@on_sqlite
def test_attachments_are_not_supported_yet(example: Example) -> None:
    refused = example.user("bob").post("/api/conversations/1/messages", {**HELLO, "attachmentIds": ["1"]})
    assert error(refused) == (400, "bad_request")
    assert "attachmentIds is not supported yet" in refused.json["error"]["message"]


def test_longest_content_is_accepted(example: Example) -> None:
    answer = example.user("bob").post("/api/conversations/1/messages", {"content": "x" * 4000})
    assert answer.status_code == 201


def test_pages_go_back_to_the_first_message(example: Example) -> None:
    bob = example.user("bob")
    ids = [example.message(bob, "1", f"number {number}") for number in range(5)]

    def page(query: str) -> tuple[list[str], str | None]:
        answer = bob.get(f"/api/conversations/1/messages{query}").json
        return [message["id"] for message in answer["messages"]], answer["nextBefore"]

    assert page("") == (ids, None)
    assert page("?limit=5") == (ids, None)
    assert page("?limit=2") == (ids[3:], ids[3])
    assert page(f"?limit=2&before={ids[3]}") == (ids[1:3], ids[1])
    assert page(f"?limit=2&before={ids[1]}") == (ids[:1], None)
    assert page(f"?before={ids[0]}") == ([], None)
    assert page(f"?limit=1&before={2**63 - 1}") == (ids[4:], ids[4])


@on_sqlite
@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "", "1.5", "\u0661", str(2**70), "1" * 5000])
def test_bad_limit_is_refused(example: Example, limit: str) -> None:
    assert is_refused(example.user("bob").get(f"/api/conversations/1/messages?limit={limit}"), "limit")


@on_sqlite
@pytest.mark.parametrize("place", ["before", "after", "around", "thread"])
def test_bad_cursor_is_refused(example: Example, place: str) -> None:
    bob = example.user("bob")
    for cursor in ("", "%20", "%00", "9" * 129):
        assert is_refused(bob.get(f"/api/conversations/1/messages?{place}={cursor}"), place), cursor


@on_sqlite
@pytest.mark.parametrize("cursor", ["0", "-1", "x", "1.5", str(2**63), "9" * 128])
def test_a_cursor_that_is_no_messages_id_is_in_front_of_all(example: Example, cursor: str) -> None:
    bob = example.user("bob")
    message_id = example.message(bob, "1")
    pages = {place: bob.get(f"/api/conversations/1/messages?{place}={cursor}").json for place in ("before", "after", "thread")}
    assert {place: [message["id"] for message in page["messages"]] for place, page in pages.items()} == {
        "before": [],
        "after": [message_id],
        "thread": [],
    }


@pytest.mark.parametrize(
    ("method", "path", "body", "of_unknown"),
    [
        ("GET", "/api/conversations/{}/messages", None, (404, "not_found")),
        ("POST", "/api/conversations/{}/messages", HELLO, FORBIDDEN),
        ("PATCH", "/api/conversations/{}/messages/1", HELLO, FORBIDDEN),
        ("DELETE", "/api/conversations/{}/messages/1", None, FORBIDDEN),
        ("POST", "/api/conversations/{}/read", {"messageIds": ["1"]}, FORBIDDEN),
        ("POST", "/api/conversations/{}/delivered", {"upTo": "1"}, FORBIDDEN),
        ("GET", "/api/conversations/{}/messages/1/receipts", None, FORBIDDEN),
        ("PUT", "/api/conversations/{}/messages/1/reactions/👍", None, FORBIDDEN),
        ("DELETE", "/api/conversations/{}/messages/1/reactions/👍", None, FORBIDDEN),
        ("GET", "/api/conversations/{}", None, FORBIDDEN),
        ("PATCH", "/api/conversations/{}", {"title": "Mine"}, FORBIDDEN),
        ("PATCH", "/api/conversations/{}", {"muted": True}, FORBIDDEN),
        ("GET", "/api/conversations/{}/members", None, FORBIDDEN),
        ("POST", "/api/conversations/{}/members", {"userIds": ["3"]}, FORBIDDEN),
        ("PATCH", "/api/conversations/{}/members/3", {"role": "owner"}, FORBIDDEN),
        ("DELETE", "/api/conversations/{}/members/2", None, FORBIDDEN),
        ("PUT", "/api/conversations/{}/pins/1", None, FORBIDDEN),
        ("DELETE", "/api/conversations/{}/pins/1", None, FORBIDDEN),
    ],
)
def test_conversation_of_others_is_forbidden(
    example: Example, method: str, path: str, body: object, of_unknown: tuple[int, str]
) -> None:
    alice, bob, carol = map(example.user, ("alice", "bob", "carol"))
    conversation_id = example.conversation(bob, alice)
    message_id = example.message(bob, conversation_id)
    before = bob.get(f"/api/conversations/{conversation_id}").json

    assert error(carol.call(method, path.format(conversation_id), body)) == FORBIDDEN
    for unknown in UNKNOWN_IDS:
        assert error(carol.call(method, path.format(unknown), body)) == of_unknown, unknown
    for impossible in IMPOSSIBLE_IDS:
        assert error(carol.call(method, path.format(impossible), body)) == (400, "bad_request"), impossible
    messages = bob.get(f"/api/conversations/{conversation_id}/messages").json["messages"]
    assert [(message["id"], message["content"]) for message in messages] == [(message_id, "hello")]
    assert bob.get(f"/api/conversations/{conversation_id}").json == before


def test_reading_marks_messages_of_others(example: Example) -> None:
    alice, bob, carol = map(example.user, ("alice", "bob", "carol"))
    ids = [example.message(alice, "1"), example.message(bob, "1"), example.message(alice, "1")]

    answer = bob.post("/api/conversations/1/read", {"messageIds": [ids[2], ids[1], ids[0], ids[2]]})

    assert answer.status_code == 200
    assert answer.json == {"messageIds": [ids[2], ids[0]]}
    assert read_flags(bob) == [True, False, True]
    assert read_flags(alice) == [True, False, True]
    assert read_flags(carol) == [False, False, False]


def read_flags(caller: Caller) -> list[bool]:
    return [message["isRead"] for message in caller.get("/api/conversations/1/messages").json["messages"]]


def test_reading_again_gives_the_same_answer(example: Example) -> None:
    alice, bob = example.user("alice"), example.user("bob")
    ids = [example.message(alice, "1")]
    for _ in range(2):
        assert bob.post("/api/conversations/1/read", {"messageIds": ids}).json == {"messageIds": ids}
    assert bob.get("/api/messages/unread-count").json == {"unreadCount": 0}


def test_reading_passes_over_what_is_not_there_to_read(example: Example) -> None:
    alice, bob, carol = map(example.user, ("alice", "bob", "carol"))
    elsewhere = example.message(carol, example.conversation(carol, alice))
    answer = bob.post("/api/conversations/1/read", {"messageIds": [elsewhere, 7, "99", "01", "-1", "x", str(2**63), 2**80]})
    assert answer.json == {"messageIds": []}
    assert alice.get("/api/messages/unread-count").json == {"unreadCount": 1}


@on_sqlite
@pytest.mark.parametrize(
    ("field", "value"),
    [("messageIds", "1"), ("messageIds", ["1"] * 501), ("messageIds[1]", ["1", {}]), ("messageIds[0]", ["nul\0"])],
)
def test_bad_message_ids_are_refused(example: Example, field: str, value: object) -> None:
    assert is_refused(example.user("bob").post("/api/conversations/1/read", {"messageIds": value}), field)


@on_sqlite
@pytest.mark.parametrize("path", ["read", "delivered"])
@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "messageIds or upTo is missing: expected a list of at most 500 ids, or the last message's id"),
        ({"upTo": None}, "upTo must be"),
        ({"messageIds": None}, "messageIds must be a list"),
        ({"messageIds": ["1"], "upTo": "1"}, "messageIds and upTo are both there: expected one of them"),
    ],
)
def test_messages_are_named_either_by_their_ids_or_by_the_last_one(
    example: Example, path: str, body: dict[str, Any], told: str
) -> None:
    answer = example.user("bob").post(f"/api/conversations/1/{path}", body)
    assert error(answer) == (400, "bad_request")
    assert told in answer.json["error"]["message"]


@on_sqlite
def test_receipts_say_who_has_got_and_read_a_message(example: Example) -> None:
    alice, bob, carol = map(example.user, ("alice", "bob", "carol"))
    first, second = (example.message(alice, "1") for _ in range(2))
    path = "/api/conversations/1"
    assert alice.get(f"{path}/messages/{first}/receipts").json == {"delivered": [], "read": []}
    assert bob.post(f"{path}/read", {"upTo": second}).json == {"messageIds": [first, second]}
    assert carol.post(f"{path}/delivered", {"messageIds": [first]}).json == {"messageIds": [first]}
    found = alice.get(f"{path}/messages/{first}/receipts").json
    assert [[item["userId"] for item in found[kind]] for kind in ("delivered", "read")] == [
        [bob.user_id, carol.user_id],
        [bob.user_id],
    ]
    assert all(TIME.fullmatch(item["at"]) for kind in ("delivered", "read") for item in found[kind])
    assert [item["status"] for item in alice.get(f"{path}/messages").json["messages"]] == ["delivered", "sent"]
    assert error(alice.get(f"{path}/messages/99/receipts")) == (404, "not_found")


def test_unread_counts(example: Example) -> None:
    alice, bob, carol = map(example.user, ("alice", "bob", "carol"))
    other = example.conversation(alice, bob)
    first = example.message(alice, "1")
    example.message(alice, "1")
    example.message(bob, other)

    def counts(caller: Caller) -> tuple[int, dict[str, int]]:
        total = caller.get("/api/messages/unread-count").json["unreadCount"]
        return total, {item["id"]: item["unreadCount"] for item in caller.get("/api/conversations").json}

    assert counts(alice) == (1, {"1": 0, other: 1})
    assert counts(bob) == (2, {"1": 2, other: 0})
    assert counts(carol) == (2, {"1": 2})
    bob.post("/api/conversations/1/read", {"messageIds": [first]})
    assert counts(bob) == (1, {"1": 1, other: 0})
    assert counts(carol) == (2, {"1": 2})


def test_sender_deletes_a_message_once_and_a_tombstone_stays(example: Example) -> None:
    bob = example.user("bob")
    message = bob.post("/api/conversations/1/messages", {"content": "a secret"}).json
    path = f"/api/conversations/1/messages/{message['id']}"
    answer = bob.delete(path)
    assert (answer.status_code, answer.text) == (204, "")
    assert error(bob.delete(path)) == (404, "not_found")
    page = example.user("alice").get("/api/conversations/1/messages")
    (tombstone,) = page.json["messages"]
    assert TIME.fullmatch(tombstone["deletedAt"])
    assert tombstone == {**message, "content": "", "deletedAt": tombstone["deletedAt"]}
    assert "secret" not in page.text + example.user("alice").get("/api/conversations").text


def test_a_deleted_message_is_unread_no_more(example: Example) -> None:
    alice, bob = example.user("alice"), example.user("bob")
    alice.delete(f"/api/conversations/1/messages/{example.message(alice, '1')}")
    assert bob.get("/api/messages/unread-count").json == {"unreadCount": 0}
    assert bob.get("/api/conversations/1").json["unreadCount"] == 0


def test_only_sender_and_owner_delete(example: Example) -> None:
    alice, bob, carol = map(example.user, ("alice", "bob", "carol"))
    private = example.conversation(carol, bob)
    path = f"/api/conversations/1/messages/{example.message(bob, '1')}"
    assert error(carol.delete(path)) == (403, "forbidden")
    assert alice.delete(path).status_code == 204
    of_carol, of_bob = (example.message(caller, private) for caller in (carol, bob))
    assert error(bob.delete(f"/api/conversations/{private}/messages/{of_carol}")) == (403, "forbidden")
    assert carol.delete(f"/api/conversations/{private}/messages/{of_bob}").status_code == 204


def test_an_administrator_who_takes_no_part_does_nothing(example: Example) -> None:
    alice, bob = example.user("alice"), example.user("bob")
    private = example.conversation(bob, example.user("carol"))
    message_id = example.message(bob, private)
    path = f"/api/conversations/{private}/messages"
    assert error(alice.get(path)) == FORBIDDEN
    assert error(alice.post(path, HELLO)) == FORBIDDEN
    assert error(alice.call("PATCH", f"{path}/{message_id}", HELLO)) == FORBIDDEN
    assert error(alice.delete(f"{path}/{message_id}")) == FORBIDDEN


def test_message_is_deleted_only_in_its_own_conversation(example: Example) -> None:
    bob = example.user("bob")
    other = example.conversation(bob, example.user("carol"))
    message_id = example.message(bob, "1")
    assert error(bob.delete(f"/api/conversations/{other}/messages/{message_id}")) == (404, "not_found")
    for unknown in UNKNOWN_IDS:
        assert error(bob.delete(f"/api/conversations/1/messages/{unknown}")) == (404, "not_found"), unknown
    for impossible in IMPOSSIBLE_IDS:
        assert error(bob.delete(f"/api/conversations/1/messages/{impossible}")) == (400, "bad_request"), impossible
    assert [message["content"] for message in bob.get("/api/conversations/1/messages").json["messages"]] == ["hello"]


def test_notification_is_stored_and_listed_newest_first(example: Example) -> None:
    alice, bob = example.user("alice"), example.user("bob")
    full = {**NOTIFICATION, "link": "/orders/7", "data": {"orderId": 7, "tags": ["a", None, 1.5]}}
    first, second = (alice.post("/api/notifications", body) for body in (NOTIFICATION, full))

    assert (first.status_code, second.status_code) == (201, 201)
    created = dict(second.json)
    assert TIME.fullmatch(created.pop("createdAt"))
    assert created == {
        "id": "2",
        "type": "order",
        "title": "Shipped",
        "message": "It is on its way",
        "link": "/orders/7",
        "data": {"orderId": 7, "tags": ["a", None, 1.5]},
        "isRead": False,
    }
    assert (first.json["link"], first.json["data"]) == (None, None)
    assert bob.get("/api/notifications").json == {"notifications": [second.json, first.json], "unreadCount": 2}
    assert alice.get("/api/notifications").json == {"notifications": [], "unreadCount": 0}
    assert bob.get("/api/notifications?limit=1").json["notifications"] == [second.json]
    assert bob.get("/api/notifications?before=2").json["notifications"] == [first.json]


def test_notifying_others_is_for_administrators(example: Example) -> None:
    bob = example.user("bob")
    assert error(bob.post("/api/notifications", {**NOTIFICATION, "userId": "1"})) == (403, "forbidden")
    assert error(bob.post("/api/notifications", {**NOTIFICATION, "userId": "99"})) == (403, "forbidden")
    assert bob.post("/api/notifications", {**NOTIFICATION, "userId": 2}).status_code == 201


@pytest.mark.parametrize("user_id", [*UNKNOWN_IDS, "9" * 200])
def test_unknown_user_is_a_bad_request(example: Example, user_id: str) -> None:
    alice = example.user("alice")
    assert is_bad_request(alice.post("/api/orders", {"userId": user_id[:128], "status": "new"}), "userId")
    assert is_bad_request(alice.post("/api/notifications", {**NOTIFICATION, "userId": user_id[:128]}), "userId")


@on_sqlite
@pytest.mark.parametrize("link", ["/orders/7", "orders/7?a=b#c", "?page=2", "https://example.org/x", "HTTP://example.org"])
def test_links_to_pages_are_accepted(example: Example, link: str) -> None:
    answer = example.user("bob").post("/api/notifications", {**NOTIFICATION, "link": link})
    assert answer.status_code == 201, answer.text
    assert answer.json["link"] == link


@on_sqlite
@pytest.mark.parametrize(
    "link",
    [
        "",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "java\tscript:alert(1)",
        "\x01javascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "//example.org",
        "///example.org",
        "/\\example.org",
        "\\\\example.org",
        "http:example.org",
        "https:///example.org",
        "http://[",
        "with space",
        "/" + "x" * 2048,
        7,
    ],
)
def test_other_links_are_refused(example: Example, link: object) -> None:
    assert is_bad_request(example.user("bob").post("/api/notifications", {**NOTIFICATION, "link": link}), "link")


@on_sqlite
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("userId", None),
        ("userId", True),
        ("type", ""),
        ("type", "x" * 65),
        ("title", "x" * 201),
        ("title", "a\0"),
        ("message", "x" * 4001),
        ("data", "x" * 16_001),
    ],
)
def test_notification_names_the_wrong_field(example: Example, field: str, value: object) -> None:
    assert is_bad_request(example.user("bob").post("/api/notifications", {**NOTIFICATION, field: value}), field)


@on_sqlite
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_json_has_not_are_refused(example: Example, number: str) -> None:
    data = f'{{"userId": 2, "type": "x", "title": "x", "message": "x", "data": [{number}]}}'
    answer = example.user("bob").post("/api/notifications", data=data)
    assert error(answer) == (400, "bad_request")


def test_data_may_be_any_json(example: Example) -> None:
    bob = example.user("bob")
    values: tuple[Any, ...] = (0, False, "", [], {}, "nul \0", {"a": {"b": [1, 2.5, None, 10**30]}})
    for data in values:
        posted = bob.post("/api/notifications", {**NOTIFICATION, "data": data})
        assert posted.json["data"] == data
        assert bob.get("/api/notifications?limit=1").json["notifications"] == [posted.json]


def test_order_is_stored(example: Example) -> None:
    answer = example.user("alice").post("/api/orders", {"userId": 2, "status": "shipped"})
    assert answer.status_code == 201
    order = answer.json
    assert TIME.fullmatch(order.pop("createdAt"))
    assert order == {"id": "1", "userId": "2", "status": "shipped"}


@on_sqlite
def test_announcement_is_accepted(example: Example) -> None:
    answer = example.user("alice").post("/api/announcements", {"message": "Closing at six"})
    assert answer.status_code == 202


@on_sqlite
@pytest.mark.parametrize("path", ["/api/orders", "/api/announcements"])
def test_orders_and_announcements_are_for_administrators(example: Example, path: str) -> None:
    body = {"userId": "2", "status": "new", "message": "hello"}
    assert error(example.user("bob").post(path, body)) == (403, "forbidden")


@on_sqlite
def test_errors_of_flask_have_the_documented_form(example: Example) -> None:
    alice = example.user("alice")
    assert error(alice.get("/nowhere")) == (404, "not_found")
    not_allowed = alice.call("PUT", "/api/conversations")
    assert error(not_allowed) == (405, "method_not_allowed")
    assert "POST" in not_allowed.headers["Allow"]
    assert error(alice.post("/api/conversations", data=b" " * 65_537)) == (413, "payload_too_large")


@on_sqlite
def test_failure_reveals_nothing(example: Example) -> None:
    alice = example.user("alice")
    with example.app.app_context():
        db.metadata.tables["orders"].drop(db.engine)
    answer = alice.post("/api/orders", {"userId": 2, "status": "new"})
    assert error(answer) == (500, "internal_error")
    assert "orders" not in answer.text


@on_sqlite
def test_headers_keep_answers_out_of_caches(example: Example) -> None:
    headers = example.nobody.get("/healthz").headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_health(example: Example) -> None:
    answer = example.nobody.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok", "checks": {"database": "ok", "messageQueue": "ok"}})


def test_health_tells_what_failed_and_the_log_why(
    example: Example, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def queue() -> None:
        raise ConnectionError("secret detail")

    monkeypatch.setitem(CHECKS, "messageQueue", queue)
    answer = example.nobody.get("/healthz")
    assert answer.status_code == 503
    assert answer.json == {"status": "unavailable", "checks": {"database": "ok", "messageQueue": "failed"}}
    assert "Health check 'messageQueue' failed" in caplog.messages
    assert "ConnectionError: secret detail" in caplog.text


def test_health_is_checked_once_a_second_for_all_who_ask(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    now, checked, asked = [100.0], [], Barrier(8)

    def check() -> None:
        checked.append(now[0])

    def ask(_: int) -> int:
        asked.wait()
        return Caller(example.app).get("/healthz").status_code

    monkeypatch.setattr("flask_realtime.health.monotonic", lambda: now[0])
    monkeypatch.setitem(CHECKS, "messageQueue", check)
    with ThreadPoolExecutor(8) as pool:
        for moment in (100.0, 100.99, 101.0):
            now[0] = moment
            assert list(pool.map(ask, range(8))) == [200] * 8
    assert checked == [100.0, 101.0]


def test_health_writes_to_the_database(example: Example) -> None:
    began = utc_now()
    with recorded(example.app) as statements:
        assert example.nobody.get("/healthz").status_code == 200
    assert [statement.sql.partition(" ")[0] for statement in statements] == ["UPDATE"]
    with example.app.app_context():
        assert began <= db.session.scalars(select(HealthCheck.checked_at)).one() <= utc_now()


def test_health_fails_where_nothing_is_written(example: Example) -> None:
    with example.app.app_context():
        db.session.execute(delete(HealthCheck))
        db.session.commit()
    answer = example.nobody.get("/healthz")
    assert (answer.status_code, answer.json["checks"]["database"]) == (503, "failed")
