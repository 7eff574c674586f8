"""One message to many sessions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.engine.websocket import WebSocket, write_to_all


class Session(Protocol):
    """A session, as far as messages are sent to it."""

    websocket: WebSocket | None
    takes_offsets: bool

    def send(self, pkt: Any) -> None:
        """Send a packet."""


def find_websockets(sockets: Iterable[Session]) -> tuple[WebSocket, ...] | None:
    """Return the WebSocket connections of sessions, which stay the same as long as these live.

    Args:
        sockets: The sessions.

    Returns:
        The connections; None where a session uses another transport, or may yet change over.
    """
    websockets = []
    for socket in sockets:
        if socket.websocket is None:
            return None
        websockets.append(socket.websocket)
    return tuple(websockets)


def deliver_to_all(sockets: Iterable[Session], message: OutboundMessage) -> None:
    """Send one message to many sessions.

    Args:
        sockets: The sessions.
        message: The message, encoded.
    """
    if message.offset is None:
        _deliver(sockets, message)
        return
    sockets = tuple(sockets)
    with_offset = [socket for socket in sockets if socket.takes_offsets]
    if len(with_offset) < len(sockets):
        _deliver([socket for socket in sockets if not socket.takes_offsets], message)
    if with_offset:
        _deliver(with_offset, message.with_offset)


def _deliver(sockets: Iterable[Session], message: OutboundMessage) -> None:
    websockets = []
    for socket in sockets:
        if socket.websocket is not None:
            websockets.append(socket.websocket)
        else:
            for packet in message.packets:
                socket.send(packet)
    write_to_all(websockets, message.frames, message.volatile)
