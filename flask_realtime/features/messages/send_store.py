"""Stores what clients have sent in the database: one row for each message, for as long as its key stands for the same message."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import delete, select, update

from flask_realtime.database.batches import batch
from flask_realtime.database.inserts import insert_into
from flask_realtime.errors import NotFound
from flask_realtime.features.messages.models import MessageSendMixin

SEND_WINDOW: Final = timedelta(hours=24)
"""Time for which a client's id of a message stands for the same message."""

_KEPT: Final = SEND_WINDOW + timedelta(hours=1)
"""Time for which it is kept: nothing that somebody may be looking for right now is deleted."""

_DELETED_AT_ONCE: Final = 10
"""Expired sendings that are deleted with each new one: few enough to delay nobody, and more than are added."""

MessageKey = tuple[int | None, str, str]
"""The conversation, the sender, and the client's id of the message."""


class StoredMessage(NamedTuple):
    """A message that a client has sent.

    Args:
        number: Its id.
        seq: Its place in the conversation.
        created_at: When it was stored.
    """

    number: int
    seq: int | None
    created_at: datetime


class SentMessages:
    """Rows of what clients have sent.

    Args:
        db: The application's Flask-SQLAlchemy object.
        model: The model of the rows.
    """

    def __init__(self, db: SQLAlchemy, model: type[MessageSendMixin]) -> None:
        self._db = db
        self._model = model

    def claim(self, key: MessageKey, now: datetime) -> int | None:
        """Return the id of the row of a message that is to be stored now, or None if it was sent before.

        Of several transactions at once, one gets the row, and the others wait until it has committed.
        """
        model = self._model
        columns = (model.conversation_id, model.sender_id, model.client_id)
        added = insert_into(self._db, model).values(dict(zip(columns, key, strict=True)) | {model.created_at: now})
        claimed = added.on_conflict_do_update(
            index_elements=columns, set_={"created_at": now}, where=model.created_at <= now - SEND_WINDOW
        )
        return self._db.session.scalars(claimed.returning(model.id)).one_or_none()

    def finish(self, claim: int, stored: StoredMessage) -> None:
        """Record which message was stored, and delete a few expired rows."""
        model = self._model
        finished = update(model).where(model.id == claim).values(message_id=stored.number, seq=stored.seq)
        expired = (
            select(model.id).where(model.created_at < stored.created_at - _KEPT).order_by(model.created_at).limit(_DELETED_AT_ONCE)
        )
        deleted = delete(model).where(model.id.in_(batch(expired)))
        for statement in (finished, deleted):
            self._db.session.execute(statement.execution_options(synchronize_session=False))

    def find(self, key: MessageKey) -> StoredMessage:
        """Return the message that was stored.

        Raises:
            NotFound: The conversation, or the sender, has just been deleted.
        """
        model = self._model
        conversation, sender_id, client_id = key
        found = self._db.session.execute(
            select(model.message_id, model.seq, model.created_at).where(
                model.conversation_id == conversation, model.sender_id == sender_id, model.client_id == client_id
            )
        ).one_or_none()
        if found is None or found.message_id is None:
            raise NotFound
        return StoredMessage(found.message_id, found.seq, found.created_at)
