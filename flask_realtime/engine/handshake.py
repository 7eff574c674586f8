"""The opening handshake of a WebSocket, RFC 6455, section 4."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY: Final = re.compile(r"[+/0-9A-Za-z]{22}==")
_PROTOCOLS: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")
_VERSIONS: Final = ("13", "8")
_ANSWER: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n%b\r\n"
)


class Fault(NamedTuple):
    """A fault in a handshake, in the words of Node's WebSocket server."""

    status: HTTPStatus
    message: str
    headers: tuple[tuple[str, str], ...] = ()

    def start(self) -> tuple[str, list[tuple[str, str]]]:
        """Return the status and headers of the response, after which the connection is closed."""
        length = str(len(self.message.encode()))
        headers = [("Content-Type", "text/html"), ("Content-Length", length), ("Connection", "close"), *self.headers]
        return f"{self.status.value} {self.status.phrase}", headers


BAD_REQUEST: Final = Fault(HTTPStatus.BAD_REQUEST, "Bad request")
_BAD_METHOD: Final = Fault(HTTPStatus.METHOD_NOT_ALLOWED, "Invalid HTTP method")
_BAD_KEY: Final = Fault(HTTPStatus.BAD_REQUEST, "Missing or invalid Sec-WebSocket-Key header")
_BAD_PROTOCOL: Final = Fault(HTTPStatus.BAD_REQUEST, "Invalid Sec-WebSocket-Protocol header")
_BAD_VERSION: Final = Fault(
    HTTPStatus.BAD_REQUEST,
    "Missing or invalid Sec-WebSocket-Version header",
    (("Sec-WebSocket-Version", ", ".join(_VERSIONS)),),
)


def asks_for_websocket(environ: Mapping[str, Any]) -> bool:
    """Return whether a request asks for a WebSocket, correctly or not."""
    return environ.get("HTTP_UPGRADE", "").lower() == "websocket" and "upgrade" in environ.get("HTTP_CONNECTION", "").lower()


def fault_of(environ: Mapping[str, Any]) -> Fault | None:
    """Return the fault in a handshake, or None."""
    if environ["REQUEST_METHOD"] != "GET":
        return _BAD_METHOD
    if _KEY.fullmatch(environ.get("HTTP_SEC_WEBSOCKET_KEY", "")) is None:
        return _BAD_KEY
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION") not in _VERSIONS:
        return _BAD_VERSION
    protocols = environ.get("HTTP_SEC_WEBSOCKET_PROTOCOL")
    return None if protocols is None or _PROTOCOLS.fullmatch(protocols) else _BAD_PROTOCOL


def answer_to(environ: Mapping[str, Any]) -> bytes:
    """Return the response to a valid handshake; it selects the first subprotocol."""
    key = environ["HTTP_SEC_WEBSOCKET_KEY"].encode()
    accepted = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    protocol = environ.get("HTTP_SEC_WEBSOCKET_PROTOCOL", "").partition(",")[0].rstrip()
    return _ANSWER % (accepted, f"Sec-WebSocket-Protocol: {protocol}\r\n".encode() if protocol else b"")
