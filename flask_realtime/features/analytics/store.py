"""Stores figures in the database. Several servers add to the same rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Any, Final

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ColumnElement, Select, case, delete, distinct, func, literal, select

from flask_realtime.database.base import RealtimeModelMixin
from flask_realtime.database.batches import batch
from flask_realtime.database.columns import utc_now
from flask_realtime.database.inserts import insert_into
from flask_realtime.database.sessions import committing
from flask_realtime.errors import NotFound
from flask_realtime.feature.hook import HookDecorators
from flask_realtime.features.analytics.figures import (
    CONNECTION_PEAK,
    DAILY_USERS,
    DAY,
    HOUR,
    MINUTE,
    MONTH,
    USER_METRICS,
    ActiveUser,
    Amounts,
    Figure,
    Interval,
)
from flask_realtime.features.analytics.hooks import FIGURE_TABLE
from flask_realtime.features.analytics.models import ActiveUserMixin, FigureMixin

TRIMMED_AT_ONCE: Final = 500

_PARTS: Final = {HOUR: MINUTE, DAY: HOUR}
_KEY: Final = ("resolution", "starts_at", "metric", "kind")


class AnalyticsStore:
    """The figures of one application, and its active users; see `FigureTable`.

    Args:
        db: The application's Flask-SQLAlchemy object.
        figure: The model of figures.
        active_user: The model of active users.
    """

    def __init__(self, db: SQLAlchemy, figure: type[FigureMixin], active_user: type[ActiveUserMixin]) -> None:
        self._db = db
        self._figure = figure
        self._active_user = active_user

    def register(self, hooks: HookDecorators) -> None:
        """Register the hook that returns the figures.

        Args:
            hooks: The extension object.
        """
        hooks.hook(FIGURE_TABLE)(lambda: self)

    def add(self, amounts: Amounts) -> None:
        """Add to the figures of minutes, and commit."""
        added = insert_into(self._db, self._figure)
        upsert = added.on_conflict_do_update(index_elements=_KEY, set_={"amount": self._figure.amount + added.excluded.amount})
        # In the same order everywhere, or two servers could wait for each other.
        rows = [{"resolution": MINUTE.name, **figure._asdict(), "amount": amount} for figure, amount in sorted(amounts.items())]
        with committing(self._db):
            self._db.session.execute(upsert, rows)

    def add_users(self, users: Collection[ActiveUser]) -> None:
        """Record active users who are not recorded yet, and commit; those who do not exist any more are left out."""
        added = insert_into(self._db, self._active_user).on_conflict_do_nothing(index_elements=("active_on", "user_id"))
        rows = [{"active_on": user.day, "user_id": user.user_id} for user in sorted(users)]
        try:
            with committing(self._db):
                self._db.session.execute(added, rows)
        except NotFound:
            for user in users if len(users) > 1 else ():
                self.add_users([user])

    def roll_up(self, starts_at: datetime, interval: Interval) -> None:
        """Make the figures of an hour from those of its minutes, or of a day from those of its hours, and commit."""
        figure = self._figure
        new = ((figure.created_at, utc_now()), (figure.resolution, interval.name), (figure.starts_at, starts_at))
        shared = [literal(value, column.type) for column, value in new]
        rows = self._sums(_PARTS[interval], starts_at, starts_at + interval.length, *shared)
        rows = rows.order_by(figure.metric, figure.kind)
        added = insert_into(self._db, figure).from_select(["created_at", *_KEY, "amount"], rows)
        replaced = added.on_conflict_do_update(index_elements=_KEY, set_={"amount": added.excluded.amount})
        with committing(self._db):
            self._db.session.execute(replaced.execution_options(synchronize_session=False))

    def count_users(self, day: datetime) -> None:
        """Make the figures of a day's active users, and commit."""
        with committing(self._db):
            counts = zip(USER_METRICS, self.active_users(day), strict=True)
            shared = {"resolution": DAY.name, "starts_at": day, "kind": ""}
            rows = [{**shared, "metric": metric, "amount": count} for metric, count in counts]
            added = insert_into(self._db, self._figure)
            replaced = added.on_conflict_do_update(index_elements=_KEY, set_={"amount": added.excluded.amount})
            self._db.session.execute(replaced, rows)

    def days_without_users(self, days: Sequence[datetime]) -> list[datetime]:
        """Return those of some days whose active users were not counted yet."""
        figure = self._figure
        counted = select(figure.starts_at).where(*self._in(DAY, days[0], days[-1] + DAY.length), figure.metric == DAILY_USERS)
        known = set(self._db.session.scalars(counted))
        return [day for day in days if day not in known]

    def trim(self, interval: Interval, before: datetime) -> bool:
        """Delete some figures of intervals that begin before a time, and commit; return whether there may be more of them."""
        figure = self._figure
        return self._delete_some(figure, figure.resolution == interval.name, figure.starts_at < before)

    def trim_users(self, before: date) -> bool:
        """Delete some active users of days before one, and commit; return whether there may be more of them."""
        return self._delete_some(self._active_user, self._active_user.active_on < before)

    def read(self, interval: Interval, since: datetime, until: datetime) -> Iterable[tuple[Figure, int]]:
        """Return the figures of the intervals that begin in a time."""
        figure = self._figure
        query = select(figure.starts_at, figure.metric, figure.kind, figure.amount).where(*self._in(interval, since, until))
        return [(Figure(starts_at, metric, kind), amount) for starts_at, metric, kind, amount in self._db.session.execute(query)]

    def add_up(self, interval: Interval, since: datetime, until: datetime) -> dict[tuple[str, str], int]:
        """Map each metric and kind to its amount over the intervals that begin in a time, without metrics of users."""
        found = self._db.session.execute(self._sums(interval, since, until))
        return {(metric, kind): int(amount) for metric, kind, amount in found}

    def active_users(self, day: datetime) -> tuple[int, int]:
        """Count the users who are active on a day, and those within the month that ends with it."""
        active, last = self._active_user, day.date()
        daily = select(func.count()).select_from(active).where(active.active_on == last)
        month = (active.active_on > last - MONTH, active.active_on <= last)
        monthly = select(func.count(distinct(active.user_id))).where(*month)
        return int(self._db.session.scalar(daily) or 0), int(self._db.session.scalar(monthly) or 0)

    def _sums(self, interval: Interval, since: datetime, until: datetime, *columns: ColumnElement[Any]) -> Select[Any]:
        """Select columns, and what intervals have of each metric and kind: the sum, or the greatest number of connections."""
        figure = self._figure
        amount = case((figure.metric == CONNECTION_PEAK, func.max(figure.amount)), else_=func.sum(figure.amount))
        parts = (*self._in(interval, since, until), figure.metric.not_in(USER_METRICS))
        return select(*columns, figure.metric, figure.kind, amount).where(*parts).group_by(figure.metric, figure.kind)

    def _in(self, interval: Interval, since: datetime, until: datetime) -> tuple[ColumnElement[bool], ...]:
        figure = self._figure
        return figure.resolution == interval.name, figure.starts_at >= since, figure.starts_at < until

    def _delete_some(self, model: type[RealtimeModelMixin], *conditions: ColumnElement[bool]) -> bool:
        old = select(model.id).where(*conditions).limit(TRIMMED_AT_ONCE)
        if self._db.session.scalar(old.limit(1)) is None:
            return False  # A statement that writes would lock all of SQLite's database.
        deleted = delete(model).where(model.id.in_(batch(old))).returning(model.id)
        with committing(self._db):
            count = len(self._db.session.execute(deleted.execution_options(synchronize_session=False)).all())
        return count == TRIMMED_AT_ONCE
