"""Sequence numbers received from each origin."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

_PATIENCE = 10
"""Multiple of the retention after which a silent origin is forgotten; anything that it sent has expired by then."""


class SequenceTracker:
    """The last number received from each origin.

    Args:
        retention: Seconds after which nothing is sent again.
        clock: Returns the time in seconds.
    """

    def __init__(self, retention: float, clock: Callable[[], float] = monotonic) -> None:
        self.lost = 0
        """Number of sequence numbers that are missing, whether never sent or lost on the way."""
        self._silence = _PATIENCE * retention
        self._clock = clock
        self._next_sweep = clock() + self._silence
        self._last: dict[str, tuple[int, float]] = {}

    def receive(self, origin: str, first: int, count: int) -> int:
        """Record that numbers were received.

        Args:
            origin: The sender.
            first: The first number.
            count: The count of numbers.

        Returns:
            How many of them, from the first, were received before.
        """
        now = self._clock()
        if now >= self._next_sweep:
            self._sweep(now)
        end = first + count
        last, _ = self._last.get(origin, (first - 1, now))
        self._last[origin] = (max(last, end - 1), now)
        self.lost += max(0, first - last - 1)
        return min(max(0, last + 1 - first), count)

    def __len__(self) -> int:
        return len(self._last)

    def _sweep(self, now: float) -> None:
        self._next_sweep = now + self._silence
        self._last = {origin: known for origin, known in self._last.items() if now - known[1] < self._silence}
