"""Models of conversations and their participants."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from sqlalchemy import BigInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from flask_realtime.database.base import MAX_TITLE_LENGTH, Constraint, RealtimeModelMixin, foreign_keys, index, unique
from flask_realtime.database.columns import IntegerKey, StringUserId, UtcDateTime


class ConversationMixin(RealtimeModelMixin):
    """A conversation. Its participants are in the participant model.

    `last_seq` is the number of its last message. The transaction that stores a message increments it, so that numbers are given in
    the order of the commits, and none is left out.
    """

    __tablename__ = "realtime_conversation"
    title: Mapped[str | None] = mapped_column(String(MAX_TITLE_LENGTH))
    last_seq: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class ParticipantMixin(RealtimeModelMixin):
    """One user's participation in one conversation, and how far the user has got there.

    Everything up to `delivered_seq` has reached the user, everything up to `read_seq` is read. `uncounted` of the messages after
    `read_seq` are not unread: the user's own, and those that were deleted. The other `last_seq - read_seq - uncounted` are.
    """

    __tablename__ = "realtime_participant"
    conversation_key: ClassVar[str] = "realtime_conversation.id"
    user_key: ClassVar[str | None] = None

    conversation_id: Mapped[int] = mapped_column(IntegerKey)
    user_id: Mapped[str] = mapped_column(StringUserId)
    delivered_seq: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    read_seq: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    read_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    uncounted: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))

    @classmethod
    def constraints(cls) -> tuple[Constraint, ...]:
        """Return the table's constraints and indexes; a user takes part in a conversation once."""
        table = cls.__tablename__
        return (
            *super().constraints(),
            *foreign_keys(table, conversation_id=cls.conversation_key, user_id=cls.user_key),
            unique(table, "conversation_id", "user_id"),
            index(table, "user_id", "conversation_id"),
        )
