"""Stores what users have got and read in the database, and answers the hooks of receipts from there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import SQLColumnExpression, select

from flask_realtime.database.columns import parse_row_id
from flask_realtime.errors import ConfigError, Forbidden, NotFound
from flask_realtime.features.conversations import NOT_TAKING_PART
from flask_realtime.features.conversations.models import ConversationMixin, ParticipantMixin
from flask_realtime.features.messages import MessageReference, ReadResult
from flask_realtime.features.messages.models import MessageMixin
from flask_realtime.features.presence.models import PrivateReaders, UserPresenceMixin
from flask_realtime.features.receipts.cursor_store import Cursors
from flask_realtime.features.receipts.events import MESSAGES_DELIVERED, MESSAGES_READ
from flask_realtime.features.receipts.handlers import Receipts
from flask_realtime.features.receipts.hooks import RECEIPT_ARCHIVE, RECEIPT_PLACE, ReceiptHooks
from flask_realtime.features.receipts.models import ReadReceiptMixin
from flask_realtime.features.receipts.records import MessageReceipts, ReceiptRecord
from flask_realtime.features.receipts.row_store import ReadRows
from flask_realtime.features.receipts.seen import DeliveryResult, SeenMessages, TimeReceipts
from flask_realtime.identity import Identity


class ReceiptStore:
    """The receipts of one application: cursors of the participants, or rows of read messages as version 0.1 had them.

    Args:
        db: The application's Flask-SQLAlchemy object.
        conversation: The model of conversations.
        participant: The model of their participants.
        message: The model of messages.
        read_receipt: The model of read receipts in rows; None for cursors.
        user_presence: The model of what users have set, such as to send no receipts; None where nobody can.
        has_log: Whether each receipt is written to the log too.
        mention_count: Returns how many of a user's unread messages in a conversation mention the user.
        time: Hears how long after its sending each message was read or delivered, with cursors; None if nobody wants to know.

    Attributes:
        reads: Who has read what, for the stores of messages and conversations.
    """

    def __init__(  # noqa: PLR0913 - the models that it works on
        self,
        db: SQLAlchemy,
        *,
        conversation: type[ConversationMixin],
        participant: type[ParticipantMixin],
        message: type[MessageMixin],
        read_receipt: type[ReadReceiptMixin] | None = None,
        user_presence: type[UserPresenceMixin] | None = None,
        has_log: bool = False,
        mention_count: Callable[[str, str], int] | None = None,
        time: TimeReceipts | None = None,
    ) -> None:
        self._db = db
        self._has_log = has_log
        self._mention_count = mention_count
        self._get_state: Callable[[], Receipts] = _unregistered
        self._conversation = conversation
        self._participant = participant
        self._message = message
        private = self._private = PrivateReaders(user_presence)
        cursors = Cursors(
            db,
            conversation=conversation,
            participant=participant,
            message=message,
            user_presence=user_presence,
            log=self._log,
            time=time,
        )
        self._cursors = cursors if read_receipt is None else None
        self.reads: Cursors | ReadRows = (
            cursors
            if read_receipt is None
            else ReadRows(db, participant=participant, message=message, read_receipt=read_receipt, private=private, log=self._log)
        )

    @property
    def logged_by_hooks(self) -> tuple[str, ...]:
        """Return the events that the hooks write to the log, so that their handlers do not send them."""
        if not self._has_log:
            return ()
        return (MESSAGES_READ.name,) if self._cursors is None else (MESSAGES_READ.name, MESSAGES_DELIVERED.name)

    def register(self, hooks: ReceiptHooks, get_state: Callable[[], Receipts]) -> None:
        """Register the hooks that store what clients have got and read; with rows only what they have read.

        Args:
            hooks: The extension object.
            get_state: Returns the feature's state in the current application.
        """
        self._get_state = get_state
        hooks.on_messages_read(self._read)
        hooks.hook(RECEIPT_ARCHIVE)(lambda: self)
        if self._cursors is not None:
            hooks.on_messages_delivered(self._delivered)
        if self._has_log:
            hooks.hook(RECEIPT_PLACE)(lambda: self._place)

    def _read(self, identity: Identity, seen: SeenMessages) -> ReadResult:
        self._require_participant(identity.user_id, seen.conversation_id)
        return self.mark_read(seen.conversation_id, identity.user_id, seen.message_ids, up_to=seen.up_to)

    def _delivered(self, identity: Identity, seen: SeenMessages) -> DeliveryResult:
        self._require_participant(identity.user_id, seen.conversation_id)
        return self.mark_delivered(seen.conversation_id, identity.user_id, seen.message_ids, up_to=seen.up_to)

    def _log(self, conversation_id: str, user_id: str, result: ReadResult | DeliveryResult) -> None:
        if self._has_log:
            self._get_state().append(conversation_id, user_id, result)

    def _place(self, conversation_id: str, message_id: str) -> tuple[int, int]:
        message, conversation, number = self._message, self._conversation, parse_row_id(conversation_id)
        this = (message.id == parse_row_id(message_id), message.conversation_id == number)
        seq = self._db.session.scalar(select(message.seq).where(*this))
        count = self._db.session.scalar(select(conversation.participant_count).where(conversation.id == number))
        return seq or 0, count or 0

    def _require_participant(self, user_id: str, conversation_id: str) -> None:
        participant = self._participant
        taking_part = (participant.conversation_id == parse_row_id(conversation_id), participant.user_id == user_id)
        if not self._db.session.scalar(select(select(participant.id).where(*taking_part).exists())):
            raise Forbidden(NOT_TAKING_PART)

    def mark_read(
        self, conversation_id: str, user_id: str, message_ids: Sequence[str] = (), *, up_to: str | None = None
    ) -> ReadResult:
        """Record that a user has read messages, and commit.

        With cursors, everything before the last of them is read too, and nothing becomes unread again; only participants have
        cursors. The user's own messages, those of other conversations and unknown ids are skipped. Marking a message again, or from
        two devices at once, is no error: exactly one call finds it newly read. Works on SQLite and PostgreSQL.

        Args:
            conversation_id: The conversation.
            user_id: The reader.
            message_ids: The messages.
            up_to: Instead of them, the last of all messages that were read; with cursors alone.

        Returns:
            The messages that the user has read now, and those that this call marked.

        Raises:
            BadRequest: There is an `up_to`, and receipts are rows.
        """
        result = self.reads.mark_read(conversation_id, user_id, message_ids, up_to)
        if result.unread_count is None or self._mention_count is None:
            return result
        return replace(result, mention_count=self._mention_count(user_id, conversation_id))

    def mark_delivered(
        self, conversation_id: str, user_id: str, message_ids: Sequence[str] = (), *, up_to: str | None = None
    ) -> DeliveryResult:
        """Record that messages are delivered to a user, and commit; otherwise as `mark_read`.

        Args:
            conversation_id: The conversation.
            user_id: The user who has got them.
            message_ids: The messages.
            up_to: Instead of them, the last of all messages that were delivered.

        Raises:
            ConfigError: Receipts are rows.
        """
        return self._with_cursors().mark_delivered(conversation_id, user_id, message_ids, up_to)

    def of_message(self, conversation_id: str, message_id: str) -> MessageReceipts | None:
        """Return who has got and read a message, or None if the conversation does not hold it.

        Raises:
            ConfigError: Receipts are rows.
        """
        self._with_cursors()
        message, participant = self._message, self._participant
        this = (message.id == parse_row_id(message_id), message.conversation_id == parse_row_id(conversation_id))
        found = self._db.session.execute(select(message.conversation_id, message.sender_id, message.seq).where(*this)).one_or_none()
        if found is None:
            return None
        sharing = self._private.others(participant.user_id)
        others = (participant.conversation_id == found.conversation_id, participant.user_id != found.sender_id, *sharing)

        def reached(cursor: SQLColumnExpression[int], at: SQLColumnExpression[datetime | None]) -> tuple[ReceiptRecord, ...]:
            query = select(participant.user_id, at).where(*others, cursor >= found.seq).order_by(at, participant.id)
            rows = self._db.session.execute(query)
            return tuple(ReceiptRecord(user_id, moment) for user_id, moment in rows if moment is not None)

        return MessageReceipts(
            delivered=reached(participant.delivered_seq, participant.delivered_at),
            read=reached(participant.read_seq, participant.read_at),
        )

    def of_message_for(self, user_id: str, reference: MessageReference) -> MessageReceipts:
        """Return who has got and read a message; see `ReceiptArchive`."""
        self._require_participant(user_id, reference.conversation_id)
        found = self.of_message(reference.conversation_id, reference.message_id)
        if found is None:
            msg = "Message not found"
            raise NotFound(msg)
        return found

    def unread_counts(self, user_id: str) -> dict[str, int]:
        """Map each of a user's conversations that has unread messages to their number, in one statement."""
        return {str(number): count for number, count in self.reads.unread_counts(user_id).items()}

    def unread_count(self, user_id: str) -> int:
        """Count the messages that a user has not read, over all conversations that the user takes part in.

        With cursors this takes time in proportion to the conversations, with rows to their messages.
        """
        return self.reads.unread_count(user_id)

    def _with_cursors(self) -> Cursors:
        if self._cursors is None:
            msg = "Receipts are rows here, which know nothing of deliveries. Pass Models without read_receipt for cursors."
            raise ConfigError(msg)
        return self._cursors


def _unregistered() -> Receipts:
    msg = "The store has a log, which sends receipts: call store.register(realtime) before anything is stored."
    raise ConfigError(msg)
