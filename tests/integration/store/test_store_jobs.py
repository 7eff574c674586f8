"""Jobs in a database: claimed by one, and lost by none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import partial

import pytest

from flask_realtime.jobs.job import Job
from flask_realtime.jobs.store import JobStore
from tests.clock import Clock
from tests.integration.example_support import StoreApp, full_scans, new_store_app, recorded

WORKERS = 8
NO_TIME = timedelta(0)
DAY = timedelta(hours=24)
MINUTE = timedelta(minutes=1)


class Jobs:
    """Jobs on a new database, whose clock a test moves."""

    def __init__(self, app: StoreApp) -> None:
        assert app.models.job is not None
        self.app = app
        self.clock = Clock(1_800_000_000.0)
        self.store = JobStore(app.db, app.models.job, self.now)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), timezone.utc)

    @property
    def until(self) -> datetime:
        return self.now() + MINUTE

    def add(self, *keys: str, user_id: str = "ann", due_in: timedelta = NO_TIME) -> None:
        for key in keys:
            self.store.add("test", user_id, key, due_in=due_in, retried_for=DAY)
        self.app.db.session.commit()

    def keys(self) -> list[str]:
        return [job.key for job in self.store.pending(100)]


@pytest.fixture
def jobs(database_url: str) -> Iterator[Jobs]:
    with new_store_app(database_url) as made:
        yield Jobs(made)


def test_a_job_has_what_it_was_added_with(jobs: Jobs) -> None:
    jobs.add("7", due_in=MINUTE)
    (job,) = jobs.store.pending(10)
    due_at = jobs.now() + MINUTE
    assert job == Job(job.id, "test", "ann", "7", {}, 0, jobs.now(), due_at, due_at + DAY)
    assert jobs.store.next_due() == due_at
    assert jobs.store.claim(10, jobs.until) == []


def test_a_rolled_back_job_was_never_there(jobs: Jobs) -> None:
    jobs.store.add("test", "ann", "7", due_in=NO_TIME, retried_for=DAY)
    jobs.app.db.session.rollback()
    assert jobs.store.next_due() is None


def test_each_job_is_claimed_once_the_earliest_first(jobs: Jobs) -> None:
    jobs.add("1", due_in=MINUTE)
    jobs.add("2", "3")
    jobs.clock.now += 60
    first = jobs.store.claim(2, jobs.until)
    assert [job.key for job in first] == ["2", "3"]
    assert [(job.attempts, job.claimed_until, job.due_at) for job in first] == [(1, jobs.until, jobs.until)] * 2
    assert [job.key for job in jobs.store.claim(2, jobs.until)] == ["1"]
    assert jobs.store.claim(2, jobs.until) == []
    assert jobs.store.next_due() == jobs.until


def test_of_many_workers_at_once_one_gets_each_job(jobs: Jobs) -> None:
    keys = [str(number) for number in range(40)]
    jobs.add(*keys)

    def work() -> list[str]:
        mine: list[str] = []
        while claimed := jobs.store.claim(3, jobs.until):
            mine += [job.key for job in claimed]
        return mine

    shares: list[list[str]] = jobs.app.in_threads(*[work] * WORKERS)
    assert sorted(key for share in shares for key in share) == sorted(keys)


def test_a_job_whose_worker_was_killed_is_anybodys_when_its_lease_has_run_out(jobs: Jobs) -> None:
    jobs.add("1")
    (lost,) = jobs.store.claim(1, jobs.until)
    jobs.clock.now += 59
    assert jobs.store.claim(1, jobs.until) == []
    jobs.clock.now += 1
    (again,) = jobs.store.claim(1, jobs.until)
    assert (again.id, again.attempts) == (lost.id, 2)
    jobs.store.finish(lost)
    jobs.store.retry(lost, jobs.now(), "late")
    jobs.store.bury(lost, "late")
    assert not jobs.store.keep(lost, jobs.until, {"done": ["email"]})
    assert jobs.store.pending(1) == [again], "what the first one writes changes nothing"
    jobs.store.finish(again)
    assert jobs.keys() == []


def test_a_late_worker_may_still_finish_what_nobody_else_has_taken(jobs: Jobs) -> None:
    jobs.add("1")
    (job,) = jobs.store.claim(1, jobs.until)
    jobs.clock.now += 120
    assert jobs.store.keep(job, jobs.until, {"done": ["email"]})
    jobs.store.finish(job)
    assert jobs.keys() == []


def test_a_lease_is_extended_by_whom_it_is(jobs: Jobs) -> None:
    jobs.add("1")
    (job,) = jobs.store.claim(1, jobs.until)
    assert jobs.store.keep(job, jobs.until, {"done": ["email"]})
    jobs.clock.now += 50
    jobs.store.extend(job, jobs.until)
    (extended,) = jobs.store.pending(1)
    assert (extended.due_at, extended.claimed_until, extended.data) == (jobs.until, jobs.until, {"done": ["email"]})
    jobs.clock.now += 60
    (again,) = jobs.store.claim(1, jobs.until)
    jobs.store.extend(job, jobs.until + MINUTE)
    assert jobs.store.pending(1) == [again]


def test_a_failure_is_kept_and_the_job_is_due_again_then(jobs: Jobs) -> None:
    jobs.add("1")
    (job,) = jobs.store.claim(1, jobs.until)
    assert jobs.store.keep(job, jobs.until, {"done": ["email"]})
    jobs.store.retry(job, jobs.now() + 2 * MINUTE, "no route to host")
    (stored,) = jobs.store.pending(1)
    assert (stored.claim, stored.claimed_until, stored.last_error) == (None, None, "no route to host")
    assert stored.data == {"done": ["email"]}
    assert jobs.store.next_due() == jobs.now() + 2 * MINUTE


def test_dead_letters_are_listed_and_requeued_as_new(jobs: Jobs) -> None:
    jobs.add("1", "2", "3")
    for job in jobs.store.claim(3, jobs.until):
        jobs.store.bury(job, f"failed {job.key}")
    assert jobs.store.next_due() is None
    dead = jobs.store.dead_letters(2)
    assert [(job.key, job.last_error, job.dead_at) for job in dead] == [(key, f"failed {key}", jobs.now()) for key in "12"]
    jobs.clock.now += 3600
    assert jobs.store.requeue([dead[1].id, "999", "x"], jobs.until) == [dead[1].id]
    (requeued,) = jobs.store.claim(10, jobs.until)
    assert (requeued.key, requeued.attempts, requeued.expires_at) == ("2", 1, jobs.until)
    assert len(jobs.store.requeue(None, jobs.until)) == 2
    assert jobs.store.dead_letters(10) == []
    assert jobs.store.requeue([], jobs.until) == []


def test_cancelled_jobs_are_gone_whatever_their_state(jobs: Jobs) -> None:
    jobs.add("1", "2", "3", "4")
    jobs.add("5", user_id="ben")
    claimed, dead = jobs.store.claim(2, jobs.until)
    jobs.store.bury(dead, "failed")
    for key in (claimed.key, dead.key, "5", "none"):
        jobs.store.cancel("test", "ann", key)
    jobs.app.db.session.commit()
    assert (jobs.keys(), jobs.store.dead_letters(9)) == (["3", "4", "5"], [])
    assert not jobs.store.keep(claimed, jobs.until, {}), "its worker learns of it"
    jobs.store.cancel("other", "ann")
    jobs.store.cancel("test", "ann")
    jobs.app.db.session.commit()
    assert jobs.keys() == ["5"]


def test_a_job_that_was_handed_out_is_run_by_the_first_that_takes_it(jobs: Jobs) -> None:
    jobs.add("1")
    (job_id,) = jobs.store.hand_out(5, jobs.until)
    assert (jobs.store.hand_out(5, jobs.until), jobs.store.claim(5, jobs.until)) == ([], [])
    taken = jobs.app.in_threads(*[partial(jobs.store.take, job_id, jobs.until)] * WORKERS)
    (job,) = [job for job in taken if job is not None]
    assert (job.id, job.attempts) == (job_id, 1)
    jobs.store.retry(job, jobs.now() + MINUTE, "failed")
    assert jobs.store.take(job_id, jobs.until) is None, "a message that comes twice does not make it early"
    jobs.clock.now += 60
    assert jobs.store.take(job_id, jobs.until) is not None
    assert jobs.store.take("x", jobs.until) is None


def test_a_job_that_nobody_took_is_handed_out_again(jobs: Jobs) -> None:
    jobs.add("1")
    (job_id,) = jobs.store.hand_out(5, jobs.until)
    jobs.clock.now += 60
    assert jobs.store.hand_out(5, jobs.until) == [job_id]
    assert jobs.store.take(job_id, jobs.until) is not None
    (job,) = jobs.store.pending(1)
    assert job.attempts == 1, "handing out is no attempt"


def test_nothing_that_a_worker_asks_reads_the_whole_table(jobs: Jobs) -> None:
    jobs.add(*map(str, range(20)))
    with recorded(jobs.app.app) as statements:
        (job,) = jobs.store.claim(1, jobs.until)
        jobs.store.keep(job, jobs.until, {})
        jobs.store.finish(job)
        jobs.store.cancel("test", "ann", "7")
        jobs.app.db.session.rollback()
    assert full_scans(jobs.app.app, statements) == []


def test_looking_for_the_next_job_reads_the_first_entry_of_an_index(jobs: Jobs) -> None:
    jobs.add("1")
    with recorded(jobs.app.app) as statements:
        jobs.store.next_due()
    connection = jobs.app.db.session.connection()
    is_sqlite = connection.dialect.name == "sqlite"
    if not is_sqlite:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    explain = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
    plan = "\n".join(str(row) for row in connection.exec_driver_sql(f"{explain} {statements[0].sql}", statements[0].parameters))
    assert "ix_realtime_job_due" in plan
    assert ("SEARCH" if is_sqlite else "Limit") in plan, plan
