"""The engine's application with health checks."""

import flask

from flask_realtime.health import health_blueprint
from tests.e2e.apps.engine_app import build


def create_app() -> flask.Flask:
    """The application, for a server that takes a factory."""
    app, _ = build()
    app.register_blueprint(health_blueprint())
    return app
