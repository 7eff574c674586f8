"""Greenlets that are reused, to make starting one cheap."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import Context
from time import monotonic
from typing import Any, Final
from weakref import ref

import gevent
from gevent.hub import get_hub
from greenlet import getcurrent, greenlet

_MAX_IDLE: Final = 16
"""Maximum number of idle greenlets; each keeps the 16 KiB that Python maps for its stack."""

_TURN: Final = 0.005
"""Seconds after which functions that wait for nothing let the event loop look at its sockets."""

_Task = tuple[Any, ...]
"""A function, and its arguments: one object, since thousands wait when as many clients leave at once."""


class Greenlets:
    """Runs functions in reused greenlets, like a thread pool.

    A new greenlet would cost ten times as much as running in an existing one, and functions that never wait share one. Each
    function begins with an empty context, but thread-local values of the previous one remain. A function started this way must
    handle its exceptions itself.
    """

    def __init__(self) -> None:
        self._crew: _Crew | None = None

    def start_background_task(self, target: Callable[..., None], *args: Any) -> None:
        """Run a function in a greenlet."""
        crew = self._crew  # `_here` inlined: every event with a hook, and every end of a connection, passes here.
        if crew is None or crew.hub is not get_hub():
            crew = self._here()
        crew.tasks.append((target, *args))
        if not crew.is_scheduled:
            crew.schedule()

    def run(self, target: Callable[..., None], *args: Any) -> None:
        """Run a function in a greenlet, at once and until it waits for something; only from the event loop's callbacks."""
        self._here().worker().switch((target, *args))

    def _here(self) -> _Crew:
        crew, hub = self._crew, get_hub()
        if crew is None or crew.hub is not hub:  # Each thread has a hub of its own, and nobody else can switch to its greenlets.
            crew = self._crew = _Crew(hub)
        return crew

    @staticmethod
    def sleep(seconds: float = 0) -> None:
        """Let other greenlets run."""
        gevent.sleep(seconds)


class _Crew:
    """The greenlets of one thread, and the functions that wait for one of them.

    A callback of the event loop for each function would be an object more for each, of which ten thousand wait when as many clients
    leave at once. So one callback lets a greenlet run all of them, and if one of them waits, another greenlet the others.
    """

    def __init__(self, hub: Any) -> None:
        self.hub = hub
        self.tasks: deque[_Task] = deque()
        self._idle: deque[greenlet] = deque()
        self.is_scheduled = False

    def schedule(self) -> None:
        self.is_scheduled = True
        self.hub.loop.run_callback(self._run)

    def _run(self) -> None:
        self.is_scheduled, due = False, monotonic() + _TURN
        try:
            while self.tasks:
                self.worker().switch(None)  # It comes back when nothing is left, or one of the functions waits.
                if monotonic() > due:
                    return
        finally:
            if self.tasks and not self.is_scheduled:
                self.schedule()

    def worker(self) -> greenlet:
        while self._idle:
            worker = self._idle.pop()
            if not worker.dead:  # As after an exception that was thrown into it.
                return worker
        worker = greenlet(_work, self.hub)
        worker.switch(ref(self))
        return worker

    def run_tasks(self) -> None:
        tasks, due = self.tasks, monotonic() + _TURN
        while tasks:
            Context().run(*tasks.popleft())
            if monotonic() > due:
                return

    def rest(self, worker: greenlet) -> bool:
        """Keep a greenlet for later, and return whether there is room for it."""
        has_room = len(self._idle) < _MAX_IDLE
        if has_room:
            self._idle.append(worker)
        return has_room


def _work(owner: ref[_Crew]) -> None:
    hub = get_hub()
    while True:
        task: _Task | None = hub.switch()
        crew = owner()
        if task is not None:
            Context().run(*task)
        elif crew is not None:
            crew.run_tasks()
        del task
        if crew is None or not crew.rest(getcurrent()):
            return
        del crew  # An idle greenlet keeps nothing alive.
