"""Stores messages, read receipts and what clients have sent in the database, and answers their hook from there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ColumnElement, ScalarSelect, SQLColumnExpression, and_, delete, func, insert, literal, or_, select, update

from flask_realtime.database.columns import parse_row_id, utc_now
from flask_realtime.database.inserts import insert_into
from flask_realtime.database.sessions import committing
from flask_realtime.errors import ConfigError, Forbidden, NotFound
from flask_realtime.features.conversations.models import ParticipantMixin
from flask_realtime.features.log import Append
from flask_realtime.features.messages.events import (
    MESSAGE_DELETED,
    MESSAGE_NEW,
    MESSAGES_READ,
    message_deleted_payload,
    messages_read_payload,
    stored_message_payload,
)
from flask_realtime.features.messages.hooks import MessageHooks
from flask_realtime.features.messages.models import MessageMixin, MessageSendMixin, ReadReceiptMixin
from flask_realtime.features.messages.sending import NewMessage, SentMessage
from flask_realtime.identity import Identity

DEFAULT_PAGE_SIZE = 50

SEND_WINDOW: Final = timedelta(hours=24)
"""Time for which a client's id of a message stands for the same message."""

_KEPT: Final = SEND_WINDOW + timedelta(hours=1)
"""Time for which it is kept: nothing that somebody may be looking for right now is deleted."""

_DELETED_AT_ONCE: Final = 10
"""Expired sendings that are deleted with each new one: few enough to delay nobody, and more than are added."""


@dataclass(frozen=True)
class MessageRecord:
    """A message as one user sees it.

    `is_read` of the viewer's own message: another user has read it. Of another user's: the viewer has read it.
    """

    id: str
    conversation_id: str
    sender_id: str
    content: str
    created_at: datetime
    is_read: bool = False


@dataclass(frozen=True)
class SendResult:
    """The result of sending a message.

    `is_new`: this call stored it. `message` is as it was when it was stored, each time.
    """

    message: MessageRecord
    is_new: bool


@dataclass(frozen=True)
class MessagePage:
    """A page of a conversation, oldest message first.

    `next_before` is the `before` of the previous page; None at the beginning.
    """

    messages: tuple[MessageRecord, ...]
    next_before: str | None


@dataclass(frozen=True)
class ReadResult:
    """The result of marking messages as read.

    `read_ids` are those of the requested messages that the user has read now, in the order requested;
    `newly_read_ids` those among them that this call marked.
    """

    read_ids: tuple[str, ...]
    newly_read_ids: tuple[str, ...]


_Key = tuple[int | None, str, str]
"""The conversation, the sender, and the client's id of the message."""


class _SentMessages:
    """Rows of what clients have sent: one for each message, for as long as its key stands for the same message.

    Args:
        db: The application's Flask-SQLAlchemy object.
        model: The model of the rows.
    """

    def __init__(self, db: SQLAlchemy, model: type[MessageSendMixin]) -> None:
        self._db = db
        self._model = model

    def claim(self, key: _Key, now: datetime) -> int | None:
        """Return the id of the row of a message that is to be stored now, or None if it was sent before.

        Of several transactions at once, one gets the row, and the others wait until it has committed.
        """
        model = self._model
        columns = (model.conversation_id, model.sender_id, model.client_id)
        added = insert_into(self._db, model).values(dict(zip(columns, key, strict=True)) | {model.created_at: now})
        claimed = added.on_conflict_do_update(
            index_elements=columns, set_={"created_at": now}, where=model.created_at <= now - SEND_WINDOW
        )
        return self._db.session.scalars(claimed.returning(model.id)).one_or_none()

    def finish(self, claim: int, number: int, now: datetime) -> None:
        """Record which message was stored, and delete a few expired rows."""
        model = self._model
        finished = update(model).where(model.id == claim).values(message_id=number)
        expired = select(model.id).where(model.created_at < now - _KEPT).order_by(model.created_at).limit(_DELETED_AT_ONCE)
        deleted = delete(model).where(model.id.in_(expired.with_for_update(skip_locked=True)))
        for statement in (finished, deleted):
            self._db.session.execute(statement.execution_options(synchronize_session=False))

    def find(self, key: _Key) -> tuple[int, datetime]:
        """Return the id of the message that was stored, and when it was.

        Raises:
            NotFound: The conversation, or the sender, has just been deleted.
        """
        model = self._model
        conversation, sender_id, client_id = key
        found = self._db.session.execute(
            select(model.message_id, model.created_at).where(
                model.conversation_id == conversation, model.sender_id == sender_id, model.client_id == client_id
            )
        ).one_or_none()
        if found is None or found.message_id is None:
            raise NotFound
        return found.message_id, found.created_at


class MessageStore:
    """The messages of one application.

    Args:
        db: The application's Flask-SQLAlchemy object.
        message: The model of messages.
        read_receipt: The model of their read receipts.
        participant: The model of the participants of their conversations.
        message_send: The model of what clients have sent; None if they send nothing.
        append: Writes an event to the log with the change that it tells of; None if there is no log.
    """

    def __init__(  # noqa: PLR0913 - the models that it works on
        self,
        db: SQLAlchemy,
        message: type[MessageMixin],
        read_receipt: type[ReadReceiptMixin],
        participant: type[ParticipantMixin],
        message_send: type[MessageSendMixin] | None = None,
        *,
        append: Append | None = None,
    ) -> None:
        self._db = db
        self._message_send = message_send
        self._message = message
        self._read_receipt = read_receipt
        self._participant = participant
        self._append = append
        self._message_json: Callable[[MessageRecord], Any] = _as_json

    @property
    def logged_by_hooks(self) -> tuple[str, ...]:
        """Return the events that the hook writes to the log, so that its handler does not send them."""
        return () if self._append is None or self._message_send is None else (MESSAGE_NEW.name,)

    def add(self, conversation_id: str, sender_id: str, content: str) -> MessageRecord:
        """Store a message and commit. The caller first checks that the sender may write there.

        Raises:
            NotFound: The conversation or the user does not exist.
        """
        with committing(self._db):
            return self._insert(conversation_id, sender_id, content, utc_now())

    def _insert(self, conversation_id: str, sender_id: str, content: str, now: datetime) -> MessageRecord:
        message = self._message
        values = {"sender_id": sender_id, "content": content, "created_at": now}
        added = insert(message).values(conversation_id=parse_row_id(conversation_id), **values)
        number = self._db.session.execute(added.returning(message.id)).scalar_one()
        record = MessageRecord(str(number), conversation_id, sender_id, content, now)
        if self._append is not None:
            self._append(MESSAGE_NEW.to_conversation(conversation_id, self._message_json(record)))
        return record

    def register(self, hooks: MessageHooks, message_json: Callable[[MessageRecord], Any] | None = None) -> None:
        """Register the hook that stores what clients send, unless there is no model for it.

        Args:
            hooks: The extension object.
            message_json: Returns a message as clients get it; by default an object of the record's fields.
        """
        as_json = self._message_json = message_json or _as_json
        if self._message_send is None:
            return

        def send(identity: Identity, message: NewMessage) -> SentMessage:
            if not self._takes_part(message.conversation_id, identity.user_id):
                msg = "You do not take part in this conversation"
                raise Forbidden(msg)
            result = self.send(message.conversation_id, identity.user_id, message.content, message.client_id)
            return SentMessage(as_json(result.message), result.is_new)

        hooks.on_message_send(send)

    def send(self, conversation_id: str, sender_id: str, content: str, client_id: str) -> SendResult:
        """Store a message unless its sender has sent it before, and commit.

        The caller first checks that the sender may write there. For 24 hours, the same sender, conversation and `client_id` are the
        same message, whatever its content, even if it is deleted meanwhile. Of several calls at once, on however many servers, one
        stores it. Works on SQLite and PostgreSQL.

        Args:
            conversation_id: The conversation.
            sender_id: The sender.
            content: The text.
            client_id: The client's own id of the message.

        Raises:
            NotFound: The conversation or the user does not exist.
            ConfigError: The store has no model of what clients have sent.
        """
        sent, key = self._sent(), (parse_row_id(conversation_id), sender_id, client_id)
        now = utc_now()
        with committing(self._db):
            claim = sent.claim(key, now)
            if claim is None:
                number, content, now = self._sent_before(sent, key, content)
                return SendResult(MessageRecord(str(number), conversation_id, sender_id, content, now), is_new=False)
            record = self._insert(conversation_id, sender_id, content, now)
            sent.finish(claim, int(record.id), now)
        return SendResult(record, is_new=True)

    def _sent(self) -> _SentMessages:
        if self._message_send is None:
            msg = "Sending messages needs a model of what clients have sent: pass message_send to Models, as define_models does."
            raise ConfigError(msg)
        return _SentMessages(self._db, self._message_send)

    def _sent_before(self, sent: _SentMessages, key: _Key, content: str) -> tuple[int, str, datetime]:
        """Return the id, content and time of a message that was sent before; if it was deleted, with the content sent now."""
        number, created_at = sent.find(key)
        stored = self._db.session.scalar(select(self._message.content).where(self._message.id == number))
        return number, content if stored is None else stored, created_at

    def _takes_part(self, conversation_id: str, user_id: str) -> bool:
        participant = self._participant
        taking_part = (participant.conversation_id == parse_row_id(conversation_id), participant.user_id == user_id)
        return bool(self._db.session.scalar(select(select(1).where(*taking_part).exists())))

    def get(self, conversation_id: str, message_id: str, viewer_id: str) -> MessageRecord | None:
        """Return a message as the viewer sees it, or None if the conversation does not hold it."""
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
        """Return a page of a conversation as the viewer sees it, in one statement.

        Args:
            conversation_id: The conversation.
            viewer_id: The user for whom `is_read` is set.
            before: Return messages older than the one with this id; None for the newest. A value that is not an id
                gives an empty page.
            limit: The maximum number of messages.
        """
        message = self._message
        conditions = [message.conversation_id == parse_row_id(conversation_id)]
        if before is not None:
            conditions.append(message.id < (parse_row_id(before) or 0))
        # One more than asked for tells whether there is an earlier page.
        found = self._newest_first(viewer_id, *conditions, limit=limit + 1)
        page = tuple(reversed(found[:limit]))
        return MessagePage(page, page[0].id if len(found) > limit else None)

    def mark_read(self, conversation_id: str, user_id: str, message_ids: Sequence[str]) -> ReadResult:
        """Record that a user has read messages, and commit.

        The user's own messages, those of other conversations and unknown ids are skipped. Marking a message again,
        or from two devices at once, is no error: exactly one call finds it newly read. Works on SQLite and
        PostgreSQL, in two statements.

        Returns:
            The messages that the user has read now, and those that this call marked.
        """
        message, receipt = self._message, self._read_receipt
        numbers = [number for number in map(parse_row_id, message_ids) if number is not None]
        readable = (
            message.conversation_id == parse_row_id(conversation_id),
            message.id.in_(numbers),
            message.sender_id != user_id,
        )
        with committing(self._db):
            newly_read = self._add_receipts(user_id, *readable)
            read = self._db.session.scalars(
                select(message.id).join(receipt, receipt.message_id == message.id).where(receipt.user_id == user_id, *readable)
            ).all()
            result = ReadResult(_in_order(message_ids, read), _in_order(message_ids, newly_read))
            if self._append is not None and result.newly_read_ids:
                payload = messages_read_payload(conversation_id, result.newly_read_ids, user_id)
                self._append(MESSAGES_READ.to_conversation(conversation_id, payload))
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

    def delete(self, conversation_id: str, message_id: str) -> bool:
        """Delete a message with its receipts, and commit.

        Returns:
            Whether it existed: of two concurrent calls, one gets True.
        """
        message = self._message
        with committing(self._db):
            deleted = self._db.session.scalars(
                delete(message).where(*self._is(conversation_id, message_id)).returning(message.id)
            ).all()
            if self._append is not None and deleted:
                payload = message_deleted_payload(conversation_id, message_id)
                self._append(MESSAGE_DELETED.to_conversation(conversation_id, payload))
        return bool(deleted)

    def unread_count(self, user_id: str) -> int:
        """Count the messages that a user has not read, over all conversations that the user takes part in.

        Takes time in proportion to the messages of these conversations.
        """
        message, participant = self._message, self._participant
        query = (
            select(func.count())
            .select_from(message)
            .join(participant, participant.conversation_id == message.conversation_id)
            .where(participant.user_id == user_id, self._is_unread(user_id))
        )
        return self._db.session.execute(query).scalar_one()

    def unread_in(self, conversation_id: SQLColumnExpression[int], user_id: str) -> ScalarSelect[int]:
        """Return how many messages a user has not read in a conversation, as a part of a query about that conversation."""
        message = self._message
        count = select(func.count()).select_from(message)
        return count.where(message.conversation_id == conversation_id, self._is_unread(user_id)).scalar_subquery()

    def _is_unread(self, user_id: str) -> ColumnElement[bool]:
        """Return the condition that a message is another user's and the user has not read it."""
        message, receipt = self._message, self._read_receipt
        read = select(receipt.id).where(receipt.message_id == message.id, receipt.user_id == user_id).exists()
        return and_(message.sender_id != user_id, ~read)

    def _is(self, conversation_id: str, message_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        message = self._message
        return message.id == parse_row_id(message_id), message.conversation_id == parse_row_id(conversation_id)

    def _newest_first(self, viewer_id: str, *conditions: ColumnElement[bool], limit: int) -> list[MessageRecord]:
        message, receipt = self._message, self._read_receipt
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
    """Return the ids that are among the numbers, once each, in their original order."""
    found = {str(number) for number in numbers}
    return tuple(message_id for message_id in dict.fromkeys(message_ids) if message_id in found)


def _as_json(message: MessageRecord) -> Any:
    return stored_message_payload(
        message.id, message.conversation_id, message.sender_id, message.content, message.created_at, message.is_read
    )
