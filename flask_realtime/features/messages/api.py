"""Calls of messages, for applications."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask_realtime.contract.ids import WireId, parse_id, parse_wire_id
from flask_realtime.feature.calls import Calls
from flask_realtime.features.messages.events import (
    MESSAGE_DELETED,
    MESSAGE_NEW,
    MESSAGES_READ,
    message_deleted_payload,
    messages_read_payload,
)


class MessageCalls(Calls):
    """The calls about messages."""

    def emit_new_message(
        self, conversation_id: WireId, message: Any, *, skip_sender: bool = False, after_commit: bool | None = None
    ) -> bool:
        """Send `message:new` to every connection joined to a conversation.

        Args:
            conversation_id: The conversation.
            message: The message, as sent to clients.
            skip_sender: Whether to leave out the sender's connection.
            after_commit: Whether to wait for the commit of `db.session`.
        """
        return self._emit(MESSAGE_NEW.to_conversation(conversation_id, message), skip_sender=skip_sender, after_commit=after_commit)

    def emit_message_read(
        self,
        conversation_id: WireId,
        message_ids: Iterable[WireId],
        user_id: WireId | None = None,
        *,
        skip_sender: bool = False,
        after_commit: bool | None = None,
    ) -> bool:
        """Send `messages:read` to every connection joined to a conversation.

        Args:
            conversation_id: The conversation.
            message_ids: The messages that were read.
            user_id: The reader, if clients are to know.
            skip_sender: Whether to leave out the sender's connection.
            after_commit: Whether to wait for the commit of `db.session`.
        """
        _, raw_id = parse_wire_id(conversation_id, "conversation_id")
        ids = [parse_wire_id(message_id, "message_ids")[1] for message_id in message_ids]
        reader = None if user_id is None else parse_id(user_id, "user_id")
        payload = messages_read_payload(raw_id, ids, reader)
        return self._emit(
            MESSAGES_READ.to_conversation(conversation_id, payload), skip_sender=skip_sender, after_commit=after_commit
        )

    def emit_message_deleted(
        self, conversation_id: WireId, message_id: WireId, *, skip_sender: bool = False, after_commit: bool | None = None
    ) -> bool:
        """Send `message:deleted` to every connection joined to a conversation.

        Args:
            conversation_id: The conversation.
            message_id: The message that was deleted.
            skip_sender: Whether to leave out the sender's connection.
            after_commit: Whether to wait for the commit of `db.session`.
        """
        _, raw_id = parse_wire_id(conversation_id, "conversation_id")
        payload = message_deleted_payload(raw_id, parse_wire_id(message_id, "message_id")[1])
        return self._emit(
            MESSAGE_DELETED.to_conversation(conversation_id, payload), skip_sender=skip_sender, after_commit=after_commit
        )
