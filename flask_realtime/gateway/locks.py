"""Locks that cost next to nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

from gevent.monkey import get_original

_allocate_lock = get_original("_thread", "allocate_lock")
_allocate_rlock = get_original("threading", "RLock")


class Lock(Protocol):
    """What all locks have in common."""

    def acquire(self, blocking: bool = True) -> bool:  # noqa: FBT001, FBT002 - the standard library's signature
        """Take it, and say whether that worked."""

    def release(self) -> None:
        """Give it back."""

    def locked(self) -> bool:
        """Say whether somebody has it."""

    def __enter__(self) -> bool: ...

    def __exit__(self, *_error: object) -> None: ...


def native_lock() -> Lock:
    """Return a lock of the operating system's threads, whether or not gevent has patched them.

    It is for sections in which nothing can switch to another greenlet: there it is always free under gevent, and the lock that
    gevent puts in its place takes twenty times as long.
    """
    lock: Lock = _allocate_lock()
    return lock


def native_rlock() -> AbstractContextManager[Any]:
    """Return a re-entrant lock of the same kind, for the same sections."""
    lock: AbstractContextManager[Any] = _allocate_rlock()
    return lock
