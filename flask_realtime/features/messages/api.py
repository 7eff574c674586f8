"""Calls of messages, for applications."""

from __future__ import annotations

from typing import Any

from flask_realtime.contract.ids import WireId, parse_wire_id
from flask_realtime.feature.calls import Calls
from flask_realtime.features.messages.events import (
    MESSAGE_DELETED,
    MESSAGE_NEW,
    message_deleted_payload,
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
