"""Stores conversations and their participants in the database, and answers their hooks from there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ColumnElement, ScalarSelect, SQLColumnExpression, insert, select
from sqlalchemy.orm import aliased

from flask_realtime.contract.effects import Emit
from flask_realtime.contract.rooms import user_room
from flask_realtime.database.columns import parse_row_id, utc_now
from flask_realtime.database.sessions import committing
from flask_realtime.features.conversations.events import CONVERSATION_NEW
from flask_realtime.features.conversations.hooks import ConversationHooks
from flask_realtime.features.conversations.models import ConversationMixin, ParticipantMixin
from flask_realtime.features.log import Append
from flask_realtime.identity import Identity

UnreadCount = Callable[[SQLColumnExpression[int], str], ScalarSelect[int]]


@dataclass(frozen=True)
class ConversationRecord:
    """A conversation as one of its participants sees it."""

    id: str
    title: str | None
    created_at: datetime
    participant_ids: tuple[str, ...]
    unread_count: int = 0


class ConversationStore:
    """The conversations of one application.

    Args:
        db: The application's Flask-SQLAlchemy object.
        conversation: The model of conversations.
        participant: The model of their participants.
        unread_count: Returns, as a part of a query, how many messages of a conversation a user has not read.
        append: Writes an event to the log with the change that it tells of; None if there is no log.
    """

    def __init__(
        self,
        db: SQLAlchemy,
        conversation: type[ConversationMixin],
        participant: type[ParticipantMixin],
        unread_count: UnreadCount,
        append: Append | None = None,
    ) -> None:
        self._db = db
        self._conversation = conversation
        self._participant = participant
        self._unread_count = unread_count
        self._append = append
        self._conversation_json: Callable[[ConversationRecord], Any] | None = None

    def register(self, hooks: ConversationHooks, conversation_json: Callable[[ConversationRecord], Any] | None = None) -> None:
        """Register the `authorize_join` hook, which lets only participants join.

        Args:
            hooks: The extension object.
            conversation_json: Returns a new conversation as its participants get it from the log; None if they get nothing.
        """
        self._conversation_json = conversation_json
        hooks.authorize_join(self._may_join)

    def _may_join(self, identity: Identity, conversation_id: str) -> bool:
        return self.has_participant(conversation_id, identity.user_id)

    def create(self, participant_ids: Iterable[str], title: str | None = None) -> ConversationRecord:
        """Create a conversation and commit.

        Args:
            participant_ids: The users who take part; naming one twice is no error.
            title: A name for it, or None.

        Raises:
            NotFound: A user does not exist; raised only where user ids refer to a users table.
        """
        conversation, participant = self._conversation, self._participant
        user_ids = tuple(dict.fromkeys(participant_ids))
        now = utc_now()
        with committing(self._db):
            session = self._db.session
            created = insert(conversation).values(title=title, created_at=now).returning(conversation.id)
            number = session.execute(created).scalar_one()
            rows = [{"conversation_id": number, "user_id": user_id, "created_at": now} for user_id in user_ids]
            session.execute(insert(participant), rows)
            record = ConversationRecord(str(number), title, now, user_ids)
            self._log_new(record)
        return record

    def _log_new(self, record: ConversationRecord) -> None:
        if self._append is None or self._conversation_json is None:
            return
        rooms = tuple(user_room(user_id) for user_id in record.participant_ids)
        self._append(Emit(CONVERSATION_NEW, (self._conversation_json(record),), rooms))

    def exists(self, conversation_id: str) -> bool:
        """Return whether a conversation exists."""
        conversation = self._conversation
        return self._any(conversation.id == parse_row_id(conversation_id))

    def has_participant(self, conversation_id: str, user_id: str) -> bool:
        """Return whether the user takes part in the conversation; False for an unknown one."""
        participant = self._participant
        return self._any(participant.conversation_id == parse_row_id(conversation_id), participant.user_id == user_id)

    def of_user(self, user_id: str, *, before: str | None = None, limit: int | None = None) -> list[ConversationRecord]:
        """Return conversations that a user takes part in, newest first, in two statements.

        With read receipts in rows, counting unread messages takes time in proportion to the messages of these conversations.

        Args:
            user_id: The user.
            before: Return conversations older than the one with this id; None for the newest.
            limit: The maximum number of conversations; None for all.
        """
        conversation, participant = self._conversation, self._participant
        unread = self._unread_count(conversation.id, user_id)
        query = (
            select(conversation.id, conversation.title, conversation.created_at, unread)
            .join(participant, participant.conversation_id == conversation.id)
            .where(participant.user_id == user_id)
            .order_by(participant.conversation_id.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(participant.conversation_id < (parse_row_id(before) or 0))
        rows = self._db.session.execute(query).all()
        participants = self._participants_beside(user_id, rows[-1][0], rows[0][0]) if rows else {}
        return [
            ConversationRecord(str(number), title, created_at, tuple(participants[number]), unread_count)
            for number, title, created_at, unread_count in rows
        ]

    def _participants_beside(self, user_id: str, first: int, last: int) -> dict[int, list[str]]:
        """Map each conversation of the user within a range of ids to its participants, in the order in which they were added."""
        own, every = aliased(self._participant), aliased(self._participant)
        rows = self._db.session.execute(
            select(every.conversation_id, every.user_id)
            .join(own, own.conversation_id == every.conversation_id)
            .where(own.user_id == user_id, own.conversation_id.between(first, last))
            .order_by(every.id)
        )
        participants: dict[int, list[str]] = defaultdict(list)
        for number, participant_id in rows:
            participants[number].append(participant_id)
        return participants

    def _any(self, *conditions: ColumnElement[bool]) -> bool:
        return bool(self._db.session.scalar(select(select(1).where(*conditions).exists())))
