"""The log with clients: events are sent after the commit, once, and whoever was away asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event, insert, select, text

from flask_realtime import Realtime
from flask_realtime import log as log_in_current_application
from flask_realtime.errors import ConfigError
from flask_realtime.features.log import listener, relay, state
from flask_realtime.features.log.models import LogEntryMixin
from flask_realtime.store import Store, define_models, utc_now
from flask_realtime.testing import RealtimeTestClient
from tests.integration.conftest import Connect, MakeApp
from tests.integration.example_support import (
    PATIENCE_SECONDS,
    create_tables,
    enforce_foreign_keys,
    on_sqlite,
    shared_models,
    sqlite_url,
)

RECOVERY_SECONDS = 5.0
"""Within which what a process left behind is delivered."""


class World:
    """An application with a log, and clients of two users who have joined their conversation, 1."""

    def __init__(self, app: Flask, connect: Connect, stack: ExitStack) -> None:
        self.app = app
        self.db, self.models = shared_models(app, log=True)
        self.store = Store(self.db, self.models)
        self.realtime = Realtime()
        self.store.register(self.realtime)
        self.realtime.init_app(app)
        with app.app_context():
            if self.db.engine.dialect.name == "sqlite":
                event.listen(self.db.engine, "connect", enforce_foreign_keys)
            create_tables(self.db)
            self.store.conversations.create(["ann", "ben"])
            stack.callback(self.db.engine.dispose)
        self.ann, self.ben = (stack.enter_context(connect(app, name)) for name in ("ann", "ben"))
        self.ann.join("1")
        self.ben.join("1")

    @property
    def entry(self) -> type[LogEntryMixin]:
        assert self.models.log_entry is not None
        return self.models.log_entry

    def events(self, client: RealtimeTestClient) -> list[tuple[Any, ...]]:
        """What a client got, in order."""
        client.call("user:get-status", "ann")
        return [(item.event, *item.args) for item in client.received if item.event != "user:status-changed"]

    def eventually(self, condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
        """Let the background tasks run until the condition holds."""
        deadline = monotonic() + seconds
        while not condition():
            assert monotonic() < deadline, "it did not come true in time"
            self.realtime.socketio.sleep(0.01)

    def undelivered(self) -> int:
        """How many rows are not recorded as delivered."""
        with self.app.app_context():
            return len(self.db.session.scalars(select(self.entry.id).where(self.entry.delivered_at.is_(None))).all())


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def world(database_url: str, make_app: MakeApp, connect: Connect, stack: ExitStack) -> Iterator[World]:
    world = World(make_app(SQLALCHEMY_DATABASE_URI=database_url), connect, stack)
    with world.app.app_context():
        yield world
    world.eventually(lambda: world.undelivered() == 0)


def test_an_event_is_sent_once_after_the_commit_and_recorded(world: World) -> None:
    world.realtime.log("note", {"n": 1}, "two", user_id="ann")
    world.realtime.log("note", {"n": 2}, conversation_id=1)
    log_in_current_application("note", everyone=True)
    assert world.events(world.ann) == []
    world.db.session.commit()
    assert world.events(world.ann) == [("note", {"n": 1}, "two"), ("note", {"n": 2}), ("note",)]
    assert world.events(world.ben) == [("note", {"n": 2}), ("note",)]
    world.eventually(lambda: world.undelivered() == 0)
    assert world.events(world.ben) == [("note", {"n": 2}), ("note",)]


def test_an_event_is_sent_as_it_was_logged(world: World) -> None:
    payload = {"at": utc_now(), "tags": ["a"]}
    world.realtime.log("note", payload, user_id="ann")
    payload["tags"] = None
    world.db.session.commit()
    ((_, sent),) = world.events(world.ann)
    assert sent["tags"] == ["a"]
    assert world.ann.call("sync", {"cursor": "log-0"})["events"][0]["args"] == [sent]


def test_a_rolled_back_event_is_never_heard_of(world: World) -> None:
    world.realtime.log("note", 1, user_id="ann")
    world.db.session.rollback()
    with world.db.session.begin_nested() as savepoint:
        world.realtime.log("note", 2, user_id="ann")
        savepoint.rollback()
    world.db.session.commit()
    world.realtime.log("note", 3, user_id="ann")
    world.db.session.commit()
    assert world.events(world.ann) == [("note", 3)]
    assert [item["args"] for item in world.ann.call("sync", {"cursor": "log-0"})["events"]] == [[3]]


def test_savepoints_take_their_events_with_them_and_the_others_come_in_the_order_called(world: World) -> None:
    session = world.db.session
    start = world.store.log.sync("ann")["cursor"]
    with session.begin_nested() as outer:
        world.realtime.log("note", 1, user_id="ann")
        with session.begin_nested():
            world.realtime.log("note", 2, user_id="ann")
        outer.rollback()
    with session.begin_nested():
        world.realtime.log("note", 3, user_id="ann")
        world.realtime.send_to_user("ann", "note", 4, after_commit=True)
        with session.begin_nested() as inner:
            world.realtime.log("note", 5, user_id="ann")
            world.realtime.send_to_user("ann", "note", 6, after_commit=True)
            inner.rollback()
        world.realtime.log("note", 7, user_id="ann")
    world.realtime.log("note", 8, user_id="ann")
    session.commit()
    assert world.events(world.ann) == [("note", 3), ("note", 4), ("note", 7), ("note", 8)]
    missed: Any = world.store.log.sync("ann", start)
    assert [item["args"] for item in missed["events"]] == [[3], [7], [8]]


def test_what_the_store_changes_is_sent_without_the_application(world: World) -> None:
    sent = world.ann.call("message:send", {"conversationId": 1, "clientId": "c1", "content": "hello"})["message"]
    again = world.ann.call("message:send", {"conversationId": 1, "clientId": "c1", "content": "hello"})["message"]
    assert again == sent
    world.store.messages.mark_read("1", "ben", [sent["id"]])
    world.store.messages.delete("1", sent["id"])
    notification = world.store.notifications.add("ben", "kind", "Title", "Text")
    for _ in range(2):  # The document's client would count down twice.
        assert world.ben.call("notification:read", int(notification.id)) == {"ok": True}
    assert world.ben.call("notification:read", "99")["error"]["code"] == "not_found"
    assert world.ben.call("notifications:read-all") == {"ok": True}
    read = ("messages:read", {"conversationId": "1", "messageIds": [sent["id"]], "userId": "ben", "upTo": sent["id"]})
    deleted = ("message:deleted", {"conversationId": "1", "messageId": sent["id"]})
    assert world.events(world.ann) == [("message:new", sent), read, deleted]
    events = world.events(world.ben)
    assert events[:3] == world.events(world.ann)
    assert [name for name, *_ in events[3:]] == ["notification:new", "notification:read", "notifications:read-all"]
    assert events[4] == ("notification:read", notification.id)
    world.eventually(lambda: world.undelivered() == 0)
    missed = world.ben.call("sync", {"cursor": "log-0"})["events"]
    (first,) = missed[0]["args"]
    assert (first, first["deletedAt"] is None) == ({**sent, "content": "", "deletedAt": first["deletedAt"]}, False)
    assert [(item["event"], *item["args"]) for item in missed[1:]] == events[1:]


def test_a_client_that_was_away_gets_what_it_missed(world: World, connect: Connect) -> None:
    cursor = world.ben.call("sync")["cursor"]
    assert world.ben.call("sync", {}) == {"events": [], "cursor": cursor, "more": False}
    world.ben.disconnect()
    for number in range(3):
        world.realtime.log("note", number, conversation_id=1)
        world.realtime.log("note", number, user_id="ann")
        world.db.session.commit()
    with connect(world.app, "ben") as back:
        first = back.call("sync", {"cursor": cursor, "limit": 2})
        second = back.call("sync", {"cursor": first["cursor"], "limit": 2})
        assert [item["args"] for item in first["events"] + second["events"]] == [[0], [1], [2]]
        assert (first["more"], second["more"]) == (True, False)
        assert all(item["at"].endswith("Z") for item in first["events"])


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ("log-0", "payload must be an object with cursor and limit, both optional"),
        ({"cursor": "nonsense"}, "cursor must be a cursor that an earlier sync has returned"),
        ({"limit": 0}, "limit must be an integer from 1 to 500"),
        ({"cursor": 1, "limit": "1"}, "cursor must be a cursor that an earlier sync has returned; limit must be"),
    ],
)
@on_sqlite
def test_a_wrong_request_is_refused_and_named(world: World, payload: Any, told: str) -> None:
    error = world.ann.call("sync", payload)["error"]
    assert error["code"] == "bad_request"
    assert error["message"].startswith(told)


def test_what_another_process_left_behind_is_delivered_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "TAKEN_AT_ONCE", 4)
    row = {"event": "note", "room": "conversation:1", "created_at": utc_now()}
    world.db.session.execute(insert(world.entry), [{**row, "arguments": f"[{number}]"} for number in range(10)])
    world.db.session.commit()
    world.eventually(lambda: world.undelivered() == 0, RECOVERY_SECONDS)
    assert world.events(world.ben) == [("note", number) for number in range(10)]


def test_an_event_whose_commit_takes_long_is_delivered_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "LATEST_START", -1.0)
    world.realtime.log("note", 1, user_id="ann")
    world.db.session.commit()
    assert world.events(world.ann) == [], "left to the relay"
    world.eventually(lambda: world.undelivered() == 0, RECOVERY_SECONDS)
    assert world.events(world.ann) == [("note", 1)]


def test_a_transaction_that_takes_long_comes_before_the_next_one(world: World) -> None:
    world.realtime.log("note", 1, user_id="ann")
    with world.db.session.begin_nested():
        world.realtime.log("note", 2, user_id="ann")
    nested = world.db.session.begin_nested()
    world.realtime.log("note", 3, user_id="ann")
    nested.rollback()
    began = monotonic()
    world.eventually(lambda: monotonic() - began > state.LATEST_START, PATIENCE_SECONDS)
    with world.db.session.begin_nested():
        world.realtime.log("note", 4, user_id="ann")
    world.db.session.commit()
    world.realtime.log("note", 5, user_id="ann")
    world.db.session.commit()
    world.eventually(lambda: world.undelivered() == 0)
    assert world.events(world.ann) == [("note", 1), ("note", 2), ("note", 4), ("note", 5)]


def test_the_events_of_a_transaction_whose_commit_takes_long_come_in_order(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "LATEST_START", 0.2)
    world.realtime.log("note", 1, user_id="ann")
    began = monotonic()
    world.eventually(lambda: monotonic() - began > state.LATEST_START, PATIENCE_SECONDS)
    for number in (2, 3):
        world.realtime.log("note", number, user_id="ann")
    world.db.session.commit()
    world.eventually(lambda: world.undelivered() == 0)
    assert world.events(world.ann) == [("note", 1), ("note", 2), ("note", 3)]


@on_sqlite
@pytest.mark.parametrize("age", [None, timedelta(minutes=1)], ids=["here", "in another process"])
def test_what_happened_before_anybody_was_connected_is_not_sent_later(
    database_url: str, make_app: MakeApp, connect: Connect, stack: ExitStack, age: timedelta | None
) -> None:
    app = make_app(SQLALCHEMY_DATABASE_URI=database_url)
    db = SQLAlchemy(app)
    models = define_models(db, log=True)
    store, realtime = Store(db, models), Realtime()
    store.register(realtime)
    realtime.init_app(app)
    with app.app_context():
        db.create_all()
        stack.callback(db.engine.dispose)
        entry: Any = models.log_entry
        if age is None:
            realtime.log("note", 1, user_id="ann")
        else:
            row = {"event": "note", "room": "user:ann", "arguments": "[1]", "created_at": utc_now() - age}
            db.session.execute(insert(entry), [row])
        db.session.commit()
        client = stack.enter_context(connect(app, "ann"))
        deadline = monotonic() + PATIENCE_SECONDS
        while db.session.scalars(select(entry.delivered_at)).one() is None or not client.received:
            db.session.rollback()
            assert monotonic() < deadline
            realtime.socketio.sleep(0.01)
        assert [item.event for item in client.received] == ["user:status-changed"]


def test_without_a_log_nothing_is_logged_and_sync_is_unknown(make_app: MakeApp, connect: Connect, tmp_path: Any) -> None:
    app = make_app(SQLALCHEMY_DATABASE_URI=sqlite_url(tmp_path))
    db = SQLAlchemy(app)
    realtime = Realtime()
    Store(db, define_models(db)).register(realtime)
    realtime.init_app(app)
    with app.app_context(), connect(app, "ann") as client:
        with pytest.raises(ConfigError, match=r"define_models\(db, log=True\)"):
            realtime.log("note", user_id="ann")
        assert client.call("sync")["error"]["code"] == "unknown_event"
        db.engine.dispose()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_lost_connection_to_the_database_is_listened_on_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "RETRY_SECONDS", 0.5)
    listening = text("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %'")

    def listeners() -> list[int]:
        with world.app.app_context():
            return list(world.db.session.scalars(listening))

    world.eventually(lambda: len(listeners()) == 1)
    (lost,) = listeners()
    world.db.session.execute(text(f"SELECT pg_terminate_backend({lost})"))
    world.eventually(lambda: len(listeners()) == 1 and listeners() != [lost])
