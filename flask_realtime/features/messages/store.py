"""Stores messages in the database, and answers their hook from there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ColumnElement, delete, insert, select, update

from flask_realtime.database.columns import parse_row_id, utc_now
from flask_realtime.database.sessions import committing
from flask_realtime.errors import ConfigError, Forbidden, NotFound
from flask_realtime.features.conversations.models import ConversationMixin, ParticipantMixin
from flask_realtime.features.log import Append
from flask_realtime.features.messages.events import (
    MESSAGE_DELETED,
    MESSAGE_NEW,
    message_deleted_payload,
    stored_message_payload,
)
from flask_realtime.features.messages.hooks import MessageHooks
from flask_realtime.features.messages.models import MessageMixin, MessageSendMixin
from flask_realtime.features.messages.reading import ReadResult
from flask_realtime.features.messages.send_store import MessageKey, SentMessages, StoredMessage
from flask_realtime.features.messages.sending import NewMessage, SentMessage
from flask_realtime.identity import Identity

DEFAULT_PAGE_SIZE = 50


@dataclass(frozen=True)
class MessageRecord:
    """A message as one user sees it.

    `is_read` of the viewer's own message: another user has read it. Of another user's: the viewer has read it.
    `seq` numbers the messages of a conversation from 1 on, in the order of their commits and without gaps; None for one that
    something else than the store has stored. `status` is "sent", "delivered" to all others, or "read" by all others; None where
    receipts are rows.
    """

    id: str
    conversation_id: str
    sender_id: str
    content: str
    created_at: datetime
    is_read: bool = False
    seq: int | None = None
    status: str | None = None


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


class Reads(Protocol):
    """Reads of messages, as far as their store needs them: the receipts of the application's store."""

    @property
    def first_status(self) -> str | None:
        """The status of a message that has just been stored."""

    def is_read(self, viewer_id: str) -> ColumnElement[bool]:
        """Return, as a part of a query about messages, whether the viewer has read one, or another user the viewer's own."""

    def status(self) -> ColumnElement[Any]:
        """Return, as a part of a query about messages, how far one has got, or NULL."""

    def sent(self, conversation: int | None, sender_id: str) -> None:
        """Record that a message is stored; in its transaction."""

    def deleted(self, conversation: int | None, sender_id: str, seq: int | None) -> None:
        """Record that a message is deleted; in the transaction that does so."""

    def mark_read(self, conversation_id: str, user_id: str, message_ids: Sequence[str], up_to: str | None = None) -> ReadResult:
        """Record that a user has read messages, and commit."""

    def unread_count(self, user_id: str) -> int:
        """Count a user's unread messages in all conversations."""


class MessageStore:
    """The messages of one application.

    Args:
        db: The application's Flask-SQLAlchemy object.
        conversation: The model of conversations.
        message: The model of messages.
        participant: The model of the participants of their conversations.
        reads: Who has read what.
        message_send: The model of what clients have sent; None if they send nothing.
        append: Writes an event to the log with the change that it tells of; None if there is no log.
    """

    def __init__(  # noqa: PLR0913 - it works on that many models
        self,
        db: SQLAlchemy,
        *,
        conversation: type[ConversationMixin],
        message: type[MessageMixin],
        participant: type[ParticipantMixin],
        reads: Reads,
        message_send: type[MessageSendMixin] | None = None,
        append: Append | None = None,
    ) -> None:
        self._db = db
        self._message_send = message_send
        self._conversation = conversation
        self._message = message
        self._participant = participant
        self._reads = reads
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
            stored = self._insert(conversation_id, sender_id, content, utc_now())
        return self._new_record(stored, conversation_id, sender_id, content)

    def _insert(self, conversation_id: str, sender_id: str, content: str, now: datetime) -> StoredMessage:
        message, number = self._message, parse_row_id(conversation_id)
        values = {"sender_id": sender_id, "content": content, "created_at": now}
        seq = self._next_seq(number)
        added = insert(message).values(conversation_id=number, seq=seq, **values)
        stored = StoredMessage(self._db.session.execute(added.returning(message.id)).scalar_one(), seq, now)
        self._reads.sent(number, sender_id)
        if self._append is not None:
            record = self._new_record(stored, conversation_id, sender_id, content)
            self._append(MESSAGE_NEW.to_conversation(conversation_id, self._message_json(record)))
        return stored

    def _next_seq(self, number: int | None) -> int:
        """Return the number of a conversation's next message; until the commit, its other writers wait.

        Raises:
            NotFound: The conversation does not exist.
        """
        conversation = self._conversation
        counted = update(conversation).where(conversation.id == number).values(last_seq=conversation.last_seq + 1)
        returning = counted.returning(conversation.last_seq).execution_options(synchronize_session=False)
        seq: int | None = self._db.session.scalars(returning).one_or_none()
        if seq is None:
            raise NotFound
        return seq

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
                stored, content = self._sent_before(sent, key, content)
            else:
                stored = self._insert(conversation_id, sender_id, content, now)
                sent.finish(claim, stored)
        return SendResult(self._new_record(stored, conversation_id, sender_id, content), claim is not None)

    def _new_record(self, stored: StoredMessage, conversation_id: str, sender_id: str, content: str) -> MessageRecord:
        """Return a message as it is when it is stored: nobody has read it."""
        made = (str(stored.number), conversation_id, sender_id, content, stored.created_at)
        return MessageRecord(*made, seq=stored.seq, status=self._reads.first_status)

    def _sent(self) -> SentMessages:
        if self._message_send is None:
            msg = "Sending messages needs a model of what clients have sent: pass message_send to Models, as define_models does."
            raise ConfigError(msg)
        return SentMessages(self._db, self._message_send)

    def _sent_before(self, sent: SentMessages, key: MessageKey, content: str) -> tuple[StoredMessage, str]:
        """Return a message that was sent before, and its content; if it was deleted, the content sent now."""
        stored = sent.find(key)
        found = self._db.session.scalar(select(self._message.content).where(self._message.id == stored.number))
        return stored, content if found is None else found

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
        """Record that a user has read messages, and commit; see `ReceiptStore.mark_read`."""
        return self._reads.mark_read(conversation_id, user_id, message_ids)

    def delete(self, conversation_id: str, message_id: str) -> bool:
        """Delete a message, and commit.

        Returns:
            Whether it existed: of two concurrent calls, one gets True.
        """
        message, conversation = self._message, self._conversation
        locked = select(conversation.id).where(conversation.id == parse_row_id(conversation_id)).with_for_update(key_share=True)
        with committing(self._db):
            number = self._db.session.scalar(locked)  # Two that delete at once would wait for each other's participants.
            removed = delete(message).where(*self._is(conversation_id, message_id)).returning(message.sender_id, message.seq)
            deleted = self._db.session.execute(removed).one_or_none()
            if deleted is not None:
                self._reads.deleted(number, deleted.sender_id, deleted.seq)
                self._log_deletion(conversation_id, message_id)
        return deleted is not None

    def _log_deletion(self, conversation_id: str, message_id: str) -> None:
        if self._append is not None:
            payload = message_deleted_payload(conversation_id, message_id)
            self._append(MESSAGE_DELETED.to_conversation(conversation_id, payload))

    def unread_count(self, user_id: str) -> int:
        """Count the messages that a user has not read, over all conversations that the user takes part in.

        Takes time in proportion to these conversations; with read receipts in rows, to their messages.
        """
        return self._reads.unread_count(user_id)

    def _is(self, conversation_id: str, message_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        message = self._message
        return message.id == parse_row_id(message_id), message.conversation_id == parse_row_id(conversation_id)

    def _newest_first(self, viewer_id: str, *conditions: ColumnElement[bool], limit: int) -> list[MessageRecord]:
        message = self._message
        rows = self._db.session.execute(
            select(
                message.id,
                message.conversation_id,
                message.sender_id,
                message.content,
                message.created_at,
                self._reads.is_read(viewer_id),
                message.seq,
                self._reads.status(),
            )
            .where(*conditions)
            .order_by(message.id.desc())
            .limit(limit)
        )
        return [
            MessageRecord(str(number), str(conversation), sender_id, content, created_at, read, seq, status)
            for number, conversation, sender_id, content, created_at, read, seq, status in rows
        ]


def _as_json(message: MessageRecord) -> Any:
    return stored_message_payload(
        message_id=message.id,
        conversation_id=message.conversation_id,
        seq=message.seq,
        sender_id=message.sender_id,
        content=message.content,
        created_at=message.created_at,
        is_read=message.is_read,
        status=message.status,
    )
