"""Stores messages in the database, and answers their hooks from there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ColumnElement, insert, select, update

from flask_realtime.database.columns import parse_row_id, utc_now
from flask_realtime.database.sessions import committing
from flask_realtime.database.users import Users
from flask_realtime.errors import ConfigError, Forbidden, NotFound
from flask_realtime.features.conversations import NOT_TAKING_PART
from flask_realtime.features.conversations.models import ParticipantMixin
from flask_realtime.features.log import Append
from flask_realtime.features.messages.change_store import Changed, MessageChanges
from flask_realtime.features.messages.events import MESSAGE_NEW, message_subject, stored_message_payload
from flask_realtime.features.messages.everyone_store import Everyone, Notify, Postpone, Progress
from flask_realtime.features.messages.hooks import MESSAGE_ARCHIVE, MessageHooks
from flask_realtime.features.messages.mention_store import Mentions
from flask_realtime.features.messages.models import MentionMixin, MessageModels
from flask_realtime.features.messages.query_store import MessageQueries, Reactions, ReadState
from flask_realtime.features.messages.reading import ReadResult
from flask_realtime.features.messages.records import (
    DEFAULT_PAGE_SIZE,
    MessagePage,
    MessageRecord,
    PageRequest,
    SendResult,
    as_stored,
)
from flask_realtime.features.messages.send_store import MessageKey, SentMessages, StoredMessage
from flask_realtime.features.messages.sending import MessageEdit, MessageReference, NewMessage, SentMessage
from flask_realtime.features.messages.thread_store import Threads
from flask_realtime.identity import Identity

MessageJSON = Callable[[MessageRecord], Any]


class Reads(ReadState, Protocol):
    """Reads of messages, as far as their store needs them: the receipts of the application's store."""

    @property
    def first_status(self) -> str | None:
        """The status of a message that has just been stored."""

    def is_unread_mention(self, mention: type[MentionMixin], participant: type[ParticipantMixin]) -> ColumnElement[bool]:
        """Return, as a part of a query, whether a participant has not read the message of a mention."""

    def sent(self, conversation: int | None, sender_id: str) -> None:
        """Record that a message is stored; in its transaction."""

    def mark_read(self, conversation_id: str, user_id: str, message_ids: Sequence[str], up_to: str | None = None) -> ReadResult:
        """Record that a user has read messages, and commit."""

    def unread_count(self, user_id: str) -> int:
        """Count a user's unread messages in all conversations."""


class MessageStore:
    """The messages of one application.

    Args:
        db: The application's Flask-SQLAlchemy object.
        models: The models that it works on.
        reads: Who has read what.
        users: What clients see of senders.
        tell: Sends an event with the change that it tells of: from the log, or after the commit.
        append: Writes an event to the log; None if there is no log, and `add`, `send` and `delete` tell nobody.
        reactions: Returns the reactions to messages; None if there are none.
        discard: Removes in the current transaction what belongs to a message that is deleted.
        changed: Changes in the current transaction what repeats a message that was edited or deleted.
        notify: Notifies mentioned users, in the current transaction; None if nobody is notified.
        postpone: Lets most of those be notified later whom a message to everyone mentions; None to notify all with the message.
        stored: Hears of each new message after its commit.
    """

    def __init__(  # noqa: PLR0913 - what messages consist of
        self,
        db: SQLAlchemy,
        models: MessageModels,
        *,
        reads: Reads,
        users: Users,
        tell: Append,
        append: Append | None = None,
        reactions: Reactions | None = None,
        discard: Callable[[int], None],
        changed: Changed,
        notify: Notify | None = None,
        postpone: Postpone | None = None,
        stored: Callable[[MessageRecord], None],
    ) -> None:
        self._db = db
        self._stored = stored
        self._models = models
        self._reads = reads
        self._users = users
        self._append = append
        self._message_json: MessageJSON | None = None
        self._everyone = None if notify is None else Everyone(db, models, notify, postpone)
        self._mentions = Mentions(db, models, notify, self._everyone, reads.is_unread_mention)
        self._threads = Threads(db, models.message, tell)
        self._queries = MessageQueries(db, models.message, models.mention, reads, reactions)
        self._changes = MessageChanges(
            db,
            models,
            queries=self._queries,
            as_json=self.as_json,
            first_status=reads.first_status,
            discard=discard,
            changed=changed,
        )
        self._tell = tell

    @property
    def logged_by_hooks(self) -> tuple[str, ...]:
        """Return the events that the hook writes to the log, so that its handler does not send them."""
        return () if self._append is None or self._models.message_send is None else (MESSAGE_NEW.name,)

    def register(self, hooks: MessageHooks, message_json: MessageJSON | None = None) -> None:
        """Register the hook that stores what clients send, unless there is no model for it, and the archive.

        Args:
            hooks: The extension object.
            message_json: Returns a message as clients get it; by default an object of the record's fields.
        """
        self._message_json = message_json
        hooks.hook(MESSAGE_ARCHIVE)(lambda: self)
        if self._models.message_send is not None:
            hooks.on_message_send(self._send_for)

    def _send_for(self, identity: Identity, message: NewMessage) -> SentMessage:
        result, shown = self._send(identity.user_id, message, by_participant=True)
        return SentMessage(self.as_json([result.message])[0] if shown is None else shown, result.is_new)

    def as_json(self, messages: Sequence[MessageRecord]) -> list[Any]:
        """Return messages as clients get them."""
        if self._message_json is not None:
            return [self._message_json(message) for message in messages]
        senders = self._users.of(message.sender_id for message in messages)
        return [stored_message_payload(message, senders[message.sender_id]) for message in messages]

    def add(self, conversation_id: str, sender_id: str, content: str) -> MessageRecord:
        """Store a message and commit. The caller first checks that the sender may write there.

        Raises:
            NotFound: The conversation or the user does not exist.
        """
        with committing(self._db):
            record, _ = self._insert(NewMessage(conversation_id, "", content), sender_id, utc_now())
        self._stored(record)
        return record

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
        return self._send(sender_id, NewMessage(conversation_id, client_id, content), by_participant=False)[0]

    def _send(self, sender_id: str, message: NewMessage, *, by_participant: bool) -> tuple[SendResult, Any]:
        """Send a message, and return the result, and the message as the log has it; None where it has not."""
        sent, key = self._sent(), (parse_row_id(message.conversation_id), sender_id, message.client_id)
        if by_participant and not self._takes_part(*key[:2]):  # Before anything is written for a stranger.
            raise Forbidden(NOT_TAKING_PART)
        now = utc_now()
        with committing(self._db):
            claim = sent.claim(key, now)
            if claim is None:
                return SendResult(self._sent_before(sent, key, message), is_new=False), None
            if by_participant:
                self._check(sender_id, message)
            stored, shown = self._insert(message, sender_id, now)
            sent.finish(claim, StoredMessage(int(stored.id), stored.seq, now))
        self._stored(stored)
        return SendResult(stored, is_new=True), shown

    def _check(self, sender_id: str, message: NewMessage) -> None:
        """Check a message that is about to be stored; until the commit, its sender stays in the conversation."""
        participant, number = self._models.participant, parse_row_id(message.conversation_id)
        own = (participant.conversation_id == number, participant.user_id == sender_id)
        role = self._db.session.scalar(select(participant.role).where(*own).with_for_update(read=True, key_share=True))
        if role is None:
            raise Forbidden(NOT_TAKING_PART)
        self._threads.check(message)
        self._mentions.check(message, role)

    def _insert(self, message: NewMessage, sender_id: str, now: datetime) -> tuple[MessageRecord, Any]:
        """Store a message and what belongs to it, and return it, and what is written to the log; None if there is none."""
        model, number = self._models.message, parse_row_id(message.conversation_id)
        seq = self._next_seq(number, now)
        values = {
            "conversation_id": number,
            "seq": seq,
            "sender_id": sender_id,
            "content": message.content,
            "created_at": now,
            "client_id": message.client_id or None,
            "reply_to": message.reply_to and parse_row_id(message.reply_to),
            "thread_id": message.thread_id and parse_row_id(message.thread_id),
        }
        added = self._db.session.execute(insert(model).values(values).returning(model.id)).scalar_one()
        self._reads.sent(number, sender_id)
        record = MessageRecord(
            str(added),
            message.conversation_id,
            sender_id,
            message.content,
            now,
            seq=seq,
            status=self._reads.first_status,
            client_id=message.client_id or None,
            reply_to=message.reply_to,
            thread_id=message.thread_id,
            mentions=message.mentions,
        )
        self._mentions.add(record)
        shown = None
        if self._append is not None:
            (shown,) = self.as_json([record])
            self._append(MESSAGE_NEW.to_conversation(record.conversation_id, shown), about=message_subject(record.id))
        self._threads.added(record)
        return record, shown

    def _next_seq(self, number: int | None, now: datetime) -> int:
        """Return the number of a conversation's next message; until the commit, its other writers wait.

        Raises:
            NotFound: The conversation does not exist.
        """
        conversation = self._models.conversation
        values = {"last_seq": conversation.last_seq + 1, "active_at": now}
        counted = update(conversation).where(conversation.id == number).values(values)
        returning = counted.returning(conversation.last_seq).execution_options(synchronize_session=False)
        seq: int | None = self._db.session.scalars(returning).one_or_none()
        if seq is None:
            raise NotFound
        return seq

    def _sent(self) -> SentMessages:
        if self._models.message_send is None:
            msg = "Sending messages needs a model of what clients have sent: pass message_send to Models, as define_models does."
            raise ConfigError(msg)
        return SentMessages(self._db, self._models.message_send)

    def _sent_before(self, sent: SentMessages, key: MessageKey, message: NewMessage) -> MessageRecord:
        """Return a message that was sent before as it was stored then."""
        stored = sent.find(key)
        found = self._queries.find(key[1], self._models.message.id == stored.number, limit=1)
        if not found or found[0].deleted_at is not None:
            told = (str(stored.number), message.conversation_id, key[1], message.content, stored.created_at)
            return MessageRecord(*told, seq=stored.seq, status=self._reads.first_status, client_id=message.client_id)
        return as_stored(found[0], self._reads.first_status)

    def _takes_part(self, conversation: int | None, user_id: str) -> bool:
        participant = self._models.participant
        taking_part = (participant.conversation_id == conversation, participant.user_id == user_id)
        return bool(self._db.session.scalar(select(select(1).where(*taking_part).exists())))

    def get(self, conversation_id: str, message_id: str, viewer_id: str) -> MessageRecord | None:
        """Return a message as the viewer sees it, or None if the conversation does not hold it."""
        found = self._queries.find(viewer_id, *self._is(conversation_id, message_id), limit=1)
        return found[0] if found else None

    def by_ids(self, message_ids: Sequence[str], viewer_id: str) -> list[MessageRecord]:
        """Return messages as the viewer sees them, in the order of the ids; without those that there are not.

        The caller first checks that the viewer may read them.

        Args:
            message_ids: The ids.
            viewer_id: The user for whom `is_read` is set.
        """
        numbers = {number for number in map(parse_row_id, message_ids) if number is not None}
        if not numbers:
            return []
        found = self._queries.find(viewer_id, self._models.message.id.in_(numbers), limit=len(numbers))
        records = {record.id: record for record in found}
        return [records[message_id] for message_id in message_ids if message_id in records]

    def page(
        self,
        conversation_id: str,
        viewer_id: str,
        *,
        before: str | None = None,
        limit: int = DEFAULT_PAGE_SIZE,
    ) -> MessagePage:
        """Return a page of a conversation as the viewer sees it, without the replies in threads.

        Args:
            conversation_id: The conversation.
            viewer_id: The user for whom `is_read` is set.
            before: Return messages older than the one with this id; None for the newest. A value that is not an id
                gives an empty page.
            limit: The maximum number of messages.
        """
        return self._queries.page(conversation_id, viewer_id, PageRequest(before=before, limit=limit))

    def page_for(self, user_id: str, conversation_id: str, request: PageRequest) -> MessagePage:
        """Return a page of a conversation as a participant sees it.

        Raises:
            NotFound: There is no such conversation.
            Forbidden: The user takes no part in it.
        """
        conversation, number = self._models.conversation, parse_row_id(conversation_id)
        if not self._takes_part(number, user_id):
            exists = self._db.session.scalar(select(conversation.id).where(conversation.id == number))
            raise NotFound("Conversation not found") if exists is None else Forbidden(NOT_TAKING_PART)
        return self._queries.page(conversation_id, user_id, request)

    def newest_outside_threads(self, viewer_id: str, conversation_ids: Collection[str]) -> Mapping[str, MessageRecord]:
        """Map conversations that have messages to the newest one that is in no thread, as the viewer sees it."""
        return self._queries.newest_outside_threads(viewer_id, conversation_ids)

    def mention_counts(self, user_id: str, conversation_ids: Collection[str]) -> Mapping[str, int]:
        """Map conversations to the number of unread messages there that mention a user."""
        return self._mentions.counts(user_id, conversation_ids)

    def notify_more(self, message_id: str, progress: Progress) -> Progress | None:
        """Notify some more of everyone, whom a message mentions, in the current transaction; see `Everyone.go_on`."""
        return None if self._everyone is None else self._everyone.go_on(message_id, progress)

    def mark_read(self, conversation_id: str, user_id: str, message_ids: Sequence[str]) -> ReadResult:
        """Record that a user has read messages, and commit; see `ReceiptStore.mark_read`."""
        return self._reads.mark_read(conversation_id, user_id, message_ids)

    def edit_for(self, user_id: str, edit: MessageEdit, window: timedelta | None) -> MessageRecord:
        """Change the content of a user's own message, tell the conversation, and commit; see `MessageArchive`."""
        return self._changes.edit(user_id, edit, window, self._tell)

    def delete(self, conversation_id: str, message_id: str) -> bool:
        """Delete a message's content, and commit; the message stays in its place, with the time of its deletion.

        The log and the notifications of mentions, which repeat the content, lose it too.

        Returns:
            Whether it existed: of two concurrent calls, one gets True.
        """
        return self._changes.delete(MessageReference(conversation_id, message_id), self._append)

    def delete_for(self, user_id: str, message: MessageReference, *, as_moderator: bool) -> None:
        """Delete a message on behalf of a user, tell the conversation, and commit; see `MessageArchive`."""
        self._changes.delete_for(user_id, message, self._tell, as_moderator=as_moderator)

    def unread_count(self, user_id: str) -> int:
        """Count the messages that a user has not read, over all conversations that the user takes part in.

        Takes time in proportion to these conversations; with read receipts in rows, to their messages.
        """
        return self._reads.unread_count(user_id)

    def _is(self, conversation_id: str, message_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        message = self._models.message
        return message.id == parse_row_id(message_id), message.conversation_id == parse_row_id(conversation_id)
