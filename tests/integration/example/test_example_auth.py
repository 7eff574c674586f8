"""The example: registering, logging in and out, and the tokens in between."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask_jwt_extended import create_access_token, create_refresh_token, decode_token
from sqlalchemy import delete

from example_app import tokens
from example_app.extensions import db
from example_app.models import User
from tests.integration.example_support import Caller, Example, error, new_example, on_sqlite
from tests.scripts import run_script

CREDENTIALS = {"username": "alice", "password": "demo"}


@pytest.fixture
def example(database_url: str, tmp_path: Path) -> Iterator[Example]:
    with new_example(database_url, tmp_path) as example:
        yield example


def log_in(example: Example, **credentials: str) -> tuple[Caller, Caller]:
    """Callers with the access token and with the refresh token of a new log-in."""
    answer = example.nobody.post("/api/auth/login", CREDENTIALS | credentials)
    assert answer.status_code == 200, answer.text
    session = answer.json
    user_id = session["user"]["id"]
    return (
        Caller(example.app, user_id, session["accessToken"]),
        Caller(example.app, user_id, session["refreshToken"]),
    )


@on_sqlite
def test_login_answers_with_tokens_and_user(example: Example) -> None:
    answer = example.nobody.post("/api/auth/login", CREDENTIALS)
    assert answer.status_code == 200
    assert set(answer.json) == {"accessToken", "refreshToken", "user"}
    assert answer.json["user"] == {"id": "1", "username": "alice"}


@on_sqlite
def test_tokens_last_for_minutes_and_for_a_month(example: Example) -> None:
    answer = example.nobody.post("/api/auth/login", CREDENTIALS).json
    with example.app.app_context():
        access, refresh = (decode_token(answer[name]) for name in ("accessToken", "refreshToken"))
    assert (access["exp"] - access["iat"], refresh["exp"] - refresh["iat"]) == (15 * 60, 30 * 24 * 3600)


PASSWORDS_UNDER_GEVENT = """
from gevent import monkey
monkey.patch_all()
import gevent
from example_app.passwords import hash_password, is_password

turns = []

def go_on():
    while True:
        turns.append(1)
        gevent.sleep(0.001)

gevent.spawn(go_on)
gevent.sleep(0)
hashed = hash_password("demo")
seen = [len(turns)]
answers = [is_password("demo", hashed), is_password("other", hashed), is_password("demo", None)]
seen.append(len(turns))
assert answers == [True, False, False], answers
assert 3 < seen[0] < seen[1] - 9, seen
"""


def test_nobody_waits_while_a_password_is_hashed() -> None:
    run_script(PASSWORDS_UNDER_GEVENT)


@pytest.mark.parametrize("username", ["alice", "bob", "carol", "Alice"])
def test_demo_users_can_log_in(example: Example, username: str) -> None:
    caller, _ = log_in(example, username=username)
    assert caller.get("/api/users").status_code == 200


@on_sqlite
@pytest.mark.parametrize("wrong", [{"password": "demo "}, {"username": "nobody"}, {"password": ""}])
def test_wrong_credentials_are_refused_alike(example: Example, wrong: dict[str, str]) -> None:
    answer = example.nobody.post("/api/auth/login", CREDENTIALS | wrong)
    assert error(answer) == (401, "unauthorized")
    assert answer.json["error"]["message"] == "The username or the password is wrong"


def test_registered_user_can_log_in(example: Example) -> None:
    answer = example.nobody.post("/api/auth/register", {"username": "dave", "password": "secret words"})
    assert answer.status_code == 201
    assert answer.json == {"id": "4", "username": "dave"}
    caller, _ = log_in(example, username="dave", password="secret words")
    assert caller.get("/api/conversations").json == []
    announcing = caller.post("/api/announcements", {"message": "hello"})
    assert error(announcing) == (403, "forbidden"), "nobody is an administrator by registering"


@pytest.mark.parametrize("username", ["bob", "BOB"])
def test_taken_username_is_a_conflict(example: Example, username: str) -> None:
    answer = example.nobody.post("/api/auth/register", {"username": username, "password": "secret words"})
    assert error(answer) == (409, "conflict")


@on_sqlite
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", ""),
        ("username", "x" * 65),
        ("username", "with space"),
        ("username", "new\nline"),
        ("username", "trailing\n"),
        ("username", "nul\0"),
        ("username", "аlice"),  # noqa: RUF001 - a Cyrillic letter is what this is about
        ("username", 7),
        ("username", None),
        ("password", ""),
        ("password", "seven77"),
        ("password", "dave-the-user"),
        ("password", "Dave-The-User"),
        ("password", "x" * 1001),
        ("password", ["demo"]),
    ],
)
def test_registration_names_the_wrong_field(example: Example, field: str, value: object) -> None:
    answer = example.nobody.post("/api/auth/register", {"username": "dave-the-user", "password": "secret words", field: value})
    assert error(answer) == (400, "bad_request")
    assert answer.json["error"]["message"].startswith(f"{field}: ")


@on_sqlite
def test_a_password_of_eight_characters_is_long_enough(example: Example) -> None:
    answer = example.nobody.post("/api/auth/register", {"username": "dave", "password": "eight888"})
    assert answer.status_code == 201, answer.text


@on_sqlite
@pytest.mark.parametrize("field", ["username", "password"])
def test_missing_field_is_named(example: Example, field: str) -> None:
    body = {name: value for name, value in CREDENTIALS.items() if name != field}
    answer = example.nobody.post("/api/auth/login", body)
    assert error(answer) == (400, "bad_request")
    assert answer.json["error"]["message"].startswith(f"{field}: ")


@on_sqlite
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"username": "\\ud800", "password": "demo"}',
        b'{"username": "a\\u0000", "password": "demo"}',
        b"[" * 5000,
    ],
)
def test_body_that_is_no_credentials_is_a_bad_request(example: Example, data: bytes) -> None:
    assert error(example.nobody.post("/api/auth/login", data=data)) == (400, "bad_request")


@on_sqlite
def test_refresh_token_gets_an_access_token(example: Example) -> None:
    _, refresher = log_in(example)
    answer = refresher.post("/api/auth/refresh")
    assert answer.status_code == 200
    assert set(answer.json) == {"accessToken"}
    assert Caller(example.app, "1", answer.json["accessToken"]).get("/api/users").status_code == 200


@on_sqlite
def test_tokens_are_not_exchangeable(example: Example) -> None:
    caller, refresher = log_in(example)
    assert error(caller.post("/api/auth/refresh")) == (401, "unauthorized")
    assert error(refresher.get("/api/users")) == (401, "unauthorized")


def test_logout_revokes_every_token_of_the_session(example: Example) -> None:
    caller, refresher = log_in(example)
    newer = Caller(example.app, "1", refresher.post("/api/auth/refresh").json["accessToken"])

    answer = newer.post("/api/auth/logout")

    assert (answer.status_code, answer.text) == (204, "")
    assert error(newer.get("/api/users")) == (401, "unauthorized")
    assert error(newer.get("/api/conversations/1/messages")) == (401, "unauthorized")
    assert error(caller.get("/api/users")) == (401, "unauthorized")
    assert error(refresher.post("/api/auth/refresh")) == (401, "unauthorized")
    assert error(newer.post("/api/auth/logout")) == (401, "unauthorized")


def test_logout_leaves_other_sessions_alone(example: Example) -> None:
    (first, _), (second, refresher) = log_in(example), log_in(example)
    first.post("/api/auth/logout")
    assert second.get("/api/users").status_code == 200
    assert refresher.post("/api/auth/refresh").status_code == 200


def test_the_extension_is_told_of_just_those_tokens_whose_session_was_closed(example: Example) -> None:
    (first, first_refresher), (second, second_refresher) = log_in(example), log_in(example)
    with example.app.app_context():
        ids = [decode_token(caller.token or "")["jti"] for caller in (first, first_refresher, second, second_refresher)]
        assert tokens._are_revoked(ids) == []
    first.post("/api/auth/logout")
    with example.app.app_context():
        assert sorted(tokens._are_revoked(ids)) == sorted(ids[:2])
        assert tokens._are_revoked(ids[2:]) == []
        assert tokens._are_revoked([*ids[:1], "unknown"]) == ids[:1]
        assert tokens._are_revoked([]) == []


def test_a_token_issued_while_its_session_is_being_closed_is_revoked_too(example: Example) -> None:
    caller, refresher = log_in(example)
    other, _ = log_in(example)
    with example.app.app_context():
        claims = decode_token(refresher.token or "")
    caller.post("/api/auth/logout")
    with example.app.app_context():
        late = decode_token(tokens.issue_access_token("1", claims))["jti"]
        kept = decode_token(other.token or "")["jti"]
        assert tokens._are_revoked([late, kept]) == [late]


def test_token_that_the_example_did_not_issue_can_be_revoked(example: Example) -> None:
    with example.app.app_context():
        caller = Caller(example.app, "1", create_access_token("1"))
    assert caller.get("/api/users").status_code == 200
    assert caller.post("/api/auth/logout").status_code == 204
    assert error(caller.get("/api/users")) == (401, "unauthorized")


@on_sqlite
def test_bad_tokens_are_unauthorized(example: Example) -> None:
    with example.app.app_context():
        tokens = [
            create_access_token("1", expires_delta=timedelta(seconds=-1)),
            create_access_token("99"),
            create_access_token("x"),
            create_access_token("9" * 40),
            create_refresh_token("1"),
            "x.y.z",
            "é",
            "x y",
        ]
    for token in tokens:
        for path in ("/api/users", "/api/conversations"):
            assert error(Caller(example.app, token=token).get(path)) == (401, "unauthorized"), (token, path)


def test_deleted_user_is_refused(example: Example) -> None:
    caller = example.user("dave")
    with example.app.app_context():
        db.session.execute(delete(User).where(User.id == int(caller.user_id)))
        db.session.commit()
    assert error(caller.get("/api/users")) == (401, "unauthorized")


@on_sqlite
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/auth/refresh"),
        ("POST", "/api/auth/logout"),
        ("GET", "/api/users"),
        ("GET", "/api/me"),
        ("PATCH", "/api/me"),
        ("GET", "/api/conversations"),
        ("POST", "/api/conversations"),
        ("GET", "/api/conversations/1/messages"),
        ("POST", "/api/conversations/1/messages"),
        ("POST", "/api/conversations/1/read"),
        ("DELETE", "/api/conversations/1/messages/1"),
        ("GET", "/api/messages/unread-count"),
        ("GET", "/api/notifications"),
        ("POST", "/api/notifications"),
        ("POST", "/api/orders"),
        ("POST", "/api/announcements"),
    ],
)
def test_every_call_needs_a_token(example: Example, method: str, path: str) -> None:
    assert error(example.nobody.call(method, path)) == (401, "unauthorized")
