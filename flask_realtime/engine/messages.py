"""An event encoded once, for every receiver."""

from __future__ import annotations

from functools import cached_property

from engineio import packet as eio

from flask_realtime.engine.frames import Opcode, encode_frame

_MESSAGE = b"4"


class OutboundMessage:
    """A Socket.IO packet: its text, and its binary attachments.

    Args:
        parts: The encoded packet: text, then bytes for each attachment.
        volatile: Whether a receiver that is behind may do without it.
    """

    def __init__(self, parts: list[str | bytes], *, volatile: bool = False) -> None:
        self._parts = parts
        self.volatile = volatile

    @cached_property
    def frames(self) -> bytes:
        """Finished WebSocket frames, one behind the other."""
        return b"".join(
            encode_frame(Opcode.TEXT, _MESSAGE + part.encode()) if isinstance(part, str) else encode_frame(Opcode.BINARY, part)
            for part in self._parts
        )

    @cached_property
    def packets(self) -> list[eio.Packet]:
        """Engine.IO packets, for other transports."""
        return [eio.Packet(eio.MESSAGE, part) for part in self._parts]
