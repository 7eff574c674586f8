"""Greenlets at their cheapest."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any, Final
from weakref import ref

import gevent
from gevent.hub import get_hub
from greenlet import getcurrent, greenlet

_MAX_IDLE: Final = 16
"""Greenlets that wait for something to do; each keeps the 16 KiB that Python maps for its stack."""


class Greenlets:
    """Runs functions in greenlets that are used again, as a pool of threads is.

    A greenlet of its own would cost ten times as much as starting to run in one that is there, and a function that never waits
    needs no other than the one before it. Each begins with an empty context; a thread-local value would still be there. A function
    started this way must handle its exceptions itself.
    """

    def __init__(self) -> None:
        self._idle: deque[greenlet] = deque()

    def start_background_task(self, target: Callable[..., None], *args: Any) -> None:
        """Run a function in a greenlet."""
        get_hub().loop.run_callback(self._run, target, args)

    def _run(self, target: Callable[..., None], args: tuple[Any, ...]) -> None:
        self._worker().switch(target, args)

    def _worker(self) -> greenlet:
        hub = get_hub()
        while self._idle:
            worker = self._idle.pop()
            # One that somebody threw an exception into is dead, and one of another thread is out of reach.
            if worker.parent is hub and not worker.dead:
                return worker
        worker = greenlet(_work, hub)
        worker.switch(ref(self._idle))
        return worker

    @staticmethod
    def sleep(seconds: float = 0) -> None:
        """Let others run."""
        gevent.sleep(seconds)


def _work(pool: ref[deque[greenlet]]) -> None:
    hub = get_hub()
    while True:
        # Not an argument: a greenlet keeps those for as long as it lives.
        target, args = hub.switch()
        Context().run(target, *args)
        del target, args
        idle = pool()
        if idle is None or len(idle) >= _MAX_IDLE:
            return
        idle.append(getcurrent())
        del idle
