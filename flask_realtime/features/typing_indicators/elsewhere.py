"""Typing states of users on other servers: each server ends them for its own clients if theirs dies without having done so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

GRACE: Final = 2.0
"""Seconds that an event may be late between two servers."""

MAX_STATES: Final = 10_000
"""Maximum number of typing states; they take 1.4 MB where ids are short, and 13 where they are as long as they may be."""

_LEAST_PAUSE: Final = 1.0
"""Seconds between two looks at all of them."""


class TypingElsewhere:
    """The typing states that other servers have told of, by the payloads of their events, which are the same at start and stop.

    Each start and stop of the others comes by here, so there is no lock, which would cost half as much again. Whatever two threads
    do at once, a single operation of the dictionary decides, and a stop too many is all that can come of it.

    Args:
        patience: Seconds without a `typing:start` after which a state ends: more than its own server has.
        clock: Returns the time in seconds; it never goes back.
    """

    def __init__(self, patience: float, clock: Callable[[], float]) -> None:
        self._patience = patience
        self._clock = clock
        self._heard: dict[str, float] = {}
        self._next_look = 0.0

    def start(self, payload: str) -> bool:
        """Record that a user types, and return whether that is a new state."""
        heard = self._heard
        if payload in heard:
            heard[payload] = self._clock()
            return False
        if len(heard) >= MAX_STATES:
            return False  # Left to its own server: one that made room for it might be a dead server's.
        heard[payload] = self._clock()
        return True

    def stop(self, payload: str) -> None:
        """Record that a user does not type any more."""
        self._heard.pop(payload, None)

    def expire(self) -> list[str]:
        """End the expired typing states, and return their payloads."""
        now = oldest = self._clock()
        expired: list[str] = []
        for payload, heard_at in list(self._heard.items()):
            if heard_at + self._patience > now:
                oldest = min(oldest, heard_at)
            elif (last := self._heard.pop(payload, None)) is not None:
                if last == heard_at:
                    expired.append(payload)
                else:
                    self._heard.setdefault(payload, last)  # It was renewed meanwhile.
        self._next_look = max(oldest + self._patience, now + _LEAST_PAUSE)
        return expired

    def next_deadline(self) -> float | None:
        """Return the clock's time at which some may have expired, or None if there are none."""
        return self._next_look if self._heard else None
