"""`reaction:add` and `reaction:remove`: what clients are answered, what the conversation hears, and the same over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask_jwt_extended import create_access_token
from flask_sqlalchemy import SQLAlchemy
from werkzeug.test import TestResponse

from flask_realtime import Realtime
from flask_realtime.extension import BUILT_IN
from flask_realtime.rest import rest_blueprint
from flask_realtime.store import Models, Store, define_models
from flask_realtime.testing import RealtimeTestClient
from tests.integration.conftest import Connect, MakeApp
from tests.integration.example_support import create_tables, on_sqlite, shared_models

OK = {"ok": True}
HEART, KEYCAP, FLAG = "❤️", "#️⃣", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
EVENTS = ("reaction:added", "reaction:removed")


class World:
    """An application with the store and its REST calls, and clients of two users; both have joined their conversation, 1."""

    def __init__(self, app: Flask, connect: Connect, stack: ExitStack, **options: Any) -> None:
        self.app = app
        self.db, models = shared_models(app, **options)
        self.store = Store(self.db, models)
        self.realtime = Realtime()
        self.store.register(self.realtime)
        self.realtime.init_app(app)
        app.register_blueprint(rest_blueprint("rest", BUILT_IN))
        with app.app_context():
            create_tables(self.db)
            self.store.conversations.create(["ann", "ben"])
            self.store.conversations.create(["eve"])
            for conversation, sender in (("1", "ann"), ("2", "eve")):
                self.store.messages.add(conversation, sender, "hello")
            stack.callback(self.db.engine.dispose)
        self.ann, self.ben, self.eve = (stack.enter_context(connect(app, name)) for name in ("ann", "ben", "eve"))
        for client in (self.ann, self.ben):
            client.join("1")

    def request(self, method: str, user: str | None, emoji: str, conversation: str = "1", message: str = "1") -> TestResponse:
        """Call the REST route of a reaction as a user, or as nobody."""
        with self.app.app_context():
            headers = {} if user is None else {"Authorization": f"Bearer {create_access_token(user)}"}
        path = f"/api/conversations/{conversation}/messages/{message}/reactions/{quote(emoji, safe='')}"
        return self.app.test_client().open(path, method=method, headers=headers)

    def heard(self, client: RealtimeTestClient) -> list[tuple[str, Any]]:
        """What a client has got of reactions."""
        client.call("user:get-status", "ann")
        return [(item.event, item.data) for item in client.received if item.event in EVENTS]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(params=[False, True], ids=["", "log"])
def world(request: pytest.FixtureRequest, database_url: str, make_app: MakeApp, connect: Connect, stack: ExitStack) -> World:
    return World(make_app(SQLALCHEMY_DATABASE_URI=database_url), connect, stack, log=request.param)


def reaction(**changes: Any) -> dict[str, Any]:
    return {"conversationId": "1", "messageId": "1", "emoji": HEART, **changes}


def told(kind: str, user: str, count: int, emoji: str = HEART) -> tuple[str, Any]:
    payload = {"conversationId": "1", "messageId": "1", "emoji": emoji, "userId": user, "count": count}
    return f"reaction:{kind}", payload


def code(answer: Any) -> str:
    """The code of an answer that is an error."""
    found: str = answer["error"]["code"]
    return found


def test_each_change_is_told_to_the_conversation_once(world: World) -> None:
    assert world.ann.call("reaction:add", reaction(conversationId=1, messageId=1)) == OK
    assert world.ann.call("reaction:add", reaction(emoji="❤")) == OK, "the same, written in another way"
    assert world.ben.call("reaction:add", reaction()) == OK
    assert world.ben.call("reaction:remove", reaction(emoji=KEYCAP)) == OK, "it is not there"
    assert world.ann.call("reaction:remove", reaction(emoji="❤")) == OK
    for client in (world.ann, world.ben):
        assert world.heard(client) == [told("added", "ann", 1), told("added", "ben", 2), told("removed", "ann", 1)]
    assert world.heard(world.eve) == []


def test_requests_do_what_the_events_do(world: World) -> None:
    for emoji in (HEART, FLAG, KEYCAP):
        answer = world.request("PUT", "ben", emoji)
        assert (answer.status_code, answer.data) == (204, b"")
    assert world.ann.call("reaction:add", reaction()) == OK
    assert world.request("DELETE", "ben", "❤").status_code == 204
    assert world.request("DELETE", "ben", "❤").status_code == 204
    assert world.heard(world.ann) == [
        told("added", "ben", 1),
        told("added", "ben", 1, FLAG),
        told("added", "ben", 1, KEYCAP),
        told("added", "ann", 2),
        told("removed", "ben", 1),
    ]


def test_only_participants_react_to_messages_that_are_there(world: World) -> None:
    for event, method in (("reaction:add", "PUT"), ("reaction:remove", "DELETE")):
        for conversation, message, expected in (
            ("1", "1", ("forbidden", 403)),
            ("1", "99", ("forbidden", 403)),
            ("99", "1", ("forbidden", 403)),
            ("2", "1", ("not_found", 404)),
            ("2", "99", ("not_found", 404)),
        ):
            named = {"conversationId": conversation, "messageId": message}
            answer = world.request(method, "eve", HEART, conversation, message)
            assert (code(world.eve.call(event, reaction(**named))), answer.status_code) == expected
            assert code(answer.json) == expected[0]
        assert code(world.ann.call(event, reaction(emoji="a"))) == "bad_request"
        assert code(world.ann.call(event, "❤")) == "bad_request"
        refused = world.request(method, "ann", "two❤")
        assert (refused.status_code, code(refused.json)) == (400, "bad_request")
        assert world.request(method, None, HEART).status_code == 401
    assert world.heard(world.ann) == []
    with world.app.app_context():
        assert world.store.reactions is not None
        assert world.store.reactions.of_messages([1, 2]) == {}


@on_sqlite
def test_both_ways_draw_on_one_allowance(database_url: str, make_app: MakeApp, connect: Connect, stack: ExitStack) -> None:
    limits = {"reactions": "1/minute, burst 2"}
    world = World(make_app(SQLALCHEMY_DATABASE_URI=database_url, REALTIME_USER_LIMITS=limits), connect, stack)
    assert world.request("PUT", "ann", HEART).status_code == 204
    assert world.ann.call("reaction:remove", reaction()) == OK
    refused = world.request("PUT", "ann", HEART)
    assert (refused.status_code, code(refused.json), "Retry-After" in refused.headers) == (429, "rate_limited", True)
    assert code(world.ann.call("reaction:add", reaction())) == "rate_limited"
    assert world.ben.call("reaction:add", reaction()) == OK


@on_sqlite
@pytest.mark.parametrize("stores", [0, 1])
def test_without_models_of_reactions_the_events_are_unknown(
    database_url: str, make_app: MakeApp, connect: Connect, stores: int
) -> None:
    app = make_app(SQLALCHEMY_DATABASE_URI=database_url)
    realtime = Realtime()
    for _ in range(stores):
        db = SQLAlchemy(app)
        defined = define_models(db)
        store = Store(
            db, Models(defined.conversation, defined.participant, defined.message, defined.read_receipt, defined.notification)
        )
        assert store.reactions is None
        store.register(realtime)
    realtime.init_app(app)
    with connect(app, "ann") as ann:
        for event in ("reaction:add", "reaction:remove"):
            answer = ann.call(event, reaction())
            assert (code(answer), event in answer["error"]["message"]) == ("unknown_event", True)
