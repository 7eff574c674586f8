"""Jobs as plain values, and the queue that keeps them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

TRACE: Final = "trace"
"""The key of a job's data under which the trace is that it was added in."""


@dataclass(frozen=True)
class Job:
    """A job as its row was when it was read.

    Args:
        id: Its id.
        kind: What is to be done.
        user_id: The user whom it is for.
        key: What it is about; a kind has one job for each key.
        data: What has been done of it so far, and what it needs, as JSON.
        attempts: How often it was claimed.
        created_at: When it was added.
        due_at: When it may be claimed; the end of the lease while it is claimed.
        expires_at: When it is no longer tried again.
        claim: The name of its claim, while it is claimed.
        claimed_until: When its claim ends.
        last_error: Why it failed last.
        dead_at: When it was given up; None while it is tried.
    """

    id: str
    kind: str
    user_id: str
    key: str
    data: Mapping[str, Any]
    attempts: int
    created_at: datetime
    due_at: datetime
    expires_at: datetime
    claim: str | None = None
    claimed_until: datetime | None = None
    last_error: str | None = None
    dead_at: datetime | None = None


Part = Callable[[Mapping[str, Any]], Mapping[str, Any] | None]
"""Does a part of a job, in the current transaction.

It gets what has been done of the job so far, and returns what has been then, or None if nothing is left to do.
"""


class ClaimLost(Exception):
    """A job is somebody else's by now, or gone: whoever ran it stops."""


class JobQueue(Protocol):
    """The jobs of one application. Every method works in a transaction of its own and needs an application context."""

    def next_due(self) -> datetime | None:
        """Return when the next job is due, or None if there is none."""

    def claim(self, limit: int, until: datetime) -> list[Job]:
        """Claim jobs that are due; no two calls get the same one.

        Args:
            limit: How many at most.
            until: When the claims end.
        """

    def hand_out(self, limit: int, until: datetime) -> list[str]:
        """Return the ids of jobs that are due, for others to `take`; nobody else gets them for a while.

        Args:
            limit: How many at most.
            until: When they are due again, if nobody has taken them.
        """

    def take(self, job_id: str, until: datetime) -> Job | None:
        """Claim one job that was handed out or is due; None if it is gone, or somebody else's.

        Args:
            job_id: The job.
            until: When the claim ends.
        """

    def keep(self, job: Job, until: datetime, data: Mapping[str, Any]) -> bool:
        """Record what has been done of a claimed job, and extend its lease.

        Args:
            job: The job.
            until: When the claim ends now.
            data: What has been done of it.

        Returns:
            Whether the claim still holds; if not, the job is gone or somebody else's.
        """

    def advance(self, job: Job, until: datetime, part: Part) -> Job | None:
        """Do a part of a claimed job, record what has been done, and extend its lease, all in one transaction.

        The job is removed in it if nothing is left to do.

        Args:
            job: The job.
            until: When the claim ends now.
            part: Does it.

        Returns:
            The job as it is then, or None if it is done.

        Raises:
            ClaimLost: The claim no longer holds; nothing was done.
        """

    def extend(self, job: Job, until: datetime) -> None:
        """Extend the lease of a claimed job, if the claim still holds."""

    def finish(self, job: Job) -> None:
        """Remove a claimed job."""

    def retry(self, job: Job, at: datetime, error: str) -> None:
        """Give up the claim of a job that failed, for another attempt at a later time."""

    def bury(self, job: Job, error: str) -> None:
        """Make a dead letter of a claimed job that failed."""

    def dead_letters(self, limit: int) -> list[Job]:
        """Return dead letters, the oldest first."""

    def pending(self, limit: int) -> list[Job]:
        """Return the jobs that are not dead letters, the next one first."""

    def requeue(self, job_ids: Sequence[str] | None, until: datetime) -> list[str]:
        """Make dead letters due at once, as if they had never been tried.

        Args:
            job_ids: The jobs; None for all dead letters.
            until: When they expire again.

        Returns:
            The ids of those that were dead letters.
        """
