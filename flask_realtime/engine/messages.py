"""Events encoded once for all receivers."""

from __future__ import annotations

from collections.abc import Sequence

from engineio import packet as eio

from flask_realtime.counts import Tally
from flask_realtime.engine.frames import Opcode, encode_frame

_MESSAGE = b"4"
_TEXT, _BINARY = int(Opcode.TEXT), int(Opcode.BINARY)


class OutboundMessage:
    """A Socket.IO packet: its text, and its binary attachments.

    Args:
        parts: The encoded packet: text, then bytes for each attachment.
        tally: Counts the events of its name that are sent; None if nobody does.
        volatile: Whether it may be dropped for a receiver that is behind.
    """

    __slots__ = (
        "_packets",
        "_packets_with_offset",
        "logged",
        "made",
        "made_with_offset",
        "number",
        "offset",
        "parts",
        "tally",
        "volatile",
    )

    def __init__(
        self,
        parts: Sequence[str | bytes],
        tally: Tally | None = None,
        volatile: bool = False,  # noqa: FBT001, FBT002 - a keyword would cost more than counting
    ) -> None:
        self.parts = tuple(parts)
        self._packets: list[eio.Packet] | None = None
        self._packets_with_offset: list[eio.Packet] | None = None
        # Of the two, most events need one.
        self.made: bytes | None = None
        """Its `frames`, once they are made."""
        self.made_with_offset: bytes | None = None
        """Its `frames_with_offset`, once they are made."""
        self.volatile = volatile
        self.offset: str | None = None
        """The argument that receivers get in addition if they take offsets; None for none."""
        self.number: int | None = None
        """Its number among those that this server sent; None if it has none."""
        self.logged: str | None = None
        """Its name in the log; None if it is in no log."""
        self.tally = Tally() if tally is None else tally
        """Counts the events of its name that are sent."""

    def count(self, receivers: int) -> None:
        """Count that it was sent to a number of receivers."""
        size = receivers * self.size
        self.tally.events += receivers
        self.tally.bytes += size

    @property
    def size(self) -> int:
        """The bytes that a receiver gets."""
        return len(self.made or self.made_with_offset or self.parts[0])

    @property
    def frames(self) -> bytes:
        """Complete WebSocket frames, one after the other."""
        frames = self.made
        if frames is None:
            parts = self.parts
            frames = self.made = _frame(parts[0]) if len(parts) == 1 else b"".join(map(_frame, parts))
        return frames

    @property
    def frames_with_offset(self) -> bytes:
        """The frames of the same event with its offset as the last argument, made once for all who get it."""
        frames = self.made_with_offset
        if frames is None:
            parts = self.parts
            frames = encode_frame(_TEXT, f'4{str(parts[0])[:-1]},"{self.offset}"]'.encode())
            if len(parts) > 1:
                frames += b"".join(map(_frame, parts[1:]))
            self.made_with_offset = frames
        return frames

    @property
    def parts_with_offset(self) -> tuple[str | bytes, ...]:
        """The parts of the same event with its offset as the last argument."""
        return f'{str(self.parts[0])[:-1]},"{self.offset}"]', *self.parts[1:]

    @property
    def packets(self) -> list[eio.Packet]:
        """Its Engine.IO packets, for other transports."""
        if self._packets is None:
            self._packets = [eio.Packet(eio.MESSAGE, part) for part in self.parts]
        return self._packets

    @property
    def packets_with_offset(self) -> list[eio.Packet]:
        """The Engine.IO packets of the same event with its offset as the last argument."""
        if self._packets_with_offset is None:
            self._packets_with_offset = [eio.Packet(eio.MESSAGE, part) for part in self.parts_with_offset]
        return self._packets_with_offset


def _frame(part: str | bytes) -> bytes:
    return encode_frame(_TEXT, _MESSAGE + part.encode()) if isinstance(part, str) else encode_frame(_BINARY, part)
