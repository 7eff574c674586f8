"""Polls that wait: the longest one gives way, one at a time, and none before it has waited for its time."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import pytest

from flask_realtime.engine import waiting_polls as module
from flask_realtime.engine.waiting_polls import WaitingPolls
from tests.clock import Clock

SECONDS = 10.0


class Session:
    """A session whose poll waits."""

    def __init__(self) -> None:
        self.gave_way = 0

    def give_way(self) -> None:
        """Count."""
        self.gave_way += 1


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def polls(clock: Clock) -> WaitingPolls:
    return WaitingPolls(clock)


def gave_way(sessions: list[Session]) -> list[int]:
    return [session.gave_way for session in sessions]


def test_the_longest_gives_way_and_the_next_one_once_it_is_gone(polls: WaitingPolls, clock: Clock) -> None:
    assert not polls.free_one()
    sessions = [Session(), Session(), Session()]
    for session in sessions:
        polls.add(session)
    polls.discard(sessions[0])
    polls.add(sessions[0])
    clock.now += 5.0
    assert polls.free_one()
    assert polls.free_one()
    polls.discard(sessions[2])
    assert polls.free_one()
    assert gave_way(sessions) == [0, 1, 0]
    polls.discard(sessions[1])
    assert polls.free_one()
    assert gave_way(sessions) == [1, 1, 0]


def test_a_poll_has_its_time_first(polls: WaitingPolls, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    later: list[tuple[float, Callable[[], None]]] = []
    monkeypatch.setattr(gevent, "spawn_later", lambda *call: later.append(call))
    session = Session()
    polls.add(session)
    clock.now += 3.0
    assert polls.free_one()
    assert polls.free_one()
    ((seconds, free),) = later
    assert (seconds, session.gave_way) == (2.0, 0)
    clock.now += 2.0
    free()
    assert session.gave_way == 1


def test_a_poll_that_is_answered_by_then_is_left(polls: WaitingPolls, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LEAST_SECONDS", 0.01)
    session, other = Session(), Session()
    polls.add(session)
    assert polls.free_one()
    polls.discard(session)
    gevent.sleep(0.05)
    assert not polls.free_one()
    polls.add(other)
    clock.now += 1.0
    assert polls.free_one()
    assert gave_way([session, other]) == [0, 1]
