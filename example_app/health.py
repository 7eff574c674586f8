"""Whether the server can do its work: for load balancers and for people who look for the fault."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from flask import Blueprint, current_app
from sqlalchemy import text

from example_app.extensions import db, realtime
from example_app.serializers import Json

health = Blueprint("health", __name__)


def _database() -> None:
    db.session.execute(text("SELECT 1"))


# Each raises if what it is named after does not answer.
CHECKS: dict[str, Callable[[], None]] = {"database": _database, "messageQueue": realtime.check_message_queue}


@health.get("/healthz")
def healthz() -> tuple[Json, HTTPStatus]:
    """Say what works."""
    checks = {name: "ok" if _passes(name, check) else "failed" for name, check in CHECKS.items()}
    if "failed" in checks.values():
        return {"status": "unavailable", "checks": checks}, HTTPStatus.SERVICE_UNAVAILABLE
    return {"status": "ok", "checks": checks}, HTTPStatus.OK


def _passes(name: str, check: Callable[[], None]) -> bool:
    try:
        check()
    except Exception:
        # Whoever asks learns what failed; why is for the log.
        current_app.logger.exception("Health check %r failed", name)
        return False
    return True
