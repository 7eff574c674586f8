"""Greenlets that are reused, to make starting one cheap."""

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
"""Maximum number of idle greenlets; each keeps the 16 KiB that Python maps for its stack."""


class Greenlets:
    """Runs functions in reused greenlets, like a thread pool.

    A new greenlet would cost ten times as much as running in an existing one, and functions that never wait share one. Each
    function begins with an empty context, but thread-local values of the previous one remain. A function started this way must
    handle its exceptions itself.
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
            # A greenlet that an exception was thrown into is dead, and one of another thread cannot be switched to.
            if worker.parent is hub and not worker.dead:
                return worker
        worker = greenlet(_work, hub)
        worker.switch(ref(self._idle))
        return worker

    @staticmethod
    def sleep(seconds: float = 0) -> None:
        """Let other greenlets run."""
        gevent.sleep(seconds)


def _work(pool: ref[deque[greenlet]]) -> None:
    hub = get_hub()
    while True:
        # Not an argument, which the greenlet would keep alive for as long as it lives.
        target, args = hub.switch()
        Context().run(target, *args)
        del target, args
        idle = pool()
        if idle is None or len(idle) >= _MAX_IDLE:
            return
        idle.append(getcurrent())
        del idle
