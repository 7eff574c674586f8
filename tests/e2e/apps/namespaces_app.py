"""An application with namespaces of its own, registered through `realtime.socketio`: `/desk`, and `/status`, which is open."""

import json
import os
from typing import Any

import flask
import flask_socketio

from flask_realtime import Identity, Realtime, current_connection
from tests.e2e.apps.contract_app import KEY, Notes, add_jwt, add_views
from tests.e2e.apps.engine_app import Gates

LIMITS = {"application": "5/second, burst 20"}


def create_app() -> flask.Flask:
    """The application, for a server that takes a factory."""
    app = flask.Flask(__name__)
    app.config.from_mapping(
        JWT_SECRET_KEY=KEY,
        REALTIME_OPEN_NAMESPACES=["/status"],
        REALTIME_LIMITS=LIMITS,
        REALTIME_MAX_FAILED_CONNECTS=None,
    )
    app.config.update(json.loads(os.environ.get("CONTRACT_APP_CONFIG", "{}")))
    notes, gates = Notes(), Gates()
    app.extensions["contract_app_notes"] = notes
    add_jwt(app, notes)
    realtime = Realtime()
    add_hooks(realtime, notes)
    realtime.init_app(app)
    add_desk(realtime.socketio, notes, gates)
    add_desk_events(realtime.socketio, notes)
    add_rooms(realtime.socketio)
    add_status(realtime.socketio)
    add_views(app, realtime, notes)

    @app.post("/gates/<name>")
    def open_gate(name: str) -> dict[str, Any]:
        gates.open(name)
        return {}

    @app.post("/say")
    def say() -> dict[str, Any]:
        body = flask.request.get_json()
        realtime.socketio.emit(body["event"], body["data"], namespace="/desk", to=body.get("to"))
        return {}

    return app


def add_hooks(realtime: Realtime, notes: Notes) -> None:
    """Users whose names begin with ``banned`` are turned away from every namespace."""

    @realtime.on_connect
    def connected(identity: Identity) -> bool:
        notes.record("connect", identity.user_id, current_connection.namespace)
        return not identity.user_id.startswith("banned")

    @realtime.on_disconnect
    def gone(identity: Identity, reason: str) -> None:
        notes.record("disconnect", identity.user_id, current_connection.namespace, reason)


def add_desk(socketio: Any, notes: Notes, gates: Gates) -> None:
    """Comings and goings of a namespace; users decide by the beginning of their ids what happens."""

    @socketio.on("connect", namespace="/desk")
    def connected() -> bool | None:
        user = current_connection.user_id
        notes.record("desk", user)
        flask_socketio.join_room("everyone")
        flask_socketio.emit("welcome", {"user": user, "name": current_connection.identity.user["name"]})
        socketio.emit("came", user, namespace="/desk")
        if user.startswith("gated"):
            gates.wait(user)
        if user.startswith("crash"):
            raise RuntimeError("secret detail")
        return False if user.startswith("refused") else None

    @socketio.on("disconnect", namespace="/desk")
    def gone(reason: str) -> None:
        notes.record("desk-gone", current_connection.user_id, reason)


def add_desk_events(socketio: Any, notes: Notes) -> None:
    """What its clients may ask."""

    @socketio.on("who", namespace="/desk")
    def who() -> dict[str, Any]:
        request: Any = flask.request
        return {"user": current_connection.identity.user_id, "namespace": request.namespace, "id": request.sid}

    @socketio.on("fail", namespace="/desk")
    def fail() -> None:
        raise RuntimeError("secret detail")

    @socketio.on("kick", namespace="/desk")
    def kick() -> None:
        flask_socketio.disconnect()

    @socketio.on("ask", namespace="/desk")
    def ask() -> Any:
        return socketio.call("question", 1, to=current_connection.id, namespace="/desk")

    @socketio.on("step", namespace="/desk")
    def step(number: int) -> int:
        notes.record("step", current_connection.user_id, number)
        return number


def add_rooms(socketio: Any) -> None:
    """Its rooms."""

    @socketio.on("join", namespace="/desk")
    def join(room: str) -> None:
        flask_socketio.join_room(room)

    @socketio.on("leave", namespace="/desk")
    def leave(room: str) -> None:
        flask_socketio.leave_room(room)

    @socketio.on("say", namespace="/desk")
    def say(room: str, data: Any) -> tuple[str, int]:
        flask_socketio.emit("said", data, to=room, include_self=False)
        return room, 1


def add_status(socketio: Any) -> None:
    """A namespace that is open to everybody."""

    @socketio.on("look", namespace="/status")
    def look() -> dict[str, Any]:
        return {"user": current_connection.user_id, "up": True}
