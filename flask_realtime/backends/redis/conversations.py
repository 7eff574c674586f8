"""Joined conversations on all servers, in Redis."""

from __future__ import annotations

from flask_realtime.backends.base import BackendUnavailable, ConversationBackend
from flask_realtime.backends.redis import scripts
from flask_realtime.backends.redis.entries import ServerEntries


class RedisConversations(ConversationBackend):
    """Joined conversations on all servers that share a Redis. While it cannot be asked, the answers are about this server alone.

    Args:
        entries: This server's entries.
    """

    def __init__(self, entries: ServerEntries) -> None:
        self._entries = entries
        self._here = entries.conversations

    def join(self, conversation_id: str, user_id: str, connection_id: str) -> bool:
        """Note that a connection joined, and say whether it was not joined before."""
        write = scripts.join(user_id, connection_id, conversation_id)
        joined, _ = self._entries.write(
            user_id, connection_id, lambda: self._here.join(conversation_id, user_id, connection_id) or None, write
        )
        return joined is not None

    def leave(self, conversation_id: str, connection_id: str) -> bool:
        """Forget that a connection joined, and say whether it was joined."""
        user_id = self._here.owner(connection_id)
        if user_id is None:
            return False
        write = scripts.leave(user_id, connection_id, conversation_id)
        left, _ = self._entries.write(
            user_id, connection_id, lambda: self._here.leave(conversation_id, connection_id) or None, write
        )
        return left is not None

    def leave_all(self, connection_id: str) -> list[str]:
        """Forget a connection, and return the conversations that it was joined to.

        One that was removed from presence has left them with that, in the same round trip.
        """
        user_id = self._here.owner(connection_id)
        if user_id is None:
            return []
        write = scripts.leave_all(user_id, connection_id, self._here.joined(connection_id))
        left, _ = self._entries.write(user_id, connection_id, lambda: self._here.leave_all(connection_id) or None, write)
        return left or []

    def conversations(self) -> list[str]:
        """Return the conversations that somebody has joined; this looks through every name in Redis, and is for operators."""
        here = self._here.conversations()
        try:
            return list(dict.fromkeys([*here, *self._entries.lease.names("conversation")]))
        except BackendUnavailable:
            return here

    def users(self, conversation_id: str) -> list[str]:
        """Return the distinct users with a connection joined to the conversation."""
        here = self._here.users(conversation_id)
        try:
            notes = self._entries.elsewhere(f"conversation:{conversation_id}")
        except BackendUnavailable:
            return here
        return list(dict.fromkeys([*here, *(user_id for _, _, user_id in notes)]))
