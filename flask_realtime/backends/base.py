"""The interfaces that every back end implements.

Connection ids are unique among all servers. Every method is atomic: concurrent calls from several servers, threads or greenlets
have one order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Final, NamedTuple

from flask_realtime.errors import RealtimeError, RegistrationError


class BackendUnavailable(RealtimeError):
    """The shared state cannot be reached now."""


class Change(NamedTuple):
    """The effect of a connection's opening or closing on its user; true if it changed the user's status.

    Args:
        status_changed: Whether the user came online, or went offline.
        version: The change's sequence number among all changes of this user, on all servers: a later one has a higher number.
        connections: The user's connections after one opened, including those of servers that may be dead; 0 after one closed.
        hold: Seconds for which it must not be announced, because the user changed too often, on all servers together.
        is_back: Whether the user was waited for, and came before others were told; None if only this server can know.
    """

    status_changed: bool
    version: int
    connections: int = 0
    hold: float = 0.0
    is_back: bool | None = None

    def __bool__(self) -> bool:
        return self.status_changed


class Awaited(NamedTuple):
    """A user who went offline, which waits to be announced.

    Args:
        user_id: The user.
        version: The departure's version, as in `Change`.
        seconds: Seconds until it is due; below 0 if nobody has announced it in time.
    """

    user_id: str
    version: int
    seconds: float


class PresenceEntry(NamedTuple):
    """One connection of a user.

    Args:
        connection_id: Its id: `socket.id` in the client.
        server_id: The server that it is on; empty if there is only one server.
        since: When it was opened, in seconds since 1970.
        device: The client's name for its device, or an empty string.
    """

    connection_id: str
    server_id: str
    since: float
    device: str = ""


class ConnectedUsers(ABC):
    """Users who have connections: user -> connections.

    If servers share a Redis, those who went offline are among `online`, `users` and `count` until that is announced.
    """

    @abstractmethod
    def add(self, user_id: str, connection_id: str, device: str = "") -> Change:
        """Record a connection, and return whether it is the user's first."""

    @abstractmethod
    def remove(self, user_id: str, connection_id: str) -> Change:
        """Forget a connection, and return whether it was the user's last. Forgetting an unknown one changes nothing."""

    @abstractmethod
    def online(self, user_ids: Iterable[str]) -> set[str]:
        """Return the given users who have a connection."""

    def is_online(self, user_id: str) -> bool:
        """Return whether a user has a connection."""
        return bool(self.online((user_id,)))

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
    def next_version(self) -> int:
        """Return a version for a change of a user that is none of connections; it is higher than those of all changes before.

        If servers share a Redis, it may be lower than that of a change within the last milliseconds.
        """

    @abstractmethod
    def exceeds_limit(self, number: int, user_id: str, within: float) -> bool | None:
        """Return whether a user has more than a number of connections, not counting those of servers that are about to stop.

        Args:
            number: The number.
            user_id: The user.
            within: A server that has renewed its lease in this many past seconds is alive.

        Returns:
            None if that depends on servers that may be alive or dead. Ask again: the back end finds out eventually.
        """

    def take_announcement(self, user_id: str) -> float:  # noqa: ARG002 - a single server limits announcements itself
        """Take one of the announcements of a user that all servers share.

        Returns:
            0, or the seconds until one may be made.
        """
        return 0.0

    def take_departure(self, user_id: str, version: int) -> bool | None:  # noqa: ARG002 - a single server has no others
        """Take a user's departure that waited, so that it is announced by one server.

        Args:
            user_id: The user.
            version: The version of the departure.

        Returns:
            Whether it is to be announced; None if servers share no note of it, or another one took that and may have died since.
        """
        return not self.is_online(user_id)

    def departures(self, overdue: float | None = None) -> list[Awaited]:  # noqa: ARG002 - a single server has no others
        """Return the departures that wait on whatever server, if servers share them.

        Args:
            overdue: Seconds for which they have to be due already; None for all, due or not.

        Raises:
            BackendUnavailable: They cannot be read now.
        """
        return []


class Tracker(ABC):
    """Members of topics: topic -> connections -> users.

    A topic is anything that a feature has members of; a connection belongs to the same user on all topics.
    """

    @abstractmethod
    def join(self, topic: str, user_id: str, connection_id: str) -> bool:
        """Record that a connection joined, and return whether it was not joined before."""

    @abstractmethod
    def leave(self, topic: str, connection_id: str) -> bool:
        """Forget that a connection joined, and return whether it was joined."""

    @abstractmethod
    def leave_all(self, connection_id: str) -> list[str]:
        """Forget a connection, and return the topics that it was joined to, in the order joined.

        If servers share a Redis, a connection that was removed from the connected users has left them already.
        """

    @abstractmethod
    def topics(self) -> list[str]:
        """Return the topics that somebody has joined."""

    @abstractmethod
    def members(self, topic: str) -> dict[str, str]:
        """Return the connections joined to the topic: connection -> user."""

    @abstractmethod
    def users(self, topic: str) -> list[str]:
        """Return the distinct users with a connection joined to the topic."""


RESERVED: Final = frozenset({"announced", "answer", "came", "gone", "joined", "recovery", "server", "user"})
"""Prefixes of other names in the message queue; see `redis.scripts`."""


def shared_name(feature: str, kind: str) -> str:
    """Return the name of a tracker or record, which prefixes its topics or ids on all servers.

    Args:
        feature: Its feature.
        kind: The kind of members or values.

    Raises:
        RegistrationError: Its topics or ids could clash with other names.
    """
    if feature in RESERVED or ":" in feature + kind:
        msg = f"The feature {feature!r} cannot share {kind!r}: rename it; names with a colon and {sorted(RESERVED)} are taken."
        raise RegistrationError(msg)
    return f"{feature}:{kind}"
