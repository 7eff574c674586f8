"""Packets that no well-behaved client sends: each is answered, or ends its own session and no other."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from flask import Flask

from flask_realtime import Identity, Realtime
from tests.integration.conftest import Connect, MakeApp
from tests.integration.wire import Wire

PLACEHOLDER = '{"_placeholder":true,"num":0}'
CONNECT_BYTES = 9_216
"""A token of 8 KiB and what there is beside it."""


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    app = make_app(REALTIME_MAX_PAYLOAD_BYTES=1000, REALTIME_MAX_NESTING=4)
    app.extensions["test_realtime"] = realtime = Realtime(app)
    app.extensions["test_ends"] = ends = []
    realtime.on("echo", binary=True)(lambda _identity, value: value if isinstance(value, str) else len(value))

    @realtime.on_disconnect
    def gone(identity: Identity, reason: str) -> None:
        ends.append((identity.user_id, reason))

    return app


@pytest.fixture
def wire(app: Flask) -> Wire:
    """A session that has been let in."""
    wire = Wire(app)
    assert wire.enter("ann").startswith('0{"sid":')
    return wire


@pytest.mark.parametrize(
    "packets",
    [
        ("4",),
        ("9",),
        ("44{}",),
        ("2",),
        ('2["who"',),
        ("x",),
        ("3[]",),
        ('2["echo",1]', "1"),
        (f'51-["echo",{PLACEHOLDER}]',),
        (b"early",),
        ("1",),
    ],
)
def test_nothing_comes_before_connect(app: Flask, connect: Connect, packets: tuple[str | bytes, ...]) -> None:
    wire = Wire(app)
    with connect(app, "ben") as ben:
        wire.send(*packets)
        assert wire.until_closed() == []
        assert ben.call("echo", "still here") == "still here"


@pytest.mark.parametrize(
    "packets",
    [
        ("9",),
        ("4{}",),
        (b"unannounced",),
        (f'51-["echo",{PLACEHOLDER}]', '2["echo","x"]'),
        ('2/nowhere,["echo","x"]',),
        ("1/nowhere,",),
        ("3/nowhere,1[]",),
        (f'51-/nowhere,["echo",{PLACEHOLDER}]',),
        ("31{}",),
        ("31[[[[[[1]]]]]]",),
        ("31" + json.dumps(["x" * 1000]),),
        ("1", '2["echo","x"]'),
        ("1", "1"),
    ],
)
def test_a_malformed_packet_ends_its_own_session(app: Flask, wire: Wire, connect: Connect, packets: tuple[Any, ...]) -> None:
    with connect(app, "ben") as ben:
        wire.send(*packets)
        left = wire.until_closed()
        assert [packet for packet in left if packet.startswith(("3", "4"))] == []
        assert ben.call("echo", "still here") == "still here"


def test_an_acknowledgement_has_the_bounds_of_an_event(wire: Wire) -> None:
    wire.send("31[[[[1]]]]", "31" + json.dumps(["x" * 994]).replace(" ", ""))
    assert wire.call("echo", "still here") == "still here"


def test_attachments_follow_their_packet(wire: Wire) -> None:
    wire.send(f'51-5["echo",{PLACEHOLDER}]', b"four")
    assert wire.receive_until("3") == "35[4]"


def test_a_second_connect_ends_the_session_and_admits_nobody(app: Flask, wire: Wire) -> None:
    wire.send(wire.connect_packet("ben"))
    assert [packet for packet in wire.until_closed() if packet.startswith("0")] == []
    assert not app.extensions["test_realtime"].is_user_online("ben")


def test_who_left_may_come_again_in_the_same_session(app: Flask, wire: Wire) -> None:
    wire.send("1")
    assert wire.enter("ben").startswith("0")
    assert wire.call("user:get-status", "ann") == {"userId": "ann", "status": "offline"}
    assert wire.call("user:get-status", "ben") == {"userId": "ben", "status": "online"}
    assert app.extensions["test_ends"] == [("ann", "client disconnect")]


def test_a_disconnect_after_a_connect_that_is_refused_ends_the_session(app: Flask) -> None:
    wire = Wire(app)
    wire.send("0{}")
    assert wire.receive().startswith("4{")
    wire.send("1")
    assert wire.until_closed() == []


def test_a_disconnect_that_comes_with_a_connect_that_is_refused_ends_the_session(app: Flask) -> None:
    wire = Wire(app)
    wire.send("0{}", "1")
    assert [packet for packet in wire.until_closed() if not packet.startswith("4{")] == []


def test_an_auth_value_may_have_so_many_bytes_and_no_more(app: Flask) -> None:
    for size, code in ((CONNECT_BYTES, "token_missing"), (CONNECT_BYTES + 1, "token_malformed")):
        wire = Wire(app)
        wire.send('0{"x":"' + "x" * (size - len('{"x":""}')) + '"}')
        assert json.loads(wire.receive()[1:])["data"]["code"] == code


def test_comings_and_goings_of_one_session_are_counted(app: Flask, wire: Wire) -> None:
    for _ in range(40):
        wire.send("1", wire.connect_packet("ann"))
    wire.until_closed()
    assert app.extensions["test_ends"].count(("ann", "client disconnect")) < 40


def test_acknowledgements_that_nobody_asked_for_are_counted(wire: Wire) -> None:
    for _ in range(4):
        wire.send(*["31[]"] * 12)
    assert wire.call("echo", "still here") == "still here"
    wire.send(*["31[]"] * 12)
    assert wire.until_closed() == []


def test_a_question_is_answered_once(app: Flask, wire: Wire) -> None:
    answers: list[Any] = []
    socketio = app.extensions["test_realtime"].socketio
    socketio.emit("question", to="user:ann", callback=lambda *args: answers.append(args))
    while '"question"' not in (packet := wire.receive()):
        pass
    number = packet.removeprefix("2").partition("[")[0]
    wire.send(f'3{number}["yes"]', f'3{number}["again"]')
    assert wire.call("echo", "still here") == "still here"
    wire.wait_until(lambda: bool(answers))
    assert answers == [("yes",)]


@pytest.mark.parametrize("waiting", ["event", "disconnect"])
def test_what_comes_while_the_hooks_are_asked_is_handled_after_the_admission(make_app: MakeApp, waiting: str) -> None:
    app, may_go_on, asked = make_app(), threading.Event(), threading.Event()
    ends: list[str] = []
    realtime = Realtime(app)
    realtime.on("echo")(lambda _identity, value: value)
    realtime.on_disconnect(lambda _identity, reason: ends.append(reason))

    @realtime.on_connect
    def connected(_identity: Identity) -> None:
        asked.set()
        while not may_go_on.is_set():
            realtime.socketio.sleep(0.005)

    wire = Wire(app)
    wire.send(wire.connect_packet("ann"))
    wire.wait_until(asked.is_set)
    wire.send('25["echo","early"]' if waiting == "event" else "1")
    may_go_on.set()
    assert wire.receive().startswith("0{")
    if waiting == "event":
        assert wire.receive_until("3") == '35["early"]'
    else:
        wire.wait_until(lambda: ends == ["client disconnect"])
        assert not realtime.is_user_online("ann")


def test_a_question_in_the_same_words_is_answered_as_things_are_now_under_its_own_number(app: Flask, wire: Wire) -> None:
    question = '["user:get-status","ben"]'
    wire.send(f"2{question}", f"21{question}", f"2007{question}", f"2/,3{question}")
    offline = '[{"userId":"ben","status":"offline"}]'
    assert [wire.receive_until("3") for _ in range(3)] == [f"31{offline}", f"37{offline}", f"33{offline}"]
    assert Wire(app).enter("ben").startswith("0{")
    wire.send(f"24{question}")
    assert wire.receive_until("3") == '34[{"userId":"ben","status":"online"}]'
    wire.send(f"2\u0663{question}", f"25{question}")
    assert json.loads(wire.receive_until('2["realtime:error"')[1:])[1]["error"]["code"] == "bad_request"
    assert wire.receive_until("3").startswith("35")


def test_a_question_in_the_same_words_draws_on_the_limits(make_app: MakeApp) -> None:
    app = make_app(REALTIME_LIMITS={"presence": "1/hour, burst 3"})
    Realtime(app)
    wire = Wire(app)
    wire.enter("ann")
    wire.send(*(f'2{number}["user:get-status","ann"]' for number in range(5)))
    answers = [json.loads(wire.receive_until("3")[2:])[0] for _ in range(5)]
    assert [answer.get("status") or answer["error"]["code"] for answer in answers] == ["online"] * 3 + ["rate_limited"] * 2
