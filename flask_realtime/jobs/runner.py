"""Runs claimed jobs: what succeeds is removed, what fails is tried again later, and in the end put aside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from flask_realtime.jobs.backoff import retry_delay
from flask_realtime.jobs.job import ClaimLost, Job, JobQueue, Part
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

ResultT = TypeVar("ResultT")
Handler = Callable[["RunningJob"], None]
"""Does a job of one kind; any exception is a failure, after which it is called again later."""

MAX_ERROR_LENGTH = 500


class JobFailed(Exception):
    """A job failed for reasons that are logged already; the text is kept with it."""


class JobCounts:
    """Counts of the jobs that one process runs, by whichever runners."""

    def __init__(self) -> None:
        self.outcomes: Final = {"done": 0, "failed": 0, "dead": 0, "lost": 0}
        """How many jobs were done, failed and are tried again, failed for good, or became another runner's meanwhile."""
        self.running = 0
        """How many jobs run now."""


class RunningJob:
    """A claimed job, as its handler sees it.

    Args:
        job: The job.
        keep: Records what has been done of it and extends its lease; returns whether it is still claimed.
        advance: Does a part of it, and does the same in one transaction; returns the job, or None if it is done.
    """

    def __init__(self, job: Job, keep: Callable[[Job], bool], advance: Callable[[Job, Part], Job | None]) -> None:
        self.job = job
        self._keep = keep
        self._advance = advance

    def keep(self, **data: Any) -> None:
        """Extend the lease, and record what has been done, so that another attempt does not do it again.

        Args:
            data: What is recorded, as JSON; what is not given stays.

        Raises:
            ClaimLost: The job is gone or somebody else's.
        """
        self.job = replace(self.job, data={**self.job.data, **data})
        if not self._keep(self.job):
            raise ClaimLost

    def advance(self, part: Part) -> bool:
        """Do a part of the job and record what has been done in one transaction, so that it is done once; extend the lease.

        Args:
            part: Does it, in an application context.

        Returns:
            Whether anything is left to do.

        Raises:
            ClaimLost: The job is gone or somebody else's.
        """
        advanced = self._advance(self.job, part)
        self.job = advanced or self.job
        return advanced is not None


class JobRunner:
    """Runs jobs, each in application contexts of its own.

    Args:
        queue: The jobs.
        handlers: What does them, by kind.
        in_context: Calls a function in an application context.
        lease: Seconds after which a job whose runner has not been heard of is another's.
        clock: Returns the time.
        delay: Returns how long to wait after a number of attempts that failed.
        counts: Counts the jobs.
        span_of: Makes the span of a job's run the current one.
    """

    def __init__(  # noqa: PLR0913 - what a test replaces has defaults
        self,
        queue: JobQueue,
        handlers: Mapping[str, Handler],
        in_context: Callable[..., Any],
        *,
        lease: float,
        clock: Callable[[], datetime],
        delay: Callable[[int], timedelta] = retry_delay,
        counts: JobCounts | None = None,
        span_of: Callable[[Job], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._queue = queue
        self._handlers = handlers
        self._in_context = in_context
        self.lease: Final = lease
        self._clock = clock
        self._delay = delay
        self._span_of = span_of
        self._counts: Final = JobCounts() if counts is None else counts
        self.outcomes: Final = self._counts.outcomes
        """What became of the jobs; see `JobCounts.outcomes`."""

    def next_due(self) -> float | None:
        """Return in how many seconds the next job is due, or None if there is none."""
        due: datetime | None = self._in_context(self._queue.next_due)
        return None if due is None else (due - self._clock()).total_seconds()

    def claim(self, limit: int) -> list[Job]:
        """Claim some jobs that are due."""
        claimed: list[Job] = self._in_context(self._queue.claim, limit, self._until())
        return claimed

    def hand_out(self, limit: int) -> list[str]:
        """Return the ids of some jobs that are due, for others to run."""
        handed_out: list[str] = self._in_context(self._queue.hand_out, limit, self._until())
        return handed_out

    def extend(self, job: Job) -> None:
        """Extend the lease of a job that is running."""
        self._in_context(self._queue.extend, job, self._until())

    def run_due(self) -> int:
        """Run jobs one after the other until none is due, and return how many there were."""
        count = 0
        while jobs := self.claim(1):
            self.run(jobs[0])
            count += 1
        return count

    def run_one(self, job_id: str) -> bool:
        """Run one job, and return whether it was there and nobody else's."""
        job: Job | None = self._in_context(self._queue.take, job_id, self._until())
        if job is not None:
            self.run(job)
        return job is not None

    def run(self, job: Job) -> None:
        """Run a claimed job."""
        self._counts.running += 1
        try:
            self._run(job)
        finally:
            self._counts.running -= 1

    def _run(self, job: Job) -> None:
        running = RunningJob(job, self._keep, self._advance)
        try:
            with self._span_of(job):
                self._refuse_expired(job)
                self._handler(job.kind)(running)
        except ClaimLost:
            self.outcomes["lost"] += 1
            logger.info("The job %s is done, or another worker's", job.id)
        except Exception as error:  # noqa: BLE001 - whatever a job's code raises, the job is tried again
            self._failed(running.job, error)
        else:
            self._in_context(self._queue.finish, running.job)
            self.outcomes["done"] += 1

    def _refuse_expired(self, job: Job) -> None:
        # Otherwise a job that kills whoever runs it would be tried for ever. The first attempt may come late.
        if job.attempts > 1 and self._clock() >= job.expires_at:
            msg = job.last_error or "it was not heard of again after it was started"
            raise JobFailed(msg)

    def _handler(self, kind: str) -> Handler:
        handler = self._handlers.get(kind)
        if handler is None:
            msg = f"no code for jobs of the kind {kind!r}"  # Added by another version of the application.
            raise JobFailed(msg)
        return handler

    def _keep(self, job: Job) -> bool:
        kept: bool = self._in_context(self._queue.keep, job, self._until(), job.data)
        return kept

    def _advance(self, job: Job, part: Part) -> Job | None:
        advanced: Job | None = self._in_context(self._queue.advance, job, self._until(), part)
        return advanced

    def _failed(self, job: Job, error: Exception) -> None:
        text = (str(error) if isinstance(error, JobFailed) else f"{type(error).__name__}: {error}")[:MAX_ERROR_LENGTH]
        unexpected = None if isinstance(error, JobFailed) else error
        at = self._clock() + self._delay(job.attempts)
        self.outcomes["dead" if at >= job.expires_at else "failed"] += 1
        if at >= job.expires_at:
            logger.error("The job %s failed and is not tried again; see flask realtime jobs: %s", job.id, text, exc_info=unexpected)
            self._in_context(self._queue.bury, job, text)
        else:
            logger.warning("The job %s failed, attempt %d; the next at %s: %s", job.id, job.attempts, at, text, exc_info=unexpected)
            self._in_context(self._queue.retry, job, at, text)

    def _until(self) -> datetime:
        return self._clock() + timedelta(seconds=self.lease)
