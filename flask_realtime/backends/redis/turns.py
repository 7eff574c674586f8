"""Turns of threads or greenlets that would otherwise repeat each other's work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_PATIENCE: Final = 1.0
"""Seconds after which a turn is not waited for any longer."""


class Turns:
    """Runs sections of one name one after the other.

    That saves work, and is all that it is for: a section runs, out of turn, when it has waited for a while. So sections within each
    other cannot block each other for good, nor can one that hangs.
    """

    def __init__(self, patience: float = _PATIENCE) -> None:
        self._patience = patience
        self._lock = threading.Lock()
        self._turns: dict[str, _Turn] = {}

    @contextmanager
    def take(self, name: str) -> Iterator[None]:
        """Enclose a section."""
        with self._lock:
            turn = self._turns[name] = self._turns.get(name) or _Turn()
            turn.sections += 1
        has_turn = turn.lock.acquire(timeout=self._patience)
        try:
            yield
        finally:
            if has_turn:
                turn.lock.release()
            with self._lock:
                turn.sections -= 1
                if not turn.sections:
                    del self._turns[name]


class _Turn:
    def __init__(self) -> None:
        # Created on first use, so that it is gevent's lock if gevent has patched them.
        self.lock = threading.RLock()
        self.sections = 0
