"""The application that is put under load, saying which worker did what."""

import os
from typing import Any

import flask
from flask_jwt_extended import JWTManager

from flask_realtime import Identity, Realtime

WATCHER = "watcher-"
"""What the ids of those users begin with who are told of everyone's coming and going."""

WATCHERS = 4
"""How many they are."""


def create_app() -> flask.Flask:
    """Make the application; its configuration comes from the environment."""
    app = flask.Flask(__name__)
    app.config["JWT_SECRET_KEY"] = os.environ["JWT_SECRET_KEY"]
    app.config.from_prefixed_env()
    JWTManager(app)
    realtime = Realtime()
    add_hooks(realtime)
    realtime.init_app(app)
    add_views(app, realtime)
    return app


def add_hooks(realtime: Realtime) -> None:
    """Admit every join, and tell a few of who comes and goes."""

    @realtime.authorize_join
    def admit(_identity: Identity, _conversation_id: str) -> bool:
        return True

    @realtime.presence_audience
    def watchers(_user_id: str) -> list[str]:
        return [f"{WATCHER}{number}" for number in range(WATCHERS)]

    @realtime.on("chaos:worker")
    def worker(_identity: Identity) -> int:
        return os.getpid()


def add_views(app: flask.Flask, realtime: Realtime) -> None:
    """What the load program calls over HTTP."""

    @app.post("/emit/<conversation_id>")
    def emit(conversation_id: str) -> dict[str, Any]:
        reached = realtime.emit_new_message(conversation_id, flask.request.get_json())
        return {"worker": os.getpid(), "reached": reached}

    @app.post("/presence")
    def presence() -> dict[str, Any]:
        rooms = {name: realtime.get_online_users(name) for name in flask.request.get_json()}
        return {"worker": os.getpid(), "online": realtime.get_online_users(), "rooms": rooms}
