"""Refusal of connections without a session: one response, the same from any process or thread."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import Any, Final
from uuid import uuid4

import simple_websocket

from flask_realtime.engine.handshake import asks_for_websocket, fault_of
from flask_realtime.engine.threads import accept, end_request

_SEPARATOR: Final = "\x1e"
_CLOSE: Final = "1"
_PATIENCE: Final = 1.0
"""Seconds in which a refused client has to disconnect; the server may have only this one thread."""

_MAX_MESSAGE_SIZE: Final = 16_384
"""Bytes of one message; the client sends its token, which is ignored."""


class StatelessRefusal:
    """Refuses every connection with a Socket.IO `connect_error`.

    A long-polling client gets the packet that opens a session and the one that refuses it in one response; what it sends to that
    session afterwards is acknowledged. A WebSocket is opened if the server exposes its connection, else answered with a status.

    Args:
        message: The error's message.
        cors_headers: Returns the headers that let a page of an allowed origin read the answer.
        code: The error's code.
    """

    def __init__(self, message: str, cors_headers: Callable[[Mapping[str, Any]], list[tuple[str, str]]], *, code: str) -> None:
        self._message = message
        self._refusal = "44" + json.dumps({"message": message, "data": {"code": code}}, separators=(",", ":"))
        self._cors_headers = cors_headers

    def __call__(self, environ: Mapping[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        query = urllib.parse.parse_qs(environ.get("QUERY_STRING", ""))
        if query.get("transport") == ["websocket"] or asks_for_websocket(environ):
            return self._refuse_websocket(environ, start_response, is_session="sid" in query)
        if environ["REQUEST_METHOD"] != "GET":
            return self._answer(environ, start_response, "ok")
        return self._answer(environ, start_response, _CLOSE if "sid" in query else _SEPARATOR.join(self._packets()))

    def _packets(self) -> tuple[str, str]:
        # An interval without pings: none will be sent.
        greeting = {"sid": uuid4().hex, "upgrades": [], "pingInterval": 25_000, "pingTimeout": 20_000, "maxPayload": 1_000_000}
        return "0" + json.dumps(greeting, separators=(",", ":")), self._refusal

    def _answer(self, environ: Mapping[str, Any], start_response: Any, body: str, status: str = "200 OK") -> Iterable[bytes]:
        data = body.encode()
        headers = [("Content-Type", "text/plain; charset=UTF-8"), ("Content-Length", str(len(data))), ("Cache-Control", "no-store")]
        start_response(status, headers + self._cors_headers(environ))
        return [data]

    def _refuse_websocket(self, environ: Mapping[str, Any], start_response: Any, *, is_session: bool) -> Iterable[bytes]:
        if is_session or not asks_for_websocket(environ) or fault_of(environ) is not None:
            return self._answer(environ, start_response, self._message, "400 Bad Request")
        opened = environ.get("wsgi.websocket")
        if opened is not None:  # gevent-websocket opens it before it calls the application.
            for packet in self._packets():
                opened.send(packet)
            opened.close()
            return []
        try:
            websocket = accept(environ, _MAX_MESSAGE_SIZE)
        except RuntimeError:  # The server does not expose the socket.
            return self._answer(environ, start_response, self._message, "501 Not Implemented")
        _say_goodbye(websocket, self._packets())
        return end_request(websocket, start_response)


def _say_goodbye(websocket: Any, packets: Iterable[str]) -> None:
    give_up_at = monotonic() + _PATIENCE
    try:
        for packet in packets:
            websocket.send(packet)
        # Closing at once could discard data that the client has not read yet.
        while (rest := give_up_at - monotonic()) > 0:
            websocket.receive(timeout=rest)
        websocket.close()
    except (simple_websocket.ConnectionClosed, OSError):
        pass
