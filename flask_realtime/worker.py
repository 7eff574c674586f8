"""gunicorn worker: the gevent worker with the engine's HTTP handler, from the first request on.

`gunicorn -k flask_realtime.worker.RealtimeWorker` needs nothing of gevent-websocket. An application's own WebSockets, beside
Socket.IO's, need gevent-websocket's worker.
"""

from __future__ import annotations

from typing import Any

from gunicorn.workers.ggevent import GeventPyWSGIWorker

from flask_realtime.engine.installing import install_in_worker


class RealtimeWorker(GeventPyWSGIWorker):  # type: ignore[misc]  # gunicorn has no types
    """A gunicorn worker; it has the settings of the application's extension, once that is loaded."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        install_in_worker(self)
