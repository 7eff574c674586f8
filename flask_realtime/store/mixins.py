"""Mixins from which an application builds its models, in SQLAlchemy's typed declarative form.

Each mixin brings its columns, its table name and the table's constraints and indexes, every one of them named, so that
Alembic can alter it on any database. Combine a mixin with `db.Model`::

    class Message(MessageMixin, db.Model):
        __tablename__ = "chat_message"
        conversation_key = "chat_conversation.id"
        user_key = "users.id"
        sender_id: Mapped[str] = mapped_column(IntegerUserId())

- `user_key` names the column that user ids refer to. It is None by default: user ids are then text with no
  foreign key. Where it is set, override the user id column with a type that fits: `IntegerUserId` for an integer
  key. With the user go the participations, messages, receipts and notifications.
- `conversation_key` and `message_key` name the columns that the other models refer to.
- A model that needs further constraints overrides `__table_args__` and starts from `constraints()`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from sqlalchemy.sql.elements import conv

from flask_realtime.store.columns import IntegerKey, StringUserId, UtcDateTime, utc_now

MAX_TITLE_LENGTH = 200
MAX_TYPE_LENGTH = 64
MAX_LINK_LENGTH = 2048

Constraint = ForeignKeyConstraint | Index | PrimaryKeyConstraint | UniqueConstraint | CheckConstraint


def _primary_key(table: str) -> PrimaryKeyConstraint:
    return PrimaryKeyConstraint("id", name=conv(f"pk_{table}"))


def _unique(table: str, *columns: str) -> UniqueConstraint:
    return UniqueConstraint(*columns, name=conv(f"uq_{table}_{'_'.join(columns)}"))


def _index(table: str, *columns: str) -> Index:
    return Index(conv(f"ix_{table}_{'_'.join(columns)}"), *columns)


def _foreign_keys(table: str, **keys: str | None) -> tuple[ForeignKeyConstraint, ...]:
    """Make a foreign key for each column whose key is known; the row goes when the row it refers to goes."""
    return tuple(
        ForeignKeyConstraint(
            [column],
            [key],
            name=conv(f"fk_{table}_{column}_{key.split('.')[-2]}"),
            ondelete="CASCADE",
        )
        for column, key in keys.items()
        if key is not None
    )


class RealtimeModelMixin:
    """What the models have in common: an integer key, a time of creation, named constraints."""

    __tablename__: str
    id: Mapped[int] = mapped_column(IntegerKey, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)

    @classmethod
    def constraints(cls) -> tuple[Constraint, ...]:
        """Return the table's constraints and indexes."""
        return (_primary_key(cls.__tablename__),)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Any, ...]:
        # Without AUTOINCREMENT, SQLite gives the id of a deleted last row to the next one. A client that still
        # holds the old id would then mean, or be joined to, somebody else's row.
        return (*cls.constraints(), {"sqlite_autoincrement": True})


class ConversationMixin(RealtimeModelMixin):
    """A conversation. Who takes part in it is in the participant model."""

    __tablename__ = "realtime_conversation"
    title: Mapped[str | None] = mapped_column(String(MAX_TITLE_LENGTH))


class ParticipantMixin(RealtimeModelMixin):
    """One user's part in one conversation."""

    __tablename__ = "realtime_participant"
    conversation_key: ClassVar[str] = "realtime_conversation.id"
    user_key: ClassVar[str | None] = None

    conversation_id: Mapped[int] = mapped_column(IntegerKey)
    user_id: Mapped[str] = mapped_column(StringUserId)

    @classmethod
    def constraints(cls) -> tuple[Constraint, ...]:
        """Return the table's constraints and indexes; a user takes part in a conversation once."""
        table = cls.__tablename__
        return (
            *super().constraints(),
            *_foreign_keys(table, conversation_id=cls.conversation_key, user_id=cls.user_key),
            _unique(table, "conversation_id", "user_id"),
            _index(table, "user_id", "conversation_id"),
        )


class MessageMixin(RealtimeModelMixin):
    """A message in a conversation. Messages are ordered by id."""

    __tablename__ = "realtime_message"
    conversation_key: ClassVar[str] = "realtime_conversation.id"
    user_key: ClassVar[str | None] = None

    conversation_id: Mapped[int] = mapped_column(IntegerKey)
    sender_id: Mapped[str] = mapped_column(StringUserId)
    content: Mapped[str] = mapped_column(Text)

    @classmethod
    def constraints(cls) -> tuple[Constraint, ...]:
        """Return the table's constraints and indexes."""
        table = cls.__tablename__
        return (
            *super().constraints(),
            *_foreign_keys(table, conversation_id=cls.conversation_key, sender_id=cls.user_key),
            # The sender rides along so that counting unread messages reads the index alone.
            _index(table, "conversation_id", "id", "sender_id"),
            _index(table, "sender_id"),
        )


class ReadReceiptMixin(RealtimeModelMixin):
    """The fact that a user has read somebody else's message; created when it was read."""

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
            *_foreign_keys(table, message_id=cls.message_key, user_id=cls.user_key),
            _unique(table, "message_id", "user_id"),
            _index(table, "user_id"),
        )


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
            *_foreign_keys(table, user_id=cls.user_key),
            _index(table, "user_id", "id"),
            Index(conv(f"ix_{table}_unread"), "user_id", sqlite_where=unread, postgresql_where=unread),
        )
