"""Engine.IO server: python-engineio's, with this package's sessions, heartbeat and refusals."""

from __future__ import annotations

import json
import math
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from http import HTTPStatus
from random import random, shuffle
from time import monotonic
from typing import Any, Final, NamedTuple, Protocol

import engineio
import gevent
from engineio import packet as eio

from flask_realtime.engine.concurrency import Greenlets
from flask_realtime.engine.drain import SHUTTING_DOWN, plan_batches
from flask_realtime.engine.handler import EngineHandler
from flask_realtime.engine.handoff.handoff import Handoff
from flask_realtime.engine.handshake import Fault, asks_for_websocket, fault_of
from flask_realtime.engine.heartbeat import Heartbeat
from flask_realtime.engine.installing import FirstRequest, change_handler, handler_of
from flask_realtime.engine.limits import EngineLimits
from flask_realtime.engine.shutdown import Shutdown
from flask_realtime.engine.socket import EngineSocket
from flask_realtime.engine.takeover import UPGRADE, Upgrade

PROTOCOL: Final = "4"
DRAIN_LIMIT: Final = 22.0
"""Seconds after which connections are ended even with data pending: gunicorn waits for 30, and hooks run after this."""

LEAVE_TIMEOUT: Final = 5.0
"""Seconds in which a client has to fetch its pending data; its poll may have to wait for the worker that replaces this one."""

_TICK: Final = 0.02


class Ending(Protocol):
    """Steps above the engine when the process stops."""

    def begin_drain(self) -> None:
        """Handle the start of a drain: sessions are ended in batches from now on."""

    def when_done(self, eio_sid: str, callback: Callable[[], None]) -> None:
        """Call a function once all messages of a session have been handled."""

    def wait_idle(self) -> None:
        """Wait until all consequences of the sessions' ends are handled, or until a time-out."""

    def on_failure(self, eio_sid: str, error: BaseException) -> None:
        """Handle the failure of a session's message."""


class Query(NamedTuple):
    """The parsed query string of a request."""

    transport: str
    sid: str | None
    protocol: str | None


@lru_cache(64)  # Most requests for a WebSocket have the same one.
def _parsed(query_string: str) -> Query:
    query = urllib.parse.parse_qs(query_string)
    return Query(query.get("transport", [""])[0], query.get("sid", [None])[0], ",".join(query.get("EIO", ())) or None)


@dataclass(frozen=True)
class Refusal:
    """The refusal of a request, in the words of Node's server."""

    code: int
    message: str
    status: HTTPStatus = HTTPStatus.BAD_REQUEST

    @property
    def body(self) -> bytes:
        """Return the response's body."""
        return json.dumps({"code": self.code, "message": self.message}, separators=(",", ":")).encode() if self.message else b""


UNKNOWN_TRANSPORT = Refusal(0, "Transport unknown")
UNKNOWN_SESSION = Refusal(1, "Session ID unknown")
BAD_METHOD = Refusal(2, "Bad handshake method")
BAD_REQUEST = Refusal(3, "Bad request")
FORBIDDEN = Refusal(4, "Forbidden", HTTPStatus.FORBIDDEN)
UNSUPPORTED_PROTOCOL = Refusal(5, "Unsupported protocol version")
STOPPING = Fault(HTTPStatus.SERVICE_UNAVAILABLE, "The server is about to stop")
TOO_LARGE = Refusal(3, "", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


class EngineServer(engineio.Server):  # type: ignore[misc]  # python-engineio has no types
    """The Engine.IO server of one application under gevent."""

    ending: Ending
    greenlets: Greenlets
    handler_kinds: set[type[EngineHandler]]
    heartbeat: Heartbeat
    is_draining: bool
    is_hurried: bool
    limits: EngineLimits
    max_backlog: int
    neighbours: Handoff
    on_failure: Callable[[str, BaseException], None]
    path: str
    shutdown_signal: Shutdown
    wsgi_servers: set[Any]

    @classmethod
    def take_over(cls, server: engineio.Server, middleware: Any, limits: EngineLimits, ending: Ending) -> None:
        """Turn python-engineio's server into an `EngineServer`, before it has served any request.

        Args:
            server: The server; its options and handlers stay.
            middleware: The WSGI middleware that passes it its requests, and others on to the application.
            limits: The limits of one connection.
            ending: The steps when the process stops.
        """
        server.__class__ = cls
        server.start_service_task = False
        server.heartbeat = Heartbeat(server.ping_interval, server.ping_timeout, limits.connect_timeout)
        server.greenlets = Greenlets()
        server.limits = limits
        server.max_backlog = limits.max_backlog
        server.neighbours = Handoff()
        server.path = middleware.engineio_path
        server.handler_kinds = set()
        server.is_draining = server.is_hurried = False
        server.wsgi_servers = set()
        server.shutdown_signal = Shutdown(server.end_all_sessions, server.hurry)
        server.ending = ending
        server.on_failure = ending.on_failure
        middleware.wsgi_app = FirstRequest(middleware.wsgi_app, server.change_handler)

    def generate_id(self) -> str:
        """Return a new session id."""
        return self.neighbours.new_session_id()

    def forget(self, socket: EngineSocket) -> None:
        """Forget a session that has ended."""
        self.heartbeat.remove(socket)
        self.sockets.pop(socket.sid, None)

    def end_all_sessions(self) -> None:
        """End every session, and return when all consequences are handled."""
        self.is_draining = True
        for kind in self.handler_kinds:
            kind.let_go.append(self._lets_go)
        try:
            if self.limits.drain_time > 0:
                self._drain()
        finally:  # gunicorn may kill this greenlet when its own patience ends.
            self.neighbours.stop()
            for socket in list(self.sockets.values()):
                socket.close(wait=False, reason=SHUTTING_DOWN)
            self.ending.wait_idle()
            for kind in self.handler_kinds:
                kind.places.hang_up_idle()

    def hurry(self) -> None:
        """End the remaining sessions at once."""
        self.is_hurried = True

    def _drain(self) -> None:
        self.ending.begin_drain()
        for server in self.wsgi_servers:
            if server.pool is not None:  # gunicorn's: other workers listen there too, or will.
                server.stop_accepting()
        began = monotonic()
        leaving: dict[EngineSocket, float] = {}
        waiting = [partial(leaving.__setitem__, socket, 0.0) for socket in self.sockets.values()] + self.neighbours.ends_of_relays()
        shuffle(waiting)
        batches = plan_batches(len(waiting), self.limits.drain_time, random)
        while (batches or self.sockets) and not self.is_hurried and monotonic() - began < DRAIN_LIMIT:
            while batches and batches[0].at <= monotonic() - began:
                size = batches.pop(0).size
                for depart in waiting[:size]:
                    depart()
                del waiting[:size]
            self._see_off(leaving)
            gevent.sleep(_TICK)

    def _see_off(self, leaving: dict[EngineSocket, float]) -> None:
        for socket, give_up_at in list(leaving.items()):
            if socket.closed:
                del leaving[socket]
            elif give_up_at == 0:
                leaving[socket] = math.inf
                self.ending.when_done(socket.sid, partial(self._leave, socket, leaving))
            elif give_up_at < monotonic():
                socket.close(wait=False, reason=SHUTTING_DOWN)
            elif give_up_at < math.inf:
                socket.leave(SHUTTING_DOWN)

    @staticmethod
    def _leave(socket: EngineSocket, leaving: dict[EngineSocket, float]) -> None:
        socket.leave(SHUTTING_DOWN)
        leaving[socket] = monotonic() + LEAVE_TIMEOUT

    def mark_connected(self, sid: str) -> None:
        """Record that a session has connected to a namespace, which ends its connect time-out."""
        socket = self.sockets.get(sid)
        if socket is not None:
            self.heartbeat.mark_connected(socket)
            socket.set_connected(is_connected=True)

    def mark_disconnected(self, sid: str) -> None:
        """Record that a session has left its last namespace, which restarts its connect time-out."""
        socket = self.sockets.get(sid)
        if socket is not None:
            self.heartbeat.mark_disconnected(socket)
            socket.set_connected(is_connected=False)

    def handle_request(self, environ: Mapping[str, Any], start_response: Any) -> Iterable[bytes]:
        """Handle a request: refuse it as Node's server would, else let python-engineio handle it."""
        query = _parsed(environ.get("QUERY_STRING", ""))
        upgrade: Upgrade | None = environ.get(UPGRADE)
        if self.is_draining and query.sid is None:
            return self._answer_fault(start_response, STOPPING)
        self.change_handler(environ, start_response)
        if upgrade is not None and asks_for_websocket(environ):
            return self._handle_upgrade(environ, start_response, query, upgrade)
        refused = (
            None
            if environ["REQUEST_METHOD"] == "OPTIONS"
            else self._refusal(environ, query, is_upgrade=asks_for_websocket(environ))
        )
        if refused is None:
            answer: Iterable[bytes] = super().handle_request(environ, start_response)
            return answer
        if refused is UNKNOWN_SESSION and self._hand_over(environ, start_response, query):
            return []
        body = refused.body
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *self._cors_headers(environ)]
        start_response(f"{refused.status.value} {refused.status.phrase}", headers)
        return [body]

    def _lets_go(self, environ: Mapping[str, Any]) -> bool:
        # Where nobody else listens any more, a session's client would have no way back to it.
        return _parsed(environ.get("QUERY_STRING", "")).sid not in self.sockets

    def change_handler(self, environ: Mapping[str, Any], start_response: Any) -> None:
        """Install the engine's handler in a request's server, from the next connection on."""
        handler = handler_of(environ, start_response)
        if handler is not None and type(handler) not in self.handler_kinds:
            kind = change_handler(handler, environ["PATH_INFO"], self.path, self.limits)
            kind.places.reserves.append(self._free_place)
            self.handler_kinds.add(kind)
            self.wsgi_servers.add(handler.server)
            # From the first request of any kind: a handshake may come between the signal and the end of listening.
            self.shutdown_signal.install(getattr(handler.server, "pool", None))

    def _free_place(self) -> bool:
        for socket in self.heartbeat.unconnected():
            if socket.is_polled:
                socket.time_out()
                return True
        return False

    def _hand_over(self, environ: Mapping[str, Any], start_response: Any, query: Query) -> bool:
        handler = handler_of(environ, start_response)
        if handler is None or query.sid is None:
            return False
        self.shutdown_signal.install(handler.server.pool)
        return self.neighbours.hand_over(handler, query.sid)

    def _handle_upgrade(self, environ: Mapping[str, Any], start_response: Any, query: Query, upgrade: Upgrade) -> Iterable[bytes]:
        refused = self._refusal(environ, query, is_upgrade=True)
        if refused is UNKNOWN_SESSION and self._hand_over(environ, start_response, query):
            return []
        fault = fault_of(environ) if refused is None else Fault(HTTPStatus.BAD_REQUEST, refused.message)
        if fault is None:
            if query.sid is None:
                self._handle_connect(environ, start_response, "websocket")
            elif query.transport != "websocket":
                self.sockets[query.sid].turn_away(environ)
            else:
                self.sockets[query.sid]._upgrade_websocket(environ, start_response)  # noqa: SLF001 - python-engineio's name
            if upgrade.is_taken:
                return []
            fault = Fault(HTTPStatus.BAD_REQUEST, BAD_REQUEST.message)
        return self._answer_fault(start_response, fault)

    @staticmethod
    def _answer_fault(start_response: Any, fault: Fault) -> Iterable[bytes]:
        start_response(*fault.start())
        return [fault.message.encode()]

    def _refusal(self, environ: Mapping[str, Any], query: Query, *, is_upgrade: bool) -> Refusal | None:
        if query.transport not in self.transports:
            return UNKNOWN_TRANSPORT
        if not self._is_allowed_origin(environ):
            return FORBIDDEN
        if query.sid is None:
            return self._refusal_of_handshake(environ, query, is_upgrade=is_upgrade)
        if query.protocol not in {None, PROTOCOL}:
            return BAD_REQUEST
        refused = self._refusal_within(query.sid, query.transport, is_upgrade=is_upgrade)
        return refused or self._refusal_of_body(environ, self.sockets[query.sid].max_post_size)

    @staticmethod
    def _refusal_of_handshake(environ: Mapping[str, Any], query: Query, *, is_upgrade: bool) -> Refusal | None:
        if environ["REQUEST_METHOD"] != "GET":
            return BAD_METHOD
        if (query.transport == "websocket") != is_upgrade:
            return BAD_REQUEST
        return None if query.protocol == PROTOCOL else UNSUPPORTED_PROTOCOL

    def _refusal_within(self, sid: str, transport: str, *, is_upgrade: bool) -> Refusal | None:
        socket = self.sockets.get(sid)
        if socket is None or socket.closed:
            return UNKNOWN_SESSION
        if is_upgrade:
            return None  # One that the session has no use for is accepted, and closed.
        return BAD_REQUEST if transport != ("websocket" if socket.upgraded else "polling") else None

    @staticmethod
    def _refusal_of_body(environ: Mapping[str, Any], max_size: int) -> Refusal | None:
        length = environ.get("CONTENT_LENGTH") or "0"
        return TOO_LARGE if length.isdigit() and int(length) > max_size else None

    def _is_allowed_origin(self, environ: Mapping[str, Any]) -> bool:
        origin = environ.get("HTTP_ORIGIN")
        if not origin or self.cors_allowed_origins == []:
            return True
        allowed = self._cors_allowed_origins(environ)
        return allowed is None or origin in allowed

    def _handle_connect(
        self, environ: Mapping[str, Any], start_response: Any, transport: str, jsonp_index: int | None = None
    ) -> Any:
        handler = handler_of(environ, start_response)
        if handler is not None:
            self.shutdown_signal.install(handler.server.pool)
            self.neighbours.start(handler.server)
        sid = self.generate_id()
        socket = self.sockets[sid] = EngineSocket(self, sid)
        self.handlers["connect"](sid, environ)
        greeting = eio.Packet(eio.OPEN, self._greeting(sid, transport))
        self.heartbeat.add(socket)
        if transport == "websocket":
            return socket.open_websocket(environ, start_response, greeting)
        socket.connected = True
        socket.send(greeting)
        return self._ok(socket.poll(), jsonp_index=jsonp_index)

    def _greeting(self, sid: str, transport: str) -> str:
        upgrades = '["websocket"]' if self._upgrades(sid, transport) else "[]"
        times = f'"pingInterval":{round(self.ping_interval * 1000)},"pingTimeout":{round(self.ping_timeout * 1000)}'
        return f'{{"sid":"{sid}","upgrades":{upgrades},{times},"maxPayload":{self.max_http_buffer_size}}}'

    def _ok(self, packets: Any = None, headers: Any = None, jsonp_index: int | None = None) -> dict[str, Any]:
        if packets is None:
            return {"status": "200 OK", "headers": [("Content-Type", "text/html")], "response": b"ok"}
        answer: dict[str, Any] = super()._ok(packets, [*(headers or ()), ("Cache-Control", "no-store")], jsonp_index)
        return answer

    def _bad_request(self, message: str | None = None) -> dict[str, Any]:  # noqa: ARG002 - Node's server says nothing either
        return {"status": "400 Bad Request", "headers": [("Content-Type", "text/html")], "response": b""}
