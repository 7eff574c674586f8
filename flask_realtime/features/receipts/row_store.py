"""Stores read receipts as rows, one for each message and reader, as version 0.1 did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ColumnElement, ScalarSelect, SQLColumnExpression, and_, func, literal, null, or_, select

from flask_realtime.database.columns import parse_row_id, utc_now
from flask_realtime.database.inserts import insert_into
from flask_realtime.database.sessions import committing
from flask_realtime.errors import BadRequest
from flask_realtime.features.conversations.models import ParticipantMixin
from flask_realtime.features.messages import ReadResult
from flask_realtime.features.messages.models import MentionMixin, MessageMixin
from flask_realtime.features.presence.models import PrivateReaders
from flask_realtime.features.receipts.models import ReadReceiptMixin
from flask_realtime.features.receipts.seen import LogReceipt, in_order


class ReadRows:
    """The read receipts of single messages. Counting unread ones takes time in proportion to the messages.

    Args:
        db: The application's Flask-SQLAlchemy object.
        participant: The model of the participants of conversations.
        message: The model of messages.
        read_receipt: The model of the receipts.
        private: The users who send no receipts.
        log: Writes a receipt to the log, if there is one.
    """

    def __init__(  # noqa: PLR0913 - the models that it works on
        self,
        db: SQLAlchemy,
        *,
        participant: type[ParticipantMixin],
        message: type[MessageMixin],
        read_receipt: type[ReadReceiptMixin],
        private: PrivateReaders,
        log: LogReceipt,
    ) -> None:
        self._db = db
        self._private = private
        self._log = log
        self._participant = participant
        self._message = message
        self._read_receipt = read_receipt
        self.first_status: str | None = None

    def is_read(self, viewer_id: str) -> ColumnElement[bool]:
        """Return, as a part of a query about messages, whether the viewer has read one, or another user the viewer's own."""
        message, receipt = self._message, self._read_receipt
        by_others = and_(message.sender_id == viewer_id, *self._private.others(receipt.user_id))
        by_whom = or_(by_others, receipt.user_id == viewer_id)
        return select(receipt.id).where(receipt.message_id == message.id, by_whom).exists()

    def status(self) -> ColumnElement[Any]:
        """Return nothing: rows do not tell to whom messages are delivered."""
        return null()

    def unread_in(self, conversation_id: SQLColumnExpression[int], user_id: str) -> ScalarSelect[int]:
        """Return how many messages a user has not read in a conversation, as a part of a query about that conversation."""
        message = self._message
        count = select(func.count()).select_from(message)
        return count.where(message.conversation_id == conversation_id, self._is_unread(user_id)).scalar_subquery()

    def unread_counts(self, user_id: str) -> dict[int, int]:
        """Map each conversation of a user with unread messages to their number."""
        message, participant = self._message, self._participant
        query = (
            select(message.conversation_id, func.count())
            .select_from(message)
            .join(participant, participant.conversation_id == message.conversation_id)
            .where(participant.user_id == user_id, self._is_unread(user_id))
            .group_by(message.conversation_id)
        )
        return {number: int(count) for number, count in self._db.session.execute(query)}

    def unread_count(self, user_id: str) -> int:
        """Count a user's unread messages in all conversations."""
        message, participant = self._message, self._participant
        query = (
            select(func.count())
            .select_from(message)
            .join(participant, participant.conversation_id == message.conversation_id)
            .where(participant.user_id == user_id, self._is_unread(user_id))
        )
        return self._db.session.execute(query).scalar_one()

    def _is_unread(self, user_id: str) -> ColumnElement[bool]:
        """Return the condition that a message is another user's, is not deleted, and the user has not read it."""
        message, receipt = self._message, self._read_receipt
        read = select(receipt.id).where(receipt.message_id == message.id, receipt.user_id == user_id).exists()
        return and_(message.sender_id != user_id, message.deleted_at.is_(None), ~read)

    def is_unread_mention(self, mention: type[MentionMixin], participant: type[ParticipantMixin]) -> ColumnElement[bool]:
        """Return, as a part of a query, whether a participant has not read the message of a mention."""
        receipt = self._read_receipt
        return ~select(receipt.id).where(receipt.message_id == mention.message_id, receipt.user_id == participant.user_id).exists()

    def sent(self, conversation: int | None, sender_id: str) -> None:
        """Do nothing: a row says nothing about a user's own messages."""

    def mark_read(self, conversation_id: str, user_id: str, message_ids: Sequence[str], up_to: str | None = None) -> ReadResult:
        """Store the receipts that are missing, and commit, in two statements; see `ReceiptStore.mark_read`."""
        if up_to is not None:
            msg = "Messages are marked as read one by one here: name their ids"
            raise BadRequest(msg)
        message, receipt = self._message, self._read_receipt
        numbers = [number for number in map(parse_row_id, message_ids) if number is not None]
        readable = (
            message.conversation_id == parse_row_id(conversation_id),
            message.id.in_(numbers),
            message.sender_id != user_id,
            message.deleted_at.is_(None),
        )
        with committing(self._db):
            newly_read = self._add_receipts(user_id, *readable)
            found = select(message.id, self._private.has(user_id)).join(receipt, receipt.message_id == message.id)
            read = self._db.session.execute(found.where(receipt.user_id == user_id, *readable)).all()
            told = () if any(is_private for _, is_private in read) else newly_read
            result = ReadResult(in_order(message_ids, (number for number, _ in read)), in_order(message_ids, told))
            self._log(conversation_id, user_id, result)
        return result

    def _add_receipts(self, user_id: str, *conditions: ColumnElement[bool]) -> Sequence[int]:
        """Insert the receipts that are missing; return the ids of their messages."""
        message, receipt = self._message, self._read_receipt
        # The lock keeps a message from being deleted before its receipt refers to it. The common order makes two
        # devices that mark the same messages wait for each other instead of deadlocking.
        source = (
            select(message.id, literal(user_id, receipt.user_id.type), literal(utc_now(), receipt.created_at.type))
            .where(*conditions)
            .order_by(message.id)
            .with_for_update(read=True, key_share=True)
        )
        added = insert_into(self._db, receipt).from_select(["message_id", "user_id", "created_at"], source)
        return self._db.session.scalars(added.on_conflict_do_nothing().returning(receipt.message_id)).all()
