"""WebSocket connections on gevent's event loop: no greenlet, no task switch, one watcher each.

Everything here runs in the event loop's callbacks or in the sender's greenlet; none of it blocks.
"""

from __future__ import annotations

import _socket
import enum
import errno
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, Protocol

import gevent

from flask_realtime.contract.reasons import CloseReason
from flask_realtime.counts import Counts
from flask_realtime.engine.frames import CloseCode, FrameError, FrameParser, Message, Opcode, encode_close, encode_frame

_READ, _WRITE = 1, 2

_SMALL_CHUNK = 478
"""Bytes: the most that Python allocates from its pool for small objects, and more than most messages have."""

_CHUNK = 8192
"""Read limit in bytes per wake-up, so that one busy peer cannot starve others."""

_LARGE_CHUNK = 262_144

MAX_GATHERED: Final = 16
"""Frames that wait for the end of a turn at most, so that many answers to one client do not all wait in memory."""

_NOT_NOW: Final = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR})
_TEXT, _BINARY, _CLOSE, _PING = int(Opcode.TEXT), int(Opcode.BINARY), int(Opcode.CLOSE), int(Opcode.PING)

LINGER: Final = 2.0
"""Seconds in which a peer may answer a close frame before the TCP connection is cut."""


TRANSPORT_CLOSE: Final = CloseReason.TRANSPORT_CLOSE.value
TRANSPORT_ERROR: Final = CloseReason.TRANSPORT_ERROR.value
_PARSE_ERROR: Final = CloseReason.PARSE_ERROR.value


class Receiver(Protocol):
    """Receiver of a connection's messages."""

    def on_text(self, data: str) -> None:
        """Handle a text message."""

    def on_binary(self, data: bytes) -> None:
        """Handle a binary message."""

    def on_lost(self, reason: str) -> None:
        """Handle the end of the connection; called once, unless this side closed it."""


class _Nobody:
    def on_text(self, data: str) -> None:
        pass

    def on_binary(self, data: bytes) -> None:
        pass

    def on_lost(self, reason: str) -> None:
        pass


NOBODY: Final[Receiver] = _Nobody()
"""The receiver of a connection that has ended, or was closed before it began."""


class State(enum.IntEnum):
    """State of a connection."""

    OPEN = 0
    CLOSING = 1
    """A close frame was sent; further input is discarded."""
    CLOSED = 2


_OPEN: Final = State.OPEN


class WebSocket:
    """One open connection.

    Args:
        fd: The descriptor of the connected socket, which this object now owns.
        receiver: The receiver of its messages.
        max_message_size: Maximum number of bytes of one message.
        max_backlog: Maximum number of bytes buffered for a slow peer; beyond it the connection is cut.
        counts: Counts what slow peers do not get.
    """

    __slots__ = (
        "_backlog",
        "_backlog_size",
        "_chunk",
        "_counts",
        "_gathered",
        "_linger",
        "_max_backlog",
        "_parser",
        "_paused",
        "_reader",
        "_receiver",
        "_recv",
        "_send",
        "_sock",
        "_state",
        "_waiting",
        "_writer",
        "send_now",
    )

    send_now: Callable[[bytes], int] | None
    """Takes bytes, for the kernel or until the end of the turn, and returns how many; None while writes have to wait, or are
    discarded."""

    def __init__(self, fd: int, receiver: Receiver, max_message_size: int, max_backlog: int, counts: Counts) -> None:
        self._begin(receiver, max_message_size, max_backlog, counts)
        # Its family is all that is to be looked up: the others would take a system call each.
        self._sock = _socket.socket(-1, _socket.SOCK_STREAM, 0, fd)
        self._sock.settimeout(0)
        self._recv, self._send = self._sock.recv, self._sock.send
        self.send_now = self._send
        self._reader: Any = gevent.get_hub().loop.io(fd, _READ)
        self._writer: Any = None

    def _begin(self, receiver: Receiver, max_message_size: int, max_backlog: int, counts: Counts) -> None:
        self._counts = counts
        self._receiver = receiver
        self._parser = FrameParser(max_message_size)
        self._max_backlog = max_backlog
        self._backlog: deque[bytes] | None = None
        self._backlog_size = 0
        self._gathered: list[bytes] | None = None
        self._state = State.OPEN
        self._paused = False
        self._waiting: deque[Message] | None = None
        self._linger: Any = None
        self._chunk = _SMALL_CHUNK
        self.send_now = None

    def report_to(self, receiver: Receiver) -> None:
        """Tell somebody else what comes from now on; of what came in one piece, the one before hears the rest."""
        self._receiver = receiver

    def allow(self, max_message_size: int) -> None:
        """Set the maximum size of messages from now on."""
        self._parser.allow(max_message_size)

    def run(self, received: bytes = b"") -> None:
        """Start reading, and return: the event loop does the rest.

        Args:
            received: Bytes that arrived while the WSGI handler read the socket.
        """
        if self._state is State.CLOSED:
            return  # The first write failed and closed the descriptor.
        self._start_reading()
        if received:
            self._received(received)

    # Writing ------------------------------------------------------------------------------------------------------------------

    def write(self, frame: bytes, volatile: bool = False) -> None:  # noqa: FBT001, FBT002 - a keyword costs a tenth of the call
        """Send a complete frame: at once if the kernel takes it, else as soon as it does.

        Args:
            frame: The frame, or several.
            volatile: Whether it may be dropped if the backlog is half full.
        """
        send_now = self.send_now
        if send_now is None:
            self.write_later(frame, volatile)
            return
        try:
            sent = send_now(frame)
        except OSError as error:
            self.write_failed(frame, error)
        else:
            if sent != len(frame):
                self.put_off(frame[sent:])

    def gather(self, frame: bytes) -> bool:
        """Send a complete frame with `send_gathered`, and what is sent until then in one piece with it.

        Args:
            frame: The frame.

        Returns:
            Whether `send_gathered` has to be called; if not, it will be already, or the frame waits for the kernel.
        """
        if self._gathered is not None or self.send_now is None:
            self.write(frame)
            return False
        self._gathered = gathered = [frame]
        self.send_now = partial(self._gather, gathered)
        return True

    def _gather(self, gathered: list[bytes], frame: bytes) -> int:
        gathered.append(frame)
        if len(gathered) >= MAX_GATHERED:
            self.send_gathered()
        return len(frame)

    def send_gathered(self) -> None:
        """Send what was gathered, unless it was sent already, or the connection has ended."""
        gathered, self._gathered = self._gathered, None
        if gathered is not None:
            self.send_now = self._send
            self.write(gathered[0] if len(gathered) == 1 else b"".join(gathered))

    def write_later(self, frame: bytes, volatile: bool) -> None:  # noqa: FBT001 - as above
        """Send a complete frame after those that wait; after a close frame nothing is sent."""
        if self._state is not _OPEN:
            return
        if volatile and self._backlog_size * 2 > self._max_backlog:
            self._counts.dropped += 1
        else:
            self.put_off(frame)

    def write_failed(self, frame: bytes, error: OSError) -> None:
        """Handle a frame that the kernel refused: for now, or because the connection is gone."""
        if error.errno in _NOT_NOW:
            self.put_off(frame)
        else:
            self._lose(TRANSPORT_ERROR)

    def put_off(self, data: bytes) -> None:
        """Send bytes as soon as the kernel takes them; if too many wait, cut the connection."""
        self.send_now = None
        if self._backlog is None:
            self._backlog = deque()
            self._writer = gevent.get_hub().loop.io(self._sock.fileno(), _WRITE)
            self._writer.start(self._on_writable)
        self._backlog.append(data)
        self._backlog_size += len(data)
        if self._backlog_size > self._max_backlog:
            self._cut()

    def _cut(self) -> None:
        self._counts.cut += 1
        self._lose(TRANSPORT_ERROR)

    def _on_writable(self) -> None:
        backlog = self._backlog
        try:
            while backlog:
                sent = self._send(backlog[0])
                self._backlog_size -= sent
                if sent != len(backlog[0]):
                    backlog[0] = backlog[0][sent:]
                    return
                backlog.popleft()
        except OSError as error:
            if error.errno not in _NOT_NOW:
                self._lose(TRANSPORT_ERROR)
            return
        self._stop_writer()
        if self._state is State.CLOSING:
            self._half_close()

    def _stop_writer(self) -> None:
        self._backlog, self._backlog_size = None, 0
        if self._writer is not None:
            self._writer.stop()
            self._writer.close()
            self._writer = None
        if self._state is _OPEN:
            self.send_now = self._send

    # Reading ------------------------------------------------------------------------------------------------------------------

    @property
    def has_backlog(self) -> bool:
        """Return whether any data waits for the peer to read."""
        return self._backlog is not None

    @property
    def backlog_size(self) -> int:
        """Return how many bytes wait for the peer to read."""
        return self._backlog_size

    def pause(self) -> None:
        """Stop reading until `resume`; data that was read already waits."""
        if not self._paused and self._state is State.OPEN:
            self._paused = True
            self._stop_reading()

    def resume(self) -> None:
        """Continue reading."""
        if not self._paused:
            return
        self._paused = False
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self._deliver(waiting)
        if not self._paused and self._state is not State.CLOSED:
            self._start_reading()

    def _start_reading(self) -> None:
        self._reader.start(self._on_readable)

    def _stop_reading(self) -> None:
        self._reader.stop()

    @property
    def is_paused(self) -> bool:
        """Return whether reading is paused, so that answers to pings cannot be seen."""
        return self._paused

    def _on_readable(self) -> None:
        try:
            data = self._recv(self._chunk)
        except OSError as error:
            if error.errno not in _NOT_NOW:
                self._lose(TRANSPORT_ERROR)
            return
        if not data:
            self._lose(TRANSPORT_CLOSE)
            return
        text = self._parser.whole_text(data) if self._state is _OPEN else None
        if text is not None:
            self._receiver.on_text(text)
            return
        self._received(data)
        self._chunk = _SMALL_CHUNK if len(data) < _SMALL_CHUNK else min(max(self._parser.missing, _CHUNK), _LARGE_CHUNK)

    def _received(self, data: bytes) -> None:
        if self._state is not State.OPEN:
            return
        messages: list[Message] = []
        try:
            self._parser.feed(data, messages)
        except FrameError as error:
            self._deliver(messages)
            self._break_off(error)
            return
        self._deliver(messages)

    def _break_off(self, error: FrameError) -> None:
        if self._state is State.OPEN:
            self._fail(error.code, _PARSE_ERROR)

    def _deliver(self, messages: list[Message] | deque[Message]) -> None:
        receiver = self._receiver
        for index, (opcode, payload) in enumerate(messages):
            if self._paused:
                self._waiting = deque(list(messages)[index:])
                return
            if self._state is not State.OPEN:
                return
            if opcode == _TEXT:
                receiver.on_text(payload)  # type: ignore[arg-type]
            elif opcode == _BINARY:
                receiver.on_binary(payload)  # type: ignore[arg-type]
            elif opcode == _PING:
                self.write(encode_frame(Opcode.PONG, payload))  # type: ignore[arg-type]
            elif opcode == _CLOSE:
                self.write(encode_frame(_CLOSE, payload[:2]))  # type: ignore[arg-type]
                self._fail(None, TRANSPORT_CLOSE)

    # Closing ------------------------------------------------------------------------------------------------------------------

    def close(self, code: int | None = CloseCode.NORMAL) -> None:
        """Close: a close frame after the waiting data, then the end of the connection."""
        if self._state is State.OPEN:
            self.write(encode_frame(_CLOSE, b"") if code is None else encode_close(code))
            self.send_gathered()
            self._begin_closing()

    def _fail(self, code: CloseCode | None, reason: str) -> None:
        if code is not None:
            self.write(encode_close(code))
        self.send_gathered()
        receiver = self._receiver
        self._begin_closing()
        receiver.on_lost(reason)

    def _begin_closing(self) -> None:
        if self._state is not State.OPEN:
            return
        self._state, self.send_now = State.CLOSING, None
        if self._paused:
            self._paused, self._waiting = False, None
            self._start_reading()
        self._linger = gevent.get_hub().loop.timer(LINGER)
        self._linger.start(self.abort)
        if self._backlog is None:
            self._half_close()

    def _half_close(self) -> None:
        try:
            self._sock.shutdown(_socket.SHUT_WR)
        except OSError:
            self.abort()

    def _lose(self, reason: str) -> None:
        receiver, was_open = self._receiver, self._state is State.OPEN
        self.abort()
        if was_open:
            receiver.on_lost(reason)

    def abort(self) -> None:
        """Cut the connection; nothing more is sent."""
        if self._state is State.CLOSED:
            return
        self._state, self.send_now = State.CLOSED, None
        if self._backlog is not None:
            self._stop_writer()
        self._close_socket()
        self._waiting = self._gathered = None
        self._receiver = NOBODY  # Breaks a cycle, so that both are freed without the garbage collector.
        if self._linger is not None:
            self._linger.close()

    def _close_socket(self) -> None:
        self._reader.close()  # Stops it.
        self._sock.close()


def write_to_all(websockets: Iterable[WebSocket], frame: bytes, volatile: bool = False) -> int:  # noqa: FBT001, FBT002 - as `write`
    """Send one complete frame on many connections.

    Args:
        websockets: The connections.
        frame: The frame, or several.
        volatile: Whether it may be dropped if the backlog is half full.

    Returns:
        The size of the frame.
    """
    size = len(frame)
    for websocket in websockets:
        # `write` inlined: the call would be a tenth of the cost of a delivery.
        send_now = websocket.send_now
        if send_now is None:
            websocket.write_later(frame, volatile)
            continue
        try:
            sent = send_now(frame)
        except OSError as error:
            websocket.write_failed(frame, error)
        else:
            if sent != size:
                websocket.put_off(frame[sent:])
    return size
