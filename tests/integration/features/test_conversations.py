"""Conversations and their members over HTTP and Socket.IO: what users are answered, and what the others hear."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import create_access_token
from flask_sqlalchemy import SQLAlchemy

from flask_realtime import Identity, Realtime
from flask_realtime.chat import Chat
from flask_realtime.extension import BUILT_IN
from flask_realtime.rest import rest_blueprint
from flask_realtime.store import Models, Store, define_models
from flask_realtime.testing import RealtimeTestClient
from tests.integration.conftest import Connect, MakeApp
from tests.integration.example_support import create_tables, shared_models, sqlite_url


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


USERS = ("ann", "ben", "cat", "dan", "eve")


def find_users(user_ids: Any) -> dict[str, Any]:
    """Users as an application looks them up; everybody but `nobody` exists."""
    return {user_id: {"id": user_id, "username": user_id.title()} for user_id in user_ids if user_id != "nobody"}


class World:
    """An application with a chat, and clients of five users. ann has made conversation 1 with ben and cat, and all three joined."""

    def __init__(self, app: Flask, connect: Connect, stack: ExitStack, **options: Any) -> None:
        self.app = app
        self.db, models = shared_models(app, **options)
        self.store = Store(self.db, models)
        self.realtime = Realtime()
        app.register_blueprint(Chat(self.realtime, self.store, users=find_users).blueprint)
        self.left: list[tuple[str, str]] = []
        self.realtime.on_leave(lambda identity, conversation_id: self.left.append((identity.user_id, conversation_id)))
        self.realtime.init_app(app)
        with app.app_context():
            create_tables(self.db)
            stack.callback(self.db.engine.dispose)
            self.tokens = {user: create_access_token(user) for user in USERS}
        assert self.request("ann", "POST", "/conversations", {"participantIds": ["ben", "cat"]})[0] == 201
        self.clients = {user: stack.enter_context(connect(app, user)) for user in USERS}
        for user in ("ann", "ben", "cat"):
            self.clients[user].join("1")

    def request(self, user: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send a request, and return the status and the body of its response, or the code of the refusal."""
        headers = {"Authorization": f"Bearer {self.tokens[user]}"} if user else {}
        response = self.app.test_client().open(f"/api{path}", method=method, json=body, headers=headers)
        found: Any = response.json if response.data else None
        if response.status_code >= 400 and user:
            assert set(found) == {"error"}
            found = found["error"]["code"]
        return response.status_code, found

    def add(self, **roles: str) -> None:
        """Add members to conversation 1, or give members another role."""
        with self.app.app_context():
            self.store.conversations.members.add("1", roles)
            for user, role in roles.items():
                self.store.conversations.members.set_role("1", user, role)
        self.forget()

    def message(self, user: str = "ann", text: str = "hello") -> str:
        """Send a message to conversation 1, and return its id."""
        with self.app.app_context():
            return self.store.messages.add("1", user, text).id

    def heard(self, user: str) -> list[tuple[str, Any]]:
        """What a user's client has received since the last call."""
        client = self.clients[user]
        client.call("user:get-status", "nobody")
        found = [(item.event, item.data) for item in client.received if item.event.startswith(("conversation:", "member:"))]
        client.received.clear()
        return found

    def hears(self, user: str) -> bool:
        """Return whether a user hears what is sent to conversation 1."""
        self.realtime.send_to_conversation("1", "note", "to all")
        return bool(self.clients[user].wait_for("note").data == "to all")

    def forget(self) -> None:
        """Forget what the clients have received."""
        for user in self.clients:
            self.heard(user)


@pytest.fixture(params=[True, False], ids=["log", "no log"])
def world(request: pytest.FixtureRequest, make_app: MakeApp, connect: Connect, stack: ExitStack, tmp_path: Path) -> World:
    return World(make_app(SQLALCHEMY_DATABASE_URI=sqlite_url(tmp_path)), connect, stack, log=request.param)


class Doorman:
    """An application that removes a user at the moment at which it lets the user in."""

    def __init__(self, app: Flask) -> None:
        self.members = {"ann"}
        self.asked = 0
        self.realtime = Realtime()
        self.realtime.authorize_join(self.authorize)
        self.realtime.init_app(app)

    def authorize(self, identity: Identity, conversation_id: str) -> bool:
        """Say what was so before the removal that comes while this answer is under way."""
        self.asked += 1
        is_member = identity.user_id in self.members
        self.members.discard(identity.user_id)
        if is_member:
            self.realtime.remove_from_conversation(conversation_id, identity.user_id)
        return is_member


def test_a_removal_while_the_application_decides_on_a_join_is_not_lost(
    make_app: MakeApp, connect: Connect, stack: ExitStack
) -> None:
    app = make_app()
    doorman = Doorman(app)
    ann: RealtimeTestClient = stack.enter_context(connect(app, "ann"))
    answer: Any = ann.call("join:conversation", "7")
    with app.app_context():
        doorman.realtime.send_to_conversation("7", "note", "secret")
    ann.assert_nothing("note")
    assert answer["error"]["code"] == "forbidden"


def test_a_conversation_is_created_shown_and_listed(world: World) -> None:
    status, created = world.request("ann", "POST", "/conversations", {"title": "Title", "participantIds": ["ben", "dan"]})
    assert status == 201
    people = [("ann", "owner"), ("ben", "member"), ("dan", "member")]
    assert created.pop("createdAt").endswith("Z")
    assert created == {
        "id": "2",
        "type": "group",
        "title": "Title",
        "participants": [{"id": user, "username": user.title(), "role": role} for user, role in people],
        "participantCount": 3,
        "lastMessage": None,
        "lastSeq": 0,
        "unreadCount": 0,
        "mentionCount": 0,
        "muted": False,
        "pinned": [],
    }
    for user in ("ann", "ben", "dan"):
        ((event, new),) = world.heard(user)
        assert (event, {**new, "createdAt": None}) == ("conversation:new", {**created, "createdAt": None})
    assert world.heard("cat") == []
    assert world.request("dan", "GET", "/conversations/2") == (200, new)
    assert [one["id"] for one in world.request("ann", "GET", "/conversations")[1]] == ["2", "1"]
    assert world.request("dan", "GET", "/conversations") == (200, [new])


def test_conversations_show_their_last_message_and_what_is_unread(world: World) -> None:
    world.request("ben", "POST", "/conversations", {"participantIds": ["ann"]})
    world.message("ben", "first")
    message_id = world.message("ben", "last")
    _, listed = world.request("ann", "GET", "/conversations?order=activity")
    assert [(one["id"], one["unreadCount"], one["lastSeq"]) for one in listed] == [("1", 2, 2), ("2", 0, 0)]
    assert (listed[0]["lastMessage"]["id"], listed[0]["lastMessage"]["content"]) == (message_id, "last")
    assert [one["id"] for one in world.request("ann", "GET", "/conversations?order=activity&before=1")[1]] == ["2"]
    assert [one["id"] for one in world.request("ann", "GET", "/conversations?limit=1")[1]] == ["2"]
    assert world.request("ben", "GET", "/conversations/1")[1]["unreadCount"] == 0


def test_the_direct_conversation_of_two_users_is_the_same_whoever_asks_for_it(world: World) -> None:
    found = [
        world.request(user, "POST", "/conversations", {"type": "direct", "participantIds": [other]})
        for user, other in (("ann", "ben"), ("ben", "ann"), ("ann", "ben"))
    ]
    assert [(status, one["id"], one["type"]) for status, one in found] == [(201, "2", "direct")] * 3
    assert [len(world.heard(user)) for user in ("ann", "ben")] == [1, 1]
    for people in (["ann"], ["ben", "cat"]):
        assert world.request("ann", "POST", "/conversations", {"type": "direct", "participantIds": people})[0] == 400
    assert world.request("ann", "DELETE", "/conversations/2/members/ann") == (403, "forbidden")


def test_whoever_takes_no_part_learns_nothing(world: World) -> None:
    message_id = world.message()
    refused = (403, "forbidden")
    for conversation in ("1", "99", "nonsense"):
        path = f"/conversations/{conversation}"
        assert world.request("eve", "GET", path) == refused
        assert world.request("eve", "PATCH", path, {"title": "Mine"}) == refused
        assert world.request("eve", "PATCH", path, {"muted": True}) == refused
        assert world.request("eve", "GET", f"{path}/members") == refused
        assert world.request("eve", "POST", f"{path}/members", {"userIds": ["eve"]}) == refused
        assert world.request("eve", "PATCH", f"{path}/members/eve", {"role": "owner"}) == refused
        assert world.request("eve", "DELETE", f"{path}/members/ben") == refused
        assert world.request("eve", "DELETE", f"{path}/members/eve") == refused
        assert world.request("eve", "PUT", f"{path}/pins/{message_id}") == refused
        pinned = world.clients["eve"].call("message:pin", {"conversationId": conversation, "messageId": message_id})
        assert pinned["error"]["code"] == "forbidden"
    assert world.request("", "GET", "/conversations")[0] == 401
    assert [world.heard(user) for user in USERS] == [[]] * 5


def test_unknown_users_are_named(world: World) -> None:
    assert world.request("ann", "POST", "/conversations", {"participantIds": ["ben", "nobody"]}) == (400, "bad_request")
    assert world.request("ann", "POST", "/conversations/1/members", {"userIds": ["dan", "nobody"]}) == (400, "bad_request")
    assert world.request("ann", "GET", "/conversations")[1][0]["participantCount"] == 3


def test_members_come_and_go_and_everybody_concerned_hears_of_it(world: World) -> None:
    status, added = world.request("ann", "POST", "/conversations/1/members", {"userIds": ["dan", "ben"]})
    assert (status, [(one["id"], one["username"], one["role"]) for one in added["members"]]) == (200, [("dan", "Dan", "member")])
    joined = ("member:joined", {"conversationId": "1", "userId": "dan", "role": "member", "by": "ann"})
    assert world.heard("ben") == world.heard("ann") == [joined]
    assert [event for event, _ in world.heard("dan")] == ["conversation:new"]
    world.clients["dan"].join("1")
    changed = world.request("ann", "PATCH", "/conversations/1/members/dan", {"role": "moderator"})[1]
    assert (changed["id"], changed["role"]) == ("dan", "moderator")
    updated = ("member:updated", {"conversationId": "1", "userId": "dan", "role": "moderator", "by": "ann"})
    assert world.heard("dan") == world.heard("cat")[1:] == [updated]
    assert world.request("dan", "DELETE", "/conversations/1/members/ben") == (204, None)
    left = ("member:left", {"conversationId": "1", "userId": "ben", "by": "dan", "reason": "removed"})
    assert world.heard("cat") == world.heard("dan") == [left]
    assert world.heard("ben")[1:] == [("conversation:removed", {"conversationId": "1"})]
    _, page = world.request("dan", "GET", "/conversations/1/members?limit=2")
    assert [one["id"] for one in page["members"]] == ["ann", "cat"]
    assert all(one["joinedAt"].endswith("Z") for one in page["members"])
    _, rest = world.request("dan", "GET", f"/conversations/1/members?limit=2&after={page['nextAfter']}")
    assert ([one["id"] for one in rest["members"]], rest["nextAfter"]) == (["dan"], None)


def test_whoever_is_removed_hears_nothing_any_more_types_no_more_and_may_not_come_back(world: World) -> None:
    ben, cat = world.clients["ben"], world.clients["cat"]
    ben.call("typing:start", {"conversationId": "1"})
    cat.wait_for("typing:start")
    ben.received.clear()
    world.request("ann", "DELETE", "/conversations/1/members/ben")
    assert cat.wait_for("typing:stop").data == {"conversationId": "1", "userId": "ben"}
    assert world.left == [("ben", "1")]
    world.message()
    world.realtime.send_to_conversation("1", "note", "secret")
    assert cat.wait_for("note").data == "secret"
    ben.wait_for("conversation:removed")
    for event in ("note", "message:new", "member:left", "typing:stop"):
        ben.assert_nothing(event)
    assert ben.call("join:conversation", "1")["error"]["code"] == "forbidden"
    assert ben.call("typing:start", {"conversationId": "1"})["error"]["code"] == "not_joined"
    assert world.request("ben", "GET", "/conversations/1") == (403, "forbidden")
    world.request("ann", "POST", "/conversations/1/members", {"userIds": ["ben"]})
    ben.join("1")
    assert world.hears("ben")


def test_a_removal_that_is_refused_puts_nobody_out(world: World) -> None:
    world.add(dan="moderator", cat="moderator")
    for by in ("ben", "dan", "eve"):
        assert world.request(by, "DELETE", "/conversations/1/members/cat") == (403, "forbidden")
    assert world.request("ann", "DELETE", "/conversations/1/members/eve") == (404, "not_found")
    assert world.hears("cat")
    assert world.left == []


def test_a_removal_that_fails_late_lets_the_connections_in_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    members = world.store.conversations.members
    check = members._require_removal

    def remove_rights(*args: Any) -> None:
        check(*args)
        world.store.conversations.members.set_role("1", "cat", "member")

    world.add(cat="moderator")
    monkeypatch.setattr(members, "_require_removal", remove_rights)
    assert world.request("cat", "DELETE", "/conversations/1/members/ben") == (403, "forbidden")
    assert world.hears("ben")
    assert world.left == []


def test_a_title_is_everybodys_and_muting_ones_own(world: World) -> None:
    changed = world.request("ann", "PATCH", "/conversations/1", {"title": "New", "muted": "2999-01-01T00:00:00Z"})[1]
    assert (changed["title"], changed["muted"]) == ("New", "2999-01-01T00:00:00.000Z")
    ((event, told),) = world.heard("ben")
    assert (event, told["title"]) == ("conversation:updated", "New")
    assert told.keys() & {"unreadCount", "mentionCount", "muted"} == set()
    assert [one.get("muted") for _, one in world.heard("ann")] == [None, "2999-01-01T00:00:00.000Z"]
    assert world.request("ben", "PATCH", "/conversations/1", {"title": "Mine", "muted": True}) == (403, "forbidden")
    assert world.request("ben", "GET", "/conversations/1")[1]["muted"] is False, "all of it, or nothing"
    assert world.request("ben", "PATCH", "/conversations/1", {"muted": True})[1]["muted"] is True
    assert [one["muted"] for _, one in world.heard("ben")] == [True]
    assert world.heard("cat")[1:] == []


@pytest.mark.parametrize("way", ["event", "request"])
def test_messages_are_pinned_by_those_who_may(world: World, way: str) -> None:
    message_id = world.message()

    def attempt(user: str, *, pinned: bool, message: str = message_id) -> str | None:
        if way == "request":
            found = world.request(user, "PUT" if pinned else "DELETE", f"/conversations/1/pins/{message}")
            assert found[0] in {204, 400, 403, 404}
            return str(found[1]) if found[1] else None
        event = "message:pin" if pinned else "message:unpin"
        answer = world.clients[user].call(event, {"conversationId": 1, "messageId": message})
        return answer["error"]["code"] if "error" in answer else None

    world.add(cat="moderator")
    assert [attempt(user, pinned=True) for user in ("ben", "eve", "cat", "ann")] == ["forbidden", "forbidden", None, None]
    assert attempt("ann", pinned=True, message="99") == "not_found"
    ((event, told),) = world.heard("ben")
    assert (event, told["pinned"]) == ("conversation:updated", [message_id])
    assert world.request("ben", "GET", "/conversations/1")[1]["pinned"] == [message_id]
    assert [attempt(user, pinned=False) for user in ("ben", "ann", "ann")] == ["forbidden", None, None]
    assert [told["pinned"] for _, told in world.heard("ben")] == [[]]


def test_without_a_store_requests_and_events_are_unknown(make_app: MakeApp, connect: Connect, stack: ExitStack) -> None:
    app = make_app()
    Realtime(app)
    app.register_blueprint(rest_blueprint("rest", BUILT_IN))
    with app.app_context():
        headers = {"Authorization": f"Bearer {create_access_token('ann')}"}
    body = {"participantIds": ["ben"]}
    for method, path in (("GET", "/conversations"), ("POST", "/conversations"), ("DELETE", "/conversations/1/members/ann")):
        response = app.test_client().open(f"/api{path}", method=method, headers=headers, json=body)
        assert (response.status_code, response.get_json()["error"]["code"]) == (404, "unknown_event")
    ann = stack.enter_context(connect(app, "ann"))
    assert ann.call("message:pin", {"conversationId": 1, "messageId": 2})["error"]["code"] == "unknown_event"


def test_without_a_model_of_pins_they_are_unknown(make_app: MakeApp, connect: Connect, stack: ExitStack, tmp_path: Path) -> None:
    app = make_app(SQLALCHEMY_DATABASE_URI=sqlite_url(tmp_path))
    db, realtime = SQLAlchemy(app), Realtime()
    made = define_models(db)
    Store(db, Models(made.conversation, made.participant, made.message, None, made.notification)).register(realtime)
    realtime.init_app(app)
    ann = stack.enter_context(connect(app, "ann"))
    assert ann.call("message:pin", {"conversationId": 1, "messageId": 2})["error"]["code"] == "unknown_event"
