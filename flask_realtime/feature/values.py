"""Values that all servers share, as features see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from flask_realtime.contract.records import Stored


class Tracker(Protocol):
    """Members of topics on every server: the connections that have joined each topic, and their users.

    The connections of a server that dies leave all topics. Call `leave_all` for one that closes. Every method may wait for the
    message queue; call none under a lock.
    """

    def join(self, topic: str, user_id: str, connection_id: str) -> bool:
        """Record that a connection of this server joined, and return whether it was not joined before."""

    def leave(self, topic: str, connection_id: str) -> bool:
        """Forget that a connection of this server joined, and return whether it was joined."""

    def leave_all(self, connection_id: str) -> list[str]:
        """Forget a connection of this server, and return the topics that it was joined to."""

    def topics(self) -> list[str]:
        """Return the topics that somebody has joined, on every server; it may take long, and is for operators."""

    def members(self, topic: str) -> dict[str, str]:
        """Return the connections joined to the topic, on every server, and their users: connection -> user."""

    def users(self, topic: str) -> list[str]:
        """Return the distinct users with a connection joined to the topic, on every server."""


class Record(Protocol):
    """Small values by id that all servers share, each of which expires some time after it was last written.

    Values are JSON, of 64 KiB at most: tuples become lists, and the keys of objects strings. Every method may wait for the message
    queue; call none under a lock or in an `inline` handler.

    Where servers share a Redis, every method raises `BackendUnavailable` while it cannot be reached, and after one that writes it
    is not known whether it did: nothing is kept meanwhile, and nothing is written afterwards. A Redis that loses its data loses the
    values; what must survive belongs in a database. Over a broker each server has its own values.
    """

    def get(self, record_id: str) -> Stored:
        """Return a value and its version; `Stored(None, 0)` if there is none."""

    def put(self, record_id: str, value: Any, *, expected: int) -> int:
        """Write a value if the stored one has a version.

        Args:
            record_id: Its id.
            value: The value.
            expected: The version to be replaced; 0 if there must be none.

        Returns:
            The new version; 0 if the stored value has another version than expected, and nothing was written.

        Raises:
            PayloadNotSerializable: The value is not JSON.
            RecordTooLarge: The value is too large.
        """

    def change(self, record_id: str, function: Callable[[Any], Any]) -> Stored:
        """Replace a value by what a function makes of it.

        Args:
            record_id: Its id.
            function: Returns the new value for the stored one, which is None if there is none. It is called again whenever another
                write came between, so it must have no other effect. If it raises an exception, nothing is written.

        Returns:
            The new value and its version.

        Raises:
            PayloadNotSerializable: The new value is not JSON.
            RecordTooLarge: The new value is too large.
            RecordConflict: Other writes came between every time; nothing was written.
        """

    def remove(self, record_id: str) -> bool:
        """Remove a value, whatever its version, and return whether there was one."""
