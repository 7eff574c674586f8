"""Encoding of events as the parts of a Socket.IO packet: text, then its binary attachments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask.json.provider import DefaultJSONProvider, JSONProvider
from socketio import packet as sio

from flask_realtime.contract.json import ApplicationJSON
from flask_realtime.contract.json_faults import FAULTS
from flask_realtime.gateway.dispatch.packets import DEFAULT_NAMESPACE


class EventEncoder:
    """Encodes events with the types that an application's own JSON provider can serialise.

    Args:
        provider: The application's `app.json`.
    """

    def __init__(self, provider: JSONProvider) -> None:
        self._json = ApplicationJSON(provider)
        self._encode = self._json.encode
        # A subclass, since python-socketio's `json` option would change every server in the process.
        self.packet_class: Any = type("Packet", (sio.Packet,), {"json": self._json})
        # A provider of the application's own may write bytes as text, which `packet_class` sends as attachments.
        self._knows_binary = type(provider) is DefaultJSONProvider

    def encode(
        self, payload: list[Any], packet_id: int | None = None, namespace: str = DEFAULT_NAMESPACE
    ) -> tuple[str | bytes, ...]:
        """Encode an event.

        Args:
            payload: Its name and its arguments.
            packet_id: The number of the callback that waits for the answer, or None.
            namespace: The namespace to send it in.

        Raises:
            PayloadNotSerializable: The arguments are not JSON.
        """
        number = "" if packet_id is None else packet_id
        where = "" if namespace == DEFAULT_NAMESPACE else f"{namespace},"
        try:
            return (f"{sio.EVENT}{where}{number}{self._encode(payload)}",)
        except FAULTS as error:
            parts, attachments = self._split(payload, error)
        try:
            return (f"{sio.BINARY_EVENT}{len(attachments)}-{where}{number}{self._encode(parts)}", *attachments)
        except FAULTS as error:
            raise self._json.refusal(parts[1:], error) from error

    def packet_text(self, kind: int, data: Any, packet_id: int | None, namespace: str | None) -> str | None:
        """Encode a packet for one client, or return None if only `packet_class` can.

        Args:
            kind: The packet's type, as python-socketio numbers them.
            data: Its data, or None.
            packet_id: The number of the callback that it answers, or None.
            namespace: Its namespace; None for the default one.
        """
        if not self._knows_binary:
            return None
        try:
            text = "" if data is None else self._encode(data)
        except FAULTS:
            return None
        where = "" if namespace is None or namespace == DEFAULT_NAMESPACE else f"{namespace},"
        return f"{kind}{where}{text}" if packet_id is None else f"{kind}{where}{packet_id}{text}"

    def _split(self, payload: list[Any], error: Exception) -> tuple[list[Any], list[bytes]]:
        """Return a payload with placeholders for its attachments, and the attachments; raise if it has none."""
        try:
            parts, attachments = self.packet_class.deconstruct_binary(payload)
        except RecursionError:
            raise self._json.refusal(payload[1:], error) from error
        if not attachments:
            raise self._json.refusal(payload[1:], error) from error
        return parts, attachments


def decode_arguments(parts: Sequence[str | bytes]) -> tuple[Any, ...]:
    """Return the arguments of an encoded event, as clients get them."""
    packet = sio.Packet(encoded_packet=parts[0])
    for attachment in parts[1:]:
        packet.add_attachment(attachment)
    return tuple(packet.data[1:])
