"""The engine's application, with a page of metrics or, for a command beside it, without one."""

import flask

from flask_realtime.metrics import metrics_blueprint
from tests.e2e.apps.engine_app import build


def create_app() -> flask.Flask:
    """The application with the page."""
    app = create_app_without_page()
    app.register_blueprint(metrics_blueprint())
    return app


def create_app_without_page() -> flask.Flask:
    """The application without it; the setting `REALTIME_METRICS` is the test's."""
    app, _ = build()
    return app
