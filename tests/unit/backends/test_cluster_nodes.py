"""The nodes of a Redis Cluster: which of them is asked for the master, and what is made of its answer."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ConnectionError, ResponseError  # noqa: A004 - redis-py's name

from flask_realtime.backends.redis.cluster import ClusterNodes, Node

ONE, TWO, THREE, FOUR = ("one", 1), ("two", 2), ("three", 3), ("four", 4)
SLOT = 100


class Cluster:
    """Nodes that answer, with the slots from 100 to 200 on one master and the rest on others."""

    def __init__(self) -> None:
        self.master = TWO
        self.replicas: list[Node] = []
        self.away: set[Node] = set()
        self.asked: list[Node] = []

    def ask(self, node: Node) -> list[Any]:
        self.asked.append(node)
        if node in self.away:
            raise OSError(f"no way to {node[0]}")
        return [
            [0, 99, entry(ONE)],
            [100, 200, entry(self.master), *map(entry, self.replicas)],
            [201, 16383, entry(THREE)],
        ]


def entry(node: Node) -> list[Any]:
    return [node[0].encode(), node[1], b"an id"]


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.mark.parametrize(("slot", "master"), [(0, ONE), (99, ONE), (100, TWO), (200, TWO), (201, THREE), (16383, THREE)])
def test_the_master_is_the_one_that_has_the_slot(cluster: Cluster, slot: int, master: Node) -> None:
    assert ClusterNodes([FOUR], slot, cluster.ask).master() == master


def test_it_is_asked_for_once_and_again_when_in_doubt(cluster: Cluster) -> None:
    nodes = ClusterNodes([ONE], SLOT, cluster.ask)
    assert [nodes.master(), nodes.master()] == [TWO, TWO]
    assert cluster.asked == [ONE]
    cluster.master = THREE
    nodes.doubt()
    assert [nodes.master(), nodes.master()] == [THREE, THREE]
    assert cluster.asked == [ONE, TWO], "one that was asked may not know of a failover yet"


def test_nodes_that_do_not_answer_are_asked_last(cluster: Cluster) -> None:
    cluster.away = {ONE, FOUR}
    nodes = ClusterNodes([ONE, FOUR, THREE], SLOT, cluster.ask)
    assert nodes.master() == TWO
    assert cluster.asked == [ONE, FOUR, THREE]
    nodes.doubt()
    nodes.master()
    assert cluster.asked[3:] == [ONE, TWO], "those of the URL come behind the others, and are not forgotten"


def test_where_nobody_answers_the_error_names_all(cluster: Cluster) -> None:
    cluster.away = {ONE, FOUR}
    nodes = ClusterNodes([ONE, FOUR], SLOT, cluster.ask)
    with pytest.raises(ConnectionError, match=r"^one:1: no way to one; four:4: no way to four$"):
        nodes.master()
    cluster.away = {ONE}
    assert nodes.master() == TWO


def test_a_refusal_is_an_answer_that_says_why() -> None:
    def refuse(_node: Node) -> list[Any]:
        raise ResponseError("ERR This instance has cluster support disabled")

    with pytest.raises(ConnectionError, match=r"^one:1: ERR This instance has cluster support disabled$"):
        ClusterNodes([ONE], SLOT, refuse).master()


def test_a_cluster_in_which_nobody_has_the_slot_has_no_master() -> None:
    with pytest.raises(ConnectionError, match=r"^one:1 knows no master of slot 100$"):
        ClusterNodes([ONE], SLOT, lambda _node: [[101, 16383, entry(TWO)]]).master()


def test_a_replica_that_was_heard_of_is_asked_when_all_others_are_gone(cluster: Cluster) -> None:
    cluster.replicas = [FOUR]
    nodes = ClusterNodes([ONE], SLOT, cluster.ask)
    nodes.master()
    cluster.master, cluster.away = FOUR, {ONE, TWO, THREE}
    nodes.doubt()
    assert nodes.master() == FOUR


def test_nodes_that_left_the_cluster_are_forgotten_but_not_those_of_the_url(cluster: Cluster) -> None:
    cluster.replicas = [FOUR]
    nodes = ClusterNodes([ONE, ("seed", 9)], SLOT, cluster.ask)
    nodes.master()
    cluster.replicas = []
    nodes.doubt()
    nodes.master()
    cluster.away = {ONE, TWO, THREE, FOUR, ("seed", 9)}
    nodes.doubt()
    with pytest.raises(ConnectionError) as failed:
        nodes.master()
    assert "seed:9" in str(failed.value)
    assert "four:4" not in str(failed.value)


@pytest.mark.parametrize("host", [b"", None])
def test_a_node_that_does_not_know_its_host_is_where_it_was_asked(host: bytes | None) -> None:
    nodes = ClusterNodes([ONE], SLOT, lambda _node: [[0, 16383, [host, 7, b"an id"]]])
    assert nodes.master() == ("one", 7)
