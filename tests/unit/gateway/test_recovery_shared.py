"""Leases of a server as others find them: what is written of them when, and when they are given up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from flask_realtime.backends.recovery import LeaseChange, Refusal
from flask_realtime.gateway.delivery.envelopes import MARK
from flask_realtime.gateway.recovery import shared
from flask_realtime.gateway.recovery.leases import Lease
from tests.clock import Clock
from tests.unit.gateway.sharing_server import KEY, WINDOW, Server


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(shared, "monotonic", clock)
    return clock


@pytest.fixture
def server(clock: Clock) -> Server:
    return Server(clock)


def tick(server: Server, clock: Clock, seconds: float) -> list[tuple[Any, ...]]:
    """Let time pass, have the store's thread tick, and return what it writes."""
    clock.now += seconds
    server.store.tick()
    return server.written()


def acknowledge(lease: Lease, at: float) -> None:
    """Have the client say what has arrived."""
    lease.receiver = SimpleNamespace(acknowledged_at=at)


def test_offsets_name_the_server_as_the_others_know_it_and_it_starts_once(server: Server) -> None:
    assert server.journal.position() == "here.3.ab12-50-0-0"
    assert [envelope.kind for envelope in server.published] == [MARK]
    server.shared.start(server.taken.append)
    assert len(server.published) == 1


def test_a_new_connections_lease_is_kept_before_its_client_hears_of_it(server: Server) -> None:
    lease = Lease(KEY, "c1", "ann", since=2)
    server.shared.open(lease, "user:ann", "ab12-40-0-0", "token")
    since = "here.2.ab12-40-0-0"
    assert server.written() == [("open", "ann", "c1", "token", since, since, {"user:ann": since})]
    assert server.store.waits == 1
    assert lease.entered() == {"user:ann": 2}


@pytest.mark.parametrize("token_id", [None, 7, ["token"]])
def test_a_token_whose_id_is_no_text_has_none_for_others(server: Server, token_id: object) -> None:
    server.shared.open(Lease(KEY, "c1", "ann", since=2), "user:ann", "", token_id)
    assert server.written()[0][3] == ""


def test_rooms_are_written_with_the_position_at_which_the_connection_entered(server: Server) -> None:
    lease = server.open()
    lease.enter("blue", 3)
    lease.enter("blue", 3)
    lease.leave_room("user:ann")
    assert server.written() == [("enter", "blue", "here.3.ab12-50-0-0"), ("leave", "user:ann")]


def test_a_connection_in_a_room_that_others_cannot_read_comes_back_here_alone(server: Server) -> None:
    lease = server.open()
    lease.enter(("a", "tuple"), 3)
    lease.enter("blue", 3)
    assert server.written() == [("end",)]
    server.shared.lost(lease)
    assert server.written() == []
    assert not lease.is_over


def test_a_lost_connection_is_kept_for_the_window_with_what_has_arrived(server: Server, clock: Clock) -> None:
    lease = server.open()
    tick(server, clock, 1)
    acknowledge(lease, clock.now + 0.5)
    server.journal.history.last = 4
    tick(server, clock, 1)
    server.journal.leases.lose(lease, "newer")
    server.shared.lost(lease)
    assert server.written() == [("lose", "here.3.ab12-50-0-0", "newer", 80_000)]


def test_nothing_that_was_sent_when_the_client_answered_last_counts_as_arrived(server: Server, clock: Clock) -> None:
    lease = server.open()
    tick(server, clock, 1)
    acknowledge(lease, clock.now)
    server.shared.lost(lease)
    assert server.written() == [("lose", "", "", 80_000)]


def test_an_offset_from_before_the_connection_says_nothing(server: Server, clock: Clock) -> None:
    server.journal.leases.add(Lease(b"other", "c2", "ben", 0))
    server.store.tick()
    server.store.changes.clear()
    lease = Lease(KEY, "c1", "ann", since=4)
    server.shared.open(lease, "user:ann", "", None)
    acknowledge(lease, clock.now + 1)
    server.written()
    server.shared.lost(lease)
    assert server.written() == [("lose", "", "", 80_000)]


def test_leases_of_open_connections_are_touched_four_times_in_a_window(server: Server, clock: Clock) -> None:
    lease = server.open()
    assert tick(server, clock, 5) == []
    assert tick(server, clock, 15) == []
    acknowledge(lease, clock.now)
    assert tick(server, clock, 5) == [("touch", "here.3.ab12-50-0-0", "token")]
    assert tick(server, clock, 20) == []
    assert [len(tick(server, clock, 5)) for _ in range(5)] == [1, 0, 0, 0, 0]
    lease.connection = None
    assert tick(server, clock, WINDOW) == []


@pytest.mark.parametrize(("window", "looks", "touches"), [(80.0, 5.0, 20.0), (16.0, 2.0, 4.0)])
def test_leases_to_touch_are_looked_for_every_five_seconds_and_more_often_in_a_short_window(
    clock: Clock, window: float, looks: float, touches: float
) -> None:
    server = Server(clock, window)
    lease = server.open()
    assert tick(server, clock, 0) == []
    lease.touched_at = clock.now - touches + looks - 1
    assert tick(server, clock, looks - 0.5) == []
    assert len(tick(server, clock, 0.5)) == 1
    assert server.shared.longest_silence(window) == touches + 5


def test_a_server_moves_the_order_of_all_on_every_ten_seconds_while_anybody_may_come_back(server: Server, clock: Clock) -> None:
    clock.now += 60
    server.store.tick()
    assert len(server.published) == 1
    server.open()
    marks = []
    for _ in range(21):
        server.store.tick()
        marks.append(len(server.published) - 1)
        clock.now += 1
    assert marks == [1] * 10 + [2] * 10 + [3]


def test_what_a_client_has_of_other_servers_is_forgotten_with_its_connection(server: Server, clock: Clock) -> None:
    lease = server.open()
    server.journal.has_seen("c1", {"there": 5})
    tick(server, clock, 10)
    assert server.journal.who_has("there", 5) == ("c1",)
    server.journal.leases.drop(lease)
    server.journal.leases.add(Lease(b"other", "c2", "ben", 0))
    tick(server, clock, 10)
    assert server.journal.who_has("there", 5) == ()


@pytest.mark.parametrize(("turn", "is_gone"), [(0, False), (1, True), (2, True)])
def test_a_lease_that_another_server_took_later_is_given_up_with_its_connection(
    server: Server, turn: int, *, is_gone: bool
) -> None:
    lease = server.open()
    connection = lease.connection
    server.shared.taken(KEY.hex(), turn)
    assert lease.is_over is is_gone
    assert (server.taken, connection.lease) == (([connection], None) if is_gone else ([], lease))
    assert server.journal.leases.by_key == ({} if is_gone else {KEY: lease})
    assert server.written() == [], "it is the other server's now"


def test_a_lost_connection_that_another_server_took_is_forgotten(server: Server) -> None:
    lease = server.open()
    server.journal.leases.lose(lease, None)
    for _ in range(2):
        server.shared.taken(KEY.hex(), 1)
    assert (server.taken, len(server.journal.leases), server.journal.leases.lost()) == ([], 0, [])


def refuse(server: Server, refusal: Refusal, turn: int = 0) -> None:
    server.store.refused(LeaseChange("touch", KEY.hex(), ("", ""), turn), refusal)


def test_who_hears_of_another_owner_gives_up(server: Server) -> None:
    lease = server.open()
    connection = lease.connection
    refuse(server, Refusal.TAKEN)
    assert server.taken == [connection]
    assert lease.is_over


def test_a_client_that_may_not_come_back_anywhere_may_not_here(server: Server) -> None:
    lease = server.open()
    refuse(server, Refusal.ENDED)
    assert lease.is_over
    assert (len(server.journal.leases), server.taken, server.written()) == (0, [], [])


def test_a_lease_that_was_forgotten_is_written_again_as_if_nothing_had_arrived(server: Server) -> None:
    server.open().enter("blue", 3)
    server.written()
    refuse(server, Refusal.FORGOTTEN)
    since, blue = "here.2.ab12-0-0-0", "here.3.ab12-0-0-0"
    assert server.written() == [("open", "ann", "c1", "token", since, since, {"user:ann": since, "blue": blue})]


def test_a_refusal_that_is_out_of_date_changes_nothing(server: Server) -> None:
    lease = server.open()
    lease.turn = 1
    for refusal in Refusal:
        refuse(server, refusal)
    assert (lease.is_over, server.taken, server.written()) == (False, [], [])
    lease.turn, lease.log = 0, None
    for refusal in Refusal:
        refuse(server, refusal)
    assert (lease.is_over, server.taken, server.written()) == (False, [], [])


def test_a_strike_names_whose_leases_and_which_room(server: Server) -> None:
    server.shared.strike("user:ann", "blue")
    server.shared.strike("token:t")
    assert server.store.changes == [LeaseChange("strike", "user:ann", ("blue",)), LeaseChange("strike", "token:t", ("",))]


def test_who_connects_waits_until_the_server_knows_its_place(server: Server) -> None:
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            server.store.passed("ab12-51-0-0")

    server.on_sleep = sleep
    server.shared.wait_for_place()
    assert naps == []
    server.journal.place = ""
    server.shared.wait_for_place()
    assert len(naps) == 3
    assert max(naps) < 0.1


def test_who_connects_waits_for_a_second_at_most_and_not_without_redis(server: Server, clock: Clock) -> None:
    def sleep(seconds: float) -> None:
        clock.now += seconds

    server.on_sleep = sleep
    server.journal.place = ""
    server.shared.wait_for_place()
    assert 101.0 <= clock.now < 101.1
    server.store.is_up = False
    server.shared.wait_for_place()
    assert clock.now < 101.1
