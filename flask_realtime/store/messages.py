"""Messages, and who has read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ColumnElement, delete, func, insert, literal, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from flask_realtime.store.columns import parse_id, utc_now
from flask_realtime.store.models import Models
from flask_realtime.store.queries import is_unread
from flask_realtime.store.records import MessagePage, MessageRecord, ReadResult
from flask_realtime.store.sessions import committing

DEFAULT_PAGE_SIZE = 50


class MessageStore:
    """The messages of one application."""

    def __init__(self, db: SQLAlchemy, models: Models) -> None:
        self._db = db
        self._models = models

    def add(self, conversation_id: str, sender_id: str, content: str) -> MessageRecord:
        """Store a message and commit. Whether the sender may write there is the caller's to ask first.

        Raises:
            NotFound: There is no such conversation, or no such user.
        """
        message, now = self._models.message, utc_now()
        values = {"sender_id": sender_id, "content": content, "created_at": now}
        with committing(self._db):
            added = insert(message).values(conversation_id=parse_id(conversation_id), **values)
            number = self._db.session.execute(added.returning(message.id)).scalar_one()
        return MessageRecord(str(number), conversation_id, sender_id, content, now)

    def get(self, conversation_id: str, message_id: str, viewer_id: str) -> MessageRecord | None:
        """Return a message as the viewer sees it, or None if the conversation holds no such message."""
        found = self._newest_first(viewer_id, *self._is(conversation_id, message_id), limit=1)
        return found[0] if found else None

    def page(
        self,
        conversation_id: str,
        viewer_id: str,
        *,
        before: str | None = None,
        limit: int = DEFAULT_PAGE_SIZE,
    ) -> MessagePage:
        """Return a stretch of a conversation as the viewer sees it, in one statement.

        Args:
            conversation_id: Whose messages to return.
            viewer_id: For whom `is_read` is told.
            before: Return messages older than the one with this id; None for the newest. What is no id, nothing is
                older than.
            limit: The most messages to return.
        """
        message = self._models.message
        conditions = [message.conversation_id == parse_id(conversation_id)]
        if before is not None:
            conditions.append(message.id < (parse_id(before) or 0))
        # One more than asked for tells whether there is an earlier page.
        found = self._newest_first(viewer_id, *conditions, limit=limit + 1)
        page = tuple(reversed(found[:limit]))
        return MessagePage(page, page[0].id if len(found) > limit else None)

    def mark_read(self, conversation_id: str, user_id: str, message_ids: Sequence[str]) -> ReadResult:
        """Record that a user has read messages, and commit.

        One's own messages, those of other conversations and unknown ids are passed over. Marking a message again,
        or from two devices at once, is no error: exactly one call finds it newly read. Works on SQLite and
        PostgreSQL, in two statements.

        Returns:
            What the user has read now, and what this call marked.
        """
        message, receipt = self._models.message, self._models.read_receipt
        numbers = [number for number in map(parse_id, message_ids) if number is not None]
        readable = (
            message.conversation_id == parse_id(conversation_id),
            message.id.in_(numbers),
            message.sender_id != user_id,
        )
        with committing(self._db):
            newly_read = self._add_receipts(user_id, *readable)
            read = self._db.session.scalars(
                select(message.id).join(receipt, receipt.message_id == message.id).where(receipt.user_id == user_id, *readable)
            ).all()
        return ReadResult(_in_order(message_ids, read), _in_order(message_ids, newly_read))

    def _add_receipts(self, user_id: str, *conditions: ColumnElement[bool]) -> Sequence[int]:
        """Insert the receipts that are missing; return the ids of their messages."""
        message, receipt = self._models.message, self._models.read_receipt
        # Locked, a message cannot be deleted before its receipt refers to it. In one order for everybody, two
        # devices that mark the same messages wait for each other rather than deadlock.
        source = (
            select(message.id, literal(user_id, receipt.user_id.type), literal(utc_now(), receipt.created_at.type))
            .where(*conditions)
            .order_by(message.id)
            .with_for_update(read=True, key_share=True)
        )
        dialect = postgresql if self._db.session.get_bind(receipt).dialect.name == "postgresql" else sqlite
        added = dialect.insert(receipt).from_select(["message_id", "user_id", "created_at"], source)
        return self._db.session.scalars(added.on_conflict_do_nothing().returning(receipt.message_id)).all()

    def delete(self, conversation_id: str, message_id: str) -> bool:
        """Delete a message with its receipts, and commit.

        Returns:
            Whether it was there: of two who delete it at once, one is told so.
        """
        message = self._models.message
        with committing(self._db):
            deleted = self._db.session.scalars(
                delete(message).where(*self._is(conversation_id, message_id)).returning(message.id)
            ).all()
        return bool(deleted)

    def unread_count(self, user_id: str) -> int:
        """Count the messages that a user has not read, over all conversations that the user takes part in.

        Takes time in proportion to the messages of these conversations.
        """
        message, participant = self._models.message, self._models.participant
        query = (
            select(func.count())
            .select_from(message)
            .join(participant, participant.conversation_id == message.conversation_id)
            .where(participant.user_id == user_id, is_unread(self._models, user_id))
        )
        return self._db.session.execute(query).scalar_one()

    def _is(self, conversation_id: str, message_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        message = self._models.message
        return message.id == parse_id(message_id), message.conversation_id == parse_id(conversation_id)

    def _newest_first(self, viewer_id: str, *conditions: ColumnElement[bool], limit: int) -> list[MessageRecord]:
        message, receipt = self._models.message, self._models.read_receipt
        by_whom = or_(message.sender_id == viewer_id, receipt.user_id == viewer_id)
        is_read = select(receipt.id).where(receipt.message_id == message.id, by_whom).exists()
        rows = self._db.session.execute(
            select(
                message.id,
                message.conversation_id,
                message.sender_id,
                message.content,
                message.created_at,
                is_read,
            )
            .where(*conditions)
            .order_by(message.id.desc())
            .limit(limit)
        )
        return [
            MessageRecord(str(number), str(conversation), sender_id, content, created_at, read)
            for number, conversation, sender_id, content, created_at, read in rows
        ]


def _in_order(message_ids: Sequence[str], numbers: Iterable[int]) -> tuple[str, ...]:
    """Return those of the ids that are among the numbers, once each and in their own order."""
    found = {str(number) for number in numbers}
    return tuple(message_id for message_id in dict.fromkeys(message_ids) if message_id in found)
