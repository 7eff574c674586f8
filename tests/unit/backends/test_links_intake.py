"""What reaches a server over two ways, a complete one that is late and one with gaps that is early: each once, in order."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.links.intake import MAX_HELD, MAX_LAG, Intake
from tests.clock import Clock


def envelopes(first: int, count: int) -> Iterator[Envelope]:
    return (Envelope("send", {"number": number}) for number in range(first, first + count))


class Server:
    """A server that receives.

    Args:
        clock: Its clock.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.received: list[int] = []
        self.intake = Intake(lambda envelope: self.received.append(envelope.header["number"]), 60, MAX_LAG, clock)
        self.read()

    def read(self, ago: float = 0.0) -> None:
        """Have read all of the queue, as of some seconds ago."""
        self.intake.caught_up(self.clock() - ago)

    def queue(self, first: int, count: int = 1, origin: str = "ann") -> None:
        self.intake.take_entry(origin, first, count, envelopes(first, count))

    def link(self, first: int, count: int = 1, origin: str = "ann") -> bool:
        return self.intake.take_batch(origin, first, envelopes(first, count))


@pytest.fixture
def server(clock: Clock) -> Server:
    return Server(clock)


def test_a_link_is_ahead_of_the_queue_and_nothing_comes_twice(server: Server) -> None:
    server.queue(5)
    assert server.link(6, 3)
    assert server.received == [5, 6, 7, 8]
    server.queue(6, 4)
    assert server.received == [5, 6, 7, 8, 9]


def test_what_a_link_brings_of_an_unknown_server_is_left_to_the_queue(server: Server) -> None:
    assert not server.link(6)
    server.queue(4, 3)
    assert server.received == [4, 5, 6]


def test_what_a_link_brings_too_early_waits(server: Server) -> None:
    server.queue(1)
    assert not server.link(3, 2)
    assert server.received == [1]
    server.queue(2)
    assert server.received == [1, 2, 3, 4]
    assert server.link(5)


def test_what_waits_is_bounded_and_the_queue_brings_the_rest(server: Server) -> None:
    server.queue(1)
    server.link(3, MAX_HELD + 10)
    server.queue(2)
    assert server.received[-1] == MAX_HELD + 2
    server.queue(3, MAX_HELD + 20)
    assert server.received == list(range(1, MAX_HELD + 23))


def test_what_threads_of_a_sender_put_in_another_order_comes_in_order(server: Server) -> None:
    server.queue(1)
    for number in (4, 3, 5, 2):
        server.link(number)
    assert server.received == [1, 2, 3, 4, 5]


def test_what_the_queue_has_lost_is_counted_and_keeps_nothing_from_coming(server: Server) -> None:
    server.queue(1)
    server.link(3, 2)
    server.queue(7)
    assert server.received == [1, 3, 4, 7]
    assert server.intake.lost == 3


def test_each_server_has_numbers_of_its_own(server: Server) -> None:
    server.queue(1, origin="ann")
    server.queue(1, origin="ben")
    server.link(2, origin="ben")
    server.queue(2, origin="ann")
    assert server.received == [1, 1, 2, 2]


def test_what_cannot_be_handled_keeps_nothing_from_coming(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    received = []

    def receive(envelope: Envelope) -> None:
        received.append(envelope.header["number"])
        if envelope.header["number"] == 2:
            raise LookupError

    intake = Intake(receive, 60, clock=clock)
    intake.caught_up(clock())
    with caplog.at_level(logging.ERROR):
        intake.take_entry("ann", 1, 3, envelopes(1, 3))
        intake.take_batch("ann", 4, envelopes(4, 1))
    assert received == [1, 2, 3, 4]
    assert "could not be handled" in caplog.text


def test_what_cannot_be_read_is_not_waited_for(server: Server) -> None:
    def broken() -> Iterator[Envelope]:
        yield from envelopes(1, 1)
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        server.intake.take_entry("ann", 1, 3, broken())
    server.link(4)
    assert server.received == [1, 4]


def test_what_was_written_before_this_server_came_is_not_passed_on(server: Server) -> None:
    server.intake.take_entry("ann", 1, 3, [None, None, *envelopes(3, 1)])
    assert server.received == [3]


def test_servers_that_are_silent_for_long_are_forgotten(server: Server, clock: Clock) -> None:
    server.queue(1, origin="ann")
    server.queue(1, origin="ben")
    clock.now += 590
    server.link(2, origin="ben")
    clock.now += 20
    server.queue(1, origin="zoe")
    assert len(server.intake) == 2


def test_what_a_link_brings_waits_while_the_queue_has_not_been_read_for_long(server: Server, clock: Clock) -> None:
    server.queue(1)
    clock.now += MAX_LAG
    server.link(2)
    clock.now += 0.001
    assert not server.link(3)
    assert server.received == [1, 2]
    assert server.intake.is_behind
    server.read()
    assert server.received == [1, 2, 3]
    assert not server.intake.is_behind


def test_a_read_that_took_long_counts_from_its_beginning(server: Server, clock: Clock) -> None:
    server.queue(1)
    clock.now += 1
    server.link(2)
    server.read(MAX_LAG + 0.001)
    assert server.received == [1]
    assert server.intake.is_behind
    server.read(MAX_LAG)
    assert server.received == [1, 2]


def test_what_another_server_has_in_the_queue_is_ahead_of_what_waits(server: Server, clock: Clock) -> None:
    server.queue(1)
    clock.now += 1
    server.link(2)
    server.queue(100, origin="ben")
    server.read()
    assert server.received == [1, 100, 2]


def test_what_waits_is_not_passed_on_by_an_entry_of_what_is_before_it(server: Server, clock: Clock) -> None:
    server.queue(1)
    clock.now += 1
    server.link(3)
    server.queue(2)  # Something of others may be in the queue between it and the one that waits.
    assert server.received == [1, 2]
    server.queue(4)
    assert server.received == [1, 2, 3, 4]


def test_whoever_waits_for_a_number_is_told_when_it_has_come_either_way(server: Server, clock: Clock) -> None:
    told: list[tuple[int, int]] = []

    def ask(number: int, origin: str = "ann") -> None:
        server.intake.when_passed(origin, number, lambda: told.append((number, len(server.received))))

    ask(1)
    server.queue(1)
    assert told == []  # Nothing was known of it.
    ask(1)
    ask(3)
    ask(4)
    ask(5)
    server.link(2, 2)
    assert told == [(1, 1), (3, 3)]
    server.queue(2, 3)
    assert told == [(1, 1), (3, 3), (4, 4)]
    clock.now += 1
    server.link(5)
    assert len(told) == 3
    server.read()
    assert told[3:] == [(5, 5)]


def test_what_is_passed_over_does_not_come_by_the_queue_either(server: Server) -> None:
    server.queue(1)
    server.intake.pass_over("ann", 2, 2)
    assert server.link(4)
    server.queue(2, 4)
    assert server.received == [1, 4, 5]
    assert server.intake.lost == 0


def test_what_is_passed_over_ahead_of_its_turn_waits_for_it(server: Server) -> None:
    server.queue(1)
    server.intake.pass_over("ann", 3, 2)
    assert not server.link(5)
    assert server.received == [1]
    server.queue(2)
    assert server.received == [1, 2, 5]
    server.queue(3, 3)
    assert server.received == [1, 2, 5]


def test_passing_over_what_has_come_or_is_of_an_unknown_server_changes_nothing(server: Server) -> None:
    server.intake.pass_over("ann", 1, 3)
    server.queue(1, 5)
    server.intake.pass_over("ann", 2, 2)
    server.queue(6)
    assert server.received == [1, 2, 3, 4, 5, 6]


def test_whoever_waits_for_a_number_is_told_when_it_is_passed_over(server: Server) -> None:
    told: list[int] = []
    server.queue(1)
    server.intake.when_passed("ann", 3, lambda: told.append(3))
    server.intake.pass_over("ann", 2, 2)
    assert told == [3]


@given(st.data())
def test_any_course_brings_each_once_and_in_order(data: st.DataObject) -> None:
    """The queue brings everything, in entries, and again some of it; the link what it likes, in order, ahead or behind.

    Of what the link passes over, some has come by the queue already.
    """
    server = Server(Clock())
    end = data.draw(st.integers(2, 40), "envelopes")
    first = data.draw(st.integers(1, end), "first that this server hears of")
    written, linked = first, data.draw(st.integers(1, end), "first on the link")
    of_no_use: set[int] = set()
    while written <= end:
        step = data.draw(st.sampled_from(["write", "write again", "link", "skip", "pass over", "wait", "read"]), "step")
        count = data.draw(st.integers(1, 6), "count")
        if step == "write":
            server.queue(written, min(count, end + 1 - written))
            written = min(written + count, end + 1)
        elif step == "write again" and written > first:
            again = data.draw(st.integers(first, written - 1), "from")
            server.queue(again, min(count, written - again))
        elif step == "link":
            server.link(linked, max(0, min(count, end + 1 - linked)))
            linked += count
        elif step == "skip":
            linked += count
        elif step == "pass over":
            server.intake.pass_over("ann", linked, max(0, min(count, end + 1 - linked)))
            of_no_use.update(range(linked, linked + count))
            linked += count
        elif step == "wait":
            server.clock.now += 1
        elif step == "read":
            server.read()
        assert server.received == sorted(set(server.received))
        expected = [number for number in range(first, end + 1) if number not in of_no_use]
        came = [number for number in server.received if number not in of_no_use]
        assert came == expected[: len(came)]
    assert came == expected
    assert server.intake.lost == 0
