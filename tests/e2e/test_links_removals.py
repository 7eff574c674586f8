"""Removals from a conversation where servers of one machine are linked: nothing that is sent afterwards is ahead of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import pytest

from flask_realtime import RealtimeEmitter
from tests.e2e.clients import PyClient
from tests.e2e.servers import poll
from tests.e2e.test_direct_links import SECONDS, Member, are_linked
from tests.e2e.test_many_servers import OK, Cluster
from tests.redis_server import RedisServer
from tests.tcp_proxy import TcpProxy

CONVERSATION = "7"
ROUNDS = 30
BOUND = 10.0
"""Seconds; a second and a half are promised, on a machine that has nothing else to do."""

SLOW = 0.05
"""Seconds by which what servers read from Redis is late: much longer than anything takes over a link."""


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def cluster(redis: RedisServer, tmp_path: Path) -> Iterator[Cluster]:
    """Servers that read late from Redis what they write there at once."""
    with ExitStack() as stack:
        proxy = stack.enter_context(TcpProxy(redis.port))
        proxy.delay_replies(SLOW, b"XREAD")
        cluster = Cluster(stack, redis, tmp_path)
        cluster.settings.update(
            REALTIME_RECOVERY_WINDOW=None,
            REALTIME_DIRECT_LINKS=True,
            REALTIME_MESSAGE_QUEUE=f"redis://127.0.0.1:{proxy.port}/0",
        )
        yield cluster


class Bob:
    """A user with a device on each of some servers, who is removed from the conversation again and again."""

    def __init__(self, cluster: Cluster, *members: Member) -> None:
        self._devices: list[PyClient] = [cluster.connect(member.api, "bob") for member in members]

    def join(self) -> None:
        """Join the conversation with all devices."""
        assert [device.call("join:conversation", CONVERSATION) for device in self._devices] == [OK] * len(self._devices)

    def heard(self) -> list[list[object]]:
        """Return what the devices have received, all that was sent to them so far."""
        for device in self._devices:
            device.call("user:get-status", "bob")  # Its answer comes behind what was sent before.
        return [event.data for device in self._devices for event in device.received("said")]


def test_who_is_removed_hears_nothing_that_any_server_sends_afterwards(cluster: Cluster, redis: RedisServer) -> None:
    ann, ben, zoe = (Member(cluster, user) for user in ("ann", "ben", "zoe"))
    bob = Bob(cluster, zoe, ben)
    assert poll(lambda: are_linked(redis, ann, ben, zoe), SECONDS)
    for _ in range(ROUNDS):
        bob.join()
        ann.api.emit("remove_from_conversation", CONVERSATION, "bob")
        for member in (ben, zoe, ann):
            member.send(1)
        for member in (ann, ben, zoe):
            for receiver in (ann, ben, zoe):
                assert poll(lambda: len(receiver.heard(member.user)) >= member.sent, SECONDS)  # noqa: B023 - called at once
        assert bob.heard() == []


def test_a_process_that_is_no_server_removes_as_well(cluster: Cluster, redis: RedisServer) -> None:
    ben, zoe = (Member(cluster, user) for user in ("ben", "zoe"))
    bob = Bob(cluster, zoe)
    assert poll(lambda: are_linked(redis, ben, zoe), SECONDS)
    emitter = RealtimeEmitter(str(cluster.settings["REALTIME_MESSAGE_QUEUE"]))
    for _ in range(3):
        bob.join()
        emitter.remove_from_conversation(CONVERSATION, "bob")
        ben.send(1)
        assert poll(lambda: len(zoe.heard("ben")) >= ben.sent, SECONDS)
        assert bob.heard() == []
    emitter.close()


def test_a_server_that_is_stopped_or_killed_holds_no_removal_up_for_long(cluster: Cluster, redis: RedisServer) -> None:
    ann, ben, zoe = (Member(cluster, user) for user in ("ann", "ben", "zoe"))
    bob = Bob(cluster, zoe)
    for _ in range(3):
        assert poll(lambda: are_linked(redis, ann, ben, zoe), SECONDS)
        bob.join()
        os.killpg(zoe.server.pid, signal.SIGSTOP)
        began = monotonic()
        ann.api.emit("remove_from_conversation", CONVERSATION, "bob")
        assert monotonic() - began < BOUND
        ben.send(1)
        os.killpg(zoe.server.pid, signal.SIGCONT)
        assert poll(lambda: len(zoe.heard("ben")) >= ben.sent, SECONDS)
        assert bob.heard() == []
    os.killpg(ben.server.pid, signal.SIGKILL)
    bob.join()
    began = monotonic()
    ann.api.emit("remove_from_conversation", CONVERSATION, "bob")
    assert monotonic() - began < BOUND
    ann.send(1)
    assert poll(lambda: len(zoe.heard("ann")) >= ann.sent, SECONDS)
    assert bob.heard() == []
