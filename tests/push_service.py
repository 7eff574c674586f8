"""A push service that a test runs, and browsers that subscribe there: what is sent is verified and decrypted as browsers do."""

from __future__ import annotations

import json
import os
import ssl
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import http_ece
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.e2e.servers import poll

PRIVATE_KEY = "x2pJ0TY6S3rJ9yF8r4kL1mN5oQ7uV0wZ2bC4dE6fG8h"
CONTACT = "mailto:ops@example.org"
SECONDS = 30.0


def base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Received:
    """A message, as the push service got it."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Browser:
    """A browser that is subscribed at a push service.

    Args:
        service: The push service.
        name: A name of its own, for the path of its endpoint.
    """

    def __init__(self, service: PushServer, name: str) -> None:
        self._service = service
        self._path = f"/push/{name}"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._secret = os.urandom(16)

    @property
    def endpoint(self) -> str:
        """The URL to which its messages are sent."""
        return self._service.url + self._path

    @property
    def keys(self) -> dict[str, str]:
        """The keys of its subscription."""
        point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {"p256dh": base64(point), "auth": base64(self._secret)}

    @property
    def subscription(self) -> dict[str, Any]:
        """Its subscription, as `PushSubscription.toJSON()` has it."""
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": self.keys}

    def answers(self, *statuses: int) -> None:
        """Let the push service answer messages for it with these, one after the other, and the last one for good."""
        self._service.statuses[self._path] = list(statuses)

    @property
    def requests(self) -> list[Received]:
        """What was sent to it, whatever the answer."""
        return [received for received in self._service.received if received.path == self._path]

    @property
    def messages(self) -> list[Any]:
        """What it could decrypt of that."""
        return [json.loads(self.decrypted(received)) for received in self.requests]

    def decrypted(self, received: Received) -> bytes:
        """Decrypt a message."""
        assert received.headers["Content-Encoding"] == "aes128gcm"
        decrypted: bytes = http_ece.decrypt(received.body, private_key=self._key, auth_secret=self._secret, version="aes128gcm")
        return decrypted

    def wait_for_messages(self, count: int) -> list[Any]:
        """Wait until so many were sent."""
        assert poll(lambda: len(self.requests) >= count, SECONDS), f"{len(self.requests)} of {count} messages came"
        return self.messages


@dataclass
class PushServer:
    """A push service.

    Args:
        url: Its origin.
        received: What was sent to it, in order.
        statuses: The answers for each path; 201 where there are none.
    """

    url: str = ""
    received: list[Received] = field(default_factory=list)
    statuses: dict[str, list[int]] = field(default_factory=dict)

    def status_for(self, path: str) -> int:
        statuses = self.statuses.get(path, [201])
        return statuses.pop(0) if len(statuses) > 1 else statuses[0]

    def claims(self, received: Received, public_key: str) -> dict[str, Any]:
        """Verify who signed a message, and return what was signed."""
        scheme, _, values = received.headers["Authorization"].partition(" ")
        parts = dict(part.strip().split("=", 1) for part in values.split(","))
        assert (scheme, parts["k"]) == ("vapid", public_key)
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), from_base64(parts["k"]))
        claims: dict[str, Any] = jwt.decode(parts["t"], key, algorithms=["ES256"], audience=self.url)
        return claims


@contextmanager
def push_server(context: ssl.SSLContext | None = None) -> Iterator[PushServer]:
    """Run a push service.

    Args:
        context: Its certificate; None for plain HTTP.
    """
    service = PushServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            service.received.append(Received(self.path, dict(self.headers.items()), body))
            self.send_response(service.status_for(self.path))
            self.send_header("Location", f"{service.url}/elsewhere")
            self.end_headers()

        def log_message(self, *_args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    host = "localhost" if context is not None else "127.0.0.1"
    service.url = f"{'http' if context is None else 'https'}://{host}:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
