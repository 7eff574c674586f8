"""Probe that many callers may share, run once a second at most."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from flask_realtime.backends.base import BackendUnavailable

_INTERVAL: Final = 1.0
"""Seconds for which a result is valid."""

_PATIENCE: Final = 2.0
"""Seconds to wait for another caller's attempt; an attempt takes one second at most."""


class Probe:
    """Runs an attempt once a second at most; concurrent callers share the result.

    Args:
        attempt: Makes the attempt, and raises `BackendUnavailable` if it fails.
        clock: Returns the time in seconds; it never goes back.
    """

    def __init__(self, attempt: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._attempt = attempt
        self._clock = clock
        self._lock = threading.Lock()
        self._trial: _Trial | None = None

    def check(self) -> None:
        """Make an attempt, or reuse the result of the last second.

        Raises:
            BackendUnavailable: It failed.
        """
        now = self._clock()
        with self._lock:
            trial, begins = self._trial, False
            if trial is None or now - trial.began >= _INTERVAL:
                trial, begins = _Trial(now), True
                self._trial = trial
        if begins:
            trial.run(self._attempt)
        trial.raise_failure()


class _Trial:
    """One attempt.

    Args:
        began: Its start time.
    """

    def __init__(self, began: float) -> None:
        self.began = began
        self._failure: str | None = None
        # Not created with the probe, which may be older than gevent's patches.
        self._done = threading.Event()

    def run(self, attempt: Callable[[], None]) -> None:
        try:
            attempt()
        except BackendUnavailable as error:
            self._failure = str(error)
        except BaseException as error:
            self._failure = f"{type(error).__name__}: {error}"
            raise
        finally:
            self._done.set()

    def raise_failure(self) -> None:
        if not self._done.wait(_PATIENCE):
            msg = "There was no answer in time"
            raise BackendUnavailable(msg)
        if self._failure is not None:
            raise BackendUnavailable(self._failure)
