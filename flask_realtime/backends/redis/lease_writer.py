"""Writes the changes of leases to Redis, in batches and in order, in a thread apart from those who make them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Final

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.recovery import LeaseChange
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

_MAX_BATCH: Final = 100
_MAX_WAITING: Final = 100_000
"""Changes that wait for Redis; beyond it the oldest are dropped, and the leases that they were of cannot be used elsewhere."""

_TICK_SECONDS: Final = 1.0


class LeaseWriter:
    """Writes changes of leases.

    Any thread may add, which takes no lock: it may happen in an event loop. While Redis is unreachable, changes wait.

    Args:
        write: Writes a batch, and returns what is to be done about changes that were refused.
        is_up: Returns whether Redis can be reached, as far as is known.
    """

    def __init__(self, write: Callable[[list[LeaseChange]], Callable[[], None]], is_up: Callable[[], bool]) -> None:
        self._write = write
        self._is_up = is_up
        self._waiting: deque[LeaseChange] = deque(maxlen=_MAX_WAITING)
        self._has_news = threading.Event()
        self._outcome = threading.Condition()
        self._ended = False
        self._added = self._done = 0
        self._has_failed = False

    def add(self, change: LeaseChange) -> None:
        """Queue a change."""
        self._added += 1
        self._waiting.append(change)
        if not self._has_news.is_set():
            self._has_news.set()

    def wait_written(self, timeout: float) -> bool:
        """Wait until the changes queued so far are written, and return whether they are; not while Redis is down."""
        number = self._added
        with self._outcome:
            self._outcome.wait_for(lambda: self._done >= number or not self._is_up(), timeout)
        return self._done >= number

    def run(self, on_tick: Callable[[], None]) -> None:
        """Write until `end` is called, and what waits then."""
        next_tick = 0.0
        while not self._ended:
            self._has_news.wait(_TICK_SECONDS)
            self._has_news.clear()
            if (now := monotonic()) >= next_tick:
                next_tick = now + _TICK_SECONDS
                self._safely(on_tick)
            self._safely(self._write_all)
        self._safely(self._write_all)

    def end(self) -> None:
        """Make `run` return."""
        self._ended = True
        self._has_news.set()

    def _write_all(self) -> None:
        while self._waiting:
            batch = [self._waiting[index] for index in range(min(_MAX_BATCH, len(self._waiting)))]
            follow_up = self._write(batch)
            for _ in batch:
                self._waiting.popleft()
            self._done = self._added - len(self._waiting)
            self._notify()
            follow_up()
        self._has_failed = False

    def _notify(self) -> None:
        with self._outcome:
            self._outcome.notify_all()

    def _safely(self, function: Callable[[], None]) -> None:
        try:
            function()
        except BackendUnavailable:
            self._notify()  # The changes wait for the next time, but nobody waits for them.
        except Exception:
            if not self._has_failed:
                logger.exception("The state of connections that may be recovered could not be written to Redis")
            self._has_failed = True
