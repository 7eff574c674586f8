"""Health checks for load balancers and troubleshooting: each performs the operation that it reports on."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from threading import Lock
from time import monotonic

from flask import Blueprint, current_app
from sqlalchemy import update

from example_app.extensions import db, realtime
from example_app.models import HealthCheck
from example_app.serializers import Json
from flask_realtime.store import utc_now

health = Blueprint("health", __name__)

SECONDS_BETWEEN_CHECKS = 1.0


def _database() -> None:
    # Committed: a full disk fails at the end of a transaction, not within it.
    written = db.session.scalars(update(HealthCheck).values(checked_at=utc_now()).returning(HealthCheck.id)).all()
    db.session.commit()
    if not written:
        raise LookupError("The row that health checks write to is missing; it is created when the application starts")


# Each raises if the service that it is named after does not work.
CHECKS: dict[str, Callable[[], None]] = {"database": _database, "messageQueue": realtime.check_message_queue}


class Health:
    """The checks of one process, run once a second at most, however many requests arrive."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._checked_at = -SECONDS_BETWEEN_CHECKS
        self._results: dict[str, str] = {}

    def results(self) -> dict[str, str]:
        """Return `"ok"` or `"failed"` for each check; calls during a run wait for its results."""
        with self._lock:
            if monotonic() - self._checked_at >= SECONDS_BETWEEN_CHECKS:
                self._results = {name: "ok" if _passes(name, check) else "failed" for name, check in CHECKS.items()}
                self._checked_at = monotonic()
            return self._results


@health.get("/healthz")
def healthz() -> tuple[Json, HTTPStatus]:
    """Return the result of each check."""
    # Made with the first request: a lock made before gevent patches the standard library would block every connection.
    checks = current_app.extensions.setdefault("example_health", Health()).results()
    if "failed" in checks.values():
        return {"status": "unavailable", "checks": checks}, HTTPStatus.SERVICE_UNAVAILABLE
    return {"status": "ok", "checks": checks}, HTTPStatus.OK


def _passes(name: str, check: Callable[[], None]) -> bool:
    try:
        check()
    except Exception:
        db.session.rollback()
        # The response names what failed; the cause goes to the log only.
        current_app.logger.exception("Health check %r failed", name)
        return False
    return True
