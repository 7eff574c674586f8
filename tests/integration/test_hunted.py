"""Whatever clients send, by HTTP or as events: it is answered in the documented form, and nothing breaks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.describe.reference import entries
from flask_realtime.extension import BUILT_IN
from flask_realtime.testing import RealtimeTestClient
from tests.integration.example_support import Example, error, running

NO_LIMITS = dict.fromkeys(("typing", "presence", "joins", "messages", "notifications", "receipts", "sync", "application"))
NAMES = sorted(entry.name for entry in entries(BUILT_IN))
FIELDS = (
    "username password title participantIds content messageIds userId type message link data status clientId replyTo".split()  # noqa: SIM905 - shorter
)
CALLS = [
    ("POST", "/api/auth/register"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/conversations"),
    ("POST", "/api/conversations/1/messages"),
    ("POST", "/api/conversations/1/read"),
    ("DELETE", "/api/conversations/1/messages/1"),
    ("POST", "/api/notifications"),
    ("POST", "/api/orders"),
    ("POST", "/api/announcements"),
]
TEXT = st.one_of(st.sampled_from(["", "1", "alice", "0", "-1", "\x00", "é" * 200]), st.text(max_size=20))
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), TEXT)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*FIELDS, "conversationId", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)
BODIES = st.one_of(VALUES, st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6))


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    folder = tmp_path_factory.mktemp("hunted")
    limits = {"REALTIME_LIMITS": NO_LIMITS, "REALTIME_USER_LIMITS": NO_LIMITS, "REALTIME_MAX_REFUSALS": None}
    with running(f"sqlite:///{folder / 'example.sqlite3'}", folder, limits) as app:
        yield Example(app)


@pytest.fixture(scope="module")
def client(example: Example) -> Iterator[RealtimeTestClient]:
    with RealtimeTestClient(example.app, example.user("bob").token) as client:
        yield client


@given(st.sampled_from(CALLS), BODIES, st.sampled_from(["alice", "bob", ""]))
def test_any_body_is_taken_or_refused_in_words(example: Example, call: tuple[str, str], body: Any, name: str) -> None:
    caller = example.user(name) if name else example.nobody
    answer = caller.call(*call, body)
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        error(answer)


@given(st.sampled_from([*NAMES, "poll:unknown", "connect", "x" * 200]), st.lists(VALUES, max_size=3))
def test_any_event_is_answered_and_the_connection_stays(client: RealtimeTestClient, name: str, args: list[Any]) -> None:
    answer = client.call(name, *args)
    if isinstance(answer, dict) and "error" in answer:
        assert answer["error"].keys() <= {"code", "message", "retryAfter"}
        assert answer["error"]["code"] != "internal_error"
        assert answer["error"]["message"]
    assert client.call("user:get-status", "1").keys() == {"userId", "status"}
