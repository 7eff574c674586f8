"""Notifications of messages that mention everyone, a hundred members at once, so that sending takes no longer the more there are.

The transaction that stores a message notifies the first members, and leaves the others to a job::

    {"up_to": 117, "last": 2040}     members by their rows' ids: up to 117 they are done, those after 2040 came later

Each part of the job notifies some members and writes how far it has got, in one transaction. So whoever does it may be killed at
any time, and each member is notified once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ColumnElement, Row, select, tuple_

from flask_realtime.database.columns import parse_row_id
from flask_realtime.features.messages.models import MessageModels
from flask_realtime.features.messages.records import MessageRecord

Notify = Callable[[MessageRecord, Sequence[str]], None]
"""Notifies users of a message that mentions them, in the current transaction."""

Progress = Mapping[str, Any]
"""Who was notified, and who is to be."""

Postpone = Callable[[MessageRecord, Progress], None]
"""Lets members be notified later, from the current transaction's commit on."""

NOTIFIED_AT_ONCE: Final = 100
"""Members who are looked at in one transaction: few enough to delay nobody who sends meanwhile."""

UP_TO: Final = "up_to"
LAST: Final = "last"


class Everyone:
    """The members whom a message notifies that mentions everyone.

    Args:
        db: The application's Flask-SQLAlchemy object.
        models: The models of messages and of participants.
        notify: Notifies users.
        postpone: Lets members be notified later; None to notify all of them with the message.
    """

    def __init__(self, db: SQLAlchemy, models: MessageModels, notify: Notify, postpone: Postpone | None) -> None:
        self._db = db
        self._models = models
        self._notify = notify
        self._postpone = postpone

    def begin(self, message: MessageRecord) -> None:
        """Notify the first members of a message, in the transaction that stores it, and see to the others."""
        participant, number = self._models.participant, parse_row_id(message.conversation_id) or 0
        order = (participant.conversation_id.desc(), participant.id.desc())
        # Its row is locked, so that nobody joins meanwhile. By a range, as `MemberStore.page` has it.
        newest = select(participant.id).where(participant.conversation_id.between(number, number)).order_by(*order).limit(1)
        left = self._notify_some(message, {UP_TO: 0, LAST: self._db.session.scalar(newest) or 0})
        while left is not None:
            if self._postpone is not None:
                self._postpone(message, left)
                return
            left = self._notify_some(message, left)

    def go_on(self, message_id: str, progress: Progress) -> Progress | None:
        """Notify some more members of a message, in the current transaction; nobody if it was deleted meanwhile.

        Args:
            message_id: The message.
            progress: Who was notified so far.

        Returns:
            Who is notified now; None if nobody is left.
        """
        model = self._models.message
        names = ("id", "conversation_id", "sender_id", "content", "created_at", "thread_id")
        query = select(*(getattr(model, name) for name in names))
        this = query.where(model.id == parse_row_id(message_id), model.deleted_at.is_(None))
        # Whoever edits or deletes it waits, and then finds the notifications that repeat its text.
        found = self._db.session.execute(this.with_for_update(read=True)).one_or_none()
        return None if found is None else self._notify_some(_record(found), progress)

    def _notify_some(self, message: MessageRecord, progress: Progress) -> Progress | None:
        participant = self._models.participant
        columns = (participant.id, participant.user_id, participant.is_muted, participant.muted_until)
        members = select(*columns).where(*self._next(message, progress)).order_by(participant.conversation_id, participant.id)
        # Locked, so that nobody is removed and notified after that.
        locked = members.limit(NOTIFIED_AT_ONCE).with_for_update(read=True, key_share=True)
        rows = self._db.session.execute(locked).all()
        notified = [row.user_id for row in rows if row.user_id != message.sender_id and not _is_muted(row, message)]
        if notified:
            self._notify(message, notified)
        is_last = len(rows) < NOTIFIED_AT_ONCE or rows[-1].id >= progress[LAST]
        return None if is_last else {**progress, UP_TO: rows[-1].id}

    def _next(self, message: MessageRecord, progress: Progress) -> tuple[ColumnElement[bool], ...]:
        participant, number = self._models.participant, parse_row_id(message.conversation_id)
        place = tuple_(participant.conversation_id, participant.id)
        return place > tuple_(number, progress[UP_TO]), place <= tuple_(number, progress[LAST])


def _is_muted(member: Any, message: MessageRecord) -> bool:
    return member.is_muted or (member.muted_until is not None and member.muted_until > message.created_at)


def _record(found: Row[Any]) -> MessageRecord:
    values = found._asdict()
    ids = {name: None if values[name] is None else str(values[name]) for name in ("id", "conversation_id", "thread_id")}
    return MessageRecord(**{**values, **ids})
