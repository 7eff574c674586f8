"""Socket.IO packets as they are on the wire, in the application's own process: long polling, a packet at a time."""

from __future__ import annotations

import json
from base64 import b64encode
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from flask import Flask
from flask_jwt_extended import create_access_token
from werkzeug.test import Client

from flask_realtime.extension import gateway_of

SECONDS = 10.0
SEPARATOR = "\x1e"


class Wire:
    """One session, which sends and receives whatever a test says.

    Args:
        app: The application.
        environ: What else the WSGI environment of its requests has.
    """

    def __init__(self, app: Flask, **environ: str) -> None:
        self._app = app
        self._environ = environ
        self._http = Client(app.wsgi_app, use_cookies=False)
        self._untaken: deque[str] = deque()
        self._url = "/socket.io/?EIO=4&transport=polling"
        answer = self._http.get(self._url, environ_overrides=environ)
        assert answer.status_code == 200, answer.text
        self._url += f"&sid={json.loads(answer.text[1:])['sid']}"
        self.is_closed = False

    def send(self, *packets: str | bytes) -> None:
        """Send packets in one request."""
        encoded = (f"4{packet}" if isinstance(packet, str) else f"b{b64encode(packet).decode()}" for packet in packets)
        with suppress(KeyError):  # That is how python-engineio answers for a session that has ended.
            self._http.post(self._url, data=SEPARATOR.join(encoded).encode(), environ_overrides=self._environ)

    def receive(self) -> str:
        """Return the next packet; the end of the session is an `EOFError`."""
        while not self._untaken:
            if self.is_closed:
                raise EOFError
            self._poll()
        return self._untaken.popleft()

    def receive_until(self, *starts: str) -> str:
        """Return the next packet that starts with one of some texts."""
        while not (packet := self.receive()).startswith(starts):
            pass
        return packet

    def until_closed(self) -> list[str]:
        """Return all packets that still come before the session ends."""
        packets = []
        while True:
            try:
                packets.append(self.receive())
            except EOFError:
                return packets

    def enter(self, user_id: str, namespace: str = "", **auth: Any) -> str:
        """Send CONNECT with a token, and return the answer."""
        self.send(self.connect_packet(user_id, namespace, **auth))
        return self.receive_until("0", "4")

    def connect_packet(self, user_id: str, namespace: str = "", **auth: Any) -> str:
        """Return a CONNECT packet with a good token."""
        with self._app.app_context():
            token = create_access_token(user_id)
        return f"0{namespace and namespace + ','}" + json.dumps({"token": token, **auth})

    def call(self, event: str, *args: Any, namespace: str = "") -> Any:
        """Send an event with a callback, and return what the callback gets."""
        place = namespace and namespace + ","
        self.send(f"2{place}77" + json.dumps([event, *args]))
        answer = json.loads(self.receive_until(f"3{place}77").removeprefix(f"3{place}77"))
        return answer[0] if len(answer) == 1 else answer

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Let the server work until something is so."""
        deadline = monotonic() + SECONDS
        while not condition():
            assert monotonic() < deadline, "it did not come about in time"
            gateway_of(self._app).concurrency.sleep(0.005)

    def end(self) -> None:
        """Have the server end the session, as when it notices that the client is gone."""
        session_id = self._url.rpartition("=")[2]
        self._app.extensions["socketio"].server.eio.sockets[session_id].close(wait=False)

    def _poll(self) -> None:
        answer = self._http.get(self._url, environ_overrides=self._environ)
        packets = answer.text.split(SEPARATOR) if answer.status_code == 200 else ["1"]
        self.is_closed = "1" in packets
        self._untaken.extend(packet[1:] for packet in packets if packet.startswith("4"))
