"""Worker: looks for jobs that are due, and starts them, a few at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from flask_realtime.jobs.job import Job
from flask_realtime.jobs.runner import JobRunner
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

PLACES: Final = 4
"""Jobs that one worker runs at once."""

LONGEST_RUN: Final = 10
"""Leases for which a job may run before it is anybody's again: its code may never return."""

Task = Callable[[], None]


@dataclass(eq=False)
class _Run:
    job: Job
    since: float
    extended_at: float


class JobWorker:
    """Looks for jobs at `next_turn`, when it has a place free, and as soon as one is added here.

    Whoever calls `turn` at these times drives it: a timer in a server, a loop in a process of its own. It extends the leases of
    the jobs that it runs.

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
        self._runs: set[_Run] = set()
        self._has_failed = False
        self._is_ending = False
        self._hand_over = hand_over
        self.next_turn = clock()
        self.lateness = 0.0
        """Seconds for which the job that had waited longest was due when it last looked."""

    @property
    def running(self) -> int:
        """Return how many jobs it has started that are not done."""
        return len(self._runs)

    @property
    def is_idle(self) -> bool:
        """Return whether it runs nothing."""
        return not self._runs

    def end(self) -> None:
        """Start nothing more; `turn` still extends the leases of what runs."""
        self._is_ending = True

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
        self._extend_leases()
        due = None if self._is_ending else self._runner.next_due()
        self.lateness = 0.0 if due is None else max(0.0, -due)
        if due is not None and due <= 0:
            self._start_due()
            due = self._runner.next_due() if self._has_place() else None
        if due is not None:
            self.next_turn = min(self.next_turn, self._clock() + max(due, 0.0))
        if self._runs:
            self.next_turn = min(self.next_turn, self._clock() + self._runner.lease / 2)

    def _extend_leases(self) -> None:
        now, lease = self._clock(), self._runner.lease
        for run in list(self._runs):
            if now - run.extended_at >= lease / 2 and now - run.since < LONGEST_RUN * lease:
                self._runner.extend(run.job)
                run.extended_at = now

    def _has_place(self) -> bool:
        return len(self._runs) < self._places

    def _start_due(self) -> None:
        if self._hand_over is not None:
            for job_id in self._runner.hand_out(self._places):
                self._hand_over(job_id)  # If it fails, the job is due again when nobody has taken it.
            return
        for job in self._runner.claim(self._places - len(self._runs)) if self._has_place() else ():
            run = _Run(job, self._clock(), self._clock())
            self._runs.add(run)
            self._start(partial(self._run, run))

    def _run(self, run: _Run) -> None:
        try:
            self._runner.run(run.job)
        except Exception:
            logger.exception("A job could not be finished; it is run again once its claim has ended")
        finally:
            was_full = not self._has_place()
            self._runs.discard(run)
            if was_full:
                self.due_in(0)
