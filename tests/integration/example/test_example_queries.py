"""The example's database work: as many statements for many rows as for few, and every one by an index."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import text

from example_app.extensions import db
from tests.integration.example_support import Answer, Caller, Example, full_scans, new_example, recorded, sqlite_url

# Of each request's statements, two ask whether the token is revoked and whose it is. Of those of a change, one writes the log.
# A page of messages takes one each for mentions, reactions and senders; one of conversations moreover those for the last messages.
REQUESTS: dict[str, tuple[int, Callable[[Caller], Answer]]] = {
    "conversations": (11, lambda bob: bob.get("/api/conversations")),
    "earlier conversations": (11, lambda bob: bob.get("/api/conversations?before=4&limit=2")),
    # One of them takes from the allowance of added participants; the event and the answer read the conversation each.
    "new conversation": (15, lambda bob: bob.post("/api/conversations", {"participantIds": ["1", "3"]})),
    # One of them finds the companions, one reads when they were last seen.
    "users": (5, lambda bob: bob.get("/api/users")),
    "later users": (5, lambda bob: bob.get("/api/users?after=2&limit=2")),
    "messages": (7, lambda bob: bob.get("/api/conversations/1/messages")),
    "earlier messages": (7, lambda bob: bob.get("/api/conversations/1/messages?before=5&limit=2")),
    "one message": (7, lambda bob: bob.get("/api/conversations/1/messages/4")),
    "write": (12, lambda bob: bob.post("/api/conversations/1/messages", {"content": "hello"})),
    "write once": (12, lambda bob: bob.post("/api/conversations/1/messages", {"content": "hello", "clientId": "c1"})),
    "read": (12, lambda bob: bob.post("/api/conversations/1/read", {"messageIds": ["1", "2", "3"]})),
    "delete": (16, lambda bob: bob.delete("/api/conversations/1/messages/4")),
    "unread count": (3, lambda bob: bob.get("/api/messages/unread-count")),
    "notifications": (4, lambda bob: bob.get("/api/notifications")),
    "forbidden": (4, lambda bob: bob.get("/api/conversations/2/messages")),
    "log out": (3, lambda bob: bob.post("/api/auth/logout")),
}
LOG_IN = {"username": "bob", "password": "demo"}


@pytest.fixture
def example(database_url: str, tmp_path: Path) -> Iterator[Example]:
    with new_example(database_url, tmp_path) as example:
        yield example


@pytest.fixture(
    scope="module", params=[("sqlite", 4), ("sqlite", 12), ("postgresql", 12)], ids=lambda given: f"{given[0]}-{given[1]}"
)
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """An example with a little or much in it, which the requests share: no statement depends on what others of them added."""
    kind, amount = request.param
    folder = tmp_path_factory.mktemp("filled")
    with ExitStack() as stack:
        address = sqlite_url(folder)
        if kind == "postgresql":
            address = stack.enter_context(request.getfixturevalue("postgresql_server").new_database())
        example = stack.enter_context(new_example(address, folder))
        fill(example, amount)
        yield example


def fill(example: Example, amount: int) -> None:
    """Write that many of everything; message 4 is bob's, and conversation 2 is not."""
    alice, bob = example.user("alice"), example.user("bob")
    example.conversation(alice, example.user("carol"))
    for number in range(amount):
        example.message([alice, alice, alice, bob][number % 4], "1")
        example.conversation(bob, example.user(f"user{number}"))
        bob.post("/api/notifications", {"userId": bob.user_id, "type": "x", "title": "x", "message": "x"})
    with example.app.app_context():
        if db.engine.dialect.name == "postgresql":
            make_messages_many()


def make_messages_many() -> None:
    """Write messages of others, so that reading them all would be dear in the eyes of PostgreSQL, which weighs costs."""
    db.session.execute(text("UPDATE realtime_conversation SET last_seq = 20000 WHERE id = 2"))
    db.session.execute(
        text(
            "INSERT INTO realtime_message (conversation_id, sender_id, content, created_at, kind, thread_count, seq) "
            "SELECT 2, 1, '', now(), 'text', 0, number FROM generate_series(1, 20000) AS number"
        )
    )
    db.session.execute(text("ANALYZE realtime_message"))
    db.session.commit()


@pytest.mark.parametrize("name", REQUESTS)
def test_statements_are_few_whatever_the_amount_and_use_indexes(filled: Example, name: str) -> None:
    bob = filled.user("bob")
    bob.get("/api/users")  # The first question about presence reads what users have set, for a minute.
    count, request = REQUESTS[name]
    with recorded(filled.app) as statements:
        answer = request(bob)
    statements = [item for item in statements if "pg_advisory" not in item.sql]
    assert answer.status_code < 300 or name == "forbidden", answer.text
    assert len(statements) == count, statements
    assert full_scans(filled.app, statements) == []


def test_logging_in_and_refreshing_use_indexes(example: Example) -> None:
    with recorded(example.app) as statements:
        answer = example.nobody.post("/api/auth/login", LOG_IN)
        assert answer.status_code == 200
        assert Caller(example.app, token=answer.json["refreshToken"]).post("/api/auth/refresh").status_code == 200
    assert full_scans(example.app, statements) == []
