"""From an event to the parts of a Socket.IO packet: text, then its binary attachments."""

from __future__ import annotations

from typing import Any

from flask.json.provider import JSONProvider
from socketio import packet as sio

from flask_realtime.contract.json import ApplicationJSON
from flask_realtime.errors import PayloadNotSerializable


class EventEncoder:
    """Encodes events with the types that an application's own JSON provider can serialise.

    Args:
        provider: The application's `app.json`.
    """

    def __init__(self, provider: JSONProvider) -> None:
        # A class of its own: python-socketio's `json` option would change every server of the process.
        self.packet_class: Any = type("Packet", (sio.Packet,), {"json": ApplicationJSON(provider)})

    def encode(self, payload: list[Any], packet_id: int | None = None) -> tuple[str | bytes, ...]:
        """Encode an event.

        Args:
            payload: Its name and its arguments.
            packet_id: The number of the callback that waits for the answer, or None.

        Raises:
            PayloadNotSerializable: The arguments are not JSON.
        """
        packet = self.packet_class
        try:
            return (f"{sio.EVENT}{'' if packet_id is None else packet_id}{packet.json.dumps(payload)}",)
        except PayloadNotSerializable:
            if not packet.data_is_binary(payload):
                raise
        parts: list[str | bytes] | str = packet(sio.EVENT, data=payload, id=packet_id).encode()
        return tuple(parts)
