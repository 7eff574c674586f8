"""What a store gives out: plain values that outlive the database session. Ids are text, as they travel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class ConversationRecord:
    """A conversation as one of its participants sees it."""

    id: str
    title: str | None
    created_at: datetime
    participant_ids: tuple[str, ...]
    unread_count: int = 0


@dataclass(frozen=True)
class MessageRecord:
    """A message as one user sees it.

    `is_read` of one's own message: somebody else has read it. Of another's message: one has read it oneself.
    """

    id: str
    conversation_id: str
    sender_id: str
    content: str
    created_at: datetime
    is_read: bool = False


@dataclass(frozen=True)
class MessagePage:
    """A stretch of a conversation, oldest message first.

    `next_before` is what to ask for to get the stretch before this one; None at the beginning.
    """

    messages: tuple[MessageRecord, ...]
    next_before: str | None


@dataclass(frozen=True)
class ReadResult:
    """What marking messages as read came to.

    `read_ids` are those of the asked-for messages that the user has read now, in the order asked for;
    `newly_read_ids` those among them that this very call marked.
    """

    read_ids: tuple[str, ...]
    newly_read_ids: tuple[str, ...]


@dataclass(frozen=True)
class NotificationRecord:
    """A notification to one user."""

    id: str
    user_id: str
    type: str
    title: str
    message: str
    link: str | None
    data: Any
    created_at: datetime
    is_read: bool = False
