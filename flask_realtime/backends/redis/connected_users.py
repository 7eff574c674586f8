"""Connected users on all servers, in Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from flask_realtime.backends.base import Awaited, BackendUnavailable, Change, ConnectedUsers, PresenceEntry
from flask_realtime.backends.redis import answers, scripts
from flask_realtime.backends.redis.answers import Answer
from flask_realtime.backends.redis.entries import ServerEntries, details, presence_entry

_FRESH: Final = 0.5
"""Seconds for which a server's last renewal counts, if a new one can be requested."""


class RedisConnectedUsers(ConnectedUsers):
    """Connected users on all servers that share a Redis. While it is unreachable, the answers cover only this server.

    Args:
        entries: This server's entries.
        clock: Returns the seconds since 1970.
        on_doubt: Called when an answer depends on servers that may be dead.
    """

    def __init__(
        self, entries: ServerEntries, clock: Callable[[], float] = time.time, on_doubt: Callable[[], object] | None = None
    ) -> None:
        self._entries = entries
        self._lease = entries.lease
        self._here = entries.connected_users
        self._outage_journal = entries.outage_journal
        self._clock = clock
        self._on_doubt = on_doubt or _nothing

    def add(self, user_id: str, connection_id: str, device: str = "") -> Change:
        """Record a connection, and return whether it is the user's first on all servers."""
        entry = PresenceEntry(connection_id, self._lease.server_id, self._clock(), device)
        write = scripts.add(user_id, connection_id, details(entry), offline_delay=self._lease.offline_delay)
        change, answer = self._entries.write(user_id, connection_id, lambda: self._arrive(user_id, entry), write)
        return self._settled(user_id, change, answer, is_there=True)

    def remove(self, user_id: str, connection_id: str) -> Change:
        """Forget a connection and its memberships, and return whether it was the user's last on all servers.

        If that is not known yet, the answer is no, and the housekeeping announces the user later.
        """
        told_online = self._outage_journal.told_online.get(user_id, 0)
        joined, delay = self._entries.joined(connection_id), self._lease.offline_delay
        write = scripts.remove(user_id, connection_id, told_online=told_online, joined=joined, offline_delay=delay)
        change, answer = self._entries.write(user_id, connection_id, lambda: self._depart(user_id, connection_id), write)
        return self._settled(user_id, change, answer, is_there=False)

    def online(self, user_ids: Iterable[str]) -> set[str]:
        """Return the given users who have a connection, or are waited for."""
        wanted = set(user_ids)
        here = self._here.online(wanted)
        if here == wanted:
            return here
        try:
            return here | self._lease.ask(scripts.online(wanted - here))
        except BackendUnavailable:
            return here

    def users(self) -> list[str]:
        """Return the ids of all users who have a connection, or are waited for."""
        here = self._here.users()
        try:
            everywhere = self._lease.ask(scripts.users())
        except BackendUnavailable:
            return here
        return list(dict.fromkeys([*here, *everywhere]))

    def count(self) -> int:
        """Return how many users have a connection, or are waited for."""
        here = self._here.count()
        try:
            return max(here, self._lease.ask(scripts.count_users()))
        except BackendUnavailable:
            return here

    def connections(self, user_id: str) -> list[PresenceEntry]:
        """Return a user's connections."""
        here = self._here.connections(user_id)
        try:
            notes = self._entries.elsewhere(f"user:{user_id}")
        except BackendUnavailable:
            return here
        return here + [presence_entry(*note) for note in notes]

    def next_version(self) -> int:
        """Return a version for a change of a user that is none of connections: the time, as Redis has it."""
        return self._lease.clock.version()

    def exceeds_limit(self, number: int, user_id: str, within: float) -> bool | None:
        """Return whether a user has more than a number of connections; while Redis is unreachable, on this server."""
        if self._here.exceeds_limit(number, user_id, within):
            return True
        try:
            sure, unsure = self._lease.count_connections(user_id, self._fresh(within))
        except BackendUnavailable:
            return False
        rest = number - len(self._here.connections(user_id))
        if sure > rest or sure + unsure <= rest:
            return sure > rest
        self._on_doubt()
        return None

    def take_announcement(self, user_id: str) -> float:
        """Take one of the announcements of a user that all servers share; while Redis is unreachable, there is one."""
        try:
            return self._lease.ask(scripts.take_announcement(user_id))
        except BackendUnavailable:
            return 0.0

    def take_departure(self, user_id: str, version: int) -> bool | None:
        """Take a departure that waited; while Redis is unreachable, this server's users alone count."""
        try:
            return self._lease.ask(scripts.take_departure(user_id, version, offline_delay=self._lease.offline_delay))
        except BackendUnavailable:
            return not self._here.is_online(user_id)

    def departures(self, overdue: float | None = None) -> list[Awaited]:
        """Return the departures that wait, of all servers."""
        return self._lease.ask(scripts.departures(overdue, offline_delay=self._lease.offline_delay))

    def _fresh(self, within: float) -> float:
        # A server may have been killed since it last renewed, so within a lease only a fresh renewal counts.
        return within if within >= self._lease.ttl else min(within, _FRESH)

    def _arrive(self, user_id: str, entry: PresenceEntry) -> Change:
        noted = self._here.note(user_id, entry)
        return self._outage_journal.came(user_id, is_first=noted.status_changed)._replace(connections=noted.connections)

    def _depart(self, user_id: str, connection_id: str) -> Change | None:
        if self._here.pop(user_id, connection_id) is None:
            return None
        self._entries.leave_all(connection_id)
        return self._outage_journal.went(user_id)

    def _settled(self, user_id: str, change: Change | None, answer: Answer | None, *, is_there: bool) -> Change:
        if change is None:
            return Change(status_changed=False, version=self._lease.clock.version())
        if answer is None:
            return change
        self._outage_journal.written(user_id, answer.code, is_there=is_there)
        is_back = answer.is_back if self._lease.offline_delay else None
        return Change(answer.code == answers.TURNED, answer.version, answer.connections, answer.hold / 1000, is_back)


def _nothing() -> None:
    """Do nothing."""
