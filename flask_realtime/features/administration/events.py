"""Words of the Admin UI: its events in both directions, and the payloads that it expects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Final, NamedTuple

from flask_realtime.contract.events import MAX_EVENT_NAME_LENGTH, RESERVED_NAMES
from flask_realtime.errors import BadRequest

NAMESPACE: Final = "/admin"

SESSION: Final = "session"
CONFIG: Final = "config"
SERVER_STATS: Final = "server_stats"
ALL_SOCKETS: Final = "all_sockets"
SOCKET_CONNECTED: Final = "socket_connected"
SOCKET_UPDATED: Final = "socket_updated"
SOCKET_DISCONNECTED: Final = "socket_disconnected"
ROOM_JOINED: Final = "room_joined"
ROOM_LEFT: Final = "room_left"
EVENT_RECEIVED: Final = "event_received"
EVENT_SENT: Final = "event_sent"

EMIT: Final = "emit"
JOIN: Final = "join"
LEAVE: Final = "leave"
DISCONNECT: Final = "_disconnect"

INVALID_CREDENTIALS: Final = "invalid credentials"
"""The refusal at which the page asks for the log-in again."""

RAW_CONNECTION: Final = "rawConnection"
RAW_DISCONNECTION: Final = "rawDisconnection"
PACKETS_IN: Final = "packetsIn"
PACKETS_OUT: Final = "packetsOut"
BYTES_IN: Final = "bytesIn"
BYTES_OUT: Final = "bytesOut"

_ACTIONS: Final = ("EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT")

_MAX_NAME: Final = 256
_MAX_ARGUMENTS: Final = 4096
"""Characters of an event's arguments; of longer ones the page gets the length."""

_MAX_NESTING: Final = 16
"""Nesting of what is shown of an event, which may not have been checked yet."""

_SECRET_WORDS: Final = ("token", "password", "secret", "credential", "authorization", "cookie")
_HIDDEN: Final = "(hidden)"

Item = tuple[str, tuple[Any, ...]]
"""An event for the page, with its arguments."""


class LogIn(NamedTuple):
    """The `auth` of a client that wants to administrate.

    Args:
        username: The name, or None.
        password: The password, or None.
        session_id: The id that an earlier log-in gave it, or None.
    """

    username: str | None
    password: str | None
    session_id: str | None


def parse_log_in(auth: object) -> LogIn:
    """Return what an `auth` payload, which may be anything, has of a log-in."""
    given = auth if isinstance(auth, Mapping) else {}
    values = (given.get(key) for key in ("username", "password", "sessionId"))
    return LogIn(*(value if isinstance(value, str) and 0 < len(value) <= _MAX_NAME else None for value in values))


class Action(NamedTuple):
    """An action of an administrator on connections.

    Args:
        kind: The event that asks for it.
        namespace: Their namespace.
        room: Their room, or the id of one of them; None for all of the namespace.
        args: What is emitted, the room that is joined or left, or whether the sessions end too.
    """

    kind: str
    namespace: str
    room: str | None
    args: tuple[Any, ...]


def parse_action(event: str, args: Sequence[Any]) -> Action:
    """Check an action.

    Raises:
        BadRequest: It is malformed.
    """
    if event == EMIT:
        namespace, room, name, *payload = _exactly(args, 3, more=True)
        return Action(event, _text(namespace, "the namespace"), _filter(room), (_event_name(name), *_without_bytes(payload)))
    namespace, what, *rest = _exactly(args, 2, more=True)
    room = _filter(rest[0] if rest else None)
    if event == DISCONNECT:
        return Action(event, _text(namespace, "the namespace"), room, (bool(what),))
    return Action(event, _text(namespace, "the namespace"), room, (_text(what, "the room"),))


def _exactly(args: Sequence[Any], count: int, *, more: bool) -> Sequence[Any]:
    if len(args) < count or (len(args) > count and not more):
        msg = f"{count} arguments are needed"
        raise BadRequest(msg)
    return args


def _text(value: object, what: str) -> str:
    if isinstance(value, str) and 0 < len(value) <= _MAX_NAME:
        return value
    msg = f"{what} must be a string of 1 to {_MAX_NAME} characters"
    raise BadRequest(msg)


def _filter(value: object) -> str | None:
    return None if value is None or value == "" else _text(value, "the filter")


def _event_name(value: object) -> str:
    if isinstance(value, str) and 0 < len(value) <= MAX_EVENT_NAME_LENGTH and value not in RESERVED_NAMES:
        return value
    msg = f"the event must be a string of 1 to {MAX_EVENT_NAME_LENGTH} characters that Socket.IO does not reserve"
    raise BadRequest(msg)


def _without_bytes(payload: Sequence[Any]) -> Sequence[Any]:
    try:
        json.dumps(payload)
    except TypeError:
        msg = "binary data cannot be emitted from here"
        raise BadRequest(msg) from None
    return payload


def config_payload(*, is_development: bool, is_read_only: bool) -> dict[str, Any]:
    """Return the argument of `config`: what the page offers."""
    features = [*(() if is_read_only else _ACTIONS), "AGGREGATED_EVENTS", *(("ALL_EVENTS",) if is_development else ())]
    return {"supportedFeatures": features}


class ServerStats(NamedTuple):
    """The numbers of one server.

    Args:
        server_id: Its id, unique among all servers.
        hostname: The machine's name.
        pid: The process id.
        uptime: Seconds since it started.
        clients: The number of its sessions.
        polling_clients: The number of those on long polling.
        namespaces: The number of connections in each namespace.
        counts: What happened, by second, type and subtype.
    """

    server_id: str
    hostname: str
    pid: int
    uptime: float
    clients: int
    polling_clients: int
    namespaces: Mapping[str, int]
    counts: Mapping[tuple[int, str, str | None], int]


def stats_item(stats: ServerStats) -> Item:
    """Return `server_stats`."""
    payload = {
        "serverId": stats.server_id,
        "hostname": stats.hostname,
        "pid": stats.pid,
        "uptime": stats.uptime,
        "clientsCount": stats.clients,
        "pollingClientsCount": stats.polling_clients,
        "aggregatedEvents": list(map(_aggregated, stats.counts.items())),
        "namespaces": [{"name": name, "socketsCount": count} for name, count in stats.namespaces.items()],
    }
    return SERVER_STATS, (payload,)


def _aggregated(counted: tuple[tuple[int, str, str | None], int]) -> dict[str, Any]:
    (second, kind, subtype), count = counted
    event: dict[str, Any] = {"timestamp": second * 1000, "type": kind, "count": count}
    return event if subtype is None else {**event, "subType": subtype}


class SocketDetails(NamedTuple):
    """One connection, without anything that its client or user could be impersonated with.

    Args:
        id: Its id.
        client_id: The id of its session, for the page alone.
        transport: Its transport.
        namespace: Its namespace.
        user_id: The id of its user; empty where there is none.
        device: The client's name for its device.
        address: The peer's address.
        url: The path of its handshake.
        is_secure: Whether it uses TLS.
        opened_at: When it was opened, in seconds since 1970.
        rooms: The rooms that it is in.
    """

    id: str
    client_id: str
    transport: str
    namespace: str
    user_id: str
    device: str
    address: str
    url: str
    is_secure: bool
    opened_at: float
    rooms: Sequence[str]

    def payload(self) -> dict[str, Any]:
        """Return it as the page has it."""
        handshake = {
            "address": self.address,
            "headers": {},
            "query": {},
            "issued": round(self.opened_at * 1000),
            "secure": self.is_secure,
            "time": timestamp(self.opened_at),
            "url": self.url,
            "xdomain": False,
        }
        return {
            "id": self.id,
            "clientId": self.client_id,
            "transport": self.transport,
            "nsp": self.namespace,
            "data": {"userId": self.user_id, "device": self.device},
            "handshake": handshake,
            "rooms": list(self.rooms),
        }


def updated_item(namespace: str, connection_id: str, transport: str) -> Item:
    """Return `socket_updated` for a connection that has changed its transport."""
    return SOCKET_UPDATED, ({"id": connection_id, "nsp": namespace, "transport": transport},)


def event_arguments(event: str, args: Sequence[Any], *, is_secret: bool) -> list[Any]:
    """Return an event as the page shows it: bounded, and without secrets."""
    if is_secret:
        return [event, _HIDDEN]
    shown = _without_secrets(list(args), _MAX_NESTING)
    size = len(json.dumps(shown, default=str))
    return [event, *shown] if size <= _MAX_ARGUMENTS else [event, f"({size} characters)"]


def _without_secrets(value: Any, depth: int) -> Any:
    if depth == 0 and isinstance(value, Mapping | list | tuple):
        return "(nested)"
    if isinstance(value, Mapping):
        return {key: _HIDDEN if _is_secret(key) else _without_secrets(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(item, depth - 1) for item in value]
    return value


def _is_secret(key: object) -> bool:
    name = str(key).lower()
    return any(word in name for word in _SECRET_WORDS)


def timestamp(seconds: float) -> str:
    """Return a time as JavaScript's `Date` writes it in JSON."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def connected_items(sockets: Iterable[Mapping[str, Any]], at: str) -> list[Item]:
    """Return `socket_connected` for each of some connections."""
    return [(SOCKET_CONNECTED, (socket, at)) for socket in sockets]
