"""Models of reactions: each user's own, and how many there are of a kind."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import BigInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from flask_realtime.database.base import Constraint, RealtimeModelMixin, foreign_keys, index, unique
from flask_realtime.database.columns import IntegerKey, StringUserId

MAX_EMOJI_LENGTH = 64


class ReactionMixin(RealtimeModelMixin):
    """A user's reaction to a message."""

    __tablename__ = "realtime_reaction"
    message_key: ClassVar[str] = "realtime_message.id"
    user_key: ClassVar[str | None] = None

    message_id: Mapped[int] = mapped_column(IntegerKey)
    emoji: Mapped[str] = mapped_column(String(MAX_EMOJI_LENGTH))
    user_id: Mapped[str] = mapped_column(StringUserId)

    @classmethod
    def constraints(cls) -> tuple[Constraint, ...]:
        """Return the table's constraints and indexes; a user reacts to a message with an emoji once."""
        table = cls.__tablename__
        return (
            *super().constraints(),
            *foreign_keys(table, message_id=cls.message_key, user_id=cls.user_key),
            unique(table, "message_id", "emoji", "user_id"),
            index(table, "message_id", "emoji", "id"),
            index(table, "user_id"),
        )


class ReactionCountMixin(RealtimeModelMixin):
    """The number of reactions to a message with an emoji, kept so that nobody has to count them."""

    __tablename__ = "realtime_reaction_count"
    message_key: ClassVar[str] = "realtime_message.id"

    message_id: Mapped[int] = mapped_column(IntegerKey)
    emoji: Mapped[str] = mapped_column(String(MAX_EMOJI_LENGTH))
    count: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))

    @classmethod
    def constraints(cls) -> tuple[Constraint, ...]:
        """Return the table's constraints and indexes."""
        table = cls.__tablename__
        return (*super().constraints(), *foreign_keys(table, message_id=cls.message_key), unique(table, "message_id", "emoji"))
