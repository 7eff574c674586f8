"""Entries of a server in Redis, and its own copy of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TypeVar

from flask_realtime.backends.base import BackendUnavailable, PresenceEntry
from flask_realtime.backends.memory import MemoryConnectedUsers, MemoryTracker
from flask_realtime.backends.redis import scripts
from flask_realtime.backends.redis.answers import Answer
from flask_realtime.backends.redis.lease import Lease
from flask_realtime.backends.redis.outage_journal import OutageJournal
from flask_realtime.backends.redis.pending_writes import PendingWrites
from flask_realtime.backends.redis.scripts import State, Write

ResultT = TypeVar("ResultT")


class ServerEntries:
    """This server's connections, in its own memory and in Redis.

    An operation changes this server's memory first, and then Redis, in one round trip. If Redis is unreachable, the memory's
    answer counts, and the connection is left to the housekeeping.

    Args:
        lease: The server's lease.
    """

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.connected_users = MemoryConnectedUsers()
        self.trackers: dict[str, MemoryTracker] = defaultdict(MemoryTracker)
        """The topics that its connections have joined, by the trackers' names."""
        self.pending_writes = PendingWrites()
        self.outage_journal = OutageJournal(lease.clock.version, lease.grace)
        self._listeners: list[Callable[[], object]] = []

    def on_left(self, listener: Callable[[], object]) -> None:
        """Register a function to be called when a connection is left that the housekeeping can write at once."""
        self._listeners.append(listener)

    def write(
        self,
        user_id: str,
        connection_id: str,
        change: Callable[[], ResultT | None],
        write: Write[Answer],
    ) -> tuple[ResultT | None, Answer | None]:
        """Change this server's memory, and then Redis.

        Args:
            user_id: The connection's user.
            connection_id: The connection.
            change: Changes the memory, and returns the result, or None if there is nothing to write.
            write: Changes the entries in Redis.

        Returns:
            The result of `change`, and Redis's answer, or None if it gave none.
        """
        may_write = self.pending_writes.begin(connection_id)
        answer = None
        try:
            result = change()
            if result is None:
                return None, None
            if may_write:
                answer = self._run(write, connection_id)
            if answer is None:
                self.pending_writes.leave({connection_id: user_id})
        finally:
            if may_write:
                self.pending_writes.end(connection_id)
        if answer is None and (self.lease.needs_renewal or not may_write):
            for listener in self._listeners:
                listener()
        return result, answer

    def elsewhere(self, name: str) -> list[tuple[str, str, str]]:
        """Return the entries of other live servers' connections.

        Args:
            name: The rest of a hash's name.

        Returns:
            Each connection, its server, and the rest of the entry.

        Raises:
            BackendUnavailable: Redis is unreachable now.
        """
        found = []
        for connection_id, lease, rest in self.lease.ask(scripts.entries(name)):
            server_id = lease.rpartition(".")[0]
            if server_id != self.lease.server_id:
                found.append((connection_id, server_id, rest))
        return found

    def leave_all_to_be_written(self) -> None:
        """Leave every connection to the housekeeping."""
        owners = self.connected_users.owners()
        for tracker in self._all_trackers():
            owners |= tracker.owners()
        self.pending_writes.leave(owners)

    def state(self, user_id: str, connection_id: str) -> State:
        """Return the state of a connection to write."""
        return State(
            connection_id,
            user_id,
            details(self.connected_users.entry(user_id, connection_id)),
            self.joined(connection_id),
            self.outage_journal.told_online.get(user_id, 0),
            connection_id in self.outage_journal.unanswered_removals,
            connection_id in self.outage_journal.unanswered_arrivals,
        )

    def weight(self, connection_id: str) -> int:
        """Return the amount to write for a connection."""
        return 1 + sum(len(tracker.joined(connection_id)) for tracker in self._all_trackers())

    def joined(self, connection_id: str) -> list[str]:
        """Return the full names of the topics that a connection has joined."""
        return [f"{name}:{topic}" for name, tracker in list(self.trackers.items()) for topic in tracker.joined(connection_id)]

    def leave_all(self, connection_id: str) -> None:
        """Forget the topics that a connection has joined."""
        for tracker in self._all_trackers():
            tracker.leave_all(connection_id)

    def _all_trackers(self) -> list[MemoryTracker]:
        return list(self.trackers.values())

    def _run(self, write: Write[Answer], connection_id: str) -> Answer | None:
        try:
            return self.lease.run(write)
        except BackendUnavailable:
            self.outage_journal.unanswered(write.script, connection_id)
            return None


def details(entry: PresenceEntry | None) -> str:
    """Return the details of a connection that Redis stores beside its lease; empty if it is closed."""
    return "" if entry is None else f"{entry.since} {entry.device}"


def presence_entry(connection_id: str, server_id: str, noted: str) -> PresenceEntry:
    """Return the entry that `details` encoded.

    Args:
        connection_id: The connection.
        server_id: The server that it is on.
        noted: The encoded details.
    """
    since, _, device = noted.partition(" ")
    return PresenceEntry(connection_id, server_id, float(since), device)
