"""A real Redis Cluster on this machine: masters that share the slots, each with a replica where the test wants failovers."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any

from redis import Redis, RedisError
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from tests.redis_server import NO_PERSISTENCE, RedisServer, free_port, wait_until

MASTERS = 3
NODE_TIMEOUT = 2000
"""Milliseconds for which a node is silent before the others consider it dead."""
BUS_OFFSET = 10_000
"""From a node's port to the one on which nodes talk to each other."""


class RedisCluster:
    """A cluster of three masters, in memory alone.

    Args:
        replicas: How many replicas each of them has.
        announced: Returns the port of the loopback interface at which clients find a node, given its own.
    """

    def __init__(self, replicas: int = 0, announced: Callable[[int], int] = int) -> None:
        self._stack = ExitStack()
        ports = [_free_ports() for _ in range(MASTERS * (1 + replicas))]
        self.ports = [announced(port) for port in ports]
        self.nodes = [RedisServer(port=port, options=_options(port, seen)) for port, seen in zip(ports, self.ports, strict=True)]

    @property
    def url(self) -> str:
        """Where clients find it: two of its nodes."""
        return f"redis+cluster://{self.hosts}"

    @property
    def hosts(self) -> str:
        """Two of its nodes, as URLs name them."""
        return ",".join(f"127.0.0.1:{port}" for port in self.ports[:2])

    def master_of(self, channel: str) -> RedisServer:
        """The node that has the keys of a channel, as most of the others see it."""
        slot = slot_of(channel)
        seen = [port for node in self.nodes if node.is_running for port in _masters(node, slot)]
        return self.nodes[self.ports.index(max(seen, key=seen.count))]

    def move(self, channel: str, target: RedisServer) -> None:
        """Have the slot of a channel's keys, and the keys, on another master."""
        self.begin_move(channel, target)
        self.end_move(channel, target)

    def begin_move(self, channel: str, target: RedisServer) -> None:
        """Begin what `move` does: the slot's keys are still where they were."""
        slot, source = slot_of(channel), self.master_of(channel)
        ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", ask(source, "CLUSTER", "MYID"))
        ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", ask(target, "CLUSTER", "MYID"))

    def end_move(self, channel: str, target: RedisServer) -> None:
        """End what `move` does."""
        slot, source = slot_of(channel), self.master_of(channel)
        while keys := ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 100):
            ask(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        for node in (target, source):
            ask(node, "CLUSTER", "SETSLOT", slot, "NODE", ask(target, "CLUSTER", "MYID"))

    def __enter__(self) -> RedisCluster:  # noqa: PYI034 - Python 3.10 has no `Self`
        with ExitStack() as stack:
            for node in self.nodes:
                stack.enter_context(node)
            self._join()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._stack.close()

    def _join(self) -> None:
        masters, replicas = self.nodes[:MASTERS], self.nodes[MASTERS:]
        share = REDIS_CLUSTER_HASH_SLOTS // MASTERS + 1
        for index, node in enumerate(self.nodes):
            ask(node, "CLUSTER", "SET-CONFIG-EPOCH", index + 1)
            ask(self.nodes[0], "CLUSTER", "MEET", "127.0.0.1", node.port, node.port + BUS_OFFSET)
        for index, node in enumerate(masters):
            ask(node, "CLUSTER", "ADDSLOTS", *range(index * share, min((index + 1) * share, REDIS_CLUSTER_HASH_SLOTS)))
        wait_until(lambda: all(self._knows_all(node) for node in self.nodes))
        for index, node in enumerate(replicas):
            ask(node, "CLUSTER", "REPLICATE", ask(masters[index % MASTERS], "CLUSTER", "MYID"))
        wait_until(lambda: all(b"master_link_status:up" in ask(node, "INFO", "replication") for node in replicas))
        wait_until(lambda: all(_count(node) == len(self.nodes) for node in self.nodes))

    def _knows_all(self, node: RedisServer) -> bool:
        info = ask(node, "CLUSTER", "INFO")
        return b"cluster_state:ok" in info and f"cluster_known_nodes:{len(self.nodes)}\r".encode() in info


def slot_of(channel: str) -> int:
    """The slot of a channel's keys."""
    return key_slot(f"{{{channel}}}".encode())


def _options(port: int, announced: int) -> list[str]:
    options = {
        "cluster-enabled": "yes",
        "cluster-node-timeout": NODE_TIMEOUT,
        "cluster-replica-validity-factor": 0,
        "cluster-announce-ip": "127.0.0.1",
        "cluster-announce-port": announced,
        "cluster-announce-bus-port": port + BUS_OFFSET,
    }
    return [*NO_PERSISTENCE, *(word for key, value in options.items() for word in (f"--{key}", str(value)))]


def ask(node: RedisServer, *command: Any) -> Any:
    """Ask a node alone, whatever the others have."""
    with Redis(port=node.port, socket_timeout=20, protocol=2) as client:
        client.response_callbacks.clear()
        return client.execute_command(*command)


def _masters(node: RedisServer, slot: int) -> list[int]:
    with suppress(RedisError):
        return [master[1] for first, last, master, *_ in ask(node, "CLUSTER", "SLOTS") if first <= slot <= last]
    return []


def _count(node: RedisServer) -> int:
    return len({entry[2] for _, _, *entries in ask(node, "CLUSTER", "SLOTS") for entry in entries})


def _free_ports() -> int:
    """A free port whose neighbour for the nodes' own talk is free too, and which no outgoing connection takes."""
    while (port := free_port()) + BUS_OFFSET > 32_000:
        pass
    with suppress(OSError), socket.socket() as listener:
        listener.bind(("127.0.0.1", port + BUS_OFFSET))
        return port
    return _free_ports()
