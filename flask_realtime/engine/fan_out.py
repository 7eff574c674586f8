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


def deliver_to_all(sockets: Iterable[Session], message: OutboundMessage) -> int:
    """Send one message to many sessions.

    Args:
        sockets: The sessions.
        message: The message, encoded.

    Returns:
        Its size.
    """
    if message.offset is not None:
        _deliver_with_offset(sockets, message)
        return message.size
    websockets = []
    for socket in sockets:
        if socket.websocket is not None:
            websockets.append(socket.websocket)
        else:
            for packet in message.packets:
                socket.send(packet)
    return write_to_all(websockets, message.frames, message.volatile)


def _deliver_with_offset(sockets: Iterable[Session], message: OutboundMessage) -> None:
    """Send a message that has an offset: with it to those who take it, without it to the others."""
    plain, with_offset = [], []
    for socket in sockets:
        if socket.websocket is None:
            for packet in message.packets_with_offset if socket.takes_offsets else message.packets:
                socket.send(packet)
        elif socket.takes_offsets:
            with_offset.append(socket.websocket)
        else:
            plain.append(socket.websocket)
    if with_offset:
        write_to_all(with_offset, message.frames_with_offset, message.volatile)
    if plain:
        write_to_all(plain, message.frames, message.volatile)
