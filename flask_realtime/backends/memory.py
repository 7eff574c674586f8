"""The back ends of a single process.

Each keeps its tables behind a lock: under `flask run` events come in threads. Nothing is awaited inside, so under gevent the lock
is always free.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

from flask_realtime.backends.base import ConversationBackend, PresenceBackend


class MemoryPresence(PresenceBackend):
    """Presence in this process's memory.

    Args:
        lock: Keeps threads out of each other's way.
    """

    def __init__(self, lock: AbstractContextManager[Any] | None = None) -> None:
        self._lock = lock or threading.Lock()
        self._connections: dict[str, set[str]] = {}

    def add(self, user_id: str, connection_id: str) -> bool:
        """Note a connection, and say whether it is the user's first."""
        with self._lock:
            first = user_id not in self._connections
            self._connections.setdefault(user_id, set()).add(connection_id)
            return first

    def remove(self, user_id: str, connection_id: str) -> bool:
        """Forget a connection, and say whether it was the user's last."""
        with self._lock:
            connections = self._connections.get(user_id, set())
            if connection_id not in connections:
                return False
            connections.remove(connection_id)
            if connections:
                return False
            del self._connections[user_id]
            return True

    def online(self, user_ids: Iterable[str]) -> set[str]:
        """Return those of the users who have a connection."""
        with self._lock:
            return {user_id for user_id in user_ids if user_id in self._connections}

    def users(self) -> list[str]:
        """Return the ids of all users who have a connection."""
        with self._lock:
            return list(self._connections)

    def count(self) -> int:
        """Return how many users have a connection."""
        with self._lock:
            return len(self._connections)


class MemoryConversations(ConversationBackend):
    """Joined conversations in this process's memory, indexed from both sides.

    Args:
        lock: Keeps threads out of each other's way.
    """

    def __init__(self, lock: AbstractContextManager[Any] | None = None) -> None:
        self._lock = lock or threading.Lock()
        self._users: dict[str, dict[str, str]] = {}
        self._conversations: dict[str, dict[str, None]] = {}

    def join(self, conversation_id: str, user_id: str, connection_id: str) -> bool:
        """Note that a connection joined, and say whether it was not joined before."""
        with self._lock:
            connections = self._users.setdefault(conversation_id, {})
            if connection_id in connections:
                return False
            connections[connection_id] = user_id
            self._conversations.setdefault(connection_id, {})[conversation_id] = None
            return True

    def leave(self, conversation_id: str, connection_id: str) -> bool:
        """Forget that a connection joined, and say whether it was joined."""
        with self._lock:
            conversations = self._conversations.get(connection_id, {})
            if conversation_id not in conversations:
                return False
            del conversations[conversation_id]
            if not conversations:
                del self._conversations[connection_id]
            self._forget(conversation_id, connection_id)
            return True

    def leave_all(self, connection_id: str) -> list[str]:
        """Forget a connection, and return the conversations that it was joined to."""
        with self._lock:
            conversations = list(self._conversations.pop(connection_id, {}))
            for conversation_id in conversations:
                self._forget(conversation_id, connection_id)
            return conversations

    def users(self, conversation_id: str) -> list[str]:
        """Return the distinct users with a connection joined to the conversation."""
        with self._lock:
            return list(dict.fromkeys(self._users.get(conversation_id, {}).values()))

    def _forget(self, conversation_id: str, connection_id: str) -> None:
        connections = self._users[conversation_id]
        del connections[connection_id]
        if not connections:
            del self._users[conversation_id]
