"""Values by id on all servers, in Redis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_realtime.backends.record import Attempt, Record, Text
from flask_realtime.backends.redis import scripts
from flask_realtime.backends.redis.lease import Lease
from flask_realtime.backends.redis.turns import Turns
from flask_realtime.contract.records import Stored


class RedisRecord(Record):
    """Values by id on all servers that share a Redis.

    While it is unreachable every method raises `BackendUnavailable`: this server cannot know what the others have written. A value
    is lost if Redis loses it; a feature that has a copy is told with `Backend.watch`.

    Args:
        lease: The server's lease, which the values are not under: they outlive the server.
        name: The record's name; see `shared_name`.
        ttl: Seconds for which a value is kept after it was last written.
        turns: The turns that this server's changes take.
    """

    def __init__(self, lease: Lease, name: str, ttl: float, turns: Turns | None = None) -> None:
        self._lease = lease
        self._name = name
        self._ttl = ttl
        self._turns = turns or Turns()

    def change(self, record_id: str, function: Callable[[Any], Any]) -> Stored:
        """Replace a value by what a function makes of it; the changes of this server take turns."""
        # Otherwise, when many users change one value at once, most attempts collide and some never succeed.
        with self._turns.take(record_id):
            return super().change(record_id, function)

    def remove(self, record_id: str) -> bool:
        """Remove a value, and return whether there was one."""
        return self._lease.run_by_deadline(scripts.remove_value(self._full(record_id)))

    def _read(self, record_id: str) -> Text:
        return self._lease.ask(scripts.get_value(self._full(record_id)))

    def _write(self, record_id: str, text: str, expected: int) -> Attempt:
        written, current = self._lease.run_by_deadline(scripts.put_value(self._full(record_id), text, expected, ttl=self._ttl))
        return Attempt(succeeded=True, current=Text(text, written)) if written else Attempt(succeeded=False, current=current)

    def _full(self, record_id: str) -> str:
        return f"{self._name}:{record_id}"
