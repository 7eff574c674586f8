"""Events between the servers of one machine, which are stopped and killed, as is Redis, while events are sent."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.e2e.api import Api
from tests.e2e.clients import PyClient
from tests.e2e.servers import Server, poll
from tests.e2e.test_many_servers import Cluster
from tests.redis_server import RedisServer

SECONDS = 60.0
STREAM = "{flask_realtime}:events"


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def cluster(redis: RedisServer, tmp_path: Path) -> Iterator[Cluster]:
    with ExitStack() as stack:
        cluster = Cluster(stack, redis, tmp_path)
        cluster.settings.update(REALTIME_RECOVERY_WINDOW=None, REALTIME_DIRECT_LINKS=True)
        yield cluster


class Member:
    """A server with one client, which has joined the conversation.

    Args:
        cluster: The servers.
        user: The client's user.
    """

    def __init__(self, cluster: Cluster, user: str) -> None:
        self.user = user
        self.server: Server
        self.api: Api
        self.server, self.api = cluster.start()
        self.client: PyClient = cluster.connect(self.api, user, "7")
        self.sent = 0

    def send(self, count: int) -> None:
        """Send the next numbers to the conversation."""
        for _ in range(count):
            self.api.emit("send_to_conversation", "7", "said", [self.user, self.sent])
            self.sent += 1

    def heard(self, user: str) -> list[int]:
        """Return the numbers of a user's that the client has received."""
        return [event.data[1] for event in self.client.received("said") if event.data[0] == user]


def are_linked(redis: RedisServer, *members: Member) -> bool:
    """Return whether what each sends next reaches the others before it is in Redis."""
    with Redis(port=redis.port) as client:
        for member in members:
            member.send(1)
            last = f'["{member.user}",{member.sent - 1}]'.encode()
            wait_for_all(member, *members)
            found: Any = client.xrange(STREAM)
            if any(last in value for _, fields in found for value in fields.values()):
                return False
    return True


def wait_for_all(sender: Member, *receivers: Member) -> None:
    """Wait until receivers have all that somebody sent, each once and in order."""
    for receiver in receivers:
        assert poll(lambda: len(receiver.heard(sender.user)) >= sender.sent, SECONDS), receiver.user  # noqa: B023 - called at once
        assert receiver.heard(sender.user) == list(range(sender.sent))


def test_what_is_sent_while_redis_gives_no_answer_comes_once_and_in_order(cluster: Cluster, redis: RedisServer) -> None:
    ann, ben = Member(cluster, "ann"), Member(cluster, "ben")
    assert poll(lambda: are_linked(redis, ann, ben), SECONDS)
    redis.freeze()
    for _ in range(20):
        ann.send(1)
        ben.send(1)
    redis.thaw()
    wait_for_all(ann, ann, ben)
    wait_for_all(ben, ann, ben)


def test_a_server_without_links_is_reached_all_the_same(cluster: Cluster, redis: RedisServer) -> None:
    ann, ben = Member(cluster, "ann"), Member(cluster, "ben")
    cluster.settings["REALTIME_DIRECT_LINKS"] = False
    zoe = Member(cluster, "zoe")
    for _ in range(20):
        for member in (ann, ben, zoe):
            member.send(1)
    for member in (ann, ben, zoe):
        wait_for_all(member, ann, ben, zoe)
    assert not are_linked(redis, zoe, ann)


def test_whatever_is_stopped_or_killed_each_event_comes_once_and_in_order(cluster: Cluster, redis: RedisServer) -> None:
    ann, ben, zoe = (Member(cluster, user) for user in ("ann", "ben", "zoe"))
    assert poll(lambda: are_linked(redis, ann, ben, zoe), SECONDS)
    os.killpg(zoe.server.pid, signal.SIGSTOP)
    for member in (ann, ben):
        member.send(30)
    redis.restart()
    for member in (ann, ben):
        member.send(20)
    os.killpg(zoe.server.pid, signal.SIGCONT)
    for member in (ann, ben):
        member.send(20)
        wait_for_all(member, ann, ben, zoe)
    ben.send(20)
    os.killpg(ben.server.pid, signal.SIGKILL)
    ann.send(20)
    zoe.send(20)
    for member in (ann, zoe):
        wait_for_all(member, ann, zoe)
    for receiver in (ann, zoe):  # All of what it had sent by then, or all but the last milliseconds of it.
        heard = receiver.heard("ben")
        assert heard == list(range(len(heard)))
        assert len(heard) > ben.sent - 20
    late = Member(cluster, "late")
    ann.send(20)
    assert poll(lambda: len(late.heard("ann")) >= 20, SECONDS)
    assert late.heard("ann") == list(range(ann.sent - 20, ann.sent))


def test_who_joins_misses_nothing_that_another_server_sends_from_then_on(cluster: Cluster, redis: RedisServer) -> None:
    ann, ben = Member(cluster, "ann"), Member(cluster, "ben")
    assert poll(lambda: are_linked(redis, ann, ben), SECONDS)
    for number in range(60):
        conversation = str(100 + number // 2)  # Each of them is joined again after it was left.
        ann.api.emit("send_to_conversation", conversation, "heard", "too early")
        assert ben.client.call("join:conversation", conversation)["ok"]
        ann.api.emit("send_to_conversation", conversation, "heard", number)
        assert poll(lambda: number in [event.data for event in ben.client.received("heard")], SECONDS), number  # noqa: B023 - called at once
        assert ben.client.call("leave:conversation", conversation)["ok"]
    ann.send(1)
    wait_for_all(ann, ben)
    heard = [event.data for event in ben.client.received("heard")]
    assert [number for number in heard if number != "too early"] == list(range(60))  # What was sent too early may come as well.


def test_a_server_that_stops_reading_holds_nobody_up(cluster: Cluster, redis: RedisServer) -> None:
    ann, ben = Member(cluster, "ann"), Member(cluster, "ben")
    assert poll(lambda: are_linked(redis, ann, ben), SECONDS)
    os.killpg(ben.server.pid, signal.SIGSTOP)
    text = "x" * 30_000
    for number in range(100):  # Three times what the kernel and the sender keep for it.
        ann.api.emit("send_to_conversation", "7", "page", [number, text])
    ann.send(10)
    wait_for_all(ann, ann)
    os.killpg(ben.server.pid, signal.SIGCONT)
    wait_for_all(ann, ben)
    assert [event.data[0] for event in ben.client.received("page")] == list(range(100))
