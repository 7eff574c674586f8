"""Reads the log's table for operators: how large it is, what waits, and what was written last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ColumnElement, func, select

from flask_realtime.features.log.models import LogEntryMixin
from flask_realtime.features.log.outbox import LogSelection, LogStatus, StoredEvent


class LogInspection:
    """The log's table as operators see it.

    Args:
        db: The application's Flask-SQLAlchemy object.
        entry: The model of its rows.
    """

    def __init__(self, db: SQLAlchemy, entry: type[LogEntryMixin]) -> None:
        self._db = db
        self._entry = entry

    def status(self) -> LogStatus:
        """Return the size of the log, and what waits in it."""
        entry, waits = self._entry, self._entry.delivered_at.is_(None)
        rows, oldest, newest = self._one(func.count(), func.min(entry.created_at), func.max(entry.created_at))
        undelivered, waiting_since = self._one(func.count(), func.min(entry.created_at), where=waits)
        (position,) = self._one(func.max(entry.position))
        return LogStatus(rows, oldest, newest, undelivered, waiting_since, position or 0)

    def tail(self, selection: LogSelection) -> Sequence[StoredEvent]:
        """Return the events that were written last, the oldest of them first."""
        entry, room = self._entry, selection.room
        columns = (entry.id, entry.position, entry.event, entry.arguments, entry.room, entry.created_at, entry.delivered_at)
        query = select(*columns).order_by(entry.id.desc()).limit(selection.limit)
        if room is not None:
            query = query.where(entry.room == room)
        elif selection.for_everyone:
            query = query.where(entry.room.is_(None))
        if selection.undelivered:
            query = query.where(entry.delivered_at.is_(None))
        return [StoredEvent(*row) for row in reversed(self._db.session.execute(query).all())]

    def count_before(self, before: datetime) -> int:
        """Return how many delivered events are older than a time."""
        entry = self._entry
        (count,) = self._one(func.count(), where=(entry.created_at < before) & entry.delivered_at.is_not(None))
        return int(count)

    def _one(self, *columns: ColumnElement[Any], where: ColumnElement[bool] | None = None) -> Sequence[Any]:
        query = select(*columns).select_from(self._entry)
        return self._db.session.execute(query if where is None else query.where(where)).one()
