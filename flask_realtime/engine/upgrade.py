"""The change of a session from long polling to WebSocket: a connection is tried beside the polls, and takes over from them.

::

    client                          probe                             session
      │ 2probe ─────────────────────► 3probe; NOOP ends the poll         │ long polling
      │ (waits for the poll to end)   NOOP every 0.1 s                   │
      │ 5 ──────────────────────────► over ── change_over(websocket) ──► │ WebSocket
      │ anything else, nothing for 10 s, the end ──► over, closed        │ long polling
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

import gevent
from engineio import packet as eio

from flask_realtime.engine.frames import CloseCode, Opcode, encode_frame
from flask_realtime.engine.websocket import Receiver, WebSocket

UPGRADE_TIMEOUT: Final = 10.0
"""Seconds in which a client that tries WebSocket beside long polling must change over; as in Node's server."""

POLL_CHECK: Final = 0.1
"""Seconds after which a poll is ended while a client tries WebSocket; as in Node's server."""

_PROBE, _PROBE_ANSWER, _UPGRADE = "2probe", encode_frame(Opcode.TEXT, b"3probe"), "5"


class Upgradable(Receiver, Protocol):
    """A session on long polling."""

    closing: bool

    @property
    def queue(self) -> Any:
        """The packets that wait for the next poll."""

    @property
    def is_polled(self) -> bool:
        """True while a poll waits."""

    def note_heard(self) -> None:
        """Count what came as a sign of life."""

    def change_over(self, websocket: WebSocket) -> None:
        """Use a WebSocket connection from now on."""

    def forget_probe(self) -> None:
        """Forget the connection that is being tried."""


class Probe:
    """Tries a WebSocket connection for a session: told what comes on it until the session changes over.

    Args:
        session: The session.
        new_websocket: Makes the connection, with who is told what comes.
    """

    __slots__ = ("_deadline", "_is_over", "_is_probed", "_session", "websocket")

    def __init__(self, session: Upgradable, new_websocket: Callable[[Receiver], WebSocket]) -> None:
        self._session = session
        self._is_probed = self._is_over = False
        self.websocket = new_websocket(self)
        self._deadline = gevent.spawn_later(UPGRADE_TIMEOUT, self.give_up)

    def run(self, answer: bytes, received: bytes) -> None:
        """Begin.

        Args:
            answer: The answer to the connection's handshake.
            received: Bytes that came behind it.
        """
        if answer:
            self.websocket.write(answer)
        self.websocket.run(received)

    def give_up(self) -> None:
        """Close the connection; the session stays on long polling."""
        if not self._is_over:
            self.websocket.close()
            self._end()

    def _end(self) -> None:
        self._is_over = True
        self._session.forget_probe()
        if self._deadline is not gevent.getcurrent():
            self._deadline.kill(block=False)  # Until it fires, it would keep the session and the connection alive.

    def on_text(self, data: str) -> None:
        """Handle a text message."""
        if self._is_over:
            self._session.on_text(data)  # It arrived together with the upgrade packet.
            return
        self._session.note_heard()
        if data == _PROBE:
            self._answer()
        elif data == _UPGRADE and self._is_probed:
            self._end()
            self.websocket.report_to(self._session)
            self._session.change_over(self.websocket)
        else:
            self.websocket.close(CloseCode.PROTOCOL_ERROR)
            self._end()

    def _answer(self) -> None:
        self._is_probed = True
        self.websocket.write(_PROBE_ANSWER)
        self._session.queue.put(eio.Packet(eio.NOOP))  # Ends the waiting poll.
        gevent.spawn_later(POLL_CHECK, self._end_poll)

    def _end_poll(self) -> None:
        # A client that has not seen the probe's answer starts another poll, and changes over only when that ends.
        if not self._is_over and not self._session.closing:
            if self._session.is_polled:
                self._session.queue.put(eio.Packet(eio.NOOP))
            gevent.spawn_later(POLL_CHECK, self._end_poll)

    def on_binary(self, data: bytes) -> None:
        """Handle a binary message."""
        if self._is_over:
            self._session.on_binary(data)

    def on_lost(self, reason: str) -> None:
        """Handle the loss of the connection."""
        if self._is_over:
            self._session.on_lost(reason)
        else:
            self._end()
