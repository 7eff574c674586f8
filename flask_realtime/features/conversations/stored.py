"""The store of conversations as the handlers of requests see it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from flask_realtime.contract.events import Document
from flask_realtime.features.conversations.records import ConversationChange, ConversationRecord, MemberPage, MemberRecord


class StoredMembers(Protocol):
    """The members of conversations; see `MemberStore`."""

    def page(self, conversation_id: str, *, after: str | None, limit: int) -> MemberPage:
        """Return members of a conversation in the order in which they came."""

    def add(self, conversation_id: str, user_ids: Iterable[str], *, by: str | None) -> tuple[MemberRecord, ...]:
        """Add members to a conversation, and return those who are new."""

    def set_role(self, conversation_id: str, user_id: str, role: str, *, by: str | None) -> MemberRecord:
        """Give a member a role, and return the member."""

    def remove(self, conversation_id: str, user_id: str, *, by: str | None) -> None:
        """Remove a member of a conversation."""

    def as_json(self, members: Sequence[MemberRecord]) -> list[Document]:
        """Return members as clients get them."""


class StoredPins(Protocol):
    """The pinned messages of conversations; see `PinStore`."""

    @property
    def is_available(self) -> bool:
        """Return whether messages can be pinned."""

    def add(self, conversation_id: str, message_id: str, *, by: str) -> bool:
        """Pin a message."""

    def remove(self, conversation_id: str, message_id: str, *, by: str) -> bool:
        """Unpin a message."""


class StoredConversations(Protocol):
    """Conversations; see `ConversationStore`. All methods work in an application context."""

    @property
    def members(self) -> StoredMembers:
        """Return their members."""

    @property
    def pins(self) -> StoredPins:
        """Return their pinned messages."""

    def has_participant(self, conversation_id: str, user_id: str) -> bool:
        """Return whether the user takes part in the conversation."""

    def get(self, conversation_id: str, user_id: str) -> ConversationRecord | None:
        """Return a conversation as a participant sees it, or None if the user does not take part in it."""

    def of_user(self, user_id: str, *, before: str | None, limit: int | None, by_activity: bool) -> list[ConversationRecord]:
        """Return conversations that a user takes part in."""

    def as_json(self, user_id: str, records: Sequence[ConversationRecord]) -> Sequence[Any]:
        """Return conversations as clients of a participant get them."""

    def create(
        self,
        participant_ids: Iterable[str],
        title: str | None,
        type: str,  # noqa: A002 - the field's name
        creator_id: str | None,
        *,
        tell: bool | None,
    ) -> ConversationRecord:
        """Create a conversation, or return the direct one that two users have already."""

    def change(self, change: ConversationChange, user_id: str) -> None:
        """Change a conversation as a participant wants."""
