"""Recovery of lost connections, packet by packet: who has it, what comes again, and what stays lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import create_access_token, verify_jwt_in_request
from flask_socketio import emit as socketio_emit
from flask_socketio import join_room

from flask_realtime import Identity, Realtime, current_connection
from flask_realtime.errors import Forbidden
from flask_realtime.extension import gateway_of
from flask_realtime.feature.feature import Feature, stateless
from tests.integration.conftest import MakeApp
from tests.integration.recovery_client import come_back, enter, event, is_recovered, lose, names
from tests.integration.wire import Wire

SHOUTS = Feature("shouts", state=stateless)
SHOUT = SHOUTS.outgoing("shout", str, audience="everyone", summary="Somebody shouts.", volatile=True)
BROWSER = {"HTTP_SEC_FETCH_SITE": "same-origin"}


class World:
    """An application with recovery, and what its hooks were told."""

    def __init__(self, app: Flask, *hooks: Callable[[Realtime], object]) -> None:
        self.app = app
        self.told: list[tuple[Any, ...]] = []
        self.realtime = Realtime()
        self.realtime.authorize_join(lambda _identity, _conversation: True)
        self.realtime.on_join(lambda identity, conversation: self.told.append(("join", identity.user_id, conversation)))
        self.realtime.on_leave(lambda identity, conversation: self.told.append(("leave", identity.user_id, conversation)))
        self.realtime.on_disconnect(lambda identity, reason: self.told.append(("disconnect", identity.user_id, reason)))
        self.realtime.on_connect(self._connected)
        self.realtime.on_user_online(lambda user: self.told.append(("online", user)))
        self.realtime.on_user_offline(lambda user: self.told.append(("offline", user)))
        self.is_open = True
        self.realtime.register(SHOUTS)
        for hook in hooks:
            hook(self.realtime)
        self.realtime.init_app(app)

    def wire(self, **environ: str) -> Wire:
        return Wire(self.app, **environ)

    def _connected(self, identity: Identity) -> bool:
        self.told.append(("connect", identity.user_id, current_connection.recovered, current_connection.id))
        return self.is_open


@pytest.fixture
def world(make_app: MakeApp) -> World:
    return World(make_app())


def test_an_offset_is_the_last_argument_of_each_event_for_those_who_have_recovery_alone(world: World) -> None:
    ann, bob = world.wire(), world.wire()
    place = enter(ann, "ann")
    assert json.loads(bob.enter("bob")[1:]).keys() == {"sid"}
    world.realtime.broadcast_to_all("news", {"id": 1})
    world.realtime.broadcast_to_all("text", "some words")
    world.realtime.broadcast_to_all("nothing")
    world.realtime.broadcast_to_all("bytes", b"12")
    got = [event(ann.receive_until(f'2["{name}"')) for name in ("news", "text", "nothing")]
    offsets = [args[-1] for args in got]
    assert [args[:-1] for args in got] == [["news", {"id": 1}], ["text", "some words"], ["nothing"]]
    attached = json.loads(ann.receive_until("51-").removeprefix("51-"))
    assert attached[:-1] == ["bytes", {"_placeholder": True, "num": 0}]
    assert len({place.offset, *offsets, attached[-1]}) == 5
    assert [bob.receive_until(f'2["{name}"') for name in ("news", "text", "nothing")] == [
        '2["news",{"id":1}]',
        '2["text","some words"]',
        '2["nothing"]',
    ]


def test_all_receivers_get_the_same_offset(world: World) -> None:
    wires = [world.wire() for _ in range(3)]
    for number, wire in enumerate(wires):
        enter(wire, f"user-{number}")
    world.realtime.broadcast_to_all("news", {})
    assert len({wire.receive_until('2["news"') for wire in wires}) == 1


def test_a_volatile_event_has_an_offset_only_if_clients_would_take_its_text_for_one(world: World) -> None:
    ann, bob = world.wire(), world.wire()
    place = enter(ann, "ann")
    enter(bob, "bob")
    for wire in (ann, bob):
        wire.call("join:conversation", "7")
    bob.call("typing:start", {"conversationId": "7"})
    assert ann.receive_until('2["typing:start"') == '2["typing:start",{"conversationId":"7","userId":"bob"}]'
    world.realtime.emit(SHOUT.to_everyone("out loud"))
    shouted = event(ann.receive_until('2["shout"'))
    assert shouted[:-1] == ["shout", "out loud"]
    lose(world.app, ann)
    world.realtime.emit(SHOUT.to_everyone("missed"))
    answer = come_back(world.wire(), "ann", place._replace(offset=shouted[-1]))
    assert is_recovered(place, answer)
    assert [name for name in names(answer.missed) if name != "user:status-changed"] == []


@pytest.mark.parametrize(
    ("setting", "environ", "auth", "has_it"),
    [
        ("browsers", BROWSER, {}, True),
        ("browsers", {"HTTP_ORIGIN": "http://localhost", "HTTP_USER_AGENT": "Mozilla/5.0 (X11)"}, {}, True),
        ("browsers", {"HTTP_ORIGIN": "http://localhost", "HTTP_USER_AGENT": "node"}, {}, False),
        ("browsers", {"HTTP_USER_AGENT": "Mozilla/5.0 (X11)"}, {}, False),
        ("browsers", {}, {}, False),
        ("browsers", {}, {"recovery": True}, True),
        ("browsers", {}, {"recovery": "yes"}, False),
        ("browsers", BROWSER, {"recovery": False}, False),
        ("asking", BROWSER, {}, False),
        ("asking", {}, {"recovery": True}, True),
        ("all", {}, {}, True),
        ("all", {}, {"recovery": False}, False),
    ],
)
def test_recovery_is_for_those_who_can_do_with_it(
    make_app: MakeApp, setting: str, environ: dict[str, str], auth: dict[str, Any], *, has_it: bool
) -> None:
    world = World(make_app(REALTIME_RECOVERY_CLIENTS=setting))
    wire = world.wire(**environ)
    assert ("pid" in json.loads(wire.enter("ann", **auth)[1:])) is has_it


def test_without_a_window_nothing_differs_on_the_wire(make_app: MakeApp) -> None:
    world = World(make_app(REALTIME_RECOVERY_WINDOW=None))
    wire = world.wire(**BROWSER)
    assert json.loads(wire.enter("ann", recovery=True, pid="a", offset="b")[1:]).keys() == {"sid"}
    world.realtime.broadcast_to_all("news", {})
    world.realtime.broadcast_to_all("marker")
    assert wire.receive_until('2["news"') == '2["news",{}]'
    assert wire.receive() == '2["marker"]'


def test_what_was_missed_comes_once_each_in_order_before_connect(world: World) -> None:
    wire = world.wire()
    place = enter(wire, "ann")
    wire.call("join:conversation", 7)
    lose(world.app, wire)
    for number in range(3):
        world.realtime.send_to_conversation(7, "said", {"n": number})
        world.realtime.send_to_user("ann", "told", {"n": number})
        world.realtime.send_to_conversation(8, "said", {"n": "elsewhere"})
        world.realtime.send_to_user("bob", "told", {"n": "to somebody else"})
    world.realtime.broadcast_to_all("bytes", b"12")
    wire = world.wire()
    wire.send(wire.connect_packet("ann", **place.auth()))
    told = [wire.receive() for _ in range(9)]
    assert [event(packet)[:2] for packet in told[:6]] == [[name, {"n": number}] for number in range(3) for name in ("said", "told")]
    assert told[6].startswith('51-["bytes"')
    assert json.loads(told[7][1:]) == {"sid": place.sid, "pid": place.pid}
    assert event(told[8])[1] == {"recovered": True, "gap": False}


def test_a_recovered_connection_is_in_its_rooms_and_recovers_again(world: World) -> None:
    wire = world.wire()
    place = enter(wire, "ann")
    wire.call("join:conversation", 7)
    for number in range(3):
        lose(world.app, wire)
        world.realtime.send_to_conversation(7, "away", number)
        wire = world.wire()
        answer = come_back(wire, "ann", place)
        assert is_recovered(place, answer)
        assert [args[:2] for args in answer.missed if args[0] == "away"] == [["away", number]]
        place = place._replace(offset=answer.offset)
        world.realtime.send_to_conversation(7, "here", number)
        place = place._replace(offset=event(wire.receive_until('2["here"'))[-1])
        wire.wait_until(lambda: world.realtime.get_online_users(7) == ["ann"])
        wire.call("typing:start", {"conversationId": 7})


def test_a_connection_whose_loss_was_not_noticed_is_replaced_without_a_word_to_others(world: World) -> None:
    watcher = world.wire()
    watcher.enter("watcher")
    old = world.wire()
    place = enter(old, "ann")
    old.call("join:conversation", 7)
    watcher.call("join:conversation", 7)
    old.call("typing:start", {"conversationId": 7})
    watcher.receive_until('2["typing:start"')
    world.realtime.send_to_user("ann", "told", {"n": 1})
    world.told.clear()
    new = world.wire()
    answer = come_back(new, "ann", place)
    assert is_recovered(place, answer)
    assert [args[:2] for args in answer.missed if args[0] == "told"] == [["told", {"n": 1}]]
    new.wait_until(lambda: ("disconnect", "ann", "taken over") in world.told)
    assert world.told == [("connect", "ann", True, place.sid), ("disconnect", "ann", "taken over")]
    assert watcher.receive_until("2") == '2["typing:stop",{"conversationId":7,"userId":"ann"}]'
    assert world.realtime.is_user_online("ann")
    assert len(world.realtime.get_user_connections("ann")) == 1
    world.realtime.send_to_conversation(7, "here", {})
    assert event(new.receive_until('2["here"'))[1] == {}
    assert "here" not in names([event(packet) for packet in old.until_closed() if packet.startswith("2")])


def test_hooks_hear_of_a_noticed_loss_and_of_the_return(world: World) -> None:
    wire = world.wire()
    place = enter(wire, "ann")
    wire.call("join:conversation", 7)
    lose(world.app, wire)
    wire.wait_until(lambda: ("offline", "ann") in world.told and ("disconnect", "ann", "transport close") in world.told)
    world.told.clear()
    wire = world.wire()
    assert is_recovered(place, come_back(wire, "ann", place))
    wire.wait_until(lambda: len(world.told) == 3)
    assert sorted(world.told) == [("connect", "ann", True, place.sid), ("join", "ann", "7"), ("online", "ann")]


def test_what_was_sent_before_a_join_does_not_come(world: World) -> None:
    wire = world.wire()
    place = enter(wire, "ann")
    world.realtime.send_to_conversation(7, "before", {})
    wire.call("join:conversation", 7)
    world.realtime.send_to_conversation(7, "between", {})
    wire.call("leave:conversation", 7)
    world.realtime.send_to_conversation(7, "outside", {})
    wire.call("join:conversation", 7)
    lose(world.app, wire)
    world.realtime.send_to_conversation(7, "after", {})
    answer = come_back(world.wire(), "ann", place)
    assert is_recovered(place, answer)
    assert [name for name in names(answer.missed) if name != "user:status-changed"] == ["after"]


def test_what_was_not_for_a_connection_does_not_come(world: World) -> None:
    wire = world.wire()
    place = enter(wire, "ann")
    lose(world.app, wire)
    with world.app.test_request_context(headers={"X-Socket-ID": place.sid}):
        world.realtime.broadcast_to_all("own", {}, skip_sender=True)
    world.realtime.socketio.emit("skipped", {}, skip_sid=place.sid)
    world.realtime.socketio.emit("direct", {}, to=place.sid)
    world.realtime.socketio.emit("elsewhere", {}, namespace="/other")
    world.realtime.socketio.emit("asking", {}, callback=lambda *_args: None)
    answer = come_back(world.wire(), "ann", place)
    assert is_recovered(place, answer)
    assert [name for name in names(answer.missed) if name != "user:status-changed"] == ["direct"]


@pytest.mark.parametrize(("user_id", "is_skipped"), [("ann", True), ("bob", False)])
def test_who_sends_over_http_without_a_connection_does_not_get_it_when_it_is_back(
    world: World, user_id: str, *, is_skipped: bool
) -> None:
    wire = world.wire()
    place = enter(wire, "ann")
    lose(world.app, wire)
    with world.app.app_context():
        token = create_access_token(user_id)
    with world.app.test_request_context(headers={"X-Socket-ID": place.sid, "Authorization": f"Bearer {token}"}):
        verify_jwt_in_request()
        world.realtime.broadcast_to_all("said", {}, skip_sender=True)
    answer = come_back(world.wire(), "ann", place)
    assert is_recovered(place, answer)
    assert ("said" not in names(answer.missed)) is is_skipped


def test_rooms_that_an_application_entered_itself_are_kept(make_app: MakeApp) -> None:
    world = World(make_app())

    def enter_room(room: str) -> None:
        join_room(room)
        socketio_emit("entered")

    world.realtime.socketio.on_event("enter", enter_room)
    wire = world.wire()
    place = enter(wire, "ann")
    wire.send('2["enter","blue"]')
    wire.receive_until('2["entered"')
    lose(world.app, wire)
    world.realtime.socketio.emit("blue", {}, to="blue")
    answer = come_back(world.wire(), "ann", place)
    assert is_recovered(place, answer)
    assert [args[:2] for args in answer.missed if args[0] == "blue"] == [["blue", {}]]


@pytest.mark.parametrize(
    "change",
    [
        {"pid": "x" * 24},
        {"pid": 7},
        {"pid": None, "offset": None},
        {"pid": "x" * 5000},
        {"offset": None},
        {"offset": ""},
        {"offset": "another.1"},
        {"offset": 3},
        {"offset": ["a"]},
        {"offset": "x" * 5000},
    ],
)
def test_what_is_malformed_or_unknown_is_a_new_session(world: World, change: dict[str, Any]) -> None:
    wire = world.wire()
    place = enter(wire, "ann")
    lose(world.app, wire)
    answer = come_back(world.wire(), "ann", place, **change)
    assert answer.ready == {"recovered": False, "gap": change.get("pid", "given") is not None}
    assert answer.connected["sid"] != place.sid


@pytest.mark.parametrize("number", ["99999999", "1e3", "-1", "٣", "01"])
def test_an_offset_that_no_client_was_given_recovers_nothing(world: World, number: str) -> None:
    wire = world.wire()
    place = enter(wire, "ann")
    lose(world.app, wire)
    server_id = place.offset.partition(".")[0]
    assert not is_recovered(place, come_back(world.wire(), "ann", place._replace(offset=f"{server_id}.{number}")))


def test_another_user_recovers_nothing(world: World) -> None:
    wire = world.wire()
    place = enter(wire, "ann")
    lose(world.app, wire)
    assert not is_recovered(place, come_back(world.wire(), "bob", place))
    assert is_recovered(place, come_back(world.wire(), "ann", place))


def test_who_said_goodbye_does_not_recover(world: World) -> None:
    wire = world.wire()
    place = enter(wire, "ann")
    wire.send("1")
    wire.wait_until(lambda: not world.realtime.is_user_online("ann"))
    assert not is_recovered(place, come_back(world.wire(), "ann", place))


@pytest.mark.parametrize("is_noticed", [True, False])
def test_who_was_kicked_does_not_recover(world: World, *, is_noticed: bool) -> None:
    wire = world.wire()
    place = enter(wire, "ann")
    if is_noticed:
        lose(world.app, wire)
    with world.app.app_context():
        world.realtime.disconnect_user("ann")
    assert not is_recovered(place, come_back(world.wire(), "ann", place))


def test_a_connection_whose_token_was_revoked_does_not_come_back_with_another_one(world: World) -> None:
    wire = world.wire()
    place = enter(wire, "ann")
    (connection,) = gateway_of(world.app)._registry.of_user("ann")
    lose(world.app, wire)
    with world.app.app_context():
        world.realtime.disconnect_token(connection.identity.claims["jti"])
    assert not is_recovered(place, come_back(world.wire(), "ann", place))


@pytest.mark.parametrize("is_noticed", [True, False])
def test_a_membership_that_was_removed_stays_removed(world: World, *, is_noticed: bool) -> None:
    wire = world.wire()
    place = enter(wire, "ann")
    wire.call("join:conversation", 7)
    wire.call("join:conversation", 8)
    if is_noticed:
        lose(world.app, wire)
    world.realtime.remove_from_conversation(7, "ann")
    world.realtime.send_to_conversation(7, "secret", {})
    world.realtime.send_to_conversation(8, "open", {})
    wire = world.wire()
    answer = come_back(wire, "ann", place)
    assert is_recovered(place, answer)
    assert "secret" not in names(answer.missed)
    assert "open" in names(answer.missed)
    assert wire.call("typing:start", {"conversationId": 7})["error"]["code"] == "not_joined"
    assert wire.call("typing:start", {"conversationId": 8}) == {"ok": True}
    assert world.realtime.get_online_users(7) == []


@pytest.mark.parametrize("is_noticed", [True, False])
def test_a_hook_that_refuses_leaves_everything_as_it_was(world: World, *, is_noticed: bool) -> None:
    wire = world.wire()
    place = enter(wire, "ann")
    if is_noticed:
        lose(world.app, wire)
    world.is_open = False
    assert world.wire().enter("ann", **place.auth()).startswith("4")
    assert world.realtime.is_user_online("ann") is not is_noticed
    world.is_open = True
    world.realtime.send_to_user("ann", "told", {})
    answer = come_back(world.wire(), "ann", place)
    assert is_recovered(place, answer)
    assert "told" in names(answer.missed)


@pytest.mark.parametrize("is_noticed", [True, False])
def test_a_session_that_ends_while_its_client_is_authenticated_is_no_failure_and_the_next_one_recovers(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, *, is_noticed: bool
) -> None:
    failures: list[BaseException] = []
    ends: list[Callable[[], None]] = []
    app = make_app()

    def is_revoked(_header: object, _payload: object) -> bool:
        while ends:
            ends.pop()()
        return False

    app.extensions["flask-jwt-extended"].token_in_blocklist_loader(is_revoked)
    world = World(app, lambda realtime: realtime.on_error(lambda error, _event, _identity: failures.append(error)))
    wire = world.wire()
    place = enter(wire, "ann")
    if is_noticed:
        lose(app, wire)
    gone = world.wire()
    ends.append(gone.end)
    gone.send(gone.connect_packet("ann", **place.auth()))
    assert gone.until_closed() == []
    newcomer = world.wire()
    ends.append(newcomer.end)
    newcomer.send(newcomer.connect_packet("ben", recovery=True))
    assert newcomer.until_closed() == []
    world.realtime.send_to_user("ann", "told", {})
    answer = come_back(world.wire(), "ann", place)
    assert is_recovered(place, answer)
    assert names(answer.missed).count("told") == 1
    assert failures == []
    assert [record.message for record in caplog.records if record.exc_info] == []


def test_who_is_kicked_while_coming_back_is_refused(make_app: MakeApp) -> None:
    def kicks(realtime: Realtime) -> None:
        @realtime.on_connect
        def connected(identity: Identity) -> None:
            if current_connection.recovered:
                realtime.disconnect_user(identity.user_id)

    world = World(make_app(), kicks)
    wire = world.wire()
    place = enter(wire, "ann")
    lose(world.app, wire)
    assert world.wire().enter("ann", **place.auth()).startswith("4")
    assert not world.realtime.is_user_online("ann")
    wire.wait_until(lambda: len([told for told in world.told if told[0] == "disconnect"]) == 2)


def test_a_join_hook_that_refuses_takes_a_returning_connection_out(make_app: MakeApp) -> None:
    is_closed: list[bool] = []

    def refuses(realtime: Realtime) -> None:
        @realtime.on_join
        def joined(_identity: Identity, _conversation_id: str) -> None:
            if is_closed:
                raise Forbidden

    world = World(make_app(), refuses)
    wire = world.wire()
    place = enter(wire, "ann")
    wire.call("join:conversation", 7)
    lose(world.app, wire)
    is_closed.append(True)
    wire = world.wire()
    assert is_recovered(place, come_back(wire, "ann", place))
    assert wire.call("typing:start", {"conversationId": 7})["error"]["code"] == "not_joined"


def test_the_window_ends(make_app: MakeApp) -> None:
    world = World(make_app(REALTIME_RECOVERY_WINDOW=0.05))
    wire = world.wire()
    place = enter(wire, "ann")
    lose(world.app, wire)
    journal = gateway_of(world.app)._server._rooms._journal
    assert journal is not None
    wire.wait_until(lambda: len(journal.leases) == 0)
    assert not is_recovered(place, come_back(world.wire(), "ann", place))


def test_more_than_the_memory_holds_is_a_gap(make_app: MakeApp) -> None:
    world = World(make_app(REALTIME_RECOVERY_BYTES=20_000))
    ann, bob = world.wire(), world.wire()
    places = {"ann": enter(ann, "ann"), "bob": enter(bob, "bob")}
    lose(world.app, ann)
    lose(world.app, bob, "bob")
    for number in range(10):
        world.realtime.send_to_user("ann", "told", "x" * 500 + str(number))
    answer = come_back(world.wire(), "ann", places["ann"])
    assert is_recovered(places["ann"], answer)
    assert len([name for name in names(answer.missed) if name == "told"]) == 10
    for number in range(30):
        world.realtime.send_to_user("ann", "told", "x" * 500 + str(number))
    assert not is_recovered(places["bob"], come_back(world.wire(), "bob", places["bob"]))


def test_more_than_a_client_can_be_sent_at_once_is_a_gap(make_app: MakeApp) -> None:
    world = World(make_app(REALTIME_MAX_BACKLOG_BYTES=20_000))
    wire = world.wire()
    place = enter(wire, "ann")
    lose(world.app, wire)
    for number in range(20):
        world.realtime.send_to_user("ann", "told", "x" * 1000 + str(number))
    assert not is_recovered(place, come_back(world.wire(), "ann", place))


def test_recoveries_do_not_count_against_the_rate_of_connects(make_app: MakeApp) -> None:
    world = World(make_app(REALTIME_MAX_CONNECTS_PER_USER="1/hour, burst 2"))
    wire = world.wire()
    place = enter(wire, "ann")
    for _ in range(5):
        lose(world.app, wire)
        wire = world.wire()
        answer = come_back(wire, "ann", place)
        assert is_recovered(place, answer)
        place = place._replace(offset=answer.offset)
    assert json.loads(world.wire().enter("ann")[1:]).keys() == {"sid"}
    assert json.loads(world.wire().enter("ann")[1:])["data"]["code"] == "rate_limited"


def test_the_number_of_a_users_lost_connections_is_bounded(make_app: MakeApp) -> None:
    world = World(make_app(REALTIME_MAX_CONNECTIONS_PER_USER=2))
    places = []
    for _ in range(3):
        wire = world.wire()
        places.append(enter(wire, "ann"))
        lose(world.app, wire)
    assert not is_recovered(places[0], come_back(world.wire(), "ann", places[0]))
    assert is_recovered(places[1], come_back(world.wire(), "ann", places[1]))


def test_a_new_token_recovers(world: World) -> None:
    wire = world.wire()
    place = enter(wire, "ann")
    lose(world.app, wire)
    with world.app.app_context():
        token = create_access_token("ann", additional_claims={"new": True})
    wire = world.wire()
    wire.send("0" + json.dumps({**place.auth(), "token": token}))
    assert json.loads(wire.receive_until("0")[1:])["sid"] == place.sid


def greets(realtime: Realtime) -> None:
    @realtime.on_connect
    def connected(identity: Identity) -> None:
        realtime.send_to_user(identity.user_id, "greeting", {"recovered": current_connection.recovered})


def test_what_is_sent_while_hooks_are_asked_comes_once_and_behind_connect(make_app: MakeApp) -> None:
    world = World(make_app(), greets)
    wire = world.wire()
    place = enter(wire, "ann")
    name, payload, first = event(wire.receive_until('2["greeting"'))
    assert (name, payload) == ("greeting", {"recovered": False})
    lose(world.app, wire)
    world.realtime.send_to_user("ann", "told", {})
    wire = world.wire()
    answer = come_back(wire, "ann", place)
    assert is_recovered(place, answer)
    assert answer.missed[0] == ["greeting", {"recovered": False}, first]
    assert names(answer.missed) == ["greeting", "told"]
    assert event(wire.receive())[:2] == ["greeting", {"recovered": True}]
    world.realtime.send_to_user("ann", "marker", {})
    assert "greeting" not in wire.receive_until('2["greeting"', '2["marker"')


def test_who_is_lost_behind_connect_misses_nothing_that_was_sent_while_hooks_were_asked(make_app: MakeApp) -> None:
    world = World(make_app(), greets)
    wire = world.wire()
    place = enter(wire, "ann")
    for _ in range(2):
        lose(world.app, wire)
        wire = world.wire()
        answer = come_back(wire, "ann", place)
        assert is_recovered(place, answer)
        place = place._replace(offset=answer.offset)  # It has not read on.
    assert answer.missed[-1][:2] == ["greeting", {"recovered": True}]
    assert len(answer.missed) == 1


@pytest.mark.parametrize("is_noticed", [True, False])
def test_of_two_attempts_the_later_one_counts(make_app: MakeApp, *, is_noticed: bool) -> None:
    attempts: list[str] = []
    is_over: list[bool] = []

    def waits(realtime: Realtime) -> None:
        @realtime.on_connect
        def connected(_identity: Identity) -> None:
            if not current_connection.recovered:
                return
            attempts.append(current_connection.id)
            while len(attempts) == 1 and not is_over:
                gateway_of(app).concurrency.sleep(0.005)
            gateway_of(app).concurrency.sleep(0.005)

    app = make_app()
    world = World(app, waits)
    wire = world.wire()
    place = enter(wire, "ann")
    if is_noticed:
        lose(app, wire)
    first, second = world.wire(), world.wire()
    first.send(first.connect_packet("ann", **place.auth()))
    first.wait_until(lambda: len(attempts) == 1)
    assert is_recovered(place, come_back(second, "ann", place))
    is_over.append(True)
    assert json.loads(first.receive_until("0", "4")[1:])["sid"] != place.sid
    assert event(first.receive())[1] == {"recovered": False, "gap": True}
    first.wait_until(lambda: len(world.realtime.get_user_connections("ann")) == 2)
    world.realtime.send_to_user("ann", "told", {})
    assert event(second.receive_until('2["told"'))[1] == {}
    assert second.call("join:conversation", 7) == {"ok": True}


def test_who_is_back_before_the_delay_is_over_was_never_offline(make_app: MakeApp) -> None:
    world = World(make_app(REALTIME_OFFLINE_DELAY=60))
    watcher, wire = world.wire(), world.wire()
    watcher.enter("watcher")
    place = enter(wire, "ann")
    watcher.receive_until('2["user:status-changed",{"userId":"ann"')
    for _ in range(2):
        lose(world.app, wire)
        assert watcher.call("user:get-status", "ann") == {"userId": "ann", "status": "online"}
        assert watcher.call("users:get-status", ["ann", "zed"])[0]["status"] == "online"
        assert sorted(world.realtime.get_online_users()) == ["ann", "watcher"]
        assert (world.realtime.is_user_online("ann"), world.realtime.get_online_users_count()) == (True, 2)
        wire = world.wire()
        assert is_recovered(place, come_back(wire, "ann", place))
    lose(world.app, wire)
    world.wire().enter("ann")  # A new connection does as well.
    world.realtime.broadcast_to_all("marker")
    seen = []
    while not (packet := watcher.receive()).startswith('2["marker"'):
        seen.append(packet)
    assert [packet for packet in seen if '"ann"' in packet] == []
    assert [told for told in world.told if told in {("online", "ann"), ("offline", "ann")}] == [("online", "ann")]


def test_who_stays_away_is_offline_when_the_delay_is_over(make_app: MakeApp) -> None:
    world = World(make_app(REALTIME_OFFLINE_DELAY=0.3))
    watcher, wire = world.wire(), world.wire()
    watcher.enter("watcher")
    enter(wire, "ann")
    lose(world.app, wire)
    assert world.realtime.is_user_online("ann")
    watcher.wait_until(lambda: ("offline", "ann") in world.told)
    assert "offline" in watcher.receive_until('2["user:status-changed",{"userId":"ann","status":"off')
    assert not world.realtime.is_user_online("ann")


def test_a_single_server_that_stops_announces_at_once_who_would_have_been_waited_for(make_app: MakeApp) -> None:
    world = World(make_app(REALTIME_OFFLINE_DELAY=60))
    wire = world.wire()
    enter(wire, "ann")
    lose(world.app, wire)
    gateway_of(world.app).wait_idle()
    assert ("offline", "ann") in world.told


def test_what_the_application_stored_in_a_session_is_there_again(make_app: MakeApp) -> None:
    def store(realtime: Realtime) -> None:
        @realtime.on("store")
        def stored(_identity: Identity, value: str) -> None:
            realtime.socketio.server.save_session(current_connection.id, {"value": value})

        @realtime.on("stored")
        def ask(_identity: Identity) -> str:
            return str(realtime.socketio.server.get_session(current_connection.id).get("value", "nothing"))

    world = World(make_app(), store)
    wire = world.wire()
    place = enter(wire, "ann")
    wire.call("store", "kept")
    lose(world.app, wire)
    for _ in range(2):  # The second time, the loss is not noticed.
        wire = world.wire()
        assert is_recovered(place, come_back(wire, "ann", place))
        assert wire.call("stored") == "kept"
    other = world.wire()
    enter(other, "ben")
    assert other.call("stored") == "nothing"
