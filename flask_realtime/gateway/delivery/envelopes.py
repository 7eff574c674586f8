"""Envelopes for the other servers: an event for their clients, or a command for a feature."""

from __future__ import annotations

from typing import Any, Final

from flask_realtime.backends.bus import Envelope
from flask_realtime.contract.effects import Emit

SEND: Final = "send"
"""The kind of envelope that carries an event for clients."""

COMMAND: Final = "command"
"""The kind of envelope that carries a command for a feature."""


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


def command_envelope(feature_name: str, command: str, *args: Any) -> Envelope:
    """Return the envelope that makes the other servers run a feature's command.

    Args:
        feature_name: The feature.
        command: The command.
        args: Its arguments, as JSON values.
    """
    return Envelope(COMMAND, {"feature": feature_name, "command": command, "args": args})
