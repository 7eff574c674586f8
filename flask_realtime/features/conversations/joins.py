"""Joins in progress, and the removals that come between the application's answer and the entry into the room.

::

    join      ask ───────────── yes ─► is the answer stale? ─► enter
    removal          mark it stale ─┘   ask again

A removal begins before it is committed, and ends after: whoever joins in between is refused, since the application would still
say yes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from flask_realtime.errors import Forbidden

REMOVAL_SECONDS: Final = 5.0
"""Seconds after which a removal that began is considered to have failed."""

_Key = tuple[str, str]


class Join:
    """A join in progress.

    Attributes:
        is_stale: Whether the application has to be asked, for the first time or again.
    """

    __slots__ = ("is_stale",)

    def __init__(self) -> None:
        self.is_stale = True


class Joins:
    """The joins in progress on this server, and the removals that have begun.

    Args:
        lock: Guards them; nothing waits while it is held.
        clock: Returns the time in seconds.
    """

    def __init__(self, lock: AbstractContextManager[Any], clock: Callable[[], float]) -> None:
        self._lock = lock
        self._clock = clock
        self._in_progress: dict[_Key, list[Join]] = {}
        self._removals: dict[_Key, float] = {}

    @contextmanager
    def attempt(self, user_id: str, conversation_id: str) -> Iterator[Join]:
        """Enclose a join."""
        key, join = (user_id, conversation_id), Join()
        with self._lock:
            self._in_progress.setdefault(key, []).append(join)
        try:
            yield join
        finally:
            with self._lock:
                self._in_progress[key].remove(join)
                if not self._in_progress[key]:
                    del self._in_progress[key]

    def require_admission(self, user_id: str, conversation_id: str) -> None:
        """Check that a user is not being removed.

        Raises:
            Forbidden: The user is.
        """
        # Without the lock: there are hardly ever any.
        if self._removals and self._removals.get((user_id, conversation_id), 0.0) > self._clock():
            msg = "You may not join this conversation now: you are being removed from it"
            raise Forbidden(msg)

    def begin_removal(self, user_id: str, conversation_id: str) -> None:
        """Let nobody in until the removal ends, or has taken too long."""
        now = self._clock()
        with self._lock:
            self._removals = {key: until for key, until in self._removals.items() if until > now}
            self._removals[user_id, conversation_id] = now + REMOVAL_SECONDS
            self._mark_stale(user_id, conversation_id)

    def end_removal(self, user_id: str, conversation_id: str) -> None:
        """Let the application decide again, about the joins in progress too."""
        with self._lock:
            self._removals.pop((user_id, conversation_id), None)
            self._mark_stale(user_id, conversation_id)

    def _mark_stale(self, user_id: str, conversation_id: str) -> None:
        for join in self._in_progress.get((user_id, conversation_id), ()):
            join.is_stale = True
