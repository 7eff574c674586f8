"""Searching over HTTP: what a client gets, and how often."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token

from flask_realtime import Realtime
from flask_realtime.chat import Chat
from flask_realtime.store import Store
from tests.integration.conftest import KEY
from tests.integration.example_support import create_tables, shared_models

SEARCHES = 10
"""Searches that a user has at once."""


class World:
    """An application with a chat; conversation 1 is of ann and ben."""

    def __init__(self, url: str, *, search: bool = True) -> None:
        self.app = Flask("search_app")
        self.app.config.update(JWT_SECRET_KEY=KEY, SQLALCHEMY_DATABASE_URI=url, REALTIME_ASYNC_MODE="threading")
        self.app.config["REALTIME_USER_LIMITS"] = {"searches": f"1/hour, burst {SEARCHES}"}
        JWTManager(self.app)
        self.db, models = shared_models(self.app, search=search)
        self.store = Store(self.db, models)
        realtime = Realtime()
        self.app.register_blueprint(Chat(realtime, self.store, users=known).blueprint)
        realtime.init_app(self.app)
        with self.app.app_context():
            create_tables(self.db)
            self.store.conversations.create(["ann", "ben"])
            self.tokens = {user: create_access_token(user) for user in ("ann", "eve")}

    def write(self, *contents: str) -> None:
        with self.app.app_context():
            for content in contents:
                self.store.messages.add("1", "ben", content)

    def search(self, user: str | None, **query: str) -> tuple[int, Any]:
        headers = {} if user is None else {"Authorization": f"Bearer {self.tokens[user]}"}
        answer = self.app.test_client().get("/api/search", query_string=query, headers=headers)
        return answer.status_code, answer.json


def known(user_ids: Collection[str]) -> dict[str, dict[str, str]]:
    return {user_id: {"id": user_id, "username": user_id.title()} for user_id in user_ids}


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    made = World(database_url)
    yield made
    with made.app.app_context():
        made.db.engine.dispose()


def test_a_client_gets_messages_as_ever_with_snippets_in_pages(world: World) -> None:
    world.write("hello <b>one</b>", "other", "Hello two")
    status, first = world.search("ann", q="hello", limit="1")
    assert (status, [hit["snippet"] for hit in first["hits"]]) == (200, ["<mark>Hello</mark> two"])
    status, second = world.search("ann", q="hello", limit="1", before=first["nextBefore"])
    assert (status, second["nextBefore"]) == (200, None)
    (hit,) = second["hits"]
    assert hit["snippet"] == "<mark>hello</mark> &lt;b&gt;one&lt;/b&gt;"
    assert hit["message"]["content"] == "hello <b>one</b>"
    assert (hit["message"]["id"], hit["message"]["conversationId"]) == ("1", "1")
    assert hit["message"]["sender"] == {"id": "ben", "username": "Ben"}


def test_who_takes_no_part_finds_nothing_and_learns_of_no_conversation(world: World) -> None:
    world.write("hello")
    nothing: tuple[int, Any] = (200, {"hits": [], "nextBefore": None})
    assert [world.search("eve", q="hello", **narrowed) for narrowed in ({}, {"conversationId": "1"}, {"conversationId": "2"})] == [
        nothing
    ] * 3
    assert world.search("ann", q="hello", conversationId="1", senderId="ben")[1]["hits"]
    assert world.search("ann", q="hello", conversationId="1", senderId="ann") == nothing
    assert world.search(None, q="hello")[0] == 401


def test_what_is_no_search_is_refused_with_its_fields(world: World) -> None:
    status, answer = world.search("ann", limit="0", before="x" * 129)
    assert (status, answer["error"]["code"]) == (400, "bad_request")
    assert [name in answer["error"]["message"] for name in ("q is missing", "limit", "before")] == [True, True, True]


def test_searches_have_a_limit_of_their_own(world: World) -> None:
    statuses = [world.search("ann", q="hello")[0] for _ in range(SEARCHES + 1)]
    assert statuses == [200] * SEARCHES + [429]
    assert world.search("eve", q="hello")[0] == 200


def test_an_application_without_an_index_says_so(database_url: str) -> None:
    world = World(database_url, search=False)
    status, answer = world.search("ann", q="hello")
    assert (status, answer["error"]["code"]) == (404, "unknown_event")
    assert "define_models(db, search=True)" in answer["error"]["message"]
    with world.app.app_context():
        world.db.engine.dispose()
