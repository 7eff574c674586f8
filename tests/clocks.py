"""Clock that stands still until a test moves it."""

from __future__ import annotations


class Clock:
    """Returns the time that it was set to.

    Args:
        now: The time in seconds; a test moves it by setting `now`.
    """

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
