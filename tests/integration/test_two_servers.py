"""Two servers that share a Redis: what happens at one is known, told and done at the other, once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import create_access_token, decode_token, verify_jwt_in_request

import flask_realtime
from flask_realtime import Emit, Feature, Identity, Realtime
from flask_realtime.contract.events import Document, OutgoingEvent
from flask_realtime.errors import ConnectionRefused
from flask_realtime.extension import gateway_of
from flask_realtime.features.presence import grace
from flask_realtime.features.presence.events import HEARD
from flask_realtime.features.typing_indicators.events import TYPING_START, TYPING_STOP, relayed
from flask_realtime.gateway.delivery.envelopes import command_envelope
from flask_realtime.testing import RealtimeTestClient
from tests.integration.conftest import Connect, MakeApp


class Two:
    """The applications of two servers, with a client at each.

    Args:
        make: Makes an application that shares a Redis.
        connect: Connects to one.
        stack: Closes the clients.
        config: Settings of both.
    """

    def __init__(self, make: MakeApp, connect: Connect, stack: ExitStack, **config: Any) -> None:
        self.heard: list[Any] = []
        self.first, self.second = (self._made(make, name, config) for name in ("first", "second"))
        self._connect, self._stack = connect, stack
        self.ann, self.ben = self.client(self.first, "ann"), self.client(self.second, "ben")

    def client(self, app: Flask, user_id: str, conversation: str = "7") -> RealtimeTestClient:
        """Connect to a server, and join a conversation there."""
        client = self._stack.enter_context(self._connect(app, user_id))
        client.join(conversation)
        return client

    def _made(self, make: MakeApp, name: str, config: dict[str, Any]) -> Flask:
        notes: Feature[str] = Feature("notes", state=lambda _context: name)
        notes.outgoing("drawn", Document, audience="everyone", summary="Something was drawn.", volatile=True)

        @notes.command("note")
        def note(state: str, *args: Any) -> int:
            self.heard.append((state, *args))
            return len(self.heard)

        @notes.on_relayed("drawn")
        def drawn(state: str, payload: str) -> None:
            self.heard.append((state, payload))

        def set_up(realtime: Realtime) -> None:
            realtime.register(notes)
            realtime.authorize_join(lambda _identity, _conversation_id: True)

            @realtime.on_disconnect
            def gone(identity: Identity, reason: str) -> None:
                self.heard.append((identity.user_id, reason))

        return make(on=set_up, REALTIME_MAX_CONNECTIONS_PER_USER=2, **config)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def two(make_sharing: MakeApp, connect: Connect, stack: ExitStack) -> Two:
    return Two(make_sharing, connect, stack)


def test_an_event_reaches_the_clients_of_both_once(two: Two) -> None:
    control = gateway_of(two.first).control
    assert control.emit(Emit("news", ({"id": 1},), ("conversation:7",)), skip_sender=False) is True
    control.emit(Emit("end", (), None), skip_sender=False)
    for client in (two.ann, two.ben):
        client.wait_for("end")
        assert [item.data for item in client.received if item.event == "news"] == [{"id": 1}]


def test_an_event_leaves_out_connections_and_rooms_at_both(two: Two) -> None:
    control = gateway_of(two.first).control
    control.emit(Emit("news", (1,), None, except_connection=two.ben.id), skip_sender=False)
    control.emit(Emit("news", (2,), None, except_rooms=("user:ann",)), skip_sender=False)
    control.emit(Emit("end", (), None), skip_sender=False)
    for client in (two.ann, two.ben):
        client.wait_for("end")
    assert [[item.data for item in client.received if item.event == "news"] for client in (two.ann, two.ben)] == [[1], [2]]


def test_a_view_may_name_its_users_own_connection_at_the_other_server(two: Two) -> None:
    for app, user, skipped in ((two.first, "ben", True), (two.first, "ann", False)):
        with app.app_context():
            token = create_access_token(user)
        headers = {"X-Socket-ID": two.ben.id or "", "Authorization": f"Bearer {token}"}
        with app.test_request_context("/", headers=headers):
            verify_jwt_in_request()
            gateway_of(app).control.emit(Emit("news", (skipped,), None), skip_sender=True)
    assert two.ben.wait_for("news").data is False
    assert [two.ann.wait_for("news").data for _ in range(2)] == [True, False]


def test_the_command_that_goes_with_an_event_runs_at_the_other_server(two: Two) -> None:
    emit = Emit("news", (), None, note=("notes", "note", ("a", 1)))
    gateway_of(two.first).control.emit(emit, skip_sender=False)
    two.ben.wait_for("news")
    two.ben._wait(lambda: bool(two.heard), 5, "the command")
    assert two.heard == [("second", "a", 1)]


def test_a_feature_hears_of_its_volatile_events_at_the_other_server_when_the_clients_have_them(two: Two) -> None:
    event: OutgoingEvent[Document] = OutgoingEvent("drawn", Document, "everyone", "Something was drawn.", volatile=True)
    durable = replace(event, volatile=False)
    unknown = replace(event, name="draw")
    for emit in (durable.to_everyone({"a": 1}), unknown.to_everyone({"a": 2}), event.to_conversation(7, {"a": "b,", "ü": ["]"]})):
        gateway_of(two.first).control.emit(emit, skip_sender=False)
    two.ben._wait(lambda: bool(two.heard), 5, "the payload")
    assert [item.data for item in two.ben.received if item.event == "drawn"] == [{"a": 1}, {"a": "b,", "ü": ["]"]}]
    gateway_of(two.first).control.emit(Emit("end", (), None), skip_sender=False)
    two.ben.wait_for("end")
    assert two.heard == [("second", '{"a":"b,","ü":["]"]}')]


def test_who_types_is_seen_by_the_others(two: Two) -> None:
    for event in ("typing:start", "typing:stop"):
        two.ann.emit(event, {"conversationId": "7"})
    for event in ("typing:start", "typing:stop"):
        assert two.ben.wait_for(event).data == {"conversationId": "7", "userId": "ann"}


def test_who_typed_on_a_server_that_died_types_no_more(make_sharing: MakeApp, connect: Connect, stack: ExitStack) -> None:
    two = Two(make_sharing, connect, stack, REALTIME_TYPING_TIMEOUT=0.1)
    phone, stranger = two.client(two.second, "ann"), two.client(two.second, "eve", "8")
    start, stop = (relayed(event, "ann", "7", "7") for event in (TYPING_START, TYPING_STOP))
    gateway_of(two.first).control.emit(start, skip_sender=False)  # Nobody is left there who would end it.
    for emit in (start, stop):
        assert two.ben.wait_for(emit.event, timeout=30.0).data == emit.args[0]
    for client in (two.ann, two.ben, phone, stranger):
        client.assert_nothing("typing:stop")


def test_a_status_is_told_and_asked_for_at_either(two: Two) -> None:
    assert two.ann.call("users:get-status", ["ben", "eve"]) == [
        {"userId": "ben", "status": "online"},
        {"userId": "eve", "status": "offline"},
    ]
    assert sorted(two.ann.call("conversation:get-online-users", "7")) == ["ann", "ben"]
    two.ben.disconnect()
    while two.ann.wait_for("user:status-changed").data != {"userId": "ben", "status": "offline"}:
        pass
    assert two.ann.call("conversation:get-online-users", "7") == ["ann"]


def test_what_one_server_held_back_and_does_not_announce_another_does(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grace, "SECONDS", 0.05)
    held_back = ("eve", True, 1, False)
    gateway_of(two.first).backend.publish(command_envelope("presence", HEARD, *held_back))
    for client in (two.ann, two.ben):
        while client.wait_for("user:status-changed").data != {"userId": "eve", "status": "online"}:
            pass


def test_who_was_connected_to_a_server_that_stops_stays_online_to_come_back(two: Two) -> None:
    gateway = gateway_of(two.first)
    gateway.begin_drain()
    for socket in list(gateway.socketio.server.eio.sockets.values()):
        socket.close(wait=False, reason="server shutting down")
    two.ben._wait(lambda: ("ann", "server shutting down") in two.heard, 10, "on_disconnect")
    gateway.wait_idle()
    assert two.ben.call("user:get-status", "ann")["status"] == "online"


def test_a_users_connections_are_limited_at_all_servers_together(two: Two) -> None:
    two.client(two.second, "ann")
    for app in (two.first, two.second):
        with pytest.raises(ConnectionRefused) as refused:
            two.client(app, "ann")
        assert refused.value.code == "too_many_connections"


def test_the_connections_of_a_token_are_ended_at_either(two: Two) -> None:
    with two.first.app_context():
        token = create_access_token("eve")
        token_id = decode_token(token)["jti"]
    with RealtimeTestClient(two.second, token) as eve, two.first.app_context():
        flask_realtime.disconnect_token(token_id)
        eve._wait(lambda: not eve.is_connected, 5, "the end")
        assert two.ben.is_connected
        eve._wait(lambda: bool(two.heard), 5, "on_disconnect")
    assert two.heard == [("eve", "server disconnect")]
