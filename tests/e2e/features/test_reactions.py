"""Reactions through real clients: on one process, and on several workers that share a Redis."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.api import Api
from tests.e2e.clients import Client, JSDriver
from tests.e2e.conftest import ClientFactory
from tests.e2e.example import User
from tests.e2e.servers import Server
from tests.e2e.several_workers import several_workers

OK = {"ok": True}
HEART = "❤️"
FAMILY = "👨‍👩‍👧‍👦"


class Message:
    """A message in a new conversation of some users, by the first of them."""

    def __init__(self, *users: User) -> None:
        conversation = users[0].call("POST", "/api/conversations", {"participantIds": [user.id for user in users]})
        self.conversation: str = conversation["id"]
        message = users[0].call("POST", f"/api/conversations/{self.conversation}/messages", {"content": "hello"})
        self.id: str = message["id"]

    def joined(self, connect: ClientFactory, user: User) -> Client:
        client = connect(token=user.token)
        assert client.call("join:conversation", self.conversation) == OK
        return client

    def react(self, client: Client, kind: str = "add", emoji: str = HEART) -> Any:
        return client.call(f"reaction:{kind}", self.reaction(emoji))

    def reaction(self, emoji: str = HEART, **changes: Any) -> dict[str, Any]:
        return {"conversationId": self.conversation, "messageId": self.id, "emoji": emoji, **changes}


def test_a_reaction_is_told_to_everybody_in_the_conversation(connect_example: ClientFactory, example: Server) -> None:
    alice, bob, carol = (User(example.url, name) for name in ("alice", "bob", "carol"))
    message = Message(alice, bob)
    first, second, outside = (
        message.joined(connect_example, alice),
        message.joined(connect_example, bob),
        connect_example(token=carol.token),
    )
    assert message.react(first, emoji="❤") == message.react(first) == OK
    assert message.react(second) == message.react(second, emoji=FAMILY) == OK
    assert message.react(first, "remove") == message.react(first, "remove") == OK
    assert message.react(outside)["error"]["code"] == "forbidden"
    assert message.react(second, emoji="x")["error"]["code"] == "bad_request"
    for client in (first, second):
        added = [client.wait_for("reaction:added").data for _ in range(3)]
        assert added == [
            message.reaction(userId=alice.id, count=1),
            message.reaction(userId=bob.id, count=2),
            message.reaction(FAMILY, userId=bob.id, count=1),
        ]
        assert client.wait_for("reaction:removed").data == message.reaction(userId=alice.id, count=1)
    for client in (first, second, outside):
        client.assert_none("reaction:added")
        client.assert_none("reaction:removed")


def test_who_was_away_catches_up_with_reactions(connect_example: ClientFactory, example: Server) -> None:
    alice, bob = User(example.url, "alice"), User(example.url, "bob")
    message = Message(alice, bob)
    here, away = message.joined(connect_example, alice), message.joined(connect_example, bob)
    cursor = away.call("sync", {})["cursor"]
    away.disconnect()
    assert message.react(here) == message.react(here, "remove") == OK
    events = connect_example(token=bob.token).call("sync", {"cursor": cursor})["events"]
    assert [(item["event"], item["args"][0]["count"]) for item in events] == [("reaction:added", 1), ("reaction:removed", 0)]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_numbers_are_right_when_users_react_at_once_on_several_workers(driver: JSDriver, tmp_path: Path, kind: str) -> None:
    with ExitStack() as stack:
        workers, _ = stack.enter_context(several_workers(kind, tmp_path))
        connect = ClientFactory("js-websocket", driver, Api(workers.url))
        stack.callback(connect.close)
        users = [User(workers.url, name) for name in ("alice", "bob", "carol")]
        message = Message(*users)
        devices: list[Client] = []
        for pid in workers.pids:
            with workers.only(pid):
                devices += [message.joined(connect, user) for user in users]
        assert at_once(message, "add", devices) == [OK] * len(devices)
        assert at_once(message, "remove", devices) == [OK] * len(devices)
        for device in devices:
            for event, numbers in (("reaction:added", [1, 2, 3]), ("reaction:removed", [2, 1, 0])):
                told = [device.wait_for(event).data for _ in users]
                assert sorted(one["count"] for one in told) == sorted(numbers)
                assert {one["userId"] for one in told} == {user.id for user in users}
        for device in devices:
            device.assert_none("reaction:added")
            device.assert_none("reaction:removed")


def at_once(message: Message, kind: str, devices: list[Client]) -> list[Any]:
    """Send a reaction from each device at the same moment, and return the answers."""
    with ThreadPoolExecutor(len(devices)) as pool:
        return list(pool.map(lambda device: message.react(device, kind), devices))
