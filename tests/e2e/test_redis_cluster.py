"""Servers that share a Redis Cluster: what their clients notice of it, and of a failover."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from flask_realtime import RealtimeEmitter
from tests.e2e.conftest import NewId, Open
from tests.e2e.network import Network
from tests.e2e.test_many_servers import Cluster, eventually, statuses
from tests.e2e.test_recovery import QUICK, told
from tests.e2e.test_recovery_servers import port_of
from tests.redis_cluster import RedisCluster

CHANNEL = "flask_realtime"


@pytest.fixture
def redis() -> Iterator[RedisCluster]:
    with RedisCluster(replicas=1) as cluster:
        yield cluster


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def cluster(redis: RedisCluster, stack: ExitStack, tmp_path: Path) -> Cluster:
    return Cluster(stack, redis, tmp_path)


def test_a_failover_costs_no_event_and_nobody_is_announced(cluster: Cluster, redis: RedisCluster, new_id: NewId) -> None:
    conversation, ann, ben = new_id("conversation"), new_id("ann"), new_id("ben")
    (_, here), (_, there) = cluster.start(), cluster.start()
    one, other = cluster.connect(here, ann, conversation), cluster.connect(there, ben, conversation)
    eventually(lambda: statuses(one, ben) == ["online"], "the coming on the other server is announced")
    sent: list[int] = []

    def emit() -> bool:
        sent.append(len(sent))
        return bool(here.emit("emit_new_message", conversation, {"id": sent[-1]}))

    assert emit()
    assert other.wait_for("message:new").data == {"id": 0}, "and what its server had said before"
    known = statuses(one, ben), statuses(other, ann)
    redis.master_of(CHANNEL).kill()
    eventually(lambda: not emit(), "an emit says that Redis is away")
    eventually(emit, "the replica takes over")
    assert [other.wait_for("message:new").data["id"] for _ in sent[1:]] == sent[1:]
    other.assert_none("message:new")
    for api in (here, there):
        eventually(lambda api=api: sorted(api.emit("get_online_users")) == sorted([ann, ben]), "presence is written anew")  # type: ignore[misc]
        eventually(
            lambda api=api: sorted(api.emit("get_online_users", conversation)) == sorted([ann, ben]),  # type: ignore[misc]
            "rooms are written anew",
        )
    assert (statuses(one, ben), statuses(other, ann)) == known, "nobody was announced who was there all the time"


def test_who_comes_back_to_another_server_recovers_and_after_a_failover_is_told_of_the_gap(
    cluster: Cluster, redis: RedisCluster, stack: ExitStack, open_client: Open, new_id: NewId
) -> None:
    cluster.settings |= QUICK
    (_, here), (_, there) = cluster.start(), cluster.start()
    network, emitter, user = stack.enter_context(Network(port_of(here))), RealtimeEmitter(redis.url), new_id("ann")
    stack.callback(emitter.close)
    client = open_client(network.url, here, user)
    sid = client.sid
    assert emitter.send_to_user(user, "told", 1)
    client.wait_for_number("told", 1)
    network.shut()
    network.lose("reset")
    network.lead_to(port_of(there))
    assert emitter.send_to_user(user, "told", 2)
    network.open()
    client.wait_until_back(1)
    client.wait_for_number("told", 2)
    assert (client.sid, client.recoveries, told(client, "told")) == (sid, [False, True], [1, 2])
    network.shut()
    network.lose("reset")
    network.lead_to(port_of(here))
    redis.master_of(CHANNEL).kill()
    eventually(lambda: here.emit("send_to_user", user, "told", 3) is False, "an emit says that Redis is away")
    eventually(lambda: here.emit("send_to_user", user, "told", 4) is True, "the replica takes over")
    network.open()
    client.wait_until_back(2)
    client.settle()
    assert client.recoveries == [False, True, False]
    assert client.received("realtime:ready")[-1].args[0] == {"recovered": False, "gap": True}
    assert told(client, "told") == [1, 2]
