"""Stores which messages others quote or answer, and how many replies are in a thread."""

from __future__ import annotations

from collections.abc import Callable

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select, update

from flask_realtime.contract.effects import Emit
from flask_realtime.database.columns import parse_row_id
from flask_realtime.errors import BadRequest
from flask_realtime.features.messages.events import REPLY_TO, THREAD_ID, THREAD_UPDATED, thread_updated_payload
from flask_realtime.features.messages.models import MessageMixin
from flask_realtime.features.messages.records import MessageRecord
from flask_realtime.features.messages.sending import NewMessage


class Threads:
    """Quotes and threads.

    Args:
        db: The application's Flask-SQLAlchemy object.
        message: The model of messages.
        tell: Sends an event with the change that it tells of.
    """

    def __init__(self, db: SQLAlchemy, message: type[MessageMixin], tell: Callable[[Emit], None]) -> None:
        self._db = db
        self._message = message
        self._tell = tell

    def check(self, message: NewMessage) -> None:
        """Check what a message quotes, and whose thread it is in.

        Raises:
            BadRequest: That is no message of the same conversation, or in a thread itself.
        """
        named = {name: number for name, number in ((REPLY_TO, message.reply_to), (THREAD_ID, message.thread_id)) if number}
        if not named:
            return
        model = self._message
        numbers = [parse_row_id(number) for number in named.values()]
        query = select(model.id, model.thread_id).where(
            model.conversation_id == parse_row_id(message.conversation_id), model.id.in_(numbers)
        )
        threads = {str(number): thread for number, thread in self._db.session.execute(query)}
        for name, number in named.items():
            if number not in threads:
                msg = f"{name} is not a message of this conversation"
                raise BadRequest(msg)
        if message.thread_id is not None and threads[message.thread_id] is not None:
            msg = f"{THREAD_ID} is in a thread itself: reply in the thread of {threads[message.thread_id]}"
            raise BadRequest(msg)

    def added(self, reply: MessageRecord) -> None:
        """Count a message in its thread, if it is in one, and tell the conversation; in the transaction that stores it."""
        if reply.thread_id is None:
            return
        message = self._message
        counted = (
            update(message)
            .where(message.id == parse_row_id(reply.thread_id))
            .values(thread_count=message.thread_count + 1, thread_last_at=reply.created_at)
            .returning(message.sender_id, message.created_at, message.thread_count)
            .execution_options(synchronize_session=False)
        )
        root = self._db.session.execute(counted).one()
        told = MessageRecord(
            reply.thread_id,
            reply.conversation_id,
            root.sender_id,
            "",
            root.created_at,
            thread_count=root.thread_count,
            thread_last_at=reply.created_at,
        )
        self._tell(THREAD_UPDATED.to_conversation(reply.conversation_id, thread_updated_payload(told)))
