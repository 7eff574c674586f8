"""When a worker looks for jobs, and how many it runs at once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from flask_realtime.jobs.runner import JobCounts, JobRunner, RunningJob
from flask_realtime.jobs.worker import LONGEST_RUN, JobWorker
from tests.clock import Clock
from tests.unit.jobs.memory_queue import MemoryQueue

INTERVAL = 5.0
LEASE = 60.0
PLACES = 2


class Worker:
    """A worker whose tasks wait until a test runs them."""

    def __init__(self, hand_over: Callable[[str], None] | None = None, interval: float = INTERVAL) -> None:
        self.clock = Clock()
        self.queue = MemoryQueue(self.clock)
        self.started: list[Callable[[], None]] = []
        self.wakes: list[float] = []
        self.ran: list[str] = []
        self.fails = False
        self.counts = JobCounts()
        options: Any = {"lease": LEASE, "clock": self.queue.now, "counts": self.counts}
        runner = JobRunner(self.queue, {"test": self._code}, self._in_context, **options)
        self.worker = JobWorker(
            runner,
            start=self.started.append,
            wake=self.wakes.append,
            clock=self.clock,
            interval=interval,
            hand_over=hand_over,
            places=PLACES,
        )

    def _code(self, running: RunningJob) -> None:
        self.ran.append(running.job.id)

    def _in_context(self, function: Callable[..., Any], *args: Any) -> Any:
        if self.fails:
            msg = "the database is away"
            raise OSError(msg)
        return function(*args)

    def turn(self) -> float:
        """Take a turn, and return in how many seconds the next one is."""
        self.worker.turn()
        return self.worker.next_turn - self.clock()

    def run_started(self) -> None:
        tasks, self.started[:] = list(self.started), []
        for task in tasks:
            task()


@pytest.fixture
def made() -> Worker:
    return Worker()


def test_a_worker_with_nothing_to_do_looks_once_an_interval(made: Worker) -> None:
    assert made.worker.next_turn == made.clock()
    assert made.turn() == INTERVAL
    assert made.queue.looks == 1


def test_it_looks_again_when_a_job_that_it_knows_of_is_due(made: Worker) -> None:
    made.queue.add(due_in=2)
    assert made.turn() == 2.0
    made.clock.now += 2
    assert made.turn() == INTERVAL
    made.run_started()
    assert made.ran == ["1"]
    made.queue.add(due_in=INTERVAL + 1)
    assert made.turn() == INTERVAL


def test_a_job_that_is_added_here_wakes_it_if_it_is_due_earlier(made: Worker) -> None:
    made.turn()
    made.worker.due_in(INTERVAL + 1)
    assert made.wakes == []
    made.worker.due_in(1.0)
    assert made.wakes == [made.clock() + 1.0] == [made.worker.next_turn]


def test_no_more_jobs_run_at_once_than_there_are_places(made: Worker) -> None:
    ids = [made.queue.add() for _ in range(5)]
    made.turn()
    assert len(made.started) == PLACES
    assert not made.worker.is_idle
    made.turn()
    assert len(made.started) == PLACES
    made.run_started()
    assert made.worker.is_idle
    assert made.wakes == [made.clock()], "there is a place again"
    made.turn()
    made.run_started()
    made.turn()
    made.run_started()
    assert made.ran == ids


def test_it_knows_how_late_the_oldest_job_is_and_how_many_run(made: Worker) -> None:
    for _ in range(PLACES + 1):
        made.queue.add(due_in=-3)
    made.turn()
    assert (made.worker.lateness, made.worker.running) == (3.0, PLACES)
    made.run_started()
    made.turn()
    made.run_started()
    made.turn()
    assert (made.worker.lateness, made.worker.running, made.counts.outcomes["done"]) == (0.0, 0, PLACES + 1)


def test_a_database_that_is_away_is_asked_again_after_an_interval(made: Worker) -> None:
    made.queue.add()
    made.fails = True
    assert made.turn() == INTERVAL
    made.fails = False
    made.turn()
    assert len(made.started) == 1


def test_a_database_that_stays_away_is_in_the_log_once(made: Worker, caplog: pytest.LogCaptureFixture) -> None:
    made.fails = True
    for _ in range(3):
        made.turn()
    assert len(caplog.records) == 1
    made.fails = False
    made.turn()
    made.fails = True
    made.turn()
    assert [record.getMessage() for record in caplog.records] == ["Jobs could not be looked for; the worker goes on trying"] * 2


def test_a_job_whose_end_cannot_be_written_is_run_again_later(made: Worker, caplog: pytest.LogCaptureFixture) -> None:
    made.queue.add()
    made.turn()
    made.fails = True
    made.run_started()
    assert made.worker.is_idle
    assert list(made.queue.jobs) == ["1"]
    assert "it is run again once its claim has ended" in caplog.text


def test_the_lease_of_a_running_job_is_extended_in_time(made: Worker) -> None:
    job_id = made.queue.add()
    made.turn()
    for _ in range(4):
        made.clock.now += LEASE / 2
        made.turn()
        assert (made.queue.jobs[job_id].attempts, len(made.started)) == (1, 1)
    assert made.queue.jobs[job_id].due_at == made.queue.now() + timedelta(seconds=LEASE)
    made.run_started()
    assert made.queue.jobs == {}


def test_what_was_done_of_it_meanwhile_stays(made: Worker) -> None:
    job_id = made.queue.add()
    made.turn()
    job = made.queue.jobs[job_id]
    assert made.queue.keep(job, job.due_at, {"done": ["email"]})
    made.clock.now += LEASE / 2
    made.turn()
    assert made.queue.jobs[job_id].data == {"done": ["email"]}


def test_a_worker_with_a_long_interval_comes_back_for_the_leases() -> None:
    made = Worker(interval=10 * LEASE)
    assert made.turn() == 10 * LEASE
    made.queue.add()
    assert made.turn() == LEASE / 2


def test_a_job_that_never_returns_is_anybodys_after_a_while(made: Worker) -> None:
    job_id = made.queue.add()
    made.turn()
    for _ in range(2 * LONGEST_RUN + 1):
        assert made.queue.jobs[job_id].attempts == 1
        made.clock.now += LEASE / 2
        made.turn()
    assert made.queue.jobs[job_id].attempts == 2


def test_jobs_can_be_handed_over_instead_of_run() -> None:
    handed_over: list[str] = []
    made = Worker(handed_over.append)
    ids = [made.queue.add() for _ in range(3)]
    assert made.turn() == 0.0, "there are more"
    made.turn()
    assert (handed_over, made.started, made.ran) == (ids, [], [])
    assert made.worker.is_idle


def test_a_worker_that_ends_starts_nothing_more_and_extends_the_leases_of_what_runs(made: Worker) -> None:
    made.queue.add()
    made.turn()
    made.worker.end()
    made.queue.add()
    made.clock.now += LEASE / 2
    assert made.turn() > 0
    assert (len(made.started), made.worker.is_idle) == (1, False)
    made.run_started()
    assert made.worker.is_idle
    assert len(made.ran) == 1
