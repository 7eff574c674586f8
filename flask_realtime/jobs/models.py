"""Models of jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.elements import conv

from flask_realtime.database.base import Constraint, RealtimeModelMixin, foreign_keys, index, unique
from flask_realtime.database.columns import StringUserId, UtcDateTime

MAX_KIND_LENGTH = 64
MAX_KEY_LENGTH = 128
CLAIM_LENGTH = 32


class JobMixin(RealtimeModelMixin):
    """A job that is to be done for a user.

    `due_at` is when it may be claimed, and while it is claimed the end of the lease, `claimed_until`. `claim` names the claim: what
    a worker writes whose lease has run out changes nothing. A dead letter has `dead_at`.
    """

    __tablename__ = "realtime_job"
    user_key: ClassVar[str | None] = None

    user_id: Mapped[str] = mapped_column(StringUserId)
    kind: Mapped[str] = mapped_column(String(MAX_KIND_LENGTH))
    key: Mapped[str] = mapped_column(String(MAX_KEY_LENGTH))
    data: Mapped[Any] = mapped_column(JSON)
    attempts: Mapped[int]
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    claim: Mapped[str | None] = mapped_column(String(CLAIM_LENGTH))
    claimed_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(Text)
    dead_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @classmethod
    def constraints(cls) -> tuple[Constraint, ...]:
        """Return the table's constraints and indexes; a kind has one job for each key."""
        table = cls.__tablename__
        pending, dead = text("dead_at IS NULL"), text("dead_at IS NOT NULL")
        return (
            *super().constraints(),
            *foreign_keys(table, user_id=cls.user_key),
            unique(table, "kind", "key"),
            index(table, "user_id", "kind"),
            Index(conv(f"ix_{table}_due"), "due_at", sqlite_where=pending, postgresql_where=pending),
            Index(conv(f"ix_{table}_dead"), "id", sqlite_where=dead, postgresql_where=dead),
        )
