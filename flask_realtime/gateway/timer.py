"""A timer that sleeps until the next deadline, and does not exist while there is none."""

from __future__ import annotations

import logging
from collections.abc import Callable

from flask_realtime.gateway.locks import native_lock
from flask_realtime.gateway.mailbox import Concurrency

logger = logging.getLogger(__name__)


class DeadlineTimer:
    """Calls a function at each deadline.

    Args:
        concurrency: Starts the greenlet or thread that waits.
        clock: The clock that the deadlines are of, in seconds.
        next_deadline: Returns the next deadline, or None.
        expire: Does what is due; it is called at or after each deadline.
    """

    def __init__(
        self,
        concurrency: Concurrency,
        clock: Callable[[], float],
        next_deadline: Callable[[], float | None],
        expire: Callable[[], None],
    ) -> None:
        self._concurrency = concurrency
        self._clock = clock
        self._next_deadline = next_deadline
        self._expire = expire
        self._lock = native_lock()
        self._running = False

    def wake(self) -> None:
        """Say that there is a deadline. Later ones than the known one need no call."""
        if self._running:
            return  # It looks again before it ends.
        with self._lock:
            if self._running:
                return
            self._running = True
        self._concurrency.start_background_task(self._run)

    def _run(self) -> None:
        while (deadline := self._awaited()) is not None:
            delay = deadline - self._clock()
            if delay > 0:
                self._concurrency.sleep(delay)
            else:
                self._expire_safely()

    def _expire_safely(self) -> None:
        try:
            self._expire()
        except Exception:
            logger.exception("What was due could not be done")  # The next deadline must still be met.

    def _awaited(self) -> float | None:
        with self._lock:
            deadline = self._next_deadline()
            self._running = deadline is not None
            return deadline
