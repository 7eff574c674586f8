"""Models of notifications."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.elements import conv

from flask_realtime.database.base import MAX_TITLE_LENGTH, Constraint, RealtimeModelMixin, foreign_keys, index
from flask_realtime.database.columns import StringUserId, UtcDateTime

MAX_TYPE_LENGTH = 64
MAX_LINK_LENGTH = 2048


class NotificationMixin(RealtimeModelMixin):
    """A notification to one user. Unread while `read_at` is NULL."""

    __tablename__ = "realtime_notification"
    user_key: ClassVar[str | None] = None

    user_id: Mapped[str] = mapped_column(StringUserId)
    type: Mapped[str] = mapped_column(String(MAX_TYPE_LENGTH))
    title: Mapped[str] = mapped_column(String(MAX_TITLE_LENGTH))
    message: Mapped[str] = mapped_column(Text)
    link: Mapped[str | None] = mapped_column(String(MAX_LINK_LENGTH))
    data: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    read_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @classmethod
    def constraints(cls) -> tuple[Constraint, ...]:
        """Return the table's constraints and indexes."""
        table = cls.__tablename__
        unread = text("read_at IS NULL")
        return (
            *super().constraints(),
            *foreign_keys(table, user_id=cls.user_key),
            index(table, "user_id", "id"),
            Index(conv(f"ix_{table}_unread"), "user_id", sqlite_where=unread, postgresql_where=unread),
        )
