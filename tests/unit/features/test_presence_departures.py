"""Departures that wait: who is back in time was never offline."""

from __future__ import annotations

import threading

from flask_realtime.features.presence.departures import Departure, Departures
from tests.clock import Clock


def new_departures(clock: Clock, seconds: float = 5.0) -> Departures:
    return Departures(seconds, clock, threading.Lock())


def test_a_departure_is_due_when_its_time_is_over(clock: Clock) -> None:
    departures = new_departures(clock)
    departures.add(Departure("ann", 1))
    departures.add(Departure("ben", 1), patience=2.0)
    assert (departures.users(), departures.next_deadline()) == ({"ann", "ben"}, clock.now + 5)
    clock.now += 4.9
    assert departures.take_due() == []
    clock.now += 0.1
    assert departures.take_due() == [Departure("ann", 1)]
    assert departures.among(["ann", "ben", "carol"]) == {"ben"}
    clock.now += 2
    assert departures.take_due() == [Departure("ben", 1)]
    assert (departures.users(), departures.among(["ben"]), departures.next_deadline()) == (set(), set(), None)


def test_who_is_back_is_not_due(clock: Clock) -> None:
    departures = new_departures(clock)
    departures.add(Departure("ann", 3))
    assert not departures.drop("ann", 2)
    assert departures.drop("ann", 4)
    assert not departures.drop("ann", 4)
    clock.now += 5
    assert departures.take_due() == []


def test_the_last_departure_counts_from_its_own_time(clock: Clock) -> None:
    departures = new_departures(clock)
    departures.add(Departure("ann", 1))
    departures.drop("ann", 2)
    clock.now += 4
    departures.add(Departure("ann", 3, hold=1.0))
    departures.add(Departure("ann", 1))
    clock.now += 4
    assert departures.take_due() == []
    clock.now += 1
    assert departures.take_due() == [Departure("ann", 3, 1.0)]


def test_at_the_end_nothing_waits_any_more(clock: Clock) -> None:
    departures = new_departures(clock)
    departures.add(Departure("ann", 1))
    assert departures.is_waiting
    assert departures.end() == [Departure("ann", 1)]
    assert not departures.is_waiting
    assert departures.end() == []
    assert not new_departures(clock, 0.0).is_waiting
