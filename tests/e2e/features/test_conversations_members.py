"""Members of conversations through real clients: whoever is removed hears nothing any more, on one process and on four."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.api import Api
from tests.e2e.clients import Client, JSDriver
from tests.e2e.conftest import ClientFactory
from tests.e2e.example import User, environment
from tests.e2e.servers import Server, gunicorn
from tests.e2e.several_workers import several_workers

APP = "tests.e2e.apps.members_app:create_app()"
OK = {"ok": True}
ROUNDS = 5


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with gunicorn(APP, environment(tmp_path_factory.mktemp("members"))) as server:
        yield server


@pytest.fixture(params=["js-polling", "js-websocket", "js-upgrade", "py-websocket"])
def connect(request: pytest.FixtureRequest, driver: JSDriver, example: Server) -> Iterator[ClientFactory]:
    factory = ClientFactory(request.param, driver, Api(example.url))
    yield factory
    factory.close()


class Group:
    """A new conversation of some users, which the first of them owns."""

    def __init__(self, *users: User) -> None:
        self.owner = users[0]
        made = self.owner.call("POST", "/rest/conversations", {"participantIds": [user.id for user in users]})
        self.id: str = made["id"]
        self.members = f"/rest/conversations/{self.id}/members"

    def add(self, user: User) -> None:
        self.owner.call("POST", self.members, {"userIds": [user.id]})

    def remove(self, user: User) -> None:
        self.owner.call("DELETE", f"{self.members}/{user.id}")

    def joined(self, connect: ClientFactory, user: User) -> Client:
        client = connect(token=user.token)
        assert client.call("join:conversation", self.id) == OK
        return client

    def send(self, client: Client, client_id: str) -> None:
        message = {"conversationId": self.id, "clientId": client_id, "content": client_id}
        assert client.call("message:send", message)["ok"] is True


def is_message(content: str) -> Any:
    return lambda message: message["content"] == content


def test_whoever_is_removed_is_out_at_once_and_the_others_hear_of_it(connect: ClientFactory, example: Server) -> None:
    alice, bob, carol = (User(example.url, name) for name in ("alice", "bob", "carol"))
    group = Group(alice, bob, carol)
    first, second, third = (group.joined(connect, user) for user in (alice, bob, carol))
    group.remove(bob)
    group.send(first, "secret")
    for client in (first, third):
        client.wait_for("message:new", is_message("secret"))
        left = {"conversationId": group.id, "userId": bob.id, "by": alice.id, "reason": "removed"}
        assert client.wait_for("member:left").data == left
    assert second.wait_for("conversation:removed").data == {"conversationId": group.id}
    assert second.call("join:conversation", group.id)["error"]["code"] == "forbidden"
    for event in ("message:new", "member:left"):
        second.assert_none(event)
    group.add(bob)
    new = second.wait_for("conversation:new", lambda conversation: conversation["id"] == group.id).data
    assert len(new["participants"]) == 3
    assert second.call("join:conversation", group.id) == OK
    group.send(first, "again")
    second.wait_for("message:new", is_message("again"))


def test_whoever_was_removed_while_away_gets_nothing_from_then_on(connect: ClientFactory, example: Server) -> None:
    alice, bob = User(example.url, "alice"), User(example.url, "bob")
    group = Group(alice, bob)
    here, away = group.joined(connect, alice), group.joined(connect, bob)
    cursor = away.call("sync", {})["cursor"]
    away.disconnect()
    group.send(here, "before")
    group.remove(bob)
    group.send(here, "after")
    events = connect(token=bob.token).call("sync", {"cursor": cursor})["events"]
    assert [item["event"] for item in events] == ["conversation:removed"]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_no_device_on_any_worker_hears_what_is_sent_after_the_removal(driver: JSDriver, tmp_path: Path, kind: str) -> None:
    with ExitStack() as stack:
        workers, _ = stack.enter_context(several_workers(kind, tmp_path, APP))
        connect = ClientFactory("js-websocket", driver, Api(workers.url))
        stack.callback(connect.close)
        alice, bob, carol = (User(workers.url, name) for name in ("alice", "bob", "carol"))
        group = Group(alice, bob, carol)
        devices: list[Client] = []
        senders: dict[int, Client] = {}
        for pid in workers.pids:
            with workers.only(pid):
                devices.append(group.joined(connect, bob))
                senders[pid] = group.joined(connect, carol)
        for number, pid in enumerate(workers.pids):
            with workers.only(pid):  # The other workers hear of the removal only when they go on.
                group.remove(bob)
                group.send(senders[pid], f"secret {number}")
            for sender in senders.values():
                sender.wait_for("message:new", is_message(f"secret {number}"))
            for device in devices:
                assert device.wait_for("conversation:removed").data == {"conversationId": group.id}
                assert device.call("join:conversation", group.id)["error"]["code"] == "forbidden"
                device.assert_none("message:new")
            group.add(bob)
            assert [device.call("join:conversation", group.id) for device in devices] == [OK] * len(devices)


def test_nobody_gets_in_by_joining_again_and_again_while_being_removed(driver: JSDriver, tmp_path: Path) -> None:
    with ExitStack() as stack:
        limits = {"REALTIME_LIMITS": '{"joins": null}', "REALTIME_USER_LIMITS": '{"joins": null}'}
        workers, _ = stack.enter_context(several_workers("sqlite", tmp_path, APP, limits))
        connect = ClientFactory("js-websocket", driver, Api(workers.url))
        stack.callback(connect.close)
        alice, bob = User(workers.url, "alice"), User(workers.url, "bob")
        group = Group(alice, bob)
        sender = group.joined(connect, alice)
        devices = [connect(token=bob.token) for _ in workers.pids]
        pool = stack.enter_context(ThreadPoolExecutor(len(devices)))
        for number in range(ROUNDS):
            assert [device.call("join:conversation", group.id) for device in devices] == [OK] * len(devices)
            joining = [pool.submit(join_until_refused, device, group.id) for device in devices]
            group.remove(bob)
            assert [join.result() for join in joining] == ["forbidden"] * len(devices)
            for device in devices:
                device.wait_for("conversation:removed")
                assert device.call("join:conversation", group.id)["error"]["code"] == "forbidden"
            group.send(sender, f"secret {number}")
            sender.wait_for("message:new", is_message(f"secret {number}"))
            for device in devices:
                device.assert_none("message:new")
            group.add(bob)


def join_until_refused(device: Client, conversation_id: str) -> str:
    """Join again and again, and return the code of the refusal."""
    while True:
        answer = device.call("join:conversation", conversation_id)
        if "error" in answer:
            code: str = answer["error"]["code"]
            return code
