"""Searches through a server's requests: on one process, and on four workers that share a Redis."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.e2e.api import Api
from tests.e2e.clients import JSDriver
from tests.e2e.conftest import ClientFactory
from tests.e2e.example import User
from tests.e2e.servers import Server
from tests.e2e.several_workers import several_workers

OK = {"ok": True}


def new_conversation(*users: User) -> str:
    created = users[0].call("POST", "/api/conversations", {"participantIds": [user.id for user in users]})
    return str(created["id"])


def search(user: User, query: str, **fields: str) -> list[tuple[str, str]]:
    """The contents and snippets that a user finds."""
    answer = user.call("GET", f"/api/search?{urlencode({'q': query, **fields})}")
    return [(hit["message"]["content"], hit["snippet"]) for hit in answer["hits"]]


def test_a_message_is_found_by_who_may_read_it_as_it_is_now(driver: JSDriver, example: Server) -> None:
    connect = ClientFactory("js-websocket", driver, Api(example.url))
    alice, bob, carol = (User(example.url, name) for name in ("alice", "bob", "carol"))
    conversation = new_conversation(alice, bob)
    client = connect(token=alice.token)
    payload = {"conversationId": conversation, "clientId": "c1", "content": "a <b>walrus</b> & friends"}
    message: Any = client.call("message:send", payload)["message"]
    expected = [(payload["content"], "a &lt;b&gt;<mark>walrus</mark>&lt;/b&gt; &amp; friends")]
    assert [search(user, "Walrus") for user in (alice, bob, carol)] == [expected, expected, []]
    reference = {"conversationId": conversation, "messageId": message["id"]}
    client.call("message:edit", {**reference, "content": "an otter"})
    assert (search(bob, "walrus"), search(bob, "ott")) == ([], [("an otter", "an <mark>otter</mark>")])
    assert client.call("message:delete", reference) == OK
    assert search(bob, "otter") == []
    connect.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_who_is_removed_finds_nothing_on_any_worker(tmp_path: Path, kind: str) -> None:
    with ExitStack() as stack:
        workers, _ = stack.enter_context(several_workers(kind, tmp_path))
        users = alice, bob, _ = [User(workers.url, name) for name in ("alice", "bob", "carol")]
        conversation = new_conversation(*users)
        messages = f"/api/conversations/{conversation}/messages"
        for content in ("the first penguin", "no bird", "the second penguin"):
            alice.call("POST", messages, {"content": content})
        found = ["the second penguin", "the first penguin"]
        for pid in workers.pids:
            with workers.only(pid):
                assert [content for content, _ in search(bob, "penguin the")] == found
        alice.call("DELETE", f"/api/conversations/{conversation}/members/{bob.id}")
        for pid in workers.pids:
            with workers.only(pid):
                assert search(bob, "penguin") == []
                assert search(bob, "penguin", conversationId=conversation) == []
