"""Health checks for load balancers and orchestrators: each performs the operation that it reports on."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import update

from example_app.extensions import db
from example_app.models import HealthCheck
from flask_realtime.health import health_blueprint
from flask_realtime.store import utc_now


def _database() -> None:
    try:
        # Committed: a full disk fails at the end of a transaction, not within it.
        written = db.session.scalars(update(HealthCheck).values(checked_at=utc_now()).returning(HealthCheck.id)).all()
        db.session.commit()
    finally:
        db.session.rollback()
    if not written:
        raise LookupError("The row that health checks write to is missing; it is created when the application starts")


CHECKS: dict[str, Callable[[], None]] = {"database": _database}

health = health_blueprint(CHECKS, name="health")
