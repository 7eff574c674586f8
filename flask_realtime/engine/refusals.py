"""Requests that are refused, in the words of Node's server."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from flask_realtime.engine.socket import EngineSocket

PROTOCOL: Final = "4"


class Query(NamedTuple):
    """Parsed query string of a request."""

    transport: str
    sid: str | None
    protocol: str | None


@lru_cache(64)  # Most requests for a WebSocket have the same one.
def parse_query(query_string: str) -> Query:
    """Read a request's query string."""
    query = urllib.parse.parse_qs(query_string)
    return Query(query.get("transport", [""])[0], query.get("sid", [None])[0], ",".join(query.get("EIO", ())) or None)


@dataclass(frozen=True)
class Refusal:
    """Reason for a refusal, in the words of Node's server.

    Args:
        counted_as: Its code among the refusals that are counted.
        code: Node's number of it.
        message: Its words.
        status: The answer's status.
    """

    counted_as: str
    code: int
    message: str
    status: HTTPStatus = HTTPStatus.BAD_REQUEST

    @property
    def body(self) -> bytes:
        """The answer's body."""
        return json.dumps({"code": self.code, "message": self.message}, separators=(",", ":")).encode() if self.message else b""


UNKNOWN_TRANSPORT = Refusal("unknown_transport", 0, "Transport unknown")
UNKNOWN_SESSION = Refusal("unknown_session", 1, "Session ID unknown")
BAD_METHOD = Refusal("bad_method", 2, "Bad handshake method")
BAD_REQUEST = Refusal("bad_request", 3, "Bad request")
FORBIDDEN = Refusal("forbidden_origin", 4, "Forbidden", HTTPStatus.FORBIDDEN)
UNSUPPORTED_PROTOCOL = Refusal("unsupported_protocol", 5, "Unsupported protocol version")
TOO_LARGE = Refusal("too_large", 3, "", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def refusal_of(
    environ: Mapping[str, Any], query: Query, sockets: Mapping[str, EngineSocket], *, is_upgrade: bool
) -> Refusal | None:
    """Return why a request is refused, or None.

    Args:
        environ: The request's environment.
        query: What its query string says.
        sockets: The sessions.
        is_upgrade: Whether it asks for a WebSocket.
    """
    if query.sid is None:
        return _refusal_of_handshake(environ, query, is_upgrade=is_upgrade)
    if query.protocol not in {None, PROTOCOL}:
        return BAD_REQUEST
    socket = sockets.get(query.sid)
    if socket is None or socket.closed:
        return UNKNOWN_SESSION
    refused = _refusal_within(socket, query.transport, is_upgrade=is_upgrade)
    return refused or _refusal_of_body(environ, socket.max_post_size)


def _refusal_of_handshake(environ: Mapping[str, Any], query: Query, *, is_upgrade: bool) -> Refusal | None:
    if environ["REQUEST_METHOD"] != "GET":
        return BAD_METHOD
    if (query.transport == "websocket") != is_upgrade:
        return BAD_REQUEST
    return None if query.protocol == PROTOCOL else UNSUPPORTED_PROTOCOL


def _refusal_within(socket: EngineSocket, transport: str, *, is_upgrade: bool) -> Refusal | None:
    if is_upgrade:
        return None  # The session accepts and closes a WebSocket that it does not need.
    return BAD_REQUEST if transport != ("websocket" if socket.upgraded else "polling") else None


def _refusal_of_body(environ: Mapping[str, Any], max_size: int) -> Refusal | None:
    length = environ.get("CONTENT_LENGTH") or "0"
    return TOO_LARGE if length.isdigit() and int(length) > max_size else None
