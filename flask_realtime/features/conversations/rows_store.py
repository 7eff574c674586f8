"""Rows of conversations and participants, as the stores of conversations share them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ColumnElement, Update, select, update

from flask_realtime.contract.parsing import MAX_PROBLEMS
from flask_realtime.database.columns import parse_row_id
from flask_realtime.database.users import Users
from flask_realtime.errors import BadRequest, Forbidden, NotFound
from flask_realtime.features.conversations.models import ConversationMixin, ParticipantMixin
from flask_realtime.features.conversations.roles import MODERATOR, NOT_TAKING_PART, OWNER


class LockedConversation(NamedTuple):
    """A conversation whose row is locked until the commit.

    Args:
        number: Its key.
        type: "direct" or "group".
        title: Its title.
        last_seq: The number of its last message.
        participant_count: The number of its participants.
        role: The role of the user on whose behalf it is changed; None for the application itself.
    """

    number: int
    type: str
    title: str | None
    last_seq: int
    participant_count: int
    role: str | None


@dataclass(frozen=True)
class ConversationRows:
    """The tables of conversations and of their participants.

    Args:
        db: The application's Flask-SQLAlchemy object.
        conversation: The model of conversations.
        participant: The model of their participants.
    """

    db: SQLAlchemy
    conversation: type[ConversationMixin]
    participant: type[ParticipantMixin]

    def lock(self, conversation_id: str, by: str | None) -> LockedConversation:
        """Lock a conversation until the commit, so that changes of its members follow each other.

        The update changes nothing: it is the one statement that locks a row on every database.

        Args:
            conversation_id: The conversation.
            by: The user on whose behalf; None for the application itself.

        Raises:
            Forbidden: The user does not take part in it, or there is none.
            NotFound: There is none, and the application itself asks.
        """
        conversation = self.conversation
        locked = update(conversation).where(conversation.id == parse_row_id(conversation_id)).values(last_seq=conversation.last_seq)
        columns = (
            conversation.id,
            conversation.type,
            conversation.title,
            conversation.last_seq,
            conversation.participant_count,
        )
        found = self.db.session.execute(_unsynchronized(locked.returning(*columns))).one_or_none()
        if by is None:
            if found is None:
                raise NotFound
            return LockedConversation(found.id, found.type, found.title, found.last_seq, found.participant_count, None)
        role = self.require_role(conversation_id, by)
        if found is None:
            raise Forbidden(NOT_TAKING_PART)
        return LockedConversation(found.id, found.type, found.title, found.last_seq, found.participant_count, role)

    def require_role(self, conversation_id: str, user_id: str) -> str:
        """Return a user's role in a conversation.

        Raises:
            Forbidden: The user does not take part in it, or there is none.
        """
        role = self.role(conversation_id, user_id)
        if role is None:
            raise Forbidden(NOT_TAKING_PART)
        return role

    def role(self, conversation_id: str, user_id: str) -> str | None:
        """Return a user's role in a conversation, or None if the user does not take part in it."""
        return self.db.session.scalar(select(self.participant.role).where(*self.is_participant(conversation_id, user_id)))

    def is_participant(self, conversation_id: str | int, user_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        """Return the conditions of a participant's row."""
        participant = self.participant
        return participant.conversation_id == parse_row_id(conversation_id), participant.user_id == user_id

    def change(self, statement: Update) -> None:
        """Execute an UPDATE."""
        self.db.session.execute(_unsynchronized(statement))

    def set_role(self, number: int, user_id: str, role: str) -> None:
        """Write a participant's role."""
        self.change(update(self.participant).where(*self.is_participant(number, user_id)).values(role=role))

    def count(self, locked: LockedConversation, more: int) -> None:
        """Count participants who came or went since a conversation was locked; a trigger may have counted the latter already."""
        conversation = self.conversation
        counted = update(conversation).where(conversation.id == locked.number)
        self.change(counted.values(participant_count=locked.participant_count + more))

    def appoint(self, number: int, without: str) -> str | None:
        """Make the oldest moderator, else the oldest member, owner of a conversation that has no other.

        Args:
            number: The conversation.
            without: The former owner, who is none any more.

        Returns:
            The new owner; None if there is another owner, or nobody.
        """
        participant, session = self.participant, self.db.session
        others = (participant.conversation_id == number, participant.user_id != without)
        if session.scalar(select(participant.id).where(*others, participant.role == OWNER).limit(1)) is not None:
            return None
        oldest = select(participant.user_id).where(*others).order_by(participant.id).limit(1)
        successor = session.scalar(oldest.where(participant.role == MODERATOR)) or session.scalar(oldest)
        if successor is not None:
            self.set_role(number, successor, OWNER)
        return successor

    def has_owner(self, number: int) -> bool:
        """Return whether a conversation has an owner."""
        owner = (self.participant.conversation_id == number, self.participant.role == OWNER)
        return self.db.session.scalar(select(self.participant.id).where(*owner).limit(1)) is not None


def _unsynchronized(statement: Any) -> Any:
    return statement.execution_options(synchronize_session=False)


def require_users(users: Users, user_ids: Collection[str], field: str) -> None:
    """Check that users exist, as far as the application's `users` tells.

    Args:
        users: The users.
        user_ids: Their ids.
        field: The field that names them, for the error.

    Raises:
        BadRequest: Some do not; it names them.
    """
    found = users.find(user_ids) if user_ids else {}
    unknown = [user_id for user_id in user_ids if user_id not in found]
    if unknown:
        more = ", ..." if len(unknown) > MAX_PROBLEMS else ""
        msg = f"{field}: no user {', '.join(unknown[:MAX_PROBLEMS])}{more}"
        raise BadRequest(msg)
