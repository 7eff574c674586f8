"""Inspection of connections: which there are on this server, and on all that share a Redis.

Whoever asks is a process of its own, such as a command, and no server: nothing can be sent to it. So it publishes its question, and
each server leaves its answer in Redis, in parts, for a short time::

    asking process                     each server
    question ──────── bus ───────────► in a greenlet of its own
    read part 0, 1, … ◄── Redis ────── part 0 ─ yield ─ part 1 ─ yield ─ … last part
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from secrets import token_hex
from typing import Any, Final, NamedTuple

from flask_realtime.backends.backend import Backend
from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.bus import Envelope
from flask_realtime.contract.rooms import conversation_room, user_room
from flask_realtime.gateway.connection import Connection, Registry
from flask_realtime.gateway.delivery.envelopes import INSPECT
from flask_realtime.gateway.serving.server import SocketIOServer
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

MAX_PART: Final = 100
"""Connections in a part of an answer, and those that a server looks at before it yields to its event loop."""

MAX_PART_LENGTH: Final = 40_000
"""Characters in a part of an answer, far less than a record may hold."""

ANSWER_TTL: Final = 90.0
"""Seconds for which an answer is kept for whoever asked."""

_PAUSE: Final = 0.02


class ConnectionQuery(NamedTuple):
    """A question about connections; None matches any.

    Args:
        user_id: Their user.
        conversation_id: A conversation that they have joined.
        namespace: Their namespace.
        connection_id: The id of one.
        limit: The maximum number of connections in the answer of each server.
    """

    user_id: str | None = None
    conversation_id: str | None = None
    namespace: str | None = None
    connection_id: str | None = None
    limit: int = 1000


class ConnectionDetails(NamedTuple):
    """An open connection.

    Args:
        connection_id: Its id: `socket.id` in the client.
        user_id: Its user; empty in an open namespace.
        namespace: Its namespace.
        server_id: The server that it is on; empty if there is only one server.
        transport: The transport in use, `polling` or `websocket`.
        address: The peer's address.
        device: The client's name for its device, or an empty string.
        since: When it was opened, in seconds since 1970.
        rooms: How many rooms it has joined, conversations and the application's own.
    """

    connection_id: str
    user_id: str
    namespace: str
    server_id: str
    transport: str
    address: str
    device: str
    since: float
    rooms: int


class Inspected(NamedTuple):
    """The answers of servers.

    Args:
        connections: The connections, those of a user side by side, the oldest first.
        total: How many there are; more than the connections if those were limited.
        unanswered: The ids of the servers that did not answer in time.
    """

    connections: list[ConnectionDetails]
    total: int
    unanswered: list[str]


class Inspection:
    """The connections of one application's servers, for commands and tests.

    Args:
        registry: The connections of this server.
        server: The Socket.IO server.
        backend: What servers share.
    """

    def __init__(self, registry: Registry, server: SocketIOServer, backend: Backend) -> None:
        self._registry = registry
        self._server = server
        self._backend = backend
        self._answers = backend.record("gateway", "inspection", ANSWER_TTL)

    def connections_here(self, query: ConnectionQuery) -> Inspected:
        """Return connections of this server."""
        found = [connection for connection in self._candidates(query) if _matches(connection, query)]
        return Inspected(_ordered(self._details(connection) for connection in found[: query.limit]), len(found), [])

    def connections(
        self, query: ConnectionQuery, timeout: float, answered: Callable[[int], object] | None = None
    ) -> Inspected | None:
        """Ask all servers for connections; this process needs not be one of them.

        Args:
            query: The question.
            timeout: Seconds to wait for the answers.
            answered: Told how many more servers have answered.

        Returns:
            None if nobody knows the servers, because they do not share a Redis.

        Raises:
            BackendUnavailable: Redis cannot be reached.
        """
        servers = self._backend.servers()
        if servers is None:
            return None
        if self._backend.is_local:
            return self.connections_here(query)
        request = token_hex(8)
        if not self._backend.publish(Envelope(INSPECT, {"request": request, "query": list(query)})):
            msg = "The message queue cannot be reached"
            raise BackendUnavailable(msg)
        return self._collect(request, servers, query.limit, time.monotonic() + timeout, answered or _nothing)

    def answer(self, header: dict[str, Any]) -> None:
        """Answer a question that another process has published; this does not wait."""
        self._server.start_background_task(self._answer, header["request"], ConnectionQuery(*header["query"]))

    def _answer(self, request: str, query: ConnectionQuery) -> None:
        try:
            for number, part in enumerate(self._parts(query)):
                self._answers.put(_part_name(request, self._backend.server_id, number), part, expected=0)
        except BackendUnavailable:
            logger.warning("A question about connections could not be answered: Redis cannot be reached.")

    def _parts(self, query: ConnectionQuery) -> Iterator[tuple[int, list[ConnectionDetails]]]:
        """Return the parts of an answer, each with the number of connections found so far; the last one is empty."""
        total, part, length = 0, list[ConnectionDetails](), 0
        for number, connection in enumerate(self._candidates(query)):
            if number % MAX_PART == 0:
                self._server.sleep(0)
            if not _matches(connection, query):
                continue
            total += 1
            if total > query.limit:
                continue
            details = self._details(connection)
            length += len(json.dumps(details))
            if part and (len(part) == MAX_PART or length > MAX_PART_LENGTH):
                yield total, part
                part, length = [], 0
            part.append(details)
        yield from ((total, part), (total, [])) if part else ((total, part),)

    def _collect(
        self, request: str, servers: list[str], limit: int, deadline: float, answered: Callable[[int], object]
    ) -> Inspected:
        found: list[ConnectionDetails] = []
        total, waiting = 0, dict.fromkeys(servers, 0)
        while waiting and time.monotonic() < deadline:
            came = False
            for server_id, number in list(waiting.items()):
                name = _part_name(request, server_id, number)
                value = self._answers.get(name).value
                if value is None:
                    continue
                came = True
                self._answers.remove(name)
                found += [ConnectionDetails(*details) for details in value[1]]
                if value[1]:
                    waiting[server_id] += 1
                else:
                    total += value[0]
                    del waiting[server_id]
                    answered(1)
            if not came:
                time.sleep(_PAUSE)
        return Inspected(_ordered(found)[:limit], max(total, len(found)), list(waiting))

    def _candidates(self, query: ConnectionQuery) -> list[Connection]:
        """Return the connections to look at, few if the question allows that."""
        if query.connection_id is not None:
            ids = [query.connection_id]
        elif query.conversation_id is not None:
            ids = self._server.connections.ids_in(conversation_room(query.conversation_id))
        elif query.user_id is not None:
            return self._registry.of_user(query.user_id)
        else:
            return self._registry.everyone()
        found = map(self._registry.get, ids)
        return [connection for connection in found if connection is not None]

    def _details(self, connection: Connection) -> ConnectionDetails:
        rooms = self._server.connections.rooms_of(connection.id, connection.namespace)
        own = {connection.id, user_room(connection.user_id)}
        return ConnectionDetails(
            connection.id,
            connection.user_id,
            connection.namespace,
            self._backend.server_id,
            connection.transport,
            connection.address,
            connection.device,
            connection.opened_at,
            sum(room not in own for room in rooms),
        )


def _matches(connection: Connection, query: ConnectionQuery) -> bool:
    return (
        connection.admitted
        and not connection.closed
        and (query.user_id is None or query.user_id == connection.user_id)
        and (query.namespace is None or query.namespace == connection.namespace)
        and (query.connection_id is None or query.connection_id == connection.id)
    )


def _part_name(request: str, server_id: str, number: int) -> str:
    return f"{request}:{server_id}:{number}"


def _ordered(found: Iterable[ConnectionDetails]) -> list[ConnectionDetails]:
    return sorted(found, key=lambda details: (details.user_id, details.since, details.connection_id))


def _nothing(_servers: int) -> None:
    """Tell nobody."""
