"""An application with a log, whose worker rolls back, or dies between the commit and the sending, as it is told."""

from __future__ import annotations

import os
import signal
import time
from http import HTTPStatus

import flask
from flask_jwt_extended import JWTManager
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event

from flask_realtime import Realtime
from flask_realtime.store import Store, define_models

WATCHER = "watcher"
"""The user to whom everything is logged."""

db = SQLAlchemy()
store = Store(db, define_models(db, log=True))
realtime = Realtime()
store.register(realtime)
views = flask.Blueprint("outbox", __name__)


def create_app() -> flask.Flask:
    """Make the application; its configuration comes from the environment."""
    app = flask.Flask(__name__)
    app.config["JWT_SECRET_KEY"] = os.environ["JWT_SECRET_KEY"]
    app.config.from_prefixed_env()
    JWTManager(app)
    db.init_app(app)
    realtime.init_app(app)
    app.register_blueprint(views)
    return app


@views.post("/roll-back/<int:count>")
def roll_back(count: int) -> tuple[str, HTTPStatus]:
    """Log an event in each of many transactions, none of which is committed."""
    for number in range(count):
        realtime.log("ghost", number, user_id=WATCHER)
        db.session.rollback()
    return "", HTTPStatus.NO_CONTENT


@views.post("/log/<int:number>")
def log(number: int) -> tuple[str, HTTPStatus]:
    """Log an event with its number and the time."""
    realtime.log("real", number, time.time(), user_id=WATCHER)
    db.session.commit()
    return "", HTTPStatus.NO_CONTENT


@views.post("/die/<int:number>")
def die(number: int) -> tuple[str, HTTPStatus]:
    """Log an event, and die once it is committed, before it is sent."""
    event.listen(db.session(), "after_commit", lambda _session: os.kill(os.getpid(), signal.SIGKILL))
    return log(number)
