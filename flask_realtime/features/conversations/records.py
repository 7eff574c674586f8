"""Values of conversations: what their store returns, and what clients ask of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


class ParticipantRecord(NamedTuple):
    """A participant of a conversation.

    Args:
        user_id: The user.
        role: "owner", "moderator" or "member".
    """

    user_id: str
    role: str


@dataclass(frozen=True)
class ConversationRecord:
    """A conversation as one of its participants sees it.

    `participants` are the first 100, in the order in which they came, and `participant_count` is the number of all. `muted` is
    True, False, or the time until which the viewer is not notified of mentions.
    """

    id: str
    title: str | None
    created_at: datetime
    participants: tuple[ParticipantRecord, ...]
    unread_count: int = 0
    type: str = "group"
    participant_count: int = 0
    last_seq: int = 0
    muted: bool | datetime = False

    @property
    def participant_ids(self) -> tuple[str, ...]:
        """Return the ids of the participants."""
        return tuple(participant.user_id for participant in self.participants)


class MemberRecord(NamedTuple):
    """A participant of a conversation, with the time at which they came."""

    user_id: str
    role: str
    joined_at: datetime


class MemberPage(NamedTuple):
    """A page of a conversation's participants, in the order in which they came.

    `next_after` is the `after` of the next page; None at the end.
    """

    members: tuple[MemberRecord, ...]
    next_after: str | None


class NewConversation(NamedTuple):
    """A conversation that a user wants to create with others."""

    type: str
    title: str | None
    participant_ids: tuple[str, ...]


class ConversationsQuery(NamedTuple):
    """A page of a user's conversations: newest first, or by their last activity."""

    before: str | None
    limit: int
    by_activity: bool


class ConversationChange(NamedTuple):
    """A change of a conversation's title, if `has_title`, and of whether it is muted for the user, unless that is None."""

    conversation_id: str
    has_title: bool
    title: str | None
    muted: bool | datetime | None


class MembersQuery(NamedTuple):
    """A page of a conversation's participants."""

    conversation_id: str
    after: str | None
    limit: int


class NewMembers(NamedTuple):
    """Users who are to take part in a conversation."""

    conversation_id: str
    user_ids: tuple[str, ...]


class OneMember(NamedTuple):
    """A participant of a conversation."""

    conversation_id: str
    user_id: str


class NewRole(NamedTuple):
    """A role that a participant is to have."""

    conversation_id: str
    user_id: str
    role: str


class OneMessage(NamedTuple):
    """A message of a conversation."""

    conversation_id: str
    message_id: str
