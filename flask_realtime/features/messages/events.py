"""Events of messages, and their payloads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypedDict

from flask_realtime.contract.events import Document, OutgoingEvent
from flask_realtime.contract.fields import Fields
from flask_realtime.contract.ids import WireId
from flask_realtime.contract.times import optional_wire_time, wire_time
from flask_realtime.features.messages.records import MessageRecord
from flask_realtime.features.messages.sending import MessageEdit, MessageReference, NewMessage

MESSAGE_SEND: Final = "message:send"
MESSAGE_EDIT: Final = "message:edit"
MESSAGE_DELETE: Final = "message:delete"
MAX_CONTENT_LENGTH: Final = 4000
MAX_MENTIONS: Final = 50

CONVERSATION_ID, MESSAGE_ID, CONTENT = "conversationId", "messageId", "content"
REPLY_TO: Final = "replyTo"
THREAD_ID: Final = "threadId"
CLIENT_ID: Final = "clientId"
_CONTENT_EXPECTED: Final = f"a string of 1 to {MAX_CONTENT_LENGTH} characters, not all white space and without NUL"
_SEND_EXPECTED: Final = f"an object with {CONVERSATION_ID}, {CLIENT_ID} and {CONTENT}"
_REFERENCE_EXPECTED: Final = f"an object with {CONVERSATION_ID} and {MESSAGE_ID}"
_UNSUPPORTED: Final[Mapping[str, tuple[Any, ...]]] = {"attachmentIds": (None, [])}
"""Fields of the contract that nothing honours yet, and the values that ask for nothing."""

_AUDIENCE: Final = "every connection joined to the conversation"


class _MessageSendRequired(TypedDict):
    conversationId: WireId
    clientId: WireId
    content: str


class MessageSendPayload(_MessageSendRequired, total=False):
    """`message:send`."""

    replyTo: WireId | None
    threadId: WireId | None
    mentions: list[WireId] | None


class MessageSentAnswer(TypedDict):
    """The answer to `message:send`."""

    ok: Literal[True]
    message: Document


class MessageReferencePayload(TypedDict):
    """`message:delete`."""

    conversationId: WireId
    messageId: WireId


class MessageEditPayload(MessageReferencePayload):
    """`message:edit`."""

    content: str


class ThreadSummary(TypedDict):
    """The replies in a message's thread."""

    count: int
    lastAt: str


class ReactionSummary(TypedDict):
    """The reactions of one kind to a message: how many, and the users of the first 100."""

    emoji: str
    count: int
    userIds: list[str]


class StoredMessagePayload(TypedDict):
    """A message of the store, where the application does not choose the fields itself."""

    id: str
    conversationId: str
    seq: int | None
    senderId: str
    sender: Document
    content: str
    createdAt: str
    editedAt: str | None
    deletedAt: str | None
    replyTo: str | None
    threadId: str | None
    thread: ThreadSummary | None
    mentions: list[str]
    reactions: list[ReactionSummary]
    attachments: list[Document]
    kind: str
    clientId: str | None
    isRead: bool
    status: Literal["sent", "delivered", "read"] | None


class MessageDeletedPayload(TypedDict):
    """`message:deleted`."""

    conversationId: WireId
    messageId: WireId


class ThreadUpdatedPayload(TypedDict):
    """`thread:updated`."""

    conversationId: str
    messageId: str
    count: int
    lastAt: str


MESSAGE_NEW: Final[OutgoingEvent[Any]] = OutgoingEvent("message:new", Document, _AUDIENCE, "A message was sent.", "message")
MESSAGE_UPDATED: Final[OutgoingEvent[Any]] = OutgoingEvent(
    "message:updated", Document, _AUDIENCE, "A message was edited; `isRead` and `status` are as its sender sees them.", "message"
)
MESSAGE_DELETED: Final[OutgoingEvent[MessageDeletedPayload]] = OutgoingEvent(
    "message:deleted", MessageDeletedPayload, _AUDIENCE, "A message was deleted."
)
THREAD_UPDATED: Final[OutgoingEvent[ThreadUpdatedPayload]] = OutgoingEvent(
    "thread:updated", ThreadUpdatedPayload, _AUDIENCE, "A reply was sent in the thread of a message."
)


def message_subject(message_id: str) -> str:
    """Return the name under which the log finds the events that show a message, and notifications those about it."""
    return f"message:{message_id}"


def message_deleted_payload(conversation_id: WireId, message_id: WireId) -> MessageDeletedPayload:
    """Build the payload of `message:deleted`."""
    return {"conversationId": conversation_id, "messageId": message_id}


def thread_updated_payload(root: MessageRecord) -> ThreadUpdatedPayload:
    """Build the payload of `thread:updated`."""
    last_at = root.thread_last_at or root.created_at
    return {
        "conversationId": root.conversation_id,
        "messageId": root.id,
        "count": root.thread_count,
        "lastAt": wire_time(last_at),
    }


def mention_data(message: MessageRecord) -> Document:
    """Build the data of a notification about a mention."""
    return {
        "conversationId": message.conversation_id,
        "messageId": message.id,
        "threadId": message.thread_id,
        "senderId": message.sender_id,
    }


def parse_message_send(args: Sequence[Any], _settings: object) -> NewMessage:
    """Parse `message:send`."""
    fields = Fields(args, _SEND_EXPECTED)
    message = NewMessage(
        fields.id(CONVERSATION_ID),
        fields.id(CLIENT_ID),
        _content(fields),
        fields.optional_id(REPLY_TO),
        fields.optional_id(THREAD_ID),
        fields.ids("mentions", MAX_MENTIONS),
    )
    for field, nothing in _UNSUPPORTED.items():
        if fields.payload.get(field) not in nothing:
            fields.refuse(f"{field} is not supported yet")
    fields.check()
    return message


def parse_message_edit(args: Sequence[Any], _settings: object) -> MessageEdit:
    """Parse `message:edit`."""
    fields = Fields(args, f"{_REFERENCE_EXPECTED.replace(' and', ',')} and {CONTENT}")
    edit = MessageEdit(fields.id(CONVERSATION_ID), fields.id(MESSAGE_ID), _content(fields))
    fields.check()
    return edit


def parse_message_reference(args: Sequence[Any], _settings: object) -> MessageReference:
    """Parse an event that names a message."""
    fields = Fields(args, _REFERENCE_EXPECTED)
    reference = MessageReference(fields.id(CONVERSATION_ID), fields.id(MESSAGE_ID))
    fields.check()
    return reference


def _content(fields: Fields) -> str:
    return fields.value(CONTENT, _CONTENT_EXPECTED, _valid_content, "")


def _valid_content(value: Any) -> str | None:
    is_text = isinstance(value, str) and value.strip() and len(value) <= MAX_CONTENT_LENGTH and "\0" not in value
    return value if is_text else None


def sent_answer(message: Any) -> MessageSentAnswer:
    """Build the answer to `message:send`."""
    return {"ok": True, "message": message}


def sent_message(answer: MessageSentAnswer) -> Document:
    """Return the message of an answer to `message:send` or `message:edit`."""
    return answer["message"]


def stored_message_payload(message: MessageRecord, sender: Document) -> StoredMessagePayload:
    """Build the payload of a message of the store.

    Args:
        message: The message.
        sender: What clients see of its sender.
    """
    last_at = message.thread_last_at
    return {
        "id": message.id,
        "conversationId": message.conversation_id,
        "seq": message.seq,
        "senderId": message.sender_id,
        "sender": sender,
        "content": message.content,
        "createdAt": wire_time(message.created_at),
        "editedAt": optional_wire_time(message.edited_at),
        "deletedAt": optional_wire_time(message.deleted_at),
        "replyTo": message.reply_to,
        "threadId": message.thread_id,
        "thread": None if last_at is None else {"count": message.thread_count, "lastAt": wire_time(last_at)},
        "mentions": list(message.mentions),
        "reactions": [{"emoji": each.emoji, "count": each.count, "userIds": list(each.user_ids)} for each in message.reactions],
        "attachments": [],
        "kind": message.kind,
        "clientId": message.client_id,
        "isRead": message.is_read,
        "status": message.status,  # type: ignore[typeddict-item]  # the store knows these words alone
    }
