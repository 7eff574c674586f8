"""gunicorn's settings for the tests' servers, of which hundreds are started and stopped."""

import gc
import os
import signal
import sys
from functools import partial
from typing import Any

UNUSED = "aiohttp"
"""What python-socketio imports for a client that nothing here has, where another package brings it; a sixth of the start."""


def on_starting(_server: Any) -> None:
    """Have workers begin deaf to being told to end: gunicorn's own handlers, which they have until they start, would forget it."""
    master = os.getpid()

    def set_mask(how: int) -> None:
        if os.getpid() == master:
            signal.pthread_sigmask(how, {signal.SIGTERM})

    os.register_at_fork(before=partial(set_mask, signal.SIG_BLOCK), after_in_parent=partial(set_mask, signal.SIG_UNBLOCK))


def post_fork(_server: Any, _worker: Any) -> None:
    """Load the application as where it is not installed, and look for no garbage meanwhile, of which there is none."""
    sys.modules.setdefault(UNUSED, None)  # type: ignore[arg-type]  # that is how an import is made to fail
    gc.disable()


def post_worker_init(_worker: Any) -> None:
    """Let those have it who ask for it later, look for garbage as usual, and be told to end."""
    gc.unfreeze()  # What a fork has from before it started: see fork_server.py.
    gc.enable()
    if sys.modules.get(UNUSED) is None:
        sys.modules.pop(UNUSED, None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def worker_exit(_server: Any, _worker: Any) -> None:
    """Do not look for garbage when the process is about to end: to go through all of it takes a third of a second."""
    gc.freeze()
