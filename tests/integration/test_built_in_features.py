"""The built-in features in one process: what clients send, what applications call, which hooks are asked and told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import create_access_token, decode_token

from flask_realtime import Identity, Realtime
from flask_realtime.errors import NotFound
from flask_realtime.extension import gateway_of
from flask_realtime.features.presence import rated_queue
from flask_realtime.rates import parse_rate
from flask_realtime.testing import RealtimeTestClient
from tests.integration.conftest import Connect, MakeApp

OK = {"ok": True}


class Chat:
    """An application that notes what its hooks are told, with clients of two users, who have two and one connections.

    Args:
        app: The application, not yet set up.
        connect: Connects to it.
        stack: Closes the clients.
    """

    def __init__(self, app: Flask, connect: Connect, stack: ExitStack) -> None:
        self.app = app
        self.heard: list[Any] = []
        self.realtime = Realtime(app)
        self._add_hooks(self.realtime)
        self.ann, self.second, self.ben = (stack.enter_context(connect(app, name)) for name in ("ann", "ann", "ben"))

    def note(self, *what: object) -> None:
        """Keep what a hook was told."""
        self.heard.append(what)

    def settle(self) -> None:
        """Wait until all clients have what was sent so far."""
        for client in (self.ann, self.second, self.ben):
            client.call("user:get-status", "ann")

    def received(self, event: str) -> list[list[Any]]:
        """What each client got of an event."""
        self.settle()
        return [[item.data for item in client.received if item.event == event] for client in (self.ann, self.second, self.ben)]

    def _add_hooks(self, realtime: Realtime) -> None:
        heard: list[Any] = self.heard

        @realtime.authorize_join
        def may_join(identity: Identity, conversation_id: str) -> bool:
            self.note("authorize_join", identity.user_id, conversation_id)
            return conversation_id != "private"

        @realtime.on_notification_read
        def read(identity: Identity, notification_id: str) -> None:
            self.note("on_notification_read", identity.user_id, notification_id)
            if notification_id == "9":
                raise NotFound("no such notification")

        realtime.on_join(lambda identity, conversation_id: self.note("on_join", identity.user_id, conversation_id))
        realtime.on_leave(lambda identity, conversation_id: self.note("on_leave", identity.user_id, conversation_id))
        realtime.on_notifications_read_all(lambda identity: self.note("on_notifications_read_all", identity.user_id))
        realtime.on_disconnect(lambda identity, reason: heard.append(("on_disconnect", identity.user_id, reason)))


@pytest.fixture
def chat(make_app: MakeApp, connect: Connect) -> Iterator[Chat]:
    with ExitStack() as stack:
        yield Chat(make_app(), connect, stack)


def code(answer: Any) -> str:
    """The code of an answer that is an error."""
    found: str = answer["error"]["code"]
    return found


# Conversations ----------------------------------------------------------------------------------------


def test_who_joined_gets_what_is_sent_to_the_conversation_until_it_leaves(chat: Chat) -> None:
    assert [client.call("join:conversation", "7") for client in (chat.ann, chat.ben)] == [OK, OK]
    chat.realtime.emit_new_message("7", {"id": 1})
    assert chat.ben.call("leave:conversation", "7") == OK
    assert chat.ben.call("leave:conversation", "7") == OK, "of no effect"
    chat.realtime.emit_new_message("7", {"id": 2})
    assert chat.received("message:new") == [[{"id": 1}, {"id": 2}], [], [{"id": 1}]]
    asked = [("authorize_join", name, "7") for name in ("ann", "ben")]
    told = [("on_join", "ann", "7"), ("on_join", "ben", "7"), ("on_leave", "ben", "7")]
    assert chat.heard == [asked[0], told[0], asked[1], told[1], told[2]]


def test_who_may_not_join_may_not_ask_who_is_there(chat: Chat) -> None:
    chat.ben.join("7")
    assert code(chat.ann.call("join:conversation", "private")) == "forbidden"
    assert code(chat.ann.call("conversation:get-online-users", "private")) == "forbidden"
    assert chat.ann.call("conversation:get-online-users", "7") == ["ben"], "the application allows it"
    assert chat.ben.call("conversation:get-online-users", 7) == ["ben"]
    asked = [what[1:] for what in chat.heard if what[0] == "authorize_join"]
    assert asked == [("ben", "7"), ("ann", "private"), ("ann", "private"), ("ann", "7")], "who is joined is not asked about"


def test_a_user_is_taken_out_of_a_conversation_with_all_connections(chat: Chat) -> None:
    for client in (chat.ann, chat.second, chat.ben):
        client.join("7")
        client.join("8")
    chat.realtime.remove_from_conversation(7, "ann")
    for conversation in ("7", "8"):
        chat.realtime.send_to_conversation(conversation, "news", conversation)
    assert chat.received("news") == [["8"], ["8"], ["7", "8"]]
    assert chat.realtime.get_online_users("7") == ["ben"]
    assert chat.realtime.get_online_users() in (["ann", "ben"], ["ben", "ann"])
    assert [what for what in chat.heard if what[0] == "on_leave"] == [("on_leave", "ann", "7")] * 2


def test_without_a_hook_every_join_is_refused_and_the_log_says_so_once(
    make_app: MakeApp, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app()
    Realtime(app)
    with connect(app, "ann") as ann:
        assert [code(ann.call("join:conversation", "7")) for _ in range(3)] == ["forbidden"] * 3
    assert caplog.text.count("There is no authorize_join hook") == 1


@pytest.mark.parametrize("event", ["join:conversation", "leave:conversation", "conversation:get-online-users"])
@pytest.mark.parametrize("args", [(), ("",), (None,), ({},)])
def test_a_conversation_is_named_by_one_id(chat: Chat, event: str, args: tuple[Any, ...]) -> None:
    assert code(chat.ann.call(event, *args)) == "bad_request"


# Typing indicators ------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", ["typing:start", "typing:stop"])
def test_who_types_is_shown_to_the_others_of_the_conversation(chat: Chat, event: str) -> None:
    for client in (chat.ann, chat.second, chat.ben):
        client.join(7)
    assert chat.ann.call(event, {"conversationId": 7}) == OK
    told = {"conversationId": 7, "userId": "ann"}
    assert chat.received(event) == [[], [], [told]]
    assert code(chat.ann.call(event, {"conversationId": "8"})) == "not_joined"
    for bad in ((), ("7",), ({"conversationId": ""},), ({},)):
        assert code(chat.ann.call(event, *bad)) == "bad_request"


@pytest.mark.parametrize("end", ["leaves", "disconnects", "is silent"])
def test_typing_ends_with_whoever_types(make_app: MakeApp, connect: Connect, end: str) -> None:
    app = make_app(REALTIME_TYPING_TIMEOUT=0.2 if end == "is silent" else 60)
    Realtime(app).authorize_join(lambda _identity, _conversation_id: True)
    with connect(app, "ann") as ann, connect(app, "ben") as ben:
        for client in (ann, ben):
            client.join("7")
        for _ in range(3):
            ann.emit("typing:start", {"conversationId": "7"})
        if end == "leaves":
            ann.call("leave:conversation", "7")
        elif end == "disconnects":
            ann.disconnect()
        assert ben.wait_for("typing:stop").data == {"conversationId": "7", "userId": "ann"}
        ben.assert_nothing("typing:stop")


def test_a_user_types_until_the_last_device_has_stopped(chat: Chat) -> None:
    about, told = {"conversationId": "7"}, {"conversationId": "7", "userId": "ann"}
    for client in (chat.ann, chat.second, chat.ben):
        client.join("7")
    for client in (chat.ann, chat.second):
        client.emit("typing:start", about)
    assert chat.ann.call("typing:stop", about) == OK
    assert chat.received("typing:stop") == [[], [], []]
    assert chat.second.call("typing:stop", about) == OK
    assert chat.received("typing:stop") == [[], [], [told]]


def test_who_types_the_same_over_and_over_is_limited_as_ever(make_app: MakeApp, connect: Connect) -> None:
    app = make_app(REALTIME_LIMITS={"typing": "5/hour"}, REALTIME_USER_LIMITS={"typing": None})
    Realtime(app).authorize_join(lambda _identity, _conversation_id: True)
    with connect(app, "ann") as ann, connect(app, "ben") as ben:
        for client in (ann, ben):
            client.join("7")
        for _ in range(8):
            ann.emit("typing:start", {"conversationId": "7"})
        errors = [ann.wait_for("realtime:error").data for _ in range(3)]
        assert [(error["event"], error["error"]["code"]) for error in errors] == [("typing:start", "rate_limited")] * 3
        ann.assert_nothing("realtime:error")
        ben.call("user:get-status", "ann")
        assert [item.event for item in ben.received].count("typing:start") == 5


def test_a_log_that_shows_a_connection_shows_no_token(make_app: MakeApp, connect: Connect) -> None:
    app = make_app()
    Realtime(app)
    with connect(app, "ann", email="a@b.example") as ann:
        connection = gateway_of(app)._registry.get(ann.id or "")
        assert connection is not None
        assert "user_id='ann'" in repr(connection)
        assert "a@b.example" not in repr(connection)
        assert all(str(value) not in repr(connection) for value in connection.token_header.values())


def test_one_users_events_use_up_nobody_elses_limit(make_app: MakeApp, connect: Connect) -> None:
    app = make_app(REALTIME_USER_LIMITS={"presence": "3/hour"})
    Realtime(app)
    with connect(app, "ann") as ann, connect(app, "ann") as again, connect(app, "ben") as ben:
        answers = [client.call("user:get-status", "ann") for client in (ann, again, ann, again, ben)]
    assert ["error" in answer for answer in answers] == [False, False, False, True, False]


def test_who_left_types_no_more_however_often_it_did(chat: Chat) -> None:
    for client in (chat.ann, chat.ben):
        client.join("7")
    for _ in range(3):
        chat.ann.emit("typing:start", {"conversationId": "7"})
    chat.ann.call("leave:conversation", "7")
    chat.ann.emit("typing:start", {"conversationId": "7"})
    assert chat.ann.wait_for("realtime:error").data["error"]["code"] == "not_joined"
    assert len(chat.received("typing:start")[2]) == 3
    assert len(chat.received("typing:stop")[2]) == 1
    chat.ann.join("7")
    chat.ann.emit("typing:start", {"conversationId": "7"})
    assert len(chat.received("typing:start")[2]) == 4


# Notifications and orders -----------------------------------------------------------------------------


def test_a_notification_that_is_read_is_told_to_all_devices_of_its_user(chat: Chat) -> None:
    assert chat.ann.call("notification:read", 3) == OK
    assert chat.received("notification:read") == [[3], [3], []]
    assert chat.ann.call("notifications:read-all") == OK
    assert [len(of_one) for of_one in chat.received("notifications:read-all")] == [1, 1, 0]
    assert code(chat.ann.call("notification:read", "9")) == "not_found"
    assert code(chat.ann.call("notification:read", "")) == "bad_request"
    assert chat.received("notification:read") == [[3], [3], []]
    assert chat.heard == [
        ("on_notification_read", "ann", "3"),
        ("on_notifications_read_all", "ann"),
        ("on_notification_read", "ann", "9"),
    ]


@pytest.mark.parametrize(
    ("send", "event", "data"),
    [
        (lambda realtime: realtime.emit_notification_to_user("ann", {"id": 1}), "notification:new", {"id": 1}),
        (lambda realtime: realtime.emit_order_update("ann", {"id": 2}), "order:update", {"id": 2}),
        (lambda realtime: realtime.send_to_user("ann", "own", 3), "own", 3),
    ],
)
def test_what_is_sent_to_a_user_reaches_all_devices(chat: Chat, send: Callable[[Realtime], bool], event: str, data: Any) -> None:
    assert send(chat.realtime) is True
    assert chat.received(event) == [[data], [data], []]


def test_messages_that_are_read_or_deleted_are_told_to_the_conversation(chat: Chat) -> None:
    chat.ben.join("7")
    chat.realtime.emit_message_read(7, [1, 2], "ann")
    chat.realtime.emit_message_deleted(7, 1)
    assert chat.received("messages:read") == [[], [], [{"conversationId": 7, "messageIds": [1, 2], "userId": "ann"}]]
    assert chat.received("message:deleted") == [[], [], [{"conversationId": 7, "messageId": 1}]]


# Presence ---------------------------------------------------------------------------------------------


def test_who_is_online_can_be_asked_for(chat: Chat) -> None:
    ann, eve = {"userId": "ann", "status": "online"}, {"userId": "eve", "status": "offline"}
    assert [chat.ben.call("user:get-status", name) for name in ("ann", "eve")] == [ann, eve]
    assert chat.ben.call("users:get-status", ["eve", "ann"]) == [eve, ann]
    bad: tuple[Any, ...] = ("ann", [""], {}, None)
    assert [code(chat.ben.call("users:get-status", each)) for each in bad] == ["bad_request"] * 4
    realtime = chat.realtime
    assert [realtime.get_user_status(name) for name in ("ann", "eve")] == [ann, eve]
    assert [realtime.is_user_online(name) for name in ("ann", "eve")] == [True, False]
    assert realtime.get_online_users_count() == 2
    entries = realtime.get_user_connections("ann")
    assert {entry.connection_id for entry in entries} == {chat.ann.id, chat.second.id}


def test_coming_and_going_are_told_with_the_first_and_the_last_connection(make_app: MakeApp, connect: Connect) -> None:
    app, told = make_app(), []
    realtime = Realtime(app)
    realtime.on_user_online(lambda user_id: told.append((user_id, "online")))
    realtime.on_user_offline(lambda user_id: told.append((user_id, "offline")))

    @realtime.presence_audience
    def audience(user_id: str) -> list[str] | None:
        return None if user_id == "ann" else ["ben", "eve"]

    with connect(app, "ann") as ann, connect(app, "ben") as ben:
        with connect(app, "eve") as eve, connect(app, "eve"):
            eve.wait_for("user:status-changed")
        while ben.wait_for("user:status-changed").data != {"userId": "eve", "status": "offline"}:
            pass
        ben._wait(lambda: len(told) == 4, 5, "the hooks")
        assert told == [("ann", "online"), ("ben", "online"), ("eve", "online"), ("eve", "offline")]
        statuses = [item.data["userId"] for item in ben.received if item.event == "user:status-changed"]
        assert statuses.count("eve") == 2
        ann.wait_for("user:status-changed")
        ann.assert_nothing("user:status-changed")


@pytest.mark.parametrize("has_audience", [False, True])
def test_a_change_that_comes_too_soon_is_told_later(
    make_app: MakeApp, connect: Connect, monkeypatch: pytest.MonkeyPatch, *, has_audience: bool
) -> None:
    monkeypatch.setattr(rated_queue, "RATE", parse_rate("5/second, burst 2"))
    told: list[str] = []
    app = make_app()
    realtime = Realtime(app)
    realtime.on_user_online(told.append)
    if has_audience:
        realtime.presence_audience(lambda _user_id: ["ben"])
    with connect(app, "ben") as ben:
        ben.wait_for("user:status-changed")
        with connect(app, "eve"):
            pass
        with connect(app, "eve"):
            changes = [ben.wait_for("user:status-changed").data for _ in range(3)]
            assert [(change["userId"], change["status"]) for change in changes] == [
                ("eve", "online"),
                ("eve", "offline"),
                ("eve", "online"),
            ]
            ben.assert_nothing()
            assert told == ["ben", "eve", "eve"], "the application hears of each at once"


# Authentication ---------------------------------------------------------------------------------------


def test_all_connections_of_a_user_are_ended(chat: Chat) -> None:
    assert chat.realtime.disconnect_user("ann") == 2
    chat.ben._wait(lambda: len(chat.heard) == 2, 5, "the ends")
    assert chat.heard == [("on_disconnect", "ann", "server disconnect")] * 2
    assert not chat.realtime.is_user_online("ann")
    assert chat.realtime.disconnect_user("ben", "moved") == 1
    chat.ben._wait(lambda: len(chat.heard) == 3, 5, "the end")
    assert chat.heard[2] == ("on_disconnect", "ben", "moved")


def test_the_connections_of_a_token_are_ended_and_no_others(chat: Chat) -> None:
    with chat.app.app_context():
        token = create_access_token("ann")
        token_id = decode_token(token)["jti"]
    for reason in (None, "logged out"):
        chat.heard.clear()
        with RealtimeTestClient(chat.app, token):
            assert chat.realtime.disconnect_token(token_id, reason) == 1
            chat.ann._wait(lambda: bool(chat.heard), 5, "the end")
            assert chat.heard == [("on_disconnect", "ann", reason or "server disconnect")]
    assert chat.realtime.disconnect_token(token_id) == 0
    assert len(chat.realtime.get_user_connections("ann")) == 2


@pytest.mark.parametrize("args", [(), ("",), (None,), (7,), (["x"],)])
def test_a_new_token_is_one_string(chat: Chat, args: tuple[Any, ...]) -> None:
    assert code(chat.ann.call("auth:refresh", *args)) == "bad_request"


def test_a_new_token_is_taken_or_refused_with_its_code(chat: Chat) -> None:
    with chat.app.app_context():
        own, anothers = create_access_token("ann"), create_access_token("ben")
    assert chat.ann.call("auth:refresh", own).keys() == {"expiresAt"}
    assert code(chat.ann.call("auth:refresh", anothers)) == "forbidden"
    rubbish = chat.ann.call("auth:refresh", "rubbish")["error"]
    assert (rubbish["code"], " " in rubbish["message"]) == ("token_malformed", True)
    assert chat.ann.call("user:get-status", "ann")["status"] == "online"
