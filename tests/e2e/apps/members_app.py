"""The example with the requests of all features beside its own, below `/rest`."""

from __future__ import annotations

from flask import Flask

from example_app import create_app as create_example
from flask_realtime.extension import BUILT_IN
from flask_realtime.rest import rest_blueprint


def create_app() -> Flask:
    """Make the application, for a server that takes a factory."""
    app = create_example()
    app.register_blueprint(rest_blueprint("rest", BUILT_IN, url_prefix="/rest"))
    return app
