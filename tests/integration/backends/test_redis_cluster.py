"""A Redis Cluster: servers that share it, its failovers, and keys that move to another node."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import trustme

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.queue import connect
from flask_realtime.backends.redis.link import RedisLink
from flask_realtime.errors import ConfigError
from tests.integration.backends.test_redis_bus import Server, numbers
from tests.integration.backends.test_redis_tls import is_reachable
from tests.redis_cluster import MASTERS, RedisCluster, ask, slot_of
from tests.redis_fleet import FleetServer
from tests.redis_server import RedisServer, free_port, wait_until
from tests.tls_proxy import TlsProxy

PATIENCE = 20.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    """One that no test breaks."""
    with RedisCluster() as cluster:
        yield cluster


@pytest.fixture
def failing_cluster() -> Iterator[RedisCluster]:
    """One with replicas, for a test that ends nodes."""
    with RedisCluster(replicas=1) as cluster:
        yield cluster


@pytest.fixture
def channel() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def two_servers(stack: ExitStack, url: str, channel: str) -> tuple[Server, Server]:
    """Two servers that have heard of each other."""
    ann, ben = (Server(name, url, channel).start() for name in ("ann", "ben"))
    for server in (ann, ben):
        stack.callback(server.end)
    wait_until(lambda: ann.bus.is_connected and ben.bus.is_connected)
    return ann, ben


def fleet_of_two(stack: ExitStack, url: str, channel: str) -> tuple[FleetServer, FleetServer]:
    """Two servers that share who is connected."""
    one, other = (FleetServer(url, name, channel=channel).start() for name in ("one", "other"))
    for server in (one, other):
        stack.callback(server.close)
    return one, other


def complaint(url: str) -> str:
    """The error that a call raises."""
    with closing(RedisLink(url, PATIENCE)) as link, pytest.raises(BackendUnavailable) as refused:
        link.call(lambda client: client.exists("x"))
    return str(refused.value)


def publish_during(ann: Server, ben: Server, change: Callable[[], object]) -> None:
    """Have a server publish before, while and after something changes, and another one receive all of it in order."""
    ended = threading.Event()

    def publish() -> None:
        while not ended.is_set():
            ann.publish(20)
            ended.wait(0.005)

    publisher = threading.Thread(target=publish)
    publisher.start()
    try:
        wait_until(lambda: len(ben.received) > 0)
        change()
        count = ann.published
        wait_until(lambda: len(ben.received) > count, PATIENCE * 2)
    finally:
        ended.set()
        publisher.join()
    ben.has_received(*numbers(ann.published))
    assert (ann.bus.dropped, ben.bus.lost) == (0, 0)


def test_channels_are_on_the_masters_of_their_slots(cluster: RedisCluster, stack: ExitStack) -> None:
    used = set()
    for number in range(60):
        channel = f"channel-{number}"
        link = stack.enter_context(closing(RedisLink(cluster.url, PATIENCE, channel=channel)))
        link.call(lambda client, key=f"{{{channel}}}:check": client.set(key, "x"))  # type: ignore[misc]
        master = cluster.master_of(channel)
        assert ask(master, "GET", f"{{{channel}}}:check") == b"x"
        used.add(master.port)
    assert len(used) == MASTERS


def test_no_failover_under_load_loses_or_repeats_an_event(failing_cluster: RedisCluster, channel: str, stack: ExitStack) -> None:
    ann, ben = two_servers(stack, failing_cluster.url, channel)
    for _ in range(2):
        dead = failing_cluster.master_of(channel)
        publish_during(ann, ben, dead.kill)
        assert failing_cluster.master_of(channel) is not dead
        dead.start()
        wait_until(lambda: b"master_link_status:up" in ask(dead, "INFO", "replication"))  # noqa: B023 - called at once


def test_after_a_failover_presence_is_right_and_who_left_meanwhile_is_announced(
    failing_cluster: RedisCluster, channel: str, stack: ExitStack
) -> None:
    one, other = fleet_of_two(stack, failing_cluster.url, channel)
    for user_id in ("ann", "bob"):
        one.presence.add(user_id, f"{user_id}-1")
        one.conversations.join("1", user_id, f"{user_id}-1")
    other.presence.add("eve", "eve-1")
    dead = failing_cluster.master_of(channel)
    dead.kill()
    one.presence.remove("bob", "bob-1")
    other.presence.add("dan", "dan-1")
    other.conversations.join("1", "dan", "dan-1")
    wait_until(lambda: one.link.is_up and other.link.is_up, PATIENCE * 2)
    for server in (one, other):
        wait_until(lambda server=server: sorted(server.presence.users()) == ["ann", "dan", "eve"])  # type: ignore[misc]
        wait_until(lambda server=server: sorted(server.conversations.users("1")) == ["ann", "dan"])  # type: ignore[misc]
    wait_until(lambda: one.of("offline") + other.of("offline") == ["bob"])
    wait_until(lambda: ask(failing_cluster.master_of(channel), "EXISTS", f"{{{channel}}}:settling") == 0)
    assert other.presence.remove("eve", "eve-1").status_changed
    assert sorted(one.presence.users()) == ["ann", "dan"]
    assert one.of("offline") + other.of("offline") == ["bob"]


def test_a_master_that_is_told_to_step_down_is_left(failing_cluster: RedisCluster, channel: str, stack: ExitStack) -> None:
    ann, ben = two_servers(stack, failing_cluster.url, channel)
    master = failing_cluster.master_of(channel)
    own_id = ask(master, "CLUSTER", "MYID")
    (line,) = ask(failing_cluster.nodes[0], "CLUSTER", "REPLICAS", own_id)
    replica = next(node for node in failing_cluster.nodes if f":{node.port}@".encode() in line)
    publish_during(ann, ben, lambda: ask(replica, "CLUSTER", "FAILOVER"))
    assert failing_cluster.master_of(channel) is replica


def test_no_event_is_lost_when_the_stream_moves_to_another_node(cluster: RedisCluster, channel: str, stack: ExitStack) -> None:
    ann, ben = two_servers(stack, cluster.url, channel)
    for _ in range(2):
        target = next(node for node in cluster.nodes if node is not cluster.master_of(channel))
        publish_during(ann, ben, lambda target=target: cluster.move(channel, target))  # type: ignore[misc]
        assert cluster.master_of(channel) is target


def test_while_keys_move_nothing_is_changed_and_afterwards_all_is_there(
    cluster: RedisCluster, channel: str, stack: ExitStack
) -> None:
    one, other = fleet_of_two(stack, cluster.url, channel)
    one.presence.add("ann", "ann-1")
    target = next(node for node in cluster.nodes if node is not cluster.master_of(channel))
    cluster.begin_move(channel, target)
    one.presence.add("bob", "bob-1")
    wait_until(lambda: not (one.link.is_up or other.link.is_up))
    assert ask(target, "CLUSTER", "COUNTKEYSINSLOT", slot_of(channel)) == 0
    cluster.end_move(channel, target)
    for server in (one, other):
        wait_until(lambda server=server: sorted(server.presence.users()) == ["ann", "bob"])  # type: ignore[misc]
    assert one.of("offline") + other.of("offline") == []
    assert ask(target, "EXISTS", f"{{{channel}}}:user:bob") == 1


def test_a_node_of_the_url_may_be_away(cluster: RedisCluster) -> None:
    away = free_port()
    with closing(RedisLink(f"redis+cluster://127.0.0.1:{away},{cluster.hosts}", PATIENCE)) as link:
        link.ping()
        assert link.is_up
    text = complaint(f"redis+cluster://127.0.0.1:{away}")
    assert f"127.0.0.1:{away}" in text
    assert "refused" in text


def test_a_server_that_is_no_node_of_a_cluster_is_named(redis_server: RedisServer) -> None:
    text = complaint(f"redis+cluster://127.0.0.1:{redis_server.port}")
    assert f"127.0.0.1:{redis_server.port}" in text
    assert "cluster support disabled" in text


@pytest.mark.parametrize("rest", ["127.0.0.1:7000/1", "127.0.0.1:seven", "", "127.0.0.1:7000,", "127.0.0.1:7000?no_such_option=1"])
def test_a_url_that_is_none_is_an_error(rest: str) -> None:
    with pytest.raises(ConfigError, match=r"use redis\+cluster://host:6379,host:6379"):
        RedisLink(f"redis+cluster://{rest}")


def test_no_password_is_shown() -> None:
    assert str(RedisLink("redis+cluster://ann:secret@127.0.0.1:7000,[::1]:7001")) == "redis+cluster://***@127.0.0.1:7000,[::1]:7001"


def test_servers_share_a_cluster_behind_tls(channel: str, stack: ExitStack, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    certificate = authority.issue_cert("127.0.0.1")
    cluster = stack.enter_context(RedisCluster(announced=lambda port: stack.enter_context(TlsProxy(port, certificate)).port))
    url = f"rediss+cluster://{cluster.hosts}?ssl_ca_certs={tmp_path / 'authority.pem'}"
    received: list[Envelope] = []
    backends = [connect(url, channel=channel, retention=60.0) for _ in range(2)]
    for backend in backends:
        stack.callback(backend.stop, 1.0)
        wait_until(lambda backend=backend: is_reachable(backend))  # type: ignore[misc]
        backend.start(received.append, lambda *_change: None)
    wait_until(lambda: all(backend.bus is not None and backend.bus.is_connected for backend in backends))
    envelope = Envelope("send", {"n": 1}, ('2["n",1]',))
    backends[0].publish(envelope)
    wait_until(lambda: received == [envelope])
    assert "its certificate is not accepted" in complaint(f"rediss+cluster://{cluster.hosts}")
