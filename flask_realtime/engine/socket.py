"""Engine.IO sessions on WebSocket, from the start or after an upgrade."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from engineio import packet as eio

from flask_realtime.engine.polled_session import PolledSession
from flask_realtime.engine.session import HEARD, IGNORED, encode_packet
from flask_realtime.engine.takeover import DetachedSocket, take_connection
from flask_realtime.engine.tls import TlsWebSocket
from flask_realtime.engine.upgrade import Probe
from flask_realtime.engine.websocket import NOBODY, Receiver, WebSocket

_CLOSE: Final = "1"
_PONG: Final = "3"
_MESSAGE: Final = "4"


class EngineSocket(PolledSession):
    """A session on either transport; python-engineio's server makes one for each client."""

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
        options = (receiver, self.max_message_size, self.server.max_backlog, self.server.counts)
        return TlsWebSocket(taken.tls, *options) if taken.fd is None else WebSocket(taken.fd, *options)

    def on_text(self, data: str) -> None:
        """Handle a text message of the WebSocket connection."""
        self._heard |= HEARD
        kind = data[:1]
        if kind == _MESSAGE:
            try:  # `_message` inlined: nearly every message passes here, and the call would be a tenth of its cost.
                self.on_message(data[1:])
            except Exception as error:  # noqa: BLE001 - as in `_message`
                self._failed(error)
        elif kind == _PONG:
            self.answer_ping()
        elif kind == _CLOSE:
            self._close_soon(self.server.reason.CLIENT_DISCONNECT)
        elif kind not in IGNORED:
            self.server.counts.malformed += 1
            self._close_soon(self.server.reason.TRANSPORT_ERROR)

    def on_binary(self, data: bytes) -> None:
        """Handle a binary message of the WebSocket connection."""
        self._message(data)

    def on_lost(self, reason: str) -> None:
        """Handle the loss of the WebSocket connection."""
        if not self.closing:
            self.server.greenlets.start_background_task(self._close, reason, True)  # noqa: FBT003 - a task's argument

    def change_over(self, websocket: WebSocket) -> None:
        """Use a WebSocket connection from now on, and send there what waits for the next poll."""
        self.websocket, self.upgraded = websocket, True
        waiting = self._lazy_queue
        if not self._is_polled:  # A waiting poll reads its queue once more when it ends.
            self._lazy_queue = None
        while waiting is not None and not waiting.empty():
            packet = waiting.get_nowait()
            if packet is not None and packet.packet_type != eio.NOOP:
                websocket.write(encode_packet(packet))
        if waiting is not None and self._is_polled:
            waiting.put(eio.Packet(eio.NOOP))
