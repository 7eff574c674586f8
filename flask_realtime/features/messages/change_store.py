"""Stores edits and deletions of messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ColumnElement, delete, select, update

from flask_realtime.database.columns import parse_row_id, utc_now
from flask_realtime.database.sessions import committing
from flask_realtime.errors import Forbidden, NotFound
from flask_realtime.features.conversations import MODERATING, NOT_TAKING_PART
from flask_realtime.features.log import Append
from flask_realtime.features.messages.events import (
    MESSAGE_DELETED,
    MESSAGE_NEW,
    MESSAGE_UPDATED,
    message_deleted_payload,
    message_subject,
)
from flask_realtime.features.messages.models import MessageModels
from flask_realtime.features.messages.query_store import MessageQueries
from flask_realtime.features.messages.records import MessageRecord, as_stored
from flask_realtime.features.messages.sending import MessageEdit, MessageReference

AsJSON = Callable[[Sequence[MessageRecord]], list[Any]]
Changed = Callable[["ChangedMessage"], None]


class ChangedMessage:
    """A message that was edited or deleted, as what repeats it is to show it from now on.

    Args:
        message_id: Its id.
        content: Its text; None if it was deleted.
        read: Returns the message, as its sender sees it; called only if something shows it.
        as_json: Returns messages as clients get them.
        first_status: The status of a message that has just been stored.
    """

    def __init__(
        self, message_id: str, content: str | None, read: Callable[[], MessageRecord], as_json: AsJSON, first_status: str | None
    ) -> None:
        self.id = message_id
        self.content = content
        self._read = read
        self._as_json = as_json
        self._first_status = first_status

    @cached_property
    def shown(self) -> Any:
        """Return it as clients get it."""
        return self._as_json([self._record])[0]

    @cached_property
    def _shown_first(self) -> Any:
        return self._as_json([as_stored(self._record, self._first_status)])[0]

    @cached_property
    def _record(self) -> MessageRecord:
        return self._read()

    def revise(self, event: str, _arguments: list[Any]) -> list[Any]:
        """Return the arguments of an event that shows it: what came later, such as reactions, other events tell."""
        return [self._shown_first if event == MESSAGE_NEW.name else self.shown]


class _Message(NamedTuple):
    sender_id: str
    kind: str
    content: str
    created_at: datetime


class MessageChanges:
    """Changes to messages that are there.

    Args:
        db: The application's Flask-SQLAlchemy object.
        models: The models of messages.
        queries: Reads a message as clients get it.
        as_json: Returns messages as clients get them.
        first_status: The status of a message that has just been stored.
        discard: Removes in the current transaction what belongs to a message that is deleted.
        changed: Changes in the current transaction what repeats a message that was edited or deleted.
    """

    def __init__(  # noqa: PLR0913 - what belongs to messages
        self,
        db: SQLAlchemy,
        models: MessageModels,
        *,
        queries: MessageQueries,
        as_json: AsJSON,
        first_status: str | None,
        discard: Callable[[int], None],
        changed: Changed,
    ) -> None:
        self._db = db
        self._models = models
        self._queries = queries
        self._as_json = as_json
        self._first_status = first_status
        self._discard = discard
        self._changed = changed

    def edit(self, user_id: str, edit: MessageEdit, window: timedelta | None, tell: Append) -> MessageRecord:
        """Change a message's content, tell the conversation, and commit; see `MessageArchive.edit_for`."""
        message, this = self._models.message, self._is(edit)
        with committing(self._db):
            self._lock(edit.conversation_id)
            self._require_participant(user_id, edit.conversation_id)
            found = self._find(edit)
            _require_editable(found, user_id, window)
            if found.content != edit.content:  # Otherwise it was edited so before, and the answer was lost.
                changed = update(message).where(*this).values(content=edit.content, edited_at=utc_now()).returning(message.id)
                if self._db.session.scalar(changed.execution_options(synchronize_session=False)) is None:
                    raise _not_found()
            record = self._queries.find(user_id, message.id == parse_row_id(edit.message_id), limit=1)[0]
            if found.content != edit.content:
                edited = self._repeated(record.id, record.content, lambda: record)
                tell(MESSAGE_UPDATED.to_conversation(edit.conversation_id, edited.shown), about=message_subject(record.id))
        return record

    def delete_for(self, user_id: str, reference: MessageReference, tell: Append, *, as_moderator: bool) -> None:
        """Delete a message on behalf of a user, and commit; see `MessageArchive.delete_for`."""
        with committing(self._db):
            conversation_type = self._lock(reference.conversation_id)
            role = self._lock_role(user_id, reference.conversation_id)
            if role is None and not as_moderator:
                raise Forbidden(NOT_TAKING_PART)
            found = self._find(reference)
            if found.sender_id != user_id and not as_moderator:
                _require_moderation(role, conversation_type)
            if not self._remove(reference, tell):
                raise _not_found()

    def delete(self, reference: MessageReference, tell: Append | None) -> bool:
        """Delete a message, commit, and return whether it was there."""
        with committing(self._db):
            self._lock(reference.conversation_id)
            return self._remove(reference, tell)

    def _remove(self, reference: MessageReference, tell: Append | None) -> bool:
        message, mention = self._models.message, self._models.mention
        session = self._db.session
        emptied = update(message).where(*self._is(reference)).values(content="", deleted_at=utc_now())
        found = session.execute(
            emptied.returning(message.id, message.sender_id).execution_options(synchronize_session=False)
        ).one_or_none()
        if found is None:
            return False
        deleted, sender_id = found
        if mention is not None:
            session.execute(delete(mention).where(mention.message_id == deleted).execution_options(synchronize_session=False))
        if tell is not None:
            payload = message_deleted_payload(reference.conversation_id, reference.message_id)
            tell(MESSAGE_DELETED.to_conversation(reference.conversation_id, payload))
        self._discard(deleted)
        self._repeated(str(deleted), None, lambda: self._queries.find(sender_id, message.id == deleted, limit=1)[0])
        return True

    def _repeated(self, message_id: str, content: str | None, read: Callable[[], MessageRecord]) -> ChangedMessage:
        """Change what repeats a message, and return the message as that shows it now."""
        message = ChangedMessage(message_id, content, read, self._as_json, self._first_status)
        self._changed(message)
        return message

    def _lock(self, conversation_id: str) -> str | None:
        """Lock a conversation until the commit, so that nobody shows its last message meanwhile, and return its type.

        The update changes nothing: it is the one statement that locks a row on every database.
        """
        conversation = self._models.conversation
        this = update(conversation).where(conversation.id == parse_row_id(conversation_id))
        locked = this.values(last_seq=conversation.last_seq).returning(conversation.type)
        return self._db.session.scalar(locked.execution_options(synchronize_session=False))

    def _find(self, reference: MessageReference) -> _Message:
        message = self._models.message
        query = select(message.sender_id, message.kind, message.content, message.created_at).where(*self._is(reference))
        found = self._db.session.execute(query).one_or_none()
        if found is None:
            raise _not_found()
        return _Message(*found)

    def _is(self, reference: MessageReference) -> tuple[ColumnElement[bool], ...]:
        message = self._models.message
        this = message.id == parse_row_id(reference.message_id)
        return this, message.conversation_id == parse_row_id(reference.conversation_id), message.deleted_at.is_(None)

    def _require_participant(self, user_id: str, conversation_id: str) -> None:
        if self._lock_role(user_id, conversation_id) is None:
            raise Forbidden(NOT_TAKING_PART)

    def _lock_role(self, user_id: str, conversation_id: str) -> str | None:
        """Return a user's role in a conversation, and keep it until the commit; None for one who takes no part."""
        participant = self._models.participant
        own = (participant.conversation_id == parse_row_id(conversation_id), participant.user_id == user_id)
        locked = update(participant).where(*own).values(role=participant.role).returning(participant.role)
        return self._db.session.scalar(locked.execution_options(synchronize_session=False))


def _require_editable(found: _Message, user_id: str, window: timedelta | None) -> None:
    if found.sender_id != user_id:
        msg = "Only its sender may edit a message"
        raise Forbidden(msg)
    if found.kind != "text":
        msg = f"A message of the kind {found.kind} cannot be edited"
        raise Forbidden(msg)
    if window is not None and found.created_at + window < utc_now():
        msg = f"A message can be edited for {window.total_seconds():g} seconds after it was sent"
        raise Forbidden(msg)


def _require_moderation(role: str | None, conversation_type: str | None) -> None:
    """Check that a role may delete the messages of others; two who speak with each other are equals."""
    if conversation_type == "direct":
        msg = "In a direct conversation only its sender may delete a message"
        raise Forbidden(msg)
    if role not in MODERATING:
        msg = "Only its sender, a moderator or an owner may delete a message"
        raise Forbidden(msg)


def _not_found() -> NotFound:
    return NotFound("Message not found")
