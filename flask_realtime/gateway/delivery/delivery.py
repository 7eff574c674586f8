"""Delivery of effects: on this server at once, on the others through the bus."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from flask import Flask

from flask_realtime.backends.bus import Envelope
from flask_realtime.contract.effects import Emit
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.gateway.delivery.encoding import decode_arguments
from flask_realtime.gateway.delivery.envelopes import LOGGED, envelope_of
from flask_realtime.gateway.delivery.sent import SentEvents
from flask_realtime.gateway.repeats import Deliverer, Repeated, Repeater
from flask_realtime.signals import event_sent

_SUBJECTS = 10_000
"""Number of subjects remembered to detect late events: more than change while one event is in transit."""


class Delivery:
    """Sends events.

    Args:
        app: The application.
        local: Encodes events and delivers them on this server.
        publish: Sends an envelope to the other servers; None if there are none.
        sent: The events of the log that were sent already.
    """

    def __init__(self, app: Flask, local: Deliverer, publish: Callable[[Envelope], bool] | None, sent: SentEvents) -> None:
        self._app = app
        self._local = local
        self._publish = publish
        self.sent = sent
        """The events of the log that were sent already."""
        self._versions: OrderedDict[str, int] = OrderedDict()
        self._repeater = Repeater(app, local, publish, self.send)
        self.send_again = self._repeater.send_again
        """Sends an event that was sent before; see `Repeater.send_again`."""

    def send(self, emit: Emit) -> bool:
        """Send an event to its receivers, on every server.

        Returns:
            Whether it is on its way to the other servers; if not, the bus logs why.

        Raises:
            PayloadNotSerializable: Its arguments are not JSON.
        """
        if type(emit) is Repeated:
            return self._repeater.send(emit)
        if emit.logged is not None and emit.logged in self.sent:
            return True
        return _has_no_rooms(emit) or self._send(emit, self._encode(emit))

    def prepare(self, emit: Emit) -> Callable[[], bool]:
        """Encode an event, and return what sends it as it is now.

        Raises:
            PayloadNotSerializable: Its arguments are not JSON.
        """
        return partial(self._send_prepared, replace(emit), self._encode(emit))

    def send_here(self, emit: Emit) -> None:
        """Send an event to this server's connections only."""
        if not _has_no_rooms(emit):
            message = self._encode(emit)
            self._deliver_here(emit, message)
            self._local.keep(message, emit.rooms, emit.except_rooms, emit.except_connection)

    def receive(self, envelope: Envelope) -> None:
        """Deliver another server's envelope."""
        header = envelope.header
        if LOGGED in header and not self.sent.note(header[LOGGED], envelope.origin):
            return
        if not self._is_late(header["order"]):
            self._local.receive(envelope)

    def _encode(self, emit: Emit) -> OutboundMessage:
        return self._local.encode(emit.event, emit.args, volatile=emit.volatile)

    def _send_prepared(self, emit: Emit, message: OutboundMessage) -> bool:
        if event_sent.receivers:
            # Its arguments may have changed since they were encoded.
            emit = replace(emit, args=decode_arguments(message.parts))
        return _has_no_rooms(emit) or self._send(emit, message)

    def _send(self, emit: Emit, message: OutboundMessage) -> bool:
        if self._publish is None:
            self._deliver_here(emit, message)
            return True
        with self._local.turn:  # An event that has a number is on its way to where others look for it.
            self._deliver(emit, message)
            is_on_its_way = self._publish(envelope_of(emit, message.parts, message.number))
        self._signal(emit)
        return is_on_its_way

    def _deliver_here(self, emit: Emit, message: OutboundMessage) -> None:
        self._deliver(emit, message)
        self._signal(emit)

    def _deliver(self, emit: Emit, message: OutboundMessage) -> None:
        message.logged = emit.logged
        if not self._is_late(emit.order):
            self._local.deliver(message, emit.rooms, emit.except_rooms, emit.except_connection)
        if emit.logged is not None:
            self.sent.note(emit.logged)

    def _signal(self, emit: Emit) -> None:
        if event_sent.receivers:
            event_sent.send(self._app, event=emit)

    def _is_late(self, order: tuple[str, int] | None) -> bool:
        """Return whether this event about a subject, or a later one, has been delivered already, and record this one if not."""
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


def _has_no_rooms(emit: Emit) -> bool:
    """Return whether an event goes to nobody: None stands for everyone."""
    return emit.rooms is not None and not emit.rooms
