"""Recovery on other servers, without any: offsets, what a client has already, and the log that many read at once."""

from __future__ import annotations

from typing import Any

import pytest

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.recovery import LoggedEvent, Place
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.gateway.delivery.rooms import Rooms, deliver_to_each
from flask_realtime.gateway.recovery.history import History
from flask_realtime.gateway.recovery.journal import Journal
from flask_realtime.gateway.recovery.leases import Lease, Leases
from flask_realtime.gateway.recovery.log import EventLog
from flask_realtime.gateway.recovery.offsets import Offset, Offsets, parse_offset
from tests.clock import Clock

PLACE = Place(5, 1, 2)
ERA = "ab12"


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("s-1.7", Offset("s-1", 7)),
        ("s-1.7.ab12-5-1-2", Offset("s-1", 7, ERA, PLACE)),
        ("~s-1.7.ab12-5-1-2", Offset("s-1", 7, ERA, PLACE, is_brought_forward=True)),
    ],
)
def test_an_offset_is_read_as_it_was_written(text: str, offset: Offset) -> None:
    assert parse_offset(text) == offset
    assert str(offset) == text


@pytest.mark.parametrize(
    "text", ["", "s", "s.", "s.07", "s.7.", "s.7.ab12-5-1", "s.7.ab12-5-1-2-3", "s.7.AB-5-1-2", "~~s.7", 7, None]
)
def test_nothing_else_is_an_offset(text: object) -> None:
    assert parse_offset(text) is None


def test_a_server_knows_its_own_offsets_unless_another_has_brought_them_forward() -> None:
    offsets = Offsets("s")
    assert offsets.number(offsets.text(7, "ab12-5-1-2")) == 7
    assert offsets.number("~s.7.ab12-5-1-2") is None
    assert offsets.number("t.7.ab12-5-1-2") is None


@pytest.mark.parametrize(
    ("origin", "number", "place", "lacks"),
    [
        ("s", 8, Place(0, 0, 0), True),
        ("s", 7, Place(9, 0, 0), False),
        ("s", None, Place(9, 0, 0), False),
        ("t", 1, Place(5, 1, 3), True),
        ("t", None, Place(5, 2, 0), True),
        ("t", 9, Place(5, 1, 2), False),
    ],
)
def test_a_client_lacks_higher_numbers_of_its_server_and_later_places_of_others(
    origin: str, number: int | None, place: Place, *, lacks: bool
) -> None:
    assert Offset("s", 7, ERA, PLACE).is_before(origin, number, place) is lacks


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (None, (7, PLACE)),
        (Offset("s", 9, ERA, Place(4, 0, 0)), (9, PLACE)),
        (Offset("s", 3, ERA, Place(6, 0, 0)), (7, Place(6, 0, 0))),
        (Offset("t", 9, ERA, Place(6, 0, 0)), (7, PLACE)),
        (Offset("s", 9, "other", Place(6, 0, 0)), (7, PLACE)),
    ],
)
def test_what_is_known_to_have_arrived_counts_too(known: Offset | None, expected: tuple[int, Place]) -> None:
    offset = Offset("s", 7, ERA, PLACE).with_known(known)
    assert (offset.number, offset.place) == expected


class Receiver:
    """A client's session."""

    acknowledged_at = 0.0
    takes_offsets = True
    user_session = None

    def __init__(self) -> None:
        self.got: list[str] = []

    def deliver(self, message: OutboundMessage) -> None:
        self.got.append(str(message.parts[0]))


class Here:
    """A server with one connection, `c1`, in the room `blue`."""

    def __init__(self) -> None:
        clock = Clock()
        self.journal = Journal(Leases(10.0, 3, clock), History(10_000, 10.0, clock), Offsets("here"))
        self.receiver = Receiver()
        self.rooms = Rooms(
            lambda payload: (payload[0],),
            lambda _sid: self.receiver,
            lambda: "c1",
            lambda *_: 1,
            deliver_to_each,
            lambda _: None,
            self.journal,
        )
        self.lease = Lease(b"key", "c1", "ann", 0)
        self.journal.leases.add(self.lease)
        self.rooms.reserve_again("e1", self.lease)
        self.rooms.admit_with_lease("c1", self.lease, OutboundMessage(("0",)))
        self.rooms.enter("c1", "blue")

    def receive(self, text: str, number: int | None, origin: str = "there", place: str = "ab12-1-0-0") -> None:
        header: dict[str, Any] = {"rooms": ("blue",), "except_rooms": (), "except_sid": None, "volatile": False, "number": number}
        self.rooms.receive(OutboundMessage((text,)), "blue", Envelope("send", header, (text,), place, origin))


def test_what_a_client_got_from_a_server_that_writes_it_later_does_not_come_again() -> None:
    here = Here()
    here.journal.has_seen("c1", {"there": 2})
    here.receive("one", 1)
    here.receive("two", 2)
    here.receive("another's", 1, origin="elsewhere")
    here.receive("three", 3)
    here.receive("four", 4)
    assert here.receiver.got == ["0", "another's", "three", "four"]
    assert here.journal.who_has("there", 1) == ()  # After a higher number, it is not remembered any more.
    missed = [entry.parts[0] for entry in here.journal.history.since(0) if here.lease.gets(entry)]
    assert missed == ["another's", "three", "four"]


def test_what_has_no_place_leaves_the_servers_own_and_does_not_come_again_either() -> None:
    here = Here()
    here.journal.has_seen("c1", {"there": 2})
    here.receive("two", 2, place="ab12-7-0-1")
    here.journal.has_seen("c1", {"there": 4})
    here.receive("four", 4, place="")
    here.receive("five", 5, place="")
    assert here.receiver.got == ["0", "five"]
    assert here.journal.place == "ab12-7-0-1"


def test_what_nobody_may_need_is_forgotten() -> None:
    here = Here()
    here.journal.has_seen("c1", {"there": 2})
    here.journal.has_seen("c2", {"there": 5})
    here.journal.forget_seen({"c2"})
    assert here.journal.who_has("there", 1) == ("c2",)
    here.journal.forget_seen(set())
    assert here.journal.who_has("there", 1) == ()


def test_an_events_offset_says_how_far_its_server_had_come_with_the_others() -> None:
    here = Here()
    here.receive("one", 1, place="ab12-7-0-1")
    message = OutboundMessage(('2["news",{}]',))
    here.rooms.send(message, "blue")
    assert (message.number, message.offset) == (2, "here.2.ab12-7-0-1")


def test_where_others_look_for_events_each_has_a_number_and_those_of_one_server_are_published() -> None:
    here = Here()
    published: list[Envelope] = []

    def publish(envelope: Envelope) -> bool:
        published.append(envelope)
        return True

    here.journal.publish = publish
    here.rooms.emit_event("own", [], "blue", ["c2"], None)
    (envelope,) = published
    assert envelope.header == {"rooms": ("blue",), "except_rooms": ("c2",), "except_sid": None, "volatile": False, "number": 1}
    here.journal.leases.drop(here.lease)
    unheard = OutboundMessage(("x",))
    here.rooms.send(unheard, "blue")
    here.rooms.keep(unheard, "blue", (), None)
    assert (unheard.number, unheard.offset, len(published)) == (2, None, 1)


class Store:
    """Events that are read behind a place, each once by a reading."""

    def __init__(self, *events: LoggedEvent) -> None:
        self.events = list(events)
        self.earlier: list[LoggedEvent] = []
        self.readings = 0
        self.is_complete = True
        self.is_reachable = True

    def reading(self, after: Place, _era: str) -> Store.Reading:
        self.readings += 1
        return Store.Reading(self, after)

    class Reading:
        def __init__(self, store: Store, after: Place) -> None:
            self.store = store
            self.after = after
            self.earlier = store.earlier

        def go_on(self) -> list[LoggedEvent] | None:
            if not self.store.is_reachable:
                raise BackendUnavailable
            events = [event for event in self.store.events if event.place > self.after]
            self.after = max([event.place for event in events], default=self.after)
            return events if self.store.is_complete else None


def event(number: int, *rooms: str, volatile: bool = False, kind: str = "send") -> LoggedEvent:
    return LoggedEvent(Place(number, 0, 0), "s", kind, {"rooms": rooms or None, "volatile": volatile}, (f"{number}",))


def read(log: EventLog, after: int, *rooms: str, era: str = ERA) -> list[str] | None:
    excerpt = log.since(Place(after, 0, 0), era, rooms)
    return None if excerpt is None else [str(found.parts[0]) for found in excerpt.events]


def test_each_client_gets_what_is_for_its_rooms_or_for_everyone_in_order() -> None:
    store: Any = Store(event(1, "red"), event(2), event(3, "blue", "red"), event(4, "blue"), event(5, "blue", volatile=True))
    store.events.append(LoggedEvent(Place(6, 0, 0), "s", "command", {}, ()))
    log = EventLog(store, 100_000)
    assert read(log, 0, "blue", "red") == ["1", "2", "3", "4"]
    assert read(log, 2, "red") == ["3"]
    assert read(log, 0) == ["2"]
    assert store.readings == 1


def test_a_log_is_read_on_and_anew_for_what_is_earlier_or_of_another_era() -> None:
    store: Any = Store(event(1), event(2), event(3))
    log = EventLog(store, 100_000)
    assert read(log, 1) == ["2", "3"]
    store.events.append(event(4))
    assert read(log, 2) == ["3", "4"]
    assert store.readings == 1
    assert read(log, 0) == ["1", "2", "3", "4"]
    assert read(log, 0, era="other") == ["1", "2", "3", "4"]
    assert store.readings == 3


def test_what_is_not_all_there_or_too_much_is_nothing() -> None:
    store: Any = Store(event(1), event(2))
    assert read(EventLog(store, 1_000), 0) is None
    store.is_complete = False
    assert read(EventLog(store, 100_000), 0) is None


def test_a_log_that_has_grown_is_begun_anew_where_less_is_needed() -> None:
    store: Any = Store(event(1))
    log = EventLog(store, 3_000)
    for number in range(2, 20):
        store.events.append(event(number))
        assert read(log, number - 1) == [f"{number}"]
    assert 1 < store.readings < 15


def test_after_a_failure_a_log_is_read_from_the_start() -> None:
    store: Any = Store(event(1), event(2))
    log = EventLog(store, 100_000)
    store.is_reachable = False
    with pytest.raises(BackendUnavailable):
        read(log, 0)
    store.is_reachable = True
    assert read(log, 0) == ["1", "2"]


def test_the_copies_of_an_event_of_the_applications_log_are_found_from_before_the_place_too() -> None:
    def copy(number: int, name: str) -> LoggedEvent:
        return event(number)._replace(header={"rooms": None, "volatile": False, "logged": name})

    store: Any = Store(event(6), copy(7, "a"), copy(8, "b"))
    store.earlier = [event(3), copy(4, "a")]
    log = EventLog(store, 100_000)
    for after in (5, 7):
        excerpt = log.since(Place(after, 0, 0), ERA, ())
        assert excerpt is not None
        assert {name: [found.place.milliseconds for found in copies] for name, copies in excerpt.copies.items()} == {
            "a": [7, 4],
            "b": [8],
        }
    store.earlier = []
    assert read(log, 4) == ["6", "7", "8"]
    excerpt = log.since(Place(5, 0, 0), ERA, ())
    assert excerpt is not None
    assert len(excerpt.copies["a"]) == 1
