"""Sessions on long polling: python-engineio's code, held to one poll and one POST at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engineio import packet as eio
from engineio.exceptions import EngineIOError

from flask_realtime.engine.hangup import hang_up, watch_for_hangup
from flask_realtime.engine.installing import handler_of
from flask_realtime.engine.polling import MalformedPayload, read_post
from flask_realtime.engine.session import HEARD, IGNORED, Session


class PolledSession(Session):
    """A session that may be on long polling."""

    @property
    def is_polled(self) -> bool:
        """Return whether a poll waits, which occupies a slot in the server's pool."""
        return self._is_polled

    def poll(self) -> list[eio.Packet]:
        """Wait for packets to send to the client."""
        packets: list[eio.Packet] = super().poll()
        self._queued = 0
        if not self._is_connected and self.queue.empty():
            self._lazy_queue = None  # Most of the memory of an idle session.
        return packets

    def handle_get_request(self, environ: Mapping[str, Any], start_response: Any) -> Any:
        """Handle a poll, or the request to upgrade. A second poll beside the first closes the session."""
        if "wsgi.websocket" in environ:
            return self._upgrade_websocket(environ, start_response)
        if self._is_polled:
            self._refuse_overlap()
        self._is_polled, self._gives_way = True, False
        self.server.polls.add(self)
        if self._leaving_reason:
            self.close(wait=False, reason=self._leaving_reason)
        try:
            with watch_for_hangup(environ, self._on_hangup):
                packets = super().handle_get_request(environ, start_response)
            if self._gives_way:
                _close_after(environ, start_response)
            return packets
        finally:
            self._is_polled = False
            self.server.polls.discard(self)

    def give_way(self) -> None:
        """Answer the poll that waits with nothing, and close its connection, so that another client is served."""
        self._gives_way = True
        self.queue.put(eio.Packet(eio.NOOP))

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
        except MalformedPayload:
            self.server.counts.malformed += 1
            raise
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
        self._heard |= HEARD
        if pkt.packet_type == eio.MESSAGE:
            self._message(pkt.data)
        elif pkt.packet_type == eio.PONG:
            self.answer_ping()
        elif pkt.packet_type == eio.CLOSE:
            self.queue.put(eio.Packet(eio.NOOP))  # Ends the waiting poll.
            self.close(wait=False, abort=True, reason=self.server.reason.CLIENT_DISCONNECT)
        elif str(pkt.packet_type) not in IGNORED:
            self.server.counts.malformed += 1
            self.close(wait=False, reason=self.server.reason.TRANSPORT_ERROR)


def _close_after(environ: Mapping[str, Any], start_response: Any) -> None:
    handler = handler_of(environ, start_response)
    if handler is not None:
        handler.close_connection = True
