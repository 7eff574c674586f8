"""Packets as they are on the wire, for what no well-behaved client sends."""

import json
from typing import Any

import requests
import websocket

SECONDS = 30.0
SEPARATOR = "\x1e"


class RawSocket:
    """A WebSocket that speaks Engine.IO by hand; it answers pings while it waits for something else.

    Args:
        url: The server's HTTP address.
        origin: The page that the handshake says it comes from; none by default.
        headers: Further headers of the handshake.

    Raises:
        ConnectionRefusedError: The server took the WebSocket and closed it at once.
    """

    def __init__(self, url: str, *, origin: str | None = None, headers: dict[str, str] | None = None) -> None:
        address = url.replace("http", "ws", 1) + "/socket.io/?EIO=4&transport=websocket"
        options = {"origin": origin} if origin else {"suppress_origin": True}
        self._socket = websocket.create_connection(address, timeout=SECONDS, header=headers or {}, **options)
        opening = self.receive()
        if not opening:
            self.close()
            raise ConnectionRefusedError("the server closed without an opening packet")
        self.handshake = json.loads(opening[1:])

    def enter(self, token: str, **auth: Any) -> str:
        """Send CONNECT, with more than the token where there is more, and return the server's answer."""
        self.send("40" + json.dumps({"token": token, **auth}))
        return self.receive()

    def send(self, packet: str) -> None:
        """Send one text frame."""
        self._socket.send(packet)

    def send_any(self, packet: str | bytes) -> None:
        """Send one frame, binary for bytes."""
        if isinstance(packet, bytes):
            self._socket.send_binary(packet)
        else:
            self._socket.send(packet)

    def send_many(self, packet: str, count: int) -> None:
        """Send the same text frame ``count`` times, as fast as the server reads."""
        for _ in range(count):
            self._socket.send(packet)

    def send_fragment(self, text: str, *, first: bool) -> None:
        """Send a part of a message that more parts follow."""
        opcode = websocket.ABNF.OPCODE_TEXT if first else websocket.ABNF.OPCODE_CONT
        self._socket.send_frame(websocket.ABNF.create_frame(text, opcode, fin=0))

    def send_frame_header(self, length: int) -> None:
        """Announce a text frame of ``length`` bytes, and send none of them."""
        assert self._socket.sock is not None
        self._socket.sock.sendall(bytes([0x81, 0xFF]) + length.to_bytes(8, "big") + bytes(4))

    def receive(self) -> str:
        """The next packet that is not a ping; the empty text where the server closed."""
        packet = self.receive_raw()
        while packet == "2":
            self.send("3")
            packet = self.receive_raw()
        return packet

    def receive_raw(self) -> str:
        """The next packet, pings too; the empty text where the server closed."""
        try:
            packet = self._socket.recv()
        except (websocket.WebSocketConnectionClosedException, ConnectionError):
            return ""
        return packet if isinstance(packet, str) else packet.decode()

    def receive_until(self, start: str) -> str:
        """The next packet that begins with ``start``, skipping others."""
        packet = self.receive()
        while not packet.startswith(start):
            assert packet, f"closed before a packet {start!r}"
            packet = self.receive()
        return packet

    def call(self, number: int, event: str, *args: Any) -> Any:
        """Send an event with a callback and return the callback's first argument."""
        self.send(f"42{number}{json.dumps([event, *args])}")
        return json.loads(self.receive_until(f"43{number}[")[2 + len(str(number)) :])[0]

    def close(self) -> None:
        """Close the socket without a word; ``close()`` would leave it open where the server spoke first."""
        self._socket.shutdown()  # type: ignore[no-untyped-call] # websocket-client's only untyped method


class RawPolling:
    """A long-polling session that speaks Engine.IO by hand.

    Args:
        url: The server's HTTP address.
        headers: Headers of every request.
    """

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        self._http = requests.Session()
        self._http.headers.update(headers or {})
        self._address = url + "/socket.io/"
        self._params = {"EIO": "4", "transport": "polling"}
        (handshake,) = self.poll()
        self.handshake = json.loads(handshake[1:])
        self._params["sid"] = self.handshake["sid"]

    def post(self, *packets: str) -> requests.Response:
        """Send packets in one request."""
        return self.post_body(SEPARATOR.join(packets).encode())

    def post_body(self, body: bytes) -> requests.Response:
        """Send a body as it is."""
        return self._http.post(self._address, params=self._params, data=body, timeout=SECONDS)

    def poll(self) -> list[str]:
        """Wait for the next packets."""
        answer = self._http.get(self._address, params=self._params, timeout=SECONDS)
        answer.raise_for_status()
        return answer.text.split(SEPARATOR)

    def receive_until(self, start: str) -> list[str]:
        """Poll until a packet begins with ``start`` and return all that came, pings left out."""
        packets: list[str] = []
        while not any(packet.startswith(start) for packet in packets):
            for packet in self.poll():
                if packet == "2":
                    self.post("3")
                else:
                    packets.append(packet)
        return packets

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()
