"""State of conversations: the connections that have joined each."""

from __future__ import annotations

from typing import Final

from flask_realtime.feature.values import Tracker
from flask_realtime.small_sets import NOTHING, SmallSet, take_name, with_name

MEMBERS: Final = "members"
"""The tracker of the connections that have joined a conversation."""


class Conversations:
    """Joined conversations.

    Every typing event asks which of this process's connections are in a conversation, so that is kept here; the tracker has the
    members on every server.

    Args:
        tracker: The members on every server.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._joined: dict[str, SmallSet] = {}

    def join(self, connection_id: str, conversation_id: str) -> bool:
        """Record that a connection of this process joined, and return whether it is new; call `share_join` next."""
        joined = self._joined.get(connection_id, NOTHING)
        if conversation_id in joined:
            return False
        self._joined[connection_id] = with_name(joined, conversation_id)
        return True

    def share_join(self, connection_id: str, user_id: str, conversation_id: str) -> None:
        """Tell all servers that a connection joined; may wait for them."""
        self._tracker.join(conversation_id, user_id, connection_id)
        if not self.is_joined(connection_id, conversation_id):
            self._tracker.leave(conversation_id, connection_id)  # It left meanwhile, which may have been shared first.

    def leave(self, connection_id: str, conversation_id: str) -> bool:
        """Forget that a connection of this process joined, and return whether it was joined; call `share_leave` next."""
        return take_name(self._joined, connection_id, conversation_id)

    def share_leave(self, connection_id: str, conversation_id: str) -> None:
        """Tell all servers that a connection left; may wait for them."""
        self._tracker.leave(conversation_id, connection_id)

    def disconnected(self, connection_id: str) -> list[str]:
        """Forget a connection of this process, and return the conversations that it was joined to; call `share_end` next."""
        return list(self._joined.pop(connection_id, NOTHING))

    def share_end(self, connection_id: str) -> None:
        """Tell all servers that a connection is closed; may wait for them."""
        self._tracker.leave_all(connection_id)

    def is_joined(self, connection_id: str, conversation_id: str) -> bool:
        """Return whether a connection of this process is joined."""
        return conversation_id in self._joined.get(connection_id, NOTHING)

    def count_joined(self, connection_id: str) -> int:
        """Return how many conversations a connection of this process has joined."""
        return len(self._joined.get(connection_id, NOTHING))

    def online_users(self, conversation_id: str) -> list[str]:
        """Return the distinct users with a joined connection, on every server."""
        return self._tracker.users(conversation_id)

    def members(self, conversation_id: str) -> dict[str, str]:
        """Return the joined connections, on every server, and their users: connection -> user."""
        return self._tracker.members(conversation_id)

    def joined_anywhere(self) -> list[str]:
        """Return the conversations that somebody has joined, on every server; it may take long, and is for operators."""
        return self._tracker.topics()
