"""From an effect to those who receive it: on this server at once, on the others through the bus."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from flask import Flask

from flask_realtime.backends.bus import Envelope
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.features.effects import Send
from flask_realtime.gateway.server import SocketIOServer
from flask_realtime.signals import event_sent

SEND: Final = "send"
"""The kind of envelope that carries an event for clients."""

_SUBJECTS = 10_000
"""How many subjects are remembered for which an event may come late: more than change within the time that one is on its way."""


class Delivery:
    """Sends events.

    Args:
        app: The application.
        server: Its Socket.IO server.
        publish: Sends something to the other servers; None where there are none.
    """

    def __init__(self, app: Flask, server: SocketIOServer, publish: Callable[[Envelope], bool] | None) -> None:
        self._app = app
        self._server = server
        self._publish = publish
        self._versions: OrderedDict[str, int] = OrderedDict()

    def send(self, send: Send) -> bool:
        """Send an event to those who are to get it, on every server.

        Returns:
            Whether it is on its way to the other servers; where it is not, the bus says why in the log.

        Raises:
            PayloadNotSerializable: Its arguments are not JSON.
        """
        message = self._deliver_here(send)
        return message is None or self._publish is None or self._publish(envelope_of(send, message.parts))

    def send_again(self, send: Send) -> bool:
        """Send an event that was sent before, as it is, to those who are to get it now.

        Returns:
            What `send` does.
        """
        message = send.encoded
        if message is None:
            return self.send(send)
        self._server.deliver_again(message, send.rooms, send.skip_rooms, send.skip_connection)
        if event_sent.receivers:
            event_sent.send(self._app, event=send)
        return self._publish is None or self._publish(envelope_of(send, message.parts))

    def send_here(self, send: Send) -> None:
        """Send an event that concerns this server's connections alone."""
        self._deliver_here(send)

    def receive(self, envelope: Envelope) -> None:
        """Deliver what another server sent; it goes to the sockets as it came."""
        header = envelope.header
        if self._is_late(header["order"]):
            return
        message = OutboundMessage(envelope.parts, volatile=header["volatile"])
        self._server.deliver(message, header["rooms"], header["skip_rooms"], header["skip_connection"])

    def _deliver_here(self, send: Send) -> OutboundMessage | None:
        rooms, message = send.rooms, send.encoded
        if rooms is not None and not rooms:
            return None
        if message is None:
            message = send.encoded = self._server.encode(send.event, send.args, volatile=send.volatile)
        if not self._is_late(send.order):
            self._server.deliver(message, rooms, send.skip_rooms, send.skip_connection)
        if event_sent.receivers:
            event_sent.send(self._app, event=send)
        encoded: OutboundMessage = message
        return encoded

    def _is_late(self, order: tuple[str, int] | None) -> bool:
        """Say whether this event about a subject, or a later one, has been delivered already, and note this one if not."""
        if order is None:
            return False
        subject, version = order
        if self._versions.get(subject, -1) >= version:
            return True
        self._versions[subject] = version
        self._versions.move_to_end(subject)
        if len(self._versions) > _SUBJECTS:
            self._versions.popitem(last=False)
        return False


def envelope_of(send: Send, parts: tuple[str | bytes, ...]) -> Envelope:
    """Return what the other servers need to deliver an event.

    Args:
        send: The event.
        parts: Its encoded packet.
    """
    header: dict[str, Any] = {
        "rooms": send.rooms,
        "skip_rooms": send.skip_rooms,
        "skip_connection": send.skip_connection,
        "volatile": send.volatile,
        "order": send.order,
    }
    if send.tells is not None:
        header["tells"] = send.tells
    return Envelope(SEND, header, parts)
