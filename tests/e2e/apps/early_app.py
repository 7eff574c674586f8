"""Application that starts a task and sends an event while it is imported, before anybody knows what will serve it."""

import os

if os.environ.get("PATCH"):
    from gevent import monkey

    monkey.patch_all()

from typing import Any

from flask import Flask
from flask_jwt_extended import JWTManager

from flask_realtime import Realtime

app = Flask(__name__)
app.config["JWT_SECRET_KEY"] = "a secret of at least 32 characters"
JWTManager(app)
realtime = Realtime(app)

ran: list[str] = []


def background() -> None:
    """Run once, after a wait."""
    realtime.socketio.sleep(0.01)
    ran.append("ran")


realtime.socketio.start_background_task(background)
sent = realtime.broadcast_to_all("news", {"early": True})


@app.get("/ready")
def ready() -> str:
    return "ready"


@app.get("/early")
def early() -> dict[str, Any]:
    return {"ran": ran, "sent": sent, "mode": realtime.socketio.async_mode}


if __name__ == "__main__":
    port = int(os.environ["PORT"])
    if os.environ["RUN"] == "app":
        app.run(port=port)
    else:
        realtime.run(app, port=port)
