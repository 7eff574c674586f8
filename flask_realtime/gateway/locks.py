"""Locks with next to no cost."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

from gevent.monkey import get_original

_allocate_lock = get_original("_thread", "allocate_lock")
# Not threading's, which makes a lock of gevent's in Python where gevent has patched threads.
_allocate_rlock = get_original("_thread", "RLock")


class Lock(Protocol):
    """Interface of all locks."""

    def acquire(self, blocking: bool = True) -> bool:  # noqa: FBT001, FBT002 - the standard library's signature
        """Acquire it, and return whether that succeeded."""

    def release(self) -> None:
        """Release it."""

    def locked(self) -> bool:
        """Return whether it is held."""

    def __enter__(self) -> bool: ...

    def __exit__(self, *_error: object) -> None: ...


def native_lock() -> Lock:
    """Return a lock of the operating system's threads, whether or not gevent has patched them.

    It is for sections that never switch to another greenlet: there it is always free under gevent, whose own lock
    takes twenty times as long.
    """
    lock: Lock = _allocate_lock()
    return lock


def native_rlock() -> AbstractContextManager[Any]:
    """Return a re-entrant lock of the same kind, for the same sections."""
    lock: AbstractContextManager[Any] = _allocate_rlock()
    return lock
