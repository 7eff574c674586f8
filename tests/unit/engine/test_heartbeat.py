"""The heartbeat: who is due when, with a clock that the test moves, and the one timer with real, short times."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent.event import Event
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.counts import Counts
from flask_realtime.engine import heartbeat as module
from flask_realtime.engine.heartbeat import DeadlineQueue, Heartbeat
from tests.clock import Clock

SECONDS = 10.0


@pytest.fixture
def queue(clock: Clock) -> DeadlineQueue[str]:
    return DeadlineQueue(10, clock)


def test_items_are_due_after_the_delay_in_the_order_added_and_once(queue: DeadlineQueue[str], clock: Clock) -> None:
    queue.add("first")
    clock.now += 1
    queue.add("second")
    assert queue.next_deadline() == 110
    clock.now = 109.9
    assert queue.due() == []
    clock.now = 110
    assert queue.due() == ["first"]
    assert queue.next_deadline() == 111
    clock.now = 200
    assert queue.due() == ["second"]
    assert queue.due() == []
    assert queue.next_deadline() is None


def test_adding_again_begins_the_time_anew(queue: DeadlineQueue[str], clock: Clock) -> None:
    queue.add("first")
    queue.add("second")
    clock.now = 105
    queue.add("first")
    clock.now = 112
    assert queue.due() == ["second"]
    clock.now = 115
    assert queue.due() == ["first"]


def test_what_is_discarded_is_not_due(queue: DeadlineQueue[str], clock: Clock) -> None:
    queue.add("first")
    assert queue.discard("first") is True
    assert queue.discard("first") is False
    assert queue.next_deadline() is None
    clock.now = 200
    assert queue.due() == []


@given(st.lists(st.tuples(st.sampled_from(["add", "discard", "wait"]), st.integers(0, 5)), max_size=50))
def test_whatever_happens_each_item_is_due_when_it_should(steps: list[tuple[str, int]]) -> None:
    clock, expected = Clock(), dict[int, float]()
    queue: DeadlineQueue[int] = DeadlineQueue(3, clock)
    for step, number in steps:
        if step == "add":
            queue.add(number)
            expected[number] = clock.now + 3
        elif step == "discard":
            assert queue.discard(number) is (expected.pop(number, None) is not None)
        else:
            clock.now += number
            due = {item for item, deadline in expected.items() if deadline <= clock.now}
            assert set(queue.due()) == due
            expected = {item: deadline for item, deadline in expected.items() if item not in due}
        assert queue.next_deadline() == min(expected.values(), default=None)


class Connection:
    """A connection that notes what happens to it.

    Args:
        on_ping: Called with each ping.
    """

    def __init__(self, on_ping: Callable[[Any], None] = lambda _connection: None) -> None:
        self.pings = 0
        self.excuses = 0
        self.timed_out = Event()
        self.enough_pings = Event()
        self._on_ping = on_ping

    def ping(self) -> None:
        self.pings += 1
        if self.pings == 5:
            self.enough_pings.set()
        self._on_ping(self)

    def heard_recently(self) -> bool:
        self.excuses -= 1
        return self.excuses >= 0

    def time_out(self) -> None:
        self.timed_out.set()


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def heartbeat(counts: Counts) -> Iterator[Heartbeat]:
    heartbeat = Heartbeat(0.02, 0.04, 1000, counts)
    yield heartbeat
    for waiting in heartbeat._queues:
        for connection in list(waiting._deadlines):
            heartbeat.remove(connection)


def is_set(event: Event) -> bool:
    return bool(event.wait(SECONDS))


def test_who_answers_is_pinged_again_and_again(heartbeat: Heartbeat) -> None:
    connections = [Connection(heartbeat.answered) for _ in range(3)]
    for connection in connections:
        heartbeat.add(connection)
    assert all(is_set(connection.enough_pings) for connection in connections)
    assert not any(connection.timed_out.is_set() for connection in connections)
    for connection in connections:
        heartbeat.remove(connection)


def test_who_does_not_answer_times_out_after_one_ping(heartbeat: Heartbeat, counts: Counts) -> None:
    silent = Connection()
    heartbeat.add(silent)
    assert is_set(silent.timed_out)
    assert silent.pings == 1
    assert counts.missed_heartbeats == 1
    heartbeat.remove(silent)


def test_who_is_excused_gets_more_time(heartbeat: Heartbeat) -> None:
    busy, silent = Connection(), Connection()
    busy.excuses = 3
    heartbeat.add(busy)
    heartbeat.add(silent)
    assert is_set(silent.timed_out)
    assert not busy.timed_out.is_set()
    assert is_set(busy.timed_out)
    assert (busy.excuses, busy.pings) == (-1, 1)


def test_an_answer_nobody_asked_for_changes_nothing(heartbeat: Heartbeat) -> None:
    eager = Connection()
    heartbeat.answered(eager)
    heartbeat.add(eager)
    for _ in range(5):
        heartbeat.answered(eager)
    assert is_set(eager.timed_out)
    assert eager.pings == 1


def test_who_is_not_claimed_times_out_and_who_is_does_not(counts: Counts) -> None:
    heartbeat = Heartbeat(1000, 1000, 0.03, counts)
    connected, unconnected = Connection(), Connection()
    heartbeat.add(connected)
    heartbeat.mark_connected(connected)
    heartbeat.add(unconnected)
    assert is_set(unconnected.timed_out)
    assert not connected.timed_out.is_set()
    assert counts.missed_heartbeats == 0, "there was no ping to answer"
    heartbeat.remove(connected)
    heartbeat.remove(unconnected)


def test_who_is_removed_hears_nothing_more(heartbeat: Heartbeat) -> None:
    gone, silent = Connection(), Connection()
    heartbeat.add(gone)
    heartbeat.remove(gone)
    heartbeat.add(silent)
    assert is_set(silent.timed_out)
    assert (gone.pings, gone.timed_out.is_set()) == (0, False)


def test_one_timer_serves_all_and_ends_with_the_last(heartbeat: Heartbeat) -> None:
    loops = [heartbeat]
    connections = [Connection() for _ in range(50)]
    for connection in connections:
        loops[0].add(connection)
    assert all(is_set(connection.timed_out) for connection in connections)
    for connection in connections:
        heartbeat.remove(connection)
    late = Connection()
    gevent.sleep(0)
    heartbeat.add(late)
    assert is_set(late.timed_out)


def test_one_greenlet_at_a_time_wakes_for_whoever_is_due_first(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    greenlets: list[Callable[[], None]] = []
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.now += seconds

    monkeypatch.setattr(module, "gevent", SimpleNamespace(spawn=greenlets.append, sleep=sleep))
    monkeypatch.setattr(module, "monotonic", clock)
    heartbeat = Heartbeat(10, 3, 4, Counts())
    for _ in range(2):
        unconnected = Connection()
        monkeypatch.setattr(unconnected, "time_out", lambda gone=unconnected: heartbeat.remove(gone))
        heartbeat.add(unconnected)
    assert len(greenlets) == 1, "one serves both"
    greenlets.pop()()
    assert slept == [3, 1], "the connect time-out of 4 comes before the ping at 10; nobody sleeps longer than the shortest time"
    slept.clear()
    answering = Connection(heartbeat.answered)
    heartbeat.add(answering)
    heartbeat.mark_connected(answering)
    assert len(greenlets) == 1, "the first has ended, so another is needed"
    monkeypatch.setattr(answering, "_on_ping", heartbeat.remove)
    greenlets.pop()()
    assert slept == [3, 3, 3, 1]
