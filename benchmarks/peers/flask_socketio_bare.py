"""Bare Flask-SocketIO: what an application writes that uses it directly, with the checks it cannot do without."""

import os
from typing import Any

import flask
import jwt
from flask_socketio import ConnectionRefusedError as Refusal
from flask_socketio import SocketIO, emit, join_room, rooms

KEY = os.environ.get("JWT_SECRET_KEY", "")

app = flask.Flask(__name__)
socketio = SocketIO(app, async_mode="gevent", ping_interval=float(os.environ.get("PING_INTERVAL", "25")), ping_timeout=20)
online: dict[str, int] = {}


@socketio.on("connect")  # type: ignore[untyped-decorator]
def connect(auth: Any = None) -> None:
    """Admit the bearer of an access token."""
    try:
        claims = jwt.decode(auth["token"], KEY, algorithms=["HS256"])
    except (TypeError, KeyError, jwt.InvalidTokenError) as error:
        raise Refusal(str(error)) from None
    if claims["type"] != "access":
        raise Refusal("not an access token")
    user_id = str(claims["sub"])
    flask.session["user_id"] = user_id
    join_room(f"user:{user_id}")
    online[user_id] = online.get(user_id, 0) + 1


@socketio.on("disconnect")  # type: ignore[untyped-decorator]
def disconnect(_reason: str | None = None) -> None:
    """Forget the connection."""
    user_id = flask.session["user_id"]
    online[user_id] -= 1
    if not online[user_id]:
        del online[user_id]


@socketio.on("join:conversation")  # type: ignore[untyped-decorator]
def join(conversation_id: str) -> dict[str, bool]:
    """Enter the conversation's room."""
    join_room(f"conversation:{conversation_id}")
    return {"ok": True}


@socketio.on("typing:start")  # type: ignore[untyped-decorator]
def typing(data: dict[str, str]) -> None:
    """Tell the others of the conversation."""
    conversation_id = data["conversationId"]
    room = f"conversation:{conversation_id}"
    if room in rooms():
        payload = {"conversationId": conversation_id, "userId": flask.session["user_id"]}
        emit("typing:start", payload, to=room, include_self=False)


@socketio.on("user:get-status")  # type: ignore[untyped-decorator]
def status(user_id: str) -> dict[str, str]:
    """Say whether a user is online."""
    return {"userId": user_id, "status": "online" if user_id in online else "offline"}


@app.post("/emit/<conversation_id>")
def emit_message(conversation_id: str) -> dict[str, Any]:
    """Send the request's body to a conversation."""
    socketio.emit("message:new", flask.request.get_json(), to=f"conversation:{conversation_id}")
    return {}
