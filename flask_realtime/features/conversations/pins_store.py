"""Stores which messages are pinned in a conversation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import delete, insert, select

from flask_realtime.database.columns import parse_row_id, utc_now
from flask_realtime.database.sessions import committing
from flask_realtime.errors import BadRequest, ConfigError, NotFound
from flask_realtime.features.conversations.models import PinMixin
from flask_realtime.features.conversations.roles import DIRECT, MAX_PINS, require_moderation
from flask_realtime.features.conversations.rows_store import ConversationRows
from flask_realtime.features.messages.models import MessageMixin


class PinStore:
    """The pinned messages of one application's conversations.

    Args:
        db: The application's Flask-SQLAlchemy object.
        rows: The tables of conversations.
        message: The model of messages.
        pin: The model of pins; None if nothing can be pinned.
        tell: Tells the conversation that it was changed.
    """

    def __init__(
        self,
        db: SQLAlchemy,
        rows: ConversationRows,
        message: type[MessageMixin],
        pin: type[PinMixin] | None,
        tell: Callable[[str], None],
    ) -> None:
        self._db = db
        self._rows = rows
        self._message = message
        self._pin = pin
        self._tell = tell

    @property
    def is_available(self) -> bool:
        """Return whether messages can be pinned."""
        return self._pin is not None

    def of(self, conversation_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Map each conversation with pinned messages to their ids, the one that was pinned first at the front, in one statement."""
        if self._pin is None:
            return {}
        pin, message = self._pin, self._message
        numbers = [parse_row_id(conversation_id) for conversation_id in conversation_ids]
        query = select(pin.conversation_id, pin.message_id).join(message, message.id == pin.message_id)
        shown = query.where(pin.conversation_id.in_(numbers), message.deleted_at.is_(None)).order_by(pin.id)
        pinned: dict[str, list[str]] = defaultdict(list)
        for conversation, number in self._db.session.execute(shown):
            pinned[str(conversation)].append(str(number))
        return {conversation_id: tuple(ids) for conversation_id, ids in pinned.items()}

    def add(self, conversation_id: str, message_id: str, *, by: str) -> bool:
        """Pin a message, commit, and return whether it was not pinned before.

        Args:
            conversation_id: The conversation.
            message_id: The message.
            by: The user who pins it: in a group an owner or moderator.

        Raises:
            BadRequest: As many messages are pinned as can be.
            Forbidden: `by` may not.
            NotFound: The conversation does not hold the message, or it was deleted.
        """
        pin = self._model()
        with committing(self._db):
            number = self._lock(conversation_id, by)
            message = self._require_message(number, message_id)
            pinned = self._pinned(number)
            if message_id in pinned:
                return False
            _require_space(pinned)
            values = {"conversation_id": number, "message_id": message, "user_id": by, "created_at": utc_now()}
            self._db.session.execute(insert(pin).values(values))
            self._tell(conversation_id)
        return True

    def remove(self, conversation_id: str, message_id: str, *, by: str) -> bool:
        """Unpin a message, commit, and return whether it was pinned; otherwise as `add`."""
        pin = self._model()
        with committing(self._db):
            number = self._lock(conversation_id, by)
            message = self._require_message(number, message_id)
            if message_id not in self._pinned(number):
                return False
            removed = delete(pin).where(pin.conversation_id == number, pin.message_id == message)
            self._db.session.execute(removed.execution_options(synchronize_session=False))
            self._tell(conversation_id)
        return True

    def discard(self, message: int) -> None:
        """Unpin a message that is deleted, and tell the conversation if it was pinned, in the current transaction."""
        if self._pin is None:
            return
        removed = delete(self._pin).where(self._pin.message_id == message).returning(self._pin.conversation_id)
        conversation = self._db.session.scalar(removed.execution_options(synchronize_session=False))
        if conversation is not None:
            self._tell(str(conversation))

    def _lock(self, conversation_id: str, by: str) -> int:
        locked = self._rows.lock(conversation_id, by)
        if locked.type != DIRECT:
            require_moderation(locked.role)
        return locked.number

    def _require_message(self, number: int, message_id: str) -> int:
        message = self._message
        named = (message.id == parse_row_id(message_id), message.conversation_id == number, message.deleted_at.is_(None))
        found = self._db.session.scalar(select(message.id).where(*named))
        if found is None:
            msg = "There is no such message in this conversation"
            raise NotFound(msg)
        return found

    def _pinned(self, number: int) -> tuple[str, ...]:
        return self.of([str(number)]).get(str(number), ())

    def _model(self) -> type[PinMixin]:
        if self._pin is None:
            msg = "Pinning messages needs a model of pins: pass pin to Models, as define_models does."
            raise ConfigError(msg)
        return self._pin


def _require_space(pinned: Collection[str]) -> None:
    if len(pinned) >= MAX_PINS:
        msg = f"A conversation has {MAX_PINS} pinned messages at most; unpin one first"
        raise BadRequest(msg)
