"""gunicorn worker: the gevent worker with the engine's HTTP handler, from the first request on.

`gunicorn -k flask_realtime.worker.RealtimeWorker` needs nothing of gevent-websocket. An application's own WebSockets, beside
Socket.IO's, need gevent-websocket's worker.
"""

from __future__ import annotations

from signal import SIG_BLOCK, SIG_UNBLOCK, SIGINT, SIGQUIT, SIGTERM, pthread_sigmask
from typing import Final

from gunicorn.workers.ggevent import GeventPyWSGIWorker

_ENDING: Final = {SIGTERM, SIGINT, SIGQUIT}


class RealtimeWorker(GeventPyWSGIWorker):  # type: ignore[misc]  # gunicorn has no types
    """A gunicorn worker; it has the settings of the application's extension, once that is loaded."""

    def init_process(self) -> None:
        """Begin to work in the new process."""
        # Until `init_signals` it has the handlers of gunicorn's master, which would forget that it was told to end.
        pthread_sigmask(SIG_BLOCK, _ENDING)
        super().init_process()

    def patch(self) -> None:
        """Have gevent patch the standard library, then take the engine's handler."""
        super().patch()
        # gunicorn's master imports this module, for which nothing is patched.
        from flask_realtime.engine.installing import install_in_worker  # noqa: PLC0415

        install_in_worker(self)

    def init_signals(self) -> None:
        """Take the worker's own signal handlers."""
        super().init_signals()
        pthread_sigmask(SIG_UNBLOCK, _ENDING)
