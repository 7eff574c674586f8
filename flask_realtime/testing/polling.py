"""Long polling of a test client, through the application's WSGI interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engineio import packet as eio
from engineio.payload import Payload
from flask import Flask
from socketio import packet as sio
from werkzeug.test import Client

from flask_realtime.errors import ConnectionRefused
from flask_realtime.extension import gateway_of

_OK = 200


class PollingConnection:
    """A connection that is opened on creation, and polls in a greenlet or thread until it is closed.

    Args:
        app: The application.
        headers: Headers of its requests.
        receive: Handles Socket.IO packets, with their attachments, in order.

    Raises:
        ConnectionRefused: The server refused to open a session.
    """

    def __init__(self, app: Flask, headers: Mapping[str, str], receive: Callable[[sio.Packet], None]) -> None:
        gateway = gateway_of(app)
        self._http = Client(app.wsgi_app, use_cookies=False)
        self._headers = dict(headers)
        self._receive = receive
        self._incomplete: sio.Packet | None = None
        url = f"{gateway.path}?EIO=4&transport=polling"
        (handshake, *_) = self._get(url)
        self._url = f"{url}&sid={handshake.data['sid']}"
        self.is_open = True
        gateway.concurrency.start_background_task(self._poll)

    def send(self, packet: sio.Packet) -> None:
        """Send a Socket.IO packet."""
        encoded = packet.encode()
        self._post([eio.Packet(eio.MESSAGE, part) for part in (encoded if isinstance(encoded, list) else [encoded])])

    def send_body(self, body: str | bytes) -> None:
        """Send the body of a POST as it is."""
        self._http.post(self._url, data=body, headers=self._headers)

    def close(self, last: sio.Packet) -> None:
        """Send a last packet, and close."""
        self.is_open = False
        self._post([eio.Packet(eio.MESSAGE, last.encode()), eio.Packet(eio.CLOSE)])

    def _post(self, packets: list[eio.Packet]) -> None:
        self.send_body(Payload(packets).encode())

    def _get(self, url: str) -> list[eio.Packet]:
        response = self._http.get(url, headers=self._headers)
        text = response.get_data(as_text=True)
        if response.status_code != _OK:
            raise ConnectionRefused(text, code="handshake_refused")
        packets: list[eio.Packet] = Payload(encoded_payload=text).packets
        return packets

    def _poll(self) -> None:
        try:
            while self.is_open:
                for packet in self._get(self._url):
                    self._handle(packet)
        except ConnectionRefused:
            pass  # The session has ended.
        finally:
            self.is_open = False

    def _handle(self, packet: eio.Packet) -> None:
        if packet.packet_type == eio.PING:
            self._post([eio.Packet(eio.PONG)])
        elif packet.packet_type == eio.CLOSE:
            self.is_open = False
        elif packet.packet_type == eio.MESSAGE:
            self._message(packet.data)

    def _message(self, data: str | bytes) -> None:
        packet = self._incomplete
        if packet is None:
            packet = sio.Packet(encoded_packet=data)
            is_complete = not packet.attachment_count
        else:
            is_complete = packet.add_attachment(data)
        self._incomplete = None if is_complete else packet
        if is_complete:
            self._receive(packet)
