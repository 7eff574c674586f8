"""The way of an event that comes again and again in the same words, as `typing:start` does while somebody types.

A question with a callback, such as `user:get-status`, goes this way as far as `RememberedCalls`, whoever asked it before: it has
another number each time, and its answer may be another one.

Reading it, finding its receivers and encoding what they get come to the same each time. So each step is remembered where it is
known whether it still holds, and what does not hold falls back to the step before::

    text ─► Session.repeatable ─── same text, ──► what the feature returned ─► Repeater.send_again ─► write_to_all
              │                    mailbox idle     (`Feature.repeats`): still      │ who receives it, while no
              │ another text, or a callback         typing, and in the limit?       │ room has changed
              ▼                                       │ no                          ▼ else
            RememberedCalls ◄─────────────────────────┘                           Rooms.receivers
              │ body read before: charge, handle, answer, or ask the feature for what repeats it
              ▼ else
            parse, charge, check, handle ─► Delivery.send ─► Repeater.send, which encodes once ─► Rooms.send

What is remembered belongs to what remembers it: a session the last text, the dispatcher the calls, a `Repeated` its encoding and
its receivers. Events of other kinds and their messages know nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, TypeVar

from flask import Flask

from flask_realtime.backends.bus import Envelope
from flask_realtime.contract.effects import Emit
from flask_realtime.counts import Alike
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.engine.websocket import WebSocket, write_to_all
from flask_realtime.gateway.delivery.envelopes import envelope_of
from flask_realtime.gateway.delivery.members import Receiver, Room
from flask_realtime.gateway.delivery.rooms import Rooms
from flask_realtime.signals import event_sent

CallT = TypeVar("CallT")

_REMEMBERED: Final = 2048
_REMEMBERED_LENGTH: Final = 256
"""Characters; with the number above, remembering takes 7 MiB at most, and 2 where no event has lists."""

_ROUTE_SIZE: Final = 64
"""Receivers of a message that are remembered with it; among more, looking them up is a small part of the whole."""


class RememberedCalls(dict[str, CallT]):
    """Events that were read before, by their bodies."""

    __slots__ = ()

    def remember(self, body: str, call: CallT) -> None:
        """Remember what an event asks for."""
        if len(body) > _REMEMBERED_LENGTH:
            return
        if len(self) >= _REMEMBERED:
            self.clear()  # Tracking recent use would cost each event more than parsing some again.
        self[body] = call


@dataclass(slots=True)
class _Route:
    """Receivers of a message, as long as the rooms do not change.

    Args:
        websockets: The connections that get it.
        rooms: The rooms that this depends on, each with its version.
        changes: How often any room had changed when these were last looked at.
        counter: Counts what they get.
    """

    websockets: tuple[WebSocket, ...]
    rooms: tuple[tuple[Room, int], ...]
    changes: int
    counter: Alike

    def still_holds(self, changes: int) -> bool:
        """Return whether these are still the receivers, though some room has changed."""
        self.changes = changes
        return all(room.version == version for room, version in self.rooms)


@dataclass(slots=True, eq=False)
class Repeated(Emit):
    """An event that is sent again and again as it is, and that no later one makes superfluous: its `order` has no effect."""

    message: OutboundMessage | None = field(default=None, init=False, repr=False)
    route: _Route | None = field(default=None, init=False, repr=False)
    envelope: Envelope | None = field(default=None, init=False, repr=False)


class Deliverer(Protocol):
    """Encodes events and delivers them on this server."""

    @property
    def rooms(self) -> Rooms:
        """The rooms of the default namespace."""

    @property
    def turn(self) -> AbstractContextManager[Any]:
        """Held while an event is numbered and sent."""

    def encode(self, event: str, args: Iterable[Any], *, volatile: bool) -> OutboundMessage:
        """Encode an event, once for all that get it."""

    def deliver(
        self, message: OutboundMessage, rooms: Sequence[str] | None, except_rooms: Iterable[str], except_sid: str | None
    ) -> None:
        """Send a message to this server's connections."""

    def receive(self, envelope: Envelope) -> None:
        """Send what another server sent to this server's connections."""

    def keep(
        self, message: OutboundMessage, rooms: Sequence[str] | None, except_rooms: Iterable[str], except_sid: str | None
    ) -> None:
        """Keep a message that no other server sends, for connections that come back to one."""


class Repeater:
    """Sends events that were sent before, each to the same rooms; who is in them is found again only when one of them changed.

    Args:
        app: The application.
        local: Encodes events and delivers them on this server.
        publish: Sends an envelope to the other servers; None if there are none.
        send: Sends events of other kinds.
    """

    def __init__(
        self,
        app: Flask,
        local: Deliverer,
        publish: Callable[[Envelope], bool] | None,
        send: Callable[[Emit], bool],
    ) -> None:
        self._app = app
        self._local = local
        self._rooms = local.rooms
        self._publish = publish
        self._send = send

    def send(self, emit: Repeated) -> bool:
        """Send an event in the usual way, unless its receivers are known already.

        Returns:
            Whether it is on its way to the other servers.
        """
        # Separate from `Delivery.send`: CPython's inline caches for attributes serve only one type well.
        message = emit.message
        if message is None:
            message = self._local.encode(emit.event, emit.args, volatile=emit.volatile)
            emit.message = message if self._rooms.is_always_the_same(message) else None
        elif emit.route is not None:
            return self.send_again(emit)
        self._local.deliver(message, emit.rooms, emit.except_rooms, emit.except_connection)
        if event_sent.receivers:
            event_sent.send(self._app, event=emit)
        return self._publish is None or self._publish(_envelope_of(emit, message))

    def send_again(self, emit: Emit) -> bool:
        """Send an event once more as it is, to those who are to get it now; for less where it is a `Repeated`.

        Returns:
            What `send` does.
        """
        if type(emit) is not Repeated:
            return self._send(emit)
        message = emit.message
        if message is None:
            return self.send(emit)
        rooms, route = self._rooms, emit.route
        if route is not None and (route.changes == rooms.changes or route.still_holds(rooms.changes)):
            write_to_all(route.websockets, message.frames, message.volatile)
            route.counter.times += 1
        else:
            receivers = rooms.receivers(emit.rooms, emit.except_rooms, emit.except_connection)
            emit.route = self._find_route(emit, message, receivers)
            rooms.deliver(message, receivers)
        if rooms.pending:
            rooms.hold(message, emit.rooms, emit.except_rooms, emit.except_connection)
        if event_sent.receivers:
            event_sent.send(self._app, event=emit)
        return self._publish is None or self._publish(emit.envelope or _envelope_of(emit, message))

    def _find_route(self, emit: Repeated, message: OutboundMessage, receivers: Mapping[str, Receiver]) -> _Route | None:
        websockets = self._rooms.find_websockets(receivers.values()) if len(receivers) <= _ROUTE_SIZE else None
        if websockets is None or emit.rooms is None:
            return None
        known = [self._rooms.find_room(name) for name in (*emit.rooms, *emit.except_rooms)]
        versions = tuple((room, room.version) for room in known if room is not None)
        if len(versions) != len(known):
            return None  # A room that does not exist yet has no version to compare.
        number = len(websockets)
        counter = message.tally.alike(number, number * len(message.frames))
        return None if counter is None else _Route(websockets, versions, self._rooms.changes, counter)


def _envelope_of(emit: Repeated, message: OutboundMessage) -> Envelope:
    """Return what the other servers need to deliver an event, and remember it where the message is the same each time."""
    envelope = envelope_of(emit, message.parts)
    if emit.message is not None:
        envelope = emit.envelope = replace(envelope, packed=[])
    return envelope
