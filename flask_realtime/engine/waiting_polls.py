"""Long-polling requests that wait, and which one gives up its slot when the server's pool is full."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final, Protocol

import gevent

_LEAST_SECONDS: Final = 5.0
"""Seconds that each poll may wait: more clients than slots take turns, which must not keep the server busy."""


class Polled(Protocol):
    """A session on long polling."""

    def give_way(self) -> None:
        """Answer the poll that waits, and close its connection."""


class WaitingPolls:
    """The polls that wait, the longest first.

    Args:
        clock: Returns the current time in seconds; never goes back.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._since: dict[Polled, float] = {}
        self._leaving: Polled | None = None
        self._is_due_later = False

    def add(self, session: Polled) -> None:
        """Record that a session's poll waits."""
        self._since[session] = self._clock()

    def discard(self, session: Polled) -> None:
        """Record that a session's poll is answered."""
        self._since.pop(session, None)
        if session is self._leaving:
            self._leaving = None

    def free_one(self) -> bool:
        """Answer the poll that has waited longest, as soon as it has waited for its time; return whether there is one."""
        if self._leaving is not None or self._is_due_later:
            return True
        longest = next(iter(self._since), None)
        if longest is None:
            return False
        rest = self._since[longest] + _LEAST_SECONDS - self._clock()
        if rest > 0:
            self._is_due_later = True
            gevent.spawn_later(rest, self._free_later)
        else:
            self._leaving = longest
            longest.give_way()
        return True

    def _free_later(self) -> None:
        self._is_due_later = False
        self.free_one()
