"""Room names, built only here; each has a prefix that no id can forge."""

from __future__ import annotations


def user_room(user_id: str) -> str:
    """Return the room of all of a user's connections."""
    return f"user:{user_id}"


def conversation_room(conversation_id: str) -> str:
    """Return the room of the connections that joined a conversation."""
    return f"conversation:{conversation_id}"
