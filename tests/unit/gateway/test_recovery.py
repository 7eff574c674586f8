"""Recovery of connections: what is kept of the events, for how long, and for whom."""

from __future__ import annotations

from typing import Any

import pytest

from flask_realtime.engine.fan_out import deliver_to_all
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.engine.websocket import WebSocket
from flask_realtime.gateway.delivery.rooms import Rooms, deliver_to_each
from flask_realtime.gateway.recovery.history import History
from flask_realtime.gateway.recovery.journal import Journal
from flask_realtime.gateway.recovery.leases import Lease, Leases, new_lease
from flask_realtime.gateway.recovery.offsets import Offsets
from tests.clock import Clock

EVENT = ('2["news",{"id":1}]',)


class Heard:
    """A receiver that knows until when everything has arrived."""

    def __init__(self, acknowledged_at: float) -> None:
        self.acknowledged_at = acknowledged_at


def open_lease(leases: Leases, sid: str, user_id: str, since: int) -> tuple[Lease, str]:
    """Make the lease of a new connection, and return it with its secret."""
    lease, pid = new_lease(sid, user_id, since)
    leases.add(lease)
    return lease, pid


@pytest.fixture
def clock() -> Clock:
    return Clock()


def add(history: History, *rooms: str, skipped: tuple[str, ...] = (), sid: str | None = None) -> int:
    history.add(EVENT, rooms or None, skipped, sid)
    return history.last


def new_leases(clock: Clock, window: float = 10.0, most: int = 3) -> Leases:
    return Leases(window, most, clock)


def test_events_are_kept_until_they_are_too_old(clock: Clock) -> None:
    history = History(10_000, 60.0, clock)
    for _ in range(3):
        add(history)
        clock.now += 30
    assert [entry.number for entry in history.since(0)] == [1, 2, 3]
    add(history)
    assert [entry.number for entry in history.since(0)] == [2, 3, 4]
    assert [entry.number for entry in history.since(3)] == [4]
    assert history.since(4) == []


def test_events_are_kept_as_far_as_they_fit(clock: Clock) -> None:
    history = History(2_000, 60.0, clock)
    for _ in range(100):
        add(history)
    kept = [entry.number for entry in history.since(0)]
    assert 2 <= len(kept) < 10
    assert kept == list(range(101 - len(kept), 101))
    history.add(("x" * 5_000,), None, (), None)
    assert history.since(0) == []
    assert history.last == 101


def test_attachments_count_as_memory_too(clock: Clock) -> None:
    history = History(10_000, 60.0, clock)
    history.add((*EVENT, bytes(10_000)), None, (), None)
    assert len(history) == 0


def test_rooms_count_as_memory_too(clock: Clock) -> None:
    history = History(10_000, 60.0, clock)
    add(history, *map(str, range(200)))
    assert len(history) == 0


def test_a_history_is_complete_where_nothing_is_forgotten_that_may_be_missing(clock: Clock) -> None:
    history = History(10_000, 5.0, clock)
    assert history.is_complete_since(0, 0.0)
    assert not history.is_complete_since(1, 0.0)
    add(history)  # At 100.
    clock.now = 103.0
    add(history)
    assert history.is_complete_since(0, 0.0)
    clock.now = 106.0
    add(history)  # The first one is forgotten.
    assert not history.is_complete_since(0, 0.0)
    assert history.is_complete_since(1, 0.0)
    assert history.is_complete_since(3, 0.0)
    assert not history.is_complete_since(4, 0.0)


def test_forgotten_events_that_have_arrived_are_not_missing(clock: Clock) -> None:
    history = History(10_000, 5.0, clock)
    add(history)  # At 100.
    clock.now = 106.0
    add(history)
    assert not history.is_complete_since(0, 99.0)
    assert not history.is_complete_since(0, 100.0)
    assert history.is_complete_since(0, 100.5)


def test_what_is_cleared_counts_as_forgotten(clock: Clock) -> None:
    history = History(10_000, 5.0, clock)
    add(history)
    history.clear()
    assert history.since(0) == []
    assert not history.is_complete_since(0, 0.0)
    assert history.is_complete_since(1, 0.0)


@pytest.mark.parametrize(
    ("rooms", "skipped", "sid", "gets"),
    [
        ((), (), None, True),
        (("blue",), (), None, True),
        (("red",), (), None, False),
        (("red", "blue"), (), None, True),
        (("c1",), (), None, True),
        (("c2",), (), None, False),
        ((), ("blue",), None, False),
        ((), ("red",), None, True),
        ((), ("c1",), None, False),
        (("blue",), (), "c1", False),
        (("blue",), (), "c2", True),
    ],
)
def test_a_lease_gets_what_its_connection_would_have_got(
    clock: Clock, rooms: tuple[str, ...], skipped: tuple[str, ...], sid: str | None, *, gets: bool
) -> None:
    history = History(10_000, 60.0, clock)
    lease = Lease(b"", "c1", "ann", 0)
    lease.enter("blue", 0)
    add(history, *rooms, skipped=skipped, sid=sid)
    assert lease.gets(history.since(0)[0]) is gets


def test_a_lease_gets_nothing_from_before_it_or_from_before_it_entered(clock: Clock) -> None:
    history = History(10_000, 60.0, clock)
    add(history)
    add(history, "blue")
    lease = Lease(b"", "c1", "ann", history.last)
    add(history, "blue")
    lease.enter("blue", history.last)
    add(history, "blue")
    lease.enter("blue", history.last)
    add(history)
    assert [entry.number for entry in history.since(0) if lease.gets(entry)] == [4, 5]
    lease.leave_room("blue")
    lease.leave_room("never entered")
    assert [entry.number for entry in history.since(0) if lease.gets(entry)] == [5]


def test_a_lease_is_found_by_its_secret_and_user_alone(clock: Clock) -> None:
    leases = new_leases(clock)
    lease, pid = open_lease(leases, "c1", "ann", 0)
    assert leases.find(pid, "ann") is lease
    assert leases.find(pid, "bob") is None
    for wrong in (pid[:-1], pid + "x", "", None, 7, [pid], {"pid": pid}, "\ud800"):
        assert leases.find(wrong, "ann") is None


def test_secrets_are_not_kept_and_differ(clock: Clock) -> None:
    leases = new_leases(clock)
    opened = [open_lease(leases, f"c{number}", "ann", 0) for number in range(50)]
    assert len({pid for _lease, pid in opened}) == 50
    assert all(len(pid) >= 22 and pid not in repr(lease) for lease, pid in opened)


def test_a_lost_connection_may_come_back_within_the_window(clock: Clock) -> None:
    leases = new_leases(clock)
    lease, pid = open_lease(leases, "c1", "ann", 0)
    clock.now += 1_000  # While it is connected, time does not count.
    leases.expire()
    assert leases.find(pid, "ann") is lease
    leases.lose(lease, "t1")
    assert (lease.connection, lease.token_id) == (None, "t1")
    assert leases.lost() == leases.lost("ann") == [lease]
    assert leases.next_deadline() == clock.now + 10
    clock.now += 10
    assert leases.find(pid, "ann") is lease
    clock.now += 0.1
    assert leases.find(pid, "ann") is None
    leases.expire()
    assert (len(leases), leases.lost(), leases.lost("ann"), leases.next_deadline()) == (0, [], [], None)


def test_who_is_back_does_not_expire(clock: Clock) -> None:
    leases = new_leases(clock)
    lease, pid = open_lease(leases, "c1", "ann", 0)
    leases.lose(lease, None)
    back = object()
    leases.resume(lease, back)
    clock.now += 1_000
    leases.expire()
    assert leases.find(pid, "ann") is lease
    assert lease.connection is back
    assert leases.lost("ann") == []


def test_of_a_users_lost_connections_the_oldest_are_forgotten(clock: Clock) -> None:
    leases = new_leases(clock, most=2)
    opened = [open_lease(leases, f"c{number}", "ann", 0) for number in range(3)]
    for lease, _pid in opened:
        leases.lose(lease, None)
    assert [leases.find(pid, "ann") is not None for _lease, pid in opened] == [False, True, True]


def test_a_lease_that_was_ended_is_not_found_and_its_claimant_is_refused(clock: Clock) -> None:
    class Claimant:
        closed = False

    leases = new_leases(clock)
    lease, pid = open_lease(leases, "c1", "ann", 0)
    leases.lose(lease, None)
    claimant = lease.claim = Claimant()
    lease.end()
    assert leases.find(pid, "ann") is None
    assert claimant.closed
    clock.now += 20
    leases.expire()
    assert len(leases) == 0


def test_who_is_being_admitted_when_the_window_ends_is_not_refused_for_that(clock: Clock) -> None:
    class Claimant:
        closed = False

    leases = new_leases(clock)
    lease, _pid = open_lease(leases, "c1", "ann", 0)
    leases.lose(lease, None)
    claimant = lease.claim = Claimant()
    clock.now += 20
    leases.expire()
    assert not claimant.closed
    assert lease.is_over


def test_what_has_arrived_is_remembered_over_losses(clock: Clock) -> None:
    leases = new_leases(clock)
    lease, _pid = open_lease(leases, "c1", "ann", 0)
    lease.receiver = Heard(7.0)
    assert lease.arrived_at() == 7.0
    leases.lose(lease, None)
    assert lease.arrived_at() == 7.0
    leases.resume(lease, object())
    lease.receiver = Heard(0.0)
    assert lease.arrived_at() == 7.0
    lease.receiver = Heard(9.0)
    assert lease.arrived_at() == 9.0


@pytest.mark.parametrize("number", [0, 1, 123_456_789])
def test_an_offset_is_read_as_it_was_written(number: int) -> None:
    assert Offsets("ab-_9").number(Offsets("ab-_9").text(number)) == number


@pytest.mark.parametrize(
    "offset", [None, 7, "", "ab", "ab.", ".1", "cd.1", "ab.1.1", "ab.-1", "ab.01", "ab. 1", "ab.1\n", "ab.٣", "ab." + "9" * 17]
)
def test_an_offset_that_is_none_of_this_server_is_none(offset: object) -> None:
    assert Offsets("ab").number(offset) is None


def new_journal(clock: Clock) -> Journal:
    return Journal(new_leases(clock), History(10_000, 60.0, clock), Offsets("ab"))


@pytest.mark.parametrize(
    ("text", "volatile", "offset", "kept"),
    [
        ('2["news",{"id":1}]', False, "ab.1", 1),
        ('2["news",{"id":1}]', True, None, 0),
        ('2["news","text"]', True, "ab.0", 0),
        ('2["news"]', True, "ab.0", 0),
        ('2["news",["text"]]', True, None, 0),
        ('2["news","text",7]', True, None, 0),
    ],
)
def test_an_event_gets_an_offset_if_it_is_kept_or_would_be_taken_for_one(
    clock: Clock, text: str, offset: str | None, kept: int, *, volatile: bool
) -> None:
    journal = new_journal(clock)
    open_lease(journal.leases, "c1", "ann", 0)
    message = OutboundMessage((text,), volatile=volatile)
    journal.record(message, "blue", (), None)
    assert (message.offset, len(journal.history)) == (offset, kept)
    assert journal.gives_offset(message) is (offset is not None)


class Nobody(Heard):
    """A receiver without a client."""

    takes_offsets = False
    user_session = None

    def deliver(self, message: OutboundMessage) -> None:
        """Do nothing."""


def new_rooms(journal: Journal) -> Rooms:
    return Rooms(
        lambda _payload: EVENT, lambda _sid: Nobody(0.0), lambda: "c1", lambda *_: 1, deliver_to_each, lambda _: None, journal
    )


def test_nothing_is_kept_for_nobody(clock: Clock) -> None:
    journal = new_journal(clock)
    rooms = new_rooms(journal)
    unheard, held = OutboundMessage(EVENT), OutboundMessage(EVENT)
    rooms.send(unheard, None)
    assert (unheard.offset, len(journal.history), journal.last) == (None, 0, 0)
    sid = rooms.reserve("e1")
    rooms.send(held, None)
    assert (held.offset, len(journal.history)) == ("ab.1", 1)
    rooms.discard(sid)
    assert len(journal.history) == 0


def test_nothing_is_kept_for_who_turns_out_to_have_no_recovery(clock: Clock) -> None:
    journal = new_journal(clock)
    rooms = new_rooms(journal)
    sid = rooms.reserve("e1")
    rooms.send(OutboundMessage(EVENT), None)
    rooms.admit(sid)
    assert len(journal.history) == 0


def test_what_is_kept_for_those_who_may_come_back_stays_while_others_are_turned_away(clock: Clock) -> None:
    journal = new_journal(clock)
    rooms = new_rooms(journal)
    open_lease(journal.leases, "c2", "ann", 0)
    rooms.send(OutboundMessage(EVENT), None)
    rooms.discard(rooms.reserve("e1"))
    assert len(journal.history) == 1


class Socket:
    """A session on long polling."""

    websocket: WebSocket | None = None

    def __init__(self, *, takes_offsets: bool) -> None:
        self.takes_offsets = takes_offsets
        self.sent: list[Any] = []

    def send(self, pkt: Any) -> None:
        self.sent.append(pkt)


def test_an_event_is_encoded_once_for_those_with_offsets_and_once_for_those_without() -> None:
    sockets = [Socket(takes_offsets=number % 2 == 0) for number in range(6)]
    message = OutboundMessage(EVENT)
    message.offset = "ab.1"
    deliver_to_all(sockets, message)
    deliver_to_all(sockets[:1], message)
    assert {len({id(packet) for socket in sockets[first::2] for packet in socket.sent}) for first in (0, 1)} == {1}
    assert sockets[0].sent[0].data == '2["news",{"id":1},"ab.1"]'
    assert sockets[1].sent[0].data == EVENT[0]


def test_an_event_without_an_offset_is_the_same_for_all() -> None:
    sockets = [Socket(takes_offsets=takes) for takes in (True, False)]
    deliver_to_all(sockets, OutboundMessage(EVENT))
    assert [socket.sent[0].data for socket in sockets] == [EVENT[0]] * 2
