"""Delivery to this server's connections: an event is encoded once, for all of its receivers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from flask_realtime.backends.bus import Envelope
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.gateway.delivery.rooms import Encode, Rooms


class LocalDelivery:
    """Encodes events, and delivers them to the connections of this server in the default namespace.

    Args:
        encode: Encodes an event's name and arguments.
        rooms: The rooms of that namespace.
    """

    def __init__(self, encode: Encode, rooms: Rooms) -> None:
        self._encode = encode
        self.rooms = rooms
        """The rooms of the default namespace."""
        self._sent = rooms.counts.sent
        self.turn = rooms.turn
        """Held while an event is numbered and sent; see `Journal.turn`."""
        self.relayed: Mapping[str, Callable[[str], object]] = {}
        """By the names of volatile events: what gets the payloads of those that other servers sent; see `Feature.on_relayed`."""

    def encode(self, event: str, args: Iterable[Any], *, volatile: bool) -> OutboundMessage:
        """Encode an event without a callback, once for all receivers.

        Args:
            event: The event's name.
            args: Its arguments.
            volatile: Whether it may be dropped for a receiver that is behind.

        Raises:
            PayloadNotSerializable: The arguments are not JSON.
        """
        return OutboundMessage(self._encode([event, *args]), self._sent[event], volatile)

    def deliver(
        self, message: OutboundMessage, rooms: Sequence[str] | None, except_rooms: Iterable[str], except_sid: str | None
    ) -> None:
        """Send a message to this server's connections.

        Args:
            message: The message.
            rooms: The rooms whose connections get it, each connection once; None for everyone.
            except_rooms: Rooms whose connections do not get it.
            except_sid: A connection that does not get it, or None.
        """
        # A single room, the usual case, needs no union.
        self.rooms.send(message, rooms[0] if rooms is not None and len(rooms) == 1 else rooms, except_rooms, except_sid)

    def receive(self, envelope: Envelope) -> None:
        """Send what another server sent to this server's connections; its packet goes to the sockets unchanged."""
        header, text = envelope.header, str(envelope.parts[0])
        start = text.find('"') + 1
        end = text.find('"', start)
        name = text[start:end]  # Of one with escapes only its beginning. Parting the text would copy what may be a megabyte.
        message = OutboundMessage(envelope.parts, self._sent[name], header["volatile"])
        rooms = header["rooms"]
        room = rooms[0] if rooms is not None and len(rooms) == 1 else rooms
        self.rooms.receive(message, room, envelope)
        if message.volatile and (relayed := self.relayed.get(name)) is not None:
            relayed(text[end + 2 : -1])

    def keep(
        self, message: OutboundMessage, rooms: Sequence[str] | None, except_rooms: Iterable[str], except_sid: str | None
    ) -> None:
        """Keep a message that no other server sends, for connections that come back to one; see `deliver`."""
        self.rooms.keep(message, rooms, except_rooms, except_sid)
