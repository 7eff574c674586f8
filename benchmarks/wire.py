"""What the load programs in Python put on a connection, and read from it."""

import socket
import struct
import time
import uuid
from typing import Final

import jwt

from benchmarks.servers import KEY

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
"""The opcodes of WebSocket frames."""

NORMAL_CLOSURE: Final = struct.pack("!H", 1000)
CONNECT_SECONDS: Final = 10.0
TOKEN_SECONDS: Final = 6 * 3600
_SHORT_HEAD: Final = 2  # bytes before the payload of a short frame of the server's, which is not masked
_LENGTHS: Final = {126: (4, "!H"), 127: (10, "!Q")}
_MASK: Final = b"\x01\x02\x03\x04"


def connect(port: int) -> socket.socket:
    """Open a connection to a server on this machine; it never blocks."""
    tcp = socket.create_connection(("127.0.0.1", port), timeout=CONNECT_SECONDS)
    tcp.settimeout(0)
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return tcp


def upgrade_request(port: int, session: str = "") -> bytes:
    """The request that begins a WebSocket.

    Args:
        port: The server's.
        session: The id of the long-polling session that is upgraded, or nothing.
    """
    path = f"/socket.io/?EIO=4&transport=websocket{session and '&sid=' + session}"
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
    key = "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\nSec-WebSocket-Version: 13\r\n"
    return f"{head}Connection: Upgrade\r\n{key}\r\n".encode()


def request(port: int, path: str, body: str | None = None) -> bytes:
    """A request for a path: a GET, or a POST of JSON."""
    head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    encoded = (body or "").encode()
    length = "" if body is None else f"Content-Type: application/json\r\nContent-Length: {len(encoded)}\r\n"
    return f"{head}{length}\r\n".encode() + encoded


def content_length(head: bytes) -> int:
    """How long the body of an answer is."""
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return int(value)
    return 0


def frame(opcode: int, payload: bytes) -> bytes:
    """A client's frame of less than 64 KiB."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < min(_LENGTHS) else b"\xfe" + size.to_bytes(2, "big")
    key = (_MASK * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return bytes([0x80 | opcode]) + length + _MASK + masked.to_bytes(size, "big")


def frames(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Take a server's frames apart.

    Returns:
        The opcode and the payload of each, and the bytes of one that is not here in full.
    """
    found, start = [], 0
    while len(data) - start >= (size := _head(data, start)):
        end = start + size + _payload_length(data, start, size)
        if len(data) < end:
            break
        found.append((data[start] & 0x0F, data[start + size : end]))
        start = end
    return found, data[start:]


def token(user_id: str) -> str:
    """An access token, as Flask-JWT-Extended makes it."""
    now = int(time.time())
    claims = {"fresh": False, "iat": now, "nbf": now, "exp": now + TOKEN_SECONDS, "type": "access"}
    return jwt.encode({**claims, "sub": user_id, "jti": str(uuid.uuid4())}, KEY, "HS256")


def _head(data: bytes, start: int) -> int:
    if len(data) - start < _SHORT_HEAD:
        return _SHORT_HEAD
    return _LENGTHS.get(data[start + 1] & 0x7F, (_SHORT_HEAD, ""))[0]


def _payload_length(data: bytes, start: int, head: int) -> int:
    short = data[start + 1] & 0x7F
    if short not in _LENGTHS:
        return short
    return int(struct.unpack(_LENGTHS[short][1], data[start + 2 : start + head])[0])
