"""Model of what users set of their presence, of when they were last seen, and of who keeps receipts to themselves."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from sqlalchemy import BigInteger, Boolean, ColumnElement, Index, SQLColumnExpression, String, false, select, true
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.elements import conv

from flask_realtime.database.base import Constraint, RealtimeModelMixin, foreign_keys, unique
from flask_realtime.database.columns import StringUserId, UtcDateTime
from flask_realtime.features.presence.settings import MAX_TEXT_LENGTH

MAX_STATE_LENGTH = 16
EXCEPTIONS = "state <> 'online' OR text IS NOT NULL OR NOT sends_typing"
"""The condition of the rows that every server has to know."""


class UserPresenceMixin(RealtimeModelMixin):
    """A user's settings, and when the user was last seen; users who have neither have no row.

    `version` is the number of the user's changes, so that servers that hear of them in another order know which is the last one.
    """

    __tablename__ = "realtime_user_presence"
    user_key: ClassVar[str | None] = None

    user_id: Mapped[str] = mapped_column(StringUserId)
    state: Mapped[str] = mapped_column(String(MAX_STATE_LENGTH), server_default=sql("'online'"))
    text: Mapped[str | None] = mapped_column(String(MAX_TEXT_LENGTH))
    until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sends_typing: Mapped[bool] = mapped_column(Boolean, server_default=true())
    sends_receipts: Mapped[bool] = mapped_column(Boolean, server_default=true())
    version: Mapped[int] = mapped_column(BigInteger, server_default=sql("0"))
    last_seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @classmethod
    def constraints(cls) -> tuple[Constraint, ...]:
        """Return the table's constraints and indexes; the second one has the rows that every server knows."""
        table = cls.__tablename__
        known = sql(EXCEPTIONS)
        return (
            *super().constraints(),
            *foreign_keys(table, user_id=cls.user_key),
            unique(table, "user_id"),
            Index(conv(f"ix_{table}_exceptions"), "user_id", sqlite_where=known, postgresql_where=known),
        )


class PrivateReaders:
    """The users who send no receipts. Each is a row of their presence; without that model there are none.

    Args:
        user_presence: The model, or None.
    """

    def __init__(self, user_presence: type[UserPresenceMixin] | None) -> None:
        self._user_presence = user_presence

    def has(self, user_id: SQLColumnExpression[str] | str) -> ColumnElement[bool]:
        """Return, as a part of a query, whether a user is one of them."""
        model = self._user_presence
        if model is None:
            return false()
        return select(model.id).where(model.user_id == user_id, model.sends_receipts.is_(False)).exists()

    def others(self, user_id: SQLColumnExpression[str]) -> tuple[ColumnElement[bool], ...]:
        """Return the condition that a user is none of them; nothing where nobody is."""
        return () if self._user_presence is None else (~self.has(user_id),)
