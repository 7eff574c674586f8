"""The interfaces that every back end implements.

Connection ids are unique among all servers. Every method is atomic: two servers, threads or greenlets that call at once see one
order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable


class PresenceBackend(ABC):
    """Which users have connections: user -> connection ids."""

    @abstractmethod
    def add(self, user_id: str, connection_id: str) -> bool:
        """Note a connection, and say whether it is the user's first."""

    @abstractmethod
    def remove(self, user_id: str, connection_id: str) -> bool:
        """Forget a connection, and say whether it was the user's last. Forgetting an unknown one changes nothing: False."""

    @abstractmethod
    def online(self, user_ids: Iterable[str]) -> set[str]:
        """Return those of the users who have a connection."""

    @abstractmethod
    def users(self) -> list[str]:
        """Return the ids of all users who have a connection."""

    @abstractmethod
    def count(self) -> int:
        """Return how many users have a connection."""


class ConversationBackend(ABC):
    """Which connections have joined which conversations."""

    @abstractmethod
    def join(self, conversation_id: str, user_id: str, connection_id: str) -> bool:
        """Note that a connection joined, and say whether it was not joined before."""

    @abstractmethod
    def leave(self, conversation_id: str, connection_id: str) -> bool:
        """Forget that a connection joined, and say whether it was joined."""

    @abstractmethod
    def leave_all(self, connection_id: str) -> list[str]:
        """Forget a connection, and return the conversations that it was joined to, in the order joined."""

    @abstractmethod
    def users(self, conversation_id: str) -> list[str]:
        """Return the distinct users with a connection joined to the conversation, in the order of their first join."""
