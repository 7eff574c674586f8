"""Health checks for load balancers and orchestrators: `/livez`, `/readyz` and `/healthz`, as a blueprint.

    app.register_blueprint(health_blueprint({"database": lambda: db.session.execute(text("SELECT 1"))}))

In tests, `app.test_client().get("/readyz")` runs the checks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from threading import Lock
from time import monotonic
from typing import Final

from flask import Blueprint, Response, current_app, jsonify

from flask_realtime.contract.answers import MESSAGE_QUEUE
from flask_realtime.extension import current_gateway
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

INTERVAL: Final = 1.0
"""Seconds for which results are shared."""

PATIENCE: Final = 2.0
"""Seconds for which a request waits for checks that another one runs."""

Check = Callable[[], object]
"""Raises an exception if what it is named after does not work."""

_OK: Final = "ok"
_FAILED: Final = "failed"


class HealthChecks:
    """The checks of one application in one process, run once a second at most, however many requests arrive.

    Args:
        checks: The checks, by name.
    """

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._lock = Lock()
        self._checked_at = -INTERVAL
        self._results: dict[str, str] = {}

    def results(self) -> dict[str, str]:
        """Return `"ok"` or `"failed"` for each check; all have failed if another request's run does not end in time."""
        if not self._lock.acquire(timeout=PATIENCE):
            return dict.fromkeys(self._checks, _FAILED)
        try:
            if monotonic() - self._checked_at >= INTERVAL:
                self._results = {name: self._result(name, check) for name, check in self._checks.items()}
                self._checked_at = monotonic()
            return self._results
        finally:
            self._lock.release()

    def _result(self, name: str, check: Check) -> str:
        """Run a check. An outage is logged when it begins and when it ends: anybody may ask, as often as they want."""
        has_failed = self._results.get(name) == _FAILED
        try:
            check()
        except Exception:
            if not has_failed:
                # The response names what failed; the cause goes to the log only.
                logger.exception("Health check %r failed", name)
            return _FAILED
        if has_failed:
            logger.info("Health check %r passes again", name)
        return _OK


def health_blueprint(
    checks: Mapping[str, Check] | None = None, *, name: str = "realtime_health", url_prefix: str | None = None
) -> Blueprint:
    """Make a blueprint with health checks, which need no authentication.

    `/livez` answers 200 as long as the process answers. `/healthz` answers 200 if the message queue and what the application's own
    checks are about work, else 503 and which of them failed; why is in the log. `/readyz` does the same, and answers 503 as soon as
    the server drains its connections, so that no further clients are sent to it.

    Args:
        checks: The application's own checks, by name. They run in the request that asks for them.
        name: The blueprint's name.
        url_prefix: The prefix of the paths.
    """
    blueprint = Blueprint(name, __name__, url_prefix=url_prefix)
    key = f"flask_realtime.health.{name}"

    def results() -> dict[str, str]:
        extensions = current_app.extensions
        if key not in extensions:
            # Made with the first request: a lock made before gevent patches the standard library would block every connection.
            extensions.setdefault(key, HealthChecks({MESSAGE_QUEUE: current_gateway().backend.check, **(checks or {})}))
        found: HealthChecks = extensions[key]
        return found.results()

    @blueprint.get("/livez")
    def livez() -> Response:
        return _answer(_OK)

    @blueprint.get("/healthz")
    def healthz() -> Response:
        return _answer_checks(results())

    @blueprint.get("/readyz")
    def readyz() -> Response:
        return _answer("draining") if current_gateway().is_draining else _answer_checks(results())

    return blueprint


def _answer_checks(results: Mapping[str, str]) -> Response:
    return _answer("unavailable" if _FAILED in results.values() else _OK, checks=results)


def _answer(status: str, **told: object) -> Response:
    response = jsonify(status=status, **told)
    response.status_code = HTTPStatus.OK if status == _OK else HTTPStatus.SERVICE_UNAVAILABLE
    response.headers["Cache-Control"] = "no-store"
    return response
