"""Events encoded once for all receivers."""

from __future__ import annotations

from collections.abc import Sequence

from engineio import packet as eio

from flask_realtime.engine.frames import Opcode, encode_frame

_MESSAGE = b"4"
_TEXT, _BINARY = int(Opcode.TEXT), int(Opcode.BINARY)


class OutboundMessage:
    """A Socket.IO packet: its text, and its binary attachments.

    Args:
        parts: The encoded packet: text, then bytes for each attachment.
        volatile: Whether it may be dropped for a receiver that is behind.
    """

    __slots__ = ("_packets", "_with_offset", "frames", "offset", "parts", "volatile")

    def __init__(self, parts: Sequence[str | bytes], *, volatile: bool = False) -> None:
        self.parts = tuple(parts)
        self._packets: list[eio.Packet] = []
        self.frames = _frame(parts[0]) if len(parts) == 1 else b"".join(map(_frame, parts))
        """Complete WebSocket frames, one after the other."""
        self.volatile = volatile
        self.offset: str | None = None
        """The argument that receivers get in addition if they take offsets; None for none."""
        self._with_offset: OutboundMessage | None = None

    @property
    def with_offset(self) -> OutboundMessage:
        """The same event with its offset as the last argument, made once for all who get it."""
        if self._with_offset is None:
            text = f'{str(self.parts[0])[:-1]},"{self.offset}"]'
            self._with_offset = OutboundMessage((text, *self.parts[1:]), volatile=self.volatile)
        return self._with_offset

    @property
    def packets(self) -> list[eio.Packet]:
        """Its Engine.IO packets, for other transports."""
        if not self._packets:
            self._packets = [eio.Packet(eio.MESSAGE, part) for part in self.parts]
        return self._packets


def _frame(part: str | bytes) -> bytes:
    return encode_frame(_TEXT, _MESSAGE + part.encode()) if isinstance(part, str) else encode_frame(_BINARY, part)
