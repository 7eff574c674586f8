"""Leases of the servers on which somebody watches."""

from __future__ import annotations

from typing import Final

LEASE_SECONDS: Final = 30.0
"""Seconds for which other servers report to one that has not been heard of."""

RENEWAL_SECONDS: Final = 10.0


class Leases:
    """The other servers on which somebody watches, each as long as it says so."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def __bool__(self) -> bool:
        return bool(self._until)

    def renew(self, server_id: str, now: float) -> None:
        """Record that somebody watches on a server."""
        self._until[server_id] = now + LEASE_SECONDS

    def end(self, server_id: str) -> None:
        """Record that nobody watches there any more."""
        self._until.pop(server_id, None)

    def expire(self, now: float) -> None:
        """Forget the servers that were not heard of for too long."""
        self._until = {server_id: until for server_id, until in self._until.items() if until > now}

    def next_end(self) -> float | None:
        """Return when the first of them is forgotten, or None."""
        return min(self._until.values(), default=None)
