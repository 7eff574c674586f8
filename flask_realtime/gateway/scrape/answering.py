"""Answers of one process to those who ask for its readings."""

from __future__ import annotations

import atexit
import json
import socket
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, Final, Protocol

from flask_realtime.gateway.scrape.readings import Reading
from flask_realtime.gateway.scrape.sockets import ProcessSockets
from flask_realtime.logs import get_logger
from flask_realtime.socket_folder import KEEP_INTERVAL, keep

logger = get_logger(__name__)

PATIENCE: Final = 1.0
"""Seconds in which the other workers have to answer, all of them together."""

_TICK: Final = 0.005


class Waiter(Protocol):
    """Greenlets or threads of a server, as far as they are needed here."""

    def start_background_task(self, target: Callable[..., None], *args: Any) -> None:
        """Run a function in a greenlet or thread."""

    def sleep(self, seconds: float = 0) -> None:
        """Let other greenlets or threads run."""

    def wait_readable(self, fileno: int, seconds: float) -> bool:
        """Wait until a file can be read, for some seconds at most, and return whether it can; others run meanwhile."""


class Answering:
    """Answers with this process's readings, on a socket of its own.

    Args:
        sockets: The sockets of the application's processes.
        take: Takes the readings.
    """

    def __init__(self, sockets: ProcessSockets, take: Callable[[], list[Reading]]) -> None:
        self._sockets = sockets
        self._take = take
        self._listener: socket.socket | None = None
        self._path = Path()

    def start(self, waiter: Waiter, *, for_jobs: bool = False) -> None:
        """Start to answer, unless this process does already.

        Args:
            waiter: The greenlets or threads to answer in.
            for_jobs: Whether this process runs jobs and serves no clients.
        """
        if self._listener is not None:
            return
        try:
            self._path, self._listener = self._sockets.listen(for_jobs=for_jobs)
        except OSError as error:
            logger.warning("Other workers cannot ask this one for its metrics: %s", error)
            return
        atexit.register(self.stop)  # A worker that has had no session ends without a word to the gateway.
        waiter.start_background_task(self._answer_all, waiter, self._listener, partial(self.start, waiter, for_jobs=for_jobs))

    def stop(self) -> None:
        """Stop answering."""
        listener, self._listener = self._listener, None
        if listener is not None:
            atexit.unregister(self.stop)
            self._path.unlink(missing_ok=True)
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # Ends the wait of whoever answers.

    def _answer_all(self, waiter: Waiter, listener: socket.socket, start_anew: Callable[[], None]) -> None:
        with closing(listener):
            while self._listener is listener:
                if waiter.wait_readable(listener.fileno(), KEEP_INTERVAL):
                    with suppress(OSError):
                        asking, _ = listener.accept()
                        waiter.start_background_task(self._answer, waiter, asking)
                if not keep(self._path) and self._listener is listener:
                    self.stop()
                    start_anew()

    def _answer(self, waiter: Waiter, asking: socket.socket) -> None:
        with closing(asking):
            asking.settimeout(0)
            left = memoryview(self._encoded())
            deadline = monotonic() + PATIENCE
            while left and monotonic() < deadline:
                try:
                    left = left[asking.send(left) :]
                except BlockingIOError:
                    waiter.sleep(_TICK)
                except OSError:
                    return

    def _encoded(self) -> bytes:
        try:
            return json.dumps(self._take()).encode()
        except Exception:
            logger.exception("The metrics of this worker cannot be read")
            return b"null"  # Whoever asks counts it as an error.
