"""Refusal of connections without a session: one response, the same from any process or thread."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, Final
from uuid import uuid4

import gevent
import simple_websocket

from flask_realtime.engine.handshake import asks_for_websocket, fault_of
from flask_realtime.engine.threads import accept, end_request

_SEPARATOR: Final = "\x1e"
_CLOSE: Final = "1"
_CONNECT: Final = "40"
_REFUSED: Final = "refused-"
"""Beginning of the ids of sessions, of which no process knows anything else."""

_PATIENCE: Final = 1.0
"""Seconds in which a refused client has to disconnect; the server may have only this one thread."""

_MAX_MESSAGE_SIZE: Final = 16_384
"""Bytes of one message; the client sends its token, which is ignored."""


class StatelessRefusal:
    """Refuses every connection with a Socket.IO `connect_error`.

    A long-polling client gets the packet that opens a session and the one that refuses it in one response; what it sends to that
    session afterwards is acknowledged. If it polls nevertheless, it wants other namespaces than the default one. The request that
    names them may reach another process, so all that there are are refused; clients ignore those that they did not ask for.
    A WebSocket is opened if the server exposes its connection, else answered with a status.

    Args:
        message: The error's message.
        cors_headers: Returns the headers that let a page of an allowed origin read the answer.
        code: The error's code.
        namespaces: Returns the namespaces that there are beside the default one.
    """

    def __init__(
        self,
        message: str,
        cors_headers: Callable[[Mapping[str, Any]], list[tuple[str, str]]],
        *,
        code: str,
        namespaces: Callable[[], Iterable[str]],
    ) -> None:
        self._message = message
        self._refusal = json.dumps({"message": message, "data": {"code": code}}, separators=(",", ":"))
        self._cors_headers = cors_headers
        self._namespaces = namespaces

    def __call__(self, environ: Mapping[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        query = urllib.parse.parse_qs(environ.get("QUERY_STRING", ""))
        if query.get("transport") == ["websocket"] or asks_for_websocket(environ):
            return self._refuse_websocket(environ, start_response, is_session="sid" in query)
        if environ["REQUEST_METHOD"] != "GET":
            return self._answer(environ, start_response, "ok")
        if "sid" in query:
            packets = [*map(self._refusal_in, self._namespaces()), _CLOSE]
        else:
            packets = [self._greeting(), self._refusal_in("")]
        return self._answer(environ, start_response, _SEPARATOR.join(packets))

    @staticmethod
    def is_refused(sid: str) -> bool:
        """Return whether a session's id is one that a refusal gave."""
        return sid.startswith(_REFUSED)

    def _refusal_in(self, namespace: str) -> str:
        return f"44{namespace},{self._refusal}" if namespace else f"44{self._refusal}"

    @staticmethod
    def _greeting() -> str:
        # An interval without pings: none will be sent.
        sid = f"{_REFUSED}{uuid4().hex}"
        greeting = {"sid": sid, "upgrades": [], "pingInterval": 25_000, "pingTimeout": 20_000, "maxPayload": 1_000_000}
        return "0" + json.dumps(greeting, separators=(",", ":"))

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
            with suppress(OSError):
                self._say_no(opened.send, lambda rest: gevent.with_timeout(rest, opened.receive, timeout_value=None))
            opened.close()
            return []
        try:
            websocket = accept(environ, _MAX_MESSAGE_SIZE)
        except RuntimeError:  # The server does not expose the socket.
            return self._answer(environ, start_response, self._message, "501 Not Implemented")
        with suppress(simple_websocket.ConnectionClosed, OSError):
            self._say_no(websocket.send, websocket.receive)
            websocket.close()
        return end_request(websocket, start_response)

    def _say_no(self, send: Callable[[str], object], receive: Callable[[float], object]) -> None:
        """Refuse each namespace that a client asks for, until it goes or has had its time."""
        give_up_at = monotonic() + _PATIENCE
        send(self._greeting())
        # Closing at once could discard data that the client has not read yet.
        while (rest := give_up_at - monotonic()) > 0:
            message = receive(rest)
            if message is None:
                return
            if isinstance(message, str) and message.startswith(_CONNECT):
                send(self._refusal_in(_namespace_of(message)))


def _namespace_of(connect: str) -> str:
    rest = connect[len(_CONNECT) :]
    return rest.partition(",")[0] if rest.startswith("/") else ""
