"""Edits, deletions, replies, threads and mentions: by events and by requests alike, and what the others hear of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any, Literal

import pytest
from flask import Flask
from flask_jwt_extended import create_access_token
from sqlalchemy import delete, update

from flask_realtime import Realtime
from flask_realtime.chat import Chat
from flask_realtime.store import Store, utc_now
from flask_realtime.testing import RealtimeTestClient
from tests.integration.conftest import Connect, MakeApp, one_of_each
from tests.integration.example_support import create_tables, shared_models

pytestmark = one_of_each

USERS = ("ann", "ben", "cat", "eve")
EVENTS = {"POST": "message:send", "PATCH": "message:edit", "DELETE": "message:delete"}
CODES = {400: "bad_request", 403: "forbidden", 404: "not_found", 429: "rate_limited"}

Way = Literal["event", "request"]


class World:
    """An application with a chat. ann owns conversation 1, with ben and cat; conversation 2 is ann's and eve's."""

    def __init__(self, app: Flask, connect: Connect, stack: ExitStack, way: Way) -> None:
        self.app = app
        self.way = way
        self.sent = 0
        self.db, models = shared_models(app, log=True)
        self.store = Store(self.db, models)
        self.realtime = Realtime()
        app.register_blueprint(Chat(self.realtime, self.store, users=known).blueprint)
        self.administrators: set[str] = set()
        self.realtime.may_moderate(lambda identity, _conversation: identity.user_id in self.administrators)
        self.realtime.init_app(app)
        with app.app_context():
            create_tables(self.db)
            self.store.conversations.create(["ann", "ben", "cat"])
            self.store.conversations.create(["ann", "eve"])
            stack.callback(self.db.engine.dispose)
            self.tokens = {user: create_access_token(user) for user in USERS}
        self.clients = {user: stack.enter_context(connect(app, user)) for user in USERS}
        for user in ("ann", "ben", "cat"):
            self.clients[user].join("1")

    def role(self, user: str, role: str) -> None:
        """Give a user a role in conversation 1."""
        participant = self.store.models.participant
        with self.app.app_context():
            changed = update(participant).where(participant.user_id == user, participant.conversation_id == 1)
            self.db.session.execute(changed.values(role=role))
            self.db.session.commit()

    def send(self, user: str, content: str = "hello", **fields: Any) -> Any:
        """Send a message to conversation 1, and return it, or the code of the refusal."""
        self.sent += 1
        return self.call(user, "POST", **{"content": content, "clientId": f"c{self.sent}", **fields})

    def edit(self, user: str, message: Any, content: str, conversation: str = "1") -> Any:
        """Edit a message, and return it, or the code of the refusal."""
        return self.call(user, "PATCH", message["id"], conversation, content=content)

    def delete(self, user: str, message: Any, conversation: str = "1") -> Any:
        """Delete a message, and return None, or the code of the refusal."""
        return self.call(user, "DELETE", message["id"], conversation)

    def call(self, user: str, method: str, message_id: str | None = None, conversation: str = "1", **fields: Any) -> Any:
        """Do something by event or by request."""
        if self.way == "event":
            named = {} if message_id is None else {"messageId": message_id}
            answer = self.clients[user].call(EVENTS[method], {"conversationId": conversation, **named, **fields})
            return answer["error"]["code"] if "error" in answer else answer.get("message")
        path = f"/api/conversations/{conversation}/messages{'' if message_id is None else '/' + message_id}"
        return self.request(user, method, path, fields)

    def request(self, user: str, method: str, path: str, body: Any = None) -> Any:
        """Send a request, and return the body of its response, or the code of the refusal."""
        headers = {"Authorization": f"Bearer {self.tokens[user]}"}
        response = self.app.test_client().open(path, method=method, json=body, headers=headers)
        found: Any = response.json if response.data else None
        if response.status_code >= 400:
            assert found["error"]["code"] == CODES[response.status_code]
            return found["error"]["code"]
        return found

    def heard(self, user: str, *events: str) -> list[tuple[str, Any]]:
        """What a client has got of some events since the last time."""
        client: RealtimeTestClient = self.clients[user]
        client.call("user:get-status", user)
        found = [(item.event, item.data) for item in client.received if item.event in events]
        client.received.clear()
        return found

    def page(self, user: str = "ann", **query: Any) -> Any:
        """A page of conversation 1."""
        fields = "&".join(f"{name}={value}" for name, value in query.items())
        return self.request(user, "GET", f"/api/conversations/1/messages?{fields}")


def known(user_ids: Any) -> dict[str, Any]:
    return {user_id: {"id": user_id, "username": user_id.title()} for user_id in user_ids}


@pytest.fixture(params=["event", "request"])
def world(request: pytest.FixtureRequest, database_url: str, make_app: MakeApp, connect: Connect) -> Iterator[World]:
    with ExitStack() as stack:
        limits = {"REALTIME_LIMITS": {"messages": None}, "REALTIME_USER_LIMITS": {"messages": None, "pages": None}}
        app = make_app(SQLALCHEMY_DATABASE_URI=database_url, REALTIME_EDIT_WINDOW=3600, **limits)
        world = World(app, connect, stack, request.param)
        with app.app_context():
            yield world


def test_an_edited_message_is_stored_and_told(world: World) -> None:
    message = world.send("ann")
    edited = world.edit("ann", message, "hi there")
    assert edited["editedAt"] is not None
    assert edited == {**message, "content": "hi there", "editedAt": edited["editedAt"]}
    assert [world.heard(user, "message:updated") for user in ("ann", "ben")] == [[("message:updated", edited)]] * 2
    assert world.heard("eve", "message:updated") == []
    assert [each["content"] for each in world.page()["messages"]] == ["hi there"]
    assert world.edit("ann", message, "hi there") == edited
    assert world.heard("ben", "message:updated") == [], "it changed nothing"


def test_only_its_sender_edits_a_message_and_only_in_the_window(world: World) -> None:
    message = world.send("ben")
    assert [world.edit(user, message, "mine") for user in ("ann", "cat", "eve")] == ["forbidden"] * 3
    assert world.edit("ben", {"id": "99"}, "x") == "not_found"
    assert world.edit("eve", message, "x", "2") == "not_found", "it is in another conversation"
    assert [world.edit("ben", message, content) for content in ("", "x" * 4001, " ")] == ["bad_request"] * 3
    assert world.heard("ben", "message:updated") == []


def test_a_message_cannot_be_edited_once_its_window_is_over(world: World) -> None:
    message, model = world.send("ben"), world.store.models.message
    world.db.session.execute(update(model).values(created_at=utc_now() - timedelta(seconds=3601)))
    world.db.session.commit()
    assert world.edit("ben", message, "late") == "forbidden"
    assert [each["content"] for each in world.page()["messages"]] == ["hello"]


def test_a_deleted_message_leaves_a_tombstone_in_its_place(world: World) -> None:
    first, second, third = (world.send("ben", content) for content in ("one", "two", "three"))
    assert world.delete("ben", second) is None
    told = ("message:deleted", {"conversationId": "1", "messageId": second["id"]})
    assert world.heard("cat", "message:deleted") == [told]
    found = world.page()["messages"]
    assert [(each["id"], each["content"], each["deletedAt"] is None) for each in found] == [
        (first["id"], "one", True),
        (second["id"], "", False),
        (third["id"], "three", True),
    ]
    assert world.delete("ben", second) == "not_found"
    assert world.edit("ben", second, "back") == "not_found"
    assert world.heard("cat", "message:deleted", "message:updated") == []


@pytest.mark.parametrize(("role", "allowed"), [("member", False), ("moderator", True), ("owner", True)])
def test_moderators_and_owners_delete_the_messages_of_others(world: World, role: str, allowed: bool) -> None:  # noqa: FBT001
    message = world.send("ben")
    world.role("cat", role)
    assert world.delete("cat", message) == (None if allowed else "forbidden")
    assert world.delete("eve", message) == "forbidden"


def test_in_a_direct_conversation_only_its_sender_deletes_a_message(world: World) -> None:
    created = world.request("ann", "POST", "/api/conversations", {"type": "direct", "participantIds": ["ben"]})
    place = {"conversationId": created["id"]}
    own, other = (
        world.clients[user].call("message:send", {**place, "clientId": "c1", "content": "hi"})["message"] for user in ("ann", "ben")
    )
    refused = world.clients["ann"].call("message:delete", {**place, "messageId": other["id"]})["error"]
    told = "In a direct conversation only its sender may delete a message"
    assert (refused["code"], refused["message"]) == ("forbidden", told)
    assert world.delete("ben", own, created["id"]) == "forbidden"
    assert world.delete("ben", other, created["id"]) is None
    world.administrators.add("ann")
    assert world.delete("ann", own, created["id"]) is None


def test_a_pinned_message_that_is_deleted_is_taken_out_of_the_pinned_ones(world: World) -> None:
    pinned, kept = (world.send("ben", content) for content in ("pinned", "kept"))
    for message in (pinned, kept):
        assert world.clients["ann"].call("message:pin", {"conversationId": "1", "messageId": message["id"]}) == {"ok": True}
    world.heard("cat", "conversation:updated")
    assert world.delete("ben", pinned) is None
    [first, (event, conversation)] = world.heard("cat", "conversation:updated", "message:deleted")
    assert (first[0], event, conversation["pinned"]) == ("message:deleted", "conversation:updated", [kept["id"]])
    assert world.request("cat", "GET", "/api/conversations/1")["pinned"] == [kept["id"]]
    world.delete("ben", world.send("ben", "not pinned"))
    assert world.heard("cat", "conversation:updated") == []


def test_who_has_lost_access_changes_nothing(world: World) -> None:
    message, participant = world.send("ben"), world.store.models.participant
    world.db.session.execute(delete(participant).where(participant.user_id == "ben"))
    world.db.session.commit()
    assert [world.edit("ben", message, "x"), world.delete("ben", message), world.send("ben")] == ["forbidden"] * 3
    assert [each["content"] for each in world.page()["messages"]] == ["hello"]


def test_an_administrator_of_the_application_deletes_where_its_hook_says_so(world: World) -> None:
    message = world.send("ben")
    assert world.delete("eve", message) == "forbidden"
    world.administrators.add("eve")
    assert world.delete("eve", message) is None
    assert world.heard("cat", "message:deleted") != []


def test_a_reply_quotes_a_message_of_the_same_conversation(world: World) -> None:
    message = world.send("ann")
    reply = world.send("ben", "yes", replyTo=message["id"])
    assert (reply["replyTo"], reply["threadId"]) == (message["id"], None)
    assert [each["replyTo"] for each in world.page()["messages"]] == [None, message["id"]]
    elsewhere = world.call("eve", "POST", conversation="2", content="x", clientId="e")
    assert world.send("ben", "x", replyTo=elsewhere["id"]) == "bad_request"
    assert world.heard("cat", "message:new")[-1][1] == reply


def test_replies_in_a_thread_are_counted_and_kept_out_of_the_pages(world: World) -> None:
    root, after = world.send("ann", "root"), world.send("ann", "after")
    replies = [world.send(user, "in thread", threadId=root["id"]) for user in ("ben", "cat")]
    assert [reply["threadId"] for reply in replies] == [root["id"]] * 2
    assert world.send("ben", "x", threadId=replies[0]["id"]) == "bad_request", "it is in a thread itself"
    told = world.heard("ann", "thread:updated")
    expected = [
        {"conversationId": "1", "messageId": root["id"], "count": count, "lastAt": reply["createdAt"]}
        for count, reply in enumerate(replies, 1)
    ]
    assert told == [("thread:updated", each) for each in expected]
    assert [(each["id"], each["thread"]) for each in world.page()["messages"]] == [
        (root["id"], {"count": 2, "lastAt": replies[1]["createdAt"]}),
        (after["id"], None),
    ]
    thread = world.page(thread=root["id"])
    assert [each["id"] for each in thread["messages"]] == [reply["id"] for reply in replies]
    assert world.request("ann", "GET", "/api/messages/unread-count") == {"unreadCount": 2}


def test_a_deleted_reply_stays_in_its_thread_and_counts_there(world: World) -> None:
    root = world.send("ann", "root")
    replies = [world.send("ben", content, threadId=root["id"]) for content in ("one", "two")]
    before = world.page()["messages"][0]["thread"]
    world.heard("ann", "thread:updated")
    world.delete("ben", replies[1])
    shown = world.page(thread=root["id"])["messages"]
    assert [(each["id"], each["content"]) for each in shown] == [(replies[0]["id"], "one"), (replies[1]["id"], "")]
    assert (world.page()["messages"][0]["thread"], before["count"]) == (before, len(shown))
    assert world.heard("ann", "thread:updated") == []


def test_pages_go_both_ways_and_around_a_message(world: World) -> None:
    ids = [world.send("ann", str(number))["id"] for number in range(7)]

    def found(**query: Any) -> tuple[list[Any], Any, Any]:
        page = world.page(**query)
        number = {None: None, **{each: place for place, each in enumerate(ids)}}
        return [number[each["id"]] for each in page["messages"]], number[page["nextBefore"]], number[page["nextAfter"]]

    assert found(limit=3) == ([4, 5, 6], 4, None)
    assert found(limit=3, before=ids[4]) == ([1, 2, 3], 1, 3)
    assert found(limit=3, after=ids[3]) == ([4, 5, 6], 4, None)
    assert found(limit=3, after=ids[2]) == ([3, 4, 5], 3, 5)
    assert found(limit=3, around=ids[3]) == ([2, 3, 4], 2, 4)
    assert found(limit=50, around=ids[3]) == ([0, 1, 2, 3, 4, 5, 6], None, None)
    assert found(limit=50) == ([0, 1, 2, 3, 4, 5, 6], None, None)
    assert [world.page(**query) for query in ({"limit": 0}, {"limit": 101}, {"limit": "x"}, {"before": 1, "after": 1})] == [
        "bad_request"
    ] * 4
    assert world.page("eve") == "forbidden"
    assert world.request("ann", "GET", "/api/conversations/99/messages") == "not_found"


def test_mentioned_users_are_notified_and_have_a_count(world: World) -> None:
    message = world.send("ann", "look, ben", mentions=["ben"])
    assert message["mentions"] == ["ben"]
    assert world.page()["messages"][0]["mentions"] == ["ben"]
    [(_, notification)] = world.heard("ben", "notification:new")
    expected = {"conversationId": "1", "messageId": message["id"], "threadId": None, "senderId": "ann"}
    assert (notification["type"], notification["message"], notification["data"]) == ("mention", "look, ben", expected)
    assert [world.heard(user, "notification:new") for user in ("ann", "cat")] == [[], []]
    assert world.store.messages.mention_counts("ben", ["1", "2"]) == {"1": 1}
    world.send("cat", "nobody")
    world.clients["ben"].call("messages:read", {"conversationId": "1", "upTo": message["id"]})
    assert world.heard("ben", "unread:changed") == [
        ("unread:changed", {"conversationId": "1", "unreadCount": 1, "mentionCount": 0})
    ]
    assert world.store.messages.mention_counts("ben", ["1"]) == {}


def test_everyone_is_mentioned_by_moderators_alone_and_the_muted_are_left_in_peace(world: World) -> None:
    assert world.send("ben", "all!", mentions=["*"]) == "forbidden"
    world.role("ben", "moderator")
    participant = world.store.models.participant
    world.db.session.execute(update(participant).where(participant.user_id == "cat").values(is_muted=True))
    world.db.session.commit()
    message = world.send("ben", "all!", mentions=["*", "ann"])
    assert message["mentions"] == ["*", "ann"]
    assert [len(world.heard(user, "notification:new")) for user in ("ann", "ben", "cat")] == [1, 0, 0]
    assert [world.store.messages.mention_counts(user, ["1"]) for user in ("ann", "ben", "cat")] == [{"1": 1}, {}, {"1": 1}]


def test_a_deleted_message_mentions_nobody(world: World) -> None:
    message = world.send("ann", "look", mentions=["ben"])
    world.delete("ann", message)
    assert world.page()["messages"][0]["mentions"] == []
    assert world.store.messages.mention_counts("ben", ["1"]) == {}


def test_the_log_has_every_change(world: World) -> None:
    cursor = world.request("cat", "GET", "/api/sync")["cursor"]
    message = world.send("ann")
    world.edit("ann", message, "edited")
    world.send("ben", "reply", threadId=message["id"])
    world.delete("ann", message)
    missed = world.request("cat", "GET", f"/api/sync?cursor={cursor}&limit=50")
    names = [event["event"] for event in missed["events"]]
    assert names == ["message:new", "message:updated", "message:new", "thread:updated", "message:deleted"]
    assert ([event["args"][0].get("content") for event in missed["events"]], missed["more"]) == (
        ["", "", "reply", None, None],
        False,
    )


def test_reactions_are_part_of_a_message_and_go_with_it(world: World) -> None:
    message = world.send("ann")
    for user, emoji in (("ben", "\U0001f44d"), ("cat", "\U0001f44d"), ("ben", "\U0001f389")):
        reaction = {"conversationId": "1", "messageId": message["id"], "emoji": emoji}
        assert world.clients[user].call("reaction:add", reaction) == {"ok": True}
    expected = [
        {"emoji": "\U0001f44d", "count": 2, "userIds": ["ben", "cat"]},
        {"emoji": "\U0001f389", "count": 1, "userIds": ["ben"]},
    ]
    assert world.page()["messages"][0]["reactions"] == expected
    assert world.edit("ann", message, "edited")["reactions"] == expected
    world.delete("ann", message)
    assert world.page()["messages"][0]["reactions"] == []
