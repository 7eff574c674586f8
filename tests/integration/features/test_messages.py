"""`message:send`: what clients are answered, what the others hear, and what the hook is asked."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_realtime import Identity, NewMessage, Realtime, SentMessage
from flask_realtime.errors import Forbidden, RegistrationError
from flask_realtime.store import MessageRecord, Models, Store, define_models
from flask_realtime.testing import RealtimeTestClient
from tests.integration.conftest import Connect, MakeApp, one_of_each
from tests.integration.example_support import create_tables, shared_models, sqlite_url


class World:
    """An application with the store, and clients of two users who have joined their conversation, 1."""

    def __init__(self, app: Flask, connect: Connect, stack: ExitStack, **options: Any) -> None:
        self.app = app
        self.db, models = shared_models(app)
        self.store = Store(self.db, models)
        self.realtime = Realtime()
        self.store.register(self.realtime, **options)
        self.realtime.init_app(app)
        with app.app_context():
            create_tables(self.db)
            self.store.conversations.create(["ann", "ben"])
            self.store.conversations.create(["ben"])
            stack.callback(self.db.engine.dispose)
        self.ann, self.ben, self.eve = (stack.enter_context(connect(app, name)) for name in ("ann", "ben", "eve"))
        self.ann.join("1")
        self.ben.join("1")

    def received(self, client: RealtimeTestClient) -> list[Any]:
        """The messages that a client got."""
        client.call("user:get-status", "ann")
        return [item.data for item in client.received if item.event == "message:new"]

    def stored(self) -> list[str]:
        """What is in the conversation."""
        with self.app.app_context():
            return [message.content for message in self.store.messages.page("1", "ann").messages]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def world(database_url: str, make_app: MakeApp, connect: Connect, stack: ExitStack) -> Iterator[World]:
    world = World(make_app(SQLALCHEMY_DATABASE_URI=database_url), connect, stack)
    with world.app.app_context():
        yield world


def hello(**changes: Any) -> dict[str, Any]:
    return {"conversationId": "1", "clientId": "c1", "content": "hello", **changes}


def code(answer: Any) -> str:
    """The code of an answer that is an error."""
    found: str = answer["error"]["code"]
    return found


def test_a_message_is_stored_answered_and_sent_once(world: World) -> None:
    answer = world.ann.call("message:send", hello())
    message = answer["message"]
    assert answer == {"ok": True, "message": message}
    assert message.pop("createdAt").endswith("Z")
    expected = {
        "id": "1",
        "conversationId": "1",
        "seq": 1,
        "senderId": "ann",
        "sender": {"id": "ann"},
        "content": "hello",
        "editedAt": None,
        "deletedAt": None,
        "replyTo": None,
        "threadId": None,
        "thread": None,
        "mentions": [],
        "reactions": [],
        "attachments": [],
        "kind": "text",
        "clientId": "c1",
        "isRead": False,
        "status": "sent",
    }
    assert message == expected
    again = [world.ann.call("message:send", hello(conversationId=number)) for number in ("1", 1)]
    assert [item["message"]["id"] for item in again] == ["1", "1"]
    assert again[0] == again[1]
    assert [{**item, "createdAt": None} for item in world.received(world.ben)] == [{**expected, "createdAt": None}]
    assert world.received(world.ann) == world.received(world.ben), "the sender's devices too"
    assert world.stored() == ["hello"]
    assert world.ann.call("message:send", hello(clientId=7))["message"]["id"] == "2"
    assert world.ann.call("message:send", hello(clientId="7"))["message"]["id"] == "2", "7 and '7' are the same id"


def test_only_participants_may_send_and_need_not_have_joined(world: World) -> None:
    for conversation in ("1", "2", "99", "nonsense"):
        assert code(world.eve.call("message:send", hello(conversationId=conversation))) == "forbidden"
    assert code(world.ann.call("message:send", hello(conversationId="2"))) == "forbidden"
    assert world.ben.call("message:send", hello(conversationId="2"))["ok"] is True
    assert (world.stored(), world.received(world.ben)) == ([], [])


@one_of_each
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"clientId": ""}, "clientId must be a non-empty string"),
        ({"clientId": "x" * 129}, "clientId must be"),
        ({"clientId": "a\0b"}, "clientId must be"),
        ({"clientId": None}, "clientId must be"),
        ({"conversationId": []}, "conversationId must be"),
        ({"content": " \n"}, "content must be a string of 1 to 4000 characters"),
        ({"content": "x" * 4001}, "content must be"),
        ({"content": "a\0b"}, "content must be"),
        ({"content": 7}, "content must be"),
        ({"replyTo": "1"}, "replyTo is not a message of this conversation"),
        ({"replyTo": []}, "replyTo must be"),
        ({"threadId": 1}, "threadId is not a message of this conversation"),
        ({"mentions": "ben"}, "mentions must be a list of 0 to 50 ids"),
        ({"mentions": ["ben", True]}, "mentions[1] must be"),
        ({"mentions": ["u"] * 51}, "mentions must be a list of 0 to 50 ids"),
        ({"mentions": ["eve", "ben"]}, "mentions: eve does not take part"),
        ({"attachmentIds": ["1"]}, "attachmentIds is not supported yet"),
    ],
)
def test_what_cannot_be_stored_is_refused_and_named(world: World, changes: dict[str, Any], told: str) -> None:
    answer = world.ann.call("message:send", hello(**changes))
    assert code(answer) == "bad_request"
    assert told in answer["error"]["message"]
    assert (world.stored(), world.received(world.ben)) == ([], [])


def test_all_that_is_wrong_is_named_at_once(world: World) -> None:
    message = world.ann.call("message:send", {"mentions": 7, "attachmentIds": [1]})["error"]["message"]
    for told in ("conversationId is missing", "clientId is missing", "content is missing", "mentions must", "attachmentIds is not"):
        assert told in message
    assert "payload must be an object" in world.ann.call("message:send", "hello")["error"]["message"]
    assert "payload is missing" in world.ann.call("message:send")["error"]["message"]


def test_what_asks_for_nothing_is_taken_and_content_is_kept_as_it_is(world: World) -> None:
    nothing: dict[str, Any] = {"replyTo": None, "threadId": None, "mentions": [], "attachmentIds": None}
    content = " " + "\U0001f642" * 3999
    assert world.ann.call("message:send", hello(content=content, **nothing))["message"]["content"] == content


def test_a_user_sends_so_many_a_second(make_app: MakeApp, connect: Connect, stack: ExitStack, tmp_path: Path) -> None:
    limits = {"REALTIME_LIMITS": {"messages": "2/hour"}}
    world = World(make_app(SQLALCHEMY_DATABASE_URI=sqlite_url(tmp_path), **limits), connect, stack)
    answers = [world.ann.call("message:send", hello(clientId=number)) for number in range(3)]
    assert [answer.get("ok") for answer in answers] == [True, True, None]
    assert code(answers[2]) == "rate_limited"


def test_the_application_chooses_what_clients_see(make_app: MakeApp, connect: Connect, stack: ExitStack, tmp_path: Path) -> None:
    def as_json(message: MessageRecord) -> dict[str, str]:
        return {"number": message.id, "text": message.content}

    app = make_app(SQLALCHEMY_DATABASE_URI=sqlite_url(tmp_path))
    world = World(app, connect, stack, message_json=as_json)
    expected = {"number": "1", "text": "hello"}
    assert world.ann.call("message:send", hello()) == {"ok": True, "message": expected}
    assert world.received(world.ben) == [expected]


def test_a_store_without_the_model_leaves_the_hook_to_the_application() -> None:
    db = SQLAlchemy()
    models = define_models(db)
    own = Models(models.conversation, models.participant, models.message, models.read_receipt, models.notification)
    realtime = Realtime()
    Store(db, own).register(realtime)
    realtime.on_message_send(lambda _identity, _message: SentMessage({}))
    with pytest.raises(RegistrationError, match="on_message_send"):
        realtime.on_message_send(lambda _identity, _message: SentMessage({}))


class OwnTables:
    """An application that keeps its messages itself."""

    def __init__(self, make_app: MakeApp, connect: Connect, stack: ExitStack) -> None:
        self.result: Any = None
        self.asked: list[Any] = []
        self.realtime = Realtime()
        self.realtime.authorize_join(lambda _identity, _conversation: True)
        self.realtime.on_message_send(self.store)
        app = make_app()
        self.realtime.init_app(app)
        self.ann = stack.enter_context(connect(app, "ann"))
        self.ann.join("room")

    def store(self, identity: Identity, message: NewMessage) -> SentMessage:
        """Note what was sent, and return or raise what the test wants."""
        self.asked.append((identity.user_id, message))
        if isinstance(self.result, Exception):
            raise self.result
        found: SentMessage = self.result
        return found


@pytest.fixture
def own(make_app: MakeApp, connect: Connect, stack: ExitStack) -> OwnTables:
    return OwnTables(make_app, connect, stack)


def test_an_application_stores_messages_itself(own: OwnTables) -> None:
    sent = {"conversationId": "room", "clientId": 5, "content": "hello"}
    own.result = SentMessage({"id": 1})
    assert own.ann.call("message:send", sent) == {"ok": True, "message": {"id": 1}}
    assert own.ann.wait_for("message:new").data == {"id": 1}
    own.result = SentMessage({"id": 1}, is_new=False)
    assert own.ann.call("message:send", sent) == {"ok": True, "message": {"id": 1}}
    own.ann.assert_nothing("message:new")
    assert own.asked == [("ann", NewMessage("room", "5", "hello"))] * 2


@pytest.mark.parametrize("result", [Forbidden("archived"), ZeroDivisionError(), None, {"id": 1}, SentMessage({"at": object()})])
def test_a_message_that_was_not_stored_is_sent_to_nobody(own: OwnTables, result: Any, caplog: pytest.LogCaptureFixture) -> None:
    own.result = result
    with caplog.at_level(logging.ERROR):
        answer = own.ann.call("message:send", hello(conversationId="room"))
    assert code(answer) == ("forbidden" if isinstance(result, Forbidden) else "internal_error")
    own.ann.assert_nothing("message:new")
    assert not isinstance(result, dict) or "must return a SentMessage, not dict" in caplog.text


def test_without_a_hook_the_event_is_unknown(make_app: MakeApp, connect: Connect) -> None:
    app = make_app()
    Realtime(app)
    with connect(app, "ann") as ann:
        answer = ann.call("message:send", hello())
    assert code(answer) == "unknown_event"
    assert "on_message_send" in answer["error"]["message"]


def test_an_application_cannot_take_the_event_for_its_own() -> None:
    with pytest.raises(RegistrationError, match="on_message_send is its hook"):
        Realtime().on("message:send")(lambda _identity, _message: None)
