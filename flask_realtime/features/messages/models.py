"""Models of messages, and of what clients have sent."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import BigInteger, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.elements import conv

from flask_realtime.contract.ids import MAX_ID_LENGTH
from flask_realtime.database.base import Constraint, RealtimeModelMixin, foreign_keys, index, unique
from flask_realtime.database.columns import IntegerKey, StringUserId


class MessageMixin(RealtimeModelMixin):
    """A message in a conversation. Messages are ordered by id.

    `seq` numbers the messages of a conversation from 1 on. The store sets it; a message without one counts for no receipt.
    """

    __tablename__ = "realtime_message"
    conversation_key: ClassVar[str] = "realtime_conversation.id"
    user_key: ClassVar[str | None] = None

    conversation_id: Mapped[int] = mapped_column(IntegerKey)
    sender_id: Mapped[str] = mapped_column(StringUserId)
    content: Mapped[str] = mapped_column(Text)
    seq: Mapped[int | None] = mapped_column(BigInteger)

    @classmethod
    def constraints(cls) -> tuple[Constraint, ...]:
        """Return the table's constraints and indexes."""
        table = cls.__tablename__
        return (
            *super().constraints(),
            *foreign_keys(table, conversation_id=cls.conversation_key, sender_id=cls.user_key),
            # Includes the sender, so that counting unread messages reads only the index.
            index(table, "conversation_id", "id", "sender_id"),
            index(table, "sender_id"),
            # An index and not a constraint, which SQLite could not add to a table that is there already.
            Index(conv(f"ix_{table}_conversation_id_seq"), "conversation_id", "seq", unique=True),
        )


class MessageSendMixin(RealtimeModelMixin):
    """One sending of a message by a client, for as long as sending it again is the same message.

    `message_id` is no foreign key: a message that was deleted is not stored again either.
    """

    __tablename__ = "realtime_message_send"
    conversation_key: ClassVar[str] = "realtime_conversation.id"
    user_key: ClassVar[str | None] = None

    conversation_id: Mapped[int] = mapped_column(IntegerKey)
    sender_id: Mapped[str] = mapped_column(StringUserId)
    client_id: Mapped[str] = mapped_column(String(MAX_ID_LENGTH))
    message_id: Mapped[int | None] = mapped_column(IntegerKey)
    seq: Mapped[int | None] = mapped_column(BigInteger)

    @classmethod
    def constraints(cls) -> tuple[Constraint, ...]:
        """Return the table's constraints and indexes; a user sends a message to a conversation once."""
        table = cls.__tablename__
        return (
            *super().constraints(),
            *foreign_keys(table, conversation_id=cls.conversation_key, sender_id=cls.user_key),
            unique(table, "conversation_id", "sender_id", "client_id"),
            index(table, "sender_id"),
            index(table, "created_at"),
        )
