"""State of presence: the users who are online.

A user is online from the first connection until the last one has closed; a second tab changes nothing. While the departure waits to
be announced, the user is online still.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flask_realtime.backends.base import Awaited, Change, ConnectedUsers, PresenceEntry
from flask_realtime.contract.effects import Emit
from flask_realtime.contract.rooms import user_room
from flask_realtime.features.presence.departures import Departures
from flask_realtime.features.presence.events import HEARD, USER_STATUS_CHANGED, UserStatus, user_status


class Presence:
    """The presence of users on all servers.

    Args:
        backend: The state that servers share.
    """

    def __init__(self, backend: ConnectedUsers) -> None:
        self._backend = backend
        self.departures: Departures | None = None
        """Departures that wait; None in a process that is not a server."""

    def connected(self, connection_id: str, user_id: str, device: str = "") -> Change:
        """Record a connection, and return whether the user came online with it.

        Args:
            connection_id: The connection.
            user_id: Its user.
            device: The client's name for its device, or an empty string.
        """
        return self._backend.add(user_id, connection_id, device)

    def disconnected(self, connection_id: str, user_id: str) -> Change:
        """Forget a connection, and return whether the user went offline with it."""
        return self._backend.remove(user_id, connection_id)

    def next_version(self) -> int:
        """Return a sequence number for a change of a user's presence that is none of connections."""
        return self._backend.next_version()

    def is_online(self, user_id: str) -> bool:
        """Return whether a user is online."""
        return self._backend.is_online(user_id) or (self.departures is not None and self.departures.waits(user_id))

    def status(self, user_id: str) -> UserStatus:
        """Return a user's status."""
        return user_status(user_id, online=self.is_online(user_id))

    def statuses(self, user_ids: Sequence[str]) -> list[UserStatus]:
        """Return the users' statuses, in the requested order."""
        online = self.online_among(user_ids)
        return [user_status(user_id, online=user_id in online) for user_id in user_ids]

    def users(self) -> list[str]:
        """Return the ids of all users who are online."""
        if self.departures is None or not self.departures.is_waiting:
            return self._backend.users()
        return list(dict.fromkeys([*self._backend.users(), *self.departures.users()]))

    def count(self) -> int:
        """Return how many users are online."""
        waiting = set() if self.departures is None else self.departures.users()
        return self._backend.count() + len(waiting - self._backend.online(waiting) if waiting else ())

    def online_among(self, user_ids: Sequence[str]) -> set[str]:
        """Return those of some users who are online."""
        online = self._backend.online(user_ids)
        return online if self.departures is None else online | self.departures.among(user_ids)

    def connections(self, user_id: str) -> list[PresenceEntry]:
        """Return a user's connections."""
        return self._backend.connections(user_id)

    def exceeds_limit(self, number: int, user_id: str, within: float) -> bool | None:
        """Return whether a user has more than a number of connections; None if the caller has to ask again."""
        return self._backend.exceeds_limit(number, user_id, within)

    def take_departure(self, user_id: str, version: int) -> bool | None:
        """Take a user's departure that waited; see `ConnectedUsers.take_departure`."""
        return self._backend.take_departure(user_id, version)

    def left_departures(self, overdue: float | None = None) -> list[Awaited]:
        """Return the departures that wait on whatever server, if servers share them; see `ConnectedUsers.departures`."""
        return self._backend.departures(overdue)

    def take_announcement(self, user_id: str) -> float:
        """Take one of the announcements of a user that all servers share; return 0, or the seconds until one may be made."""
        return self._backend.take_announcement(user_id)

    @staticmethod
    def status_changed(user_id: str, *, online: bool, audience: Iterable[str] | None, version: int) -> Emit:
        """Announce that a user came online or went offline.

        Args:
            user_id: The user.
            online: Whether the user is online now.
            audience: The users to notify, or None for everyone.
            version: The change's sequence number among the changes of this user, on all servers.
        """
        payload = user_status(user_id, online=online)
        emit = USER_STATUS_CHANGED.to_everyone(payload) if audience is None else USER_STATUS_CHANGED.to_users(audience, payload)
        emit.order = (user_room(user_id), version)
        emit.note = ("presence", HEARD, (user_id, online, version, True))
        return emit
