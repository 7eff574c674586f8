"""Pending writes: connections whose entries in Redis may be outdated, and those being written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping


class PendingWrites:
    """Allows at most one writer at a time for the entries of each connection: an operation, or the housekeeping.

    An operation that finds another writer, or that fails, leaves the connection to the housekeeping, which then writes the
    current memory of this server. So whatever the interleaving, the last write is correct.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._being_written: set[str] = set()
        self._left: dict[str, str] = {}

    @property
    def is_clear(self) -> bool:
        """Return whether everything is written."""
        with self._lock:  # Without it, a connection could move from one to the other between the two checks.
            return not self._left and not self._being_written

    def begin(self, connection_id: str) -> bool:
        """Begin to write a connection's entries, and return whether there is no other writer."""
        with self._lock:
            if connection_id in self._being_written:
                return False
            self._being_written.add(connection_id)
            return True

    def end(self, *connection_ids: str) -> None:
        """Finish writing."""
        with self._lock:
            self._being_written.difference_update(connection_ids)

    def leave(self, owners: Mapping[str, str]) -> None:
        """Leave connections to the housekeeping.

        Args:
            owners: The connections and their users: connection -> user.
        """
        with self._lock:
            self._left.update(owners)

    def take(self, limit: int, weight: Callable[[str], int]) -> dict[str, str]:
        """Begin to write connections that were left; those being written are taken later.

        Args:
            limit: The total amount for one batch.
            weight: Returns the amount of a connection.

        Returns:
            The connections and their users: connection -> user.
        """
        with self._lock:
            taken: dict[str, str] = {}
            for connection_id, user_id in self._left.items():
                if limit <= 0:
                    break
                if connection_id not in self._being_written:
                    taken[connection_id] = user_id
                    limit -= weight(connection_id)
            for connection_id in taken:
                del self._left[connection_id]
            self._being_written.update(taken)
            return taken
