"""What becomes of a job when its code succeeds, fails, or is late."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from flask_realtime.jobs.runner import MAX_ERROR_LENGTH, JobFailed, JobRunner, RunningJob
from tests.clock import Clock
from tests.unit.jobs.memory_queue import MemoryQueue

LEASE = 60.0
DELAY = 10.0


class Jobs:
    """A runner of jobs of the kind `test`, whose code a test sets."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.queue = MemoryQueue(self.clock)
        self.ran: list[RunningJob] = []
        self.code: Callable[[RunningJob], None] = lambda _running: None
        self.calls = 0
        self.runner = JobRunner(
            self.queue,
            {"test": self._run},
            self._in_context,
            lease=LEASE,
            clock=self.queue.now,
            delay=lambda attempts: timedelta(seconds=DELAY * attempts),
        )

    def _run(self, running: RunningJob) -> None:
        self.ran.append(running)
        self.code(running)

    def _in_context(self, function: Callable[..., Any], *args: Any) -> Any:
        self.calls += 1
        return function(*args)


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


def fail(_running: RunningJob) -> None:
    msg = "no route to host"
    raise OSError(msg)


def test_a_job_is_done_once_it_is_due_and_gone_after_that(jobs: Jobs) -> None:
    jobs.queue.add(due_in=30)
    assert (jobs.runner.next_due(), jobs.runner.run_due()) == (30.0, 0)
    jobs.clock.now += 30
    assert jobs.runner.run_due() == 1
    assert [running.job.key for running in jobs.ran] == ["1"]
    assert (jobs.queue.jobs, jobs.runner.next_due(), jobs.runner.run_due()) == ({}, None, 0)


def test_a_job_that_fails_is_tried_again_later_with_what_it_failed_of(jobs: Jobs) -> None:
    job_id = jobs.queue.add()
    jobs.code = fail
    assert jobs.runner.run_due() == 1
    job = jobs.queue.jobs[job_id]
    assert (job.claim, job.claimed_until, job.last_error) == (None, None, "OSError: no route to host")
    assert jobs.runner.next_due() == DELAY
    jobs.clock.now += DELAY
    jobs.runner.run_due()
    assert jobs.runner.next_due() == 2 * DELAY
    jobs.clock.now += 2 * DELAY
    jobs.code = lambda _running: None
    jobs.runner.run_due()
    assert [running.job.attempts for running in jobs.ran] == [1, 2, 3]
    assert jobs.queue.jobs == {}


def test_a_job_that_would_be_tried_too_late_is_a_dead_letter(jobs: Jobs) -> None:
    job_id = jobs.queue.add(retried_for=DELAY)
    jobs.code = fail
    jobs.runner.run_due()
    dead = jobs.queue.jobs[job_id]
    assert (dead.dead_at, dead.last_error) == (jobs.queue.now(), "OSError: no route to host")
    jobs.clock.now += 10_000
    assert jobs.runner.run_due() == 0


def test_outcomes_are_counted(jobs: Jobs) -> None:
    jobs.queue.add(retried_for=DELAY + 1)
    jobs.code = fail
    jobs.runner.run_due()
    assert jobs.runner.outcomes == {"done": 0, "failed": 1, "dead": 0, "lost": 0}
    jobs.clock.now += DELAY
    jobs.runner.run_due()
    assert jobs.runner.outcomes == {"done": 0, "failed": 1, "dead": 1, "lost": 0}
    jobs.code = lambda _running: None
    jobs.queue.add()
    jobs.runner.run_due()
    assert jobs.runner.outcomes == {"done": 1, "failed": 1, "dead": 1, "lost": 0}


def test_the_first_attempt_may_come_late(jobs: Jobs) -> None:
    jobs.queue.add(retried_for=100)
    jobs.clock.now += 1000
    jobs.runner.run_due()
    assert (len(jobs.ran), jobs.queue.jobs) == (1, {})


def test_a_job_that_kills_whoever_runs_it_ends_as_a_dead_letter(jobs: Jobs) -> None:
    job_id = jobs.queue.add(retried_for=100)
    for _ in range(2):
        assert jobs.runner.claim(1)
        jobs.clock.now += LEASE
    assert jobs.runner.run_due() == 1
    assert jobs.ran == []
    assert jobs.queue.jobs[job_id].last_error == "it was not heard of again after it was started"
    assert jobs.queue.jobs[job_id].dead_at is not None


def test_a_long_error_is_cut_and_one_that_says_enough_has_no_type(jobs: Jobs) -> None:
    job_id = jobs.queue.add()

    def fail_at_length(_running: RunningJob) -> None:
        raise JobFailed("x" * 10_000)

    jobs.code = fail_at_length
    jobs.runner.run_due()
    assert jobs.queue.jobs[job_id].last_error == "x" * MAX_ERROR_LENGTH


def test_a_job_without_code_waits_for_a_version_that_has_it(jobs: Jobs) -> None:
    job_id = jobs.queue.add(kind="newer")
    jobs.runner.run_due()
    assert jobs.queue.jobs[job_id].last_error == "no code for jobs of the kind 'newer'"
    assert jobs.queue.jobs[job_id].due_at == jobs.queue.now() + timedelta(seconds=DELAY)


def test_what_is_done_of_a_job_is_kept_for_the_next_attempt(jobs: Jobs) -> None:
    jobs.queue.add()

    def half(running: RunningJob) -> None:
        running.keep(first=1)
        jobs.clock.now += LEASE - 1
        running.keep(second=2)
        fail(running)

    jobs.code = half
    jobs.runner.run_due()
    jobs.clock.now += DELAY
    jobs.code = lambda _running: None
    jobs.runner.run_due()
    assert jobs.ran[1].job.data == {"first": 1, "second": 2}


def test_keeping_a_job_extends_its_lease(jobs: Jobs) -> None:
    jobs.queue.add()

    def slow(running: RunningJob) -> None:
        jobs.clock.now += LEASE - 1
        running.keep()
        jobs.clock.now += LEASE - 1
        assert jobs.runner.claim(1) == []

    jobs.code = slow
    jobs.runner.run_due()
    assert jobs.queue.jobs == {}


def test_who_has_lost_the_claim_stops_and_changes_nothing(jobs: Jobs) -> None:
    job_id = jobs.queue.add()
    after: list[str] = []

    def late(running: RunningJob) -> None:
        jobs.clock.now += LEASE
        assert jobs.runner.claim(1)
        running.keep()
        after.append("never")

    jobs.code = late
    (job,) = jobs.runner.claim(1)
    jobs.runner.run(job)
    assert (after, jobs.queue.jobs[job_id].claim) == ([], f"{job_id}.2")
    assert jobs.queue.jobs[job_id].last_error is None


def test_a_job_that_was_handed_out_is_run_by_its_id(jobs: Jobs) -> None:
    job_id = jobs.queue.add()
    assert jobs.runner.hand_out(5) == [job_id]
    assert jobs.runner.run_due() == 0, "it is for somebody else"
    assert jobs.runner.run_one(job_id)
    assert not jobs.runner.run_one(job_id)
    assert len(jobs.ran) == 1


def test_the_database_is_asked_in_a_context(jobs: Jobs) -> None:
    jobs.queue.add()
    jobs.runner.run_due()
    assert jobs.calls == 3, "two claims, and the end of the job"
