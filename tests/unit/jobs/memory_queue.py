"""A queue of jobs in memory, for code that is handed one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from flask_realtime.jobs.job import ClaimLost, Job, Part

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


class MemoryQueue:
    """Jobs in memory.

    Args:
        clock: Seconds since `START`.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.jobs: dict[str, Job] = {}
        self.looks = 0

    def now(self) -> datetime:
        return START + timedelta(seconds=self._clock())

    def add(self, *, due_in: float = 0.0, retried_for: float = 100.0, kind: str = "test", key: str = "1") -> str:
        job_id = str(len(self.jobs) + 1)
        due_at = self.now() + timedelta(seconds=due_in)
        self.jobs[job_id] = Job(job_id, kind, "ann", key, {}, 0, self.now(), due_at, due_at + timedelta(seconds=retried_for))
        return job_id

    def _live(self) -> list[Job]:
        return [job for job in self.jobs.values() if job.dead_at is None]

    def next_due(self) -> datetime | None:
        self.looks += 1
        return min((job.due_at for job in self._live()), default=None)

    def _due(self, limit: int) -> list[Job]:
        return [job for job in self._live() if job.due_at <= self.now()][:limit]

    def _claimed(self, job: Job, until: datetime) -> Job:
        claim = f"{job.id}.{job.attempts + 1}"
        job = replace(job, claim=claim, claimed_until=until, due_at=until, attempts=job.attempts + 1)
        self.jobs[job.id] = job
        return job

    def claim(self, limit: int, until: datetime) -> list[Job]:
        return [self._claimed(job, until) for job in self._due(limit)]

    def hand_out(self, limit: int, until: datetime) -> list[str]:
        due = self._due(limit)
        self.jobs |= {job.id: replace(job, claim=None, claimed_until=until, due_at=until) for job in due}
        return [job.id for job in due]

    def take(self, job_id: str, until: datetime) -> Job | None:
        job = self.jobs.get(job_id)
        return None if job is None else self._claimed(job, until)

    def _write(self, job: Job, **values: Any) -> bool:
        stored = self.jobs.get(job.id)
        if stored is None or stored.claim != job.claim:
            return False
        self.jobs[job.id] = replace(stored, **values)
        return True

    def keep(self, job: Job, until: datetime, data: Mapping[str, Any]) -> bool:
        return self._write(job, due_at=until, claimed_until=until, data=data)

    def advance(self, job: Job, until: datetime, part: Part) -> Job | None:
        if not self._write(job, due_at=until, claimed_until=until):
            raise ClaimLost
        data = part(self.jobs[job.id].data)
        if data is None:
            del self.jobs[job.id]
            return None
        self._write(job, data=data)
        return self.jobs[job.id]

    def extend(self, job: Job, until: datetime) -> None:
        self._write(job, due_at=until, claimed_until=until)

    def finish(self, job: Job) -> None:
        if self._write(job):
            del self.jobs[job.id]

    def retry(self, job: Job, at: datetime, error: str) -> None:
        self._write(job, claim=None, claimed_until=None, due_at=at, last_error=error)

    def bury(self, job: Job, error: str) -> None:
        self._write(job, claim=None, claimed_until=None, dead_at=self.now(), last_error=error)

    def dead_letters(self, limit: int) -> list[Job]:
        return [job for job in self.jobs.values() if job.dead_at is not None][:limit]

    def pending(self, limit: int) -> list[Job]:
        return self._live()[:limit]

    def requeue(self, job_ids: Sequence[str] | None, until: datetime) -> list[str]:
        raise NotImplementedError
