"""Events of messages, and their payloads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypedDict

from flask_realtime.contract.events import Document, OutgoingEvent
from flask_realtime.contract.ids import EXPECTED, WireId, parse_id
from flask_realtime.contract.parsing import listed, missing, only_argument
from flask_realtime.contract.times import wire_time
from flask_realtime.errors import BadRequest, InvalidId
from flask_realtime.features.messages.sending import NewMessage

MESSAGE_SEND: Final = "message:send"
MAX_CONTENT_LENGTH: Final = 4000

_CONVERSATION_ID, _CLIENT_ID, _CONTENT = "conversationId", "clientId", "content"
_CONTENT_EXPECTED: Final = f"a string of 1 to {MAX_CONTENT_LENGTH} characters, not all white space and without NUL"
_SEND_EXPECTED: Final = f"an object with {_CONVERSATION_ID}, {_CLIENT_ID} and {_CONTENT}"
_UNSUPPORTED: Final[Mapping[str, tuple[Any, ...]]] = {
    "replyTo": (None,),
    "threadId": (None,),
    "mentions": (None, []),
    "attachmentIds": (None, []),
}
"""Fields of the contract that nothing honours yet, and the values that ask for nothing."""

_AUDIENCE: Final = "every connection joined to the conversation"


class MessageSendPayload(TypedDict):
    """`message:send`."""

    conversationId: WireId
    clientId: WireId
    content: str


class MessageSentAnswer(TypedDict):
    """The answer to `message:send`."""

    ok: Literal[True]
    message: Document


class StoredMessagePayload(TypedDict):
    """A message of the store, where the application does not choose the fields itself."""

    id: str
    conversationId: str
    seq: int | None
    senderId: str
    content: str
    createdAt: str
    isRead: bool
    status: Literal["sent", "delivered", "read"] | None


class MessageDeletedPayload(TypedDict):
    """`message:deleted`."""

    conversationId: WireId
    messageId: WireId


MESSAGE_NEW: Final[OutgoingEvent[Any]] = OutgoingEvent("message:new", Document, _AUDIENCE, "A message was sent.", "message")
MESSAGE_DELETED: Final[OutgoingEvent[MessageDeletedPayload]] = OutgoingEvent(
    "message:deleted", MessageDeletedPayload, _AUDIENCE, "A message was deleted."
)


def message_deleted_payload(conversation_id: WireId, message_id: WireId) -> MessageDeletedPayload:
    """Build the payload of `message:deleted`."""
    return {"conversationId": conversation_id, "messageId": message_id}


def parse_message_send(args: Sequence[Any], _settings: object) -> NewMessage:
    """Parse `message:send`."""
    payload = only_argument(args, "payload", _SEND_EXPECTED)
    if not isinstance(payload, dict):
        msg = f"payload must be {_SEND_EXPECTED}"
        raise BadRequest(msg)
    problems = list(_problems(payload))
    if problems:
        raise BadRequest(listed(problems))
    return NewMessage(parse_id(payload[_CONVERSATION_ID], ""), parse_id(payload[_CLIENT_ID], ""), payload[_CONTENT])


def _problems(payload: Mapping[str, Any]) -> Iterator[str]:
    for field in (_CONVERSATION_ID, _CLIENT_ID):
        try:
            parse_id(payload.get(field), field)
        except InvalidId as error:
            yield str(error) if field in payload else missing(field, EXPECTED)
    content = payload.get(_CONTENT)
    if not isinstance(content, str) or not content.strip() or len(content) > MAX_CONTENT_LENGTH or "\0" in content:
        yield f"{_CONTENT} must be {_CONTENT_EXPECTED}" if _CONTENT in payload else missing(_CONTENT, _CONTENT_EXPECTED)
    for field, nothing in _UNSUPPORTED.items():
        if payload.get(field) not in nothing:
            yield f"{field} is not supported yet"


def sent_answer(message: Any) -> MessageSentAnswer:
    """Build the answer to `message:send`."""
    return {"ok": True, "message": message}


def stored_message_payload(  # noqa: PLR0913 - a message has that many fields
    *,
    message_id: str,
    conversation_id: str,
    seq: int | None,
    sender_id: str,
    content: str,
    created_at: datetime,
    is_read: bool,
    status: Any,
) -> StoredMessagePayload:
    """Build the payload of a message of the store."""
    return {
        "id": message_id,
        "conversationId": conversation_id,
        "seq": seq,
        "senderId": sender_id,
        "content": content,
        "createdAt": wire_time(created_at),
        "isRead": is_read,
        "status": status,
    }
