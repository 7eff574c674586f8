"""Roles in a conversation, and what each may do."""

from __future__ import annotations

from typing import Final

from flask_realtime.errors import Forbidden

DIRECT: Final = "direct"
GROUP: Final = "group"
TYPES: Final = (DIRECT, GROUP)

OWNER: Final = "owner"
MODERATOR: Final = "moderator"
MEMBER: Final = "member"
ROLES: Final = (OWNER, MODERATOR, MEMBER)

MAX_MEMBERS_AT_ONCE: Final = 100
"""Maximum number of users that one call adds, and of participants that a conversation's payload has."""

MAX_TITLE_LENGTH: Final = 200

MAX_PINS: Final = 50
"""Maximum number of pinned messages of a conversation."""

MODERATING: Final = frozenset({OWNER, MODERATOR})
"""Roles that may mention everyone, and delete the messages of others."""

NOT_TAKING_PART: Final = "You do not take part in this conversation"


def require_moderation(role: str | None) -> None:
    """Check that a role may add members, name the conversation and pin messages; None is the application itself.

    Raises:
        Forbidden: It may not.
    """
    if role == MEMBER:
        msg = "Only the conversation's owners and moderators may do this"
        raise Forbidden(msg)


def require_ownership(role: str | None) -> None:
    """Check that a role may set roles; None is the application itself.

    Raises:
        Forbidden: It may not.
    """
    if role not in {None, OWNER}:
        msg = "Only the conversation's owners may do this"
        raise Forbidden(msg)


def require_removal(role: str | None, removed: str, *, is_self: bool) -> None:
    """Check that a role may remove a participant.

    Args:
        role: The role of who removes; None is the application itself.
        removed: The role of who is removed.
        is_self: Whether they are the same, who leaves.

    Raises:
        Forbidden: It may not.
    """
    if is_self:
        return
    require_moderation(role)
    if removed != MEMBER:
        require_ownership(role)


def require_group(conversation_type: str) -> None:
    """Check that a conversation is one whose members and title change.

    Raises:
        Forbidden: It is a direct one.
    """
    if conversation_type == DIRECT:
        msg = "A direct conversation has its two participants and no title"
        raise Forbidden(msg)
