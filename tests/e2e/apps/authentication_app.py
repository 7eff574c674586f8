"""An application without JSON Web Tokens: Flask-Login's sessions, and API keys in `auth` or in the header `X-API-Key`."""

import json
import os
import time
from collections.abc import Mapping
from typing import Any

import flask
from flask_login import LoginManager, UserMixin, current_user, login_user
from itsdangerous import BadSignature, URLSafeSerializer

from flask_realtime import Identity, Realtime, current_connection
from tests.e2e.apps.contract_app import KEY, NO_LIMITS, Notes, add_views


class User(UserMixin):  # type: ignore[misc]  # Flask-Login has no types
    """Somebody who has logged in."""

    def __init__(self, user_id: str) -> None:
        self.id = user_id
        self.name = user_id.title()


def create_app() -> flask.Flask:
    """The application, for a server that takes a factory."""
    app = flask.Flask(__name__)
    app.config.from_mapping(NO_LIMITS, SECRET_KEY=KEY)
    app.config.update(json.loads(os.environ.get("CONTRACT_APP_CONFIG", "{}")))
    notes, realtime = Notes(), Realtime()
    LoginManager(app).user_loader(lambda user_id: None if user_id.startswith("deleted") else User(user_id))
    realtime.authenticate(authenticate)
    realtime.on_disconnect(lambda identity, reason: notes.record("disconnect", identity.user_id, reason))
    realtime.on("who")(who)
    realtime.init_app(app)
    realtime.socketio.on_event("who", lambda: who(current_connection.identity), namespace="/desk")
    add_views(app, realtime, notes)
    add_credentials(app)
    return app


def authenticate(auth: Mapping[str, Any] | None, _environ: Mapping[str, Any]) -> Identity | None:
    """A key goes before a session; what ``auth`` asks for goes wrong."""
    given = auth or {}
    if "fail" in given:
        raise RuntimeError("secret detail")
    if "answer" in given:
        return given["answer"]  # type: ignore[no-any-return]
    key = given.get("token") or given.get("apiKey") or flask.request.headers.get("X-API-Key")
    if key is not None:
        return of_key(str(key))
    if not current_user.is_authenticated:
        return None
    return Identity(current_user.get_id(), {"by": "session"}, current_user, flask.session.get("until"))


def of_key(key: str) -> Identity | None:
    """The owner of a key, which is good for a time."""
    try:
        owner, until = keys().loads(key)
    except BadSignature:
        return None
    return Identity(owner, {"by": "key", "jti": key}, expires_at=until)


def keys() -> URLSafeSerializer:
    return URLSafeSerializer(KEY, "keys")


def who(identity: Identity) -> dict[str, Any]:
    """Who one is, as the server sees it."""
    return {"user": identity.user_id, "by": identity.claims["by"], "name": getattr(identity.user, "name", None)}


def add_credentials(app: flask.Flask) -> None:
    """Views that say what to connect with."""

    @app.post("/login")
    def login() -> dict[str, Any]:
        body = flask.request.get_json()
        login_user(User(body["user"]))
        flask.session["until"] = until(body)
        return {}

    @app.post("/key")
    def key() -> dict[str, Any]:
        body = flask.request.get_json()
        return {"key": keys().dumps([body["user"], until(body)])}


def until(body: Mapping[str, Any]) -> float | None:
    return time.time() + body["seconds"] if "seconds" in body else None
