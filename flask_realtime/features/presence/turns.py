"""Turns of users: what happens to one of them happens in order, and waits for nobody else."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import Context
from typing import Any

from flask_realtime.feature.context import Task
from flask_realtime.logs import get_logger

logger = get_logger(__name__)


class Turns:
    """Runs tasks about a user one at a time, in the order posted, and those about different users side by side.

    A mailbox for each user would be a dozen objects, of which thousands exist when as many users leave at once.

    Args:
        start: Runs a function in a greenlet or thread of its own.
        lock: Serialises access from several threads.
    """

    def __init__(self, start: Callable[..., object], lock: AbstractContextManager[Any]) -> None:
        self._start = start
        self._lock = lock
        self._waiting: dict[str, deque[Task] | None] = {}  # Has everyone whose task runs; None stands for an empty queue.

    @property
    def is_idle(self) -> bool:
        """Return whether no task runs or waits."""
        return not self._waiting

    def post(self, user_id: str, task: Task) -> None:
        """Run a task about a user after all earlier ones about the same user; this never blocks."""
        with self._lock:
            if user_id in self._waiting:
                waiting = self._waiting[user_id]
                if waiting is None:
                    waiting = self._waiting[user_id] = deque()
                waiting.append(task)
                return
            self._waiting[user_id] = None
        self._start(self._run, user_id, task)

    def _run(self, user_id: str, task: Task) -> None:
        try:
            Context().run(task)  # An empty context, whatever the one of this greenlet or thread is.
        except Exception:
            logger.exception("A task about a user failed")
        finally:
            self._go_on(user_id)

    def _go_on(self, user_id: str) -> None:
        with self._lock:
            waiting = self._waiting[user_id]
            if not waiting:
                del self._waiting[user_id]
                return
            task = waiting.popleft()
        self._start(self._run, user_id, task)
