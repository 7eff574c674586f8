"""Models of messages, of whom they mention, and of what clients have sent."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, NamedTuple

from sqlalchemy import BigInteger, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.elements import conv

from flask_realtime.contract.ids import MAX_ID_LENGTH
from flask_realtime.database.base import MAX_KIND_LENGTH, Constraint, RealtimeModelMixin, foreign_keys, index, unique
from flask_realtime.database.columns import IntegerKey, StringUserId, UtcDateTime
from flask_realtime.features.conversations.models import ConversationMixin, ParticipantMixin


class MessageMixin(RealtimeModelMixin):
    """A message in a conversation. Messages are ordered by id.

    `seq` numbers the messages of a conversation from 1 on. The store sets it; a message without one counts for no receipt. A
    deleted message stays, without its content, from `deleted_at` on. `reply_to` is the message that this one quotes, and
    `thread_id` the one whose thread it is in; `thread_count` replies are in its own thread, the last one of `thread_last_at`. None
    of them is a foreign key: a message stays as long as its conversation. `client_id` is its sender's own id of it.
    """

    __tablename__ = "realtime_message"
    conversation_key: ClassVar[str] = "realtime_conversation.id"
    user_key: ClassVar[str | None] = None

    conversation_id: Mapped[int] = mapped_column(IntegerKey)
    sender_id: Mapped[str] = mapped_column(StringUserId)
    content: Mapped[str] = mapped_column(Text)
    seq: Mapped[int | None] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(MAX_KIND_LENGTH), server_default=text("'text'"))
    client_id: Mapped[str | None] = mapped_column(String(MAX_ID_LENGTH))
    edited_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reply_to: Mapped[int | None] = mapped_column(IntegerKey)
    thread_id: Mapped[int | None] = mapped_column(IntegerKey)
    thread_count: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    thread_last_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @classmethod
    def constraints(cls) -> tuple[Constraint, ...]:
        """Return the table's constraints and indexes."""
        table, outside, deleted = cls.__tablename__, text("thread_id IS NULL"), text("deleted_at IS NOT NULL")
        return (
            *super().constraints(),
            *foreign_keys(table, conversation_id=cls.conversation_key, sender_id=cls.user_key),
            # Includes the sender, so that counting unread messages reads only the index.
            index(table, "conversation_id", "id", "sender_id"),
            # Of a user's own messages, and of deleted ones, as many are counted as the user has not read.
            index(table, "sender_id", "conversation_id", "seq"),
            Index(
                conv(f"ix_{table}_deleted"),
                "conversation_id",
                "seq",
                "sender_id",
                sqlite_where=deleted,
                postgresql_where=deleted,
            ),
            Index(conv(f"ix_{table}_outside_threads"), "conversation_id", "id", sqlite_where=outside, postgresql_where=outside),
            index(table, "thread_id", "id"),
            # An index and not a constraint, which SQLite could not add to a table that is there already.
            Index(conv(f"ix_{table}_conversation_id_seq"), "conversation_id", "seq", unique=True),
        )


class MentionMixin(RealtimeModelMixin):
    """A mention of a user in a message, or of everybody in its conversation if `user_id` is NULL.

    `sender_id` and `seq` are the message's own, so that counting a user's mentions reads only the index.
    """

    __tablename__ = "realtime_mention"
    conversation_key: ClassVar[str] = "realtime_conversation.id"
    message_key: ClassVar[str] = "realtime_message.id"
    user_key: ClassVar[str | None] = None

    conversation_id: Mapped[int] = mapped_column(IntegerKey)
    message_id: Mapped[int] = mapped_column(IntegerKey)
    user_id: Mapped[str | None] = mapped_column(StringUserId)
    sender_id: Mapped[str] = mapped_column(StringUserId)
    seq: Mapped[int] = mapped_column(BigInteger)

    @classmethod
    def constraints(cls) -> tuple[Constraint, ...]:
        """Return the table's constraints and indexes; a message mentions a user once."""
        table = cls.__tablename__
        users = {"user_id": cls.user_key, "sender_id": cls.user_key}
        return (
            *super().constraints(),
            *foreign_keys(table, conversation_id=cls.conversation_key, message_id=cls.message_key, **users),
            unique(table, "message_id", "user_id"),
            index(table, "conversation_id", "user_id", "seq", "sender_id"),
            index(table, "user_id"),
            index(table, "sender_id"),
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


class MessageModels(NamedTuple):
    """The models that the store of messages works on; see `Models`."""

    conversation: type[ConversationMixin]
    participant: type[ParticipantMixin]
    message: type[MessageMixin]
    message_send: type[MessageSendMixin] | None = None
    mention: type[MentionMixin] | None = None
