"""WSGI handler on gevent's, with strict HTTP parsing and time-outs.

gevent accepts requests that two parsers could read differently, waits for the rest of a request for ever, and keeps idle
connections until their clients close them. This handler refuses malformed requests before anything else reads them, and closes
connections whose clients stall.

gevent-websocket completes the handshake before it calls the application, so that a refusal could only close an accepted
connection. Here a WebSocket request is handled like any other, and the engine, or the application, answers it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, ClassVar, Final

import gevent
from gevent.pywsgi import WSGIHandler

from flask_realtime.engine.answer import SteadyWriter, send_at_once
from flask_realtime.engine.body import BadBody, RequestBody
from flask_realtime.engine.handshake import BAD_REQUEST, Fault, asks_for_websocket, fault_of
from flask_realtime.engine.headers import BadHead, Fields, RequestLine, TargetTooLong, environ_items, read_fields, read_request_line
from flask_realtime.engine.limits import EngineLimits
from flask_realtime.engine.own_websocket import OwnWebSocket
from flask_realtime.engine.places import Places
from flask_realtime.engine.takeover import UPGRADE, Upgrade

MAX_REQUEST_LINE: Final = 8192

_CLOSE: Final = (b"Connection", b"close")
_END_OF_HEAD: Final = b"\r\n\r\n"


_UNREAD: Final = {"REQUEST_METHOD": "-", "RAW_URI": "-", "SERVER_PROTOCOL": "-"}


class _TooSlow(gevent.Timeout):
    """A request's head did not arrive in time."""


class EngineHandler(WSGIHandler):
    """Mixin placed before a server's handler class; see `installing.py`."""

    engine_paths: ClassVar[tuple[str, ...]] = ()
    has_stock_parser: ClassVar[bool]
    limits: ClassVar[EngineLimits]
    let_go: ClassVar[list[Callable[[Mapping[str, Any]], bool]]]
    """While this process is stopping: each returns whether the connection of a request may be closed after the response."""

    places: ClassVar[Places]

    is_read_to_the_end = False
    """Whether nothing after the request's head has been read."""

    _head: tuple[RequestLine, Fields] | None = None
    _is_kept_alive = False
    _is_taken = False
    _patience: _TooSlow | None = None
    _turn: int | None = None
    """Iteration of the event loop in which the last request began."""

    _writer: SteadyWriter | None = None

    # The head -----------------------------------------------------------------------------------------------------------------

    def handle(self) -> None:
        """Handle a connection."""
        connection = self.socket
        try:
            super().handle()
        finally:
            self._writer = None  # It refers to this object.
            self.places.forget(connection)

    def handle_upgrade(self, head: tuple[RequestLine, Fields]) -> None:
        """Handle a connection's only request.

        Args:
            head: Its head, which was read already; there is nothing behind it.
        """
        self._head = head
        self.handle()

    def handle_one_request(self) -> Any:
        """Handle a request, or close the connection if the request's head does not arrive in time."""
        if self._head is not None:
            return self._handle_only_request(*self._head)
        try:
            answer = super().handle_one_request()
        except _TooSlow:
            return None
        except BadHead as error:
            answer = self._handle_client_error(error)
        finally:
            if self._patience is not None:
                self._head_is_over()
        if isinstance(answer, tuple):  # gevent would send it, and wait for the client for ever.
            status, data = answer
            with suppress(OSError):
                self.transmit(data)
            return status, b""
        return answer

    def _handle_only_request(self, line: RequestLine, fields: Fields) -> None:
        self.requestline = " ".join(line)
        self._use(line, fields)
        self.close_connection = True  # Nothing that counts against the server's pool waits for another one.
        self.environ = self.get_environ()
        self.application = self.server.application
        self.handle_one_response()

    def read_requestline(self) -> Any:
        """Read the first line. Its time-out begins with its first byte, or at once on a new connection."""
        self.places.wait(self.socket, self.server, is_new=not self._is_kept_alive)
        is_whole = False
        if self._is_kept_alive:
            self._give(self.limits.keep_alive)
            is_whole = _END_OF_HEAD in self.rfile.peek()
            if not self._takes_turns():
                return ""
        if not is_whole:
            self._give(self.limits.connect_timeout)
        self._is_kept_alive = True
        line = self.rfile.readline(MAX_REQUEST_LINE)
        if line == b"\r\n":  # Some clients send an empty line after a body.
            line = self.rfile.readline(MAX_REQUEST_LINE)
        if len(line) >= MAX_REQUEST_LINE:
            raise TargetTooLong
        return line.decode("latin-1")

    def _takes_turns(self) -> bool:
        loop = self.server.loop
        if loop.iteration == self._turn:  # The request had come before the last one was answered: others may be waiting.
            gevent.sleep(0)
            if self.places.is_leaving(self.socket):
                return False
        self._turn = loop.iteration
        return True

    def read_request(self, raw_requestline: str) -> Any:
        """Read the head, and refuse it if it is malformed."""
        line = read_request_line(raw_requestline)
        if not self.has_stock_parser:
            is_valid = super().read_request(raw_requestline)
            self._head_is_over()
            return is_valid
        self.requestline = raw_requestline.rstrip()
        self._use(line, read_fields(self.rfile, line.version, self.limits.max_head - len(raw_requestline)))
        self._head_is_over()
        return True

    def _use(self, line: RequestLine, fields: Fields) -> None:
        self.command, self.path, self.request_version = line
        self.headers, self.is_read_to_the_end, length, self.close_connection = fields
        self.content_length: Any = length  # None is allowed, whatever gevent's annotations say.

    def _give(self, seconds: float) -> None:
        if self._patience is not None:
            self._patience.close()
        self._patience = _TooSlow(seconds)
        self._patience.start()

    def _head_is_over(self) -> None:
        self.places.forget(self.socket)
        if self._patience is not None:
            self._patience.close()
            self._patience = None

    def _handle_client_error(self, ex: Exception) -> Any:
        if isinstance(ex, BadBody):
            return None  # gevent sends the response, unless one has begun.
        if not isinstance(ex, BadHead):
            return super()._handle_client_error(ex)  # type: ignore[misc]  # gevent's annotations leave it out
        # The access log must not find the previous request here, nor anything of this one.
        self.__dict__.pop("headers", None)
        self.environ = {"REMOTE_ADDR": _ip(self.client_address), **_UNREAD}
        self.requestline, self.response_headers, self._orig_status = "", [], None
        self.response_length = 0
        return ex.status, ex.answer

    # The body -----------------------------------------------------------------------------------------------------------------

    def get_environ(self) -> dict[str, Any]:
        """Make the request's environment."""
        environ: dict[str, Any] = super().get_environ()
        if self._has_body():
            self.wsgi_input = RequestBody(self, self.limits.connect_timeout)
            # gevent hands the connection to a request for any upgrade, and would discard the body a second time.
            environ["wsgi.input"], environ["wsgi.input_terminated"] = self.wsgi_input, True
        return environ

    def _headers(self) -> Iterable[tuple[str, str]]:
        return environ_items(self.headers) if self.has_stock_parser else super()._headers()  # type: ignore[misc]

    def _has_body(self) -> bool:
        made: Any = self.wsgi_input
        return bool(made.content_length or made.chunked_input)

    # The answer ---------------------------------------------------------------------------------------------------------------

    def run_application(self) -> None:
        """Let the application, or the engine in it, answer a WebSocket request before any handshake."""
        self._writer = None  # Each answer has its own time.
        environ = self.environ
        if environ is None or not asks_for_websocket(environ):
            super().run_application()
            return
        fault = self._fault(environ)
        if fault is not None:
            self._refuse(fault)
            return
        if hasattr(self, "upgrade_websocket") and not self._is_for_engine(environ):
            self.application = OwnWebSocket(self).serve
        upgrade = environ[UPGRADE] = Upgrade(self)
        try:
            WSGIHandler.run_application(self)
        finally:
            self.note_upgrade(upgrade)

    def note_upgrade(self, upgrade: Upgrade) -> None:
        """Record whether an answered WebSocket request became a WebSocket."""
        self._is_taken = upgrade.is_taken
        upgrade.forget()

    def _fault(self, environ: Mapping[str, Any]) -> Fault | None:
        if self._has_body():
            return BAD_REQUEST
        return None if self._is_for_engine(environ) else fault_of(environ)  # The engine looks these up in its own order.

    def _is_for_engine(self, environ: Mapping[str, Any]) -> bool:
        return bool(environ["PATH_INFO"].startswith(self.engine_paths))

    def _refuse(self, fault: Fault) -> None:
        self.start_response(*fault.start())
        self.write(fault.message.encode())

    def finalize_headers(self) -> None:
        """Set the headers that say whether, and for how long, the client may reuse this connection."""
        if self.let_go and not self.close_connection and all(lets_go(self.environ or {}) for lets_go in self.let_go):
            self.close_connection = True  # The next request should reach another process; this one is stopping.
        if self.code != HTTPStatus.SWITCHING_PROTOCOLS:
            headers: Any = self.response_headers  # Bytes, whatever gevent's annotations say.
            if self.close_connection:
                headers[:] = [header for header in headers if header[0].lower() != b"connection"] + [_CLOSE]
            else:
                headers.append(self.limits.keep_alive_header)
        super().finalize_headers()

    def _sendall(self, data: Any) -> None:
        try:
            self.transmit(data)
        except OSError as error:  # As gevent does it, for the access log.
            self.status, self.code = f"socket error: {error}", -abs(self.code or 0)
            raise
        self.response_length += len(data)

    def transmit(self, data: Any) -> None:
        """Send bytes; see `SteadyWriter` for clients that do not read them."""
        sent = send_at_once(self.socket, data)
        if sent < len(data):
            if self._writer is None:
                self._writer = SteadyWriter(self, self.limits.connect_timeout, self.response_length + sent)
            self._writer.send(memoryview(data)[sent:])

    def log_request(self) -> None:
        """Log a request, unless it becomes a WebSocket."""
        if not self._is_taken:
            super().log_request()


def _ip(address: Any) -> str:
    return str(address[0]) if isinstance(address, tuple) else ""
