"""Stores how far each participant has got in a conversation: two cursors, so that no count grows with the messages.

::

    seq      1   2   3   4   5   6   7      last_seq = 7
    sender   b   b   a   b   -   b   a      5 was deleted

    of a:    read_seq = 2, delivered_seq = 4
             uncounted = 3                  after read_seq, 3 and 7 are a's own, and 5 is gone
             unread = 7 - 2 - 3 = 2         4 and 6

`uncounted` is kept by whatever changes it: sending and deleting add one, reading takes away what the cursor passes. A cursor that
reaches the end sets it to 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ColumnElement, ScalarSelect, SQLColumnExpression, Update, case, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, aliased

from flask_realtime.database.columns import parse_row_id, utc_now
from flask_realtime.database.sessions import committing
from flask_realtime.features.conversations.models import ConversationMixin, ParticipantMixin
from flask_realtime.features.messages import ReadResult
from flask_realtime.features.messages.models import MessageMixin
from flask_realtime.features.receipts.seen import MAX_MESSAGE_IDS, DeliveryResult, LogReceipt, in_order


class _Goal(NamedTuple):
    """A message that a user's cursor is to reach.

    Args:
        conversation: Its conversation.
        user_id: The user.
        number: Its id.
        seq: Its place in the conversation.
    """

    conversation: int | None
    user_id: str
    number: int
    seq: int


class _Place(NamedTuple):
    """A participant's cursors.

    Args:
        read_seq: The last message that is read.
        delivered_seq: The last message that is delivered.
        uncounted: How many messages after the former are not unread.
    """

    read_seq: int
    delivered_seq: int
    uncounted: int


class _Move(NamedTuple):
    """A move of a user's cursor.

    Args:
        goal: Where to.
        requested: Those of the requested messages that the user can read.
        before: The participant's cursors before, or None if this one was there already.
    """

    goal: _Goal
    requested: tuple[str, ...]
    before: _Place | None


class Cursors:
    """The cursors of the participants.

    Args:
        db: The application's Flask-SQLAlchemy object.
        conversation: The model of conversations.
        participant: The model of their participants.
        message: The model of messages.
        log: Writes a receipt to the log, if there is one.
    """

    def __init__(
        self,
        db: SQLAlchemy,
        *,
        conversation: type[ConversationMixin],
        participant: type[ParticipantMixin],
        message: type[MessageMixin],
        log: LogReceipt,
    ) -> None:
        self._db = db
        self._log = log
        self._conversation = conversation
        self._participant = participant
        self._message = message
        self.first_status: str | None = "sent"

    def is_read(self, viewer_id: str) -> ColumnElement[bool]:
        """Return, as a part of a query about messages, whether the viewer has read one, or another user the viewer's own."""
        message, other, viewer = self._message, aliased(self._participant), aliased(self._participant)
        by_others = (other.conversation_id == message.conversation_id, other.user_id != viewer_id, other.read_seq >= message.seq)
        by_viewer = (viewer.conversation_id == message.conversation_id, viewer.user_id == viewer_id, viewer.read_seq >= message.seq)
        return case(
            (message.sender_id == viewer_id, select(other.id).where(*by_others).exists()),
            else_=select(viewer.id).where(*by_viewer).exists(),
        )

    def status(self) -> ColumnElement[str]:
        """Return, as a part of a query about messages, how far one has got with all users but its sender."""
        message, other = self._message, aliased(self._participant)

        def some(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
            others = (other.conversation_id == message.conversation_id, other.user_id != message.sender_id)
            return select(other.id).where(*others, *conditions).exists()

        return case(
            (message.seq.is_(None) | ~some(), "sent"),
            (~some(other.read_seq < message.seq), "read"),
            (~some(other.delivered_seq < message.seq), "delivered"),
            else_="sent",
        )

    def unread_in(self, conversation_id: SQLColumnExpression[int], user_id: str) -> ScalarSelect[int]:
        """Return how many messages a user has not read in a conversation, as a part of a query about that conversation."""
        participant, conversation = aliased(self._participant), aliased(self._conversation)
        unread = select(_unread(conversation, participant)).select_from(participant)
        counted = unread.join(conversation, conversation.id == participant.conversation_id)
        return counted.where(participant.conversation_id == conversation_id, participant.user_id == user_id).scalar_subquery()

    def unread_counts(self, user_id: str) -> dict[int, int]:
        """Map each conversation of a user with unread messages to their number."""
        conversation, participant = self._conversation, self._participant
        unread = _unread(conversation, participant)
        counts = select(conversation.id, unread).select_from(participant)
        of_user = counts.join(conversation, conversation.id == participant.conversation_id).where(participant.user_id == user_id)
        return {number: count for number, count in self._db.session.execute(of_user) if count}

    def unread_count(self, user_id: str) -> int:
        """Count a user's unread messages in all conversations."""
        conversation, participant = self._conversation, self._participant
        unread = select(func.coalesce(func.sum(_unread(conversation, participant)), 0)).select_from(participant)
        of_user = unread.join(conversation, conversation.id == participant.conversation_id).where(participant.user_id == user_id)
        return int(self._db.session.scalar(of_user) or 0)

    def sent(self, conversation: int | None, sender_id: str) -> None:
        """Count a message as the sender's own; in the transaction that stores it."""
        participant = self._participant
        own = (participant.conversation_id == conversation, participant.user_id == sender_id)
        self._execute(update(participant).where(*own).values(uncounted=participant.uncounted + 1))

    def deleted(self, conversation: int | None, sender_id: str, seq: int | None) -> None:
        """Count a message no more with those who have not read it; in the transaction that deletes it."""
        participant = self._participant
        unread = (participant.conversation_id == conversation, participant.user_id != sender_id, participant.read_seq < seq)
        self._execute(update(participant).where(*unread).values(uncounted=participant.uncounted + 1))

    def mark_read(self, conversation_id: str, user_id: str, message_ids: Sequence[str], up_to: str | None = None) -> ReadResult:
        """Move a user's read cursor, and commit; see `ReceiptStore.mark_read`."""
        with committing(self._db):
            move = self._move(self._participant.read_seq, conversation_id, user_id, message_ids, up_to)
            if move is None or move.before is None:
                return ReadResult(() if move is None else move.requested, ())
            most = max(MAX_MESSAGE_IDS, len(move.requested))
            newly_read = self._passed(move.goal, move.before.read_seq, most)
            last_seq, participants = self._size(move.goal.conversation)
            uncounted = self._uncounted(move.goal, move.before, last_seq)
            self._set(move.goal, move.before, read=True, uncounted=uncounted)
            unread = max(0, last_seq - move.goal.seq - uncounted)
            read = newly_read if up_to is not None else move.requested
            told = (str(move.goal.number), move.goal.seq, participants, unread) if newly_read else ()
            result = ReadResult(read, newly_read, *told)
            self._log(conversation_id, user_id, result)
        return result

    def mark_delivered(
        self, conversation_id: str, user_id: str, message_ids: Sequence[str], up_to: str | None = None
    ) -> DeliveryResult:
        """Move a user's delivery cursor, and commit; see `ReceiptStore.mark_delivered`."""
        with committing(self._db):
            move = self._move(self._participant.delivered_seq, conversation_id, user_id, message_ids, up_to)
            if move is None or move.before is None:
                return DeliveryResult(() if move is None else move.requested, ())
            most = max(MAX_MESSAGE_IDS, len(move.requested))
            newly_delivered = self._passed(move.goal, move.before.delivered_seq, most)
            _, participants = self._size(move.goal.conversation)
            self._set(move.goal, move.before, read=False, uncounted=move.before.uncounted)
            delivered = newly_delivered if up_to is not None else move.requested
            told = (str(move.goal.number), move.goal.seq, participants) if newly_delivered else ()
            result = DeliveryResult(delivered, newly_delivered, *told)
            self._log(conversation_id, user_id, result)
        return result

    def _move(
        self,
        cursor: InstrumentedAttribute[int],
        conversation_id: str,
        user_id: str,
        message_ids: Sequence[str],
        up_to: str | None,
    ) -> _Move | None:
        """Find where a cursor is to be moved, and lock its row; None if the user takes no part, or names no message."""
        participant, conversation = self._participant, parse_row_id(conversation_id)
        own = (participant.conversation_id == conversation, participant.user_id == user_id)
        now_at = self._db.session.scalar(select(cursor).where(*own))
        found = self._named(conversation, user_id, message_ids) if up_to is None else self._up_to(conversation, up_to)
        if now_at is None or not found:
            return None
        number, seq = found[-1]
        goal = _Goal(conversation, user_id, number, seq)
        requested = in_order(message_ids, (each for each, _ in found))
        before = self._lock(cursor, own, seq) if now_at < seq else None
        return _Move(goal, requested, before)

    def _named(self, conversation: int | None, user_id: str, message_ids: Sequence[str]) -> list[tuple[int, int]]:
        """Return the messages of others that are named, in order."""
        message = self._message
        numbers = [number for number in map(parse_row_id, message_ids) if number is not None]
        named = (message.conversation_id == conversation, message.id.in_(numbers), message.sender_id != user_id)
        query = select(message.id, message.seq).where(*named, message.seq.is_not(None)).order_by(message.seq)
        return [(number, seq or 0) for number, seq in self._db.session.execute(query)]

    def _up_to(self, conversation: int | None, up_to: str) -> list[tuple[int, int]]:
        """Return the last message up to an id, which may have been deleted."""
        message = self._message
        before = (message.conversation_id == conversation, message.id <= (parse_row_id(up_to) or 0), message.seq.is_not(None))
        query = select(message.id, message.seq).where(*before).order_by(message.id.desc()).limit(1)
        return [(number, seq or 0) for number, seq in self._db.session.execute(query)]

    def _lock(self, cursor: InstrumentedAttribute[int], own: tuple[ColumnElement[bool], ...], seq: int) -> _Place | None:
        """Lock a participant's row until the commit, and return it; None if another device was first.

        The update changes nothing: it is the one statement that locks a row on every database.
        """
        participant = self._participant
        locked = update(participant).where(*own, cursor < seq).values(uncounted=participant.uncounted)
        returning = locked.returning(participant.read_seq, participant.delivered_seq, participant.uncounted)
        found = self._db.session.execute(returning.execution_options(synchronize_session=False)).one_or_none()
        return None if found is None else _Place(*found)

    def _passed(self, goal: _Goal, before: int, most: int) -> tuple[str, ...]:
        """Return the newest messages of others between a cursor and where it moves, oldest first."""
        query = select(self._message.id).where(*self._between(goal, before)).order_by(self._message.seq.desc())
        numbers = self._db.session.scalars(query.limit(most)).all()
        return tuple(map(str, reversed(numbers)))

    def _between(self, goal: _Goal, before: int) -> tuple[ColumnElement[bool], ...]:
        message = self._message
        passed = (message.conversation_id == goal.conversation, message.seq > before, message.seq <= goal.seq)
        return (*passed, message.sender_id != goal.user_id)

    def _uncounted(self, goal: _Goal, before: _Place, last_seq: int) -> int:
        """Return how many messages after the new place are not unread."""
        if goal.seq >= last_seq:
            return 0  # Whatever was deleted without being counted, with a user for one, is made good here.
        passed = select(func.count()).select_from(self._message).where(*self._between(goal, before.read_seq))
        count = self._db.session.execute(passed).scalar_one()
        return before.uncounted - (goal.seq - before.read_seq - count)

    def _size(self, conversation: int | None) -> tuple[int, int]:
        """Return the number of a conversation's last message, and how many take part."""
        participants = select(func.count()).select_from(self._participant).where(self._participant.conversation_id == conversation)
        query = select(self._conversation.last_seq, participants.scalar_subquery()).where(self._conversation.id == conversation)
        last_seq, count = self._db.session.execute(query).one()
        return last_seq, count

    def _set(self, goal: _Goal, before: _Place, *, read: bool, uncounted: int) -> None:
        """Write the new place; a message that was read is delivered."""
        participant, now = self._participant, utc_now()
        values: dict[str, Any] = {"read_seq": goal.seq, "read_at": now, "uncounted": uncounted} if read else {}
        if before.delivered_seq < goal.seq:
            values |= {"delivered_seq": goal.seq, "delivered_at": now}
        own = (participant.conversation_id == goal.conversation, participant.user_id == goal.user_id)
        self._execute(update(participant).where(*own).values(values))

    def _execute(self, statement: Update) -> None:
        self._db.session.execute(statement.execution_options(synchronize_session=False))


def _unread(conversation: type[ConversationMixin], participant: type[ParticipantMixin]) -> ColumnElement[int]:
    unread = conversation.last_seq - participant.read_seq - participant.uncounted
    return case((unread > 0, unread), else_=0)
