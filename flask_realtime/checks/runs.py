"""Runs of the checks: all by command, and the certain and cheap ones when a server starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

from flask import Flask

from flask_realtime.checks.findings import Finding
from flask_realtime.checks.setup import (
    check_after_commit,
    check_hooks,
    check_middleware,
    check_origins,
    check_recovery_folder,
    check_settings,
    check_store,
    check_workers,
)
from flask_realtime.checks.surroundings import check_database, check_queue, check_tables, check_versions
from flask_realtime.checks.tokens import check_authentication
from flask_realtime.gateway.gateway import Gateway
from flask_realtime.logs import get_logger

logger = get_logger(__name__)


def find_certain(app: Flask, gateway: Gateway) -> list[Finding]:
    """Return definite problems of a server that is about to serve, as far as they are known without network access."""
    findings = chain(
        check_authentication(app, gateway),
        check_settings(app, gateway),
        check_after_commit(app, gateway),
        check_store(app, gateway),
        check_middleware(app, gateway),
    )
    return [finding for finding in findings if finding.level == "problem"]


def find_all(app: Flask, gateway: Gateway) -> list[Finding]:
    """Return all findings, including those that ask the message queue and the database; definite problems come first."""
    findings = chain(
        check_authentication(app, gateway),
        check_settings(app, gateway),
        check_after_commit(app, gateway),
        check_store(app, gateway),
        check_hooks(gateway),
        check_middleware(app, gateway),
        check_workers(gateway),
        check_recovery_folder(app, gateway),
        check_queue(gateway),
        check_versions(),
        check_origins(gateway),
        check_database(app),
        check_tables(app, gateway),
    )
    return sorted(findings, key=lambda finding: finding.level != "problem")


def warn_at_start(app: Flask, gateway: Gateway) -> None:
    """Log definite problems at the application's first request, when its setup is complete."""

    def warn() -> None:
        for finding in find_certain(app, gateway):
            logger.warning("%s: %s", app.name, finding)

    app.wsgi_app = _BeforeFirstRequest(app.wsgi_app, warn)  # type: ignore[method-assign]  # the documented way


class _BeforeFirstRequest:
    """WSGI middleware that runs an action before the first request.

    Args:
        wsgi_app: The application.
        action: The action.
    """

    def __init__(self, wsgi_app: Callable[..., Iterable[bytes]], action: Callable[[], None]) -> None:
        self._wsgi_app = wsgi_app
        self._action: Callable[[], None] | None = action

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Hand a request on to the application."""
        if self._action is not None:
            action, self._action = self._action, None
            action()
        return self._wsgi_app(environ, start_response)
