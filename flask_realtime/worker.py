"""gunicorn worker: the gevent worker with the engine's HTTP handler, from the first request on.

`gunicorn -k flask_realtime.worker.RealtimeWorker` needs nothing of gevent-websocket. An application's own WebSockets, beside
Socket.IO's, need gevent-websocket's worker.
"""

from __future__ import annotations

from gunicorn.workers.ggevent import GeventPyWSGIWorker


class RealtimeWorker(GeventPyWSGIWorker):  # type: ignore[misc]  # gunicorn has no types
    """A gunicorn worker; it has the settings of the application's extension, once that is loaded."""

    def patch(self) -> None:
        """Have gevent patch the standard library, then take the engine's handler."""
        super().patch()
        # gunicorn's master imports this module, for which nothing is patched.
        from flask_realtime.engine.installing import install_in_worker  # noqa: PLC0415

        install_in_worker(self)
