"""Rooms: who receives what, before, during and after its time in them."""

import json
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import flask
import pytest
import socketio
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.contract.effects import Emit
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.errors import PayloadNotSerializable
from flask_realtime.gateway.delivery.encoding import EventEncoder
from flask_realtime.gateway.delivery.manager import RoomManager
from flask_realtime.gateway.delivery.members import Pending, PendingConnections
from flask_realtime.gateway.delivery.rooms import FindWebSockets, deliver_to_each, find_no_websockets
from flask_realtime.gateway.repeats import Deliverer, Repeated, Repeater

MAIN = "/"


class Inbox:
    """What stands for one engine session."""

    takes_offsets = False
    user_session = None
    acknowledged_at = 0.0

    def __init__(self, messages: list[OutboundMessage]) -> None:
        self.deliver = messages.append
        self.frames: list[bytes] = []

    def send_now(self, frame: bytes) -> int:
        """Take what is written without asking, as a WebSocket does."""
        self.frames.append(frame)
        return len(frame)


class Receivers:
    """What each engine session received, in order, and who was reported as disconnected."""

    def __init__(self) -> None:
        self.messages: dict[str, list[OutboundMessage]] = {}
        self.disconnected: list[str] = []

    def find(self, eio_sid: str) -> "Inbox":
        return Inbox(self.messages.setdefault(eio_sid, []))

    def events(self, eio_sid: str) -> list[Any]:
        """The events that a session received: name and arguments."""
        return [json.loads(message.packets[0].data[1:]) for message in self.messages[eio_sid]]


@pytest.fixture
def receivers() -> Receivers:
    return Receivers()


def new_manager(receivers: Receivers, find_websockets: FindWebSockets = find_no_websockets) -> RoomManager:
    server = socketio.Server(async_mode="threading")
    encoder = EventEncoder(flask.Flask(__name__).json)
    server.packet_class = encoder.packet_class
    manager = RoomManager(
        encoder.encode, receivers.find, receivers.disconnected.append, deliver_to_each, find_websockets=find_websockets
    )
    manager.set_server(server)
    return manager


@pytest.fixture
def rooms(receivers: Receivers) -> RoomManager:
    return new_manager(receivers)


def admitted(rooms: RoomManager, eio_sid: str, *names: str) -> str:
    """The id of a connection that is in these rooms."""
    sid = rooms.reserve(eio_sid, *names)
    rooms.admit(sid)
    return sid


def send(
    rooms: RoomManager,
    event: str,
    args: list[Any],
    room: Any,
    except_rooms: Iterable[str] = (),
    except_sid: str | None = None,
    *,
    volatile: bool = False,
) -> None:
    encode = EventEncoder(flask.Flask(__name__).json).encode
    rooms.send(OutboundMessage(encode([event, *args]), volatile=volatile), room, except_rooms, except_sid)


# Sending ----------------------------------------------------------------------------------------------


def test_a_room_reaches_those_in_it_and_nobody_else(rooms: RoomManager, receivers: Receivers) -> None:
    admitted(rooms, "ann", "green")
    admitted(rooms, "ben", "green", "red")
    admitted(rooms, "carol", "red")
    send(rooms, "news", [1, "two"], "green")
    assert [receivers.events(name) for name in ("ann", "ben", "carol")] == [[["news", 1, "two"]], [["news", 1, "two"]], []]


def test_one_message_serves_all_receivers(rooms: RoomManager, receivers: Receivers) -> None:
    admitted(rooms, "ann", "green")
    admitted(rooms, "ben", "green")
    send(rooms, "news", [], "green", volatile=True)
    assert receivers.messages["ann"][0] is receivers.messages["ben"][0]
    assert receivers.messages["ann"][0].volatile is True


def test_no_room_is_everyone_and_an_empty_one_nobody(rooms: RoomManager, receivers: Receivers) -> None:
    admitted(rooms, "ann", "green")
    admitted(rooms, "ben")
    send(rooms, "all", [], None)
    send(rooms, "none", [], "red")
    send(rooms, "none", [], [])
    assert [receivers.events(name) for name in ("ann", "ben")] == [[["all"]], [["all"]]]


def test_who_is_in_several_of_the_rooms_gets_it_once(rooms: RoomManager, receivers: Receivers) -> None:
    admitted(rooms, "ann", "green", "red")
    send(rooms, "news", [], ["green", "red"])
    assert receivers.events("ann") == [["news"]]


def test_a_connection_is_alone_in_the_room_of_its_id(rooms: RoomManager, receivers: Receivers) -> None:
    ann, ben = admitted(rooms, "ann"), admitted(rooms, "ben")
    send(rooms, "news", [], ann)
    assert [receivers.events(name) for name in ("ann", "ben")] == [[["news"]], []]
    with pytest.raises(ValueError, match="sid room"):
        rooms.enter_room(ben, MAIN, ann)


def test_the_room_of_a_connections_id_is_told_from_others(rooms: RoomManager) -> None:
    ann = admitted(rooms, "ann", "green")
    assert rooms.is_sid_room(MAIN, ann)
    assert not rooms.is_sid_room(MAIN, "green")


def test_some_rooms_and_one_connection_can_be_left_out(rooms: RoomManager, receivers: Receivers) -> None:
    admitted(rooms, "ann", "green", "user:ann")
    admitted(rooms, "ann's phone", "green", "user:ann")
    ben = admitted(rooms, "ben", "green")
    admitted(rooms, "carol", "green")
    send(rooms, "news", [], "green", except_rooms=["user:ann"], except_sid=ben)
    assert {name: receivers.events(name) for name in receivers.messages} == {
        "ann": [],
        "ann's phone": [],
        "ben": [],
        "carol": [["news"]],
    }


@pytest.mark.parametrize("receiver", [None, "green", "red"])
def test_what_is_no_json_is_an_error_whoever_would_receive_it(rooms: RoomManager, receiver: str | None) -> None:
    admitted(rooms, "ann", "green")
    with pytest.raises(PayloadNotSerializable):
        send(rooms, "news", [float("nan")], receiver)


def test_binary_data_follows_its_event(rooms: RoomManager, receivers: Receivers) -> None:
    admitted(rooms, "ann", "green")
    send(rooms, "news", [b"\x00"], "green")
    (message,) = receivers.messages["ann"]
    assert [packet.data for packet in message.packets] == ['51-["news",{"_placeholder":true,"num":0}]', b"\x00"]


# Before the admission ---------------------------------------------------------------------------------


def test_what_is_sent_before_the_admission_is_held_and_comes_in_order(rooms: RoomManager, receivers: Receivers) -> None:
    sid = rooms.reserve("ann", "green")
    for number in range(3):
        send(rooms, "room", [number], "green")
        send(rooms, "own", [number], sid)
        send(rooms, "all", [number], None)
        send(rooms, "other", [number], "red")
    assert receivers.events("ann") == []
    rooms.admit(sid)
    assert receivers.events("ann") == [[name, number] for number in range(3) for name in ("room", "own", "all")]


def test_a_question_before_the_admission_is_held_too_and_can_be_answered(rooms: RoomManager, receivers: Receivers) -> None:
    answers: list[Any] = []
    sid = rooms.reserve("ann", "green")
    rooms.emit("first", 1, MAIN, room="green", callback=lambda *args: answers.append(("first", *args)))
    rooms.emit("not for her", 2, MAIN, room="green", skip_sid=sid, callback=answers.append)
    rooms.emit("second", 3, MAIN, to=sid, callback=lambda *args: answers.append(("second", *args)))
    assert receivers.messages["ann"] == []
    rooms.admit(sid)
    texts = [message.packets[0].data for message in receivers.messages["ann"]]
    assert texts == ['21["first",1]', '22["second",3]']
    rooms.trigger_callback(sid, 2, ["yes"])
    rooms.trigger_callback(sid, 1, ["no", 4])
    assert answers == [("second", "yes"), ("first", "no", 4)]


def test_no_answer_is_waited_for_of_whoever_is_gone(rooms: RoomManager) -> None:
    sids = [admitted(rooms, name, "green") for name in ("ann", "ben")]
    rooms.emit("question", None, MAIN, room="green", callback=lambda: None)
    assert set(rooms.callbacks) == set(sids)
    rooms.disconnect(sids[0], MAIN)
    assert set(rooms.callbacks) == {sids[1]}


def test_whoever_is_forgotten_before_its_admission_cannot_be_admitted(rooms: RoomManager, receivers: Receivers) -> None:
    sid = rooms.reserve("ann", "green")
    assert rooms.eio_sid_from_sid(sid, MAIN) == "ann"
    rooms.discard(sid)
    rooms.discard(sid)
    assert rooms.eio_sid_from_sid(sid, MAIN) is None
    send(rooms, "news", [], "green")
    with pytest.raises(KeyError):
        rooms.admit(sid)
    assert receivers.messages["ann"] == []


def test_who_is_not_admitted_gets_nothing(rooms: RoomManager, receivers: Receivers) -> None:
    sid = rooms.reserve("ann", "green")
    send(rooms, "news", [], "green")
    rooms.discard(sid)
    send(rooms, "news", [], "green")
    send(rooms, "news", [], None)
    assert receivers.events("ann") == []
    assert not rooms.is_connected(sid, MAIN)


def test_rooms_can_be_entered_and_left_before_the_admission(rooms: RoomManager, receivers: Receivers) -> None:
    sid = rooms.reserve("ann", "green")
    rooms.enter_room(sid, MAIN, "red")
    rooms.leave_room(sid, MAIN, "green")
    rooms.admit(sid)
    send(rooms, "red", [], "red")
    send(rooms, "green", [], "green")
    assert receivers.events("ann") == [["red"]]


def test_what_is_held_is_for_the_rooms_of_then_each_once(rooms: RoomManager, receivers: Receivers) -> None:
    sid, other = rooms.reserve("ann", "green", "blue"), rooms.reserve("ben", "green")
    send(rooms, "first", [], "green")
    rooms.leave_room(sid, MAIN, "green")
    rooms.enter_room(sid, MAIN, "red")
    send(rooms, "second", [], "green")
    send(rooms, "third", [], ["red", "blue", "green", sid])
    for name in (sid, other):
        rooms.admit(name)
    assert receivers.events("ann") == [["first"], ["third"]]
    assert receivers.events("ben") == [["first"], ["second"], ["third"]]


def test_nothing_is_kept_of_connections_that_are_admitted_or_forgotten() -> None:
    pending = PendingConnections()
    pending.add("c1", Pending("ann", Inbox([]), ("green",)))
    pending.enter("c1", "green")
    pending.leave("c1", "red")
    assert [sid for sid, _ in pending.among(["green", "red"])] == ["c1"]
    pending.take("c1")
    assert pending.among("green") == []
    assert pending._sids == {}


# Leaving ----------------------------------------------------------------------------------------------


def test_who_left_gets_nothing_more(rooms: RoomManager, receivers: Receivers) -> None:
    sid = admitted(rooms, "ann", "green", "red")
    rooms.leave_room(sid, MAIN, "green")
    rooms.leave_room(sid, MAIN, "green")
    rooms.leave_room(sid, MAIN, "never entered")
    send(rooms, "green", [], "green")
    send(rooms, "red", [], "red")
    assert receivers.events("ann") == [["red"]]
    assert sorted(rooms.get_rooms(sid, MAIN)) == sorted([sid, "red"])


def test_a_room_can_be_closed(rooms: RoomManager, receivers: Receivers) -> None:
    admitted(rooms, "ann", "green")
    admitted(rooms, "ben", "green")
    rooms.close_room("green", MAIN)
    send(rooms, "news", [], "green")
    assert (receivers.events("ann"), receivers.events("ben")) == ([], [])


def test_who_disconnects_is_out_of_everything_and_reported(rooms: RoomManager, receivers: Receivers) -> None:
    sid = admitted(rooms, "ann", "green", "red")
    rooms.disconnect(sid, MAIN)
    for room in (None, "green", "red", sid):
        send(rooms, "news", [], room)
    assert receivers.events("ann") == []
    assert receivers.disconnected == [sid]
    assert not rooms.is_connected(sid, MAIN)
    assert rooms.get_rooms(sid, MAIN) == []
    assert rooms.sid_from_eio_sid("ann", MAIN) is None
    with pytest.raises(ValueError, match="not connected"):
        rooms.enter_room(sid, MAIN, "green")


def test_a_room_that_is_empty_is_forgotten(rooms: RoomManager) -> None:
    sids = [admitted(rooms, f"{number}", f"room-{number}", "all") for number in range(10)]
    for sid in sids:
        rooms.disconnect(sid, MAIN)
    assert rooms._rooms == {}
    assert rooms._members == {}
    assert rooms.get_namespaces() == []


class Counting(dict[str, Any]):
    """A dictionary that counts how often it is gone through, and how often something is looked up."""

    def __init__(self, content: dict[str, Any]) -> None:
        super().__init__(content)
        self.scans = 0

    def __iter__(self) -> Iterator[str]:
        self.scans += 1
        return super().__iter__()

    def items(self) -> Any:
        self.scans += 1
        return super().items()

    def keys(self) -> Any:
        self.scans += 1
        return super().keys()

    def values(self) -> Any:
        self.scans += 1
        return super().values()


def test_leaving_looks_at_no_room_that_the_connection_is_not_in(rooms: RoomManager) -> None:
    sids = [admitted(rooms, f"{number}", f"room-{number}", "all") for number in range(20)]
    rooms._rooms = Counting(rooms._rooms)
    rooms._members = Counting(rooms._members)
    for sid in sids:
        rooms.disconnect(sid, MAIN)
    assert (rooms._rooms.scans, rooms._members.scans) == (0, 0)


# Other namespaces -------------------------------------------------------------------------------------


def test_another_namespace_has_rooms_of_its_own(rooms: RoomManager, receivers: Receivers) -> None:
    elsewhere = rooms.of("/admin")
    sid = elsewhere.reserve("ann", "green")
    elsewhere.admit(sid)
    admitted(rooms, "ben", "green")
    rooms.emit("news", 1, "/admin", room="green")
    assert [message.packets[0].data for message in receivers.messages["ann"]] == ['2/admin,["news",1]']
    assert receivers.messages["ben"] == []
    assert (rooms.get_namespaces(), list(rooms.get_participants("/admin", "green"))) == (["/admin", MAIN], [(sid, "ann")])
    rooms.disconnect(sid, "/admin")
    assert (receivers.disconnected, rooms.get_namespaces()) == ([sid], [MAIN])


def test_another_namespace_delivers_in_the_way_of_the_engine_too(receivers: Receivers) -> None:
    rooms, told = new_manager(receivers), []
    before = rooms.of("/before")

    def deliver(_receivers: Iterable[Any], message: OutboundMessage) -> int:
        told.append(message)
        return message.size

    rooms.deliver_through(deliver, find_no_websockets)
    for namespace in (before, rooms.of("/after")):
        namespace.admit(namespace.reserve("ann", "green"))
        namespace.emit_event("news", [], "green", (), None)
    assert len(told) == 2


# Any way of coming and going --------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "c"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("come"), st.integers(0, 4), st.lists(NAMES, max_size=2)),
        st.tuples(st.just("go"), st.integers(0, 4), st.just([])),
        st.tuples(st.just("enter"), st.integers(0, 4), st.lists(NAMES, min_size=1, max_size=1)),
        st.tuples(st.just("leave"), st.integers(0, 4), st.lists(NAMES, min_size=1, max_size=1)),
        st.tuples(st.just("send"), st.just(0), st.lists(NAMES, min_size=1, max_size=2)),
    ),
    max_size=40,
)


@given(STEPS)
def test_however_they_come_and_go_a_send_reaches_just_who_is_there(steps: list[tuple[str, int, list[str]]]) -> None:
    receivers = Receivers()
    rooms = new_manager(receivers)
    inside: dict[str, set[str]] = {}
    sids: dict[int, str] = {}
    sent: dict[str, list[list[str]]] = {}
    for count, (step, number, names) in enumerate(steps):
        sid = sids.get(number, "")
        if step == "come" and not sid:
            sids[number] = admitted(rooms, f"{number}-{count}", *names)
            inside[f"{number}-{count}"] = set(names)
        elif step == "send":
            send(rooms, "event", [count], names)
            for eio_sid, of_it in inside.items():
                if of_it & set(names):
                    sent.setdefault(eio_sid, []).append(["event", str(count)])
        elif sid:
            eio_sid = str(rooms.eio_sid_from_sid(sid, MAIN))
            change(rooms, sid, step, names)
            apply(inside, eio_sid, step, names)
            if step == "go":
                del sids[number]
    received = {eio_sid: receivers.events(eio_sid) for eio_sid in receivers.messages if receivers.messages[eio_sid]}
    assert {name: [[event, str(count)] for event, count in events] for name, events in received.items()} == sent


@given(STEPS)
def test_however_they_come_and_go_a_message_sent_again_reaches_just_who_is_there(steps: list[tuple[str, int, list[str]]]) -> None:
    receivers = Receivers()
    inboxes: dict[str, Inbox] = {}
    rooms = new_manager(receivers, find_websockets=tuple)
    send_again, event = repeater(rooms), sent_before(("a",), ("b",))
    inside: dict[str, set[str]] = {}
    sids: dict[int, str] = {}
    for count, (step, number, names) in enumerate(steps):
        sid = sids.get(number, "")
        if step == "come" and not sid:
            eio_sid = f"{number}-{count}"
            sids[number] = admitted(rooms, eio_sid, *names)
            inboxes[eio_sid] = rooms._members[sids[number]].receiver  # type: ignore[assignment]
            inside[eio_sid] = set(names)
        elif sid and step != "send":
            eio_sid = str(rooms.eio_sid_from_sid(sid, MAIN))
            change(rooms, sid, step, names)
            apply(inside, eio_sid, step, names)
            if step == "go":
                del sids[number]
        waiting = rooms.reserve(f"waiting-{count}", "a") if step == "send" else None
        for _ in range(2):  # The first finds out who is there, if it must; the second goes where the first went.
            send_again(event)
        if waiting is not None:
            rooms.admit(waiting)
            assert len(receivers.messages[f"waiting-{count}"]) == 2
            rooms.disconnect(waiting, MAIN)
        expected = {eio_sid: 2 * ("a" in of_it and "b" not in of_it) for eio_sid, of_it in inside.items()}
        assert {name: taken(inbox, receivers.messages[name]) for name, inbox in inboxes.items() if name in inside} == expected
        assert all(taken(inbox, receivers.messages[name]) == 0 for name, inbox in inboxes.items())


def test_a_message_sent_again_no_longer_reaches_whoever_left_while_others_stayed() -> None:
    receivers = Receivers()
    rooms = new_manager(receivers, find_websockets=tuple)
    send_again, event = repeater(rooms), sent_before(("green",))
    sids = {name: admitted(rooms, name, "green", "red") for name in ("ann", "ben", "carol")}
    inboxes: dict[str, Any] = {name: rooms._members[sid].receiver for name, sid in sids.items()}

    def sent_again() -> dict[str, int]:
        for _ in range(2):
            send_again(event)
        return {name: taken(inbox, receivers.messages[name]) for name, inbox in inboxes.items()}

    assert sent_again() == {"ann": 2, "ben": 2, "carol": 2}
    rooms.leave_room(sids["ann"], MAIN, "green")
    assert sent_again() == {"ann": 0, "ben": 2, "carol": 2}
    rooms.disconnect(sids["ben"], MAIN)
    assert sent_again() == {"ann": 0, "ben": 0, "carol": 2}
    rooms.enter_room(sids["ann"], MAIN, "green")
    assert sent_again() == {"ann": 2, "ben": 0, "carol": 2}
    assert event.route is not None


def repeater(rooms: RoomManager) -> Callable[[Emit], bool]:
    """What sends an event again that was sent before."""
    server = cast("Deliverer", SimpleNamespace(rooms=rooms))
    return Repeater(flask.Flask(__name__), server, None, lambda _emit: pytest.fail("it is no such event")).send_again


def sent_before(rooms: tuple[str, ...], except_rooms: tuple[str, ...] = ()) -> Repeated:
    """An event that was sent before."""
    event = Repeated("event", (), rooms, except_rooms)
    event.message = OutboundMessage(['2["event"]'])
    return event


def taken(inbox: Inbox, messages: list[OutboundMessage]) -> int:
    """How much came since it was last asked, in either way."""
    count = len(inbox.frames) + len(messages)
    inbox.frames.clear()
    messages.clear()
    return count


def test_a_message_sent_again_knows_nobody_for_good_who_has_no_websocket(rooms: RoomManager, receivers: Receivers) -> None:
    send_again, event = repeater(rooms), sent_before(("green",))
    admitted(rooms, "ann", "green")
    for _ in range(3):
        send_again(event)
    assert len(receivers.messages["ann"]) == 3
    assert event.route is None


def change(rooms: RoomManager, sid: str, step: str, names: list[str]) -> None:
    if step == "go":
        rooms.disconnect(sid, MAIN)
    elif step == "enter":
        rooms.enter_room(sid, MAIN, names[0])
    elif step == "leave":
        rooms.leave_room(sid, MAIN, names[0])


def apply(inside: dict[str, set[str]], eio_sid: str, step: str, names: list[str]) -> None:
    if step == "go":
        del inside[eio_sid]
    elif step == "enter":
        inside[eio_sid].add(names[0])
    elif step == "leave":
        inside[eio_sid].discard(names[0])
