"""Addresses in a Redis Cluster: a link leads to the master that has the keys of its channel, whichever node that is now.

All keys of a channel have one hash tag, so one master has them all, and each script and transaction is on one node. A link
asks the nodes for that master before its first connection, and again after each loss. A node that redirects, or whose cluster
is down, counts as unreachable. So a failover is to all others what a restart of Redis is, which may have lost the latest
writes; so is the move of a slot.

Redirections to another node for one command (`ASK`) are not followed. Scripts use keys that they do not declare, so they would run
without those that have not moved yet. A slot that moves refuses scripts until it has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from redis import Connection, Redis
from redis.connection import AbstractConnection, parse_url
from redis.crc import key_slot
from redis.exceptions import ConnectionError, ResponseError  # noqa: A004 - redis-py's name

from flask_realtime.backends.redis.connections import LOST, Address, BoundedConnection, BoundedSSLConnection, within
from flask_realtime.errors import ConfigError

CLUSTER_SCHEMES: Final = ("redis+cluster://", "rediss+cluster://")

Node = tuple[str, int]
"""A node's host and port."""

_PORT: Final = 6379
_REDIRECTIONS: Final = ("MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN")
_REDIRECTION_CLASSES: Final = {"MovedError", "AskError", "TryAgainError", "ClusterDownError", "MasterDownError"}


def address_of(url: str, timeout: float, channel: str) -> Address:
    """Return the address that a URL names.

    Args:
        url: The URL of a Redis server, or of the nodes of a Redis Cluster.
        timeout: Seconds in which a connection has to be made, and in which each command has to be answered.
        channel: The hash tag of all keys.

    Raises:
        ConfigError: It is not such a URL, or has an unknown option.
    """
    return ClusterAddress(url, timeout, channel) if url.startswith(CLUSTER_SCHEMES) else Address(url, timeout)


class ClusterAddress(Address):
    """The address of the master of a Redis Cluster that has the keys of a channel.

    Args:
        url: `redis+cluster://` or `rediss+cluster://` and some of the nodes, with commas between.
        timeout: Seconds in which a connection has to be made, and in which each command has to be answered.
        channel: The hash tag of all keys.

    Raises:
        ConfigError: It is not such a URL, has an unknown option, or names a database: a cluster has only one.
    """

    def __init__(self, url: str, timeout: float, channel: str) -> None:
        super().__init__(url, timeout)
        self._tag = f"{{{channel}}}"
        ask_class = self._class
        self._class = _MASTER_CLASSES[ask_class]
        # So that another node can be asked in time.
        quick = self._options | {"socket_connect_timeout": timeout / 2, "socket_timeout": timeout / 2}

        def ask(node: Node) -> list[Any]:
            return _slots(ask_class(**quick | {"host": node[0], "port": node[1]}))

        self._options["nodes"] = ClusterNodes(self._seeds, key_slot(self._tag.encode()), ask)

    def ping(self, client: Redis) -> None:
        """Check that the node answers, and has the channel's keys."""
        client.exists(self._tag)

    def _parse(self, url: str) -> dict[str, Any]:
        parts = urlsplit(url)
        if parts.path.strip("/"):
            msg = "a cluster has only one database"
            raise ValueError(msg)
        scheme = parts.scheme.removesuffix("+cluster")
        credentials, at, hosts = parts.netloc.rpartition("@")
        nodes = [parse_url(f"{scheme}://{credentials}{at}{host}?{parts.query}") for host in hosts.split(",")]
        self._seeds = [(options["host"], options.get("port", _PORT)) for options in nodes]
        first: dict[str, Any] = nodes[0]
        return first

    def _mistake(self) -> ConfigError:
        return ConfigError(
            f"{str(self)!r} is no URL of a Redis Cluster: use redis+cluster://host:6379,host:6379, or rediss+cluster:// with TLS, "
            "without a database"
        )


class ClusterNodes:
    """Nodes of a Redis Cluster, of which one has the keys of a slot.

    Args:
        seeds: Some of the nodes, which are never forgotten.
        slot: The slot.
        ask: Returns a node's answer to `CLUSTER SLOTS`.
    """

    def __init__(self, seeds: Sequence[Node], slot: int, ask: Callable[[Node], list[Any]]) -> None:
        self._seeds = tuple(seeds)
        self._slot = slot
        self._ask = ask
        self._nodes = self._seeds
        self._master: Node | None = None

    def master(self) -> Node:
        """Return the slot's master; if that is in doubt, as the first node that answers has it.

        Raises:
            ConnectionError: No node knows.
        """
        master = self._master
        if master is None:
            master = self._master = self._ask_for_master()
        return master

    def doubt(self) -> None:
        """Ask for the master before the next connection, and another node first: this one may not know of a failover yet."""
        self._master = None
        self._ask_last(self._nodes[0])

    def _ask_for_master(self) -> Node:
        failures = []
        for node in self._nodes:
            try:
                ranges = self._ask(node)
            except (*LOST, ResponseError) as error:
                failures.append(f"{node[0]}:{node[1]}: {error}")
            else:
                self._learn(node, ranges)
                if master := self._find(node, ranges):
                    return master
                failures.append(f"{node[0]}:{node[1]} knows no master of slot {self._slot}")
            self._ask_last(node)
        raise ConnectionError("; ".join(failures))

    def _ask_last(self, node: Node) -> None:
        self._nodes = (*(other for other in self._nodes if other != node), node)

    def _learn(self, asked: Node, ranges: list[Any]) -> None:
        found = [_node(asked, entry) for _, _, *entries in ranges for entry in entries]
        self._nodes = tuple(dict.fromkeys([asked, *found, *self._seeds]))

    def _find(self, asked: Node, ranges: list[Any]) -> Node | None:
        for first, last, master, *_ in ranges:
            if first <= self._slot <= last:
                return _node(asked, master)
        return None


class _MasterConnection(Connection):
    """Connection to the master that has the keys of a slot.

    Args:
        nodes: The cluster's nodes.
        options: As `Connection` has them.
    """

    def __init__(self, *, nodes: ClusterNodes, **options: Any) -> None:
        self._nodes = nodes
        super().__init__(**options)  # type: ignore[no-untyped-call]

    def _connect(self) -> Any:
        self.host, self.port = within(self.socket_connect_timeout, self._nodes.master)
        try:
            return super()._connect()  # type: ignore[no-untyped-call]
        except Exception:
            self._nodes.doubt()
            raise

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)
        except LOST:
            self._nodes.doubt()
            raise
        except ResponseError as error:
            if not _is_redirection(error):
                raise
            self.disconnect()  # type: ignore[no-untyped-call]
            self._nodes.doubt()
            msg = f"{self.host}:{self.port} is not the master now: {error}"
            raise ConnectionError(msg) from error


class _PlainMasterConnection(_MasterConnection, BoundedConnection):
    pass


class _SSLMasterConnection(_MasterConnection, BoundedSSLConnection):
    pass


_MASTER_CLASSES: Final[dict[Any, Callable[..., AbstractConnection]]] = {
    BoundedConnection: _PlainMasterConnection,
    BoundedSSLConnection: _SSLMasterConnection,
}


def _slots(connection: AbstractConnection) -> list[Any]:
    try:
        connection.connect()
        connection.send_command("CLUSTER", "SLOTS")
        ranges: list[Any] = connection.read_response()
    finally:
        connection.disconnect()
    return ranges


def _node(asked: Node, entry: Sequence[Any]) -> Node:
    """Return a node of an answer; one that does not know its own host is on the one that was asked."""
    host, port = entry[0], entry[1]
    return (host.decode() if host else asked[0], port)


def _is_redirection(error: ResponseError) -> bool:
    # redis-py 5 has these classes for its own cluster client alone.
    return type(error).__name__ in _REDIRECTION_CLASSES or str(error).startswith(_REDIRECTIONS)
