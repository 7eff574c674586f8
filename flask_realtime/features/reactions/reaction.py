"""Reactions that clients send, and what keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

MAX_KINDS: Final = 50
"""Maximum number of different emoji with which users react to one message."""

MAX_USER_IDS: Final = 100
"""Maximum number of users who are named for each emoji of a message: the first ones."""


@dataclass(frozen=True)
class Reaction:
    """A reaction that a client adds or removes.

    Args:
        conversation_id: The conversation.
        message_id: The message.
        emoji: The emoji, in Unicode's fully qualified form.
    """

    conversation_id: str
    message_id: str
    emoji: str


class StoredReactions(Protocol):
    """The reactions of the application's database. The store implements it."""

    def add(self, conversation_id: str, message_id: str, user_id: str, emoji: str) -> bool:
        """Store a user's reaction, and tell the conversation of it if it is new.

        Raises:
            Forbidden: The user takes no part in the conversation, or the message has too many kinds of reactions.
            NotFound: There is no such message in the conversation, or it was deleted.
        """

    def remove(self, conversation_id: str, message_id: str, user_id: str, emoji: str) -> bool:
        """Remove a user's reaction, and tell the conversation of it if it was there; see `add`."""
