"""Calls of presence, for applications."""

from __future__ import annotations

from flask_realtime.backends.base import PresenceEntry
from flask_realtime.contract.ids import WireId, parse_id
from flask_realtime.feature.calls import Calls
from flask_realtime.features.conversations import conversations
from flask_realtime.features.presence.events import UserStatus
from flask_realtime.features.presence.feature import presence
from flask_realtime.features.presence.state import Presence


class PresenceCalls(Calls):
    """The calls about presence."""

    def is_user_online(self, user_id: WireId) -> bool:
        """Return whether a user has a connection."""
        return self._presence().is_online(parse_id(user_id, "user_id"))

    def get_user_status(self, user_id: WireId) -> UserStatus:
        """Return a user's status, as `user:get-status` answers it."""
        return self._presence().status(parse_id(user_id, "user_id"))

    def get_online_users_count(self) -> int:
        """Return how many users have a connection."""
        return self._presence().count()

    def get_online_users(self, conversation_id: WireId | None = None) -> list[str]:
        """Return the ids of the users who have a connection.

        Args:
            conversation_id: Return only users with a connection joined to this conversation; None for all.
        """
        if conversation_id is None:
            return self._presence().users()
        return self._target().state_of(conversations).online_users(parse_id(conversation_id, "conversation_id"))

    def get_user_connections(self, user_id: WireId) -> list[PresenceEntry]:
        """Return a user's connections on all servers: the id of each, its server, its start, and its device."""
        return self._presence().connections(parse_id(user_id, "user_id"))

    def _presence(self) -> Presence:
        return self._target().state_of(presence)
