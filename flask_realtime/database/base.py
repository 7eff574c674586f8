"""Base of the mixins from which an application builds its models, in SQLAlchemy's typed declarative form.

Each mixin brings its columns, its table name and the table's constraints and indexes, every one of them named, so that
Alembic can alter it on any database. Combine a mixin with `db.Model`::

    class Message(MessageMixin, db.Model):
        __tablename__ = "chat_message"
        conversation_key = "chat_conversation.id"
        user_key = "users.id"
        sender_id: Mapped[str] = mapped_column(IntegerUserId())

- `user_key` names the column that user ids refer to. It is None by default: user ids are then text with no
  foreign key. Where it is set, override the user id column with a type that fits: `IntegerUserId` for an integer
  key. Deleting a user deletes the participations, messages, receipts and notifications.
- `conversation_key` and `message_key` name the columns that the other models refer to.
- A model that needs further constraints overrides `__table_args__` and starts from `constraints()`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, PrimaryKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from sqlalchemy.sql.elements import conv

from flask_realtime.database.columns import IntegerKey, UtcDateTime, utc_now

MAX_TITLE_LENGTH = 200
MAX_KIND_LENGTH = 16
"""Maximum length of a word of the contract: a type, a kind, a role."""

Constraint = ForeignKeyConstraint | Index | PrimaryKeyConstraint | UniqueConstraint | CheckConstraint


def unique(table: str, *columns: str) -> UniqueConstraint:
    """Make a named unique constraint on the columns."""
    return UniqueConstraint(*columns, name=conv(f"uq_{table}_{'_'.join(columns)}"))


def index(table: str, *columns: str) -> Index:
    """Make a named index on the columns."""
    return Index(conv(f"ix_{table}_{'_'.join(columns)}"), *columns)


def foreign_keys(table: str, **keys: str | None) -> tuple[ForeignKeyConstraint, ...]:
    """Make a named foreign key for each column whose key is known; rows are deleted with the row that they refer to."""
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
    """Base of the models: an integer key, a time of creation, named constraints."""

    __tablename__: str
    id: Mapped[int] = mapped_column(IntegerKey, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)

    @classmethod
    def constraints(cls) -> tuple[Constraint, ...]:
        """Return the table's constraints and indexes."""
        return (PrimaryKeyConstraint("id", name=conv(f"pk_{cls.__tablename__}")),)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Any, ...]:
        # Without AUTOINCREMENT, SQLite reuses the id of a deleted last row. A client that still holds the old id
        # would then refer to, or be joined to, another user's row.
        return (*cls.constraints(), {"sqlite_autoincrement": True})
