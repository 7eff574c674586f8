"""An application whose author has forgotten something: what the variable ``FORGOTTEN`` names."""

import os

from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token

from flask_realtime import Realtime


def create_app() -> Flask:
    """Make the application."""
    app = Flask("unfinished")
    forgotten = os.environ.get("FORGOTTEN")
    if forgotten != "secret":
        app.config["JWT_SECRET_KEY"] = "short" if forgotten == "length" else "a secret of at least 32 characters"
    realtime = Realtime(app)
    if forgotten != "manager":
        JWTManager(app)  # After the extension, as it may well be.
    if forgotten != "hook":
        realtime.authorize_join(lambda _identity, _conversation_id: True)

    @app.get("/ready")
    def ready() -> str:
        return "ready"

    @app.get("/token")
    def token() -> str:
        return str(create_access_token("ann"))

    return app
