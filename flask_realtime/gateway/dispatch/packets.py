"""Packets of Socket.IO clients.

The header is parsed apart from the body: an event with a bad body still gets an answer to its callback.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from socketio import packet as sio

from flask_realtime.contract import json
from flask_realtime.contract.events import MAX_EVENT_NAME_LENGTH, RESERVED_NAMES
from flask_realtime.errors import BadRequest

DEFAULT_NAMESPACE: Final = "/"
MAX_ATTACHMENTS: Final = 10
"""Maximum number of binary attachments of one packet, as in Node's parser; a packet with more is malformed."""

MAX_EARLY_BYTES: Final = 8192
"""Maximum bytes from a client before its CONNECT is answered, not counting the CONNECT packets themselves."""

_MAX_ID_DIGITS = 15
_HEADER = re.compile(r"([0-6])(?:([0-9]{1,10})-)?(?:(/[^,?]*)(?:\?[^,]*)?(?:,|$))?([0-9]*)(.*)", re.DOTALL)
_EVENT = "2"
_BINARY_TYPES = (sio.BINARY_EVENT, sio.BINARY_ACK)


class MalformedPacket(Exception):
    """A message is not a Socket.IO packet; the connection is closed, as by Node's server."""


@dataclass(slots=True)
class Packet:
    """One packet, with its body not yet decoded.

    Args:
        type: The packet type, as python-socketio numbers them.
        namespace: The namespace, `/` by default.
        id: The client's number for its callback, or None without one.
        body: The JSON text, possibly empty.
        attachments_expected: How many binary attachments follow.
        attachments: Those received so far.
        is_too_large: Whether it exceeded the maximum size; later attachments were not kept.
    """

    type: int
    namespace: str
    id: int | None
    body: str
    attachments_expected: int = 0
    attachments: tuple[bytes, ...] = ()
    is_too_large: bool = False

    def attach(self, data: bytes, max_size: int) -> None:
        """Add an attachment; over `max_size` bytes in all, it is only counted."""
        self.is_too_large = self.is_too_large or self.size + len(data) > max_size
        self.attachments += (b"" if self.is_too_large else data,)

    @property
    def is_complete(self) -> bool:
        """Return whether all attachments have arrived."""
        return len(self.attachments) == self.attachments_expected

    @property
    def size(self) -> int:
        """Return the size of the body and the attachments, in bytes."""
        text = len(self.body) if self.body.isascii() else len(self.body.encode("utf-8", "surrogatepass"))
        return text + sum(map(len, self.attachments)) if self.attachments else text


def split_event(data: str) -> tuple[int | None, str] | None:
    """Return the id and the body of an event of the default namespace.

    It takes a third of the time of the regular expression.

    Args:
        data: A text message from the engine.

    Returns:
        The client's number for its callback, or None without one, and the JSON text; None if it is another packet, or none.
    """
    if data[:1] != _EVENT:
        return None
    start = data.find("[", 1, _MAX_ID_DIGITS + 2)
    if start == 1:
        return None, data[1:]
    packet_id = data[1:start]
    if start > 1 and packet_id.isascii() and packet_id.isdigit():
        return int(packet_id), data[start:]
    return None


def parse(data: object) -> Packet:
    """Read a packet's header.

    Args:
        data: A text message from the engine.

    Raises:
        MalformedPacket: It is not a packet, or one with too many attachments.
    """
    if not isinstance(data, str):
        msg = "no packet"
        raise MalformedPacket(msg)
    event = split_event(data)
    if event is not None:
        return Packet(sio.EVENT, DEFAULT_NAMESPACE, *event)
    match = _HEADER.fullmatch(data)
    if match is None:
        msg = "no packet"
        raise MalformedPacket(msg)
    kind, attachments, namespace, ack_id, body = match.groups()
    if len(ack_id) > _MAX_ID_DIGITS:
        msg = "the id is too long"
        raise MalformedPacket(msg)
    packet_id = int(ack_id) if ack_id else None
    return Packet(int(kind), namespace or DEFAULT_NAMESPACE, packet_id, body, _attachment_count(int(kind), attachments))


def _attachment_count(kind: int, text: str | None) -> int:
    count = int(text or 0)
    if (count > 0) != (kind in _BINARY_TYPES) or (text is not None) != (count > 0) or count > MAX_ATTACHMENTS:
        msg = "the attachment count is wrong"
        raise MalformedPacket(msg)
    return count


def connect_payload(packet: Packet) -> object:
    """Decode the payload of a CONNECT packet, or return None without one.

    Raises:
        MalformedPacket: It is not JSON.
    """
    try:
        return json.loads(packet.body) if packet.body else None
    except ValueError:
        msg = "the CONNECT payload is not JSON"
        raise MalformedPacket(msg) from None


def event_payload(packet: Packet, max_nesting: int) -> tuple[str, list[Any]]:
    """Decode an event's name and arguments.

    Args:
        packet: The packet.
        max_nesting: Maximum nesting of lists and objects in its arguments.

    Raises:
        BadRequest: The body is not strict JSON, is not an event, or names one that Socket.IO reserves.
    """
    payload = list_payload(packet, max_nesting)
    name = payload[0] if payload else None
    if not isinstance(name, str) or not name or len(name) > MAX_EVENT_NAME_LENGTH:
        msg = f"The event's name must be a string of 1 to {MAX_EVENT_NAME_LENGTH} characters"
        raise BadRequest(msg)
    if name in RESERVED_NAMES:
        msg = f"The event name {name} is reserved"
        raise BadRequest(msg)
    return name, payload[1:]


def list_payload(packet: Packet, max_nesting: int) -> list[Any]:
    """Decode the argument list of an event or acknowledgement, with its binary attachments in place.

    Args:
        packet: The packet.
        max_nesting: Maximum nesting of lists and objects in the list's items.

    Raises:
        BadRequest: The body is not a list of strict JSON, it is nested too deeply, or its placeholders do not fit the attachments.
    """
    try:
        payload = json.loads(packet.body)
    except ValueError as error:
        msg = f"The payload must be strict JSON: {error}"
        raise BadRequest(msg) from None
    if not isinstance(payload, list):
        msg = "The payload must be a list"
        raise BadRequest(msg)
    if _has_brackets(packet.body, max_nesting + 2) and _is_deeper(payload, max_nesting + 1):
        msg = f"The payload must have at most {max_nesting} levels of lists and objects"
        raise BadRequest(msg)
    return [_with_attachments(item, packet.attachments) for item in payload] if packet.attachments else payload


def _has_brackets(text: str, number: int) -> bool:
    """Return whether a text has that many brackets; most have fewer, and need no further check."""
    return len(text) >= number and text.count("[") + text.count("{") >= number


def _is_deeper(value: list[Any], levels: int) -> bool:
    level: list[Any] = [value]
    for _ in range(levels):
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
        level = [child for child in level if isinstance(child, list | dict)]
        if not level:
            return False
    return True


def _with_attachments(value: Any, attachments: Sequence[bytes]) -> Any:
    if isinstance(value, list):
        return [_with_attachments(item, attachments) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("_placeholder") is not True:
        return {key: _with_attachments(item, attachments) for key, item in value.items()}
    number = value.get("num")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(attachments):
        msg = "A binary placeholder must name one of the attachments"
        raise BadRequest(msg)
    return attachments[number]
