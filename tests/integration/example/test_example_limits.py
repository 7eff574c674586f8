"""The example's limits: log-ins, registrations, tokens, participants, notifications, and the rows that they leave."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from sqlalchemy import func, select, update

from example_app import passwords
from example_app.extensions import db
from example_app.limits import ROWS_DELETED_AT_ONCE, Limit, take
from example_app.models import Allowance, LoginToken
from flask_realtime.errors import RateLimited
from flask_realtime.rates import parse_rate
from flask_realtime.store import utc_now
from tests.integration.example_support import Answer, Caller, Example, error, new_example, on_sqlite, running

ATTACKER, USER, SAME_SUBSCRIBER, OTHER_SUBSCRIBER = "192.0.2.1", "198.51.100.7", "2001:db8::", "2001:db8:0:1::1"
WRONG = "wrong"
LIMITED = (429, "rate_limited")
Now = list[float]


@pytest.fixture
def example(database_url: str, tmp_path: Path) -> Iterator[Example]:
    with new_example(database_url, tmp_path) as example:
        yield example


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Now:
    """The time as the limits see it, which a test may move."""
    moment = [1_700_000_000.0]
    monkeypatch.setattr("example_app.limits.time", lambda: moment[0])
    return moment


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were checked, without the time that it takes."""
    checked: list[str] = []

    def check(_password_hash: str, password: str) -> bool:
        checked.append(password)
        return password == "demo"

    monkeypatch.setattr(passwords, "check_password_hash", check)
    return checked


def log_in(example: Example, name: str, password: str = WRONG, address: str = ATTACKER) -> Answer:
    body = {"username": name, "password": password}
    return example.nobody.post("/api/auth/login", body, environ_base={"REMOTE_ADDR": address})


def until_limited(attempt: Callable[[], Answer], most: int = 300) -> tuple[int, Answer]:
    """Try until it is refused; how often it was not, and the refusal."""
    for count in range(most):
        answer = attempt()
        if answer.status_code == 429:
            return count, answer
    pytest.fail("it was never refused")


@pytest.mark.parametrize("name", ["alice", "nobody"])
def test_an_address_that_fails_too_often_has_to_wait_whoever_it_tries(
    example: Example, now: Now, checks: list[str], name: str
) -> None:
    count, refused = until_limited(lambda: log_in(example, name))
    assert error(refused) == LIMITED
    assert (count, len(checks)) == (10, 10)
    assert refused.json["error"]["retryAfter"] == pytest.approx(12, abs=0.01)
    assert refused.headers["Retry-After"] == "12"
    assert error(log_in(example, "alice", "demo")) == LIMITED
    assert len(checks) == 10
    now[0] += refused.json["error"]["retryAfter"]
    assert log_in(example, "alice", "demo").status_code == 200


def test_being_refused_makes_the_wait_no_longer(example: Example, now: Now) -> None:
    _, refused = until_limited(lambda: log_in(example, "alice"))
    waits = {log_in(example, "alice").json["error"]["retryAfter"] for _ in range(20)}
    assert waits == {refused.json["error"]["retryAfter"]}
    now[0] += refused.json["error"]["retryAfter"]
    assert error(log_in(example, "alice")) == (401, "unauthorized")


@on_sqlite
def test_one_address_cannot_keep_a_user_out(example: Example, now: Now, checks: list[str]) -> None:
    for _ in range(120):
        log_in(example, "alice")
        now[0] += 5
        if not now[0] % 50:
            assert log_in(example, "alice", "demo", USER).status_code == 200
    assert checks.count("demo") == 12


@on_sqlite
def test_many_addresses_share_what_an_account_allows(example: Example, now: Now, checks: list[str]) -> None:
    names = iter(["alice", "ALICE", "Alice"] * 100)
    addresses = (f"192.0.2.{number}" for number in range(250))
    count, refused = until_limited(lambda: log_in(example, next(names), address=next(addresses)))
    assert (count, len(checks)) == (30, 30)
    assert refused.json["error"]["retryAfter"] == pytest.approx(3, abs=0.01)
    now[0] += 3.1
    assert log_in(example, "alice", "demo", USER).status_code == 200


@on_sqlite
@pytest.mark.usefixtures("checks", "now")
def test_a_name_that_nobody_has_is_limited_like_any_other(example: Example) -> None:
    told = []
    for name in ("bob", "nobody"):
        addresses = (f"192.0.2.{number}" for number in range(250))
        count, refused = until_limited(lambda name=name, addresses=addresses: log_in(example, name, address=next(addresses)))  # type: ignore[misc]
        told.append((count, refused.json))
    assert told[0] == told[1]


@on_sqlite
@pytest.mark.usefixtures("checks", "now")
def test_logging_in_does_not_clear_what_an_address_has_failed(example: Example) -> None:
    failed = 0
    while log_in(example, "bob", "demo").status_code == 200:
        failed += log_in(example, "alice").status_code == 401
    assert failed == 10


@on_sqlite
@pytest.mark.usefixtures("now")
def test_logging_in_rightly_is_limited_by_account_too(example: Example, checks: list[str]) -> None:
    count, _ = until_limited(lambda: log_in(example, "alice", "demo"))
    assert (count, len(checks)) == (30, 30)


@on_sqlite
def test_an_address_with_many_accounts_is_limited_too(example: Example, now: Now, checks: list[str]) -> None:
    for number in range(6):
        example.user(f"user{number}")
    names = (f"user{number % 6}" for number in range(300))
    count, refused = until_limited(lambda: log_in(example, next(names), "demo"))
    assert (count, len(checks)) == (120, 120)
    now[0] += refused.json["error"]["retryAfter"]
    assert log_in(example, "alice", "demo").status_code == 200


@on_sqlite
@pytest.mark.usefixtures("checks")
def test_a_user_opens_so_many_sessions_an_hour(example: Example, now: Now) -> None:
    def log_in_unhurriedly() -> Answer:
        now[0] += 6
        return log_in(example, "alice", "demo")

    count, refused = until_limited(log_in_unhurriedly)
    assert (count, refused.json["error"]["message"]) == (66, "You have logged in too often; try again later")


@pytest.mark.usefixtures("now")
def test_attempts_at_the_same_moment_all_count(example: Example, checks: list[str]) -> None:
    body = {"username": "alice", "password": "wrong"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: Caller(example.app).post("/api/auth/login", body).status_code, range(40)))
    assert (answers.count(401), answers.count(429), len(checks)) == (10, 30, 10)


@on_sqlite
@pytest.mark.usefixtures("checks", "now")
def test_a_subscriber_of_ipv6_has_one_allowance(example: Example) -> None:
    addresses = (f"{SAME_SUBSCRIBER}{number:x}" for number in range(300))
    count, _ = until_limited(lambda: log_in(example, "alice", address=next(addresses)))
    assert count == 10
    assert error(log_in(example, "bob", address=OTHER_SUBSCRIBER)) == (401, "unauthorized")
    mapped, _ = until_limited(lambda: log_in(example, "bob", address=f"::ffff:{ATTACKER}"))
    assert mapped == 10
    assert error(log_in(example, "carol", address=ATTACKER)) == LIMITED


def test_registrations_are_limited_by_address(example: Example, now: Now) -> None:
    names = (f"user{number}" for number in range(300))

    def register(address: str = ATTACKER) -> Answer:
        body = {"username": next(names), "password": "secret words"}
        return example.nobody.post("/api/auth/register", body, environ_base={"REMOTE_ADDR": address})

    with patch("example_app.auth.hash_password", return_value="none"):
        count, refused = until_limited(register)
        assert (count, error(refused)) == (10, LIMITED)
        assert register(USER).status_code == 201
        now[0] += refused.json["error"]["retryAfter"]
        assert register().status_code == 201


def test_refreshed_tokens_are_limited_by_user(example: Example, now: Now) -> None:
    refresher = Caller(example.app, "1", log_in(example, "alice", "demo").json["refreshToken"])
    count, refused = until_limited(lambda: refresher.post("/api/auth/refresh"))
    assert (count, error(refused)) == (60, LIMITED)
    now[0] += refused.json["error"]["retryAfter"]
    assert refresher.post("/api/auth/refresh").status_code == 200


def tokens(example: Example) -> int:
    with example.app.app_context():
        return db.session.scalars(select(func.count()).select_from(LoginToken)).one()


def test_expired_tokens_are_deleted_bit_by_bit(example: Example) -> None:
    refresher = Caller(example.app, "1", log_in(example, "alice", "demo").json["refreshToken"])
    old = 2 * ROWS_DELETED_AT_ONCE + 7
    with example.app.app_context():
        past = utc_now() - timedelta(seconds=1)
        db.session.add_all(LoginToken(jti=str(number), session_id="x", expires_at=past) for number in range(old))
        db.session.commit()
    left = []
    for _ in range(3):
        before = tokens(example)
        assert refresher.post("/api/auth/refresh").status_code == 200
        left.append(before - tokens(example))
    # Each of them adds one.
    assert left == [ROWS_DELETED_AT_ONCE - 1, ROWS_DELETED_AT_ONCE - 1, 6]
    log_in(example, "bob", "demo")
    assert tokens(example) == 7


def test_a_revoked_token_is_kept_until_it_expires(example: Example) -> None:
    answer = log_in(example, "alice", "demo").json
    alice = Caller(example.app, "1", answer["accessToken"])
    assert alice.post("/api/auth/logout").status_code == 204
    log_in(example, "alice", "demo")
    assert error(alice.get("/api/users")) == (401, "unauthorized")
    with example.app.app_context():
        db.session.execute(update(LoginToken).values(expires_at=utc_now() - timedelta(seconds=1)))
        db.session.commit()
    log_in(example, "bob", "demo")
    assert tokens(example) == 2


@pytest.mark.usefixtures("checks")
def test_allowances_that_are_full_again_are_deleted(example: Example, now: Now) -> None:
    for number in range(50):
        log_in(example, f"nobody{number}", address=f"192.0.2.{number}")
    now[0] += 3600
    log_in(example, "nobody", address=USER)
    log_in(example, "nobody", address=USER)
    with example.app.app_context():
        assert db.session.scalars(select(func.count()).select_from(Allowance)).one() == 3


def test_participants_are_limited_by_who_adds_them(example: Example, now: Now) -> None:
    bob, carol = example.user("bob"), example.user("carol")
    others = [example.user(f"user{number}").user_id for number in range(100)]

    def create(caller: Caller, participant_ids: list[str]) -> Answer:
        return caller.post("/api/conversations", {"participantIds": participant_ids})

    assert [create(bob, others).status_code for _ in range(2)] == [201, 201]
    refused = create(bob, others[:1])
    assert error(refused) == LIMITED
    assert refused.json["error"]["retryAfter"] == pytest.approx(18, abs=0.01)
    assert len(bob.get("/api/conversations").json) == 3
    assert create(carol, others[:1]).status_code == 201
    now[0] += 18.1
    assert error(create(bob, others[:2])) == LIMITED
    assert create(bob, others[:1]).status_code == 201


@on_sqlite
@pytest.mark.usefixtures("now")
def test_conversations_with_oneself_and_with_users_whom_there_are_not_count_too(database_url: str, tmp_path: Path) -> None:
    with running(database_url, tmp_path, {"REALTIME_USER_LIMITS": {"conversations": None}}) as app:
        bob = Example(app).user("bob")
        for _ in range(5):
            assert error(bob.post("/api/conversations", {"participantIds": ["99"]})) == (400, "bad_request")
        count, refused = until_limited(lambda: bob.post("/api/conversations", {"participantIds": ["2"]}))
        assert (count, refused.json["error"]["message"]) == (195, "You have added too many participants; try again later")


def test_members_who_are_added_later_count_like_those_of_a_new_conversation(example: Example, now: Now) -> None:
    bob = example.user("bob")
    others = [example.user(f"user{number}").user_id for number in range(101)]
    path = f"/api/conversations/{example.conversation(bob)}/members"
    assert [bob.post(path, {"userIds": some}).status_code for some in (others[:100], others[1:99])] == [200, 200]
    refused = bob.post(path, {"userIds": others[99:]})
    assert error(refused) == LIMITED
    assert refused.headers["Retry-After"] == "18"
    now[0] += 18.1
    assert bob.post(path, {"userIds": others[100:]}).status_code == 200


def test_an_allowance_is_exact(example: Example, now: Now) -> None:
    limit = Limit("test", parse_rate("1/second, burst 3"), "Slow down")
    with example.app.app_context():
        take(limit, "ann", 2)
        take(limit, "ann")
        take(limit, "ben", 3)
        with pytest.raises(RateLimited, match="Slow down"):
            take(limit, "ann")
        now[0] += 0.99
        with pytest.raises(RateLimited) as refusal:
            take(limit, "ann", 2)
        assert refusal.value.retry_after == pytest.approx(1.01, abs=0.01)
        now[0] += 0.01
        take(limit, "ann")
        now[0] += 100
        take(limit, "ann", 3)
        with pytest.raises(RateLimited):
            take(limit, "ann")


def test_nobody_notifies_themselves_without_end(example: Example, now: Now) -> None:
    bob = example.user("bob")
    note = {"userId": bob.user_id, "type": "note", "title": "Title", "message": "Message"}
    sent, refused = until_limited(lambda: bob.post("/api/notifications", note))
    assert (sent, error(refused)) == (60, LIMITED)
    assert example.user("alice").post("/api/notifications", note).status_code == 201  # An administrator.
    now[0] += 60
    assert bob.post("/api/notifications", note).status_code == 201
