"""The example's critical notifications: who may send them, the e-mail in the log, and subscriptions to web push."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flask_realtime.testing import run_due_jobs
from tests.integration.example_support import Caller, Example, error, new_example, on_sqlite, running, sqlite_url
from tests.push_service import PRIVATE_KEY, Browser, PushServer, push_server

FIRE = {"userId": "2", "type": "alarm", "title": "Fire", "message": "Leave\nthe house"}
CRITICAL = {**FIRE, "critical": True}


@pytest.fixture
def service() -> Iterator[PushServer]:
    with push_server() as running_service:
        yield running_service


@pytest.fixture
def example(database_url: str, tmp_path: Path, service: PushServer) -> Iterator[Example]:
    settings = {"REALTIME_CRITICAL_TIMEOUT": 0, "REALTIME_PUSH_SERVICES": service.url}
    with running(database_url, tmp_path, settings) as app:
        yield Example(app)


def test_administrators_send_critical_ones_and_nobody_else_does(example: Example) -> None:
    alice, bob = example.user("alice"), example.user("bob")
    answer = alice.post("/api/notifications", CRITICAL)
    assert answer.status_code == 201
    assert set(answer.json) == {"id", "type", "title", "message", "link", "data", "isRead", "createdAt"}
    assert error(bob.post("/api/notifications", CRITICAL)) == (403, "forbidden")
    assert bob.post("/api/notifications", {**FIRE, "critical": False}).status_code == 201
    assert run_due_jobs(example.app) == 1


@pytest.mark.parametrize("value", [1, "true", None, []])
def test_critical_is_true_or_false(example: Example, value: Any) -> None:
    answer = example.user("alice").post("/api/notifications", {**FIRE, "critical": value})
    assert error(answer) == (400, "bad_request")
    assert answer.json["error"]["message"].startswith("critical: ")


def test_an_e_mail_is_in_the_log_for_developers_to_see(example: Example, caplog: pytest.LogCaptureFixture) -> None:
    example.user("alice").post("/api/notifications", CRITICAL)
    run_due_jobs(example.app)
    (line,) = [record.getMessage() for record in caplog.records if record.getMessage().startswith("E-mail")]
    assert line == r"E-mail to bob: 'Fire': 'Leave\nthe house' (job 1)"


def test_a_browser_subscribes_gets_it_and_unsubscribes(example: Example, service: PushServer) -> None:
    alice, bob, browser = example.user("alice"), example.user("bob"), Browser(service, "phone")
    assert len(bob.get("/api/push/key").json["publicKey"]) == 87
    answer = bob.post("/api/push/subscriptions", browser.subscription)
    assert (answer.status_code, answer.json) == (201, {"endpoint": browser.endpoint})
    notification = alice.post("/api/notifications", CRITICAL).json
    run_due_jobs(example.app)
    assert [message["id"] for message in browser.messages] == [notification["id"]]
    for caller in (alice, bob, bob):
        assert end(caller, browser.endpoint) == (204, "")
    alice.post("/api/notifications", CRITICAL)
    run_due_jobs(example.app)
    assert len(browser.requests) == 1


def end(caller: Caller, endpoint: str) -> tuple[int, str]:
    answer = caller.call("DELETE", "/api/push/subscriptions", {"endpoint": endpoint})
    return answer.status_code, answer.text


def test_nobody_ends_the_subscriptions_of_others(example: Example, service: PushServer) -> None:
    alice, bob, browser = example.user("alice"), example.user("bob"), Browser(service, "phone")
    bob.post("/api/push/subscriptions", browser.subscription)
    assert end(alice, browser.endpoint) == (204, "")
    alice.post("/api/notifications", CRITICAL)
    run_due_jobs(example.app)
    assert len(browser.messages) == 1


@on_sqlite
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"endpoint": "https://push.example.org/1"}, ["endpoint: "]),
        ({"endpoint": 7}, ["endpoint must be a string"]),
        ({"endpoint": ""}, ["endpoint: "]),
        ({"endpoint": "https://push.example.org/\0"}, ["endpoint must be a string without NUL"]),
        ({"endpoint": None, "keys": None}, ["endpoint must be a string", "keys must be an object with p256dh and auth"]),
        ({"keys": {"p256dh": "x", "auth": "x"}}, ["keys.p256dh: "]),
        ({"keys": {"auth": "x"}}, ["keys.p256dh must be a string"]),
        ({"keys": {"p256dh": ["x"]}}, ["keys.p256dh must be a string", "keys.auth must be a string"]),
    ],
)
def test_what_is_no_subscription_is_refused(
    example: Example, service: PushServer, changes: dict[str, Any], told: list[str]
) -> None:
    answer = example.user("bob").post("/api/push/subscriptions", {**Browser(service, "phone").subscription, **changes})
    assert error(answer) == (400, "bad_request")
    assert [part for part in told if part not in answer.json["error"]["message"]] == []


def test_to_end_a_subscription_that_there_is_not_is_no_error(example: Example) -> None:
    bob = example.user("bob")
    for endpoint in ("", "x", "\u00e9" * 2000):
        assert end(bob, endpoint) == (204, "")
    for impossible in ("https://push.example.org/\0", 7, None):
        refused = bob.call("DELETE", "/api/push/subscriptions", {"endpoint": impossible})
        assert error(refused) == (400, "bad_request")
        assert refused.json["error"]["message"].startswith("endpoint must be a string")


@pytest.mark.parametrize(("method", "path"), [("GET", "key"), ("POST", "subscriptions"), ("DELETE", "subscriptions")])
def test_web_push_is_for_users_who_are_logged_in(example: Example, method: str, path: str) -> None:
    assert error(example.nobody.call(method, f"/api/push/{path}", {})) == (401, "unauthorized")


@on_sqlite
def test_the_key_is_made_once_and_is_its_owners_alone(database_url: str, tmp_path: Path) -> None:
    keys = []
    for _ in range(2):
        with running(database_url, tmp_path) as app:
            keys.append(app.config["REALTIME_PUSH_PRIVATE_KEY"])
    assert keys[0] == keys[1]
    assert (tmp_path / "push.key").stat().st_mode & 0o777 == 0o600
    with running(database_url, tmp_path, {"REALTIME_PUSH_PRIVATE_KEY": None}) as app:
        assert error(Example(app).user("bob").get("/api/push/key")) == (404, "not_found")


@on_sqlite
def test_a_key_of_the_settings_goes_before(database_url: str, tmp_path: Path) -> None:
    with running(database_url, tmp_path, {"REALTIME_PUSH_PRIVATE_KEY": PRIVATE_KEY}) as app:
        assert app.config["REALTIME_PUSH_PRIVATE_KEY"] == PRIVATE_KEY
    assert not (tmp_path / "push.key").exists()


def test_the_service_worker_is_asked_for_each_time(tmp_path: Path) -> None:
    with new_example(sqlite_url(tmp_path), tmp_path) as example:
        example.app.root_path = str(tmp_path / "app")
        folder = tmp_path / "app" / "static"
        folder.mkdir(parents=True)
        (folder / "sw.js").write_text("self.x = 1", encoding="utf-8")
        with example.app.test_client().get("/sw.js") as answer:
            assert answer.get_data(as_text=True) == "self.x = 1"
            assert answer.headers["Content-Type"].startswith("text/javascript")
            assert answer.headers["Cache-Control"] == "no-cache"
