"""Stores edits and deletions of messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ColumnElement, delete, select, update

from flask_realtime.contract.effects import Emit
from flask_realtime.database.columns import parse_row_id, utc_now
from flask_realtime.database.sessions import committing
from flask_realtime.errors import Forbidden, NotFound
from flask_realtime.features.conversations import MODERATING, NOT_TAKING_PART
from flask_realtime.features.messages.events import MESSAGE_DELETED, MESSAGE_UPDATED, message_deleted_payload
from flask_realtime.features.messages.models import MessageModels
from flask_realtime.features.messages.query_store import MessageQueries
from flask_realtime.features.messages.records import MessageRecord
from flask_realtime.features.messages.sending import MessageEdit, MessageReference

Tell = Callable[[Emit], None]


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
        discard: Removes in the current transaction what belongs to a message that is deleted.
    """

    def __init__(
        self,
        db: SQLAlchemy,
        models: MessageModels,
        *,
        queries: MessageQueries,
        as_json: Callable[[Sequence[MessageRecord]], list[Any]],
        discard: Callable[[int], None] | None,
    ) -> None:
        self._db = db
        self._models = models
        self._queries = queries
        self._as_json = as_json
        self._discard = discard

    def edit(self, user_id: str, edit: MessageEdit, window: timedelta | None, tell: Tell) -> MessageRecord:
        """Change a message's content, tell the conversation, and commit; see `MessageArchive.edit_for`."""
        message, this = self._models.message, self._is(edit)
        with committing(self._db):
            self._require_participant(user_id, edit.conversation_id)
            found = self._find(edit)
            _require_editable(found, user_id, window)
            if found.content != edit.content:  # Otherwise it was edited so before, and the answer was lost.
                changed = update(message).where(*this).values(content=edit.content, edited_at=utc_now()).returning(message.id)
                if self._db.session.scalar(changed.execution_options(synchronize_session=False)) is None:
                    raise _not_found()
            record = self._queries.find(user_id, message.id == parse_row_id(edit.message_id), limit=1)[0]
            if found.content != edit.content:
                tell(MESSAGE_UPDATED.to_conversation(edit.conversation_id, self._as_json([record])[0]))
        return record

    def delete_for(self, user_id: str, reference: MessageReference, tell: Tell, *, as_moderator: bool) -> None:
        """Delete a message on behalf of a user, and commit; see `MessageArchive.delete_for`."""
        with committing(self._db):
            role = self._lock_role(user_id, reference.conversation_id)
            if role is None and not as_moderator:
                raise Forbidden(NOT_TAKING_PART)
            found = self._find(reference)
            if found.sender_id != user_id and not as_moderator and not self._may_moderate(role, reference.conversation_id):
                msg = "Only its sender, a moderator or an owner may delete a message"
                raise Forbidden(msg)
            if not self._remove(reference, tell):
                raise _not_found()

    def delete(self, reference: MessageReference, tell: Tell | None) -> bool:
        """Delete a message, commit, and return whether it was there."""
        with committing(self._db):
            return self._remove(reference, tell)

    def _remove(self, reference: MessageReference, tell: Tell | None) -> bool:
        message, mention = self._models.message, self._models.mention
        session = self._db.session
        emptied = update(message).where(*self._is(reference)).values(content="", deleted_at=utc_now())
        deleted = session.scalar(emptied.returning(message.id).execution_options(synchronize_session=False))
        if deleted is None:
            return False
        if mention is not None:
            session.execute(delete(mention).where(mention.message_id == deleted).execution_options(synchronize_session=False))
        if self._discard is not None:
            self._discard(deleted)
        if tell is not None:
            payload = message_deleted_payload(reference.conversation_id, reference.message_id)
            tell(MESSAGE_DELETED.to_conversation(reference.conversation_id, payload))
        return True

    def _may_moderate(self, role: str | None, conversation_id: str) -> bool:
        """Return whether a role may delete the messages of others; two who speak with each other are equals."""
        conversation = self._models.conversation
        of_kind = select(conversation.type).where(conversation.id == parse_row_id(conversation_id))
        return role in MODERATING and self._db.session.scalar(of_kind) != "direct"

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
        """Return a user's role in a conversation, and keep it until the commit; None for one who takes no part.

        The update changes nothing: it is the one statement that locks a row on every database.
        """
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


def _not_found() -> NotFound:
    return NotFound("Message not found")
