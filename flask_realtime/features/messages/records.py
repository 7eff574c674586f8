"""Records of messages: what the store returns, plain values that outlive its session."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

DEFAULT_PAGE_SIZE: Final = 50
MAX_PAGE_SIZE: Final = 100


@dataclass(frozen=True)
class MessageRecord:
    """A message as one user sees it.

    `is_read` of the viewer's own message: another user has read it. Of another user's: the viewer has read it.
    `seq` numbers the messages of a conversation from 1 on, in the order of their commits and without gaps; None for one that
    something else than the store has stored. `status` is "sent", "delivered" to all others, or "read" by all others; None where
    receipts are rows. A deleted message, one with `deleted_at`, has no content. `reply_to` and `thread_id` are ids of messages, and
    `thread_count` replies are in the message's own thread. `mentions` holds ids of users, and `*` for everyone; `reactions` has an
    object with `emoji`, `count` and `user_ids` for each kind.
    """

    id: str
    conversation_id: str
    sender_id: str
    content: str
    created_at: datetime
    is_read: bool = False
    seq: int | None = None
    status: str | None = None
    kind: str = "text"
    client_id: str | None = None
    edited_at: datetime | None = None
    deleted_at: datetime | None = None
    reply_to: str | None = None
    thread_id: str | None = None
    thread_count: int = 0
    thread_last_at: datetime | None = None
    mentions: tuple[str, ...] = ()
    reactions: tuple[Any, ...] = ()


def as_stored(message: MessageRecord, status: str | None) -> MessageRecord:
    """Return a message without what has been added to it since it was stored; its text is that of now.

    Args:
        message: The message.
        status: The status of a message that has just been stored.
    """
    return replace(message, is_read=False, status=status, reactions=(), thread_count=0, thread_last_at=None)


@dataclass(frozen=True)
class SendResult:
    """The result of sending a message.

    `is_new`: this call stored it. `message` is as it was when it was stored, each time.
    """

    message: MessageRecord
    is_new: bool


@dataclass(frozen=True)
class MessagePage:
    """A page of a conversation, oldest message first.

    `next_before` is the `before` of the previous page; None at the beginning. `next_after` is the `after` of the next page; None at
    the end.
    """

    messages: tuple[MessageRecord, ...]
    next_before: str | None
    next_after: str | None = None


@dataclass(frozen=True)
class PageRequest:
    """The requested part of a conversation; without `before`, `after` and `around` its newest messages.

    Args:
        before: Messages older than the one with this id.
        after: Messages newer than the one with this id.
        around: The message with this id, and those before and after it.
        thread: The message whose replies are asked for; None for those outside threads.
        limit: The maximum number of messages.
    """

    before: str | None = None
    after: str | None = None
    around: str | None = None
    thread: str | None = None
    limit: int = DEFAULT_PAGE_SIZE
