"""Calls of receipts, for applications."""

from __future__ import annotations

from collections.abc import Iterable

from flask_realtime.contract.ids import WireId, parse_id, parse_wire_id
from flask_realtime.feature.calls import Calls
from flask_realtime.features.messages import ReadResult
from flask_realtime.features.receipts.events import (
    MESSAGES_DELIVERED,
    MESSAGES_READ,
    receipt_payload,
)
from flask_realtime.features.receipts.feature import receipts
from flask_realtime.features.receipts.seen import DeliveryResult


class ReceiptCalls(Calls):
    """The calls about receipts."""

    def emit_receipts(
        self,
        conversation_id: WireId,
        user_id: WireId,
        result: ReadResult | DeliveryResult,
        *,
        skip_sender: bool = False,
        after_commit: bool | None = None,
    ) -> bool:
        """Send what follows from a receipt that was stored, as a client's `messages:read` and `messages:delivered` do.

        The conversation gets `messages:read` or `messages:delivered` for messages that are newly so, at most once a second if more
        than `REALTIME_RECEIPTS_LIMIT` users take part; the user's devices get `unread:changed` if that has changed.

        Args:
            conversation_id: The conversation.
            user_id: The user who has read or got the messages.
            result: What `store.receipts` or a hook has returned. A store with a log has seen to the former two already.
            skip_sender: Whether to leave out the sender's connection, except of receipts that are merged.
            after_commit: Whether to wait for the commit of `db.session`.
        """
        told = (parse_id(conversation_id, "conversation_id"), parse_id(user_id, "user_id"), result)
        emits = self._target().state_of(receipts).emits(*told, after_commit=after_commit)
        are_sent = [self._emit(emit, skip_sender=skip_sender, after_commit=after_commit) for emit in emits]
        return all(are_sent)

    def emit_message_read(  # noqa: PLR0913 - two of them are those of every call
        self,
        conversation_id: WireId,
        message_ids: Iterable[WireId],
        user_id: WireId | None = None,
        *,
        up_to: WireId | None = None,
        skip_sender: bool = False,
        after_commit: bool | None = None,
    ) -> bool:
        """Send `messages:read` to every connection joined to a conversation.

        Args:
            conversation_id: The conversation.
            message_ids: The messages that were read.
            user_id: The reader, if clients are to know.
            up_to: The message up to which everything is read, if clients are to know.
            skip_sender: Whether to leave out the sender's connection.
            after_commit: Whether to wait for the commit of `db.session`.
        """
        _, raw_id = parse_wire_id(conversation_id, "conversation_id")
        ids = [parse_wire_id(message_id, "message_ids")[1] for message_id in message_ids]
        reader = None if user_id is None else parse_id(user_id, "user_id")
        payload = receipt_payload(raw_id, ids, reader, _raw(up_to))
        return self._emit(
            MESSAGES_READ.to_conversation(conversation_id, payload), skip_sender=skip_sender, after_commit=after_commit
        )

    def emit_message_delivered(  # noqa: PLR0913 - as above
        self,
        conversation_id: WireId,
        message_ids: Iterable[WireId],
        user_id: WireId,
        *,
        up_to: WireId | None = None,
        skip_sender: bool = False,
        after_commit: bool | None = None,
    ) -> bool:
        """Send `messages:delivered` to the other users' connections joined to a conversation.

        Args:
            conversation_id: The conversation.
            message_ids: The messages that were delivered.
            user_id: The user who has got them.
            up_to: The message up to which everything is delivered, if clients are to know.
            skip_sender: Whether to leave out the sender's connection.
            after_commit: Whether to wait for the commit of `db.session`.
        """
        _, raw_id = parse_wire_id(conversation_id, "conversation_id")
        ids = [parse_wire_id(message_id, "message_ids")[1] for message_id in message_ids]
        payload = receipt_payload(raw_id, ids, parse_id(user_id, "user_id"), _raw(up_to))
        emit = MESSAGES_DELIVERED.to_conversation(conversation_id, payload, except_user=user_id)
        return self._emit(emit, skip_sender=skip_sender, after_commit=after_commit)


def _raw(up_to: WireId | None) -> WireId | None:
    return None if up_to is None else parse_wire_id(up_to, "up_to")[1]
