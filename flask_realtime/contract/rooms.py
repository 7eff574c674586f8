"""Room names, built only here; each has a prefix that no id can forge."""

from __future__ import annotations

from typing import Final

_CONVERSATION: Final = "conversation:"
_USER: Final = "user:"


def user_room(user_id: str) -> str:
    """Return the room of all of a user's connections."""
    return f"{_USER}{user_id}"


def is_user_room(room: str) -> bool:
    """Return whether a room is that of a user's connections."""
    return room.startswith(_USER)


def conversation_room(conversation_id: str) -> str:
    """Return the room of the connections that joined a conversation."""
    return f"{_CONVERSATION}{conversation_id}"


def conversation_of(room: str) -> str | None:
    """Return the conversation of a room, or None if it is another room."""
    return room[len(_CONVERSATION) :] if room.startswith(_CONVERSATION) else None
