"""The engine's application, whose clients can ask which worker serves them."""

import os
from collections.abc import Iterable
from functools import partial
from typing import Any

import flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from flask_realtime import Identity
from tests.e2e.apps.engine_app import build


def create_app() -> flask.Flask:
    """The application, for a server that takes a factory."""
    app, realtime = build()

    @realtime.on("app:worker")
    def worker(_identity: Identity) -> int:
        return os.getpid()

    return app


def create_two_apps() -> DispatcherMiddleware:
    """The application twice in one process."""
    return DispatcherMiddleware(create_app(), {"/other": create_app()})


def create_watched_app() -> flask.Flask:
    """The application below a middleware that looks at what is answered, as those of monitoring services do."""
    app = create_app()
    watched = app.wsgi_app

    def watch(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return watched(environ, partial(start_response))

    app.wsgi_app = watch  # type: ignore[method-assign]
    return app
