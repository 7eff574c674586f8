"""Archive: the stored messages as the handlers see them. The store implements it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Protocol

from flask_realtime.features.messages.records import MessagePage, MessageRecord, PageRequest
from flask_realtime.features.messages.sending import MessageEdit, MessageReference


class MessageArchive(Protocol):
    """The stored messages. Each method that names a user raises `Forbidden` if that one takes no part in the conversation."""

    def page_for(self, user_id: str, conversation_id: str, request: PageRequest) -> MessagePage:
        """Return a page of a conversation as a user sees it."""

    def edit_for(self, user_id: str, edit: MessageEdit, window: timedelta | None) -> MessageRecord:
        """Change the content of a user's own message, tell the conversation, and commit.

        Args:
            user_id: The user.
            edit: The message and its new content.
            window: The time after its sending in which it may be changed; None for ever.

        Raises:
            NotFound: There is no such message.
            Forbidden: It is not the user's own, or not to be changed any more.
        """

    def delete_for(self, user_id: str, message: MessageReference, *, as_moderator: bool) -> None:
        """Delete a message, tell the conversation, and commit.

        Args:
            user_id: The user.
            message: The message.
            as_moderator: Whether the user may delete those of others, and need not take part.

        Raises:
            NotFound: There is no such message.
            Forbidden: It is not the user's own, and the user is neither a moderator of the conversation nor an owner.
        """

    def as_json(self, messages: Sequence[MessageRecord]) -> list[Any]:
        """Return messages as clients get them."""

    def unread_count(self, user_id: str) -> int:
        """Count a user's unread messages in all conversations."""
