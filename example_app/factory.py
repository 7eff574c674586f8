"""The application factory."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flask import Flask, Response

from example_app.announcements import announcements
from example_app.auth import auth
from example_app.channels import send_email
from example_app.chat import chat
from example_app.database import prepare_database
from example_app.errors import register_error_handlers
from example_app.extensions import db, jwt, realtime
from example_app.files import keep_database_private
from example_app.health import health
from example_app.log_format import set_up_logs
from example_app.messages import messages
from example_app.notifications import notifications
from example_app.orders import orders
from example_app.pages import pages
from example_app.settings import configure
from example_app.telemetry import trace_events, trace_requests
from example_app.users import users

BLUEPRINTS = (auth, users, chat.blueprint, messages, notifications, orders, health, pages)

realtime.register(announcements)
realtime.notification_channel("email")(send_email)
tracer_provider = trace_events(realtime)
set_up_logs(has_traces=tracer_provider is not None)


def create_app(config: Mapping[str, Any] | None = None, *, instance_path: str | None = None) -> Flask:
    """Make the application; see `example_app.create_app`."""
    # `pages.py` serves the built page, since it knows how long each part may be cached.
    app = Flask("example_app", instance_path=instance_path, static_folder=None)
    configure(app, config or {})
    keep_database_private(app.config["SQLALCHEMY_DATABASE_URI"], Path(app.instance_path))
    trace_requests(app, tracer_provider)
    db.init_app(app)
    jwt.init_app(app)
    realtime.init_app(app)
    register_error_handlers(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    if find_spec("prometheus_client") is not None:
        from flask_realtime.metrics import metrics_blueprint  # noqa: PLC0415 - an extra, which the example works without

        app.register_blueprint(metrics_blueprint())
    app.after_request(_add_security_headers)
    prepare_database(app)
    return app


def _add_security_headers(response: Response) -> Response:
    response.headers["X-Content-Type-Options"] = "nosniff"
    # Responses hold tokens and private messages; only the page and its parts override this.
    response.headers.setdefault("Cache-Control", "no-store")
    return response
