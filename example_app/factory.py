"""The application factory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask, Response

from example_app.announcements import announcements
from example_app.auth import auth
from example_app.channels import send_email
from example_app.conversations import conversations, new_conversation_json
from example_app.database import prepare_database
from example_app.errors import register_error_handlers
from example_app.extensions import db, jwt, realtime
from example_app.files import keep_database_private
from example_app.health import health
from example_app.messages import messages, sent_message_json
from example_app.models import store
from example_app.notifications import notifications
from example_app.orders import orders
from example_app.pages import pages
from example_app.push import push
from example_app.serializers import notification_json
from example_app.settings import configure
from example_app.sync import sync
from example_app.users import users

BLUEPRINTS = (auth, users, conversations, messages, notifications, push, orders, sync, health, pages)

# Answers authorize_join from the database, and stores there what clients send and which notifications they have read. What the
# store has changed, its log sends.
store.register(
    realtime, message_json=sent_message_json, notification_json=notification_json, conversation_json=new_conversation_json
)
realtime.register(announcements)
realtime.notification_channel("email")(send_email)


def create_app(config: Mapping[str, Any] | None = None, *, instance_path: str | None = None) -> Flask:
    """Make the application; see `example_app.create_app`."""
    # `pages.py` serves the built page, since it knows how long each part may be cached.
    app = Flask("example_app", instance_path=instance_path, static_folder=None)
    configure(app, config or {})
    keep_database_private(app.config["SQLALCHEMY_DATABASE_URI"], Path(app.instance_path))
    db.init_app(app)
    jwt.init_app(app)
    realtime.init_app(app)
    register_error_handlers(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    app.after_request(_add_security_headers)
    prepare_database(app)
    return app


def _add_security_headers(response: Response) -> Response:
    response.headers["X-Content-Type-Options"] = "nosniff"
    # Responses hold tokens and private messages; only the page and its parts override this.
    response.headers.setdefault("Cache-Control", "no-store")
    return response
