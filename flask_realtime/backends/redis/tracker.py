"""Members of topics on all servers, in Redis."""

from __future__ import annotations

from flask_realtime.backends.base import BackendUnavailable, Tracker
from flask_realtime.backends.redis import scripts
from flask_realtime.backends.redis.entries import ServerEntries


class RedisTracker(Tracker):
    """Members of topics on all servers that share a Redis. While it is unreachable, the answers cover only this server.

    Args:
        entries: This server's entries.
        name: The tracker's name; see `shared_name`.
    """

    def __init__(self, entries: ServerEntries, name: str) -> None:
        self._entries = entries
        self._name = name
        self._here = entries.trackers[name]

    def join(self, topic: str, user_id: str, connection_id: str) -> bool:
        """Record that a connection joined, and return whether it was not joined before."""
        write = scripts.join(user_id, connection_id, self._full(topic))
        joined, _ = self._entries.write(
            user_id, connection_id, lambda: self._here.join(topic, user_id, connection_id) or None, write
        )
        return joined is not None

    def leave(self, topic: str, connection_id: str) -> bool:
        """Forget that a connection joined, and return whether it was joined."""
        user_id = self._here.owner(connection_id)
        if user_id is None:
            return False
        write = scripts.leave(user_id, connection_id, self._full(topic))
        left, _ = self._entries.write(user_id, connection_id, lambda: self._here.leave(topic, connection_id) or None, write)
        return left is not None

    def leave_all(self, connection_id: str) -> list[str]:
        """Forget a connection, and return the topics that it was joined to.

        A connection that was removed from the connected users has left them with that, in the same round trip.
        """
        user_id = self._here.owner(connection_id)
        if user_id is None:
            return []
        joined = [self._full(topic) for topic in self._here.joined(connection_id)]
        write = scripts.leave_all(user_id, connection_id, self._full(""), joined)
        left, _ = self._entries.write(user_id, connection_id, lambda: self._here.leave_all(connection_id) or None, write)
        return left or []

    def topics(self) -> list[str]:
        """Return the topics that somebody has joined; this scans every key in Redis, and is for operators."""
        here = self._here.topics()
        try:
            return list(dict.fromkeys([*here, *self._entries.lease.names(self._name)]))
        except BackendUnavailable:
            return here

    def members(self, topic: str) -> dict[str, str]:
        """Return the connections joined to the topic: connection -> user."""
        here = self._here.members(topic)
        try:
            notes = self._entries.elsewhere(self._full(topic))
        except BackendUnavailable:
            return here
        return {**here, **{connection_id: user_id for connection_id, _, user_id in notes}}

    def users(self, topic: str) -> list[str]:
        """Return the distinct users with a connection joined to the topic."""
        return list(dict.fromkeys(self.members(topic).values()))

    def _full(self, topic: str) -> str:
        return f"{self._name}:{topic}"
