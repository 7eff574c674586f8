"""Events of messages, and their payloads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypedDict

from flask_realtime.contract.events import Document, OutgoingEvent
from flask_realtime.contract.ids import WireId

_AUDIENCE: Final = "every connection joined to the conversation"


class _MessagesReadRequired(TypedDict):
    conversationId: WireId
    messageIds: list[WireId]


class MessagesReadPayload(_MessagesReadRequired, total=False):
    """`messages:read`; the reader is included if the application named one."""

    userId: str


class MessageDeletedPayload(TypedDict):
    """`message:deleted`."""

    conversationId: WireId
    messageId: WireId


MESSAGE_NEW: Final[OutgoingEvent[Any]] = OutgoingEvent("message:new", Document, _AUDIENCE, "A message was sent.", "message")
MESSAGES_READ: Final[OutgoingEvent[MessagesReadPayload]] = OutgoingEvent(
    "messages:read",
    MessagesReadPayload,
    _AUDIENCE,
    "Messages were read; `userId` is the reader, if the application named one.",
)
MESSAGE_DELETED: Final[OutgoingEvent[MessageDeletedPayload]] = OutgoingEvent(
    "message:deleted", MessageDeletedPayload, _AUDIENCE, "A message was deleted."
)


def messages_read_payload(conversation_id: WireId, message_ids: Iterable[WireId], user_id: str | None) -> MessagesReadPayload:
    """Build the payload of `messages:read`."""
    payload: MessagesReadPayload = {"conversationId": conversation_id, "messageIds": list(message_ids)}
    if user_id is not None:
        payload["userId"] = user_id
    return payload


def message_deleted_payload(conversation_id: WireId, message_id: WireId) -> MessageDeletedPayload:
    """Build the payload of `message:deleted`."""
    return {"conversationId": conversation_id, "messageId": message_id}
