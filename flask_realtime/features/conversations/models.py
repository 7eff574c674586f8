"""Models of conversations and their participants, and the trigger that counts the latter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from sqlalchemy import BigInteger, Connection, Index, String, false, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.elements import conv

from flask_realtime.database.attached import attach
from flask_realtime.database.base import (
    MAX_KIND_LENGTH,
    MAX_TITLE_LENGTH,
    Constraint,
    RealtimeModelMixin,
    foreign_keys,
    index,
    unique,
)
from flask_realtime.database.columns import MAX_USER_ID_LENGTH, IntegerKey, StringUserId, UtcDateTime

MAX_DIRECT_KEY_LENGTH = 2 * MAX_USER_ID_LENGTH + 1


class ConversationMixin(RealtimeModelMixin):
    """A conversation. Its participants are in the participant model.

    `type` is "direct" or "group". `direct_key` names the two users of a direct one, so that it exists once. `last_seq` is the
    number of its last message: the transaction that stores a message increments it, so that numbers are given in the order of the
    commits, and none is left out. `active_at` is the time of that message, or of the creation.
    """

    __tablename__ = "realtime_conversation"
    type: Mapped[str] = mapped_column(String(MAX_KIND_LENGTH), server_default=text("'group'"))
    title: Mapped[str | None] = mapped_column(String(MAX_TITLE_LENGTH))
    direct_key: Mapped[str | None] = mapped_column(String(MAX_DIRECT_KEY_LENGTH))
    last_seq: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    participant_count: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    active_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @classmethod
    def constraints(cls) -> tuple[Constraint, ...]:
        """Return the table's constraints and indexes; two users have one direct conversation."""
        table = cls.__tablename__
        return (*super().constraints(), Index(conv(f"ix_{table}_direct_key"), "direct_key", unique=True))


class ParticipantMixin(RealtimeModelMixin):
    """One user's participation in one conversation, and how far the user has got there.

    Everything up to `delivered_seq` has reached the user, everything up to `read_seq` is read. `uncounted` of the messages after
    `read_seq` are the user's own. The other `last_seq - read_seq - uncounted` are unread, but for those that were deleted.

    `role` is "owner", "moderator" or "member". The user is not notified of mentions while `is_muted`, or until `muted_until`.
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
    role: Mapped[str] = mapped_column(String(MAX_KIND_LENGTH), server_default=text("'member'"))
    is_muted: Mapped[bool] = mapped_column(server_default=false())
    muted_until: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @classmethod
    def constraints(cls) -> tuple[Constraint, ...]:
        """Return the table's constraints and indexes; a user takes part in a conversation once."""
        table = cls.__tablename__
        return (
            *super().constraints(),
            *foreign_keys(table, conversation_id=cls.conversation_key, user_id=cls.user_key),
            unique(table, "conversation_id", "user_id"),
            index(table, "user_id", "conversation_id"),
            # In the order in which they came, for pages of members.
            index(table, "conversation_id", "id"),
            # So that how far everybody has got is found without looking at everybody.
            index(table, "conversation_id", "read_seq"),
            index(table, "conversation_id", "delivered_seq"),
        )


class PinMixin(RealtimeModelMixin):
    """A message that is pinned in its conversation; `user_id` has pinned it."""

    __tablename__ = "realtime_pin"
    conversation_key: ClassVar[str] = "realtime_conversation.id"
    message_key: ClassVar[str] = "realtime_message.id"
    user_key: ClassVar[str | None] = None

    conversation_id: Mapped[int] = mapped_column(IntegerKey)
    message_id: Mapped[int] = mapped_column(IntegerKey)
    user_id: Mapped[str] = mapped_column(StringUserId)

    @classmethod
    def constraints(cls) -> tuple[Constraint, ...]:
        """Return the table's constraints and indexes; a message is pinned once."""
        table = cls.__tablename__
        keys = {"conversation_id": cls.conversation_key, "message_id": cls.message_key, "user_id": cls.user_key}
        return (
            *super().constraints(),
            *foreign_keys(table, **keys),
            unique(table, "conversation_id", "message_id"),
            index(table, "message_id"),
            index(table, "user_id"),
        )


@dataclass(frozen=True)
class MemberCount:
    """The column `participant_count`, which stays right when a user's row is deleted, and the participations with it.

    The store counts those whom it adds and removes. `create_all` makes the trigger with the table of participants, and `drop_all`
    drops it. In a migration, `MemberCount("realtime_conversation", "realtime_participant").create(op.get_bind())` makes it.

    Args:
        conversation: The name of the table of conversations.
        participant: The name of the table of their participants.
    """

    conversation: str
    participant: str

    @classmethod
    def of(cls, conversation: type[ConversationMixin], participant: type[ParticipantMixin]) -> MemberCount:
        """Return the count of two models, and let its trigger be made with their tables.

        Args:
            conversation: The model of conversations.
            participant: The model of their participants.
        """
        count = cls(conversation.__tablename__, participant.__tablename__)
        attach(count, participant)
        return count

    @property
    def name(self) -> str:
        """Return the name of the trigger."""
        return f"{self.participant}_deleted"

    def create(self, connection: Connection) -> None:
        """Count all members anew, and make the trigger; anew if there is one.

        Args:
            connection: A connection to SQLite or PostgreSQL.
        """
        self.drop(connection)
        is_postgresql = connection.dialect.name == "postgresql"
        statements = _trigger_on_postgresql(self) if is_postgresql else _trigger_on_sqlite(self)
        for statement in (_recount(self), *statements):
            connection.exec_driver_sql(statement)

    def drop(self, connection: Connection) -> None:
        """Drop the trigger if there is one; the table of participants has to be there.

        Args:
            connection: A connection to SQLite or PostgreSQL.
        """
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f'DROP TRIGGER IF EXISTS "{self.name}" ON "{self.participant}"')
            connection.exec_driver_sql(f'DROP FUNCTION IF EXISTS "{self.name}"()')
        else:
            connection.exec_driver_sql(f'DROP TRIGGER IF EXISTS "{self.name}"')

    def is_complete(self, connection: Connection) -> bool:
        """Return whether the trigger is there.

        Args:
            connection: A connection to SQLite or PostgreSQL.
        """
        values = {"name": self.name, "table": f'"{self.participant}"'}
        where = "pg_trigger WHERE tgrelid = to_regclass(:table) AND tgname = :name"
        if connection.dialect.name != "postgresql":
            where = "sqlite_master WHERE type = 'trigger' AND name = :name"
        return connection.execute(text(f"SELECT count(*) FROM {where}"), values).scalar() == 1  # noqa: S608 - one of two


def _recount(count: MemberCount) -> str:
    counted = f'SELECT count(*) FROM "{count.participant}" AS member WHERE member.conversation_id = "{count.conversation}".id'  # noqa: S608 - its own names
    return f'UPDATE "{count.conversation}" SET participant_count = ({counted}) WHERE participant_count <> ({counted})'  # noqa: S608 - as above


def _trigger_on_sqlite(count: MemberCount) -> Iterator[str]:
    yield f"""
        CREATE TRIGGER "{count.name}" AFTER DELETE ON "{count.participant}" BEGIN
            UPDATE "{count.conversation}" SET participant_count = participant_count - 1 WHERE id = old.conversation_id;
        END"""  # noqa: S608 - its own names


def _trigger_on_postgresql(count: MemberCount) -> Iterator[str]:
    """Yield the statements that make the trigger on PostgreSQL.

    It locks conversations in the order of their ids: two users who are deleted at once would wait for each other otherwise. Its
    names are looked up where they were when it was made, whatever the `search_path` is of who deletes.
    """
    yield f"""
        CREATE FUNCTION "{count.name}"() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$ BEGIN
            PERFORM FROM "{count.conversation}" WHERE id IN (SELECT conversation_id FROM gone) ORDER BY id FOR NO KEY UPDATE;
            UPDATE "{count.conversation}" AS conversation SET participant_count = participant_count - left_it.number
            FROM (SELECT conversation_id, count(*) AS number FROM gone GROUP BY conversation_id) AS left_it
            WHERE conversation.id = left_it.conversation_id;
            RETURN NULL;
        END $$"""  # noqa: S608 - its own names
    yield f"""
        CREATE TRIGGER "{count.name}" AFTER DELETE ON "{count.participant}" REFERENCING OLD TABLE AS gone
        FOR EACH STATEMENT EXECUTE FUNCTION "{count.name}"()"""
