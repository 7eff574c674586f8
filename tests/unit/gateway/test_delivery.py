"""Delivery: from an effect to the connections here and to the other servers."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import flask
import pytest

from flask_realtime.backends.backend import Backend
from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.packing import pack
from flask_realtime.contract.effects import Emit
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.errors import PayloadNotSerializable
from flask_realtime.gateway.delivery import delivery as module
from flask_realtime.gateway.delivery.delivery import Delivery
from flask_realtime.gateway.delivery.encoding import EventEncoder
from flask_realtime.gateway.delivery.envelopes import envelope_of
from flask_realtime.gateway.delivery.local import LocalDelivery
from flask_realtime.gateway.delivery.sent import SentEvents
from flask_realtime.gateway.repeats import Repeated
from flask_realtime.signals import event_sent

EVENT = Emit("news", ({"id": 1},), ("green", "red"), ("blue",), "c1", volatile=True)


def sent_events() -> SentEvents:
    return SentEvents(cast("Backend", SimpleNamespace(recovery=None)))


class Rooms:
    """Where events go that were sent before."""

    def __init__(self) -> None:
        self.again: list[tuple[Any, ...]] = []
        self.pending: dict[str, Any] = {}
        self.changes = 0

    def is_always_the_same(self, _message: OutboundMessage) -> bool:
        return True

    def receivers(self, *to: Any) -> dict[str, Any]:
        self.again.append(to)
        return {}

    def find_websockets(self, _receivers: Any) -> None:
        """Find none to which can be written without asking again."""

    def deliver(self, message: OutboundMessage, _receivers: Any) -> None:
        self.again[-1] = (message.parts, message.volatile, *self.again[-1])


class Server:
    """What a server was told to deliver, and how often it encoded something."""

    def __init__(self) -> None:
        self.encoder = EventEncoder(flask.Flask(__name__).json)
        self.encoded = 0
        self.delivered: list[tuple[Any, ...]] = []
        self.kept: list[tuple[Any, ...]] = []
        self.rooms = Rooms()
        self.turn = nullcontext()

    def encode(self, event: str, args: tuple[Any, ...], *, volatile: bool) -> OutboundMessage:
        self.encoded += 1
        return OutboundMessage(self.encoder.encode([event, *args]), volatile=volatile)

    def deliver(self, message: OutboundMessage, *to: Any) -> None:
        self.delivered.append((message.parts, message.volatile, *to))

    def receive(self, envelope: Envelope) -> None:
        header = envelope.header
        self.delivered.append((envelope.parts, *(header[name] for name in ("volatile", "rooms", "except_rooms", "except_sid"))))

    def keep(self, message: OutboundMessage, *to: Any) -> None:
        self.kept.append((message.parts, *to))


class World:
    """One server, the bus, and the signals."""

    def __init__(self, *, is_published: bool = True) -> None:
        self.server = Server()
        self.published: list[Envelope] = []
        self.is_published = is_published
        self.app = flask.Flask(__name__)
        self.delivery = Delivery(self.app, cast("LocalDelivery", self.server), self.publish, sent_events())

    def publish(self, envelope: Envelope) -> bool:
        self.published.append(envelope)
        return self.is_published


@pytest.fixture
def world() -> World:
    return World()


def ordered(version: int, subject: str = "user:ann") -> Emit:
    return Emit("status", (version,), None, order=(subject, version))


def numbers(world: World) -> list[str]:
    return [parts[0] for parts, *_ in world.server.delivered]


def test_an_event_goes_to_its_receivers_here_and_as_it_is_to_the_other_servers(world: World) -> None:
    parts = ('2["news",{"id":1}]',)
    assert world.delivery.send(EVENT) is True
    assert world.server.delivered == [(parts, True, ("green", "red"), ("blue",), "c1")]
    (envelope,) = world.published
    assert (envelope.kind, envelope.parts) == ("send", parts)
    assert envelope.header == {
        "rooms": ("green", "red"),
        "except_rooms": ("blue",),
        "except_sid": "c1",
        "volatile": True,
        "order": None,
    }
    other = World()
    other.delivery.receive(envelope)
    assert other.server.delivered == world.server.delivered
    assert other.published == []


def test_who_sends_hears_whether_the_bus_took_it() -> None:
    assert World(is_published=False).delivery.send(EVENT) is False
    alone = Delivery(flask.Flask(__name__), cast("LocalDelivery", Server()), None, sent_events())
    assert alone.send(EVENT) is True


def test_no_rooms_are_nobody_and_none_is_everyone(world: World) -> None:
    assert world.delivery.send(Emit("news", (), ())) is True
    assert (world.server.delivered, world.published) == ([], [])
    world.delivery.send(Emit("news", (), None))
    assert (len(world.server.delivered), len(world.published)) == (1, 1)


def test_an_event_of_the_log_is_delivered_once_whoever_sends_it(world: World) -> None:
    one, two = (Emit("news", (number,), None, logged=f"{number}-5.5") for number in (1, 2))
    other = World()
    assert world.delivery.send(one) is True
    (envelope,) = world.published
    assert envelope.header["logged"] == "1-5.5"
    other.delivery.receive(envelope)
    other.delivery.receive(envelope)
    assert other.delivery.send(one) is True
    other.delivery.send(two)
    world.delivery.send(one)
    for late in (*other.published, *other.published):
        world.delivery.receive(late)
    assert numbers(world) == numbers(other) == ['2["news",1]', '2["news",2]']
    assert (len(world.published), len(other.published)) == (1, 1)


def test_an_event_of_the_log_that_could_not_be_sent_can_be_sent_later(world: World) -> None:
    with pytest.raises(PayloadNotSerializable):
        world.delivery.send(Emit("news", (object(),), None, logged="1-5.5"))
    world.delivery.send(Emit("news", (1,), None, logged="1-5.5"))
    assert numbers(world) == ['2["news",1]']


@pytest.mark.parametrize("kind", [Emit, Repeated])
def test_what_is_prepared_is_sent_later_as_it_was(world: World, kind: type[Emit]) -> None:
    payload = {"id": 1}
    emit = kind("news", (payload, b"\x00"), ("green",), ("blue",), "c1", volatile=True)
    send = world.delivery.prepare(emit)
    payload["id"], emit.rooms = 2, ("red",)
    assert (world.server.delivered, world.published) == ([], [])
    told: list[Emit] = []

    def note(_app: flask.Flask, event: Emit) -> None:
        told.append(event)

    with event_sent.connected_to(note, sender=world.app):
        assert send() is True
    parts = ('51-["news",{"id":1},{"_placeholder":true,"num":0}]', b"\x00")
    assert world.server.delivered == [(parts, True, ("green",), ("blue",), "c1")]
    assert [envelope.parts for envelope in world.published] == [parts]
    assert [(event.event, event.args, event.rooms) for event in told] == [("news", ({"id": 1}, b"\x00"), ("green",))]
    world.is_published = False
    assert send() is False


def test_what_is_prepared_for_nobody_goes_nowhere_and_what_is_late_is_dropped(world: World) -> None:
    assert world.delivery.prepare(Emit("news", (), ()))() is True
    assert (world.server.delivered, world.published) == ([], [])
    late = world.delivery.prepare(ordered(1))
    world.delivery.send(ordered(2))
    late()
    assert (numbers(world), len(world.published)) == (['2["status",2]'], 2)


def test_what_concerns_this_server_alone_is_not_published(world: World) -> None:
    world.delivery.send_here(EVENT)
    assert (len(world.server.delivered), world.published) == (1, [])


def test_an_event_is_encoded_once_however_often_it_is_sent(world: World) -> None:
    send = Repeated("typing:start", (), ("green",))
    again = world.server.rooms.again
    assert world.delivery.send_again(send) is True
    assert (len(world.server.delivered), len(again)) == (1, 0)
    assert world.delivery.send_again(send) is True
    world.delivery.send(send)
    assert (len(world.server.delivered), len(again), len(world.published)) == (2, 1, 3)
    assert again[0][1:] == (False, ("green",), (), None)
    assert world.server.encoded == 1
    assert len({pack(envelope) for envelope in world.published}) == 1
    assert world.published[0].packed == [pack(replace(world.published[0], packed=None))]
    world.is_published = False
    assert world.delivery.send_again(send) is False


def test_a_signal_tells_of_each_event_that_is_sent_here(world: World) -> None:
    told: list[Emit] = []

    def note(_app: flask.Flask, event: Emit) -> None:
        told.append(event)

    send = Repeated("news", (), ("green",))
    with event_sent.connected_to(note, sender=world.app):
        world.delivery.send(send)
        world.delivery.send_again(send)
        world.delivery.send_here(send)
        world.delivery.send(Emit("news", (), ()))
        world.delivery.receive(envelope_of(send, ('2["news"]',)))
    assert told == [send, send, send]


def test_an_event_that_comes_again_or_after_a_later_one_about_the_same_is_dropped(world: World) -> None:
    for version in (2, 1, 3):
        world.delivery.receive(envelope_of(ordered(version), (f"{version}",)))
    assert numbers(world) == ["2", "3"]
    world.delivery.receive(envelope_of(ordered(3), ("the same again",)))
    world.delivery.receive(envelope_of(ordered(1, "user:ben"), ("another's",)))
    assert numbers(world) == ["2", "3", "another's"]
    world.delivery.send(ordered(2))
    assert len(world.server.delivered) == 3, "one of this server's own may be late too"
    assert len(world.published) == 1, "the others have to see for themselves"


def test_subjects_are_forgotten_in_the_order_in_which_they_last_changed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SUBJECTS", 2)
    for version, subject in ((5, "ann"), (5, "ben"), (6, "ann"), (5, "carol")):  # Ben's is the oldest now, and one too many.
        world.delivery.send_here(ordered(version, subject))
    world.server.delivered.clear()
    for subject in ("ann", "carol", "ben"):
        world.delivery.send_here(ordered(4, subject))
    assert len(world.server.delivered) == 1
    assert len(world.delivery._versions) == 2
