"""Events of receipts, and their payloads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypedDict

from flask_realtime.contract.events import OutgoingEvent
from flask_realtime.contract.ids import EXPECTED, WireId, parse_id
from flask_realtime.contract.parsing import listed, missing, only_argument
from flask_realtime.errors import BadRequest, InvalidId
from flask_realtime.features.receipts.seen import MAX_MESSAGE_IDS, SeenMessages

_CONVERSATION_ID, _MESSAGE_IDS, _UP_TO = "conversationId", "messageIds", "upTo"
_IDS_EXPECTED: Final = f"a list of at most {MAX_MESSAGE_IDS} ids"
_SEEN_EXPECTED: Final = f"an object with {_CONVERSATION_ID}, and {_MESSAGE_IDS} or {_UP_TO}"
_BOTH: Final = f"{_MESSAGE_IDS} and {_UP_TO} are both there: expected one of them"
_JOINED: Final = "every connection joined to the conversation"


class _SeenRequired(TypedDict):
    conversationId: WireId


class SeenPayload(_SeenRequired, total=False):
    """A client's `messages:read` and `messages:delivered`: some messages, or all up to one."""

    messageIds: list[WireId]
    upTo: WireId


class _ReceiptRequired(TypedDict):
    conversationId: WireId
    messageIds: list[WireId]


class ReceiptPayload(_ReceiptRequired, total=False):
    """A receipt that the server sends; without the user where several users' receipts are merged, or none was named."""

    userId: str
    upTo: WireId


class MessagesReadPayload(ReceiptPayload):
    """`messages:read`; the reader is included if the application named one, and the last message where cursors are kept."""


class MessagesDeliveredPayload(ReceiptPayload):
    """`messages:delivered`; with the user who has got them, unless several users' receipts are merged."""


class UnreadChangedPayload(TypedDict):
    """`unread:changed`."""

    conversationId: WireId
    unreadCount: int
    mentionCount: int


MESSAGES_READ: Final[OutgoingEvent[MessagesReadPayload]] = OutgoingEvent(
    "messages:read",
    MessagesReadPayload,
    _JOINED,
    "Messages were read; `userId` is the reader, if the application named one. With `upTo`, everything up to that message is read.",
)
MESSAGES_DELIVERED: Final[OutgoingEvent[MessagesDeliveredPayload]] = OutgoingEvent(
    "messages:delivered",
    MessagesDeliveredPayload,
    "every other user's connections joined to the conversation",
    "Messages have reached a user. With `upTo`, everything up to that message has.",
)
UNREAD_CHANGED: Final[OutgoingEvent[UnreadChangedPayload]] = OutgoingEvent(
    "unread:changed",
    UnreadChangedPayload,
    "all of the user's connections",
    "The user has read messages of a conversation: how many are unread now, and how many of those mention the user.",
)


def receipt_payload(
    conversation_id: WireId, message_ids: Iterable[WireId], user_id: str | None, up_to: WireId | None = None
) -> ReceiptPayload:
    """Build the payload of `messages:read` or `messages:delivered`."""
    payload: ReceiptPayload = {"conversationId": conversation_id, "messageIds": list(message_ids)}
    if user_id is not None:
        payload["userId"] = user_id
    if up_to is not None:
        payload["upTo"] = up_to
    return payload


class SentReceipt(NamedTuple):
    """The fields of a receipt as it is sent."""

    conversation_id: str
    message_ids: tuple[str, ...]
    user_id: str
    up_to: str


def parse_sent(args: Sequence[Any]) -> SentReceipt | None:
    """Parse what this server sends as `messages:read` and `messages:delivered`; None for other fields, which other programs log."""
    match args:
        case [{"conversationId": str(conversation_id), "messageIds": [*message_ids], "userId": str(user_id), "upTo": str(up_to)}]:
            return SentReceipt(conversation_id, tuple(message_ids), user_id, up_to)
    return None


def unread_changed_payload(conversation_id: WireId, unread_count: int, mention_count: int) -> UnreadChangedPayload:
    """Build the payload of `unread:changed`."""
    return {"conversationId": conversation_id, "unreadCount": unread_count, "mentionCount": mention_count}


def parse_seen(args: Sequence[Any], _settings: object) -> SeenMessages:
    """Parse a client's `messages:read` or `messages:delivered`."""
    payload = only_argument(args, "payload", _SEEN_EXPECTED)
    if not isinstance(payload, dict):
        msg = f"payload must be {_SEEN_EXPECTED}"
        raise BadRequest(msg)
    problems = list(_problems(payload))
    if problems:
        raise BadRequest(listed(problems))
    ids = tuple(parse_id(message_id, "") for message_id in payload.get(_MESSAGE_IDS, ()))
    return SeenMessages(parse_id(payload[_CONVERSATION_ID], ""), ids, str(payload[_UP_TO]) if _UP_TO in payload else None)


def _problems(payload: Mapping[str, Any]) -> Iterator[str]:
    if _CONVERSATION_ID not in payload:
        yield missing(_CONVERSATION_ID, EXPECTED)
    if (_MESSAGE_IDS in payload) == (_UP_TO in payload):
        yield _BOTH if _UP_TO in payload else missing(f"{_MESSAGE_IDS} or {_UP_TO}", f"{_IDS_EXPECTED}, or the last message's id")
    for field in (_CONVERSATION_ID, _UP_TO):
        if field in payload:
            yield from _problem_of_id(payload[field], field)
    message_ids = payload.get(_MESSAGE_IDS, [])
    if not isinstance(message_ids, list) or len(message_ids) > MAX_MESSAGE_IDS:
        yield f"{_MESSAGE_IDS} must be {_IDS_EXPECTED}"
        return
    for place, message_id in enumerate(message_ids):
        yield from _problem_of_id(message_id, f"{_MESSAGE_IDS}[{place}]")


def _problem_of_id(value: object, field: str) -> Iterator[str]:
    try:
        parse_id(value, field)
    except InvalidId as error:
        yield str(error)
