"""Engine.IO server: python-engineio's, with this package's sessions, heartbeat and refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from time import monotonic
from typing import Any, Final

import engineio
import gevent
from engineio import packet as eio

from flask_realtime.contract.reasons import CloseReason
from flask_realtime.counts import Counts
from flask_realtime.engine.concurrency import Greenlets
from flask_realtime.engine.farewell import DRAIN_LIMIT, Drain, Ending
from flask_realtime.engine.handler import EngineHandler
from flask_realtime.engine.handoff.handoff import Handoff
from flask_realtime.engine.handshake import Fault, asks_for_websocket, fault_of
from flask_realtime.engine.heartbeat import Heartbeat
from flask_realtime.engine.installing import FirstRequest, change_handler, handler_of
from flask_realtime.engine.limits import EngineLimits
from flask_realtime.engine.outbox import Outbox
from flask_realtime.engine.patching import change_class
from flask_realtime.engine.refusals import (
    BAD_REQUEST,
    FORBIDDEN,
    UNKNOWN_SESSION,
    UNKNOWN_TRANSPORT,
    Query,
    Refusal,
    parse_query,
    refusal_of,
)
from flask_realtime.engine.requests import ApplicationRequests
from flask_realtime.engine.shutdown import Shutdown
from flask_realtime.engine.socket import EngineSocket
from flask_realtime.engine.takeover import UPGRADE, Upgrade
from flask_realtime.engine.waiting_polls import WaitingPolls

STOPPING: Final = Fault(HTTPStatus.SERVICE_UNAVAILABLE, "The server is about to stop")

_SHUTTING_DOWN: Final = CloseReason.SHUTTING_DOWN.value

_TICK: Final = 0.02
"""Seconds between two looks whether requests are in progress."""


class EngineServer(engineio.Server):  # type: ignore[misc]  # python-engineio has no types
    """The Engine.IO server of one application under gevent."""

    counts: Counts
    drain: Drain
    ending: Ending
    greenlets: Greenlets
    handler_kinds: set[type[EngineHandler]]
    heartbeat: Heartbeat
    is_draining: bool
    limits: EngineLimits
    max_backlog: int
    neighbours: Handoff
    on_failure: Callable[[str, BaseException], None]
    outbox: Outbox
    path: str
    polls: WaitingPolls
    requests: ApplicationRequests
    shutdown_signal: Shutdown
    wsgi_servers: set[Any]

    @classmethod
    def take_over(cls, server: engineio.Server, middleware: Any, limits: EngineLimits, ending: Ending, counts: Counts) -> None:
        """Turn python-engineio's server into an `EngineServer`, before it has served any request.

        Args:
            server: The server; its options and handlers stay.
            middleware: The WSGI middleware that passes it its requests, and others on to the application.
            limits: The limits of one connection.
            ending: The steps when the process stops.
            counts: Counts what happens.
        """
        change_class(server, cls)
        server.start_service_task = False
        server.heartbeat = Heartbeat(server.ping_interval, server.ping_timeout, limits.connect_timeout, counts)
        server.counts = counts
        server.greenlets = Greenlets()
        server.limits = limits
        server.outbox = Outbox()
        server.max_backlog = limits.max_backlog
        server.neighbours = Handoff()
        server.path = middleware.engineio_path
        server.polls = WaitingPolls()
        server.handler_kinds = set()
        server.is_draining = False
        server.drain = Drain(limits.drain_time, ending)
        server.wsgi_servers = set()
        server.shutdown_signal = Shutdown(server.end_all_sessions, server.hurry)
        server.ending = ending
        server.on_failure = ending.on_failure
        server.requests = ApplicationRequests(middleware.wsgi_app)
        middleware.wsgi_app = FirstRequest(server.requests, server.change_handler)

    @property
    def backlog_size(self) -> int:
        """Return how many bytes wait for slow clients, on WebSocket."""
        sockets = list(self.sockets.values())
        return sum(socket.websocket.backlog_size for socket in sockets if socket.websocket is not None)

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
        stop_by = monotonic() + DRAIN_LIMIT
        for kind in self.handler_kinds:
            kind.let_go.append(self._lets_go)
        try:
            if self.limits.drain_time > 0:
                self._drain()
        finally:  # gunicorn may kill this greenlet after its graceful time-out.
            self.neighbours.stop()
            for socket in list(self.sockets.values()):
                socket.close(wait=False, reason=_SHUTTING_DOWN)
            try:
                self._wait_for_requests(stop_by)
            finally:
                self.ending.wait_idle()
                for kind in self.handler_kinds:
                    kind.places.hang_up_idle()

    def _wait_for_requests(self, stop_by: float) -> None:
        # What they send, and ask for, goes through what `wait_idle` stops.
        while self.requests.in_progress and not self.drain.is_hurried and monotonic() < stop_by:
            gevent.sleep(_TICK)

    def hurry(self) -> None:
        """End at once what is still to be ended."""
        self.drain.is_hurried = True

    def _drain(self) -> None:
        self.ending.begin_drain()
        for server in self.wsgi_servers:
            if server.pool is not None:  # gunicorn's: other workers listen on the same address, or will.
                server.stop_accepting()
        self.drain.run(self.sockets, self.neighbours.ends_of_relays())

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
        query = parse_query(environ.get("QUERY_STRING", ""))
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
        self._count(refused)
        body = refused.body
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *self._cors_headers(environ)]
        start_response(f"{refused.status.value} {refused.status.phrase}", headers)
        return [body]

    def _lets_go(self, environ: Mapping[str, Any]) -> bool:
        # If nothing else listens, a client could not get back to its session.
        return parse_query(environ.get("QUERY_STRING", "")).sid not in self.sockets

    def change_handler(self, environ: Mapping[str, Any], start_response: Any) -> None:
        """Install the engine's handler in a request's server, from the next connection on."""
        handler = handler_of(environ, start_response)
        if handler is not None and type(handler) not in self.handler_kinds:
            kind = change_handler(handler, environ["PATH_INFO"], self.path, self.limits)
            kind.places.reserves.append(self._free_place)
            self.handler_kinds.add(kind)
            self.wsgi_servers.add(handler.server)
            # On any first request: a handshake may arrive between the signal and the end of listening.
            self.shutdown_signal.install(getattr(handler.server, "pool", None))

    def _free_place(self) -> bool:
        for socket in self.heartbeat.unconnected():
            if socket.is_polled:
                socket.time_out()
                return True
        return self.polls.free_one()

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
        if refused is not None:
            self._count(refused)
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

    def _count(self, refused: Refusal) -> None:
        if refused is not FORBIDDEN:  # The origin check has counted that.
            self.counts.refusals.add(refused.counted_as)

    @staticmethod
    def _answer_fault(start_response: Any, fault: Fault) -> Iterable[bytes]:
        start_response(*fault.start())
        return [fault.message.encode()]

    def _refusal(self, environ: Mapping[str, Any], query: Query, *, is_upgrade: bool) -> Refusal | None:
        if query.transport not in self.transports:
            return UNKNOWN_TRANSPORT
        if not self._is_allowed_origin(environ):
            return FORBIDDEN
        return refusal_of(environ, query, self.sockets, is_upgrade=is_upgrade)

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
        upgrades = '["websocket"]' if transport != "websocket" and self._upgrades(sid, transport) else "[]"
        times = f'"pingInterval":{round(self.ping_interval * 1000)},"pingTimeout":{round(self.ping_timeout * 1000)}'
        return f'{{"sid":"{sid}","upgrades":{upgrades},{times},"maxPayload":{self.max_http_buffer_size}}}'

    def _ok(self, packets: Any = None, headers: Any = None, jsonp_index: int | None = None) -> dict[str, Any]:
        if packets is None:
            return {"status": "200 OK", "headers": [("Content-Type", "text/html")], "response": b"ok"}
        answer: dict[str, Any] = super()._ok(packets, [*(headers or ()), ("Cache-Control", "no-store")], jsonp_index)
        return answer

    def _bad_request(self, message: str | None = None) -> dict[str, Any]:  # noqa: ARG002 - Node's server gives no detail either
        return {"status": "400 Bad Request", "headers": [("Content-Type", "text/html")], "response": b""}
