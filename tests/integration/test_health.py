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


def test_an_outage_is_logged_when_it_begins_and_when_it_ends(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(health, "INTERVAL", 0.0)
    caplog.set_level("INFO", "flask_realtime.health")
    is_full = False

    def write() -> None:
        if is_full:
            raise OSError("no space")

    checks = HealthChecks({"disk": write, "other": lambda: None})
    for _ in range(2):
        is_full = False
        assert [checks.results()["disk"] for _ in range(3)] == ["ok"] * 3
        is_full = True
        assert [checks.results()["disk"] for _ in range(3)] == ["failed"] * 3
    begun, ended = ("ERROR", "Health check 'disk' failed"), ("INFO", "Health check 'disk' passes again")
    assert [(record.levelname, record.message) for record in caplog.records] == [begun, ended, begun]
    assert [record.exc_info is not None for record in caplog.records] == [True, False, True]
