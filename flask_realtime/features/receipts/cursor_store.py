"""Stores how far each participant has got in a conversation: two cursors, so that no count grows with the messages.

::

    seq      1   2   3   4   5   6   7      last_seq = 7
    sender   b   b   a   b   -   b   a      5 was deleted

    of a:    read_seq = 2, delivered_seq = 4
             uncounted = 2                  after read_seq, 3 and 7 are a's own
             deleted = 1                    and 5 is gone
             unread = 7 - 2 - 2 - 1 = 2     4 and 6

`uncounted` is kept by whatever changes it: sending adds one, reading takes away what the cursor passes. A cursor that reaches the
end sets it to 0. Deleted messages are counted in an index that has no others: so a deletion writes nothing for those who have not
read the message, however many they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, ColumnElement, ScalarSelect, SQLColumnExpression, Update, case, false, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, aliased

from flask_realtime.database.columns import parse_row_id, utc_now
from flask_realtime.database.sessions import committing
from flask_realtime.features.conversations.models import ConversationMixin, ParticipantMixin
from flask_realtime.features.messages import ReadResult
from flask_realtime.features.messages.models import MentionMixin, MessageMixin
from flask_realtime.features.presence.models import PrivateReaders, UserPresenceMixin
from flask_realtime.features.receipts.seen import MAX_MESSAGE_IDS, DeliveryResult, LogReceipt, TimeReceipts, in_order


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
        uncounted: How many messages after the former are the participant's own.
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


class _Passed(NamedTuple):
    """A message that a cursor has passed.

    Args:
        number: Its id.
        seq: Its place in the conversation.
        sent_at: When it was stored.
    """

    number: int
    seq: int
    sent_at: datetime


class Cursors:
    """The cursors of the participants.

    Args:
        db: The application's Flask-SQLAlchemy object.
        conversation: The model of conversations.
        participant: The model of their participants.
        message: The model of messages.
        user_presence: The model of what users have set, such as to send no receipts; None where nobody can.
        log: Writes a receipt to the log, if there is one.
        time: Hears how long after its sending each message was read or delivered; None if nobody wants to know.
    """

    def __init__(  # noqa: PLR0913 - the models that it works on
        self,
        db: SQLAlchemy,
        *,
        conversation: type[ConversationMixin],
        participant: type[ParticipantMixin],
        message: type[MessageMixin],
        user_presence: type[UserPresenceMixin] | None,
        log: LogReceipt,
        time: TimeReceipts | None = None,
    ) -> None:
        self._db = db
        self._user_presence = user_presence
        self._private = PrivateReaders(user_presence)
        self._log = log
        self._time = time
        self._conversation = conversation
        self._participant = participant
        self._message = message
        self.first_status: str | None = "sent"

    def is_read(self, viewer_id: str) -> ColumnElement[bool]:
        """Return, as a part of a query about messages, whether the viewer has read one, or another user the viewer's own."""
        message, viewer, other = self._message, aliased(self._participant), aliased(self._participant)
        of_viewer = (viewer.conversation_id == message.conversation_id, viewer.user_id == viewer_id)
        by_viewer = select(viewer.read_seq).where(*of_viewer).scalar_subquery()
        by_others = self._end(other, other.read_seq, other.read_seq.desc())
        return func.coalesce(case((message.sender_id == viewer_id, by_others), else_=by_viewer) >= message.seq, false())

    def status(self) -> ColumnElement[str]:
        """Return, as a part of a query about messages, how far one has got with all users but its sender.

        Those who send no receipts do not count.
        """
        message, other = self._message, aliased(self._participant)
        read, delivered = (self._end(other, cursor, cursor) for cursor in (other.read_seq, other.delivered_seq))
        return case((read >= message.seq, "read"), (delivered >= message.seq, "delivered"), else_="sent")

    def _end(
        self, other: type[ParticipantMixin], cursor: SQLColumnExpression[int], order: SQLColumnExpression[int]
    ) -> ScalarSelect[int | None]:
        """Return the first cursor of all users but a message's sender, as a part of a query about messages.

        Those who send no receipts do not count.

        It is at the end of an index. Asked whether there is a cursor before the message, PostgreSQL would rather read one
        participant after the other, in the hope that some soon has it, and read all of them where all but one have read everything.
        Asked whether there is a row that says of a user to send no receipts, it would read the rows of all users.
        """
        message = self._message
        others = [other.conversation_id == message.conversation_id, other.user_id != message.sender_id]
        if self._user_presence is not None:
            sends = select(self._user_presence.sends_receipts).where(self._user_presence.user_id == other.user_id)
            others.append(sends.scalar_subquery().is_not(false()))
        return select(cursor).where(*others).order_by(order).limit(1).scalar_subquery()

    def unread_in(self, conversation_id: SQLColumnExpression[int], user_id: str) -> ScalarSelect[int]:
        """Return how many messages a user has not read in a conversation, as a part of a query about that conversation."""
        participant, conversation = aliased(self._participant), aliased(self._conversation)
        unread = select(self._unread(conversation, participant)).select_from(participant)
        counted = unread.join(conversation, conversation.id == participant.conversation_id)
        return counted.where(participant.conversation_id == conversation_id, participant.user_id == user_id).scalar_subquery()

    def unread_counts(self, user_id: str) -> dict[int, int]:
        """Map each conversation of a user with unread messages to their number."""
        conversation, participant = self._conversation, self._participant
        unread = self._unread(conversation, participant)
        counts = select(conversation.id, unread).select_from(participant)
        of_user = counts.join(conversation, conversation.id == participant.conversation_id).where(participant.user_id == user_id)
        return {number: count for number, count in self._db.session.execute(of_user) if count}

    def unread_count(self, user_id: str) -> int:
        """Count a user's unread messages in all conversations."""
        conversation, participant = self._conversation, self._participant
        unread = select(func.coalesce(func.sum(self._unread(conversation, participant)), 0)).select_from(participant)
        of_user = unread.join(conversation, conversation.id == participant.conversation_id).where(participant.user_id == user_id)
        return int(self._db.session.scalar(of_user) or 0)

    def is_unread_mention(self, mention: type[MentionMixin], participant: type[ParticipantMixin]) -> ColumnElement[bool]:
        """Return, as a part of a query, whether a participant has not read the message of a mention."""
        return mention.seq > participant.read_seq

    def sent(self, conversation: int | None, sender_id: str) -> None:
        """Count a message as the sender's own; in the transaction that stores it."""
        participant = self._participant
        own = (participant.conversation_id == conversation, participant.user_id == sender_id)
        self._execute(update(participant).where(*own).values(uncounted=participant.uncounted + 1))

    def mark_read(self, conversation_id: str, user_id: str, message_ids: Sequence[str], up_to: str | None = None) -> ReadResult:
        """Move a user's read cursor, and commit; see `ReceiptStore.mark_read`."""
        with committing(self._db):
            move = self._move(self._participant.read_seq, conversation_id, user_id, message_ids, up_to)
            if move is None or move.before is None:
                return ReadResult(() if move is None else move.requested, ())
            most = max(MAX_MESSAGE_IDS, len(move.requested))
            passed = self._passed(move.goal, move.before.read_seq, most)
            last_seq, participants, is_private = self._size(move.goal)
            uncounted, unread = self._behind(move.goal, move.before, last_seq)
            self._set(move.goal, move.before, read=True, uncounted=uncounted)
            ids = _ids_of(passed)
            read = ids if up_to is not None else move.requested
            told = (str(move.goal.number), move.goal.seq, participants, unread) if passed else ()
            result = ReadResult(read, () if is_private else ids, *told)
            self._log(conversation_id, user_id, result)
        if not is_private:
            self._measure(passed, move.before, read=True)
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
            passed = self._passed(move.goal, move.before.delivered_seq, most)
            _, participants, is_private = self._size(move.goal)
            self._set(move.goal, move.before, read=False, uncounted=move.before.uncounted)
            ids = _ids_of(passed)
            delivered = ids if up_to is not None else move.requested
            told = (str(move.goal.number), move.goal.seq, participants) if passed else ()
            result = DeliveryResult(delivered, () if is_private else ids, *told)
            self._log(conversation_id, user_id, result)
        if not is_private:
            self._measure(passed, move.before, read=False)
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
        is_there = (message.seq.is_not(None), message.deleted_at.is_(None))
        query = select(message.id, message.seq).where(*named, *is_there).order_by(message.seq)
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

    def _measure(self, passed: Sequence[_Passed], before: _Place, *, read: bool) -> None:
        """Tell how long messages took; those that are read without having been delivered before are delivered now."""
        if self._time is None or not passed:
            return
        now = utc_now()
        delivered = [(now - message.sent_at).total_seconds() for message in passed if message.seq > before.delivered_seq]
        if delivered:
            self._time(False, delivered)  # noqa: FBT003 - see `TimeReceipts`
        if read:
            self._time(True, [(now - message.sent_at).total_seconds() for message in passed])  # noqa: FBT003 - as above

    def _passed(self, goal: _Goal, before: int, most: int) -> tuple[_Passed, ...]:
        """Return the newest messages of others between a cursor and where it moves, oldest first."""
        message = self._message
        query = select(message.id, message.seq, message.created_at).where(*self._between(goal, before)).order_by(message.seq.desc())
        rows = self._db.session.execute(query.limit(most)).all()
        return tuple(_Passed(number, seq or 0, sent_at) for number, seq, sent_at in reversed(rows))

    def _between(self, goal: _Goal, before: int) -> tuple[ColumnElement[bool], ...]:
        message = self._message
        passed = (message.conversation_id == goal.conversation, message.seq > before, message.seq <= goal.seq)
        return (*passed, message.sender_id != goal.user_id, message.deleted_at.is_(None))

    def _behind(self, goal: _Goal, before: _Place, last_seq: int) -> tuple[int, int]:
        """Return how many messages after the new place are the user's own, and how many are unread."""
        if goal.seq >= last_seq:
            return 0, 0  # Own messages that went without a trace, with a user for one, are made good here.
        message = self._message
        here, is_own = message.conversation_id == goal.conversation, message.sender_id == goal.user_id
        passed = select(func.count()).where(here, is_own, message.seq > before.read_seq, message.seq <= goal.seq)
        deleted = select(func.count()).where(here, ~is_own, message.seq > goal.seq, message.deleted_at.is_not(None))
        own, gone = self._db.session.execute(select(passed.scalar_subquery(), deleted.scalar_subquery())).one()
        uncounted = before.uncounted - own
        return uncounted, max(0, last_seq - goal.seq - uncounted - gone)

    def _unread(self, conversation: type[ConversationMixin], participant: type[ParticipantMixin]) -> ColumnElement[int]:
        message = aliased(self._message)
        others = (message.conversation_id == participant.conversation_id, message.sender_id != participant.user_id)
        deleted = select(func.count()).where(*others, message.seq > participant.read_seq, message.deleted_at.is_not(None))
        left = conversation.last_seq - participant.read_seq - participant.uncounted
        unread = left - deleted.correlate(participant).scalar_subquery()
        is_postgresql = self._db.session.get_bind(self._message).dialect.name == "postgresql"
        # Nothing is looked for where nothing is unread, and nothing twice.
        return case((left > 0, (func.greatest if is_postgresql else func.max)(unread, 0, type_=BigInteger)), else_=0)

    def _size(self, goal: _Goal) -> tuple[int, int, bool]:
        """Return the number of a conversation's last message, how many take part, and whether the user sends no receipts."""
        conversation = self._conversation
        found = select(conversation.last_seq, conversation.participant_count, self._private.has(goal.user_id))
        last_seq, count, is_private = self._db.session.execute(found.where(conversation.id == goal.conversation)).one()
        return last_seq, count, bool(is_private)

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


def _ids_of(passed: Sequence[_Passed]) -> tuple[str, ...]:
    return tuple(str(message.number) for message in passed)
