"""WebSocket frames made and read by hand, on a plain or TLS socket: every byte of the wire, and its end, can be seen and sent."""

import base64
import json
import os
import socket
import ssl
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

SECONDS = 20.0
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
WEBSOCKET_QUERY = "EIO=4&transport=websocket"
MASK = b"\x01\x02\x03\x04"


class Frame(NamedTuple):
    """One frame of the server's."""

    opcode: int
    payload: bytes


class Ended(Exception):
    """The server ended the TCP connection."""


def masked_frame(opcode: int, payload: bytes = b"", *, fin: bool = True, reserved: int = 0) -> bytes:
    """A client's frame, its length in the shortest form."""
    size = len(payload)
    header = bytes([(0x80 if fin else 0) | reserved | opcode])
    if size <= 125:
        header += bytes([0x80 | size])
    elif size <= 0xFFFF:
        header += bytes([0x80 | 126]) + size.to_bytes(2, "big")
    else:
        header += bytes([0x80 | 127]) + size.to_bytes(8, "big")
    key = (MASK * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return header + MASK + masked.to_bytes(size, "big")


def upgrade_request(url: str, query: str = WEBSOCKET_QUERY, headers: Mapping[str, str] | None = None) -> bytes:
    """The HTTP request that opens a WebSocket."""
    fields = {
        "Host": urlsplit(url).netloc,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
        **(headers or {}),
    }
    lines = [f"GET /socket.io/?{query} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def poll_request(url: str, sid: str) -> bytes:
    """The HTTP request that waits for a session's packets."""
    return f"GET /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n\r\n".encode()


def open_tcp(url: str, *, receive_buffer: int | None = None) -> socket.socket:
    """A TCP connection to a server, with TLS (unverified) where its address says so.

    Args:
        url: The server's address.
        receive_buffer: Bytes that this side's kernel may hold, for a peer that reads slowly; the kernel's own choice by default.
    """
    parts = urlsplit(url)
    tcp = socket.socket()
    if receive_buffer is not None:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    tcp.settimeout(SECONDS)
    try:
        tcp.connect((parts.hostname, parts.port))
        return tcp if parts.scheme == "http" else unverified_tls().wrap_socket(tcp)
    except BaseException:
        tcp.close()
        raise


def trickle(tcp: socket.socket, byte: bytes) -> bytes:
    """Send a byte again and again until the server answers or ends, and return what it says; it must not wait for more."""
    tcp.settimeout(0.05)
    for _ in range(1000):
        tcp.sendall(byte)
        with suppress(TimeoutError):
            return tcp.recv(4096)
    msg = "the server went on waiting"
    raise AssertionError(msg)


def unverified_tls() -> ssl.SSLContext:
    """For tests whose authority nobody knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Wire:
    """A WebSocket connection.

    Args:
        url: The server's address.
        query: The query string of the handshake.
        headers: Further headers of the handshake, or others in the place of the usual ones.
        behind: Bytes sent in one piece with the handshake.
        receive_buffer: See `open_tcp`.
    """

    def __init__(
        self,
        url: str,
        query: str = WEBSOCKET_QUERY,
        *,
        headers: Mapping[str, str] | None = None,
        behind: bytes = b"",
        receive_buffer: int | None = None,
    ) -> None:
        self.tcp = open_tcp(url, receive_buffer=receive_buffer)
        self._received = b""
        try:
            self.send_bytes(upgrade_request(url, query, headers) + behind)
            head = self._until(b"\r\n\r\n").decode().split("\r\n")
        except BaseException:
            self.close()
            raise
        self.status = int(head[0].split()[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}

    # Sending ------------------------------------------------------------------------------------------

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.tcp.sendall(data)

    def send_frame(self, opcode: int, payload: bytes = b"", *, fin: bool = True) -> None:
        """Send one frame."""
        self.send_bytes(masked_frame(opcode, payload, fin=fin))

    def send(self, *packets: str) -> None:
        """Send packets, a text frame each, in one piece."""
        self.send_bytes(b"".join(masked_frame(TEXT, packet.encode()) for packet in packets))

    # Receiving ----------------------------------------------------------------------------------------

    def frame(self) -> Frame:
        """The next frame.

        Raises:
            Ended: There is none, the connection is over.
        """
        first, second = self._exactly(2)
        assert first & 0xF0 == 0x80, "a server's frames are whole and have no reserved bits"
        assert not second & 0x80, "a server's frames are not masked"
        size = second
        if size >= 126:
            size = int.from_bytes(self._exactly(2 if size == 126 else 8), "big")
            assert size > (125 if second == 126 else 0xFFFF), "a length in the shortest form"
        return Frame(first & 0x0F, self._exactly(size))

    def packet(self) -> str | bytes:
        """The next packet, pings too; frames of the WebSocket's own are left out, but for CLOSE.

        Raises:
            Ended: There is none, the WebSocket is closed.
        """
        while True:
            opcode, payload = self.frame()
            if opcode == TEXT:
                return payload.decode()
            if opcode == BINARY:
                return payload
            if opcode == CLOSE:
                raise Ended(payload)

    def receive(self) -> str | bytes:
        """The next packet that is no ping; pings are answered."""
        while (packet := self.packet()) == "2":
            self.send("3")
        return packet

    def text(self) -> str:
        """The next packet that is no ping, which must be text."""
        packet = self.receive()
        assert isinstance(packet, str)
        return packet

    def receive_until(self, start: str) -> str:
        """The next packet that begins with ``start``, skipping others."""
        while True:
            packet = self.receive()
            if isinstance(packet, str) and packet.startswith(start):
                return packet

    def receive_until_ping(self) -> bool:
        """Skip packets until the server's next ping, which is left unanswered."""
        while self.packet() != "2":
            pass
        return True

    def packets_until_closed(self) -> set[str | bytes]:
        """Read on until the server closes the WebSocket, and return what came before."""
        packets: set[str | bytes] = set()
        with suppress(Ended):
            while True:
                packets.add(self.packet())
        return packets

    def wait_until_closed(self) -> None:
        """Read on until the server closes the WebSocket, and let no answer to an event come before."""
        assert not any(isinstance(packet, str) and packet.startswith("43") for packet in self.packets_until_closed())

    def rest(self) -> bytes:
        """Everything until the end of the TCP connection, as it is."""
        with suppress(Ended):
            while True:
                self._read()
        return self._received

    def close_code(self) -> int | None:
        """Read on until the server closes the WebSocket, and return its close code; None for one without, or a cut."""
        with suppress(Ended):
            while True:
                opcode, payload = self.frame()
                if opcode == CLOSE:
                    return int(struct.unpack("!H", payload[:2])[0]) if payload else None
        return None

    def wait_until_gone(self) -> None:
        """Read on until the TCP connection is over.

        Raises:
            TimeoutError: It is not.
        """
        self.rest()

    # Socket.IO ----------------------------------------------------------------------------------------

    def opening(self) -> dict[str, Any]:
        """The handshake in the OPEN packet, which must come next."""
        packet = self.text()
        assert packet[0] == "0"
        handshake: dict[str, Any] = json.loads(packet[1:])
        return handshake

    def enter(self, token: str) -> str:
        """Read OPEN, send CONNECT, and return the answer."""
        self.opening()
        self.send("40" + json.dumps({"token": token}))
        return self.receive_until("4")

    def call(self, number: int, event: str, *args: Any) -> Any:
        """Send an event with a callback and return the callback's first argument."""
        self.send(f"42{number}{json.dumps([event, *args])}")
        return json.loads(self.receive_until(f"43{number}[")[2 + len(str(number)) :])[0]

    # Ending -------------------------------------------------------------------------------------------

    def half_close(self) -> None:
        """Say that nothing more will be sent."""
        self.tcp.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Cut the connection with a TCP reset."""
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.tcp.close()

    def close(self) -> None:
        """Close the TCP connection without a word."""
        self.tcp.close()

    # Bytes --------------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            data = self.tcp.recv(262_144)
        except (ConnectionError, ssl.SSLError) as error:
            raise Ended from error
        if not data:
            raise Ended
        self._received += data

    def _exactly(self, size: int) -> bytes:
        while len(self._received) < size:
            self._read()
        data, self._received = self._received[:size], self._received[size:]
        return data

    def _until(self, end: bytes) -> bytes:
        while end not in self._received:
            self._read()
        data, _, self._received = self._received.partition(end)
        return data
