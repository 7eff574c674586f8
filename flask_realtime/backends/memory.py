"""The back ends of a single process.

Each guards its tables with a lock: under `flask run` events arrive in threads. Nothing waits while holding it, so under gevent the
lock is always free.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from flask_realtime.backends.base import Change, ConnectedUsers, PresenceEntry, Tracker
from flask_realtime.backends.record import NO_TEXT, Attempt, Record, Text
from flask_realtime.small_sets import NOTHING, SmallSet, take_name, with_name


class MemoryConnectedUsers(ConnectedUsers):
    """Connected users in this process's memory.

    Args:
        lock: Serialises access from several threads.
        clock: Returns the seconds since 1970.
        server_id: The name of the one server.
        orders_by_time: Whether the versions of changes are times, in microseconds, so that those of several servers compare.
    """

    def __init__(
        self,
        lock: AbstractContextManager[Any] | None = None,
        clock: Callable[[], float] = time.time,
        server_id: str = "",
        *,
        orders_by_time: bool = False,
    ) -> None:
        self._lock = lock or threading.Lock()
        self._clock = clock
        self._server_id = server_id
        self._orders_by_time = orders_by_time
        self._version = 0
        self._connections: dict[str, dict[str, PresenceEntry]] = {}

    def add(self, user_id: str, connection_id: str, device: str = "") -> Change:
        """Record a connection, and return whether it is the user's first."""
        return self.note(user_id, PresenceEntry(connection_id, self._server_id, self._clock(), device))

    def note(self, user_id: str, entry: PresenceEntry) -> Change:
        """Record a connection, and return whether it is the user's first.

        Args:
            user_id: The user.
            entry: The connection.
        """
        with self._lock:
            connections = self._connections.setdefault(user_id, {})
            first = not connections
            connections[entry.connection_id] = entry
            return self._change(status_changed=first, connections=len(connections))

    def remove(self, user_id: str, connection_id: str) -> Change:
        """Forget a connection, and return whether it was the user's last."""
        with self._lock:
            known = self._pop(user_id, connection_id) is not None
            return self._change(status_changed=known and user_id not in self._connections)

    def pop(self, user_id: str, connection_id: str) -> PresenceEntry | None:
        """Forget a connection, and return its entry."""
        with self._lock:
            return self._pop(user_id, connection_id)

    def online(self, user_ids: Iterable[str]) -> set[str]:
        """Return the given users who have a connection."""
        with self._lock:
            return {user_id for user_id in user_ids if user_id in self._connections}

    def is_online(self, user_id: str) -> bool:
        """Return whether a user has a connection."""
        return user_id in self._connections

    def users(self) -> list[str]:
        """Return the ids of all users who have a connection."""
        with self._lock:
            return list(self._connections)

    def count(self) -> int:
        """Return how many users have a connection."""
        with self._lock:
            return len(self._connections)

    def connections(self, user_id: str) -> list[PresenceEntry]:
        """Return a user's connections."""
        with self._lock:
            return list(self._connections.get(user_id, {}).values())

    def next_version(self) -> int:
        """Return a version for a change of a user that is none of connections."""
        with self._lock:
            return self._change(status_changed=True).version

    def exceeds_limit(self, number: int, user_id: str, within: float) -> bool:  # noqa: ARG002 - there is one server
        """Return whether a user has more than a number of connections."""
        with self._lock:
            return len(self._connections.get(user_id, ())) > number

    def entry(self, user_id: str, connection_id: str) -> PresenceEntry | None:
        """Return a connection's entry, or None."""
        with self._lock:
            return self._connections.get(user_id, {}).get(connection_id)

    def owners(self) -> dict[str, str]:
        """Return all connections and their users: connection -> user."""
        with self._lock:
            return {connection_id: user_id for user_id, of_user in self._connections.items() for connection_id in of_user}

    def _pop(self, user_id: str, connection_id: str) -> PresenceEntry | None:
        connections = self._connections.get(user_id)
        if connections is None:
            return None
        entry = connections.pop(connection_id, None)
        if not connections:
            del self._connections[user_id]
        return entry

    def _change(self, *, status_changed: bool, connections: int = 0) -> Change:
        self._version += status_changed
        if status_changed and self._orders_by_time:
            self._version = max(self._version, int(self._clock() * 1e6))
        return Change(status_changed, self._version, connections)


class MemoryTracker(Tracker):
    """Members of topics in this process's memory, indexed from both sides.

    Args:
        lock: Serialises access from several threads.
    """

    def __init__(self, lock: AbstractContextManager[Any] | None = None) -> None:
        self._lock = lock or threading.Lock()
        self._users: dict[str, dict[str, str]] = {}
        self._topics: dict[str, SmallSet] = {}

    def join(self, topic: str, user_id: str, connection_id: str) -> bool:
        """Record that a connection joined, and return whether it was not joined before."""
        with self._lock:
            connections = self._users.setdefault(topic, {})
            if connection_id in connections:
                return False
            connections[connection_id] = user_id
            self._topics[connection_id] = with_name(self._topics.get(connection_id, NOTHING), topic)
            return True

    def leave(self, topic: str, connection_id: str) -> bool:
        """Forget that a connection joined, and return whether it was joined."""
        with self._lock:
            if not take_name(self._topics, connection_id, topic):
                return False
            self._forget(topic, connection_id)
            return True

    def leave_all(self, connection_id: str) -> list[str]:
        """Forget a connection, and return the topics that it was joined to."""
        with self._lock:
            topics = list(self._topics.pop(connection_id, NOTHING))
            for topic in topics:
                self._forget(topic, connection_id)
            return topics

    def topics(self) -> list[str]:
        """Return the topics that somebody has joined."""
        with self._lock:
            return list(self._users)

    def members(self, topic: str) -> dict[str, str]:
        """Return the connections joined to the topic: connection -> user."""
        with self._lock:
            return dict(self._users.get(topic, {}))

    def users(self, topic: str) -> list[str]:
        """Return the distinct users with a connection joined to the topic, in the order of their first join."""
        with self._lock:
            return list(dict.fromkeys(self._users.get(topic, {}).values()))

    def joined(self, connection_id: str) -> list[str]:
        """Return the topics that a connection has joined, in the order joined."""
        with self._lock:
            return list(self._topics.get(connection_id, NOTHING))

    def owner(self, connection_id: str) -> str | None:
        """Return the user of a joined connection, or None."""
        with self._lock:
            topic = next(iter(self._topics.get(connection_id, NOTHING)), None)
            return None if topic is None else self._users[topic][connection_id]

    def owners(self) -> dict[str, str]:
        """Return the joined connections and their users: connection -> user."""
        with self._lock:
            return {
                connection_id: user_id for connections in self._users.values() for connection_id, user_id in connections.items()
            }

    def _forget(self, topic: str, connection_id: str) -> None:
        connections = self._users[topic]
        del connections[connection_id]
        if not connections:
            del self._users[topic]


class _Kept(NamedTuple):
    stored: Text
    until: float


class MemoryRecord(Record):
    """Values by id in this process's memory.

    Args:
        ttl: Seconds for which a value is kept after it was last written.
        lock: Serialises access from several threads.
        clock: Returns the time in seconds; it never goes back.
    """

    def __init__(
        self, ttl: float, lock: AbstractContextManager[Any] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ttl = ttl
        self._lock = lock or threading.Lock()
        self._clock = clock
        # Starts at the time, so that versions still rise for clients after a restart of the server.
        self._version = int(time.time() * 1e6)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def remove(self, record_id: str) -> bool:
        """Remove a value, and return whether there was one."""
        with self._lock:
            self._drop_expired()
            return self._kept.pop(record_id, None) is not None

    def _read(self, record_id: str) -> Text:
        with self._lock:
            return self._current(record_id)

    def _write(self, record_id: str, text: str, expected: int) -> Attempt:
        with self._lock:
            current = self._current(record_id)
            if current.version != expected:
                return Attempt(succeeded=False, current=current)
            self._version += 1
            written = Text(text, self._version)
            self._kept[record_id] = _Kept(written, self._clock() + self._ttl)
            self._kept.move_to_end(record_id)
            return Attempt(succeeded=True, current=written)

    def _current(self, record_id: str) -> Text:
        self._drop_expired()
        kept = self._kept.get(record_id)
        return NO_TEXT if kept is None else kept.stored

    def _drop_expired(self) -> None:
        # All have the same time to live, so the first is the next to expire.
        now = self._clock()
        while self._kept and next(iter(self._kept.values())).until <= now:
            self._kept.popitem(last=False)
