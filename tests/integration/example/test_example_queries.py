"""The example's database work: as many statements for many rows as for few, and every one by an index."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.example_support import Answer, Caller, Example, full_scans, new_example, recorded

# Of each request's statements, two ask whether the token is revoked and whose it is. Of those of a change, one writes the log.
REQUESTS: dict[str, tuple[int, Callable[[Caller], Answer]]] = {
    "conversations": (5, lambda bob: bob.get("/api/conversations")),
    "earlier conversations": (5, lambda bob: bob.get("/api/conversations?before=4&limit=2")),
    # One of them takes from the allowance of added participants; two are for the event of all participants.
    "new conversation": (8, lambda bob: bob.post("/api/conversations", {"participantIds": ["1", "3"]})),
    "users": (3, lambda bob: bob.get("/api/users")),
    "later users": (3, lambda bob: bob.get("/api/users?after=2&limit=2")),
    "messages": (5, lambda bob: bob.get("/api/conversations/1/messages")),
    "earlier messages": (5, lambda bob: bob.get("/api/conversations/1/messages?before=5&limit=2")),
    "write": (7, lambda bob: bob.post("/api/conversations/1/messages", {"content": "hello"})),
    "write once": (10, lambda bob: bob.post("/api/conversations/1/messages", {"content": "hello", "clientId": "c1"})),
    "read": (11, lambda bob: bob.post("/api/conversations/1/read", {"messageIds": ["1", "2", "3"]})),
    "delete": (8, lambda bob: bob.delete("/api/conversations/1/messages/4")),
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


def fill(example: Example, amount: int) -> Caller:
    """Write that many of everything; message 4 is bob's, and conversation 2 is not."""
    alice, bob = example.user("alice"), example.user("bob")
    example.conversation(alice, example.user("carol"))
    for number in range(amount):
        example.message([alice, alice, alice, bob][number % 4], "1")
        example.conversation(bob, example.user(f"user{number}"))
        bob.post("/api/notifications", {"userId": bob.user_id, "type": "x", "title": "x", "message": "x"})
    return bob


@pytest.mark.parametrize(("database_url", "amount"), [("sqlite", 4), ("sqlite", 24), ("postgresql", 24)], indirect=["database_url"])
@pytest.mark.parametrize("name", REQUESTS)
def test_statements_are_few_whatever_the_amount_and_use_indexes(example: Example, name: str, amount: int) -> None:
    bob = fill(example, amount)
    count, request = REQUESTS[name]
    with recorded(example.app) as statements:
        answer = request(bob)
    assert answer.status_code < 300 or name == "forbidden", answer.text
    assert len(statements) == count, statements
    assert full_scans(example.app, statements) == []


def test_logging_in_and_refreshing_use_indexes(example: Example) -> None:
    with recorded(example.app) as statements:
        answer = example.nobody.post("/api/auth/login", LOG_IN)
        assert answer.status_code == 200
        assert Caller(example.app, token=answer.json["refreshToken"]).post("/api/auth/refresh").status_code == 200
    assert full_scans(example.app, statements) == []
