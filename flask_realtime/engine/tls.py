"""WebSockets over TLS: the process itself decrypts, so one greenlet reads, and another writes while anything waits."""

from __future__ import annotations

import _socket
from collections import deque
from contextlib import suppress
from typing import Any

import gevent
from gevent.event import Event

from flask_realtime.counts import Counts
from flask_realtime.engine.websocket import TRANSPORT_CLOSE, TRANSPORT_ERROR, Receiver, State, WebSocket

_CHUNK = 16_384
"""Bytes: the size of a TLS record."""


class TlsWebSocket(WebSocket):
    """One open connection over TLS.

    Args:
        sock: gevent's TLS socket.
        receiver: The receiver of its messages.
        max_message_size: Maximum number of bytes of one message.
        max_backlog: Maximum number of bytes buffered for a slow peer; beyond it the connection is cut.
        counts: Counts what slow peers do not get.
    """

    __slots__ = ("_may_read", "_tls", "_writing")

    def __init__(self, sock: Any, receiver: Receiver, max_message_size: int, max_backlog: int, counts: Counts) -> None:
        # Does not call the base class: there is no descriptor to watch.
        self._begin(receiver, max_message_size, max_backlog, counts)
        self._tls = sock
        self._writing = False
        self._may_read = Event()
        self._may_read.set()

    def run(self, received: bytes = b"") -> None:
        """Read until the connection ends; the caller's greenlet is the reader.

        Args:
            received: Bytes that arrived while the WSGI handler read the socket.
        """
        if received:
            self._received(received)
        while self._state is not State.CLOSED:
            self._may_read.wait()
            try:
                data = self._tls.recv(_CHUNK)
            except OSError:
                self._lose(TRANSPORT_ERROR)
                return
            if not data:
                self._lose(TRANSPORT_CLOSE)
            else:
                self._received(data)

    def put_off(self, data: bytes) -> None:
        """Send bytes after those that wait; if too many wait, cut the connection."""
        if self._backlog is None:
            self._backlog = deque()
        self._backlog.append(data)
        self._backlog_size += len(data)
        if self._backlog_size > self._max_backlog:
            self._cut()
        elif not self._writing:
            self._writing = True
            gevent.spawn(self._flush)

    def _flush(self) -> None:
        try:
            while self._backlog:
                data = self._backlog.popleft()
                self._tls.sendall(data)
                self._backlog_size -= len(data)
        except OSError:
            self._lose(TRANSPORT_ERROR)
            return
        finally:
            self._writing = False
        self._backlog = None
        if self._state is State.CLOSING:
            self.abort()

    def _stop_writer(self) -> None:
        self._backlog, self._backlog_size = None, 0

    def _start_reading(self) -> None:
        self._may_read.set()

    def _stop_reading(self) -> None:
        self._may_read.clear()

    def _half_close(self) -> None:
        self.abort()

    def _close_socket(self) -> None:
        self._may_read.set()
        with suppress(OSError):
            # The handler's reader keeps the socket open, and only this ends its wait.
            self._tls.shutdown(_socket.SHUT_RDWR)
        self._tls.close()
