"""Timer that sleeps until the next deadline, and only exists while there is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flask_realtime.gateway.dispatch.mailbox import Concurrency, Event
from flask_realtime.gateway.locks import native_lock
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

_LONGEST_SLEEP: Final = 60.0
"""Maximum seconds of one sleep, since a wall clock may be set meanwhile."""


class DeadlineTimer:
    """Calls a function at each deadline.

    Args:
        concurrency: Starts the greenlet or thread that waits.
        new_event: Makes an event of the same kind.
        clock: The clock that the deadlines are of, in seconds.
        next_deadline: Returns the next deadline, or None.
        expire: Handles some or all due items; it is called at or after each deadline, until none has passed.
    """

    def __init__(
        self,
        concurrency: Concurrency,
        new_event: Callable[[], Event],
        clock: Callable[[], float],
        next_deadline: Callable[[], float | None],
        expire: Callable[[], None],
    ) -> None:
        self._concurrency = concurrency
        self._new_event = new_event
        self._clock = clock
        self._next_deadline = next_deadline
        self._expire = expire
        self._lock = native_lock()
        self._earlier: Event | None = None
        self._known = 0.0
        self._running = False

    def wake(self) -> None:
        """Announce a deadline. Deadlines later than the known one need no call."""
        if self._running:
            return  # `_run` checks for deadlines before it ends.
        with self._lock:
            if self._running:
                return
            self._running = True
            earlier = self._earlier = self._earlier or self._new_event()
        self._concurrency.start_background_task(self._run, earlier)

    def wake_by(self, deadline: float) -> None:
        """Announce a deadline that may be earlier than the known one."""
        with self._lock:
            if self._running and self._earlier is not None:
                if deadline < self._known:
                    self._earlier.set()
                return
        self.wake()

    def _run(self, earlier: Event) -> None:
        while (deadline := self._awaited(earlier)) is not None:
            delay = deadline - self._clock()
            if delay > 0:
                earlier.wait(min(delay, _LONGEST_SLEEP))
            else:
                self._expire_safely()

    def _expire_safely(self) -> None:
        try:
            self._expire()
        except Exception:
            logger.exception("What was due could not be done")  # Later deadlines must still be met.

    def _awaited(self, earlier: Event) -> float | None:
        with self._lock:
            earlier.clear()
            self._running = False  # Whoever announces a deadline from now on waits for the lock, and does not rely on this look.
            deadline = self._next_deadline()
            self._running = deadline is not None
            self._known = deadline or 0.0
            return deadline
