"""Session: what is the same on long polling and on WebSocket: sending, limits, the heartbeat, the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, Final

import gevent
from engineio import packet as eio
from engineio.socket import Socket

from flask_realtime.engine.fan_out import deliver_to_all
from flask_realtime.engine.frames import CloseCode, Opcode, encode_frame
from flask_realtime.engine.hangup import hang_up
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.engine.upgrade import Probe
from flask_realtime.engine.websocket import WebSocket
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

HEARD: Final = 1
"""Something has come from the client since the last ping."""

EXCUSED: Final = 2
"""That has counted as an answer once."""

IGNORED: Final = frozenset({"0", "5", "6"})
"""Types of packets that mean nothing on an open session."""

MAX_CONNECT_BYTES: Final = 9216
"""Maximum bytes of one message until the session is connected: a CONNECT packet with a token of 8 KiB and some more."""

_CONNECTS_OF_A_POST: Final = 4
"""Maximum number of these in one POST: a client connects to all its namespaces at once."""

_TEXT: Final = int(Opcode.TEXT)
_PING_FRAME: Final = encode_frame(Opcode.TEXT, b"2")
_CLOSE_FRAME: Final = encode_frame(Opcode.TEXT, b"1")


def encode_packet(packet: eio.Packet) -> bytes:
    """Return an Engine.IO packet as a complete WebSocket frame."""
    data = packet.encode()
    return encode_frame(Opcode.BINARY, bytes(data)) if packet.binary else encode_frame(Opcode.TEXT, data.encode())


class Session(Socket):  # type: ignore[misc]  # python-engineio has no types
    """A session, whichever transport it is on.

    Args:
        server: The Engine.IO server.
        sid: The session's id.
    """

    def __init__(self, server: Any, sid: str) -> None:
        # Does not call the base class: its queue alone takes more memory than all of this, and most sessions need none.
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
        self.takes_offsets = False
        """Whether events with offsets reach the client with them."""
        self.acknowledged_at = 0.0
        """When the last ping was sent that was answered: what was sent before has arrived."""
        self._pinged_at = 0.0
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

    @property
    def user_session(self) -> Any:
        """Data that the application stored with python-socketio's `save_session` in the default namespace, or None."""
        return None if self._lazy_session is None else self._lazy_session.get("/")

    @user_session.setter
    def user_session(self, value: Any) -> None:
        self.session["/"] = value

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
            self.server.counts.cut += 1
            self._close_in_turn(self.server.reason.TRANSPORT_ERROR)

    def send_text(self, text: str) -> None:
        """Send a message of text: on WebSocket at the end of the event loop's turn; see `send`."""
        if self.websocket is None or self.closed:
            self.send(eio.Packet(eio.MESSAGE, text))
        else:
            self.server.outbox.send(self.websocket, encode_frame(_TEXT, f"4{text}".encode()))

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

    def ping(self) -> None:
        """Send a ping."""
        self._heard = 0
        self._pinged_at = monotonic()
        if self.websocket is not None:
            self.websocket.write(_PING_FRAME)
        else:
            self.send(eio.Packet(eio.PING))

    def answer_ping(self) -> None:
        """Record the answer to a ping."""
        self.acknowledged_at = self._pinged_at
        self.server.heartbeat.answered(self)

    def heard_recently(self) -> bool:
        """Return whether an answer to a ping cannot be seen now, or, once for each ping, whether other data arrived instead."""
        if self._heard == HEARD:
            self._heard |= EXCUSED
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

    def note_heard(self) -> None:
        """Count anything that came from the client as a sign of life."""
        self._heard |= HEARD

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

    def forget_probe(self) -> None:
        """Forget the connection that is being tried."""
        self._probe = None

    def _message(self, data: Any) -> None:
        try:
            self.on_message(data)
        except Exception as error:  # noqa: BLE001 - nothing may escape to the event loop
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        gevent.spawn(self.server.on_failure, self.sid, error)
        self._close_soon(self.server.reason.TRANSPORT_ERROR, CloseCode.INTERNAL_ERROR)

    def _close_soon(self, reason: str, code: int = CloseCode.NORMAL) -> None:
        if self.websocket is not None:
            self.websocket.close(code)  # Later messages are not handled.
        # Not in the event loop's callback: disconnect handlers may log, and logging may block.
        if not self.closing:
            self._close_in_turn(reason)

    def _close_in_turn(self, reason: str, *, abort: bool = True) -> None:
        self.server.greenlets.start_background_task(self._close, reason, abort)

    def _close(self, reason: str, abort: bool) -> None:  # noqa: FBT001 - started with positional arguments
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
            self._leaving_reason = reason  # The next poll gets the waiting packets, then CLOSE.

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
            hang_up(self._posted)  # Ends the wait for the rest of a body.
        self.closed = True
        self.on_message = _ignore  # Breaks a cycle, so that the session is freed without the garbage collector.


def _ignore(_data: object) -> None:
    pass


def _not_open(_data: object) -> None:
    msg = "nobody was told of the session"
    raise RuntimeError(msg)
