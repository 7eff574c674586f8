"""Threads to answer in, for a process that has neither a server's greenlets nor its threads."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable
from typing import Any


class Threads:
    """Daemon threads: the process ends while they wait."""

    @staticmethod
    def start_background_task(target: Callable[..., None], *args: Any) -> None:
        """Run a function in a thread."""
        threading.Thread(target=target, args=args, name="flask_realtime metrics", daemon=True).start()

    @staticmethod
    def sleep(seconds: float = 0) -> None:
        """Let other threads run."""
        time.sleep(seconds)

    @staticmethod
    def wait_readable(fileno: int, seconds: float) -> bool:
        """Wait until a file can be read, for some seconds at most, and return whether it can."""
        poll = select.poll()
        poll.register(fileno, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
