"""An application with critical notifications, whose channel writes down what it does and can be held up."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import flask
from flask_jwt_extended import JWTManager
from flask_sqlalchemy import SQLAlchemy

from example_app.telemetry import trace_events, trace_requests
from flask_realtime import CriticalNotification, Realtime
from flask_realtime.store import Store, define_models
from tests.e2e.apps.contract_app import KEY

TICK_SECONDS = 0.02


class CriticalApp:
    """The application, with the settings in the variable ``CRITICAL_APP_CONFIG`` (JSON).

    Its channel writes a line to the file ``notes`` of ``NOTES_FOLDER`` when it begins and when it ends, each with the process and
    the job. In between it waits for as long as there is a file ``hold``.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.app = flask.Flask(__name__)
        self.app.config.from_mapping(config, JWT_SECRET_KEY=KEY)
        self._folder = Path(self.app.config["NOTES_FOLDER"])
        JWTManager(self.app)
        self.db = SQLAlchemy(self.app)
        realtime = Realtime()
        provider = trace_events(realtime)
        trace_requests(self.app, provider)
        realtime.notification_channel("email")(self._email)
        self.store = Store(self.db, define_models(self.db))
        self.store.register(realtime)
        realtime.init_app(self.app)
        self._add_views(realtime)

    def _email(self, notification: CriticalNotification) -> None:
        self._note("begin", notification)
        while (self._folder / "hold").exists():
            time.sleep(TICK_SECONDS)
        self._note("end", notification)

    def _note(self, what: str, notification: CriticalNotification) -> None:
        with (self._folder / "notes").open("a") as notes:
            notes.write(f"{what} {os.getpid()} {notification.job_id} {notification.id}\n")

    def _add_views(self, realtime: Realtime) -> None:
        @self.app.get("/ready")
        def ready() -> str:
            return "ready"

        @self.app.post("/notify/<user_id>")
        def notify(user_id: str) -> dict[str, str]:
            stored = self.store.notifications.add(user_id, "alarm", "Fire", "Leave the house", critical=True)
            notification = {"id": stored.id, "title": stored.title}
            realtime.emit_notification_to_user(user_id, notification)
            return notification


def create_app() -> flask.Flask:
    """The application, for a server that takes a factory."""
    return CriticalApp(json.loads(os.environ["CRITICAL_APP_CONFIG"])).app
