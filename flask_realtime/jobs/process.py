"""Worker with a process of its own, in threads."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Final

from flask_realtime.jobs.host import JobHost

_TICK: Final = 0.2
"""Seconds between two looks whether the running jobs are done, at the end."""


class WorkerProcess:
    """Runs an application's jobs until it is told to stop.

    Args:
        host: The jobs.
        places: How many jobs it runs at once.
    """

    def __init__(self, host: JobHost, places: int) -> None:
        self._host = host
        self._places = places
        self._is_stopped = False
        # Unlike an event's, its methods may be called by a signal's handler while they run.
        self._wakes: SimpleQueue[object] = SimpleQueue()

    def run(self) -> None:
        """Run jobs; return when the running ones are done after `SIGTERM` or `SIGINT`.

        Raises:
            ConfigError: The application has no store of jobs.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        with ThreadPoolExecutor(self._places) as pool:
            worker = self._host.new_worker(pool.submit, self._wakes.put, monotonic, self._places)
            self._host.run_here()
            while not self._is_stopped:
                worker.turn()
                self._sleep(worker.next_turn - monotonic())
            worker.end()
            while not worker.is_idle:
                worker.turn()
                self._sleep(min(worker.next_turn - monotonic(), _TICK))

    def _stop(self, _number: int, _frame: object) -> None:
        self._is_stopped = True
        self._wakes.put(None)

    def _sleep(self, seconds: float) -> None:
        try:
            self._wakes.get(timeout=max(seconds, 0.0))
        except Empty:
            return
        while not self._wakes.empty():
            self._wakes.get()
