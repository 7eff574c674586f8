"""Engine.IO sessions: python-engineio's code on long polling, this module's on WebSocket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import gevent
from engineio import packet as eio
from engineio.exceptions import EngineIOError
from engineio.socket import Socket

from flask_realtime.engine.fan_out import deliver_to_all
from flask_realtime.engine.frames import CloseCode, Opcode, encode_frame
from flask_realtime.engine.hangup import hang_up, watch_for_hangup
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.engine.polling import read_post
from flask_realtime.engine.takeover import DetachedSocket, take_connection
from flask_realtime.engine.tls import TlsWebSocket
from flask_realtime.engine.upgrade import Probe
from flask_realtime.engine.websocket import NOBODY, Receiver, WebSocket
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

_PING_FRAME: Final = encode_frame(Opcode.TEXT, b"2")
_CLOSE_FRAME: Final = encode_frame(Opcode.TEXT, b"1")
_CLOSE, _PONG, _MESSAGE = "1", "3", "4"

MAX_CONNECT_BYTES: Final = 9216
"""Maximum bytes of one message until the session is connected: a CONNECT packet with a token of 8 KiB and some more."""

_CONNECTS_OF_A_POST: Final = 4
"""Maximum number of these in one POST: a client connects to all its namespaces at once."""

_HEARD, _EXCUSED = 1, 2

_IGNORED: Final = frozenset({"0", "5", "6"})


def encode_packet(packet: eio.Packet) -> bytes:
    """Return an Engine.IO packet as a complete WebSocket frame."""
    data = packet.encode()
    return encode_frame(Opcode.BINARY, bytes(data)) if packet.binary else encode_frame(Opcode.TEXT, data.encode())


class EngineSocket(Socket):  # type: ignore[misc]  # python-engineio has no types
    """A session.

    Args:
        server: The Engine.IO server.
        sid: The session's id.
    """

    def __init__(self, server: Any, sid: str) -> None:
        # Not the base class's: its queue alone weighs more than everything else here, and most sessions need none.
        self.server = server
        self.sid = sid
        self.on_message: Callable[[object], None] = _not_open
        """Handles messages; set by the code that is notified of the session."""
        self.websocket: WebSocket | None = None
        self.connected = False
        self.upgrading = False
        self.upgraded = False
        self.closing = False
        self.closed = False
        self.last_ping = None
        self._lazy_queue: Any = None
        self._lazy_session: dict[str, Any] | None = None
        self._probe: Probe | None = None
        self._heard = 0
        self._queued = 0
        self._is_polled = False
        self._is_connected = False
        self._posted: Mapping[str, Any] | None = None
        self._is_reading_post = False
        self._leaving_reason = ""

    @property
    def queue(self) -> Any:
        """Return the packets that wait for the next poll."""
        if self._lazy_queue is None:
            self._lazy_queue = self.server.create_queue()
        return self._lazy_queue

    @property
    def session(self) -> dict[str, Any]:
        """Return the data that applications store in a session through python-socketio."""
        if self._lazy_session is None:
            self._lazy_session = {}
        return self._lazy_session

    @session.setter
    def session(self, value: dict[str, Any]) -> None:
        self._lazy_session = value

    # Sending ------------------------------------------------------------------------------------------------------------------

    def deliver(self, message: OutboundMessage) -> None:
        """Send a message that was encoded for many receivers."""
        deliver_to_all((self,), message)

    def send(self, pkt: eio.Packet) -> None:
        """Send a packet: at once on WebSocket, with the next poll on long polling."""
        if self.closed:
            return
        if self.websocket is not None:
            self.websocket.write(encode_packet(pkt))
            return
        self.queue.put(pkt)
        self._queued += len(pkt.data) if isinstance(pkt.data, str | bytes) else 0
        if self._queued > self.server.max_backlog:
            self._close_in_turn(self.server.reason.TRANSPORT_ERROR)

    def poll(self) -> list[eio.Packet]:
        """Wait for packets to send to the client."""
        packets: list[eio.Packet] = super().poll()
        self._queued = 0
        if not self._is_connected and self.queue.empty():
            self._lazy_queue = None  # It is most of what a session weighs that nobody uses.
        return packets

    # Limits ----------------------------------------------------------------------------------------------------------------

    @property
    def max_message_size(self) -> int:
        """Return the maximum bytes of one message: few until the session is connected to a namespace."""
        limit: int = self.server.max_http_buffer_size
        return limit if self._is_connected else min(limit, MAX_CONNECT_BYTES)

    @property
    def max_post_size(self) -> int:
        """Return the maximum bytes of the body of one POST."""
        limit: int = self.server.max_http_buffer_size
        return limit if self._is_connected else min(limit, MAX_CONNECT_BYTES * _CONNECTS_OF_A_POST)

    def set_connected(self, *, is_connected: bool) -> None:
        """Record whether the session is connected to a namespace; before that, it may send little."""
        self._is_connected = is_connected
        for websocket in (self.websocket, None if self._probe is None else self._probe.websocket):
            if websocket is not None:
                websocket.allow(self.max_message_size)

    # The heartbeat ------------------------------------------------------------------------------------------------------------

    def ping(self) -> None:
        """Send a ping."""
        self._heard = 0
        if self.websocket is not None:
            self.websocket.write(_PING_FRAME)
        else:
            self.send(eio.Packet(eio.PING))

    def heard_recently(self) -> bool:
        """Return whether an answer to a ping cannot be seen now, or, once for each ping, whether other data arrived instead."""
        if self._heard == _HEARD:
            self._heard |= _EXCUSED
            return True
        is_posting = self._posted is not None and not self._is_reading_post
        return is_posting or (self.websocket is not None and self.websocket.is_paused)

    def time_out(self) -> None:
        """Close: the peer is gone, or never connected to a namespace."""
        self._close_in_turn(self.server.reason.PING_TIMEOUT, abort=False)

    def check_ping_timeout(self) -> bool:
        """Return whether the session is open, for python-engineio, which asks on every send; the heartbeat does the check."""
        return not self.closed

    def schedule_ping(self) -> None:
        """Do nothing; python-engineio would start a greenlet here."""

    # Reading pauses while the application is behind ---------------------------------------------------------------------------

    def pause_reading(self, on_drain: Callable[[Callable[[], None]], None], wait: Callable[[], None]) -> None:
        """Stop reading until there is space.

        Args:
            on_drain: Registers a function to be called then.
            wait: Blocks until then, for a request that has a greenlet of its own.
        """
        if self.websocket is None:
            wait()
        else:
            self.websocket.pause()
            on_drain(self.websocket.resume)

    @property
    def is_polled(self) -> bool:
        """Return whether a poll waits, which occupies a slot in the server's pool."""
        return self._is_polled

    # Long polling -------------------------------------------------------------------------------------------------------------

    def handle_get_request(self, environ: Mapping[str, Any], start_response: Any) -> Any:
        """Handle a poll, or the request to upgrade. A second poll beside the first closes the session."""
        if "wsgi.websocket" in environ:
            return self._upgrade_websocket(environ, start_response)
        if self._is_polled:
            self._refuse_overlap()
        self._is_polled = True
        if self._leaving_reason:
            self.close(wait=False, reason=self._leaving_reason)
        try:
            with watch_for_hangup(environ, self._on_hangup):
                return super().handle_get_request(environ, start_response)
        finally:
            self._is_polled = False

    def handle_post_request(self, environ: Mapping[str, Any]) -> None:
        """Handle a long-polling client's POST. A second POST beside the first closes the session."""
        if self._posted is not None:
            hang_up(self._posted)
            self._refuse_overlap()
        self._posted = environ
        try:
            self._is_reading_post = True
            packets = read_post(environ, self.max_post_size)
            self._is_reading_post = False
            for packet in packets:
                self.receive(packet)
        finally:
            self._posted, self._is_reading_post = None, False

    def _on_hangup(self) -> None:
        self._close_soon(self.server.reason.TRANSPORT_ERROR)

    def _refuse_overlap(self) -> None:
        self.close(wait=False, reason=self.server.reason.TRANSPORT_ERROR)
        msg = "overlapping requests"
        raise EngineIOError(msg)

    def receive(self, pkt: eio.Packet) -> None:
        """Handle a packet from long polling."""
        if self.closed:
            return
        self._heard |= _HEARD
        if pkt.packet_type == eio.MESSAGE:
            self._message(pkt.data)
        elif pkt.packet_type == eio.PONG:
            self.server.heartbeat.answered(self)
        elif pkt.packet_type == eio.CLOSE:
            self.queue.put(eio.Packet(eio.NOOP))  # Ends the poll that is waiting.
            self.close(wait=False, abort=True, reason=self.server.reason.CLIENT_DISCONNECT)
        elif str(pkt.packet_type) not in _IGNORED:
            self.close(wait=False, reason=self.server.reason.TRANSPORT_ERROR)

    # WebSocket ----------------------------------------------------------------------------------------------------------------

    def open_websocket(self, environ: Mapping[str, Any], start_response: Any, greeting: eio.Packet) -> Any:
        """Start a session on WebSocket; the request ends, the connection stays."""
        taken = take_connection(environ)
        if taken is None:
            self.queue.put(greeting)
            return super()._upgrade_websocket(environ, start_response)
        self.websocket = self._new_websocket(taken, self)
        self.connected = self.upgraded = True
        self.websocket.write(taken.answer + encode_packet(greeting))
        self.websocket.run(taken.received)
        return []

    def _upgrade_websocket(self, environ: Mapping[str, Any], start_response: Any) -> Any:
        if self.upgraded or self._probe is not None:
            return self.turn_away(environ)
        taken = take_connection(environ)
        if taken is None:
            return super()._upgrade_websocket(environ, start_response)
        self._probe = Probe(self, partial(self._new_websocket, taken))
        self._probe.run(taken.answer, taken.received)
        return []

    def turn_away(self, environ: Mapping[str, Any]) -> list[bytes]:
        """Accept a WebSocket that the session does not need, and close it, as Node's server does."""
        taken = take_connection(environ)
        if taken is not None:
            websocket = self._new_websocket(taken, NOBODY)
            websocket.write(taken.answer)
            websocket.close(None)
            websocket.run(taken.received)
        return []

    def _new_websocket(self, taken: DetachedSocket, receiver: Receiver) -> WebSocket:
        self.server.shutdown_signal.install(taken.pool)
        options = (receiver, self.max_message_size, self.server.max_backlog)
        return TlsWebSocket(taken.tls, *options) if taken.fd is None else WebSocket(taken.fd, *options)

    def on_text(self, data: str) -> None:
        """Handle a text message of the WebSocket connection."""
        self._heard |= _HEARD
        kind = data[:1]
        if kind == _MESSAGE:
            try:  # Not `_message`: this is where nearly everything goes by, and the call would be a tenth of it.
                self.on_message(data[1:])
            except Exception as error:  # noqa: BLE001 - as there
                self._failed(error)
        elif kind == _PONG:
            self.server.heartbeat.answered(self)
        elif kind == _CLOSE:
            self._close_soon(self.server.reason.CLIENT_DISCONNECT)
        elif kind not in _IGNORED:
            self._close_soon(self.server.reason.TRANSPORT_ERROR)

    def on_binary(self, data: bytes) -> None:
        """Handle a binary message of the WebSocket connection."""
        self._message(data)

    def on_lost(self, reason: str) -> None:
        """Handle the loss of the WebSocket connection."""
        self._close_soon(reason)

    def note_heard(self) -> None:
        """Count anything that came from the client as a sign of life."""
        self._heard |= _HEARD

    def forget_probe(self) -> None:
        """Forget the connection that is being tried."""
        self._probe = None

    def change_over(self, websocket: WebSocket) -> None:
        """Use a WebSocket connection from now on, and send there what waits for the next poll."""
        self.websocket, self.upgraded = websocket, True
        waiting = self._lazy_queue
        if not self._is_polled:  # A poll that waits looks for its queue once more when it ends.
            self._lazy_queue = None
        while waiting is not None and not waiting.empty():
            packet = waiting.get_nowait()
            if packet is not None and packet.packet_type != eio.NOOP:
                websocket.write(encode_packet(packet))
        if waiting is not None and self._is_polled:
            waiting.put(eio.Packet(eio.NOOP))

    def _message(self, data: Any) -> None:
        try:
            self.on_message(data)
        except Exception as error:  # noqa: BLE001 - nothing may escape to the event loop
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        gevent.spawn(self.server.on_failure, self.sid, error)
        self._close_soon(self.server.reason.TRANSPORT_ERROR, CloseCode.INTERNAL_ERROR)

    # Closing ------------------------------------------------------------------------------------------------------------------

    def _close_soon(self, reason: str, code: int = CloseCode.NORMAL) -> None:
        if self.websocket is not None:
            self.websocket.close(code)  # Nothing that comes after this is handled.
        # Not in the event loop's callback: those who are told may log, and a log may have to wait.
        if not self.closing:
            self._close_in_turn(reason)

    def _close_in_turn(self, reason: str, *, abort: bool = True) -> None:
        self.server.greenlets.start_background_task(self._close, reason, abort)

    def _close(self, reason: str, abort: bool) -> None:  # noqa: FBT001 - what starts it knows no names
        try:
            self.close(wait=False, abort=abort, reason=reason)
        except Exception:
            logger.exception("A session could not be closed in order")

    def leave(self, reason: str) -> None:
        """End the session as soon as its pending data is sent; call again if it is not closed yet.

        Args:
            reason: As in `close`.
        """
        if self.websocket is not None:
            if not self.websocket.has_backlog:
                self.close(wait=False, reason=reason)
        elif self._is_polled:
            self.close(wait=False, reason=reason)
        else:
            self._leaving_reason = reason  # The next poll takes what waits, and then the end.

    def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:  # noqa: ARG002, FBT001, FBT002
        """End the session.

        Args:
            wait: Ignored; python-engineio would wait for a poll that may never come.
            abort: Whether to close without telling the client.
            reason: The reason for the disconnect handlers.
        """
        if self.closed or self.closing:
            return
        self.closing = True
        self.server.forget(self)
        self.server.handlers["disconnect"](self.sid, reason or self.server.reason.SERVER_DISCONNECT)
        if self.websocket is not None:
            if not abort:
                self.websocket.write(_CLOSE_FRAME)
            self.websocket.close()
        else:
            if not abort:
                self.queue.put(eio.Packet(eio.CLOSE))
            self.queue.put(None)
        if self._probe is not None:
            self._probe.give_up()
        if self._posted is not None and self._is_reading_post:
            hang_up(self._posted)  # Whoever still reads half a body stops.
        self.closed = True
        self.on_message = _ignore  # It leads to all that belongs to the session, which is to go without the garbage collector.


def _ignore(_data: object) -> None:
    pass


def _not_open(_data: object) -> None:
    msg = "nobody was told of the session"
    raise RuntimeError(msg)
