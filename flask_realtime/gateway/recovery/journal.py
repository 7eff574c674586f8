"""Journal of the default namespace: numbers the events that are sent, and keeps them as long as anybody may ask for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from typing import Any, Final

from flask_realtime.backends.bus import Envelope
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.gateway.delivery.envelopes import kept_envelope
from flask_realtime.gateway.locks import native_rlock
from flask_realtime.gateway.recovery.history import History
from flask_realtime.gateway.recovery.leases import Leases
from flask_realtime.gateway.recovery.offsets import Offsets

_ENDS_IN_TEXT = '"]'
"""The end of an event whose last argument, or name, is text. Clients take any such text for an offset."""


KeepEvent = Callable[[OutboundMessage, "Iterable[Any] | None", Sequence[Any], "str | None"], None]
"""Keeps an event that has its number for a successor: it, its rooms, and the rooms and the connection that do not get it."""

_ANYBODY: Final = ("anybody",)
"""Demand while it is not known yet who may come back."""


class _EarlyDemand(Sized):
    """Demand before the server serves; remembers whether something was sent that nobody could miss.

    Args:
        leases: The leases by their keys.
    """

    def __init__(self, leases: Sized) -> None:
        self._leases = leases
        self.was_empty = False

    def __len__(self) -> int:
        count = len(self._leases)
        self.was_empty = self.was_empty or not count
        return count


class Journal:
    """Numbers events.

    Args:
        leases: The clients that may come back.
        history: Keeps the events for them.
        offsets: The form of the numbers on the wire.
    """

    def __init__(self, leases: Leases, history: History, offsets: Offsets) -> None:
        self.leases = leases
        self.history = history
        self.offsets = offsets
        self.turn = native_rlock()
        """Held while an event is numbered and sent, so that clients get events in the order of their numbers."""
        self.demand: Sized = leases.by_key
        """Empty while nobody may come back."""
        self.has_missed_some = False
        """Whether an event was not kept that a predecessor's clients may have missed."""
        self.keep_event: KeepEvent | None = None
        """Keeps an event for a successor, before it is sent; None if there is nothing to keep it in."""
        self.place = ""
        """How far this server has received what others sent; see `Offsets.text`."""
        self._seen: dict[str, dict[str, int]] = {}
        self.publish: Callable[[Envelope], bool] | None = None
        """Sends an envelope to the servers that connections may come back to; None if there are none."""

    @property
    def last(self) -> int:
        """The number of the last event."""
        return self.history.last

    @staticmethod
    def gives_offset(message: OutboundMessage) -> bool:
        """Return whether an event gets another offset each time that it is sent."""
        return not message.volatile or str(message.parts[0]).endswith(_ENDS_IN_TEXT)

    def record(self, message: OutboundMessage, room: Any, except_rooms: Iterable[Any], except_sid: str | None) -> None:
        """Give an event its offset, and keep it unless it may be dropped; see `Rooms.send` for the arguments."""
        history = self.history
        if not message.volatile:
            rooms = (room,) if isinstance(room, str) else room if room is None else tuple(room)
            skipped = tuple(except_rooms)
            history.add(message.parts, rooms, skipped, except_sid, self.place)
            message.number = history.last
            if self.keep_event is not None:
                self.keep_event(message, rooms, skipped, except_sid)
        elif not self.gives_offset(message):
            return
        message.offset = self.offsets.text(history.last, self.place)

    def count(self, message: OutboundMessage) -> None:
        """Give an event that nobody here may miss a number, by which other servers know that it was sent."""
        if not message.volatile:
            with self.turn:
                self.history.last += 1
                message.number = self.history.last

    def keep(self, message: OutboundMessage, room: Any, except_rooms: Iterable[Any], except_sid: str | None) -> None:
        """Let an event that is only sent here be found by other servers, should a connection come back to one of them."""
        if self.publish is not None and self.demand and not message.volatile:
            rooms = (room,) if isinstance(room, str) else room if room is None else tuple(room)
            self.publish(kept_envelope(message.parts, message.number, rooms, tuple(except_rooms), except_sid))

    def has_seen(self, sid: str, servers: Mapping[str, int]) -> None:
        """Record what a connection that was on other servers has got there of what they may still be writing.

        Args:
            sid: The connection's id.
            servers: The servers, each with the last number.
        """
        for server, number in servers.items():
            self._seen.setdefault(server, {})[sid] = number

    def who_has(self, origin: str, number: int | None) -> tuple[str, ...]:
        """Return the connections that have an event already.

        Args:
            origin: The server that sent it.
            number: Its number there, or None.
        """
        seen = self._seen.get(origin)
        if seen is None or number is None:
            return ()
        # A server's numbers only grow, so who has seen less than this one has to be remembered no more.
        seen = {sid: last for sid, last in seen.items() if last >= number}
        if seen:
            self._seen[origin] = seen
        else:
            del self._seen[origin]
        return tuple(seen)

    def forget_seen(self, sids: set[str]) -> None:
        """Forget what connections have got elsewhere, except those with these ids."""
        for server, seen in list(self._seen.items()):
            self._seen[server] = {sid: number for sid, number in seen.items() if sid in sids}
            if not self._seen[server]:
                del self._seen[server]

    def position(self) -> str:
        """Return the offset of a client that has everything."""
        return self.offsets.text(self.history.last, self.place)

    def tidy(self) -> None:
        """Forget all events if nobody may come back."""
        if not self.leases.by_key and self.demand is not _ANYBODY:
            self.history.clear()

    def await_serving(self) -> None:
        """Remember whether something is sent before the server serves."""
        self.demand = _EarlyDemand(self.leases.by_key)

    def begin_to_serve(self) -> None:
        """Record from now on what those may miss who have leases."""
        early, self.demand = self.demand, self.leases.by_key
        self.has_missed_some = isinstance(early, _EarlyDemand) and early.was_empty

    def await_leases(self) -> None:
        """Keep all events until it is known who may come back."""
        self.demand = _ANYBODY

    def stop_waiting(self) -> None:
        """Keep events from now on for those alone who have leases."""
        with self.turn:
            self.demand = self.leases.by_key
            self.tidy()
