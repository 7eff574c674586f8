"""The interfaces that every back end implements.

Connection ids are unique among all servers. Every method is atomic: two servers, threads or greenlets that call at once see one
order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Final, NamedTuple

from flask_realtime.errors import RealtimeError, RegistrationError


class BackendUnavailable(RealtimeError):
    """What the servers share cannot be reached now."""


class Change(NamedTuple):
    """What a connection's coming or going meant for its user; true where it changed something for others.

    Args:
        status_changed: Whether the user came online, or went offline.
        version: The change's place among all changes of this user, on all servers: a later one has a higher number.
        connections: How many the user has after one came, those of servers that may be gone included; 0 after one went.
        hold: Seconds for which it is not to be announced: the user came and went too often, on all servers together.
    """

    status_changed: bool
    version: int
    connections: int = 0
    hold: float = 0.0

    def __bool__(self) -> bool:
        return self.status_changed


class PresenceEntry(NamedTuple):
    """One connection of a user.

    Args:
        connection_id: Its id: `socket.id` in the client.
        server_id: The server that it is on; nothing where there is one server alone.
        since: When it came, in seconds since 1970.
        device: What the client calls the device that it is on, or nothing.
    """

    connection_id: str
    server_id: str
    since: float
    device: str = ""


class ConnectedUsers(ABC):
    """Users who have connections: user -> connections."""

    @abstractmethod
    def add(self, user_id: str, connection_id: str, device: str = "") -> Change:
        """Note a connection, and say whether it is the user's first."""

    @abstractmethod
    def remove(self, user_id: str, connection_id: str) -> Change:
        """Forget a connection, and say whether it was the user's last. Forgetting an unknown one changes nothing."""

    @abstractmethod
    def online(self, user_ids: Iterable[str]) -> set[str]:
        """Return those of the users who have a connection."""

    @abstractmethod
    def users(self) -> list[str]:
        """Return the ids of all users who have a connection."""

    @abstractmethod
    def count(self) -> int:
        """Return how many users have a connection."""

    @abstractmethod
    def connections(self, user_id: str) -> list[PresenceEntry]:
        """Return a user's connections."""

    @abstractmethod
    def exceeds_limit(self, number: int, user_id: str, within: float) -> bool | None:
        """Say whether a user has more connections than a number of them, those of servers that are about to stop not counted.

        Args:
            number: The number.
            user_id: The user.
            within: Seconds: a server that has given a sign of life in the last so many is alive.

        Returns:
            None where that depends on servers that may be alive or gone. Ask again: what servers share finds out, in the end.
        """

    def take_announcement(self, user_id: str) -> float:  # noqa: ARG002 - one server counts for itself
        """Take one from what all servers together may announce of a user.

        Returns:
            0, or the seconds after which there may be one.
        """
        return 0.0


class Tracker(ABC):
    """Members of topics: topic -> connections -> users.

    A topic is whatever a feature has members of; a connection is one user's on all topics.
    """

    @abstractmethod
    def join(self, topic: str, user_id: str, connection_id: str) -> bool:
        """Note that a connection joined, and say whether it was not joined before."""

    @abstractmethod
    def leave(self, topic: str, connection_id: str) -> bool:
        """Forget that a connection joined, and say whether it was joined."""

    @abstractmethod
    def leave_all(self, connection_id: str) -> list[str]:
        """Forget a connection, and return the topics that it was joined to, in the order joined.

        Where servers share a Redis, one that was removed from the connected users has left them already.
        """

    @abstractmethod
    def topics(self) -> list[str]:
        """Return the topics that somebody has joined."""

    @abstractmethod
    def users(self, topic: str) -> list[str]:
        """Return the distinct users with a connection joined to the topic."""


RESERVED: Final = frozenset({"announced", "answer", "came", "gone", "joined", "server", "user"})
"""What other names in the message queue begin with; see `redis.scripts`."""


def tracker_name(feature: str, kind: str) -> str:
    """Return what a tracker is called; the names of its topics on all servers begin with that.

    Args:
        feature: The feature whose it is.
        kind: What it keeps.

    Raises:
        RegistrationError: Topics of something else could be called the same.
    """
    if feature in RESERVED or ":" in feature + kind:
        msg = f"The feature {feature!r} cannot track {kind!r}: rename it; names with a colon and {sorted(RESERVED)} are taken."
        raise RegistrationError(msg)
    return f"{feature}:{kind}"
