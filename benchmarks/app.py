"""The application that is put under load.

Any access token signed with `JWT_SECRET_KEY` may connect and join any conversation, and every limit is raised by configuration, so
that what is measured is the work and never a refusal. Environment variables that begin with `FLASK_` set further keys, as Flask
does it: `FLASK_REALTIME_PING_INTERVAL=5`.

A user who comes online is announced to nobody, unless `BENCHMARK_PRESENCE` says `everyone` or `room`: see the README beside this
file.
"""

import os
from collections.abc import Iterable
from typing import Any

import flask
from flask_jwt_extended import JWTManager

from flask_realtime import Identity, Realtime
from flask_realtime.metrics import metrics_blueprint

ROOM = 10
"""How many users share a room in most scenarios."""

CLASSES = ("typing", "presence", "joins", "messages", "notifications", "sync", "application")
LIMITS = {
    "REALTIME_LIMITS": dict.fromkeys(CLASSES, "1000000/second"),
    "REALTIME_USER_LIMITS": dict.fromkeys(CLASSES, "1000000/second"),
    "REALTIME_MAX_FAILED_CONNECTS": "1000000/second",
    "REALTIME_MAX_ROOMS": 100_000,
    "REALTIME_MAX_CONNECTIONS_PER_USER": 100_000,
    "REALTIME_MAX_CONNECTS_PER_USER": None,
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
    app.register_blueprint(metrics_blueprint())
    return app


def add_hooks(realtime: Realtime) -> None:
    """Admit every join, and keep presence out of what is measured unless it is asked for."""

    @realtime.authorize_join
    def admit(_identity: Identity, _conversation_id: str) -> bool:
        return True

    audience = AUDIENCES[os.environ.get("BENCHMARK_PRESENCE", "nobody")]
    if audience is not None:
        realtime.presence_audience(audience)

    @realtime.on("benchmark:ask")
    def answer(_identity: Identity, what: str) -> str:
        return what


def nobody(_user_id: str) -> Iterable[str]:
    """Tell nobody."""
    return ()


def room(user_id: str) -> Iterable[str]:
    """Tell those whose connections the load tool puts into the same room."""
    kind, _, number = user_id.partition("-")
    first = int(number) // ROOM * ROOM
    return [f"{kind}-{other}" for other in range(first, first + ROOM)]


AUDIENCES = {"nobody": nobody, "room": room, "everyone": None}


def add_views(app: flask.Flask, realtime: Realtime) -> None:
    """What the load tool calls over HTTP."""

    @app.post("/emit/<conversation_id>")
    def emit(conversation_id: str) -> dict[str, Any]:
        realtime.emit_new_message(conversation_id, flask.request.get_json())
        return {}

    @app.get("/worker")
    def worker() -> str:
        return str(os.getpid())


app = create_app()
