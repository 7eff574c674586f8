"""The application whose messages are stored with a log, in one conversation for some users and all posters."""

from __future__ import annotations

import os
import sys
import time
from typing import Any, Final

import flask
from flask_jwt_extended import JWTManager
from flask_sqlalchemy import SQLAlchemy

from benchmarks.chaos.stories import sent_line
from flask_realtime import Identity, Realtime
from flask_realtime.contract.effects import Emit
from flask_realtime.errors import BadRequest
from flask_realtime.signals import event_sent
from flask_realtime.store import MessageRecord, Store, define_models

SYNC_LIMIT: Final = 500

db = SQLAlchemy()
models = define_models(db, log=True)
store = Store(db, models)
realtime = Realtime()


def message_json(message: MessageRecord) -> dict[str, Any]:
    """Return a message as clients get it: its content is its number."""
    return {"id": message.id, "seq": message.seq, "number": int(message.content)}


store.register(realtime, message_json=message_json)


@realtime.on("chaos:worker")
def worker(_identity: Identity) -> int:
    """Return who serves the connection."""
    return os.getpid()


@realtime.presence_audience
def nobody(_user_id: str) -> list[str]:
    """Tell nobody of who comes and goes."""
    return []


def note_sent(_app: flask.Flask, event: Emit) -> None:
    """Write to the server's log what this worker sends, for the story of a message that comes twice."""
    if event.logged is not None:
        sys.stderr.write(sent_line(time.monotonic(), os.getpid(), event.args[0]["number"], event.logged))


def create_app() -> flask.Flask:
    """Make the application; its configuration comes from the environment."""
    app = flask.Flask(__name__)
    app.config["JWT_SECRET_KEY"] = os.environ["JWT_SECRET_KEY"]
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"pool_pre_ping": True}
    app.config.from_prefixed_env()
    JWTManager(app)
    db.init_app(app)
    realtime.init_app(app)
    event_sent.connect(note_sent, app)

    @app.get("/sync/<user_id>")
    def sync(user_id: str) -> Any:
        try:
            return store.log.sync(user_id, flask.request.args["cursor"], SYNC_LIMIT)
        except BadRequest as error:
            flask.abort(400, error.message)

    return app
