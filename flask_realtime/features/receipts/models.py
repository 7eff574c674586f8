"""Model of read receipts in rows, as version 0.1 had them; cursors are columns of the participants."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy.orm import Mapped, mapped_column

from flask_realtime.database.base import Constraint, RealtimeModelMixin, foreign_keys, index, unique
from flask_realtime.database.columns import IntegerKey, StringUserId


class ReadReceiptMixin(RealtimeModelMixin):
    """A receipt that a user has read another user's message; created when it was read."""

    __tablename__ = "realtime_read_receipt"
    message_key: ClassVar[str] = "realtime_message.id"
    user_key: ClassVar[str | None] = None

    message_id: Mapped[int] = mapped_column(IntegerKey)
    user_id: Mapped[str] = mapped_column(StringUserId)

    @classmethod
    def constraints(cls) -> tuple[Constraint, ...]:
        """Return the table's constraints and indexes; a user reads a message once."""
        table = cls.__tablename__
        return (
            *super().constraints(),
            *foreign_keys(table, message_id=cls.message_key, user_id=cls.user_key),
            unique(table, "message_id", "user_id"),
            index(table, "user_id"),
        )
