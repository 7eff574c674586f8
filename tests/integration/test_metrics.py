"""The page of metrics of one process: what is on it, and who may see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import create_access_token
from flask_sqlalchemy import SQLAlchemy
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import TestResponse

from flask_realtime import Realtime
from flask_realtime.chat import Chat
from flask_realtime.counts import OTHER
from flask_realtime.errors import NotInitialised
from flask_realtime.metrics import metrics_blueprint
from flask_realtime.metrics.families import FAMILIES, OF_SCRAPE, PREFIX
from flask_realtime.store import Store, define_models
from tests.integration.conftest import Connect, MakeApp
from tests.integration.example_support import sqlite_url
from tests.scrapes import Scrape

TOKEN = "a token for Prometheus"
ELSEWHERE = "192.0.2.7"


@pytest.fixture
def app(make_app: MakeApp, tmp_path: Path) -> Flask:
    app = make_app(REALTIME_METRICS_FOLDER=str(tmp_path / "metrics"))
    realtime = Realtime(app)
    realtime.authorize_join(lambda _identity, _conversation_id: True)
    app.register_blueprint(metrics_blueprint())
    return app


def ask(app: Flask, address: str = "127.0.0.1", **headers: str) -> TestResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return app.test_client().get("/metrics", headers=named, environ_overrides={"REMOTE_ADDR": address})


def scrape(app: Flask) -> Scrape:
    answer = ask(app)
    assert answer.status_code == 200, answer.text
    return Scrape(answer.text)


def test_connections_users_and_events_are_on_the_page(app: Flask, connect: Connect) -> None:
    with connect(app, "ann") as ann, connect(app, "ann") as second, connect(app, "ben") as ben:
        for client in (ann, second, ben):
            client.join("7")
        ann.call("typing:start", {"conversationId": "7"})
        ben.wait_for("typing:start")
        found = scrape(app)
        assert found.values("connections", transport="polling", namespace="/") == [3]
        assert found.values("users") == [2]
        assert found.values("events_received_total", event="typing:start") == [1]
        assert found.values("events_received_total", event="join:conversation") == [3]
        assert found.values("events_sent_total", event="typing:start") == [1]
        assert found.total("hook_duration_seconds_count", hook="authorize_join") == 3
        assert found.total("rooms") >= 3
        assert found.values("workers") == [1]
        assert len(found.workers) == 1
    assert scrape(app).values("connections") == [0, 0]


def test_series_stay_few_under_a_flood_of_unknown_names(app: Flask, connect: Connect) -> None:
    with connect(app, "ann") as ann:
        ann.call("users:get-status", ["ben"])
        assert ann.call("made up")["error"]["code"] == "unknown_event"
        before = len(scrape(app).samples)
        for number in range(40):
            ann.call(f"made up {number}")
        found = scrape(app)
    assert found.values("events_received_total", event=OTHER) == [41]
    assert found.labels("events_received_total", "event") == {OTHER, "users:get-status"}
    assert len(found.samples) == before


def test_all_that_is_on_the_page_is_described_and_has_its_labels(app: Flask, connect: Connect) -> None:
    with connect(app, "ann") as ann:
        ann.join("7")
        found = scrape(app)
    known = {family.name: {*family.labels, "worker"} for family in FAMILIES} | {family.name: set() for family in OF_SCRAPE}
    for name, family in found.families.items():
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert labels in (known[name.removeprefix(PREFIX)], set()), name
    assert {name.removeprefix(PREFIX) for name in found.families} == set(known)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_may_see_it(app: Flask, address: str) -> None:
    assert ask(app, address).status_code == 200


@pytest.mark.parametrize("address", [ELSEWHERE, "10.0.0.1", "::2", "::ffff:10.0.0.1", "", "localhost"])
def test_others_are_told_that_there_is_nothing(app: Flask, address: str) -> None:
    answer = ask(app, address)
    assert (answer.status_code, "flask_realtime" in answer.text) == (404, False)


@pytest.mark.parametrize("header", ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP"])
def test_a_proxy_on_this_machine_does_not_make_its_clients_local(app: Flask, header: str) -> None:
    assert ask(app, **{header: "127.0.0.1"}).status_code == 404


def test_a_client_behind_proxy_fix_cannot_name_itself_local(app: Flask) -> None:
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    assert ask(app, X_Forwarded_For="127.0.0.1").status_code == 404
    assert ask(app, X_Forwarded_For=f"127.0.0.1, {ELSEWHERE}").status_code == 404
    assert ask(app).status_code == 200


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        (f"Bearer {TOKEN}x", 401),
        (f"Basic {TOKEN}", 401),
        ("Bearer \xfc", 401),
        ("Bearer", 401),
        (TOKEN, 401),
        (None, 401),
    ],
)
def test_others_need_the_token(app: Flask, given: str | None, status: int) -> None:
    app.config["METRICS_TOKEN"] = TOKEN
    headers: dict[str, Any] = {} if given is None else {"Authorization": given}
    answer = ask(app, ELSEWHERE, **headers)
    assert answer.status_code == status
    assert ("flask_realtime_users" in answer.text) == (status == 200)
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    assert ask(app).status_code == 200


def test_an_empty_token_lets_nobody_in(app: Flask) -> None:
    app.config["METRICS_TOKEN"] = ""
    assert ask(app, ELSEWHERE, Authorization="Bearer ").status_code == 404


def test_the_page_is_never_stored_and_comes_as_open_metrics_too(app: Flask) -> None:
    answer = ask(app)
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert answer.headers["Cache-Control"] == "no-store"
    modern = ask(app, Accept="application/openmetrics-text; version=1.0.0")
    assert modern.headers["Content-Type"].startswith("application/openmetrics-text")
    assert modern.text.endswith("# EOF\n")


def test_a_blueprint_before_the_extension_says_so(make_app: MakeApp) -> None:
    with pytest.raises(NotInitialised, match="init_app"):
        make_app().register_blueprint(metrics_blueprint())


def test_requests_of_the_chat_are_counted_and_timed_by_route(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(REALTIME_METRICS_FOLDER=str(tmp_path / "metrics"), SQLALCHEMY_DATABASE_URI=sqlite_url(tmp_path))
    database, realtime = SQLAlchemy(app), Realtime()
    app.register_blueprint(Chat(realtime, Store(database, define_models(database)), users=lambda _ids: {}).blueprint)
    realtime.init_app(app)
    app.register_blueprint(metrics_blueprint())
    with app.app_context():
        database.create_all()
        headers = {"Authorization": f"Bearer {create_access_token('ann')}"}
    client = app.test_client()
    for _ in range(2):
        assert client.get("/api/conversations", headers=headers).status_code == 200
    assert client.get("/api/conversations").status_code == 401
    assert client.get("/api/conversations/made-up/messages", headers=headers).status_code >= 400
    assert client.get("/api/made-up", headers=headers).status_code == 404
    with app.app_context():
        database.engine.dispose()
    found = scrape(app)
    route = "GET /api/conversations"
    assert found.values("requests_total", route=route, status="2xx") == [2]
    assert found.values("requests_total", route=route, status="4xx") == [1]
    assert found.values("request_duration_seconds_count", route=route) == [3]
    assert "made-up" not in str(found.labels("requests_total", "route"))
    assert found.labels("requests_total", "status") == {"2xx", "4xx"}
