"""Requests of the application that are in progress, which a server that stops waits for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class ApplicationRequests:
    """WSGI middleware that counts the requests for which the application has not returned a response yet.

    Args:
        wsgi_app: The application.
    """

    def __init__(self, wsgi_app: Any) -> None:
        self._wsgi_app = wsgi_app
        self.in_progress = 0
        """The number of requests."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Hand a request on to the application."""
        self.in_progress += 1
        try:
            answer: Iterable[bytes] = self._wsgi_app(environ, start_response)
        finally:
            self.in_progress -= 1
        return answer
