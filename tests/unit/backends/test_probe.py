"""A trial that many may ask for."""

import threading

import pytest

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.probe import Probe
from tests.clock import Clock


class Attempts:
    """Counts attempts, and fails while there is a reason to."""

    def __init__(self) -> None:
        self.count = 0
        self.failure: Exception | None = None

    def __call__(self) -> None:
        self.count += 1
        if self.failure is not None:
            raise self.failure


def test_an_outcome_is_good_for_a_second() -> None:
    clock, attempts = Clock(), Attempts()
    probe = Probe(attempts, clock)
    for now, count in ((100.0, 1), (100.5, 1), (100.99, 1), (101.0, 2), (101.5, 2), (150.0, 3)):
        clock.now = now
        probe.check()
        assert attempts.count == count


def test_a_failure_is_told_to_all_who_ask_within_the_second() -> None:
    clock, attempts = Clock(), Attempts()
    probe = Probe(attempts, clock)
    attempts.failure = BackendUnavailable("it is full")
    for _ in range(3):
        with pytest.raises(BackendUnavailable, match="it is full"):
            probe.check()
    assert attempts.count == 1
    attempts.failure = None
    clock.now += 1
    probe.check()


def test_what_nobody_expected_is_a_failure_too() -> None:
    attempts = Attempts()
    probe = Probe(attempts, Clock())
    attempts.failure = ValueError("odd")
    with pytest.raises(ValueError, match="odd"):
        probe.check()
    with pytest.raises(BackendUnavailable, match="ValueError: odd"):
        probe.check()


def test_those_who_ask_at_the_same_moment_wait_for_one_attempt() -> None:
    begun, may_end = threading.Event(), threading.Event()
    count, outcomes = [], []

    def attempt() -> None:
        count.append(1)
        begun.set()
        assert may_end.wait(10)
        raise BackendUnavailable("refused")

    probe = Probe(attempt, Clock())

    def ask() -> None:
        try:
            probe.check()
        except BackendUnavailable as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(5)]
    threads[0].start()
    assert begun.wait(10)
    for thread in threads[1:]:
        thread.start()
    may_end.set()
    for thread in threads:
        thread.join(10)
    assert (len(count), outcomes) == (1, ["refused"] * 5)
