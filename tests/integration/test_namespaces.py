"""Namespaces of the application's own, over one session: who gets in, what is answered, what is told of an end."""

from __future__ import annotations

import json
import threading
from typing import Any

import flask
import flask_socketio
import pytest
from flask import Flask

from flask_realtime import Identity, Realtime, current_connection
from tests.integration.conftest import MakeApp
from tests.integration.wire import Wire

DESK = "/desk"


class Desk:
    """An application that serves a namespace, and what it heard.

    Args:
        app: The application, not yet set up.
    """

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.heard: list[Any] = []
        self.gate = threading.Event()
        self.realtime = Realtime(app)
        self._add_life_cycle(self.realtime.socketio)
        self._add_events(self.realtime.socketio)
        self._add_hooks()

    def wire(self, user_id: str = "ann") -> Wire:
        """Return a session that has been let into the namespace."""
        wire = Wire(self.app)
        assert wire.enter(user_id, DESK).startswith(f'0{DESK},{{"sid":')
        assert wire.receive() == f'2{DESK},["welcome","{user_id}"]'
        return wire

    def _add_hooks(self) -> None:
        @self.realtime.on_connect
        def connected(identity: Identity) -> bool:
            return identity.user_id != "banned"

        @self.realtime.on_disconnect
        def gone(identity: Identity, reason: str) -> None:
            self.heard.append(("hook", current_connection.namespace, identity.user_id, reason))

    def _add_life_cycle(self, socketio: Any) -> None:
        @socketio.on("connect", namespace=DESK)
        def connected() -> bool:
            flask_socketio.emit("welcome", current_connection.user_id)
            flask.session["user"] = current_connection.user_id
            if current_connection.user_id == "crash":
                raise RuntimeError("secret")
            return current_connection.user_id != "refused"

        @socketio.on("disconnect", namespace=DESK)
        def gone(reason: str) -> None:
            self.heard.append(("handler", flask.session["user"], reason))

        @socketio.on("look", namespace="/open")
        def look() -> str:
            return f"{current_connection.user_id!r} {current_connection.namespace}"

    def _add_events(self, socketio: Any) -> None:
        @socketio.on("who", namespace=DESK)
        def who(*args: Any) -> tuple[Any, ...]:
            return (current_connection.user_id, *args)

        @socketio.on("silent", namespace=DESK)
        def silent() -> None:
            self.heard.append("silent")

        @socketio.on("fail", namespace=DESK)
        def fail() -> None:
            raise RuntimeError("secret")

        @socketio.on("kick", namespace=DESK)
        def kick() -> None:
            flask_socketio.disconnect()

        @socketio.on("say", namespace=DESK)
        def say(room: str, text: str) -> None:
            flask_socketio.join_room(room)
            flask_socketio.emit("said", text, to=room, include_self=False)


@pytest.fixture
def desk(make_app: MakeApp) -> Desk:
    return Desk(make_app(REALTIME_OPEN_NAMESPACES=["/open"], REALTIME_LIMITS={"application": "3/hour"}))


def error_of(answer: Any) -> str:
    """The code of an error, whose message tells no detail."""
    assert "secret" not in answer["error"]["message"]
    code: str = answer["error"]["code"]
    return code


@pytest.mark.parametrize(
    ("user", "code"), [("banned", "connection_refused"), ("refused", "connection_refused"), ("crash", "internal_error")]
)
def test_who_is_refused_hears_why_and_nothing_else(desk: Desk, user: str, code: str) -> None:
    wire = Wire(desk.app)
    answer = wire.enter(user, DESK)
    assert json.loads(answer.removeprefix(f"4{DESK},"))["data"]["code"] == code
    desk.realtime.socketio.emit("news", namespace=DESK)
    assert wire.enter("ann").startswith("0{"), "in the default namespace"
    assert wire.receive().startswith('2["user:status-changed"')
    assert desk.heard == []


def test_nobody_gets_in_without_a_token_but_where_it_is_open(desk: Desk) -> None:
    wire = Wire(desk.app)
    wire.send(f"0{DESK},{{}}")
    assert json.loads(wire.receive().removeprefix(f"4{DESK},"))["data"]["code"] == "token_missing"
    wire.send("0/open,")
    assert wire.receive().startswith("0/open,")
    assert wire.call("look", namespace="/open") == "'' /open"
    assert error_of(wire.call("auth:refresh", "x", namespace="/open")) == "unknown_event"


def test_in_an_open_namespace_an_address_uses_up_nobody_elses_limit(make_app: MakeApp) -> None:
    desk = Desk(make_app(REALTIME_OPEN_NAMESPACES=["/open"], REALTIME_USER_LIMITS={"application": "2/hour"}))
    wires = [Wire(desk.app, REMOTE_ADDR=address) for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2")]
    for wire in wires:
        wire.send("0/open,")
        assert wire.receive().startswith("0/open,")
    one, another, far = wires
    answers = [wire.call("look", namespace="/open") for wire in (one, another, one, far)]
    assert ["error" in answer for answer in answers] == [False, False, True, False]


def test_a_new_token_may_come_in_any_namespace(desk: Desk) -> None:
    wire = desk.wire()
    token = json.loads(wire.connect_packet("ann")[1:])["token"]
    assert wire.call("auth:refresh", token, namespace=DESK).keys() == {"expiresAt"}
    assert error_of(wire.call("auth:refresh", "", namespace=DESK)) == "bad_request"


def test_an_event_is_answered_with_what_its_handler_returns(desk: Desk) -> None:
    wire = desk.wire()
    assert wire.call("who", 1, {"two": 2}, namespace=DESK) == ["ann", 1, {"two": 2}]
    wire.send(f'2{DESK},5["silent"]', f'2{DESK},["silent"]')
    assert wire.receive_until("3") == f"3{DESK},5[]"
    wire.wait_until(lambda: desk.heard == ["silent"] * 2)


def test_what_fails_is_answered_or_told(desk: Desk) -> None:
    wire = desk.wire()
    assert error_of(wire.call("fail", namespace=DESK)) == "internal_error"
    assert error_of(wire.call("unheard-of", namespace=DESK)) == "unknown_event"
    wire.send(f'2{DESK},["fail"]')
    event, told = json.loads(wire.receive_until(f"2{DESK},").removeprefix(f"2{DESK},"))
    assert (event, told["event"], error_of(told)) == ("realtime:error", "fail", "internal_error")


def test_an_event_without_a_callback_gets_no_answer(desk: Desk) -> None:
    wire = desk.wire()
    wire.send(f'2{DESK},["who"]', f'2{DESK},7["who"]')
    assert wire.receive() == f'3{DESK},7["ann"]'


def test_events_are_limited_and_malformed_ones_count(desk: Desk) -> None:
    wire = desk.wire()
    assert error_of(wire.call("", namespace=DESK)) == "bad_request"
    assert [wire.call("who", namespace=DESK) for _ in range(2)] == ["ann"] * 2
    assert error_of(wire.call("who", namespace=DESK)) == "rate_limited"


def test_rooms_hold_those_who_joined_them(desk: Desk) -> None:
    ann, ben = desk.wire("ann"), desk.wire("ben")
    for wire in (ann, ben):
        wire.call("say", "red", "hello", namespace=DESK)
    assert ann.receive_until("2") == f'2{DESK},["said","hello"]'
    desk.realtime.socketio.emit("news", to="red", namespace=DESK)
    assert [wire.receive_until("2") for wire in (ann, ben)] == [f'2{DESK},["news"]'] * 2


@pytest.mark.parametrize(
    ("end", "reason"), [("client", "client disconnect"), ("handler", "server disconnect"), ("server", "moved")]
)
def test_each_end_is_told_once_with_its_reason_and_its_session(desk: Desk, end: str, reason: str) -> None:
    wire = desk.wire()
    if end == "client":
        wire.send(f"1{DESK},")
    elif end == "handler":
        wire.send(f'2{DESK},["kick"]')
    else:
        assert desk.realtime.disconnect_user("ann", reason) == 1
    wire.wait_until(lambda: len(desk.heard) == 2)
    assert desk.heard == [("handler", "ann", reason), ("hook", DESK, "ann", reason)]
    if end != "client":
        assert wire.receive_until("1") == f"1{DESK},"


def test_an_end_in_one_namespace_leaves_the_others_alone(desk: Desk) -> None:
    wire = desk.wire()
    assert not desk.realtime.is_user_online("ann")
    assert wire.enter("ann").startswith("0{")
    assert desk.realtime.is_user_online("ann")
    wire.send(f"1{DESK},")
    wire.wait_until(lambda: len(desk.heard) == 2)
    assert wire.call("user:get-status", "ann")["status"] == "online"
    assert wire.enter("ann", DESK).startswith(f"0{DESK},")
    wire.send("1")
    wire.wait_until(lambda: not desk.realtime.is_user_online("ann"))
    assert wire.call("who", namespace=DESK) == "ann"


@pytest.mark.parametrize("packets", [('2/desk,1["who"]',), ("1/desk,",), ("3/desk,1[]",)])
def test_being_in_one_namespace_opens_no_other(desk: Desk, packets: tuple[str, ...]) -> None:
    wire = Wire(desk.app)
    wire.enter("ann")
    wire.send(*packets)
    assert [packet for packet in wire.until_closed() if packet.startswith("3")] == []


def test_an_event_after_the_end_in_its_namespace_ends_the_session(desk: Desk) -> None:
    wire = desk.wire()
    wire.send(f"1{DESK},", f'2{DESK},1["who"]')
    assert wire.until_closed() == []


def test_an_event_that_comes_with_its_connect_is_handled_after_it(desk: Desk) -> None:
    wire = Wire(desk.app)
    wire.send(wire.connect_packet("ann", DESK), f'2{DESK},3["who"]')
    assert [wire.receive()[: len("0/desk,")] for _ in range(2)] == ["0/desk,", "2/desk,"]
    assert wire.receive() == f'3{DESK},3["ann"]'


def test_an_event_that_comes_with_a_connect_that_is_refused_is_not_handled(desk: Desk) -> None:
    wire = Wire(desk.app)
    wire.send(wire.connect_packet("banned", DESK), f'2{DESK},3["silent"]')
    assert [packet for packet in wire.until_closed() if packet.startswith("3")] == []
    assert desk.heard == []
