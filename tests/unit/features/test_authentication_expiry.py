"""When connections are warned and ended, with a clock that the test moves; and the timer that waits for it."""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from flask_realtime.features.authentication.schedule import Due, ExpirySchedule
from flask_realtime.features.authentication.verification import expires_at
from flask_realtime.gateway.timer import DeadlineTimer
from tests.clock import Clock

SECONDS = 5.0


@dataclass
class Connection:
    """What a schedule knows of a connection."""

    id: str
    expires_at: float | None
    due: float = 0.0


class World:
    """Some connections and their schedule: warned 60 s before the expiry, ended 25 s after it."""

    def __init__(self) -> None:
        self.clock = Clock(1000.0)
        self.connections: dict[str, Connection] = {}
        self.schedule = ExpirySchedule(60, 25, self.clock, self.connections.get, lambda connection: connection.expires_at)

    def add(self, name: str, expires_at: float | None) -> Connection:
        connection = self.connections[name] = Connection(name, expires_at)
        self.schedule.watch(connection)
        return connection

    def at(self, now: float) -> list[Due]:
        """All that is due at a time."""
        self.clock.now = now
        return list(iter(self.schedule.take, None))


@pytest.fixture
def world() -> World:
    return World()


def test_a_connection_is_warned_once_and_ended_once(world: World) -> None:
    world.add("a", 2000)
    assert world.schedule.next_deadline() == 1940
    assert world.at(1939.9) == []
    assert world.at(1940) == [Due("a", 2000, is_over=False)]
    assert world.at(2024.9) == []
    assert world.at(2025) == [Due("a", 2000, is_over=True)]
    assert world.at(9999) == []
    assert world.schedule.next_deadline() is None


def test_a_short_lived_token_is_warned_of_at_once(world: World) -> None:
    world.add("a", 1010)
    assert world.at(1000) == [Due("a", 1010, is_over=False)]
    assert world.schedule.next_deadline() == 1035


def test_whoever_comes_too_late_for_the_warning_is_ended_without_one(world: World) -> None:
    world.add("a", 2000)
    assert world.at(3000) == [Due("a", 2000, is_over=True)]


def test_the_first_that_is_due_comes_first_whoever_came_first(world: World) -> None:
    world.add("late", 3000)
    world.add("soon", 2000)
    assert [due.connection_id for due in world.at(2999)] == ["soon", "late"]


def test_a_new_token_takes_the_place_of_the_old_one(world: World) -> None:
    connection = world.add("a", 2000)
    assert len(world.at(1940)) == 1
    connection.expires_at = 5000
    world.schedule.watch(connection)
    assert world.at(2025) == []
    assert world.at(4940) == [Due("a", 5000, is_over=False)]


def test_a_new_token_may_expire_earlier(world: World) -> None:
    connection = world.add("a", 5000)
    connection.expires_at = 2000
    assert world.schedule.watch(connection) == 1940
    assert world.at(1940) == [Due("a", 2000, is_over=False)]
    assert world.at(2025) == [Due("a", 2000, is_over=True)]
    assert world.at(9999) == []


def test_the_same_token_again_is_warned_of_once_more_and_ended_once(world: World) -> None:
    connection = world.add("a", 1010)
    world.schedule.watch(connection)
    assert world.at(1000) == [Due("a", 1010, is_over=False)]
    assert world.at(1035) == [Due("a", 1010, is_over=True)]


def test_a_token_without_an_expiry_is_never_due(world: World) -> None:
    connection = world.add("a", 2000)
    connection.expires_at = None
    assert world.schedule.watch(connection) is None
    assert world.at(9999) == []


def test_a_connection_that_is_gone_is_not_due(world: World) -> None:
    world.add("a", 2000)
    del world.connections["a"]
    assert world.at(9999) == []


def test_connections_that_come_and_go_leave_no_more_behind_than_there_are_of_them(world: World) -> None:
    kept = world.add("kept", 5000)
    for number in range(10_000):
        world.add(f"c{number}", 4000 + number)
        del world.connections[f"c{number}"]
    assert len(world.schedule._entries) <= 100
    assert world.at(4940) == [Due("kept", 5000, is_over=False)]
    assert kept.due == 5025


@pytest.mark.parametrize(
    ("claims", "leeway", "expected"),
    [
        ({}, 10, None),
        ({"exp": 2000}, 0, 2000),
        ({"exp": 2000}, 10, 2010),
        ({"exp": 2000}, timedelta(seconds=10), 2010),
        ({"exp": 1999.5}, 0, 1999),
        ({"exp": "2000"}, 0, 2000),
        ({"exp": 10**30}, 0, 253_402_214_400),
    ],
)
def test_a_token_expires_when_it_is_refused(claims: dict[str, Any], leeway: Any, expected: float | None) -> None:
    assert expires_at(claims, leeway) == expected


# The timer --------------------------------------------------------------------------------------------


class Threads:
    """Threads, as a server without gevent has them."""

    def start_background_task(self, target: Any, *args: Any) -> None:
        threading.Thread(target=target, args=args, daemon=True).start()

    def sleep(self, seconds: float = 0) -> None:
        raise AssertionError(f"it slept {seconds} s, and could not be woken")


class Deadlines:
    """Deadlines by a clock that the test moves, and what was done about them."""

    def __init__(self) -> None:
        self.clock = Clock(1000.0)
        self.waiting: list[float] = []
        self.done: list[float] = []
        self.changed = threading.Condition()
        self.timer = DeadlineTimer(Threads(), threading.Event, self.clock, self.next, self.expire)

    def next(self) -> float | None:
        return min(self.waiting, default=None)

    def expire(self) -> None:
        with self.changed:
            self.done.append(min(self.waiting))
            self.waiting.remove(self.done[-1])
            self.changed.notify_all()

    def add(self, deadline: float) -> None:
        self.waiting.append(deadline)
        self.timer.wake_by(deadline)

    def wait_for(self, done: list[float]) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.done == done, SECONDS), self.done

    def close(self) -> None:
        """End the timer's thread: nothing is due any more."""
        self.waiting.clear()
        self.timer.wake_by(0)


@pytest.fixture
def deadlines() -> Iterator[Deadlines]:
    with closing(Deadlines()) as deadlines:
        yield deadlines


def test_an_earlier_deadline_does_not_wait_for_a_later_one(deadlines: Deadlines) -> None:
    deadlines.add(5000)
    deadlines.add(1000)
    deadlines.wait_for([1000])
    deadlines.add(999)
    deadlines.wait_for([1000, 999])


def test_a_deadline_after_a_pause_is_met_too(deadlines: Deadlines) -> None:
    for number in range(5):
        deadlines.add(number)
        deadlines.wait_for(list(range(number + 1)))


def test_a_failure_does_not_keep_the_next_deadline_from_being_met(deadlines: Deadlines, caplog: pytest.LogCaptureFixture) -> None:
    expire = deadlines.expire

    def fail_once() -> None:
        expire()
        if deadlines.done == [1]:
            raise RuntimeError("no")

    deadlines.timer = DeadlineTimer(Threads(), threading.Event, deadlines.clock, deadlines.next, fail_once)
    deadlines.waiting = [1, 2]
    deadlines.timer.wake()
    deadlines.wait_for([1, 2])
    assert "What was due could not be done" in caplog.text


def test_a_deadline_that_is_announced_while_none_is_found_is_met() -> None:
    with closing(LateDeadline()) as deadlines:
        deadlines.add(1)
        deadlines.wait_for([1, 2])


class LateDeadline(Deadlines):
    """Another thread announces a deadline as soon as the timer has found that there is none."""

    def next(self) -> float | None:
        found = super().next()
        if found is None and self.done == [1]:
            other = threading.Thread(target=self._announce)
            other.start()
            other.join(0.1)  # It may wait for the timer.
        return found

    def _announce(self) -> None:
        self.waiting.append(2)
        self.timer.wake()
