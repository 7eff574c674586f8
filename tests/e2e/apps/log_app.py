"""The example with views that log many events, roll back, or die between the commit and the sending, or right after that."""

from __future__ import annotations

import os
import signal
from http import HTTPStatus

from flask import Blueprint, Flask, current_app
from sqlalchemy import event

from example_app import create_app as create_example
from example_app.extensions import db, realtime
from flask_realtime.extension import gateway_of
from flask_realtime.features.log import relay

SECONDS = 10.0

views = Blueprint("log_app", __name__)


@views.post("/log/<name>/<int:count>/<user_id>")
def log(name: str, count: int, user_id: str) -> tuple[str, HTTPStatus]:
    """Log numbered events for a user in one transaction."""
    _log(name, count, user_id)
    db.session.commit()
    return "", HTTPStatus.NO_CONTENT


@views.post("/roll-back/<name>/<int:count>/<user_id>")
def roll_back(name: str, count: int, user_id: str) -> tuple[str, HTTPStatus]:
    """Log numbered events for a user, each in a transaction that is rolled back."""
    for number in range(count):
        realtime.log(name, number, user_id=user_id)
        db.session.rollback()
    return "", HTTPStatus.NO_CONTENT


@views.post("/die/<name>/<int:count>/<user_id>")
def die(name: str, count: int, user_id: str) -> tuple[str, HTTPStatus]:
    """Log numbered events for a user, and die once they are committed, before anything is sent."""
    # SQLAlchemy calls this when the database has committed; what waits for the commit is sent when the transaction has ended.
    # Only this request's session counts: the log commits in other greenlets meanwhile.
    event.listen(db.session(), "after_commit", lambda _session: os.kill(os.getpid(), signal.SIGKILL))
    return log(name, count, user_id)


@views.post("/die-sent/<name>/<int:count>/<user_id>")
def die_sent(name: str, count: int, user_id: str) -> tuple[str, HTTPStatus]:
    """Log numbered events for a user, and die once they are sent, before that is recorded."""
    event.listen(db.engine, "before_cursor_execute", _die_instead_of_recording)
    return log(name, count, user_id)


def _die_instead_of_recording(_connection: object, _cursor: object, statement: str, *_: object) -> None:
    if not statement.startswith("UPDATE realtime_log SET delivered_at"):
        return
    recovery = gateway_of(current_app).backend.recovery
    assert recovery is None or recovery.wait_sent(SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def _log(name: str, count: int, user_id: str) -> None:
    for number in range(count):
        realtime.log(name, number, user_id=user_id)


def create_app() -> Flask:
    """The application, for a server that takes a factory."""
    relay.INTERVAL = float(os.environ.get("RELAY_INTERVAL", relay.INTERVAL))  # type: ignore[misc]  # a constant, but for tests
    app = create_example()
    app.register_blueprint(views)
    return app
