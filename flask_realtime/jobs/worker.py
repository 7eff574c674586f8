"""Worker: looks for jobs that are due, and starts them, a few at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Any, Final

from flask_realtime.jobs.runner import JobRunner
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

PLACES: Final = 4
"""Jobs that one worker runs at once."""

Task = Callable[[], None]


class JobWorker:
    """Looks for jobs at `next_turn`, when it has a place free, and as soon as one is added here.

    Whoever calls `turn` at these times drives it: a timer in a server, a loop in a process of its own.

    Args:
        runner: Runs the jobs.
        start: Runs a function in a greenlet or thread.
        wake: Announces that `next_turn` is earlier than it was.
        clock: Returns the time in seconds, which never goes back.
        interval: Seconds between two looks, while nothing that is known of is due earlier.
        hand_over: Sends a job's id to where jobs are run instead of here; None to run them here.
        places: How many jobs it runs at once.
    """

    def __init__(  # noqa: PLR0913 - what surrounds it
        self,
        runner: JobRunner,
        *,
        start: Callable[[Task], Any],
        wake: Callable[[float], None],
        clock: Callable[[], float],
        interval: float,
        hand_over: Callable[[str], None] | None = None,
        places: int = PLACES,
    ) -> None:
        self._runner = runner
        self._start = start
        self._wake = wake
        self._clock = clock
        self._interval = interval
        self._places = places
        self._running = 0
        self._has_failed = False
        self._lock = Lock()
        self._hand_over = hand_over
        self.next_turn = clock()

    @property
    def is_idle(self) -> bool:
        """Return whether it runs nothing."""
        return self._running == 0

    def due_in(self, seconds: float) -> None:
        """Look no later than in some seconds."""
        at = self._clock() + seconds
        if at < self.next_turn:
            self.next_turn = at
            self._wake(at)

    def turn(self) -> None:
        """Start what is due and there is a place for. A failure is logged once, until a turn succeeds again."""
        self.next_turn = self._clock() + self._interval
        try:
            self._look()
        except Exception:
            if not self._has_failed:
                logger.exception("Jobs could not be looked for; the worker goes on trying")
            self._has_failed = True
        else:
            self._has_failed = False

    def _look(self) -> None:
        due = self._runner.next_due()
        if due is not None and due <= 0:
            self._start_due()
            due = self._runner.next_due() if self._has_place() else None
        if due is not None:
            self.next_turn = min(self.next_turn, self._clock() + max(due, 0.0))

    def _has_place(self) -> bool:
        return self._running < self._places

    def _start_due(self) -> None:
        if self._hand_over is not None:
            for job_id in self._runner.hand_out(self._places):
                self._hand_over(job_id)  # If it fails, the job is due again when nobody has taken it.
            return
        for job in self._runner.claim(self._places - self._running) if self._has_place() else ():
            self._count(1)
            self._start(partial(self._run, partial(self._runner.run, job)))

    def _run(self, run: Task) -> None:
        try:
            run()
        except Exception:
            logger.exception("A job could not be finished; it is run again once its claim has ended")
        finally:
            was_full = not self._has_place()
            self._count(-1)
            if was_full:
                self.due_in(0)

    def _count(self, change: int) -> None:
        with self._lock:
            self._running += change
