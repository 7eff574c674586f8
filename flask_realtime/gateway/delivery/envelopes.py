"""Envelopes: all that the other servers need to deliver an event."""

from __future__ import annotations

from typing import Any, Final

from flask_realtime.backends.bus import Envelope
from flask_realtime.contract.effects import Emit

SEND: Final = "send"
"""The kind of envelope that carries an event for clients."""


def envelope_of(emit: Emit, parts: tuple[str | bytes, ...]) -> Envelope:
    """Return what the other servers need to deliver an event.

    Args:
        emit: The event.
        parts: Its encoded packet.
    """
    header: dict[str, Any] = {
        "rooms": emit.rooms,
        "except_rooms": emit.except_rooms,
        "except_sid": emit.except_connection,
        "volatile": emit.volatile,
        "order": emit.order,
    }
    if emit.note is not None:
        header["note"] = emit.note
    return Envelope(SEND, header, parts)
