"""Stores jobs in the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update

from flask_realtime.database.batches import batch
from flask_realtime.database.columns import parse_row_id, utc_now
from flask_realtime.database.sessions import committing
from flask_realtime.jobs.job import TRACE, ClaimLost, Job, Part
from flask_realtime.jobs.models import JobMixin

_FREE: Final[dict[str, Any]] = {"claim": None, "claimed_until": None}


class JobStore:
    """The jobs of one application, on `db.session`.

    `add` and `cancel` belong to the caller's transaction; every other method that writes commits. Works on SQLite and PostgreSQL.

    Args:
        db: The application's Flask-SQLAlchemy object.
        model: The model of jobs.
        clock: Returns the time.
    """

    def __init__(self, db: SQLAlchemy, model: type[JobMixin], clock: Callable[[], datetime] = utc_now) -> None:
        self._db = db
        self._model = model
        self._clock = clock
        self._columns: tuple[Any, ...] = tuple(getattr(model, name) for name in Job.__dataclass_fields__)

    def add(  # noqa: PLR0913 - what a job consists of
        self,
        kind: str,
        user_id: str,
        key: str,
        *,
        due_in: timedelta,
        retried_for: timedelta,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Add a job, in the current transaction.

        Args:
            kind: What is to be done.
            user_id: The user whom it is for.
            key: What it is about; a kind has one job for each key.
            due_in: How long to wait with it.
            retried_for: How long it is tried again, once it is due, if it fails.
            data: What it needs, as JSON.
        """
        now = self._clock()
        due_at = now + due_in
        values = {"user_id": user_id, "kind": kind, "key": key, "data": dict(data or {}), "attempts": 0}
        self._execute(insert(self._model).values(**values, created_at=now, due_at=due_at, expires_at=due_at + retried_for))

    def cancel(self, kind: str, user_id: str, key: str | None = None) -> None:
        """Remove a user's jobs of a kind, dead letters too, in the current transaction.

        Args:
            kind: What is to be done.
            user_id: The user whom they are for.
            key: What they are about; None for all.
        """
        model = self._model
        conditions = [model.user_id == user_id, model.kind == kind]
        if key is not None:
            conditions.append(model.key == key)
        # Most that could be cancelled is not there, and a look does not wait for other writers.
        if self._db.session.scalars(select(model.id).where(*conditions).limit(1)).first() is not None:
            self._execute(delete(model).where(*conditions))

    def next_due(self) -> datetime | None:
        """Return when the next job is due, or None if there is none."""
        model = self._model
        return self._db.session.scalars(select(func.min(model.due_at)).where(model.dead_at.is_(None))).first()

    def claim(self, limit: int, until: datetime) -> list[Job]:
        """Claim jobs that are due; see `JobQueue`."""
        return self._claim(self._due(limit), until, {"claim": uuid4().hex, "attempts": self._model.attempts + 1})

    def hand_out(self, limit: int, until: datetime) -> list[str]:
        """Return the ids of jobs that are due, for others to take; see `JobQueue`."""
        return [job.id for job in self._claim(self._due(limit), until, {"claim": None})]

    def take(self, job_id: str, until: datetime) -> Job | None:
        """Claim one job that was handed out or is due; see `JobQueue`."""
        model = self._model
        is_handed_out = model.claimed_until.is_not(None) & model.claim.is_(None)
        is_free = or_(is_handed_out, model.due_at <= self._clock())
        wanted = (model.id == parse_row_id(job_id), model.dead_at.is_(None), is_free)
        taken = self._claim(wanted, until, {"claim": uuid4().hex, "attempts": model.attempts + 1})
        return taken[0] if taken else None

    def _due(self, limit: int) -> tuple[ColumnElement[bool], ...]:
        model, now = self._model, self._clock()
        # The condition twice: PostgreSQL skips rows that others are just claiming, and elsewhere the update compares and sets.
        is_due = (model.dead_at.is_(None), model.due_at <= now)
        return (model.id.in_(batch(select(model.id).where(*is_due).order_by(model.due_at).limit(limit))), *is_due)

    def _claim(self, conditions: Sequence[ColumnElement[bool]], until: datetime, values: Mapping[str, Any]) -> list[Job]:
        claimed = update(self._model).where(*conditions).values(**values, due_at=until, claimed_until=until)
        with committing(self._db):
            rows = self._execute(claimed.returning(*self._columns)).all()
        return sorted(map(_job, rows), key=lambda job: int(job.id))

    def keep(self, job: Job, until: datetime, data: Mapping[str, Any]) -> bool:
        """Record what has been done of a claimed job, and extend its lease; see `JobQueue`."""
        return self._write(job, due_at=until, claimed_until=until, data=dict(data))

    def advance(self, job: Job, until: datetime, part: Part) -> Job | None:
        """Do a part of a claimed job, and record what has been done, in one transaction; see `JobQueue`."""
        model = self._model
        # Written first, so that nobody else gets the job before the commit, even if the lease runs out meanwhile.
        locked = update(model).where(*self._is_claimed(job)).values(due_at=until, claimed_until=until).returning(model.data)
        with committing(self._db):
            found = self._execute(locked).one_or_none()
            if found is None:
                raise ClaimLost
            data = part(found.data)
            if data is not None and TRACE in found.data:
                data = {**data, TRACE: found.data[TRACE]}
            this = model.id == parse_row_id(job.id)
            self._execute(delete(model).where(this) if data is None else update(model).where(this).values(data=dict(data)))
        return None if data is None else replace(job, data=data)

    def extend(self, job: Job, until: datetime) -> None:
        """Extend the lease of a claimed job, if the claim still holds."""
        self._write(job, due_at=until, claimed_until=until)

    def finish(self, job: Job) -> None:
        """Remove a claimed job."""
        with committing(self._db):
            self._execute(delete(self._model).where(*self._is_claimed(job)))

    def retry(self, job: Job, at: datetime, error: str) -> None:
        """Give up the claim of a job that failed, for another attempt at a later time."""
        self._write(job, **_FREE, due_at=at, last_error=error)

    def bury(self, job: Job, error: str) -> None:
        """Make a dead letter of a claimed job that failed."""
        self._write(job, **_FREE, dead_at=self._clock(), last_error=error)

    def _write(self, job: Job, **values: Any) -> bool:
        written = update(self._model).where(*self._is_claimed(job)).values(**values).returning(self._model.id)
        with committing(self._db):
            return bool(self._execute(written).all())

    def _is_claimed(self, job: Job) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return self._model.id == parse_row_id(job.id), self._model.claim == job.claim

    def dead_letters(self, limit: int) -> list[Job]:
        """Return dead letters, the oldest first."""
        return self._jobs(self._model.dead_at.is_not(None), self._model.id, limit)

    def pending(self, limit: int) -> list[Job]:
        """Return the jobs that are not dead letters, the next one first."""
        return self._jobs(self._model.dead_at.is_(None), self._model.due_at, limit)

    def _jobs(self, condition: ColumnElement[bool], order: Any, limit: int) -> list[Job]:
        return [_job(row) for row in self._db.session.execute(select(*self._columns).where(condition).order_by(order).limit(limit))]

    def requeue(self, job_ids: Sequence[str] | None, until: datetime) -> list[str]:
        """Make dead letters due at once, as if they had never been tried; see `JobQueue`."""
        model = self._model
        conditions = [model.dead_at.is_not(None)]
        if job_ids is not None:
            conditions.append(model.id.in_([number for number in map(parse_row_id, job_ids) if number is not None]))
        requeued = update(model).where(*conditions).values(dead_at=None, due_at=self._clock(), expires_at=until, attempts=0)
        with committing(self._db):
            numbers = self._execute(requeued.returning(model.id)).scalars().all()
        return [str(number) for number in sorted(numbers)]

    def _execute(self, statement: Any) -> Any:
        return self._db.session.execute(statement.execution_options(synchronize_session=False))


def _job(row: Any) -> Job:
    return Job(**{**row._mapping, "id": str(row.id)})  # noqa: SLF001 - the documented way to a row's names
