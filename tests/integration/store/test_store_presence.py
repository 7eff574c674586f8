"""What users set of their presence and privacy in the database, and who hears of their receipts then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import create_access_token
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event

from flask_realtime import Realtime
from flask_realtime.errors import ConfigError, NotFound
from flask_realtime.extension import gateway_of
from flask_realtime.features.presence import presence
from flask_realtime.features.presence.settings import PresenceSettings, SettingsPlace
from flask_realtime.rest import rest_blueprint
from flask_realtime.store import PrivacyRecord, Store, define_models
from tests.integration.conftest import MakeApp
from tests.integration.example_support import (
    StoreApp,
    create_tables,
    enforce_foreign_keys,
    full_scans,
    new_store_app,
    on_sqlite,
    recorded,
    shared_models,
)
from tests.integration.features.test_presence import OK, TYPING, Client, asked, last, statuses, wait_until

AT = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


class World:
    """An application with the store, whose conversation 1 is ann's, ben's and cat's.

    Args:
        app: The application, not yet set up.
        stack: Closes what is open.
        options: The options of `define_models`.
    """

    def __init__(self, app: Flask, stack: ExitStack, **options: Any) -> None:
        self.app, self._stack = app, stack
        self.db, models = shared_models(app, **options)
        self.store = Store(self.db, models)
        self.realtime = Realtime()
        self.store.register(self.realtime)
        self.realtime.init_app(app)
        app.register_blueprint(rest_blueprint("chat", [presence]))
        with app.app_context():
            create_tables(self.db)
            if not self.store.conversations.exists("1"):
                self.store.conversations.create(["ann", "ben", "cat"])
            stack.callback(self.db.engine.dispose)

    def client(self, user_id: str) -> Client:
        """Connect, and join the conversation."""
        client = Client(self.app, user_id)
        self._stack.callback(client.disconnect)
        client.join("1")
        return client

    def write(self, count: int = 1) -> list[str]:
        """Store messages of ann's, and return their ids."""
        with self.app.app_context():
            return [self.store.messages.add("1", "ann", "hello").id for _ in range(count)]

    def keep(self, user_id: str, **privacy: bool) -> PrivacyRecord:
        """Set a user's privacy."""
        assert self.store.privacy is not None
        with self.app.app_context():
            return self.store.privacy.set(user_id, **privacy)

    def statuses(self) -> list[tuple[str | None, bool]]:
        """How far ann's messages have got, as ann sees it."""
        with self.app.app_context():
            return [(message.status, message.is_read) for message in self.store.messages.page("1", "ann").messages]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def world(database_url: str, make_app: MakeApp, stack: ExitStack) -> World:
    return World(make_app(SQLALCHEMY_DATABASE_URI=database_url), stack)


@pytest.fixture
def place(database_url: str) -> Iterator[tuple[StoreApp, SettingsPlace]]:
    with new_store_app(database_url) as made:
        realtime = Realtime()
        made.store.register(realtime)
        made.app.config["JWT_SECRET_KEY"] = "0123456789abcdef" * 2
        realtime.init_app(made.app)
        yield made, gateway_of(made.app).control.state_of(presence).settings.place


def receipts(client: Client) -> list[Any]:
    """What a client has got of receipts."""
    client.call("users:get-status", [])
    return [(item.event, item.data["userId"]) for item in client.received if item.event in {"messages:read", "messages:delivered"}]


def test_what_is_set_survives_a_restart(database_url: str, make_app: MakeApp, stack: ExitStack) -> None:
    first = World(make_app(SQLALCHEMY_DATABASE_URI=database_url), stack)
    ann, ben = first.client("ann"), first.client("ben")
    assert ann.call("presence:set", {"state": "invisible", "text": "at home"}) == OK
    wait_until(lambda: statuses(ben, "ann")[-1:] == ["offline"], ben)
    wait_until_seen_is_stored(first, "ann", ben)
    gone = asked(ben, "ann")
    assert gone["lastSeenAt"] is not None
    assert ben.call("presence:set", {"state": "busy"}) == OK
    second = World(make_app(SQLALCHEMY_DATABASE_URI=database_url), stack)
    ann, ben = second.client("ann"), second.client("ben")
    assert asked(ben, "ann") == gone
    own = asked(ann, "ann")
    assert (own["state"], own["text"]) == ("invisible", "at home")
    assert asked(ann, "ben")["state"] == "busy"


def wait_until_seen_is_stored(world: World, user_id: str, client: Client) -> None:
    """Wait until the database has when a user was last seen, which is written in batches."""
    with world.app.app_context():
        place = gateway_of(world.app).control.state_of(presence).settings.place

        def is_stored() -> bool:
            world.db.session.rollback()
            return user_id in place.last_seen([user_id])

        wait_until(is_stored, client)


def test_when_a_user_was_last_seen_is_stored(world: World) -> None:
    ann, ben = world.client("ann"), world.client("ben")
    ann.disconnect()
    wait_until(lambda: not gateway_of(world.app).control.state_of(presence).is_online("ann"), ben)
    wait_until_seen_is_stored(world, "ann", ben)
    with world.app.app_context():
        seen = gateway_of(world.app).control.state_of(presence).settings.place.last_seen(["ann", "ben", "eve"])
    assert seen.keys() == {"ann"}
    assert datetime.now(timezone.utc) - seen["ann"] < timedelta(minutes=1)


def test_changes_are_numbered_and_only_exceptions_are_listed(place: tuple[StoreApp, SettingsPlace]) -> None:
    _, place_of_settings = place
    until = AT + timedelta(days=3)
    first = place_of_settings.change("ann", lambda settings: settings.with_state("busy", "there", until))
    assert first.before == PresenceSettings()
    assert first.after == PresenceSettings("busy", "there", until, version=1)
    second = place_of_settings.change("ann", lambda settings: settings.with_privacy(send_typing=None, send_receipts=False))
    assert second == (first.after, PresenceSettings("busy", "there", until, sends_receipts=False, version=2))
    place_of_settings.change("ben", lambda settings: settings.with_privacy(send_typing=None, send_receipts=False))
    place_of_settings.change("cat", lambda settings: settings.with_privacy(send_typing=False, send_receipts=None))
    place_of_settings.change("dan", lambda settings: settings.with_state("online", "text alone", None))
    listed = dict(place_of_settings.exceptions())
    assert listed.keys() == {"ann", "cat", "dan"}
    assert listed["ann"] == second.after == place_of_settings.settings("ann")
    assert place_of_settings.settings("nobody") == PresenceSettings()


def test_a_change_that_fails_changes_nothing(place: tuple[StoreApp, SettingsPlace]) -> None:
    def fail(_settings: PresenceSettings) -> PresenceSettings:
        raise LookupError

    with pytest.raises(LookupError):
        place[1].change("ann", fail)
    assert place[1].settings("ann") == PresenceSettings()


def test_changes_at_once_have_one_order(place: tuple[StoreApp, SettingsPlace]) -> None:
    made, place_of_settings = place
    made.db.session.rollback()
    calls = [lambda: place_of_settings.change("ann", lambda settings: settings.with_state("busy", "x", None))] * 4
    settled = made.in_threads(*calls)
    assert sorted(one.after.version for one in settled) == [1, 2, 3, 4]
    assert all(one.before.version == one.after.version - 1 for one in settled)


def test_the_last_time_of_several_stays(place: tuple[StoreApp, SettingsPlace]) -> None:
    _, place_of_settings = place
    place_of_settings.seen({"ann": AT, "ben": AT})
    place_of_settings.seen({"ann": AT - timedelta(hours=1), "ben": AT + timedelta(hours=1)})
    place_of_settings.change("ann", lambda settings: settings.with_state("busy", None, None))
    assert place_of_settings.last_seen(["ann", "ben"]) == {"ann": AT, "ben": AT + timedelta(hours=1)}


def test_users_who_are_gone_are_left_out(database_url: str) -> None:
    app = Flask("users")
    app.config.update(SQLALCHEMY_DATABASE_URI=database_url, JWT_SECRET_KEY="0123456789abcdef" * 2)
    db = SQLAlchemy(app)
    db.Table("users", db.Column("id", db.String(128), primary_key=True))
    store = Store(db, define_models(db, user_key="users.id"))
    realtime = Realtime()
    store.register(realtime)
    realtime.init_app(app)
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            event.listen(db.engine, "connect", enforce_foreign_keys)
        db.create_all()
        db.session.execute(db.text("INSERT INTO users (id) VALUES ('ann')"))
        db.session.commit()
        place = gateway_of(app).control.state_of(presence).settings.place
        place.seen({"ann": AT, "nobody": AT})
        assert place.last_seen(["ann", "nobody"]) == {"ann": AT}
        assert store.presence is not None
        with pytest.raises(NotFound):
            store.presence.set("nobody", "busy")
        store.presence.set("ann", "busy", "still here")
        assert place.settings("ann").text == "still here"
        db.session.remove()
        db.engine.dispose()


def test_statements_are_few_and_use_indexes(place: tuple[StoreApp, SettingsPlace]) -> None:
    made, place_of_settings = place
    place_of_settings.seen({f"user{number}": AT for number in range(50)})
    operations: dict[int, Callable[[], object]] = {
        2: lambda: place_of_settings.change("ann", lambda settings: settings.with_state("busy", None, None)),
        1: lambda: place_of_settings.settings("ann"),
    }
    for count, operation in operations.items():
        with recorded(made.app) as statements:
            operation()
        assert len(statements) == count
        assert full_scans(made.app, statements) == []
    with recorded(made.app) as statements:
        place_of_settings.last_seen(["user1", "user2"])
        place_of_settings.seen({"user1": AT, "user2": AT})
    assert len(statements) == 2
    assert full_scans(made.app, statements) == []


@on_sqlite
def test_the_store_sets_and_asks_and_tells_the_server(world: World) -> None:
    ann, ben = world.client("ann"), world.client("ben")
    assert world.store.presence is not None
    with world.app.app_context():
        world.store.presence.set("ann", "away", "on a walk")
        assert world.store.presence.get(["ann"])[0]["text"] == "on a walk"
        with pytest.raises(ValueError, match="text must be"):
            world.store.presence.set("ann", "away", "\n")
    assert last(ben, "ann", state="away") == asked(ben, "ann")
    world.keep("ann", send_typing=False)
    assert ann.call("typing:start", TYPING) == OK
    ben.assert_nothing("typing:start")


def test_whoever_sends_no_receipts_is_seen_to_have_read_nothing(world: World) -> None:
    ann, ben, phone = world.client("ann"), world.client("ben"), world.client("ben")
    first, second = world.write(2)
    assert world.keep("ben", send_receipts=False) == PrivacyRecord(send_typing=True, send_receipts=False)
    assert ben.call("messages:delivered", {"conversationId": "1", "upTo": second}) == OK
    assert ben.call("messages:read", {"conversationId": "1", "messageIds": [first]}) == OK
    assert phone.wait_for("unread:changed").data["unreadCount"] == 1, "the user's own count is right"
    assert receipts(ann) == receipts(ben) == []
    assert world.statuses() == [("sent", False)] * 2
    with world.app.app_context():
        assert world.store.receipts.of_message("1", first).read == ()  # type: ignore[union-attr]
        assert world.store.receipts.unread_count("ben") == 1
        assert [message.is_read for message in world.store.messages.page("1", "ben").messages] == [True, False]
    cat = world.client("cat")
    assert cat.call("messages:read", {"conversationId": "1", "upTo": second}) == OK
    assert ann.wait_for("messages:read").data["userId"] == "cat"
    assert world.statuses() == [("read", True)] * 2, "by all who send receipts"


def test_whoever_sends_receipts_again_is_seen_again(world: World) -> None:
    ann, ben, cat = world.client("ann"), world.client("ben"), world.client("cat")
    (message,) = world.write()
    world.keep("ben", send_receipts=False)
    for client in (ben, cat):
        assert client.call("messages:read", {"conversationId": "1", "upTo": message}) == OK
    world.keep("ben", send_receipts=True)
    (later,) = world.write()
    assert ben.call("messages:read", {"conversationId": "1", "upTo": later}) == OK
    wait_until(lambda: receipts(ann) == [("messages:read", "cat"), ("messages:read", "ben")], ann)


def test_nobody_who_sends_receipts_means_that_a_message_was_only_sent(world: World) -> None:
    (message,) = world.write()
    for user_id in ("ben", "cat"):
        world.keep(user_id, send_receipts=False)
        with world.app.app_context():
            world.store.receipts.mark_read("1", user_id, up_to=message)
    assert world.statuses() == [("sent", False)]


def test_rows_of_read_messages_are_kept_back_too(database_url: str, make_app: MakeApp, stack: ExitStack) -> None:
    world = World(make_app(SQLALCHEMY_DATABASE_URI=database_url), stack, read_receipts=True)
    ann, ben = world.client("ann"), world.client("ben")
    (message,) = world.write()
    world.keep("ben", send_receipts=False)
    assert ben.call("messages:read", {"conversationId": "1", "messageIds": [message]}) == OK
    assert receipts(ann) == []
    assert world.statuses() == [(None, False)]
    with world.app.app_context():
        assert [one.is_read for one in world.store.messages.page("1", "ben").messages] == [True]


def test_receipts_that_are_kept_back_are_not_in_the_log(database_url: str, make_app: MakeApp, stack: ExitStack) -> None:
    world = World(make_app(SQLALCHEMY_DATABASE_URI=database_url), stack, log=True)
    ann, ben = world.client("ann"), world.client("ben")
    cursor = ann.call("sync", {})["cursor"]
    (message,) = world.write()
    world.keep("ben", send_receipts=False)
    assert ben.call("messages:read", {"conversationId": "1", "upTo": message}) == OK
    assert [item["event"] for item in ann.call("sync", {"cursor": cursor})["events"]] == ["message:new"]


@on_sqlite
def test_a_request_sets_the_privacy_of_its_user(world: World) -> None:
    with world.app.app_context():
        headers = {"Authorization": f"Bearer {create_access_token('ann')}"}
    http = world.app.test_client()
    answer = http.patch("/api/me", json={"sendTyping": False}, headers=headers)
    assert (answer.status_code, answer.json) == (200, {"sendTyping": False, "sendReceipts": True})
    assert http.patch("/api/me", json={"sendReceipts": False}, headers=headers).json == {"sendTyping": False, "sendReceipts": False}
    assert http.patch("/api/me", json={"sendTyping": "no"}, headers=headers).status_code == 400
    assert http.patch("/api/me", json={}).status_code == 401
    ann, ben = world.client("ann"), world.client("ben")
    assert ann.call("typing:start", TYPING) == OK
    ben.assert_nothing("typing:start")
    assert world.store.privacy is not None
    with world.app.app_context():
        assert world.store.privacy.get("ann") == PrivacyRecord(send_typing=False, send_receipts=False)
        assert world.store.privacy.get("ben") == PrivacyRecord(send_typing=True, send_receipts=True)


@on_sqlite
def test_a_database_that_cannot_be_read_shows_nobody_until_it_can(database_url: str, make_app: MakeApp) -> None:
    errors: list[BaseException] = []
    app = make_app(SQLALCHEMY_DATABASE_URI=database_url)
    db = SQLAlchemy(app)
    store = Store(db, define_models(db))
    realtime = Realtime()
    store.register(realtime)
    realtime.on_error(lambda error, _event, _identity: errors.append(error))
    realtime.init_app(app)
    ann, ben = (Client(app, name) for name in ("ann", "ben"))
    assert ben.call("user:get-status", "ann")["status"] == "offline"
    assert len(errors) == 1, "it is reported once"
    with app.app_context():
        db.create_all()
    wait_until(lambda: [item.data["userId"] for item in ben.received if item.event == "user:status-changed"] != [], ben)
    assert ben.call("user:get-status", "ann")["status"] == "online"
    for client in (ann, ben):
        client.disconnect()
    with app.app_context():
        db.engine.dispose()


def test_without_registration_nobody_could_be_told(database_url: str) -> None:
    with new_store_app(database_url) as made:
        assert made.store.presence is not None
        assert made.store.privacy is not None
        with pytest.raises(ConfigError, match=r"store\.register"):
            made.store.presence.set("ann", "busy")
        with pytest.raises(ConfigError, match=r"store\.register"):
            made.store.privacy.set("ann", send_typing=False)


def test_without_the_store_receipts_cannot_be_kept_back(make_app: MakeApp) -> None:
    app = make_app()
    realtime = Realtime(app)
    with app.app_context(), pytest.raises(ConfigError, match="user_presence"):
        realtime.set_privacy("ann", send_receipts=False)
