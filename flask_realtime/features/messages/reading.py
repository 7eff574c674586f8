"""Result of marking messages as read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReadResult:
    """The result of marking messages as read.

    Args:
        read_ids: Those of the requested messages that the user has read now, in the order requested.
        newly_read_ids: The messages that this call marked, of which the others are to hear. With cursors, which read everything
            before them too, the newest 500 of these, oldest first.
        up_to: The message up to which the user has read, or None where messages are marked one by one.
        position: Its place in the conversation: `seq`. Of receipts that are merged, the last one counts.
        participants: How many users take part in the conversation.
        unread_count: How many of the conversation's messages are unread now, or None if that has not changed.
        mention_count: How many of those mention the user.
    """

    read_ids: tuple[str, ...]
    newly_read_ids: tuple[str, ...]
    up_to: str | None = None
    position: int = 0
    participants: int = 0
    unread_count: int | None = None
    mention_count: int = 0
