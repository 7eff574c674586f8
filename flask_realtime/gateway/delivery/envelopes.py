"""Envelopes for the other servers: an event for their clients, or a command for a feature."""

from __future__ import annotations

from typing import Any, Final

from flask_realtime.backends.bus import Envelope
from flask_realtime.contract.effects import Emit

SEND: Final = "send"
"""The kind of envelope that carries an event for clients."""

LOGGED: Final = "logged"
"""The field of its header that names an event of the log; see `Emit`."""

COMMAND: Final = "command"
"""The kind of envelope that carries a command for a feature."""


KEPT: Final = "kept"
"""The kind of envelope that carries an event that was for the clients of its own server, should they come back to another one."""


TAKEN: Final = "taken"
"""The kind of envelope that tells a server that a connection of its came back to another one."""

INSPECT: Final = "inspect"
"""The kind of envelope that asks each server for its connections."""

MARK: Final = "mark"
"""The kind of envelope that only moves the order of events on."""


def envelope_of(emit: Emit, parts: tuple[str | bytes, ...], number: int | None = None) -> Envelope:
    """Return what the other servers need to deliver an event.

    Args:
        emit: The event.
        parts: Its encoded packet.
        number: Its number among those of this server, for clients that come back to another one; None if it has none.
    """
    header: dict[str, Any] = {
        "rooms": emit.rooms,
        "except_rooms": emit.except_rooms,
        "except_sid": emit.except_connection,
        "volatile": emit.volatile,
        "order": emit.order,
    }
    if number is not None:
        header["number"] = number
    if emit.note is not None:
        header["note"] = emit.note
    if emit.logged is not None:
        header[LOGGED] = emit.logged
    # A number, or a name in the log, is what somebody who comes back finds it by.
    is_direct = number is None and emit.logged is None
    # Its order, and its note, are for servers without receivers too.
    rooms = emit.rooms if emit.order is None and emit.note is None else None
    return Envelope(SEND, header, parts, is_direct=is_direct, rooms=rooms)


def kept_envelope(
    parts: tuple[str | bytes, ...],
    number: int | None,
    rooms: tuple[Any, ...] | None,
    except_rooms: tuple[Any, ...],
    except_sid: str | None,
) -> Envelope:
    """Return an event that was for the clients of this server alone; see `Entry` for the arguments."""
    header = {"rooms": rooms, "except_rooms": except_rooms, "except_sid": except_sid, "volatile": False, "number": number}
    return Envelope(KEPT, header, parts)


def command_envelope(feature_name: str, command: str, *args: Any) -> Envelope:
    """Return the envelope that makes the other servers run a feature's command.

    Args:
        feature_name: The feature.
        command: The command.
        args: Its arguments, as JSON values.
    """
    header = {"feature": feature_name, "command": command, "args": args}
    return Envelope(COMMAND, header, is_direct=True, is_urgent=True)  # No later than the events that go over links.
