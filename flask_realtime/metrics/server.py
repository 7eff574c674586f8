"""Server of metrics in a process of its own, for the workers of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from flask import Flask, Response
from werkzeug.serving import BaseWSGIServer, make_server

from flask_realtime.extension import gateway_of
from flask_realtime.metrics.views import PATH, answer


def metrics_server(app: Flask, host: str, port: int) -> BaseWSGIServer:
    """Make a server that answers `/metrics`, under the rules of the blueprint.

    Args:
        app: The application, whose workers it asks; it need not have the blueprint.
        host: The address to listen on.
        port: The port to listen on; 0 for a free one.

    Raises:
        OSError: It cannot listen there.
    """
    ask = gateway_of(app).workers.ask_others

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with app.request_context(environ):
            found = environ.get("PATH_INFO") == PATH and environ["REQUEST_METHOD"] in {"GET", "HEAD"}
            response: Any = answer(ask) if found else Response("Not found.\n", HTTPStatus.NOT_FOUND)
            content: Iterable[bytes] = response(environ, start_response)
        return content

    return make_server(host, port, serve, threaded=True)
