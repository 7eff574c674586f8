"""Mailbox of a connection: its tasks run in the order posted, one at a time, outside the greenlet that reads the socket."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import Context
from time import monotonic
from typing import Any, Final, Protocol

from flask_realtime.gateway.locks import native_lock
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

Task = Callable[[], None]

_TURN: Final = 0.005
"""Longest run of one mailbox, in seconds and up to the end of a task, before yielding to the event loop."""

_MOMENT: Final = 1e-6
"""Seconds of a yield; with zero, gevent runs other greenlets, but checks the sockets only after 50 of them."""


class Event(Protocol):
    """Interface of threading's and gevent's events."""

    def set(self) -> None:
        """Wake all waiters."""

    def clear(self) -> None:
        """Reset it, so that later waiters block."""

    def wait(self, timeout: float | None = None) -> Any:
        """Wait until it is set, or for a number of seconds."""


class Concurrency(Protocol):
    """The greenlets or threads of the server in use; python-socketio's server has these methods."""

    def start_background_task(self, target: Callable[..., None], *args: Any) -> Any:
        """Run a function in its own greenlet or thread."""

    def sleep(self, seconds: float = 0) -> Any:
        """Let other greenlets or threads run."""


class Mailbox:
    """Runs tasks one at a time, in order, in a greenlet or thread that exists only while there are any.

    Args:
        concurrency: Starts that greenlet or thread.
        new_event: Makes an event of the same kind.
        limit: Tasks that may wait before the mailbox is full.
    """

    __slots__ = ("__weakref__", "_concurrency", "_limit", "_lock", "_new_event", "_tasks", "_turn", "_when_space")

    def __init__(self, concurrency: Concurrency, new_event: Callable[[], Event], limit: int) -> None:
        self._concurrency = concurrency
        self._new_event = new_event
        self._limit = limit
        self._lock = native_lock()
        # Held while a task runs. Each release is followed by a check for tasks, since one posted meanwhile has not been started.
        self._turn = native_lock()
        # None instead of an empty deque, which takes more memory than the rest of a mailbox; most are empty most of the time.
        self._tasks: deque[Task] | None = None
        self._when_space: list[Callable[[], None]] | None = None

    def post(self, task: Task) -> None:
        """Add a task. This never blocks; a reader checks `is_full` afterwards."""
        with self._lock:
            begins = self._tasks is None and self._turn.acquire(False)  # noqa: FBT003 - see `begin_turn`
            if not begins:
                self._tasks = deque() if self._tasks is None else self._tasks
                self._tasks.append(task)
        if begins:
            self._start(task)  # Skips the queue, as nothing waits in it.
        else:
            self._run_tasks()

    @property
    def is_full(self) -> bool:
        """Return whether so many tasks wait that reading from the client should pause."""
        return self._tasks is not None and len(self._tasks) > self._limit

    @property
    def waiting(self) -> int:
        """Return how many tasks wait."""
        tasks = self._tasks
        return 0 if tasks is None else len(tasks)

    def on_drain(self, callback: Callable[[], None]) -> None:
        """Call a function once there is space, which may be at once."""
        with self._lock:
            if self.is_full:
                self._when_space = [*(self._when_space or ()), callback]
                return
        callback()

    def wait_for_space(self) -> None:
        """Block until there is space."""
        event = self._new_event()
        self.on_drain(event.set)
        event.wait()

    def is_idle(self) -> bool:
        """Return whether no task runs or waits."""
        return not self._tasks and not self._turn.locked()

    def begin_turn(self) -> bool:
        """Reserve the mailbox for a task that never waits, if no task waits or runs, so that the order is kept.

        Returns:
            Whether it was reserved; then `end_turn` must follow.
        """
        if not self._turn.acquire(False):  # noqa: FBT003 - a keyword argument doubles the cost of this method
            return False
        if self._tasks:
            self._start()
            return False
        return True

    def end_turn(self) -> None:
        """Release the mailbox, and run tasks that were posted meanwhile."""
        self._turn.release()
        if self._tasks:
            self._run_tasks()

    def _run_tasks(self) -> None:
        if self._turn.acquire(blocking=False):
            self._start()

    def _start(self, first: Task | None = None) -> None:
        # An empty context: gevent would copy the poster's, such as that of a request that has ended by then.
        self._concurrency.start_background_task(Context().run, self._drain, first)

    def _next(self) -> Task | None:
        with self._lock:
            callbacks = None if self.is_full else self._when_space
            if callbacks:
                self._when_space = None
            task = self._tasks.popleft() if self._tasks else None
            if task is None:
                self._tasks = None
        for callback in callbacks or ():
            callback()
        return task

    def _drain(self, first: Task | None) -> None:
        due = monotonic() + _TURN
        task = self._next() if first is None else first
        while task is not None:
            try:
                task()
            except Exception:
                logger.exception("A task of a connection failed")
            if self._tasks:
                due = self._let_others_run(due)
            task = self._next()
        self.end_turn()

    def _let_others_run(self, due: float) -> float:
        if monotonic() < due:
            self._concurrency.sleep(0)
            return due
        self._concurrency.sleep(_MOMENT)
        return monotonic() + _TURN
