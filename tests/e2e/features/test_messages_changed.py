"""Edits, deletions, threads and mentions through real clients: on one process, and on four workers that share a Redis."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.api import Api
from tests.e2e.clients import Client, JSDriver
from tests.e2e.conftest import ClientFactory
from tests.e2e.example import User, environment
from tests.e2e.servers import Server, python_module
from tests.e2e.several_workers import several_workers

OK = {"ok": True}
CHANGES = ("message:new", "message:updated", "message:deleted", "thread:updated")


class Conversation:
    """A new conversation of some users, which the first of them owns."""

    def __init__(self, *users: User) -> None:
        created = users[0].call("POST", "/api/conversations", {"participantIds": [user.id for user in users]})
        self.id: str = created["id"]
        self.path = f"/api/conversations/{self.id}/messages"

    def joined(self, connect: ClientFactory, user: User) -> Client:
        client = connect(token=user.token)
        assert client.call("join:conversation", self.id) == OK
        return client

    def send(self, client: Client, client_id: str, content: str = "hello", **fields: Any) -> Any:
        payload = {"conversationId": self.id, "clientId": client_id, "content": content, **fields}
        return client.call("message:send", payload)["message"]

    def change(self, client: Client, event: str, message: Any, **fields: Any) -> Any:
        return client.call(event, {"conversationId": self.id, "messageId": message["id"], **fields})


def change_everything(conversation: Conversation, writer: Client, answerer: Client, user: User) -> list[tuple[str, Any]]:
    """Send, edit, answer and delete, by events and by requests, and return what everybody is to hear."""
    root = conversation.send(writer, "c1", "root")
    edited = conversation.change(writer, "message:edit", root, content="by event")["message"]
    again = user.call("PATCH", f"{conversation.path}/{root['id']}", {"content": "by request"})
    assert conversation.change(answerer, "message:edit", root, content="not mine")["error"]["code"] == "forbidden"
    reply = conversation.send(answerer, "c2", "reply", threadId=root["id"], replyTo=root["id"])
    assert conversation.change(answerer, "message:delete", root)["error"]["code"] == "forbidden"
    assert conversation.change(answerer, "message:delete", reply) == OK
    assert user.call("DELETE", f"{conversation.path}/{root['id']}") is None
    place = {"conversationId": conversation.id}
    return [
        ("message:new", root),
        ("message:updated", edited),
        ("message:updated", again),
        ("message:new", reply),
        ("thread:updated", {**place, "messageId": root["id"], "count": 1, "lastAt": reply["createdAt"]}),
        ("message:deleted", {**place, "messageId": reply["id"]}),
        ("message:deleted", {**place, "messageId": root["id"]}),
    ]


def heard(client: Client, expected: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Wait for events, and return what a client got, each kind in its order."""
    found = [(event, client.wait_for(event).data) for event, _ in expected]
    for event in CHANGES:
        client.assert_none(event)
    return found


def test_changes_are_told_to_everybody_in_the_conversation(connect_example: ClientFactory, example: Server) -> None:
    alice, bob, carol = (User(example.url, name) for name in ("alice", "bob", "carol"))
    conversation = Conversation(alice, bob)
    first, second, outside = (
        conversation.joined(connect_example, alice),
        conversation.joined(connect_example, bob),
        connect_example(token=carol.token),
    )
    cursor = second.call("sync", {})["cursor"]
    expected = change_everything(conversation, first, second, alice)
    assert [heard(client, expected) for client in (first, second)] == [expected] * 2
    for event in CHANGES:
        outside.assert_none(event)
    missed = second.call("sync", {"cursor": cursor})["events"]
    assert [item["event"] for item in missed] == [event for event, _ in expected]
    gone = [item["args"][0] for item in missed if item["event"] in {"message:new", "message:updated"}]
    assert [(message["content"], message["deletedAt"] is None) for message in gone] == [("", False)] * 4
    found = alice.call("GET", conversation.path)["messages"]
    assert [(each["content"], each["deletedAt"] is None) for each in found] == [("", False)]


def test_a_mentioned_user_is_notified_on_every_device(connect_example: ClientFactory, example: Server) -> None:
    alice, bob = User(example.url, "alice"), User(example.url, "bob")
    conversation = Conversation(alice, bob)
    writer, device = conversation.joined(connect_example, alice), connect_example(token=bob.token)
    message = conversation.send(writer, "c1", "look", mentions=[bob.id])
    notification = device.wait_for("notification:new").data
    assert (notification["type"], notification["data"]["messageId"]) == ("mention", message["id"])
    (shown,) = [each for each in bob.call("GET", "/api/conversations") if each["id"] == conversation.id]
    assert (shown["unreadCount"], shown["mentionCount"]) == (1, 1)
    assert device.call("messages:read", {"conversationId": conversation.id, "upTo": message["id"]}) == OK
    changed = {"conversationId": conversation.id, "unreadCount": 0, "mentionCount": 0}
    assert device.wait_for("unread:changed").data == changed
    writer.assert_none("notification:new")


def test_the_text_of_a_deleted_message_is_nowhere_any_more(driver: JSDriver, tmp_path: Path) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(python_module("example_app", environment(tmp_path), ready="/healthz"))
        connect = ClientFactory("js-websocket", driver, Api(server.url))
        stack.callback(connect.close)
        alice, bob = User(server.url, "alice"), User(server.url, "bob")
        conversation = Conversation(alice, bob)
        writer, reader = conversation.joined(connect, alice), conversation.joined(connect, bob)
        cursor = reader.call("sync", {})["cursor"]
        message = conversation.send(writer, "c1", "a secret word", mentions=[bob.id])
        assert reader.wait_for("message:new").data == message
        assert conversation.change(writer, "message:edit", message, content="a secret sentence")["ok"]
        assert conversation.change(writer, "message:pin", message) == OK
        assert reader.wait_for("conversation:updated").data["pinned"] == [message["id"]]
        assert bob.call("GET", "/api/notifications")["notifications"][0]["message"] == "a secret sentence"
        assert conversation.change(writer, "message:delete", message) == OK
        assert reader.wait_for("message:deleted").data == {"conversationId": conversation.id, "messageId": message["id"]}
        assert reader.wait_for("conversation:updated").data["pinned"] == []
        missed = reader.call("sync", {"cursor": cursor})
        told = [
            (item["event"], item["args"][0].get("content")) for item in missed["events"] if item["event"].startswith("message:")
        ]
        assert told == [("message:new", ""), ("message:updated", ""), ("message:deleted", None)]
        (notification,) = bob.call("GET", "/api/notifications")["notifications"]
        assert (notification["type"], notification["message"]) == ("mention", "Message deleted")
        assert "secret" not in json.dumps(
            [missed, notification, bob.call("GET", conversation.path), bob.call("GET", "/api/conversations")]
        )


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_changes_are_told_once_on_every_worker(driver: JSDriver, tmp_path: Path, kind: str) -> None:
    with ExitStack() as stack:
        workers, _ = stack.enter_context(several_workers(kind, tmp_path))
        connect = ClientFactory("js-websocket", driver, Api(workers.url))
        stack.callback(connect.close)
        users = [User(workers.url, name) for name in ("alice", "bob", "carol")]
        conversation = Conversation(*users)
        devices: list[Client] = []
        for pid, user in zip(workers.pids, (*users, users[0]), strict=True):
            with workers.only(pid):
                devices.append(conversation.joined(connect, user))
        expected = change_everything(conversation, devices[0], devices[1], users[0])
        # Two servers' events may come in either order.
        found = [sorted(heard(device, expected), key=in_some_order) for device in devices]
        assert found == [sorted(expected, key=in_some_order)] * len(devices)
        root = conversation.send(devices[2], "root")
        for device in devices:
            assert device.wait_for("message:new").data == root
        answer_at_once(conversation, root, devices)


def in_some_order(told: tuple[str, Any]) -> str:
    """Put what was told in an order that does not depend on when it came."""
    return json.dumps(told, sort_keys=True)


def answer_at_once(conversation: Conversation, root: Any, devices: list[Client]) -> None:
    """Let each device send a reply in one thread at the same moment, and delete its root at the end, and look what is told."""
    numbered = list(enumerate(devices))
    with ThreadPoolExecutor(len(devices)) as pool:
        replies = list(pool.map(lambda each: conversation.send(each[1], f"t{each[0]}", "reply", threadId=root["id"]), numbered))
    assert sorted(reply["seq"] for reply in replies) == [root["seq"] + place for place in range(1, len(devices) + 1)]
    for device in devices:
        told = [device.wait_for("thread:updated").data["count"] for _ in devices]
        assert sorted(told) == list(range(1, len(devices) + 1))
        assert {device.wait_for("message:new").data["id"] for _ in devices} == {reply["id"] for reply in replies}
    allowed = [devices[0], devices[2], devices[3]]  # Those of the owner and of the sender.
    with ThreadPoolExecutor(len(allowed)) as pool:
        outcomes = list(pool.map(lambda device: conversation.change(device, "message:delete", root), allowed))
    codes = sorted(outcome["error"]["code"] for outcome in outcomes if outcome != OK)
    assert codes == ["not_found", "not_found"], "one of them deletes it"
    for device in devices:
        assert device.wait_for("message:deleted").data["messageId"] == root["id"]
        device.assert_none("message:deleted")
