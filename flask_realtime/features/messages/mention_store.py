"""Stores whom messages mention, and counts the mentions that a user has not read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ColumnElement, func, insert, or_, select

from flask_realtime.database.columns import parse_row_id
from flask_realtime.errors import BadRequest, Forbidden
from flask_realtime.features.conversations import MODERATING
from flask_realtime.features.conversations.models import ParticipantMixin
from flask_realtime.features.messages.everyone_store import Everyone, Notify
from flask_realtime.features.messages.models import MentionMixin, MessageModels
from flask_realtime.features.messages.records import MessageRecord
from flask_realtime.features.messages.sending import EVERYONE, NewMessage

IsUnread = Callable[[type[MentionMixin], type[ParticipantMixin]], ColumnElement[bool]]


class Mentions:
    """Rows of mentions.

    Args:
        db: The application's Flask-SQLAlchemy object.
        models: The models of messages, of mentions and of participants.
        notify: Notifies mentioned users; None if nobody is notified.
        everyone: Notifies everyone in a conversation; None if nobody is notified.
        is_unread: Returns, as a part of a query, whether a participant has not read the message of a mention.
    """

    def __init__(
        self, db: SQLAlchemy, models: MessageModels, notify: Notify | None, everyone: Everyone | None, is_unread: IsUnread
    ) -> None:
        self._db = db
        self._models = models
        self._notify = notify
        self._everyone = everyone
        self._is_unread = is_unread

    def check(self, message: NewMessage, role: str) -> None:
        """Check whom a message mentions.

        Args:
            message: The message.
            role: The role of its sender.

        Raises:
            BadRequest: Somebody whom it mentions takes no part in the conversation.
            Forbidden: It mentions everyone, and its sender may not.
        """
        if not message.mentions:
            return
        if self._models.mention is None:
            msg = "mentions is not supported: the store has no model of mentions"
            raise BadRequest(msg)
        if EVERYONE in message.mentions and role not in MODERATING:
            msg = f"mentions: only moderators and owners may mention everyone ({EVERYONE})"
            raise Forbidden(msg)
        participant, named = self._models.participant, [user_id for user_id in message.mentions if user_id != EVERYONE]
        among = (participant.conversation_id == parse_row_id(message.conversation_id), participant.user_id.in_(named))
        found = set(self._db.session.scalars(select(participant.user_id).where(*among))) if named else set()
        strangers = [user_id for user_id in named if user_id not in found]
        if strangers:
            msg = f"mentions: {', '.join(strangers)} does not take part in this conversation"
            raise BadRequest(msg)

    def add(self, message: MessageRecord) -> None:
        """Store whom a message mentions, and notify them, in the transaction that stores it; most of everyone after that."""
        mention = self._models.mention
        if mention is None or not message.mentions:
            return
        shared = {
            "conversation_id": parse_row_id(message.conversation_id),
            "message_id": int(message.id),
            "sender_id": message.sender_id,
            "seq": message.seq,
            "created_at": message.created_at,
        }
        rows = [{**shared, "user_id": None if user_id == EVERYONE else user_id} for user_id in message.mentions]
        self._db.session.execute(insert(mention), rows)
        if EVERYONE in message.mentions:
            if self._everyone is not None:
                self._everyone.begin(message)
        elif self._notify is not None:
            notified = self._to_be_notified(message)
            if notified:
                self._notify(message, notified)

    def _to_be_notified(self, message: MessageRecord) -> Sequence[str]:
        participant = self._models.participant
        conditions = [
            participant.conversation_id == parse_row_id(message.conversation_id),
            participant.user_id != message.sender_id,
            participant.is_muted.is_(False),
            or_(participant.muted_until.is_(None), participant.muted_until <= message.created_at),
            participant.user_id.in_(message.mentions),
        ]
        return self._db.session.scalars(select(participant.user_id).where(*conditions).order_by(participant.id)).all()

    def counts(self, user_id: str, conversation_ids: Collection[str]) -> dict[str, int]:
        """Map conversations to the number of unread messages there that mention a user, where there are any."""
        mention, participant = self._models.mention, self._models.participant
        numbers = [number for number in map(parse_row_id, conversation_ids) if number is not None]
        if mention is None or not numbers:
            return {}
        query = (
            select(participant.conversation_id, func.count(mention.seq.distinct()))
            .join(mention, mention.conversation_id == participant.conversation_id)
            .where(
                participant.user_id == user_id,
                participant.conversation_id.in_(numbers),
                self._is_unread(mention, participant),
                mention.sender_id != user_id,
                or_(mention.user_id == user_id, mention.user_id.is_(None)),
            )
            .group_by(participant.conversation_id)
        )
        return {str(number): int(count) for number, count in self._db.session.execute(query)}
