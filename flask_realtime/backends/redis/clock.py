"""Redis's clock, as far as its answers tell."""

from __future__ import annotations

import time
from collections.abc import Callable


class RedisClock:
    """Tells the time of Redis's own clock, in microseconds since 1970, without asking.

    Args:
        clock: This machine's, in seconds since 1970; it stands in until Redis has told its time.
        monotonic: This machine's, in seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._ahead: float | None = None
        self._last = 0

    def set(self, now: int) -> None:
        """Take over the time that Redis has just told."""
        self._ahead = now - self._monotonic() * 1e6

    def now(self) -> int:
        """Return the time; it is late by the time that Redis's last answer took, at most."""
        if self._ahead is None:
            return int(self._clock() * 1e6)
        return int(self._monotonic() * 1e6 + self._ahead)

    def version(self) -> int:
        """Return the time, or a little more: each call returns more than the one before."""
        self._last = max(self.now(), self._last + 1)
        return self._last
