"""Leases of servers, each as long as it is heard of."""

from __future__ import annotations

from typing import Final

LEASE_SECONDS: Final = 30.0
"""Seconds for which a server counts as watching, or as reporting, that has not been heard of."""

RENEWAL_SECONDS: Final = 10.0


class Leases:
    """The servers that watch, or that report, each as long as it says so."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def __bool__(self) -> bool:
        return bool(self._until)

    def renew(self, server_id: str, now: float) -> bool:
        """Record that a server was heard of, and return whether it is a new one."""
        is_new = server_id not in self._until
        self._until[server_id] = now + LEASE_SECONDS
        return is_new

    def end(self, server_id: str) -> None:
        """Forget a server."""
        self._until.pop(server_id, None)

    def expire(self, now: float) -> bool:
        """Forget the servers that were not heard of for too long, and return whether there are any."""
        before = len(self._until)
        self._until = {server_id: until for server_id, until in self._until.items() if until > now}
        return len(self._until) < before

    def next_end(self) -> float | None:
        """Return when the first of them is forgotten, or None."""
        return min(self._until.values(), default=None)
