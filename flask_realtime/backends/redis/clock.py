"""Redis's clock, estimated from its replies."""

from __future__ import annotations

import time
from collections.abc import Callable


class RedisClock:
    """Returns the time of Redis's own clock, in microseconds since 1970, without a round trip.

    Args:
        clock: This machine's clock, in seconds since 1970; used until Redis has sent its time.
        monotonic: This machine's monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._ahead: float | None = None
        self._last = 0

    @property
    def is_set(self) -> bool:
        """Return whether Redis has sent its time."""
        return self._ahead is not None

    def set(self, now: int) -> None:
        """Set the time that Redis has just sent."""
        self._ahead = now - self._monotonic() * 1e6

    def now(self) -> int:
        """Return the time; it is late by at most the time that Redis's last reply took."""
        if self._ahead is None:
            return int(self._clock() * 1e6)
        return int(self._monotonic() * 1e6 + self._ahead)

    def version(self) -> int:
        """Return the time, or slightly more: each call returns more than the one before."""
        self._last = max(self.now(), self._last + 1)
        return self._last
