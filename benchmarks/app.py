"""The application that is put under load.

Any access token signed with `JWT_SECRET_KEY` may connect and join any conversation, and every limit is raised by configuration, so
that what is measured is the work and never a refusal. Environment variables that begin with `FLASK_` set further keys, as Flask
does it: `FLASK_REALTIME_PING_INTERVAL=5`.

A user who comes online is announced to nobody, unless `BENCHMARK_PRESENCE=everyone`: see the README beside this file.
"""

import os
from collections.abc import Iterable
from typing import Any

import flask
from flask_jwt_extended import JWTManager

from flask_realtime import Identity, Realtime

LIMITS = {
    "REALTIME_MAX_CONNECTIONS_PER_USER": 100_000,
    "REALTIME_MAX_PENDING_EVENTS": 100_000,
}


def create_app() -> flask.Flask:
    """Make the application; its configuration comes from the environment."""
    app = flask.Flask(__name__)
    app.config["JWT_SECRET_KEY"] = os.environ["JWT_SECRET_KEY"]
    app.config.from_mapping(LIMITS)
    app.config.from_prefixed_env()
    JWTManager(app)
    realtime = Realtime()
    add_hooks(realtime)
    realtime.init_app(app)
    add_views(app, realtime)
    return app


def add_hooks(realtime: Realtime) -> None:
    """Admit every join, and keep presence out of what is measured unless it is asked for."""

    @realtime.authorize_join
    def admit(_identity: Identity, _conversation_id: str) -> bool:
        return True

    if os.environ.get("BENCHMARK_PRESENCE") != "everyone":

        @realtime.presence_audience
        def nobody(_user_id: str) -> Iterable[str]:
            return ()


def add_views(app: flask.Flask, realtime: Realtime) -> None:
    """What the load tool calls over HTTP."""

    @app.post("/emit/<conversation_id>")
    def emit(conversation_id: str) -> dict[str, Any]:
        realtime.emit_new_message(conversation_id, flask.request.get_json())
        return {}


app = create_app()
