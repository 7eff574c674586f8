"""A worker with a process of its own: it runs jobs in threads, and ends when it is told to."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest

from flask_realtime.jobs.process import WorkerProcess
from flask_realtime.jobs.runner import JobRunner, RunningJob
from flask_realtime.jobs.worker import JobWorker, Task
from tests.unit.jobs.memory_queue import MemoryQueue

NEVER = 3600.0


class Host:
    """An application's jobs, and a worker that looks for them only when something wakes it."""

    retry_time = NEVER

    def __init__(self) -> None:
        self.hand_over: Callable[[str], None] | None = None
        self.jobs: Any = MemoryQueue(monotonic)
        self.code: Callable[[RunningJob], None] = lambda _running: None
        self.runner = JobRunner(self.jobs, {"test": self._run}, self._in_context, lease=NEVER, clock=self.jobs.now)
        self.ran = 0
        self.told = 0
        self._lock = threading.Lock()

    def new_worker(
        self, start: Callable[[Task], object], wake: Callable[[float], None], clock: Callable[[], float], places: int
    ) -> JobWorker:
        return JobWorker(self.runner, start=start, wake=wake, clock=clock, interval=NEVER, places=places)

    def run_here(self) -> None:
        self.told += 1

    def _run(self, running: RunningJob) -> None:
        self.code(running)

    def _in_context(self, function: Callable[..., Any], *args: Any) -> Any:
        with self._lock:
            return function(*args)


class Supervisor:
    """Tells the process to end once it is asked to, again and again: a signal may come just before the main thread sleeps.

    Args:
        number: The signal.
    """

    def __init__(self, number: signal.Signals) -> None:
        self.number = number
        self._is_asked, self._has_ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Supervisor:  # noqa: PYI034 - Python 3.10 has no `Self`
        self._before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._has_ended.set()
        self._is_asked.set()
        self._thread.join()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def end(self) -> None:
        """Have the process told to end."""
        self._is_asked.set()

    def _run(self) -> None:
        self._is_asked.wait()
        while not self._has_ended.wait(0.02):
            os.kill(os.getpid(), self.number)


@pytest.fixture
def host() -> Host:
    return Host()


def run(host: Host, jobs: int, *, places: int, number: signal.Signals = signal.SIGTERM) -> list[str]:
    """Run the process until some jobs have run, and return their ids."""
    ran: list[str] = []

    def code(running: RunningJob) -> None:
        ran.append(running.job.id)
        if len(ran) == jobs:
            supervisor.end()

    host.code = code
    with Supervisor(number) as supervisor:
        WorkerProcess(host, places).run()
    return ran


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_what_is_due_until_it_is_told_to_end(host: Host, number: signal.Signals) -> None:
    ids = [host.jobs.add(), host.jobs.add(due_in=0.05)]
    assert run(host, 2, places=2, number=number) == ids
    assert host.told == 1
    assert host.jobs.jobs == {}


def test_it_goes_on_as_soon_as_it_has_a_place_again(host: Host) -> None:
    ids = [host.jobs.add() for _ in range(4)]
    assert run(host, 4, places=1) == ids


def test_it_runs_as_many_jobs_at_once_as_it_has_places(host: Host) -> None:
    together = threading.Barrier(3)

    def code(_running: RunningJob) -> None:
        if together.wait(30) == 0:
            supervisor.end()

    host.code = code
    for _ in range(3):
        host.jobs.add()
    with Supervisor(signal.SIGTERM) as supervisor:
        WorkerProcess(host, places=3).run()
    assert host.jobs.jobs == {}


def test_it_finishes_what_it_runs_once_it_is_told_to_end(host: Host) -> None:
    told = threading.Event()
    ended: list[str] = []

    def code(running: RunningJob) -> None:
        supervisor.end()
        assert told.wait(30)
        ended.append(running.job.id)

    class Process(WorkerProcess):
        def _stop(self, number: int, frame: object) -> None:
            super()._stop(number, frame)
            told.set()

    host.code = code
    ids = [host.jobs.add(), host.jobs.add()]
    with Supervisor(signal.SIGTERM) as supervisor:
        Process(host, places=1).run()
    assert ended == ids[:1]
    assert list(host.jobs.jobs) == ids[1:]
