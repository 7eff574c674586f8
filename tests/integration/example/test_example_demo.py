"""The messages that the demo users find in a new database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.example_support import Example, running


@pytest.fixture
def demo(database_url: str, tmp_path: Path) -> Iterator[Example]:
    with running(database_url, tmp_path, {"DEMO_MESSAGES": True}) as app:
        yield Example(app)


def test_alice_finds_something_new_that_mentions_her_and_the_others_have_read_all(demo: Example) -> None:
    for username, unread, mentions in (("alice", 2, 1), ("bob", 0, 0), ("carol", 0, 0)):
        (found,) = demo.user(username).get("/api/conversations").json
        assert (found["title"], found["unreadCount"], found["mentionCount"]) == ("Everybody", unread, mentions), username
        assert found["lastSeq"] == 7
        assert found["lastMessage"]["mentions"] == ["1"]
        assert [person["role"] for person in found["participants"]] == ["owner", "member", "member"]


def test_there_is_a_reply_a_thread_reactions_code_and_a_link(demo: Example) -> None:
    alice = demo.user("alice")
    messages = alice.get("/api/conversations/1/messages").json["messages"]
    assert [message["seq"] for message in messages] == [1, 2, 3, 6, 7]
    welcome, reply, code, link, _ = messages
    assert {reaction["emoji"]: reaction["userIds"] for reaction in welcome["reactions"]} == {"🎉": ["2", "3"], "👍": ["2"]}
    assert reply["replyTo"] == welcome["id"]
    assert "```python" in code["content"]
    assert "https://" in link["content"]
    replies = alice.get(f"/api/conversations/1/messages?thread={code['id']}").json["messages"]
    assert code["thread"] == {"count": 2, "lastAt": replies[-1]["createdAt"]}
    assert [one["createdAt"] for one in messages] == sorted(one["createdAt"] for one in messages)


def test_what_is_there_takes_part_in_everything_that_follows(demo: Example) -> None:
    alice, bob = demo.user("alice"), demo.user("bob")
    (hit,) = alice.get("/api/search?q=Friday").json["hits"]
    assert "<mark>Friday</mark>" in hit["snippet"]
    sent = demo.message(bob, "1", "What about Friday?")
    found = alice.get("/api/conversations/1/messages").json["messages"][-1]
    assert (found["id"], found["seq"]) == (sent, 8)
    assert alice.get("/api/conversations").json[0]["unreadCount"] == 3
    assert alice.post("/api/conversations/1/read", {"upTo": sent}).status_code == 200
    assert alice.get("/api/conversations").json[0]["unreadCount"] == 0
