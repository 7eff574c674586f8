"""Limiter of attempts to connect, for each user and each address."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from flask_realtime.allowances import FailedLoginLimiter, KeyedBuckets, retry_after
from flask_realtime.errors import ConnectionRefused
from flask_realtime.gateway.locks import native_lock
from flask_realtime.rates import Rate

_EXCUSED: Final = "token_expired"
"""The refusal that does not count as a failed attempt: an expired token was valid once, and its client slept."""


class ConnectLimiter:
    """Counts users' connects, and the failed attempts of each address.

    Args:
        max_connects_per_user: The rate at which one user may connect, or None.
        max_failed_connects: The rate at which attempts from one address may fail, or None.
        clock: Returns the time in seconds; it never goes back.
    """

    def __init__(
        self, max_connects_per_user: Rate | None, max_failed_connects: Rate | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connects = KeyedBuckets(max_connects_per_user)
        self._failures = FailedLoginLimiter(max_failed_connects)
        self._clock = clock
        self._lock = native_lock()

    def check(self, user_id: str) -> None:
        """Check that a user may connect once more.

        Raises:
            ConnectionRefused: The user has connected too often.
        """
        wait = self._connects.wait(user_id, self._clock())
        if wait:
            msg = "You have connected too often; try again later"
            raise ConnectionRefused(msg, code="rate_limited", retry_after=retry_after(wait))

    def connected(self, user_id: str) -> None:
        """Count an admitted connection of a user."""
        with self._lock:
            self._connects.note(user_id, self._clock())

    @contextmanager
    def attempt(self, address: str) -> Iterator[None]:
        """Enclose the verification of a token from an address, and count a failure if the token itself is refused.

        Raises:
            ConnectionRefused: Too many attempts from that address have failed.
        """
        wait = self._failures.wait(address, self._clock())
        if wait:
            msg = "Too many attempts to connect have failed; try again later"
            raise ConnectionRefused(msg, code="rate_limited", retry_after=retry_after(wait))
        try:
            yield
        except ConnectionRefused as error:
            if error.code != _EXCUSED and error.retry_after is None:
                with self._lock:
                    self._failures.note(address, self._clock())
            raise
