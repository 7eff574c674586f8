"""A client at one end of a socket pair, on which a session opens a WebSocket."""

from __future__ import annotations

from socket import socket

SECONDS = 10.0


class WebSocketClient:
    """A client, whose frames are masked with zeros.

    Args:
        sock: Its end.
        server: The server's end.
    """

    def __init__(self, sock: socket, server: socket) -> None:
        self.sock, self.server = sock, server
        self.sock.settimeout(SECONDS)

    def send(self, data: str | bytes) -> None:
        """Send a message."""
        if isinstance(data, str):
            self.send_frame(1, data.encode())
        else:
            self.send_frame(2, data)

    def send_frame(self, opcode: int, data: bytes) -> None:
        """Send a frame."""
        size = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0xFE]) + len(data).to_bytes(2, "big")
        self.sock.sendall(bytes([0x80 | opcode]) + size + bytes(4) + data)

    def read_frame(self) -> tuple[int, bytes]:
        """Read a frame, and return its opcode and payload."""
        first, size = self._read(2)
        if size == 126:
            size = int.from_bytes(self._read(2), "big")
        return first & 0xF, self._read(size)

    def expect(self, frames: bytes) -> None:
        """Read exactly that."""
        assert self._read(len(frames)) == frames

    def expect_handshake(self) -> None:
        """Read the answer that accepts the WebSocket."""
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += self.sock.recv(1)
        assert answer.startswith(b"HTTP/1.1 101 ")

    def expect_end(self, frames: bytes = b"") -> None:
        """Read that, and then the end."""
        self.expect(frames)
        assert self.sock.recv(1) == b""

    def close(self) -> None:
        """Close both ends."""
        self.sock.close()
        self.server.close()

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (piece := self.sock.recv(size - len(data))):
            data += piece
        return data
