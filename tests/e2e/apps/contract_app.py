"""The application that the contract tests talk to.

Its hooks decide by the beginning of an id, so that one server serves every test: a conversation that
starts with ``private`` refuses everybody, a user that starts with ``banned`` is turned away, and so on.
"""

import dataclasses
import datetime as dt
import decimal
import json
import logging
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import flask
import jwt
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token, decode_token, verify_jwt_in_request

import flask_realtime
from flask_realtime import Identity, Realtime, current_connection
from flask_realtime.errors import ConnectionRefused, Forbidden, NotFound

KEY = "the contract application's own key, long enough for HS512: 0123456789abcdef0123456789abcdef"
SLOW_SECONDS = 0.4
NO_LIMITS = {
    "REALTIME_LIMITS": dict.fromkeys(
        ("typing", "presence", "joins", "messages", "notifications", "receipts", "sync", "application")
    ),
    "REALTIME_USER_LIMITS": dict.fromkeys(
        ("typing", "presence", "joins", "messages", "notifications", "receipts", "sync", "application")
    ),
    "REALTIME_MAX_FAILED_CONNECTS": None,
    "REALTIME_MAX_ROOMS": 1_000_000,
}
"""For tests that send as much as they can, and for all those that fail to connect from one address."""

HELPERS = {
    "broadcast_to_all",
    "disconnect_token",
    "disconnect_user",
    "emit_message_deleted",
    "emit_message_delivered",
    "emit_message_read",
    "emit_new_message",
    "emit_notification_to_user",
    "emit_order_update",
    "get_online_users",
    "get_online_users_count",
    "get_user_connections",
    "get_user_status",
    "is_user_online",
    "remove_from_conversation",
    "send_to_conversation",
    "send_to_user",
    "set_privacy",
}


CONNECT_ERRORS = {
    "banned": ConnectionRefused("You are banned until Monday"),
    "crash": RuntimeError("secret detail"),
    "typeerror": TypeError("connected() missing 1 required positional argument: 'secret detail'"),
}


@dataclasses.dataclass(frozen=True)
class Vote:
    """The payload of ``poll:vote``."""

    poll: str
    choice: int


class Notes:
    """What the application notes for the tests to see, in the order noted; in a file where several processes do so."""

    def __init__(self) -> None:
        named = os.environ.get("CONTRACT_APP_NOTES")
        self._file = Path(named) if named else None
        self._lines: list[bytes] = []

    def record(self, name: str, *args: Any) -> None:
        line = json.dumps([name, args]).encode()
        if self._file is None:
            self._lines.append(line)
            return
        with self._file.open("ab", buffering=0) as file:  # One write each, so that processes do not mix their lines.
            file.write(line + b"\n")

    def of(self, name: str) -> list[list[Any]]:
        # What follows the last line end is a line that another process is just writing: a read may see a part of it.
        lines = self._lines if self._file is None else self._file.read_bytes().split(b"\n")[:-1]
        return [args for noted, args in map(json.loads, lines) if noted == name]


def create_app() -> flask.Flask:
    """The application, for a server that takes a factory."""
    return build()[0]


def build() -> tuple[flask.Flask, Realtime]:
    """The application with the configuration keys of ``CONTRACT_APP_CONFIG`` (JSON) set, and its extension."""
    app = flask.Flask(__name__)
    app.config.from_mapping(NO_LIMITS, JWT_SECRET_KEY=KEY, REALTIME_RECOVERY_FOLDER=None)
    app.config.update(json.loads(os.environ.get("CONTRACT_APP_CONFIG", "{}")))
    calls = app.extensions["contract_app_notes"] = Notes()
    add_jwt(app, calls)
    realtime = Realtime()
    add_connection_hooks(realtime, calls)
    add_conversation_hooks(realtime, calls)
    add_notification_hooks(realtime, calls)
    add_presence_hooks(realtime, calls)
    add_application_events(realtime, calls)
    if app.config.get("TEST_REVOKED_TOKENS_HOOK"):
        add_revoked_tokens(realtime, calls)
    if "TEST_LOG_LEVEL" in app.config:
        logging.basicConfig(level=app.config["TEST_LOG_LEVEL"])
    realtime.init_app(app)
    # With such a handler Flask-SocketIO by itself would let in whoever made a connect handler fail.
    realtime.socketio.on_error_default(lambda error: calls.record("socketio_error", str(error)))
    if "TEST_NAMESPACE" in app.config:
        realtime.socketio.on_event("hello", lambda: "hello", namespace=app.config["TEST_NAMESPACE"])
    add_views(app, realtime, calls)
    return app, realtime


def add_jwt(app: flask.Flask, notes: Notes) -> None:
    """Tokens: blocklist and user lookup as an application has them."""
    manager = JWTManager(app)

    @manager.token_in_blocklist_loader
    def is_revoked(_header: dict[str, Any], claims: dict[str, Any]) -> bool:
        if str(claims["sub"]).startswith("blocklist-broken") and not flask.has_request_context():
            raise RuntimeError("the blocklist is gone")
        return [claims["jti"]] in notes.of("revoked")

    @manager.user_lookup_loader
    def look_up(_header: dict[str, Any], claims: dict[str, Any]) -> dict[str, Any] | None:
        subject = str(claims["sub"])
        if subject.startswith("lookup-broken"):
            raise RuntimeError("the user database is gone")
        if app.config.get("TEST_NOTE_REQUEST"):
            seen = flask.request
            names = ("User-Agent", "X-Tenant", "Origin")
            headers = [seen.headers.get(name) for name in names]
            notes.record("request", subject, seen.cookies.get("theme"), *headers, seen.args.get("from"), seen.remote_addr)
        return None if subject.startswith("unknown") else {"name": subject.title()}


def add_connection_hooks(realtime: Realtime, calls: Notes) -> None:
    """Who is let in, and what happens while they are."""

    @realtime.on_connect
    def connected(identity: Identity) -> bool | None:
        calls.record("connect", identity.user_id, identity.user, current_connection.id)
        kind = identity.user_id.split("-", maxsplit=1)[0]
        if kind in CONNECT_ERRORS:
            raise CONNECT_ERRORS[kind]
        if kind == "greeted":
            realtime.send_to_user(identity.user_id, "greeting", "hello")
            realtime.broadcast_to_all("arrival", identity.user_id)
        if kind in {"slow", "slowrefused"}:
            time.sleep(SLOW_SECONDS)
        return kind not in {"refused", "slowrefused"}

    @realtime.on_disconnect
    def gone(identity: Identity, reason: str) -> None:
        calls.record("disconnect", identity.user_id, reason)
        if identity.user_id.startswith("badleaver"):
            raise RuntimeError("secret detail")

    @realtime.on_error
    def failed(error: Exception, event: str | None, identity: Identity | None) -> None:
        calls.record("error", type(error).__name__, event, identity.user_id if identity else None)


def add_revoked_tokens(realtime: Realtime, calls: Notes) -> None:
    """One question for many tokens."""

    @realtime.revoked_tokens
    def revoked(token_ids: Sequence[str]) -> set[str]:
        calls.record("revoked_tokens", list(token_ids))
        return {jti for (jti,) in calls.of("revoked")}.intersection(token_ids)


def add_conversation_hooks(realtime: Realtime, calls: Notes) -> None:
    """Who may join what."""

    @realtime.authorize_join
    def may_join(identity: Identity, conversation_id: str) -> bool:
        calls.record("authorize_join", identity.user_id, conversation_id)
        kind = conversation_id.split("-", maxsplit=1)[0]
        if kind == "boom":
            raise RuntimeError("secret detail")
        if kind == "closed":
            raise Forbidden("The conversation is closed")
        if kind == "slow":
            time.sleep(SLOW_SECONDS)
        if kind == "nothing":
            return None  # type: ignore[return-value] # a hook that forgot to answer
        return kind != "private"

    @realtime.on_join
    def joined(identity: Identity, conversation_id: str) -> None:
        calls.record("join", identity.user_id, conversation_id)

    @realtime.on_leave
    def left(identity: Identity, conversation_id: str) -> None:
        calls.record("leave", identity.user_id, conversation_id)


def add_notification_hooks(realtime: Realtime, calls: Notes) -> None:
    """What can be marked as read."""

    @realtime.on_notification_read
    def read(identity: Identity, notification_id: str) -> None:
        calls.record("notification_read", identity.user_id, notification_id)
        kind = notification_id.split("-", maxsplit=1)[0]
        if kind == "missing":
            raise NotFound
        if kind == "foreign":
            raise Forbidden
        if kind == "boom":
            raise RuntimeError("secret detail")

    @realtime.on_notifications_read_all
    def read_all(identity: Identity) -> None:
        calls.record("notifications_read_all", identity.user_id)
        if identity.user_id.startswith("unlucky"):
            raise RuntimeError("secret detail")

    @realtime.on_notification_delivered
    def delivered(identity: Identity, notification_id: str) -> None:
        calls.record("notification_delivered", identity.user_id, notification_id)


def add_presence_hooks(realtime: Realtime, calls: Notes) -> None:
    """Whom a status concerns: of a user ``discreet-x`` only ``friend-x`` hears."""

    @realtime.on_user_online
    def online(user_id: str) -> None:
        calls.record("online", user_id)

    @realtime.on_user_offline
    def offline(user_id: str) -> None:
        calls.record("offline", user_id)

    @realtime.presence_audience
    def audience(user_id: str) -> Iterable[str | int] | None:
        if user_id.startswith("discreet-"):
            return [user_id.replace("discreet-", "friend-")]
        return None


def add_application_events(realtime: Realtime, calls: Notes) -> None:
    """Events of the application's own."""

    @realtime.on("poll:vote", payload=Vote)
    def vote(identity: Identity, data: Vote) -> dict[str, Any]:
        realtime.broadcast_to_all("poll:voted", data.poll)
        return {"user": identity.user_id, "poll": data.poll, "choice": data.choice}

    @realtime.on("app:echo")
    def echo(_identity: Identity, data: Any) -> Any:
        return {"echo": data}

    @realtime.on("app:silent")
    def silent(_identity: Identity, _data: Any) -> None:
        return None

    @realtime.on("app:boom")
    def boom(_identity: Identity, _data: Any) -> None:
        raise RuntimeError("secret detail")

    @realtime.on("app:refuse")
    def refuse(_identity: Identity, _data: Any) -> None:
        raise Forbidden("Not yours to change")

    @realtime.on("app:sleep")
    def sleep(identity: Identity, seconds: Any) -> None:
        calls.record("sleep", identity.user_id)
        time.sleep(seconds)

    @realtime.on("app:step")
    def step(identity: Identity, number: Any) -> int:
        # Later steps are quicker: handled side by side they would overtake the earlier ones.
        time.sleep(0.005 if number % 2 else 0)
        calls.record("step", identity.user_id, number)
        return int(number)

    @realtime.on("app:claim")
    def claim(identity: Identity, name: Any) -> Any:
        return {"claim": identity.claims.get(name)}

    @realtime.on("app:connection")
    def connection(_identity: Identity, _data: Any) -> dict[str, Any]:
        return {"id": current_connection.id, "transport": current_connection.transport}


def add_views(app: flask.Flask, realtime: Realtime, calls: Notes) -> None:
    """What the tests ask of the server from outside."""

    @app.get("/ready")
    def ready() -> str:
        return "ready"

    @app.post("/token")
    def token() -> dict[str, str]:
        options = flask.request.get_json()
        return {"token": TOKENS[options.pop("kind")](options.pop("sub"), **options)}

    @app.post("/revoke")
    def revoke() -> dict[str, Any]:
        calls.record("revoked", flask.request.get_json()["jti"])
        return {}

    @app.get("/hooks/<name>")
    def hooks(name: str) -> flask.Response:
        return flask.jsonify(calls.of(name))

    add_emit_views(app, realtime)


def add_emit_views(app: flask.Flask, realtime: Realtime) -> None:
    """Views that call the extension's functions."""

    @app.post("/emit/<helper>")
    def emit(helper: str) -> dict[str, Any]:
        if helper not in HELPERS:
            flask.abort(404)
        if "Authorization" in flask.request.headers:
            verify_jwt_in_request()
        body = flask.request.get_json()
        owner = realtime if flask.request.args["via"] == "method" else flask_realtime
        return {"result": getattr(owner, helper)(*body["args"], **body["kwargs"])}

    @app.post("/emit-later/<helper>")
    def emit_later(helper: str) -> dict[str, Any]:
        """Call a function once there is a file."""
        sys.stdout.write(f"{helper} waits\n")
        while not Path(flask.request.get_json()["file"]).exists():
            time.sleep(0.01)
        return emit(helper)

    @app.post("/emit-python-values")
    def emit_python_values() -> dict[str, Any]:
        realtime.send_to_user(flask.request.get_json()["user"], "values", python_values())
        return {}

    @app.post("/emit-many")
    def emit_many() -> dict[str, Any]:
        body = flask.request.get_json()
        for number in range(body["count"]):
            realtime.send_to_user(body["user"], "number", number)
        return {}


def python_values() -> dict[str, Any]:
    """What Flask's JSON provider can serialise and ``json`` cannot."""
    return {
        "datetime": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc),
        "date": dt.date(2026, 1, 2),
        "uuid": uuid.UUID("12345678-1234-5678-1234-567812345678"),
        "decimal": decimal.Decimal("12.50"),
        "dataclass": Vote("lunch", 2),
    }


def access(subject: Any, seconds: float | None = None, **claims: Any) -> str:
    """A good token, valid for some seconds or for as long as configured, with more claims."""
    expires_delta = dt.timedelta(seconds=seconds) if seconds else None
    return str(create_access_token(subject, expires_delta=expires_delta, additional_claims=claims))


def lasting(subject: Any) -> str:
    return str(create_access_token(subject, expires_delta=False))


def expired(subject: Any) -> str:
    return str(create_access_token(subject, expires_delta=dt.timedelta(hours=-1)))


def not_yet_valid(subject: Any) -> str:
    later = dt.datetime.now(dt.timezone.utc) + dt.timedelta(hours=1)
    return str(create_access_token(subject, additional_claims={"nbf": later}))


def revoked(subject: Any) -> str:
    token = str(create_access_token(subject))
    flask.current_app.extensions["contract_app_notes"].record("revoked", decode_token(token)["jti"])
    return token


def other_key(subject: Any) -> str:
    return forged(subject, key=KEY[::-1])


def other_algorithm(subject: Any) -> str:
    return forged(subject, algorithm="HS512")


def unsigned(subject: Any) -> str:
    return forged(subject, key=None, algorithm="none")


def no_subject(subject: Any) -> str:
    return forged(subject, without="sub")


def forged(subject: Any, *, key: str | None = KEY, algorithm: str = "HS256", without: str | None = None) -> str:
    """A token made without Flask-JWT-Extended, wrong in one point."""
    claims = decode_token(create_access_token(subject))
    claims.pop(without or "", None)
    return jwt.encode(claims, key or "", algorithm=algorithm)


TOKENS: dict[str, Callable[[Any], str]] = {
    "access": access,
    "lasting": lasting,
    "refresh": create_refresh_token,
    "expired": expired,
    "not_yet_valid": not_yet_valid,
    "revoked": revoked,
    "other_key": other_key,
    "other_algorithm": other_algorithm,
    "unsigned": unsigned,
    "no_subject": no_subject,
}


if __name__ == "__main__":
    application, extension = build()
    extension.run(application, host="127.0.0.1", port=int(os.environ["PORT"]))
