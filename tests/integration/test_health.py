"""Health checks in the application's own process."""

from __future__ import annotations

import threading

import pytest

from flask_realtime import Realtime, health
from flask_realtime.health import HealthChecks, health_blueprint
from tests.integration.conftest import MakeApp


def test_the_checks_of_two_blueprints_are_their_own(make_app: MakeApp) -> None:
    app = make_app()
    Realtime(app)

    def fail() -> None:
        raise OSError

    app.register_blueprint(health_blueprint({"disk": fail}, name="disk", url_prefix="/disk"))
    app.register_blueprint(health_blueprint())
    client = app.test_client()
    assert client.get("/readyz").json == {"status": "ok", "checks": {"messageQueue": "ok"}}
    answer = client.get("/disk/readyz")
    assert (answer.status_code, answer.json) == (
        503,
        {"status": "unavailable", "checks": {"messageQueue": "ok", "disk": "failed"}},
    )
    assert client.get("/disk/livez").status_code == 200


def test_nobody_waits_for_long_for_a_check_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        assert ended.wait(30)

    monkeypatch.setattr(health, "PATIENCE", 0.01)
    checks, results = HealthChecks({"disk": hang}), list[dict[str, str]]()
    first = threading.Thread(target=lambda: results.append(checks.results()))
    first.start()
    assert begun.wait(30)
    assert checks.results() == {"disk": "failed"}
    ended.set()
    first.join()
    assert results == [{"disk": "ok"}]
    assert checks.results() == {"disk": "ok"}
