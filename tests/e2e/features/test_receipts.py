"""Receipts through real clients: on one process, and on several workers that share a Redis."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.api import Api
from tests.e2e.clients import Client, JSDriver
from tests.e2e.conftest import ClientFactory, NewId
from tests.e2e.example import User
from tests.e2e.servers import Server
from tests.e2e.several_workers import several_workers

OK = {"ok": True}
MESSAGES = 12


class Conversation:
    """A conversation of alice and bob, with calls of the example's API about it."""

    def __init__(self, url: str) -> None:
        self.alice, self.bob = User(url, "alice"), User(url, "bob")
        self.id: str = self.alice.call("POST", "/api/conversations", {"participantIds": [self.bob.id]})["id"]
        self.path = f"/api/conversations/{self.id}"

    def write(self, count: int = 1) -> list[str]:
        """Store messages of alice's, and return their ids."""
        return [self.alice.call("POST", f"{self.path}/messages", {"content": "hello"})["id"] for _ in range(count)]

    def joined(self, connect: ClientFactory, user: User) -> Client:
        client = connect(token=user.token)
        assert client.call("join:conversation", self.id) == OK
        return client

    def statuses(self) -> list[str]:
        return [message["status"] for message in self.alice.call("GET", f"{self.path}/messages")["messages"]]

    def unread(self) -> int:
        """How many of its messages bob has not read, as the list of conversations says."""
        (found,) = [one for one in self.bob.call("GET", "/api/conversations") if one["id"] == self.id]
        count: int = found["unreadCount"]
        return count


def test_a_message_is_sent_then_delivered_then_read(connect_example: ClientFactory, example: Server) -> None:
    chat = Conversation(example.url)
    alice, bob = chat.joined(connect_example, chat.alice), chat.joined(connect_example, chat.bob)
    phone = connect_example(token=chat.bob.token)
    first, second = chat.write(2)
    assert [bob.wait_for("message:new").data["seq"] for _ in range(2)] == [1, 2]
    assert (chat.statuses(), chat.unread()) == (["sent", "sent"], 2)

    assert bob.call("messages:delivered", {"conversationId": chat.id, "upTo": second}) == OK
    told = {"conversationId": chat.id, "messageIds": [first, second], "userId": chat.bob.id, "upTo": second}
    assert alice.wait_for("messages:delivered").data == told
    assert (chat.statuses(), chat.unread()) == (["delivered", "delivered"], 2)

    assert phone.call("messages:read", {"conversationId": chat.id, "messageIds": [first]}) == OK
    told = {"conversationId": chat.id, "messageIds": [first], "userId": chat.bob.id, "upTo": first}
    for client in (alice, bob):
        assert client.wait_for("messages:read").data == told
    for client in (bob, phone):
        counted = client.wait_for("unread:changed").data
        assert counted == {"conversationId": chat.id, "unreadCount": 1, "mentionCount": 0}
    assert (chat.statuses(), chat.unread()) == (["read", "delivered"], 1)
    for client in (alice, bob, phone):
        client.assert_none("messages:delivered")
        client.assert_none("messages:read")


def test_the_calls_over_http_do_the_same(connect_example: ClientFactory, example: Server) -> None:
    chat = Conversation(example.url)
    alice, bob = chat.joined(connect_example, chat.alice), connect_example(token=chat.bob.token)
    ids = chat.write(3)
    for path, body, told in (
        ("delivered", {"messageIds": ids[:2]}, ids[:2]),
        ("read", {"upTo": ids[0]}, ids[:1]),
        ("delivered", {"upTo": ids[2]}, ids[2:]),
    ):
        assert chat.bob.call("POST", f"{chat.path}/{path}", body) == {"messageIds": told}
        heard = alice.wait_for(f"messages:{path}").data
        assert heard == {"conversationId": chat.id, "messageIds": told, "userId": chat.bob.id, "upTo": told[-1]}
    assert bob.wait_for("unread:changed").data["unreadCount"] == 2
    receipts = chat.alice.call("GET", f"{chat.path}/messages/{ids[0]}/receipts")
    assert [[item["userId"] for item in receipts[kind]] for kind in ("delivered", "read")] == [[chat.bob.id], [chat.bob.id]]
    assert receipts["read"][0]["at"] <= receipts["delivered"][0]["at"]


def test_nobody_moves_the_cursor_of_a_conversation_of_others(connect_example: ClientFactory, example: Server) -> None:
    chat = Conversation(example.url)
    (message,) = chat.write()
    carol = connect_example(token=User(example.url, "carol").token)
    for event in ("messages:read", "messages:delivered"):
        assert carol.call(event, {"conversationId": chat.id, "upTo": message})["error"]["code"] == "forbidden"
        assert carol.call(event, {"conversationId": chat.id})["error"]["code"] == "bad_request"
    assert (chat.statuses(), chat.unread()) == (["sent"], 1)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_devices_on_several_workers_read_each_message_once(driver: JSDriver, tmp_path: Path, kind: str) -> None:
    with ExitStack() as stack:
        workers, _ = stack.enter_context(several_workers(kind, tmp_path))
        connect = ClientFactory("js-websocket", driver, Api(workers.url))
        stack.callback(connect.close)
        chat = Conversation(workers.url)
        alice = chat.joined(connect, chat.alice)
        devices: list[Client] = []
        for pid in workers.pids:
            with workers.only(pid):
                devices.append(connect(token=chat.bob.token))
        ids = chat.write(MESSAGES)
        events = [("messages:read", ids[number], devices[number % len(devices)]) for number in range(MESSAGES)]
        answers = at_once(chat, events)
        assert answers == [OK] * MESSAGES
        read: list[Any] = []
        while len(read) < MESSAGES:
            read += alice.wait_for("messages:read").data["messageIds"]
        assert sorted(read, key=int) == ids
        alice.assert_none("messages:read")
        for device in devices:
            while device.wait_for("unread:changed").data["unreadCount"] > 0:
                pass
        assert (chat.statuses(), chat.unread()) == (["read"] * MESSAGES, 0)


def at_once(chat: Conversation, events: list[tuple[str, str, Client]]) -> list[Any]:
    """Send receipts from several devices at the same moment, and return the answers."""
    with ThreadPoolExecutor(len(events)) as pool:
        return list(pool.map(lambda sent: sent[2].call(sent[0], {"conversationId": chat.id, "upTo": sent[1]}), events))


def test_a_receipt_that_a_view_sends_reaches_the_conversation(connect_js: ClientFactory, api: Api, new_id: NewId) -> None:
    user, conversation = new_id("ann"), new_id("conversation")
    client = connect_js(user)
    client.call("join:conversation", conversation)
    api.emit("emit_message_read", conversation, ["m1"], "ben")
    assert client.wait_for("messages:read").data == {"conversationId": conversation, "messageIds": ["m1"], "userId": "ben"}
