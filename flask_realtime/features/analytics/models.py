"""Models of figures and of active users."""

from __future__ import annotations

from datetime import date, datetime
from typing import ClassVar

from sqlalchemy import BigInteger, Date, String
from sqlalchemy.orm import Mapped, mapped_column

from flask_realtime.contract.events import MAX_EVENT_NAME_LENGTH
from flask_realtime.database.base import Constraint, RealtimeModelMixin, foreign_keys, index, unique
from flask_realtime.database.columns import StringUserId, UtcDateTime

MAX_METRIC_LENGTH = 32
MAX_RESOLUTION_LENGTH = 8


class FigureMixin(RealtimeModelMixin):
    """An amount of a metric in a minute, an hour or a day: that of all servers together.

    `kind` is an event's name, or the number of a histogram's bucket; it is empty for a metric without kinds.
    """

    __tablename__ = "realtime_figure"

    resolution: Mapped[str] = mapped_column(String(MAX_RESOLUTION_LENGTH))
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    metric: Mapped[str] = mapped_column(String(MAX_METRIC_LENGTH))
    kind: Mapped[str] = mapped_column(String(MAX_EVENT_NAME_LENGTH))
    amount: Mapped[int] = mapped_column(BigInteger)

    @classmethod
    def constraints(cls) -> tuple[Constraint, ...]:
        """Return the table's constraints; each amount is there once."""
        return (*super().constraints(), unique(cls.__tablename__, "resolution", "starts_at", "metric", "kind"))


class ActiveUserMixin(RealtimeModelMixin):
    """A user who was connected on a day, in UTC; for two months, so that monthly active users can be counted."""

    __tablename__ = "realtime_active_user"
    user_key: ClassVar[str | None] = None

    active_on: Mapped[date] = mapped_column(Date)
    user_id: Mapped[str] = mapped_column(StringUserId)

    @classmethod
    def constraints(cls) -> tuple[Constraint, ...]:
        """Return the table's constraints and indexes; a user is active once a day."""
        table = cls.__tablename__
        return (
            *super().constraints(),
            *foreign_keys(table, user_id=cls.user_key),
            unique(table, "active_on", "user_id"),
            index(table, "user_id"),
        )
