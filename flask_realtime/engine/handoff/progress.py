"""Handover messages between processes about a client's connection, and the connection as the receiver sees it."""

from __future__ import annotations

import os
import struct
from typing import Any, Final, NamedTuple

import gevent.socket
import orjson

_SIZES: Final = struct.Struct("!II")


class Progress(NamedTuple):
    """The state of a process's handling of a connection.

    Args:
        received: The bytes that it has read: the head of an unanswered request, and whatever followed.
        address: The client's address, as seen by the server that accepted the connection.
        is_answered: Whether the answer to a WebSocket's handshake has been sent already.
        session_id: The session that the request is for.
    """

    received: bytes
    address: Any
    is_answered: bool
    session_id: str

    def encode(self) -> bytes:
        """Encode it as a message."""
        about = orjson.dumps([self.address, *self[2:]], default=os.fsdecode)
        return _SIZES.pack(len(about), len(self.received)) + about + self.received

    @classmethod
    def decode(cls, data: bytes) -> Progress | None:
        """Read a message.

        Args:
            data: The received bytes; those after the message belong to the data received from the client.

        Returns:
            The state; None if the message is incomplete.
        """
        if len(data) < _SIZES.size:
            return None
        about_size, received_size = _SIZES.unpack_from(data)
        received_at = _SIZES.size + about_size
        if len(data) < received_at + received_size:
            return None
        address, *others = orjson.loads(data[_SIZES.size : received_at])
        return cls(data[received_at:], tuple(address) if isinstance(address, list) else address, *others)


class ResumedSocket(gevent.socket.socket):
    """A connection that another process has read from: the bytes that it read come first.

    Args:
        fd: The connection's descriptor.
        progress: The state of the other process's handling.
    """

    def __init__(self, fd: int, progress: Progress) -> None:
        super().__init__(fileno=fd)
        self._received = memoryview(progress.received)
        self.is_answered = progress.is_answered
        self.session_id = progress.session_id

    def recv_into(self, buffer: Any, *args: Any) -> int:
        """Receive into a buffer; a handler's reader uses only this."""
        if not self._received:
            return super().recv_into(buffer, *args)
        size = min(len(buffer), len(self._received))
        buffer[:size] = self._received[:size]
        self._received = self._received[size:]
        return size


def progress_of(handler: Any, session_id: str) -> Progress:
    """Return the state of a WSGI handler's request for a session, without consuming the bytes that it has read."""
    lines = [handler.requestline, "\r\n", *handler.headers.headers, "\r\n"]
    head = "".join(lines).encode("latin-1")
    return Progress(head + _read_ahead(handler), handler.client_address, bool(handler.headers_sent), session_id)


def _read_ahead(handler: Any) -> bytes:
    sock = handler.socket
    timeout = sock.gettimeout()
    sock.settimeout(0)
    try:
        return bytes(handler.rfile.peek())
    except OSError:
        return b""
    finally:
        sock.settimeout(timeout)
