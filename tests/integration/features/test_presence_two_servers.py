"""Presence on two servers that share a Redis: what is set at one is known at the other, and nothing leaks there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_realtime import RealtimeEmitter
from flask_realtime.errors import RegistrationError
from flask_realtime.extension import gateway_of
from flask_realtime.features.presence import notifier, presence, user_settings
from flask_realtime.features.presence.events import SetPresence
from flask_realtime.features.presence.settings import PresenceSettings
from flask_realtime.store import Store, define_models
from tests.integration.conftest import MakeApp
from tests.integration.example_support import sqlite_url
from tests.integration.features.test_presence import (
    CHANGED,
    OK,
    TYPING,
    Client,
    about,
    asked,
    code,
    last,
    soon,
    statuses,
    wait_until,
)


class Servers:
    """Makes servers of one application, with or without the store, and connects to them.

    Args:
        make: Makes an application that shares a Redis.
        stack: Closes the clients.
        database_url: The address of the database that they share; None for no store.
    """

    def __init__(self, make: MakeApp, stack: ExitStack, database_url: str | None) -> None:
        self._make, self._stack, self._database_url = make, stack, database_url
        self.first, self.second = self.new(), self.new()

    def new(self) -> Flask:
        """Start another one."""
        if self._database_url is None:
            return self._make(on=lambda realtime: realtime.authorize_join(lambda _identity, _conversation_id: True))
        db = SQLAlchemy()
        store = Store(db, define_models(db))
        app = self._make(on=store.register, SQLALCHEMY_DATABASE_URI=self._database_url)
        db.init_app(app)
        with app.app_context():
            db.create_all()
            if not store.conversations.exists("1"):
                store.conversations.create(["ann", "ben"])
            self._stack.callback(db.engine.dispose)
        return app

    def client(self, app: Flask, user_id: str) -> Client:
        """Connect, and join conversation 1."""
        client = Client(app, user_id)
        self._stack.callback(client.disconnect)
        client.join("1")
        return client


@pytest.fixture(params=["records", "store"])
def servers(request: pytest.FixtureRequest, make_sharing: MakeApp, tmp_path: Path) -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(make_sharing, stack, sqlite_url(tmp_path) if request.param == "store" else None)


def test_what_is_set_at_one_server_is_known_at_the_other(servers: Servers) -> None:
    ann, ben = servers.client(servers.first, "ann"), servers.client(servers.second, "ben")
    assert ann.call("presence:set", {"state": "busy", "text": "thinking"}) == OK
    assert last(ben, "ann", text="thinking")["state"] == "busy"
    assert asked(ben, "ann") == last(ben, "ann", state="busy")
    assert ann.call("presence:set", {"state": "online"}) == OK
    assert last(ben, "ann", state="online") == asked(ben, "ann")


def test_an_invisible_user_is_offline_at_the_other_server_too(servers: Servers) -> None:
    ben, ann = servers.client(servers.second, "ben"), servers.client(servers.first, "ann")
    ann.emit("typing:start", TYPING)
    ben.wait_for("typing:start")
    assert ann.call("presence:set", {"state": "invisible"}) == OK
    ben.wait_for("typing:stop")
    wait_until(lambda: statuses(ben, "ann") == ["online", "offline"], ben)
    assert asked(ben, "ann")["lastSeenAt"] is not None
    assert ben.call("user:get-status", "ann")["status"] == "offline"
    assert ben.call("conversation:get-online-users", "1") == ["ben"]
    phone = servers.client(servers.second, "ann")
    assert asked(phone, "ann")["state"] == "invisible"
    assert phone.call("typing:start", TYPING) == OK
    ann.disconnect()
    phone.disconnect()
    again = servers.client(servers.second, "ann")
    assert asked(again, "ann")["state"] == "invisible"
    ben.assert_nothing("typing:start")
    assert statuses(ben, "ann") == ["online", "offline"]
    assert again.call("presence:set", {"state": "online"}) == OK
    wait_until(lambda: statuses(ben, "ann") == ["online", "offline", "online"], ben)


def test_whoever_hears_of_a_departure_may_ask_at_once_when_that_was(servers: Servers) -> None:
    ben, ann = servers.client(servers.second, "ben"), servers.client(servers.first, "ann")
    ann.disconnect()
    wait_until(lambda: statuses(ben, "ann") == ["online", "offline"], ben)
    assert asked(ben, "ann")["lastSeenAt"] is not None


def test_a_server_that_starts_later_knows_who_is_invisible(servers: Servers) -> None:
    ann = servers.client(servers.first, "ann")
    assert ann.call("presence:set", {"state": "invisible"}) == OK
    ben = servers.client(servers.new(), "ben")
    assert ben.call("user:get-status", "ann")["status"] == "offline"
    ann.disconnect()
    third = servers.new()
    servers.client(third, "ann")
    assert ben.call("user:get-status", "ann")["status"] == "offline"
    assert [item for item in ben.received if item.event == "user:status-changed" and item.data["userId"] == "ann"] == []


def test_devices_of_both_servers_count(servers: Servers) -> None:
    ben = servers.client(servers.second, "ben")
    phone, laptop = servers.client(servers.first, "ann"), servers.client(servers.second, "ann")
    assert phone.call("presence:idle") == OK
    assert asked(ben, "ann")["state"] == "online"
    assert laptop.call("presence:idle") == OK
    last(ben, "ann", state="away")
    assert {one["state"] for one in asked(phone, "ann")["devices"]} == {"idle"}
    tablet = servers.client(servers.first, "ann")
    last(ben, "ann", state="online")
    tablet.disconnect()
    last(ben, "ann", state="away")
    assert phone.call("presence:active") == OK
    last(ben, "ann", state="online")


def test_the_end_of_a_state_is_announced_by_another_server_if_its_own_has_died(servers: Servers) -> None:
    ben, phone = servers.client(servers.second, "ben"), servers.client(servers.second, "ann")
    ann = servers.client(servers.first, "ann")
    assert ann.call("presence:set", {"state": "busy", "until": soon(1.5)}) == OK
    last(ben, "ann", state="busy")
    gateway_of(servers.first).backend.stop(1.0)
    assert last(ben, "ann", state="online")["text"] is None
    assert last(phone, "ann", state="online")


def test_a_process_without_connections_sets_and_asks(servers: Servers) -> None:
    ann, ben = servers.client(servers.first, "ann"), servers.client(servers.second, "ben")
    worker = servers.new()
    state = gateway_of(worker).control.state_of(presence)
    with worker.app_context():
        state.set_privacy("ann", send_typing=False, send_receipts=None)
    wait_until(lambda: gateway_of(servers.first).control.state_of(presence).visibility.is_silent("ann"), ann)
    assert ann.call("typing:start", TYPING) == OK
    ben.assert_nothing("typing:start")
    with worker.app_context():
        assert state.presence_of(["ann", "eve"])[0]["status"] == "online"


def test_one_change_of_many_servers_is_announced_once(servers: Servers) -> None:
    ben = servers.client(servers.second, "ben")
    clients = [servers.client(app, "ann") for app in (servers.first, servers.second, servers.first)]
    until = datetime.now(timezone.utc) + timedelta(seconds=1.2)
    assert clients[0].call("presence:set", {"state": "invisible", "until": until.isoformat()}) == OK
    wait_until(lambda: statuses(ben, "ann") == ["online", "offline", "online"], ben)
    assert clients[0].call("presence:set", {"state": "busy"}) == OK
    last(ben, "ann", state="busy")
    assert statuses(ben, "ann") == ["online", "offline", "online"]
    assert len(about(ben, CHANGED, "ann")) == 1
    assert code(clients[1].call("presence:set", {})) == "bad_request"


def test_a_change_that_a_server_is_not_told_of_is_found_after_a_while(monkeypatch: pytest.MonkeyPatch, servers: Servers) -> None:
    monkeypatch.setattr(user_settings, "REFRESH", 0.3)
    ann, ben = servers.client(servers.first, "ann"), servers.client(servers.second, "ben")
    assert ann.call("typing:start", TYPING) == OK
    ben.wait_for("typing:start")
    state = gateway_of(servers.first).control.state_of(presence)
    with servers.first.app_context():
        state.settings.place.change("ann", lambda settings: settings.with_state("invisible", None, None))
    ben.wait_for("typing:stop")
    wait_until(lambda: gateway_of(servers.second).control.state_of(presence).visibility.is_hidden("ann"), ben)
    assert ben.call("user:get-status", "ann")["status"] == "offline"
    with servers.first.app_context():
        state.settings.place.change("ann", lambda settings: settings.with_state("online", None, None))
    wait_until(lambda: not gateway_of(servers.second).control.state_of(presence).visibility.is_hidden("ann"), ben)
    assert ben.call("user:get-status", "ann")["status"] == "online"


def test_whoever_leaves_before_a_server_knows_that_they_are_visible_is_offline_in_the_end(
    monkeypatch: pytest.MonkeyPatch, servers: Servers
) -> None:
    monkeypatch.setattr(notifier, "_SETTLED", 4.0)  # They leave within that time, on a slow machine too.
    ben, ann = servers.client(servers.first, "ben"), servers.client(servers.second, "ann")
    assert ann.call("presence:set", {"state": "invisible"}) == OK
    wait_until(lambda: statuses(ben, "ann") == ["online", "offline"], ben)
    # As if the second server did not hear of what follows in time.
    unaware = gateway_of(servers.second).control.state_of(presence).visibility
    assert unaware.note("ann", PresenceSettings("invisible", version=2**50))
    with servers.first.app_context():
        gateway_of(servers.first).control.state_of(presence).set_state("ann", SetPresence("online", None, None))
    wait_until(lambda: statuses(ben, "ann") == ["online", "offline", "online"], ben)
    ann.disconnect()
    wait_until(lambda: statuses(ben, "ann") == ["online", "offline", "online", "offline"], ben)


def test_an_emitter_has_no_settings(servers: Servers) -> None:
    with closing(RealtimeEmitter(servers.first.config["REALTIME_MESSAGE_QUEUE"])) as emitter:
        with pytest.raises(RegistrationError, match="RealtimeEmitter has none"):
            emitter.set_presence("ann", "busy")
        with pytest.raises(RegistrationError, match="RealtimeEmitter has none"):
            emitter.get_presence(["ann"])
