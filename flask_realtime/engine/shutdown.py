"""Closes connections in order when the process is told to stop.

gunicorn waits for requests in progress, and cuts everything else: it does not track connections that were taken over from it.
So the signal first starts a farewell in a greenlet of the server's pool, which gunicorn does wait for.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent


class Shutdown:
    """Runs a farewell on `SIGTERM`.

    Args:
        farewell: Closes the connections, and returns when that is done.
        hurry: Makes a running farewell close the rest at once.
    """

    def __init__(self, farewell: Callable[[], None], hurry: Callable[[], None]) -> None:
        self._farewell = farewell
        self._hurry = hurry
        self._previous: Any = None
        self._pool: Any = None
        self._is_installed = False
        self._has_begun = False

    def install(self, pool: Any) -> None:
        """Listen for the signal, once.

        Args:
            pool: The server's greenlet pool, or None.
        """
        if self._is_installed:
            return
        self._is_installed = True
        self._pool = pool
        with suppress(ValueError):  # Only the main thread can handle signals; a server in another thread gets none.
            self._previous = signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, number: int, frame: Any) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._start(gevent.Greenlet(self._end))
        elif not callable(self._previous):  # gunicorn repeats the signal every second.
            self._hurry()
        if callable(self._previous):
            self._previous(number, frame)

    def _start(self, greenlet: gevent.Greenlet[[], None]) -> None:
        if self._pool is not None and self._pool.free_count() > 0:
            self._pool.start(greenlet)
            return
        greenlet.start()
        if self._pool is not None:
            # A full pool would block here. gunicorn waits for the requests that fill it, and then for this one.
            gevent.spawn(self._pool.add, greenlet)

    def _end(self) -> None:
        self._farewell()
        if not callable(self._previous):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
