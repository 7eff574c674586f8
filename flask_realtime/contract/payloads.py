"""What the server sends: payloads, answers and refusals, in the wire's own spelling."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Literal, TypedDict

from flask_realtime.contract.ids import WireId
from flask_realtime.errors import ConnectionRefused, EventError

Status = Literal["online", "offline"]


class TypingPayload(TypedDict):
    """`typing:start` and `typing:stop`, to the other users of a conversation."""

    conversationId: WireId
    userId: str


class _MessagesReadRequired(TypedDict):
    conversationId: WireId
    messageIds: list[WireId]


class MessagesReadPayload(_MessagesReadRequired, total=False):
    """`messages:read`; the reader is there when the application named one."""

    userId: str


class MessageDeletedPayload(TypedDict):
    """`message:deleted`."""

    conversationId: WireId
    messageId: WireId


class UserStatus(TypedDict):
    """`user:status-changed`, and the answer to a question for a user's status."""

    userId: str
    status: Status


class Acknowledgement(TypedDict):
    """The answer to an event that the document gives no answer of its own."""

    ok: Literal[True]


class Expiry(TypedDict):
    """`auth:expiring` and `auth:expired`: when the token expires, ISO 8601 in UTC."""

    expiresAt: str


class Refreshed(TypedDict):
    """The answer to `auth:refresh`: when the new token expires; null where it does not."""

    expiresAt: str | None


class _ErrorRequired(TypedDict):
    code: str
    message: str


class ErrorDetail(_ErrorRequired, total=False):
    """What went wrong; `retryAfter` is in seconds."""

    retryAfter: float


class ErrorAnswer(TypedDict):
    """The answer to an event that failed."""

    error: ErrorDetail


class ErrorEvent(ErrorAnswer):
    """`realtime:error`: an event failed for which the client passed no callback."""

    event: str


class _RefusalRequired(TypedDict):
    code: str


class RefusalData(_RefusalRequired, total=False):
    """`error.data` of a `connect_error`; `retryAfter` is in seconds."""

    retryAfter: float


class Refusal(TypedDict):
    """The payload of a CONNECT_ERROR packet."""

    message: str
    data: RefusalData


ACKNOWLEDGED: Acknowledgement = {"ok": True}


def typing_payload(conversation_id: WireId, user_id: str) -> TypingPayload:
    """Build the payload of `typing:start` and `typing:stop`."""
    return {"conversationId": conversation_id, "userId": user_id}


def messages_read_payload(conversation_id: WireId, message_ids: Iterable[WireId], user_id: str | None) -> MessagesReadPayload:
    """Build the payload of `messages:read`."""
    payload: MessagesReadPayload = {"conversationId": conversation_id, "messageIds": list(message_ids)}
    if user_id is not None:
        payload["userId"] = user_id
    return payload


def message_deleted_payload(conversation_id: WireId, message_id: WireId) -> MessageDeletedPayload:
    """Build the payload of `message:deleted`."""
    return {"conversationId": conversation_id, "messageId": message_id}


def user_status(user_id: str, *, online: bool) -> UserStatus:
    """Build a user's status."""
    return {"userId": user_id, "status": "online" if online else "offline"}


def expiry(expires_at: float) -> Expiry:
    """Build the payload of `auth:expiring` and `auth:expired`."""
    return {"expiresAt": _moment(expires_at)}


def refreshed(expires_at: float | None) -> Refreshed:
    """Build the answer to `auth:refresh`."""
    return {"expiresAt": None if expires_at is None else _moment(expires_at)}


def _moment(seconds: float) -> str:
    """Write a Unix time as JavaScript's `toISOString` does."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def error_answer(error: EventError) -> ErrorAnswer:
    """Build the answer to an event that failed."""
    detail: ErrorDetail = {"code": error.code, "message": error.message}
    if error.retry_after is not None:
        detail["retryAfter"] = error.retry_after
    return {"error": detail}


def error_event(error: EventError, event: str) -> ErrorEvent:
    """Build the payload of `realtime:error`."""
    return {"error": error_answer(error)["error"], "event": event}


def refusal(error: ConnectionRefused) -> Refusal:
    """Build the payload of a CONNECT_ERROR packet."""
    data: RefusalData = {"code": error.code}
    if error.retry_after is not None:
        data["retryAfter"] = error.retry_after
    return {"message": error.message, "data": data}
